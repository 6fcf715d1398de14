"""k-means and DBSCAN: fits, choice of k, bootstrap stability."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

__all__ = [
    "MIN_SHARE",
    "MIN_STABILITY",
    "bootstrap_counts",
    "choose",
    "dbscan",
    "dense_groups",
    "distance_knee",
    "kmeans",
    "rand_indices",
    "sample_rows",
    "silhouette",
]

MIN_STABILITY = 0.6
"""A k counts as stable from this mean adjusted Rand index on."""

MIN_SHARE = 0.02
"""A segment is worth its name from this share of customers on."""

SILHOUETTE_ROWS = 5_000
SAMPLE_ROWS = 10_000
"""Above so many customers, what is refitted again and again is refitted on a sample of so many."""


@contextmanager
def _one_thread() -> Iterator[None]:
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


def kmeans(
    matrix: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None, starts: int = 5
) -> np.ndarray:
    """Return the k-means labels of all rows, fitted on rows weighted by ``weights``."""
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters=k, n_init=starts, random_state=seed, max_iter=200)
    with _one_thread():
        model.fit(matrix, sample_weight=weights)
        return np.asarray(model.predict(matrix) if weights is not None else model.labels_)


def silhouette(matrix: np.ndarray, codes: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Return the mean silhouette (Rousseeuw 1987) of grouped rows with its normal interval.

    Rows of code −1 are left out; above 5,000 rows a seeded sample stands for all. All three are nan
    where there are fewer than two groups.
    """
    from sklearn.metrics import silhouette_samples

    rows = np.flatnonzero(codes >= 0)
    if len(rows) > SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SILHOUETTE_ROWS, replace=False))
    groups = len(np.unique(codes[rows]))
    if groups < 2 or groups >= len(rows):
        return np.nan, np.nan, np.nan
    with _one_thread():
        values = silhouette_samples(matrix[rows], codes[rows])
    mean, half = values.mean(), 1.959964 * values.std(ddof=1) / np.sqrt(len(values))
    return float(mean), float(mean - half), float(mean + half)


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


def choose(
    matrix: np.ndarray,
    ks: list[int],
    counts: np.ndarray,
    seed: int,
    rows: np.ndarray | None = None,
) -> tuple[pd.DataFrame, dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Fit every k, and choose one.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    ks : list of int
        Numbers of segments to try.
    counts : ndarray of shape (draws, m)
        The same resamples serve every k.
    seed : int
    rows : ndarray of shape (m,), optional
        The rows that are resampled (`sample_rows`); by default all.

    Returns
    -------
    choice : DataFrame
        ``k, silhouette, stability`` with the ends of their intervals, ``smallest_share``, ``fits``
        (stable and no segment too small) and ``chosen``.
    labels, indices : dict
        By k, the labels of the fit and the adjusted Rand index of each refit.

    Notes
    -----
    Chosen is the highest silhouette among the k whose stability is at least `MIN_STABILITY` and
    whose smallest segment holds at least `MIN_SHARE` of customers; where no k does both, the most
    stable one. Ties go to the smaller k.
    """
    labels = {k: kmeans(matrix, k, seed) for k in ks}
    rows = np.arange(len(matrix)) if rows is None else rows
    drawn_from = np.ascontiguousarray(matrix[rows])
    indices = {k: _refits(drawn_from, labels[k][rows], k, counts, seed) for k in ks}
    found = []
    for k in ks:
        smallest = np.bincount(labels[k], minlength=k).min() / len(matrix)
        stability = middle(indices[k])
        stable = not stability[0] < MIN_STABILITY
        fits = bool(stable and smallest >= MIN_SHARE)
        found.append([k, *silhouette(matrix, labels[k], seed), *stability, smallest, fits])
    names = ["silhouette", "silhouette_low", "silhouette_high"]
    names += ["stability", "stability_low", "stability_high", "smallest_share", "fits"]
    choice = pd.DataFrame(found, columns=["k", *names])
    pool = choice[choice["fits"]]
    by = "silhouette"
    if pool.empty:
        pool, by = choice, "stability" if choice["stability"].notna().any() else "silhouette"
    best = pool[by].fillna(-1.0).round(9).idxmax()
    choice["chosen"] = choice.index == best
    return choice, labels, indices


def _refits(
    matrix: np.ndarray, base: np.ndarray, k: int, counts: np.ndarray, seed: int
) -> np.ndarray:
    def refit(drawn: np.ndarray) -> np.ndarray:
        return kmeans(matrix, k, seed, weights=drawn.astype(float), starts=3)

    return rand_indices(base, refit, counts)


def distance_knee(matrix: np.ndarray, min_samples: int) -> tuple[np.ndarray, float]:
    """Return the sorted distances to the ``min_samples``-th neighbour, and their knee.

    The knee is the point furthest below the chord from the first to the last distance (Satopää et
    al. 2011): up to it customers lie close together, beyond it distances shoot up.
    """
    from sklearn.neighbors import NearestNeighbors

    near = min(min_samples, len(matrix))
    with _one_thread():
        # A row is its own first neighbour, as DBSCAN counts it.
        distances, _ = NearestNeighbors(n_neighbors=near).fit(matrix).kneighbors(matrix)
    curve = np.sort(distances[:, -1])
    if curve[0] == curve[-1]:
        return curve, float(curve[-1])
    position = np.linspace(0, 1, len(curve))
    height = (curve - curve[0]) / (curve[-1] - curve[0])
    return curve, float(curve[np.argmax(position - height)])


def dbscan(
    matrix: np.ndarray, eps: float, min_samples: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the DBSCAN labels (Ester et al. 1996), −1 for noise and for rows of weight 0."""
    from sklearn.cluster import DBSCAN

    labels = np.full(len(matrix), -1)
    rows = np.ones(len(matrix), dtype=bool) if weights is None else weights > 0
    model = DBSCAN(eps=max(eps, 1e-9), min_samples=min_samples)
    with _one_thread():
        model.fit(matrix[rows], sample_weight=None if weights is None else weights[rows])
    labels[rows] = model.labels_
    return labels


def dense_groups(
    matrix: np.ndarray, rows: np.ndarray, min_samples: int, eps: float | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Group all rows by the density of some of them.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    rows : ndarray of shape (m,)
        The rows that are grouped by `dbscan`; each of the others joins the group of the nearest of
        them within ``eps``. The neighbours of all rows would not fit into memory.
    min_samples : int
    eps : float, optional
        By default at the knee of the distances.

    Returns
    -------
    codes : ndarray of shape (n,)
        −1 for noise.
    distances : ndarray of shape (m,)
        From `distance_knee`.
    eps : float
    """
    from sklearn.neighbors import NearestNeighbors

    drawn = matrix[rows]
    distances, knee = distance_knee(drawn, min_samples)
    eps = eps or knee
    codes = dbscan(drawn, eps, min_samples)
    grouped = codes >= 0
    found = np.full(len(matrix), -1)
    if len(rows) < len(matrix) and grouped.any():
        with _one_thread():
            tree = NearestNeighbors(n_neighbors=1).fit(drawn[grouped])
            distance, place = tree.kneighbors(matrix)
        near = distance[:, 0] <= eps
        found[near] = codes[grouped][place[near, 0]]
    found[rows] = codes
    return found, distances, eps
