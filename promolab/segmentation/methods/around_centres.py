"""k-means and mini-batch k-means."""

from __future__ import annotations

import numpy as np

from promolab.segmentation import centres
from promolab.segmentation.fitted import group_means
from promolab.segmentation.methods.by_number import ByNumber

__all__ = ["KMeans", "MiniBatch"]


class KMeans(ByNumber):
    """k-means on standardised features (Lloyd 1982; starts by Arthur & Vassilvitskii 2007).

    Where k was chosen on a sample, the segments of all customers start from the sample's centres.
    """

    has_centres = True
    references = 1
    labels = staticmethod(centres.kmeans)
    labels_from = staticmethod(centres.kmeans_from)

    def fit(self, k: int, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the labels of the task's rows; a resample weighs each as often as it is drawn."""
        if drawn is None:
            return self.labels(self.task.drawn, k, self.settings.seed)
        weights = drawn.astype(float)
        return self.labels(self.task.drawn, k, self.settings.seed, weights=weights, starts=3)

    def spread(self, labels: np.ndarray) -> np.ndarray:
        """Return labels of all customers, started at the centres of those drawn."""
        start = group_means(self.task.drawn, labels)
        return self.labels_from(self.task.matrix, start, self.settings.seed)


class MiniBatch(KMeans):
    """Mini-batch k-means (Sculley 2010): centres follow small batches, so a million are quick."""

    labels = staticmethod(centres.minibatch)
    labels_from = staticmethod(centres.minibatch_from)
