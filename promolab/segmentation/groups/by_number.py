"""The RFM grid, and k-means, which is told how many segments to make or chooses it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from promolab.segmentation.groups import rfm
from promolab.segmentation.groups.fitted import group_means
from promolab.segmentation.groups.measures import one_thread
from promolab.segmentation.groups.method import Grouped, Method
from promolab.segmentation.groups.number import Chosen, NumberOfSegments, choose
from promolab.wording import plural


class Rfm(Method):
    """Recency against frequency and money, in fifths; the names are the usual ones."""

    fixed_columns = rfm.RFM_COLUMNS

    def group(self) -> Grouped:
        """Group the customers by the grid."""
        found, codes = np.unique(
            rfm.rfm_segments(*rfm.rfm_scores(self.task.active)), return_inverse=True
        )
        return Grouped(codes, names=[rfm.RFM_ORDER[i] for i in found])

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the segments of the task's rows in the fifths of a resample."""
        active, rows = self.task.active, self.task.rows
        resample = active.iloc[np.repeat(rows, drawn)]
        return rfm.rfm_segments(*rfm.rfm_scores(active.iloc[rows], resample))


class KMeans(Method):
    """k-means on standardised features (Lloyd 1982; starts by Arthur & Vassilvitskii 2007).

    Of more customers than `clustering.SAMPLE_ROWS`, the number of segments is chosen on a sample of
    so many, and the segments of all start from the sample's centres.
    """

    has_centres = True

    def model(self, k: int, starts: int, centres: np.ndarray | None) -> Any:
        """Return k-means of scikit-learn that begins at random, or at the centres given."""
        from sklearn.cluster import KMeans

        init = "k-means++" if centres is None else centres
        return KMeans(k, init=init, n_init=starts, random_state=self.settings.seed, max_iter=200)

    def fit(self, k: int, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the labels of the task's rows; a resample weighs each as often as it is drawn."""
        matrix = self.task.drawn
        with one_thread():
            if drawn is None:
                return np.asarray(self.model(k, 5, None).fit(matrix).labels_)
            model = self.model(k, 3, None).fit(matrix, sample_weight=drawn.astype(float))
            return np.asarray(model.predict(matrix))

    def spread(self, labels: np.ndarray) -> np.ndarray:
        """Return labels of all customers, started at the centres of those drawn."""
        start = group_means(self.task.drawn, labels)
        with one_thread():
            return np.asarray(self.model(len(start), 1, start).fit(self.task.matrix).labels_)

    @cached_property
    def tried(self) -> list[int]:
        """The numbers of segments that there are customers enough for."""
        task, k = self.task, self.settings.k
        if k is not None:
            return [k] if k <= task.distinct else []
        smallest, largest = self.settings.k_range
        return list(range(smallest, min(largest, task.distinct, len(task.rows) - 1) + 1))

    def group(self) -> Grouped:
        """Group the customers, by the k asked for or the one chosen."""
        if not self.tried:
            asked = self.settings.k if self.settings.k is not None else self.settings.k_range[0]
            return Grouped(
                None,
                f"{plural(len(self.task.active), 'customer')} of "
                f"{plural(self.task.distinct, 'kind')} are too few for "
                f"{plural(asked, 'segment')}, so they form a single one.",
            )
        if self.tried == [1]:
            return Grouped(None)
        k = self.settings.k
        labels = self.fit(k) if k is not None else self.chosen.labels[self.k_chosen]
        if not self.task.resampled:
            return Grouped(labels)
        note = (
            f"How many segments there are was chosen on {plural(self.task.resampled, 'customer')} "
            "drawn at random; all customers were then put into segments."
        )
        return Grouped(self.spread(labels), note if k is None else "")

    @cached_property
    def chosen(self) -> Chosen:
        """Every k with its measures, and the one chosen."""
        return choose(
            self.task.drawn,
            self.tried,
            self.fit,
            self.task.counts,
            self.settings.seed,
            min_share=self.settings.min_share,
        )

    @property
    def k_chosen(self) -> int:
        """The number of segments chosen."""
        return int(self.chosen.frame.loc[self.chosen.frame["chosen"], "k"].iloc[0])

    @property
    def evidence(self) -> NumberOfSegments | None:
        """How each number of segments does."""
        if not self.tried:
            return None
        return NumberOfSegments(
            self.chosen.frame,
            len(self.task.active),
            self.settings.bootstraps,
            self.task.resampled,
            self.settings.min_share,
        )

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of a refit from new random starts."""
        return self.fit(self.k_chosen, drawn)

    def indices(self, codes: np.ndarray) -> np.ndarray:
        """Return the adjusted Rand indices that the choice has reckoned already."""
        return self.chosen.indices[self.k_chosen] if self.tried else np.zeros(0)
