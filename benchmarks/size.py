"""How features and the weekly report bear a larger shop, beside SQL written by hand.

Run as ``python -m benchmarks.size promolab|sql|compare SHOP_FOLDER`` it measures once and
prints JSON: a fresh process each time, for the peak memory of a process never falls.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.make_events import make_shop
from benchmarks.processes import own_peak_mb, run_watched
from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

ONE_DATE = datetime(2017, 10, 30, 4)
LINES = (1_500_000, 7_500_000)
SIZES = (1_000_000, 10_000_000)
LARGE = 100_000_000
REPORT_EVENTS, REPORT_CUSTOMERS = 10_000_000, 200_000
MAX_TO_SQL, MAX_GROWTH = 1.5, 12.0
MAX_LARGE_MB = 4 * 1024.0
MAX_REPORT_SECONDS, MAX_REPORT_MB = 480.0, 6 * 1024.0
RELATIVE = 1e-9


def measure_size(folder: Path, *, large: bool = False) -> Iterator[Row]:
    """Yield every row; the shops made on the way land in ``folder``."""
    shops = {events: folder / f"{events}" for events in {*LINES, *SIZES}}
    for events, shop in shops.items():
        make_shop(shop, events)
    for events in LINES:
        yield against_by_hand(shops[events], events)
    sizes = list(SIZES)
    if large:
        shops[LARGE] = folder / f"{LARGE}"
        make_shop(shops[LARGE], LARGE)
        sizes.append(LARGE)
    yield from growth({events: shops[events] for events in sizes})
    yield from whole_report(shops[REPORT_EVENTS], folder / "reports")


def against_by_hand(shop: Path, events: int, runs: int = 3) -> Row:
    """Return the ratio of times to features written by hand, in turn and of equal values."""
    compared = _fresh("compare", shop)
    taken: dict[str, list[float]] = {"promolab": [], "sql": []}
    for _ in range(runs):  # in turn, so that a busy machine slows both
        for name, seconds in taken.items():
            seconds.append(_fresh(name, shop)["seconds"])
    own, sql = (statistics.median(seconds) for seconds in taken.values())
    ratio = statistics.median(a / b for a, b in zip(*taken.values(), strict=True))
    return Row(
        f"build_features, one date, {events / 1e6:.1f} million lines",
        f"≤ {MAX_TO_SQL} × SQL by hand",
        f"{ratio:.2f} × (median of {runs}: {own:.1f} s to {sql:.1f} s; "
        f"{compared['columns']:.0f} columns of {compared['rows']:,.0f} customers equal)",
        ratio <= MAX_TO_SQL,
    )


def growth(shops: dict[int, Path], runs: int = 3) -> Iterator[Row]:
    """Yield how time grows from one size to the next, and the memory of the largest."""
    found = {}
    for events, shop in shops.items():
        again = runs if events < LARGE else 1
        measured = [_fresh("promolab", shop) for _ in range(again)]
        found[events] = (
            statistics.median(m["seconds"] for m in measured),
            max(m["peak_mb"] for m in measured),
        )
    sizes = list(found)
    for smaller, larger in pairwise(sizes):
        times = found[larger][0] / found[smaller][0]
        yield Row(
            f"build_features, one date, from {smaller:,} to {larger:,} events",
            f"≤ {MAX_GROWTH:.0f} × the time",
            f"{times:.1f} × ({found[smaller][0]:.1f} s to {found[larger][0]:.1f} s)",
            times <= MAX_GROWTH,
        )
    peak = found[sizes[-1]][1]
    note = "" if LARGE in found else f"; {LARGE:,} events only with --large"
    yield Row(
        f"build_features, one date, {sizes[-1]:,} events, memory",
        f"≤ {MAX_LARGE_MB / 1024:.0f} GB",
        f"{peak / 1024:.2f} GB{note}",
        peak <= MAX_LARGE_MB,
    )


def whole_report(shop: Path, out: Path) -> Iterator[Row]:
    """Yield time and memory of the weekly report of the large shop."""
    usage = run_watched(["-m", "promolab.cli", "report", "--source", str(shop), "--out", str(out)])
    what = f"promolab report, {REPORT_CUSTOMERS:,} customers, {REPORT_EVENTS:,} events"
    yield Row(
        f"{what}, wall clock",
        f"≤ {MAX_REPORT_SECONDS / 60:.0f} min",
        f"{usage.wall_seconds / 60:.1f} min (processor {usage.cpu_seconds / 60:.1f} min)",
        usage.wall_seconds <= MAX_REPORT_SECONDS,
    )
    yield Row(
        f"{what}, memory",
        f"≤ {MAX_REPORT_MB / 1024:.0f} GB",
        f"{usage.peak_mb / 1024:.2f} GB in the largest process, {usage.sum_mb / 1024:.2f} GB in "
        "all at once",
        usage.sum_mb <= MAX_REPORT_MB,
    )


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


def _fresh(what: str, shop_folder: Path) -> dict[str, float]:
    found = run_watched(["-m", "benchmarks.size", what, str(shop_folder)])
    told: dict[str, float] = json.loads(found.stdout)
    return told


def _compare(shop_folder: Path) -> dict[str, float]:
    ours = features("promolab", shop_folder)
    if wrong := differences(ours, features("sql", shop_folder)):
        raise RuntimeError(f"the features in SQL differ in {', '.join(wrong)}")
    return {"rows": len(ours), "columns": ours.shape[1] - 1}


def _timed(what: str, shop_folder: Path) -> dict[str, float]:
    import ibis

    ibis.duckdb.connect()  # imports are no part of what is compared
    begun = time.perf_counter()
    rows = len(features(what, shop_folder))
    return {"seconds": time.perf_counter() - begun, "peak_mb": own_peak_mb(), "rows": rows}


if __name__ == "__main__":
    wanted, place = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(_compare(place) if wanted == "compare" else _timed(wanted, place)))
