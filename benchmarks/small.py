"""What a user notices at once: the import, and the AUC of a million rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.processes import run_watched
from benchmarks.table import Row

MAX_IMPORT_SECONDS = 0.3
MAX_AUC_RATIO = 1.0
AUC_ROWS = 1_000_000
AUC_CUSTOMERS = 200_000

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


def clustered_auc(n: int = AUC_ROWS, customers: int = AUC_CUSTOMERS, runs: int = 3) -> Row:
    """Time the AUC with its clustered interval against scikit-learn's bare AUC."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from promolab.metrics import roc

    rng = np.random.default_rng(0)
    y = rng.random(n) < 0.1
    score = rng.normal(size=n) + y
    cluster = rng.integers(0, customers, n)
    ours, theirs = [], []
    for _ in range(runs):  # in turn, so that a busy machine slows both
        theirs.append(_timed(lambda: roc_auc_score(y, score)))
        ours.append(_timed(lambda: roc(y, score, cluster=cluster).auc))
    own = statistics.median(seconds for seconds, _ in ours)
    other = statistics.median(seconds for seconds, _ in theirs)
    apart = abs(ours[0][1] - theirs[0][1])
    return Row(
        f"AUC with clustered interval, {n:,} rows",
        f"≤ {MAX_AUC_RATIO:.1f} × roc_auc_score",
        f"{own / other:.2f} × ({own:.2f} s to {other:.2f} s, median of {runs}; "
        f"AUCs {apart:.0e} apart)",
        own <= MAX_AUC_RATIO * other and apart < 1e-9,
    )


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    value = call()
    return time.perf_counter() - begun, value
