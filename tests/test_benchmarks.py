"""The benchmarks can be run: their modules import, bars are held, and a run says what it missed."""

import importlib
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import loop, mutations, size
from benchmarks.make_events import make_shop
from benchmarks.table import PARTS, QUICK, at_least, at_most, within
from promolab import load_shop


def test_every_module_imports(repository: Path) -> None:
    names = sorted(path.stem for path in (repository / "benchmarks").glob("*.py"))
    assert "__main__" in names and "table" in names
    for name in names:
        importlib.import_module(f"benchmarks.{name}".removesuffix(".__init__"))
    assert len(PARTS) > 10 and all(PARTS.values())
    known = {what for jobs in PARTS.values() for what in jobs}
    assert len(QUICK) > 8 and set(QUICK) <= known


def test_a_bar_is_met_by_every_figure_or_not_at_all() -> None:
    row = at_most("x", [0.0123, 2.5], 2.5, "s", "of two")
    assert (row.bar, row.measured, row.ok) == ("≤ 2.5 s", "0.0123 s to 2.5 s (of two)", True)
    assert not at_most("x", [1.0, 3.0], 2.0).ok and not at_most("x", 1.0, 2.0, also=False).ok
    share = at_least("x", 0.945, 0.95, "%")
    assert (share.bar, share.measured, share.ok) == ("≥ 95 %", "94.5 %", False)
    assert within("x", np.array([0.9, 1.0]), 0.9, 1.0).ok
    assert not within("x", [0.9, 1.1], 0.9, 1.0).ok
    for nothing in (math.nan, [1.0, math.nan], []):
        assert not at_most("x", nothing, 9).ok
        assert not at_least("x", nothing, -9).ok
        assert not within("x", nothing, -9, 9).ok


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make_shop(folder, 3_000, 100, seed=1)
    return folder


def test_a_made_shop_is_of_the_size_asked_for_usable_and_the_same_twice(made, tmp_path):
    written = make_shop(tmp_path, 3_000, 100, seed=1)
    first = pd.read_parquet(made / "events.parquet")
    assert written == len(first) and abs(written - 3_000) < 600
    assert first["ts"].is_monotonic_increasing and first["customer_id"].nunique() > 70
    orders = first.groupby("order_id")
    assert orders["customer_id"].nunique().max() == 1 and 5 < orders.size().mean() < 15
    for name in ("events", "promotions", "exposures", "responses"):
        table = (made / f"{name}.parquet").read_bytes()
        assert table == (tmp_path / f"{name}.parquet").read_bytes()
    checks = load_shop(made).check()
    # The real shop's own lines of coupons stand twice; nothing that is made does.
    twice = [f.table for f in checks.findings if f.check == "duplicate"]
    assert checks.usable and twice == ["promotion_products"]


def test_features_by_hand_are_those_of_the_package(made: Path, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shutil.copytree(made, shop)
    # Some orders come back, in part or whole, and some lines have no order.
    events = pd.read_parquet(made / "events.parquet")
    back = events[events["product_id"] % 9 == 0].copy()
    back["ts"] += pd.Timedelta(days=3, hours=2)
    back["kind"] = ["return", "cancel"] * (len(back) // 2) + ["return"] * (len(back) % 2)
    whole = events[events["order_id"] % 11 == 0].assign(kind="return")
    whole["ts"] += pd.Timedelta(days=1)
    events["order_id"] = events["order_id"].astype("Int64").mask(events["product_id"] % 7 == 0)
    pd.concat([events, back, whole]).sort_values("ts").to_parquet(shop / "events.parquet")
    ours, theirs = size.features("promolab", shop), size.features("sql", shop)
    assert len(ours) > 50 and ours["orders"].min() >= 0
    assert size.differences(ours, theirs) == []
    theirs["amount"] *= 1 + 1e-8
    assert size.differences(ours, theirs) == ["amount"]


def test_every_mutation_has_its_place_and_its_test(repository: Path) -> None:
    """A pattern that no longer stands exactly once is named here, before the benchmark is run."""
    for one in mutations.MUTATIONS:
        assert one.made_in(repository / "promolab")
        file, _, test = one.tests.partition("::")
        assert f"def {test}(" in (repository / "tests" / file).read_text(encoding="utf-8"), test
    assert len(mutations.MUTATIONS) > 30
    gone = mutations.Mutation("errors.py", "a * b / c", "a + b", "test_sees.py")
    with pytest.raises(ValueError, match=r"promolab/errors.py holds 'a \* b / c' 0 times"):
        gone.made_in(repository / "promolab")


def test_of_few_seeds_a_gap_is_beyond_noise_by_students_t() -> None:
    """Five seeds: 2.78 standard errors, where 2 would do for many."""
    gap = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0])
    error = gap.std() / np.sqrt(5)
    assert loop.beyond_noise(gap) == pytest.approx((3 - 2.776445 * error, 3 + 2.776445 * error))
