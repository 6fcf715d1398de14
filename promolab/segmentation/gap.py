"""The gap statistic: how much tighter groups are than those found where there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd

from promolab.segmentation.clustering import one_thread

__all__ = ["GAP_ROWS", "REFERENCES", "first_within_one_error", "gap_statistic"]

REFERENCES = 10
GAP_ROWS = 5_000
"""Above so many customers, a seeded sample of so many stands for all."""
STARTS = 2


def gap_statistic(
    matrix: np.ndarray, ks: list[int], seed: int, references: int = REFERENCES
) -> pd.DataFrame:
    """Return the gap statistic of each number of groups.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
        Standardised features.
    ks : list of int
        Numbers of groups.
    seed : int
        Start of the random numbers.
    references : int
        Sets of customers without groups, each refitted for every k.

    Returns
    -------
    DataFrame
        ``k, gap, gap_error``: the mean of log W over the references minus log W of the customers,
        W the sum of squared distances to the centres, and its standard error
        sd · √(1 + 1 / references).

    Notes
    -----
    References are drawn evenly from the box that holds the customers along their principal
    components (Tibshirani, Walther & Hastie 2001, choice b).

    Examples
    --------
    >>> two = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0], [9]], 30, axis=0)
    >>> gap_statistic(two, [1, 2, 3], seed=0, references=5).set_index("k")["gap"].idxmax()
    2
    """
    rng = np.random.default_rng(seed)
    if len(matrix) > GAP_ROWS:
        matrix = matrix[np.sort(rng.choice(len(matrix), GAP_ROWS, replace=False))]
    centred = matrix - matrix.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    turned = centred @ vectors
    low, high = turned.min(axis=0), turned.max(axis=0)
    drawn = (rng.uniform(low, high, turned.shape) for _ in range(references))
    with one_thread():
        ours = _log_spread(turned, ks, seed)
        theirs = np.array([_log_spread(reference, ks, seed) for reference in drawn])
    error = theirs.std(axis=0) * np.sqrt(1 + 1 / references)
    return pd.DataFrame({"k": ks, "gap": theirs.mean(axis=0) - ours, "gap_error": error})


def _log_spread(matrix: np.ndarray, ks: list[int], seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    spreads = [
        KMeans(n_clusters=k, n_init=STARTS, random_state=seed).fit(matrix).inertia_ for k in ks
    ]
    # Groups of equal customers have no spread; its log would be −∞.
    return np.log(np.maximum(spreads, 1e-12))


def first_within_one_error(table: pd.DataFrame) -> int | None:
    """Return the smallest k whose gap is at least that of k + 1 less one standard error of it.

    Parameters
    ----------
    table : DataFrame
        ``k, gap, gap_error``, one row per k in ascending order.

    Returns
    -------
    int or None
        None where the gap still rises at the largest k tried.

    Examples
    --------
    >>> table = pd.DataFrame({"k": [2, 3, 4], "gap": [0.1, 0.5, 0.51], "gap_error": [0.02] * 3})
    >>> first_within_one_error(table)
    3
    """
    gap, error, k = (table[name].to_numpy(dtype=float) for name in ("gap", "gap_error", "k"))
    holds = (gap[:-1] >= gap[1:] - error[1:]) & (np.diff(k) == 1)
    return int(k[int(np.argmax(holds))]) if holds.any() else None
