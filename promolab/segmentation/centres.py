"""Groups around centres: k-means, and its mini-batch kin for many customers."""

from __future__ import annotations

import numpy as np

from promolab.segmentation.clustering import one_thread

__all__ = ["kmeans", "kmeans_from", "minibatch", "minibatch_from"]

BATCH = 4_096


def kmeans(
    matrix: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None, starts: int = 5
) -> np.ndarray:
    """Return the k-means labels of all rows, fitted on rows weighted by ``weights``."""
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters=k, n_init=starts, random_state=seed, max_iter=200)
    with one_thread():
        model.fit(matrix, sample_weight=weights)
        return np.asarray(model.predict(matrix) if weights is not None else model.labels_)


def kmeans_from(matrix: np.ndarray, centres: np.ndarray, seed: int) -> np.ndarray:
    """Return the k-means labels of all rows, started at centres that a sample of them gave."""
    from sklearn.cluster import KMeans

    model = KMeans(len(centres), init=centres, n_init=1, random_state=seed, max_iter=200)
    with one_thread():
        return np.asarray(model.fit(matrix).labels_)


def minibatch(
    matrix: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None, starts: int = 5
) -> np.ndarray:
    """Return the labels of mini-batch k-means (Sculley 2010); else as `kmeans`."""
    from sklearn.cluster import MiniBatchKMeans

    # Small batches and patience: else it stops long before a few thousand customers are settled.
    model = MiniBatchKMeans(
        k, n_init=starts, random_state=seed, batch_size=256, max_iter=200, max_no_improvement=100
    )
    with one_thread():
        model.fit(matrix, sample_weight=weights)
        return np.asarray(model.predict(matrix) if weights is not None else model.labels_)


def minibatch_from(matrix: np.ndarray, centres: np.ndarray, seed: int) -> np.ndarray:
    """Return the labels of mini-batch k-means, started at centres that a sample gave."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(
        len(centres), init=centres, n_init=1, random_state=seed, batch_size=BATCH
    )
    with one_thread():
        return np.asarray(model.fit(matrix).labels_)
