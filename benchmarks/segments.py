"""How long segments of a million customers take, the choice of their number included.

Run as ``python -m benchmarks.segments METHOD CUSTOMERS`` it measures once and prints JSON: a fresh
process, for the peak memory of a process never falls.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.processes import own_peak_mb, run_watched
from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

CUSTOMERS, FEATURES, GROUPS = 1_000_000, 20, 6
K_RANGE = (3, 10)
MAX_SECONDS = 60.0
MAX_MB = 4 * 1024.0


def customers(n: int = CUSTOMERS, seed: int = 0) -> pd.DataFrame:
    """Return n customers of overlapping groups, with features ``x00`` … and those of a profile.

    Parameters
    ----------
    n : int
        Customers.
    seed : int
        Start of the random numbers.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    group = rng.choice(GROUPS, n, p=[0.3, 0.25, 0.18, 0.14, 0.09, 0.04])
    centres = rng.normal(0, 1.1, (GROUPS, FEATURES))
    matrix = centres[group] + rng.normal(size=(n, FEATURES))
    matrix[:, ::4] = np.exp(matrix[:, ::4])  # a quarter is skewed, as amounts are
    frame = pd.DataFrame(matrix, columns=[f"x{i:02d}" for i in range(FEATURES)])
    frame.insert(0, "customer_id", rng.permutation(n))
    orders = 1 + rng.poisson(np.exp(matrix[:, 1].clip(-2, 2)))
    frame = frame.assign(orders=orders, recency_days=rng.integers(1, 300, n), group=group)
    frame["amount"] = orders * matrix[:, 0]
    frame["orders_84d"] = rng.binomial(orders, 0.4)
    frame["contacts"] = rng.poisson(2, n)
    frame["responses"] = rng.binomial(frame["contacts"], 0.1)
    return frame


def large_shop() -> Iterator[Row]:
    """Yield time and memory of k-means, choice of k and profile included."""
    found = json.loads(run_watched(["-m", "benchmarks.segments"]).stdout)
    what = f"kmeans, {CUSTOMERS:,} × {FEATURES}"
    told = (
        f"{found['seconds']:.0f} s; {found['k']:.0f} segments, adjusted Rand index with those "
        f"planted {found['rand']:.2f}"
    )
    yield Row(
        f"{what}, one of {K_RANGE[1] - K_RANGE[0] + 1} k chosen, labels and profile",
        f"≤ {MAX_SECONDS:.0f} s",
        told,
        found["seconds"] <= MAX_SECONDS,
    )
    yield Row(
        f"{what}, memory",
        f"≤ {MAX_MB / 1024:.0f} GB",
        f"{found['peak_mb'] / 1024:.2f} GB",
        found["peak_mb"] <= MAX_MB,
    )


def measure(n: int = CUSTOMERS) -> dict[str, Any]:
    """Return seconds and peak memory of k-means, and how well it found the planted groups."""
    from sklearn.metrics import adjusted_rand_score

    from promolab.segmentation import Segmenter

    frame = customers(n)
    columns = [f"x{i:02d}" for i in range(FEATURES)]
    begun = time.perf_counter()
    segmenter = Segmenter(k_range=K_RANGE, columns=columns).fit(frame)
    profile = segmenter.profile()
    stability = segmenter.stability()
    seconds = time.perf_counter() - begun
    rand = adjusted_rand_score(frame["group"], segmenter.labels_)
    found = {"seconds": seconds, "peak_mb": own_peak_mb(), "k": segmenter.k_, "rand": rand}
    return found | {"stability": stability.value, "customers": profile.customers}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS)))
