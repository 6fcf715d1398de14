"""The benchmarks can be run: their modules import, bars are held, and a run says what it missed."""

import importlib
import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import mutations
from benchmarks.make_events import make_shop
from benchmarks.table import PARTS, QUICK, at_least, at_most, within
from promolab import load_shop


def test_every_module_imports(repository):
    for path in (repository / "benchmarks").glob("*.py"):
        importlib.import_module(f"benchmarks.{path.stem}".removesuffix(".__init__"))
    assert len(PARTS) > 10 and all(PARTS.values())
    known = {what for jobs in PARTS.values() for what in jobs}
    assert len(QUICK) > 8 and set(QUICK) <= known


def test_a_bar_is_met_by_every_figure_or_not_at_all():
    row = at_most("x", [0.0123, 2.5], 2.5, "s", "of two")
    assert (row.bar, row.measured, row.ok) == ("≤ 2.5 s", "0.0123 s to 2.5 s (of two)", True)
    assert not at_most("x", [1.0, 3.0], 2.0).ok and not at_most("x", 1.0, 2.0, also=False).ok
    share = at_least("x", 0.945, 0.95, "%")
    assert (share.bar, share.measured, share.ok) == ("≥ 95 %", "94.5 %", False)
    assert within("x", np.array([0.9, 1.0]), 0.9, 1.0).ok
    assert not within("x", [0.9, 1.1], 0.9, 1.0).ok
    for nothing in (math.nan, [1.0, math.nan], []):
        assert not at_most("x", nothing, 9).ok and not within("x", nothing, -9, 9).ok


def test_a_made_shop_is_of_the_size_asked_for_and_usable(tmp_path):
    written = make_shop(tmp_path, 3_000, 100, seed=1)
    first = pd.read_parquet(tmp_path / "events.parquet")
    assert written == len(first) and abs(written - 3_000) < 600
    assert first["ts"].is_monotonic_increasing and first["customer_id"].nunique() > 70
    checks = load_shop(tmp_path).check()
    # The real shop's own lines of coupons stand twice; nothing that is made does.
    twice = [f.table for f in checks.findings if f.check == "duplicate"]
    assert checks.usable and twice == ["promotion_products"]


def test_every_mutation_has_its_place_and_its_test(repository):
    """A pattern that no longer stands exactly once is named here, before the benchmark is run."""
    for one in mutations.MUTATIONS:
        assert one.made_in(repository / "promolab")
        file, _, test = one.tests.partition("::")
        assert f"def {test}(" in (repository / "tests" / file).read_text(encoding="utf-8"), test
    assert len(mutations.MUTATIONS) > 30
    gone = mutations.Mutation("errors.py", "a * b / c", "a + b", "test_sees.py")
    with pytest.raises(ValueError, match=r"promolab/errors.py holds 'a \* b / c' 0 times"):
        gone.made_in(repository / "promolab")
