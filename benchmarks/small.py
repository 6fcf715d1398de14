"""What a user notices at once: the import."""

from __future__ import annotations

import statistics

from benchmarks.processes import run_watched
from benchmarks.table import Row

MAX_IMPORT_SECONDS = 0.3

TIMED_IMPORT = (
    "import time; begun = time.perf_counter(); import promolab; print(time.perf_counter() - begun)"
)


def import_time(runs: int = 5) -> Row:
    """Time ``import promolab`` in fresh processes."""
    seconds = [float(run_watched(["-c", TIMED_IMPORT], every=0.01).stdout) for _ in range(runs)]
    median = statistics.median(seconds)
    return Row(
        "import promolab",
        f"< {MAX_IMPORT_SECONDS} s",
        f"{median:.3f} s (median of {runs})",
        median < MAX_IMPORT_SECONDS,
    )
