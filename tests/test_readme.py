"""What the README says is true: its code runs, its files are there, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import promolab
from promolab import cli
from tests.written import blocks, commands, run_python


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run_one_after_the_other(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """On smaller shops: what they print is other figures of the same words."""
    load = promolab.load_shop

    def smaller(source: str, **options: Any) -> Any:
        shop = load(source, **options)
        if source != "complete_journey":
            return shop
        every_eighth = shop.events.customer_id.cast("int64") % 8 == 0
        return shop.with_tables({**shop.tables, "events": shop.events.filter(every_eighth)})

    monkeypatch.setattr(promolab, "load_shop", smaller)
    assert len(blocks(repository / "README.md", "python")) == 5
    run_python(repository / "README.md", customers="customers=800")
    printed = capsys.readouterr().out
    assert "bring most sales" in printed
    assert "ci_low" in printed
    assert "margin per decision" in printed or "effect on margin" in printed
    assert "Recommended: " in printed
    assert "of 1,500 CNY, expected to add " in printed


def test_files_and_folders_named_are_there(readme: str, repository: Path):
    linked = re.findall(r"\]\(([\w./-]+)\)", readme)
    listed = re.findall(r"`((?:promolab|notebooks|data|reports|benchmarks|docs)/[\w./]*)`", readme)
    generated = {"reports/2017-W44/index.html", "reports/ledger.duckdb"}
    named = set(linked + listed) - generated
    assert len(named) > 10
    assert [name for name in sorted(named) if not (repository / name).exists()] == []


def test_make_targets_named_exist(readme: str, repository: Path):
    targets = set(re.findall(r"\bmake (\w+)", readme))
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    assert {"report", "test", "lab", "lint", "bench"} <= targets
    assert [t for t in sorted(targets) if not re.search(rf"^{t}:", makefile, re.MULTILINE)] == []


def test_commands_named_exist(repository: Path, capsys: pytest.CaptureFixture[str]):
    lines = "\n".join(commands(repository / "README.md"))
    named = set(re.findall(r"^promolab (\w+)", lines, re.MULTILINE))
    made = {"report", "data", "init", "release", "reconcile", "close", "backfill", "score", "lab"}
    assert named == made
    for command in sorted(named):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0
    assert "--week" in capsys.readouterr().out
