"""Groups by density: DBSCAN, HDBSCAN, and the neighbourhood that separates them."""

from __future__ import annotations

import numpy as np

from promolab.segmentation.clustering import one_thread

__all__ = ["dbscan", "distance_knee", "hdbscan", "joined", "nearest_distances"]


def distance_knee(matrix: np.ndarray, min_samples: int) -> tuple[np.ndarray, float]:
    """Return the sorted distances to the ``min_samples``-th neighbour, and their knee.

    The knee is the point furthest below the chord from the first to the last distance (Satopää et
    al. 2011): up to it customers lie close together, beyond it distances shoot up.
    """
    from sklearn.neighbors import NearestNeighbors

    near = min(min_samples, len(matrix))
    with one_thread():
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
    with one_thread():
        model.fit(matrix[rows], sample_weight=None if weights is None else weights[rows])
    labels[rows] = model.labels_
    return labels


def hdbscan(matrix: np.ndarray, smallest: int, min_samples: int) -> np.ndarray:
    """Return the HDBSCAN labels (Campello, Moulavi & Sander 2013), −1 for noise.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    smallest : int
        Customers of the smallest group.
    min_samples : int
        Customers that make a neighbourhood dense.
    """
    from sklearn.cluster import HDBSCAN

    if len(matrix) <= max(smallest, min_samples):
        return np.full(len(matrix), -1)
    model = HDBSCAN(min_cluster_size=max(smallest, 2), min_samples=min_samples, copy=True, n_jobs=1)
    with one_thread():
        return np.asarray(model.fit(matrix).labels_)


def nearest_distances(matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return, for each group 0 … k−1, the largest distance of a member to its nearest other."""
    from sklearn.neighbors import NearestNeighbors

    reach = np.zeros(codes.max() + 1)
    with one_thread():
        for code in range(len(reach)):
            members = matrix[codes == code]
            if len(members) > 1:
                near = NearestNeighbors(n_neighbors=2).fit(members).kneighbors(members)[0]
                reach[code] = near[:, 1].max()
    return reach


def joined(
    matrix: np.ndarray, rows: np.ndarray, codes: np.ndarray, reach: float | np.ndarray
) -> np.ndarray:
    """Return the codes of all rows, from those of a sample of them.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    rows, codes : ndarray of shape (m,)
        The rows that were grouped, and their groups; −1 for noise. The neighbours of all rows
        would not fit into memory.
    reach : float or ndarray of shape (k,)
        How near the nearest grouped row must be, by its group; whoever is further is noise.
    """
    from sklearn.neighbors import NearestNeighbors

    found = np.full(len(matrix), -1)
    grouped = codes >= 0
    if len(rows) < len(matrix) and grouped.any():
        with one_thread():
            tree = NearestNeighbors(n_neighbors=1).fit(matrix[rows[grouped]])
            distance, place = tree.kneighbors(matrix)
        nearest = codes[grouped][place[:, 0]]
        limit = np.broadcast_to(reach, codes.max() + 1)[nearest]
        found = np.where(distance[:, 0] <= limit, nearest, -1)
    found[rows] = codes
    return found
