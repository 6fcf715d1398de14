"""How features bear a larger shop, beside SQL written by hand."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.make_events import make_shop
from benchmarks.processes import fresh
from benchmarks.report import ONE_DATE
from benchmarks.table import Row, Run, at_most, part

if TYPE_CHECKING:
    import pandas as pd

LINES = (1_500_000, 7_500_000)
SIZES = (1_000_000, 10_000_000)
LARGE = 100_000_000
RELATIVE = 1e-9


@part("size", "larger shops")
def measure_size(run: Run) -> Iterator[Row]:
    """Yield every row; the shops made on the way land in a scratch folder."""
    folder, sizes = run.scratch / "size", [*SIZES, LARGE] if run.large else [*SIZES]
    shops = {events: folder / f"{events}" for events in {*LINES, *sizes}}
    for events, shop in shops.items():
        make_shop(shop, events)
    for events in LINES:
        yield against_by_hand(shops[events], events)
    yield from growth({events: shops[events] for events in sizes})


def against_by_hand(shop: Path, events: int, runs: int = 3) -> Row:
    """Return the ratio of times to features written by hand, in turn and of equal values."""
    compared = fresh("size:compare", shop)
    # In turn, so that a busy machine slows both.
    pairs = [
        [fresh("size:timed", name, shop)["seconds"] for name in ("promolab", "sql")]
        for _ in range(runs)
    ]
    own, sql = map(statistics.median, zip(*pairs, strict=True))
    told = f"median of {runs}: {own:.1f} s to {sql:.1f} s; {compared['columns']} columns equal"
    ratio = statistics.median(a / b for a, b in pairs)
    what = f"build_features, one date, {events / 1e6:.1f} million lines"
    return at_most(what, ratio, 1.5, "× SQL by hand", told)


def growth(shops: dict[int, Path], runs: int = 3) -> Iterator[Row]:
    """Yield how time grows from one size to the next, and the memory of the largest."""
    taken, peak = {}, 0.0
    for events, shop in shops.items():
        again = runs if events < LARGE else 1
        measured = [fresh("size:timed", "promolab", shop) for _ in range(again)]
        taken[events] = statistics.median(m["seconds"] for m in measured)
        peak = max(m["peak_mb"] for m in measured)
    what = "build_features, one date,"
    for (smaller, before), (larger, after) in pairwise(taken.items()):
        told = f"{before:.1f} s to {after:.1f} s"
        yield at_most(
            f"{what} from {smaller:,} to {larger:,} events", after / before, 12, "×", told
        )
    yield at_most(f"{what} {max(taken):,} events, memory", peak / 1024, 4, "GB")


def features(what: str, shop_folder: Path) -> pd.DataFrame:
    """Return the features of one date: of the package, or written by hand."""
    from benchmarks import by_hand
    from promolab import build_features, load_shop
    from promolab.contract import read_settings

    if what == "promolab":
        made: pd.DataFrame = build_features(load_shop(shop_folder), ONE_DATE).execute()
        return made
    settings = read_settings(shop_folder / "shop.toml")
    return by_hand.features_in_sql(
        shop_folder, ONE_DATE, settings.zone or "UTC", settings.evening_from
    )


def differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Return the names of columns whose values differ by more than 10⁻⁹ of their size."""
    import numpy as np

    ours = ours.drop(columns="as_of")
    different = sorted(set(ours.columns) ^ set(theirs.columns))
    if len(ours) != len(theirs):
        return ["rows", *different]
    for name in theirs.columns.intersection(ours.columns):
        a, b = ours[name].to_numpy(), theirs[name].to_numpy()
        if name == "top_category":
            same = bool((ours[name].fillna("") == theirs[name].fillna("")).all())
        else:
            a, b = a.astype(float), b.astype(float)
            same = np.allclose(a, b, rtol=RELATIVE, atol=RELATIVE, equal_nan=True)
        if not same:
            different.append(name)
    return different


def compare(folder: str) -> dict[str, float]:
    """Return how many rows and columns are the same by both ways."""
    ours = features("promolab", Path(folder))
    if wrong := differences(ours, features("sql", Path(folder))):
        raise RuntimeError(f"the features in SQL differ in {', '.join(wrong)}")
    return {"rows": len(ours), "columns": ours.shape[1] - 1}


def timed(what: str, folder: str) -> dict[str, float]:
    """Return the seconds of one way."""
    import ibis

    ibis.duckdb.connect()  # imports are no part of what is compared
    begun = time.perf_counter()
    rows = len(features(what, Path(folder)))
    return {"seconds": time.perf_counter() - begun, "rows": rows}
