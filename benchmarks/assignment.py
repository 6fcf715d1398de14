"""Random assignment: ten million customers at once, in the planned shares, each name for itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row

if TYPE_CHECKING:
    import numpy as np

CUSTOMERS = 10_000_000
MAX_SECONDS = 5.0
SHARES = {"holdout": 0.1, "send": 0.9}
NAMES = 50
UNLIKELY = 0.001  # of chance alone; corrected where many are tested


def assignment(n: int = CUSTOMERS, runs: int = 3) -> Iterator[Row]:
    """Yield the time for whole numbers and for texts, the shares, and the independence of names."""
    import numpy as np
    import pandas as pd

    numbers = np.random.default_rng(0).permutation(n) + 1_000_000
    texts = pd.Series(numbers).astype("str")
    yield _time("whole numbers", numbers, runs)
    yield _time("texts", texts, runs)
    yield shares_within_noise(numbers)
    yield independent_names()


def _time(what: str, customers: Any, runs: int) -> Row:
    from promolab import assign

    seconds = []
    for run in range(runs):
        begun = time.perf_counter()
        assign(customers, f"run {run}", SHARES, seed=0)
        seconds.append(time.perf_counter() - begun)
    median = statistics.median(seconds)
    return Row(
        f"assign {len(customers):,} customers, ids are {what}",
        f"≤ {MAX_SECONDS:.0f} s",
        f"{median:.2f} s (median of {runs})",
        median <= MAX_SECONDS,
    )


def shares_within_noise(customers: np.ndarray) -> Row:
    """Test the customers in each of four arms against the planned shares (χ²)."""
    from scipy.stats import chisquare

    from promolab import assign

    planned = {"standing": 0.05, "holdout": 0.1, "a": 0.25, "b": 0.6}
    found = assign(customers, "shares", planned, seed=0).counts
    expected = [share * len(customers) for share in planned.values()]
    p = float(chisquare(list(found.values()), expected).pvalue)
    largest = max(abs(got / len(customers) - planned[arm]) for arm, got in found.items())
    return Row(
        f"shares of 4 arms, {len(customers):,} customers",
        f"χ² p ≥ {UNLIKELY}",
        f"p = {p:.3f}; at most {100 * largest:.3f} points from plan",
        p >= UNLIKELY,
    )


def independent_names(n: int = 200_000, names: int = NAMES) -> Row:
    """Test that the arms under different names are independent, pair by pair and over all (χ²)."""
    import numpy as np
    from scipy.stats import chi2

    from promolab import assign

    customers = np.arange(n)
    held = np.array(
        [
            assign(customers, f"promotion {i}", SHARES, seed=0).frame["arm"].cat.codes == 0
            for i in range(names)
        ],
        dtype=float,
    )
    # χ² with one degree of freedom of each pair's two-by-two table is n times its correlation².
    correlation = np.corrcoef(held)[np.triu_indices(names, 1)]
    squares = n * correlation**2
    all_p = float(chi2.sf(squares.sum(), len(squares)))
    least = float(chi2.sf(squares.max(), 1)) * len(squares)
    return Row(
        f"assign, independence across {names} names ({len(squares):,} pairs, {n:,} customers)",
        f"χ² p ≥ {UNLIKELY}",
        f"all p = {all_p:.3f}, least p (Bonferroni) = {min(least, 1.0):.3f}",
        min(all_p, least) >= UNLIKELY,
    )
