"""Features of every exposure at its promotion's start, against those of one date.

Run as ``python -m benchmarks.point_in_time time|memory SHOP_FOLDER`` it measures once and prints
JSON: a fresh process each time, for the peak memory of a process never falls.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import own_peak_mb, run_watched
from benchmarks.table import Row

if TYPE_CHECKING:
    from promolab.contract import Shop

ONE_DATE = datetime(2017, 10, 30, 4)  # the start of the default week
MAX_RATIO = 4.0
MAX_PEAK_MB = 1024.0


def all_dates_against_one(shop_folder: Path, runs: int = 3) -> tuple[Row, Row]:
    """Return the rows on time and on memory: medians of the times, the highest memory."""
    measured = [_fresh("time", shop_folder) for _ in range(runs)]
    ratio = statistics.median(m["all_seconds"] / m["one_seconds"] for m in measured)
    one = statistics.median(m["one_seconds"] for m in measured)
    every = statistics.median(m["all_seconds"] for m in measured)
    alone = _fresh("memory", shop_folder)["peak_mb"]
    together = max(m["peak_mb"] for m in measured)
    name = "features of all exposures at their promotions' starts"
    return (
        Row(
            f"{name}, time",
            f"≤ {MAX_RATIO:.0f} × one date",
            f"{ratio:.2f} × (median of {runs}: {every:.2f} s for {measured[0]['rows']:,} rows, "
            f"{one:.2f} s for one date)",
            ratio <= MAX_RATIO,
        ),
        Row(
            f"{name}, memory",
            f"≤ {MAX_PEAK_MB / 1024:.1f} GB",
            f"{alone / 1024:.2f} GB (a process that does just this; "
            f"{together / 1024:.2f} GB after one date, twice)",
            alone <= MAX_PEAK_MB,
        ),
    )


def _fresh(what: str, shop_folder: Path) -> dict[str, float]:
    arguments = ["-m", "benchmarks.point_in_time", what, str(shop_folder)]
    found: dict[str, float] = json.loads(run_watched(arguments).stdout)
    return found


def measure_memory(shop_folder: Path) -> dict[str, float]:
    """Take the peak memory of a process that describes all exposures and nothing else."""
    from promolab import build_features, load_shop

    shop = load_shop(shop_folder)
    build_features(shop, _starts(shop)).execute()
    return {"peak_mb": own_peak_mb()}


def measure_time(shop_folder: Path) -> dict[str, float]:
    """Time one date and all exposures in this process."""
    from promolab import build_features, load_shop

    shop = load_shop(shop_folder)
    starts = _starts(shop)
    # The first call also pays for imports and for reading the files, whichever it is.
    build_features(shop, ONE_DATE).execute()
    begun = time.perf_counter()
    build_features(shop, ONE_DATE).execute()
    between = time.perf_counter()
    frame = build_features(shop, starts).execute()
    ended = time.perf_counter()
    return {
        "one_seconds": between - begun,
        "all_seconds": ended - between,
        "rows": len(frame),
        "peak_mb": own_peak_mb(),
    }


def _starts(shop: Shop) -> Any:
    """Return each customer contacted with the starts of the promotions."""
    joined = shop.exposures.join(shop.promotions, "promotion_id")
    return joined.select("customer_id", as_of="starts_at")


if __name__ == "__main__":
    measure = {"time": measure_time, "memory": measure_memory}[sys.argv[1]]
    print(json.dumps(measure(Path(sys.argv[2]))))
