"""How many segments: every number is tried, judged by four measures, and one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from promolab.segmentation.groups.clustering import (
    MIN_SHARE,
    MIN_STABILITY,
    middle,
    one_thread,
    rand_indices,
    silhouette,
)

__all__ = [
    "GAP_ROWS",
    "REFERENCES",
    "Chosen",
    "Fit",
    "choose",
    "first_within_one_error",
    "gap_statistic",
    "mark_chosen",
]


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


Fit = Callable[[int, "np.ndarray | None"], np.ndarray]
"""Takes k and how often each row is drawn (None: once each), returns a label for each row."""


@dataclass(frozen=True)
class Chosen:
    """The table of every k, with the labels and the adjusted Rand indices behind it.

    Parameters
    ----------
    table : DataFrame
        ``k, silhouette, stability`` with the ends of their intervals, ``gap, gap_error, gap_rule``
        (the k that its rule of one standard error would take), ``smallest_share``,
        ``large_enough``, ``fits`` (stable and large enough) and ``chosen``.
    labels, indices : dict
        By k, the label of each row and the adjusted Rand index of each refit.
    """

    table: pd.DataFrame
    labels: dict[int, np.ndarray]
    indices: dict[int, np.ndarray]


def choose(
    matrix: np.ndarray,
    ks: list[int],
    fit: Fit,
    counts: np.ndarray,
    seed: int,
    *,
    min_share: float = MIN_SHARE,
    references: int = 0,
) -> Chosen:
    """Fit every k, and choose one.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    ks : list of int
        Numbers of segments to try.
    fit : callable
        Makes the segments.
    counts : ndarray of shape (draws, n)
        The same resamples serve every k.
    seed : int
    min_share : float
        A k with a segment of a smaller share of customers is marked and not chosen.
    references : int
        References of the gap statistic; 0 leaves it out.

    Notes
    -----
    Chosen is the highest silhouette among the k whose stability is at least `MIN_STABILITY` and
    whose smallest segment holds at least ``min_share`` of customers; where no k does both, the most
    stable one of those large enough, and of all where none is. Ties go to the smaller k. The gap
    statistic is shown beside, and does not choose.
    """
    from tqdm import tqdm

    labels: dict[int, np.ndarray] = {}
    indices: dict[int, np.ndarray] = {}
    rows = []
    for k in tqdm(ks, desc="numbers of segments", disable=None, leave=False):
        labels[k] = base = fit(k, None)
        indices[k] = rand_indices(base, partial(fit, k), counts)
        smallest = np.bincount(base, minlength=k).min() / len(matrix)
        rows.append([k, *silhouette(matrix, base, seed), *middle(indices[k]), smallest])
    names = ["silhouette", "silhouette_low", "silhouette_high"]
    names += ["stability", "stability_low", "stability_high", "smallest_share"]
    table = pd.DataFrame(rows, columns=["k", *names])
    if references:
        table = table.merge(gap_statistic(matrix, ks, seed, references), on="k")
        table["gap_rule"] = table["k"] == (first_within_one_error(table) or -1)
    return Chosen(mark_chosen(table, min_share), labels, indices)


def mark_chosen(table: pd.DataFrame, min_share: float) -> pd.DataFrame:
    """Add ``large_enough``, ``fits`` and ``chosen`` by the rule of `choose`."""
    table["large_enough"] = table["smallest_share"] >= min_share
    # Without refits stability is unknown, and forbids nothing.
    table["fits"] = table["large_enough"] & ~(table["stability"] < MIN_STABILITY)
    pool, by = table[table["fits"]], "silhouette"
    if pool.empty:
        pool = table[table["large_enough"]] if table["large_enough"].any() else table
        by = "stability" if table["stability"].notna().any() else "silhouette"
    best = pool[by].fillna(-1.0).round(9).idxmax()
    table["chosen"] = table.index == best
    return table
