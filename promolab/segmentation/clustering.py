"""What every way of grouping is judged by: silhouette, resamples, adjusted Rand index."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from promolab.segmentation.intervals import mean_interval

__all__ = [
    "MIN_SHARE",
    "MIN_STABILITY",
    "bootstrap_counts",
    "middle",
    "one_thread",
    "rand_indices",
    "sample_rows",
    "silhouette",
    "silhouettes",
]

MIN_STABILITY = 0.6
"""Segments count as stable from this mean adjusted Rand index on."""

MIN_SHARE = 0.02
"""A segment is worth its name from this share of customers on."""

SILHOUETTE_ROWS = 5_000
SAMPLE_ROWS = 10_000
"""Above so many customers, what is refitted again and again is refitted on a sample of so many."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order whatever the machine, so that equal input gives equal bytes."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1), warnings.catch_warnings():
        # A resample may hold fewer distinct rows than k; its labels are still comparable.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def sample_rows(n: int, seed: int) -> np.ndarray:
    """Return the rows, in order, of a seeded sample of `SAMPLE_ROWS`; all where n is not above it.

    Examples
    --------
    >>> sample_rows(3, seed=0).tolist(), len(sample_rows(1_000_000, seed=0))
    ([0, 1, 2], 10000)
    """
    if n <= SAMPLE_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, SAMPLE_ROWS, replace=False))


def bootstrap_counts(n: int, draws: int, seed: int) -> np.ndarray:
    """Return how often each of n customers is drawn in each resample, shape (draws, n)."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)


def silhouettes(matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the silhouette (Rousseeuw 1987) of each row, shape (n,).

    Rows of code −1 are in no group and get 0; all are nan where there are fewer than two groups, or
    nothing that tells customers apart.
    """
    from sklearn.metrics import silhouette_samples

    rows = codes >= 0
    groups = len(np.unique(codes[rows]))
    if groups < 2 or groups >= rows.sum() or not matrix.shape[1]:
        return np.full(len(codes), np.nan)
    values = np.zeros(len(codes))
    with one_thread():
        values[rows] = silhouette_samples(matrix[rows], codes[rows])
    return values


def silhouette(matrix: np.ndarray, codes: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Return the mean silhouette (Rousseeuw 1987) of grouped rows with its normal interval.

    Rows of code −1 are left out; above 5,000 rows a seeded sample stands for all. All three are nan
    where there are fewer than two groups.
    """
    rows = np.flatnonzero(codes >= 0)
    if len(rows) > SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SILHOUETTE_ROWS, replace=False))
    mean, low, high = mean_interval(silhouettes(matrix[rows], codes[rows]))
    return float(mean), float(low), float(high)


def rand_indices(
    base: np.ndarray,
    refit: Callable[[np.ndarray], np.ndarray],
    counts: np.ndarray,
    *,
    drawn_only: bool = False,
) -> np.ndarray:
    """Return the adjusted Rand index (Hubert & Arabie 1985) of each bootstrap refit with ``base``.

    Parameters
    ----------
    base : ndarray of shape (n,)
        Labels of the fit on all customers.
    refit : callable
        Takes counts of shape (n,) and returns labels of shape (n,).
    counts : ndarray of shape (draws, n)
        From `bootstrap_counts`.
    drawn_only : bool
        Compare on the customers drawn only, for methods that label no others.
    """
    from sklearn.metrics import adjusted_rand_score

    indices = []
    for drawn in counts:
        rows = drawn > 0 if drawn_only else slice(None)
        indices.append(adjusted_rand_score(base[rows], refit(drawn)[rows]))
    return np.array(indices)


def middle(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and the middle 95 % of bootstrap values, nan where there is none."""
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    low, high = np.quantile(values, [0.025, 0.975])
    # One refit far out can draw the mean past a quantile; the interval holds the mean.
    mean = float(values.mean())
    return mean, float(min(low, mean)), float(max(high, mean))
