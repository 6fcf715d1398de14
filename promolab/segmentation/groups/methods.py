"""Ways of grouping: what each is given and has to say; the RFM grid, and k-means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.results import Result
from promolab.segmentation.groups import rfm
from promolab.segmentation.groups.fitted import group_means
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    Chosen,
    NumberOfSegments,
    bootstrap_counts,
    choose,
    one_thread,
    rand_indices,
    sample_rows,
)
from promolab.wording import plural


@dataclass(frozen=True)
class Request:
    """What a `Segmenter` was asked for; see there."""

    k: int | None = None
    k_range: tuple[int, int] = (3, 8)
    columns: Sequence[str] | None = None
    seed: int = 0
    bootstraps: int = 20
    eps: float | None = None
    min_samples: int | None = None
    min_share: float = MIN_SHARE

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise InputError(f"k = {self.k}; expected at least 1 segment, or None to choose")
        if not 2 <= self.k_range[0] <= self.k_range[1]:
            raise InputError(f"k_range = {self.k_range}; expected (smallest, largest), from 2 on")
        if self.bootstraps < 0:
            raise InputError(f"bootstraps = {self.bootstraps}; expected 0 or more refits")
        if self.eps is not None and not self.eps > 0:
            raise InputError(f"eps = {self.eps}; expected a distance above 0, or None to choose")
        if self.min_samples is not None and self.min_samples < 1:
            raise InputError(f"min_samples = {self.min_samples}; expected at least 1 customer")
        if not 0 <= self.min_share < 0.5:
            raise InputError(
                f"min_share = {self.min_share}; expected a share of customers, such as 0.02"
            )


@dataclass(frozen=True)
class Task:
    """Customers to be grouped.

    Parameters
    ----------
    active : DataFrame of n rows
        The customers who bought, sorted by id.
    matrix : ndarray of shape (n, d)
        Their features, standardised.
    columns : tuple of str
        The d features.
    settings : Request
    """

    active: pd.DataFrame = field(repr=False)
    matrix: np.ndarray = field(repr=False)
    columns: tuple[str, ...]
    settings: Request

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows that what is refitted, or looks at all pairs, is made from."""
        return sample_rows(len(self.active), self.settings.seed)

    @property
    def resampled(self) -> int:
        """How many rows are drawn at random; 0 where all are taken."""
        return len(self.rows) if len(self.rows) < len(self.active) else 0

    @cached_property
    def drawn(self) -> np.ndarray:
        """The matrix of `rows`."""
        return np.ascontiguousarray(self.matrix[self.rows]) if self.resampled else self.matrix

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each of `rows` is drawn in each bootstrap resample."""
        return bootstrap_counts(len(self.rows), self.settings.bootstraps, self.settings.seed)

    @cached_property
    def distinct(self) -> int:
        """Different customers among `rows`."""
        return len(np.unique(self.drawn, axis=0)) if self.columns else 1


@dataclass(frozen=True)
class Grouped:
    """What a method made of a task.

    Parameters
    ----------
    codes : ndarray of shape (n,), or None
        The group of each customer, −1 for none; None where all form a single segment.
    note : str
        What a reader must know, else empty.
    names : list of str, optional
        Where the method brings its own: the name of each code.
    """

    codes: np.ndarray | None
    note: str = ""
    names: list[str] | None = None


class Method(ABC):
    """One way of grouping customers; `Segmenter` is the door to it.

    Parameters
    ----------
    task : Task
        The customers.
    """

    fixed_columns: ClassVar[tuple[str, ...] | None] = None
    """The features that it looks at, whatever is asked for."""
    has_centres: ClassVar[bool] = False
    """Whether each customer is in the segment of the nearest centre."""
    drawn_only: ClassVar[bool] = False
    """Whether refits label only the customers who were drawn."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.settings = task.settings

    @abstractmethod
    def group(self) -> Grouped:
        """Group the customers."""

    @abstractmethod
    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of the task's `rows`, of shape (m,), made from a resample of them."""

    @property
    def evidence(self) -> Result | None:
        """What the choice of its setting rests on; None where nothing was chosen."""
        return None

    def indices(self, codes: np.ndarray) -> np.ndarray:
        """Return the adjusted Rand index of each refit with the codes of all n customers."""
        task = self.task
        return rand_indices(codes[task.rows], self.refit, task.counts, drawn_only=self.drawn_only)


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
