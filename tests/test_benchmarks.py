"""The benchmarks can be run: their modules import, small sizes measure, and the table renders."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks import prediction, small, weekly_report
from benchmarks.processes import run_watched
from benchmarks.table import Row, render


def test_every_module_imports(repository: Path) -> None:
    names = sorted(path.stem for path in (repository / "benchmarks").glob("*.py"))
    assert "__main__" in names and "table" in names
    for name in names:
        importlib.import_module(f"benchmarks.{name}".removesuffix(".__init__"))


def test_the_table_is_aligned_and_shouts_where_a_bar_is_missed() -> None:
    lines = render([Row("a", "≤ 1", "0.5", True), Row("longer", "≤ 10 s", "12 s", False)])
    head, rule, good, bad = lines.splitlines()
    assert len({len(head), len(rule), len(good), len(bad)}) == 1
    assert [cell.strip() for cell in good.split("|")[1:-1]] == ["a", "≤ 1", "0.5", "yes"]
    assert bad.endswith("| NO  |")


def test_files_that_differ_or_are_missing_are_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "tables").mkdir(parents=True)
        (tmp_path / name / "tables" / "a.parquet").write_bytes(b"same")
        (tmp_path / name / "manifest.json").write_text(name)
    one, two = tmp_path / "one", tmp_path / "two"
    assert weekly_report.repeatable(one, two).ok
    (two / "index.html").write_text("only here")
    (two / "tables" / "a.parquet").write_bytes(b"other")
    assert weekly_report.different_files(one, two, weekly_report.KINDS) == (
        ["index.html", "tables/a.parquet"],
        2,
    )
    assert not weekly_report.repeatable(one, two).ok
    assert not weekly_report.repeatable(tmp_path / "no", tmp_path / "nothing").ok


def test_a_watched_command_has_its_memory_and_its_failure_told() -> None:
    usage = run_watched(
        ["-c", "x = bytearray(120 * 2**20); import time; time.sleep(0.3); print(len(x))"],
        every=0.02,
    )
    assert usage.stdout.strip() == str(120 * 2**20)
    assert 120 < usage.peak_mb < 400 and usage.wall_seconds > 0.3
    with pytest.raises(RuntimeError, match="no such week"):
        run_watched(["-c", "raise SystemExit('no such week')"])


def test_the_clustered_auc_agrees_with_scikit_learn() -> None:
    row = small.clustered_auc(n=2_000, customers=300, runs=1)
    assert "AUCs 0e+00 apart" in row.measured or "e-1" in row.measured


def test_a_model_significantly_below_the_baseline_misses_the_bar() -> None:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    rows = pd.DataFrame({"y": y, "p": rng.random(400), "p_baseline": y + rng.normal(size=400)})
    rows["customer_id"] = np.arange(400)
    assert not prediction._not_below("worse", prediction._compare(rows)).ok
    swapped = rows.rename(columns={"p": "p_baseline", "p_baseline": "p"})
    assert prediction._not_below("better", prediction._compare(swapped)).ok
