"""Features of every exposure at its promotion's start, against those of one date.

Run as ``python -m benchmarks.point_in_time SHOP_FOLDER`` it measures once and prints JSON: a fresh
process each time, for the peak memory of a process never falls.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks.processes import own_peak_mb, run_watched
from benchmarks.table import Row

ONE_DATE = datetime(2017, 10, 30, 4)  # the start of the default week
MAX_RATIO = 4.0
MAX_PEAK_MB = 1024.0


def all_dates_against_one(shop_folder: Path, runs: int = 3) -> tuple[Row, Row]:
    """Return the rows on time and on memory: medians of the times, the highest memory."""
    measured = [
        json.loads(run_watched(["-m", "benchmarks.point_in_time", str(shop_folder)]).stdout)
        for _ in range(runs)
    ]
    ratio = statistics.median(m["all_seconds"] / m["one_seconds"] for m in measured)
    one = statistics.median(m["one_seconds"] for m in measured)
    every = statistics.median(m["all_seconds"] for m in measured)
    peak = max(m["peak_mb"] for m in measured)
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
            f"{peak / 1024:.2f} GB (the whole process)",
            peak <= MAX_PEAK_MB,
        ),
    )


def measure(shop_folder: Path) -> dict[str, float]:
    """Time one date and all exposures in this process."""
    from promolab import build_features, load_shop

    shop = load_shop(shop_folder)
    starts = shop.exposures.join(shop.promotions, "promotion_id").select(
        "customer_id", as_of="starts_at"
    )
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


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
