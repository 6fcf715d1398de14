"""Segmenter: customers into named groups, by k-means, DBSCAN or the RFM grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.segmentation import clustering, rfm
from promolab.segmentation.carried import CarriedSegments
from promolab.segmentation.evidence import (
    DistanceCurve,
    NumberOfSegments,
    Stability,
    sampled_note,
)
from promolab.segmentation.fitted import REACH, FittedSegments, group_means, nearest_centre
from promolab.segmentation.naming import named_groups
from promolab.segmentation.preparation import ALL, prepare
from promolab.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["METHODS", "Segmenter"]

METHODS = ("kmeans", "dbscan", "rfm")


class Segmenter(CarriedSegments):
    """Group customers, and say what each group is.

    Parameters
    ----------
    method : {"kmeans", "dbscan", "rfm"}
        k-means on standardised features; DBSCAN, which leaves out customers unlike any group; or
        the RFM grid (recency × frequency and money) with the names that marketers know.
    k : int, optional
        Number of segments of k-means; by default chosen from ``k_range``.
    k_range : (int, int)
        Smallest and largest k to try.
    columns : sequence of str, optional
        Features that k-means and DBSCAN look at; by default `DEFAULT_COLUMNS`.
    seed : int
        Start of every random number.
    bootstraps : int
        Refits behind a stability.
    eps : float, optional
        Neighbourhood of DBSCAN in standard deviations; by default at the knee of the distances.
    min_samples : int, optional
        Customers that make a neighbourhood dense; by default two per feature, at least five
        (Sander et al. 1998).

    Attributes
    ----------
    labels_ : ndarray of str, shape (n,)
        The segment of each row of the features, in their order.
    names_ : list of str
        Segments in order: the RFM grid's own, else the largest first, ties by name; customers of no
        group and without purchases come last.
    k_ : int
        Segments that the method made.
    silhouette_ : float
        Mean silhouette of the customers grouped; nan for a single segment.
    columns_ : tuple of str
        The features that were of use.
    note_ : str
        What a reader must know, else empty.

    Raises
    ------
    InputError
        If a parameter is none of these.

    Notes
    -----
    Skewed features are logged, all are standardised and drawn in to ±3 standard deviations, nulls
    get the median (`standardise`). Rows are sorted by customer_id before fitting, so their
    order does not matter.

    Examples
    --------
    >>> features = pd.DataFrame({
    ...     "customer_id": range(60), "orders": [1, 20, 5] * 20, "amount": [9.0, 900.0, 90.0] * 20,
    ...     "recency_days": [200, 2, 30] * 20})
    >>> segmenter = Segmenter("rfm").fit(features)
    >>> sorted(set(segmenter.labels_))
    ['Champions', 'Lost', 'Needs attention']

    k-means segments can be kept, so that a name means the same next week:

    >>> import tempfile
    >>> path = Segmenter(k=2, bootstraps=0).fit(features).save(tempfile.mktemp(suffix=".json"))
    >>> next_week = Segmenter.load(path).assign(features.head(30))
    >>> sorted(next_week.names_)
    ['Lapsed occasional visitors', 'Recently seen regulars']
    """

    def __init__(
        self,
        method: str = "kmeans",
        k: int | None = None,
        k_range: tuple[int, int] = (3, 8),
        columns: Sequence[str] | None = None,
        seed: int = 0,
        bootstraps: int = 20,
        eps: float | None = None,
        min_samples: int | None = None,
    ) -> None:
        self.method, self.k, self.k_range = method, k, k_range
        self.columns, self.seed, self.bootstraps = columns, seed, bootstraps
        self.eps, self.min_samples = eps, min_samples
        self._check()

    def _check(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"method {self.method!r} is unknown; {nearest(str(self.method), METHODS)}"
            )
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
        if isinstance(self.columns, str):
            raise InputError(f"columns = {self.columns!r}; expected a list: [{self.columns!r}]")

    @classmethod
    def _of(cls, fit: FittedSegments) -> Segmenter:
        columns = None if fit.asked is None else list(fit.asked)
        segmenter = cls("kmeans", k=len(fit.names), columns=columns, seed=fit.seed)
        segmenter._fit = fit
        return segmenter

    def __repr__(self) -> str:
        made = f", {plural(self.k_, 'segment')}" if hasattr(self, "k_") else ""
        return f"Segmenter({self.method!r}{made})"

    def fit(self, features: Any, customers: Iterable[Any] | None = None) -> Segmenter:
        """Group the customers of ``features``.

        Parameters
        ----------
        features : DataFrame or ibis.Table of n rows
            One row per customer at one ``as_of``.
        customers : iterable of ids, optional
            All customers that the shop knows; those absent from ``features`` become the group
            *No history* of `assignments` and `profile`.

        Returns
        -------
        Segmenter
            Itself.

        Raises
        ------
        InputError
            If there is no row, a customer has two, or a column is missing.
        """
        self._begin(features, customers)
        self._call(*self._group())
        return self

    def _begin(self, features: Any, customers: Iterable[Any] | None) -> None:
        super()._begin(features, customers)
        for cached in ("choice_", "_stability"):
            self.__dict__.pop(cached, None)
        # What is refitted often, or looks at all pairs of customers, is made from these.
        self._rows = clustering.sample_rows(len(self._active), self.seed)
        self._resampled = len(self._rows) if len(self._rows) < len(self._active) else 0
        self._curve: DistanceCurve | None = None
        self._tried: list[int] = []

    def _group(self) -> tuple[list[str], np.ndarray]:
        """Names of the segments, and the code of each active customer (−1: of none)."""
        active = self._active
        if active.empty:
            self.note_ = "No customer has bought anything yet."
            return [], np.zeros(0, dtype=int)
        if self.method == "rfm":
            self._scores = rfm.rfm_scores(active)
        prepared = prepare(active, rfm.RFM_COLUMNS if self.method == "rfm" else self.columns)
        self._matrix, self.columns_ = prepared.matrix, prepared.columns
        if self._scores is not None:
            found, codes = np.unique(rfm.rfm_segments(*self._scores), return_inverse=True)
            return [rfm.RFM_ORDER[i] for i in found], codes
        distinct = len(np.unique(self._matrix, axis=0)) if self.columns_ else 1
        if self.method == "dbscan":
            grouped = self._group_dbscan()
            if grouped is None:
                return [ALL], np.zeros(len(active), dtype=int)
            return named_groups(active, grouped)
        grouped = self._group_kmeans(distinct)
        found = np.zeros(len(active), dtype=int) if grouped is None else grouped
        centres = group_means(self._matrix, found)
        # By the centres that are saved, so that a customer is never elsewhere after loading.
        found, distances = nearest_centre(self._matrix, centres)
        names, codes = ([ALL], found) if grouped is None else named_groups(active, found)
        first = [int(np.argmax(codes == code)) for code in range(len(names))]
        self._fit = FittedSegments(
            tuple(names),
            prepared.scalings,
            centres[found[first]],
            tuple(np.bincount(codes).tolist()),
            reach=float(np.quantile(distances, REACH)),
            seed=self.seed,
            asked=None if self.columns is None else tuple(self.columns),
        )
        return names, codes

    def _group_kmeans(self, distinct: int) -> np.ndarray | None:
        n = len(self._active)
        if self.k is not None:
            self._tried = [self.k] if self.k <= distinct else []
        else:
            last = min(self.k_range[1], distinct, n - 1)
            self._tried = list(range(self.k_range[0], last + 1))
        if not self._tried:
            asked = self.k if self.k is not None else self.k_range[0]
            self.note_ = (
                f"{plural(n, 'customer')} of {plural(distinct, 'kind')} are too few for "
                f"{plural(asked, 'segment')}, so they form a single one."
            )
            return None
        if self._tried == [1]:
            return None
        if self.k is not None:
            return clustering.kmeans(self._matrix, self.k, self.seed)
        chosen = self.choice_.chosen  # fits every k and keeps its labels
        return self._labels_by_k[chosen]

    def _group_dbscan(self) -> np.ndarray | None:
        if not self.columns_:
            self.note_ = "All customers are alike, so they form a single segment."
            return None
        self._near = self.min_samples or max(5, 2 * len(self.columns_))
        codes, distances, self._eps = clustering.dense_groups(
            self._matrix, self._rows, self._near, self.eps
        )
        self._curve = DistanceCurve(distances, self._eps, self._near, self.eps is not None)
        self.note_ = sampled_note(self._resampled)
        if len(self._active) < self._near:
            self.note_ = (
                f"{plural(len(self._active), 'customer')} are fewer than the {self._near} that a "
                "group needs, so they form a single segment."
            )
            return None
        if (codes < 0).all():
            self.note_ = f"No dense group was found at eps = {self._eps:.3g}; try a larger eps."
        return codes

    @cached_property
    def choice_(self) -> NumberOfSegments:
        """How each number of segments does (k-means), as a result."""
        kept = self._kept()
        if kept is not None and kept.choice is not None:
            return kept.choice
        if self.method != "kmeans" or not self._tried:
            raise InputError(f"{self!r} has chosen no number of segments; use method='kmeans'")
        counts = clustering.bootstrap_counts(len(self._rows), self.bootstraps, self.seed)
        table, self._labels_by_k, self._indices_by_k = clustering.choose(
            self._matrix, self._tried, counts, self.seed, self._rows
        )
        return NumberOfSegments(table, len(self._active), self.bootstraps, self._resampled)

    def _evidence(self) -> NumberOfSegments | DistanceCurve | None:
        self._fitted()
        if self._curve is not None:
            return self._curve
        kept = self._kept()
        return self.choice_ if self._tried or (kept is not None and kept.choice) else None

    @property
    def choice(self) -> pd.DataFrame:
        """What the choice rests on.

        k-means: one row per k with silhouette, stability, their intervals and which was chosen.
        DBSCAN: the sorted distances and the eps chosen. RFM, or a single segment: empty.
        """
        evidence = self._evidence()
        return pd.DataFrame() if evidence is None else evidence.to_frame()

    def plot_choice(self, ax: Axes | None = None) -> Axes:
        """Draw what the choice of k (k-means) or of eps (DBSCAN) rests on.

        Raises
        ------
        InputError
            If there was nothing to choose.
        """
        evidence = self._evidence()
        if evidence is None:
            raise InputError(f"{self!r} had nothing to choose. {self.note_}".rstrip())
        return evidence.plot(ax)

    def stability(self) -> Stability:
        """Return how well the segments are found again in resampled customers.

        Each refit draws as many customers with replacement and makes the segments anew: k-means
        from new random starts, DBSCAN at the same eps, the RFM grid with the resample's fifths.
        DBSCAN is compared on the customers drawn, the others on all.
        """
        self._fitted()
        return self._stability

    @cached_property
    def _stability(self) -> Stability:
        kept = self._kept()
        if kept is not None and kept.stability is not None:
            return kept.stability
        single = self.names_[:1] == [ALL] or (self.k_ < 2 and self.method != "dbscan")
        if single or self._active.empty or not self.bootstraps:
            return Stability(np.nan, np.nan, np.nan, 0, np.zeros(0))
        if self.method == "kmeans":
            chosen = self.choice_.chosen  # makes the indices
            indices = self._indices_by_k[chosen]
        else:
            density = self.method == "dbscan"
            counts = clustering.bootstrap_counts(len(self._rows), self.bootstraps, self.seed)
            refit = self._refit_dbscan if density else self._refit_rfm
            codes = self._codes[self._rows]
            indices = clustering.rand_indices(codes, refit, counts, drawn_only=density)
        return Stability(*clustering.middle(indices), len(indices), indices, self._resampled)

    def _refit_rfm(self, drawn: np.ndarray) -> np.ndarray:
        resample = self._active.iloc[np.repeat(self._rows, drawn)]
        return rfm.rfm_segments(*rfm.rfm_scores(self._active.iloc[self._rows], resample))

    def _refit_dbscan(self, drawn: np.ndarray) -> np.ndarray:
        return clustering.dbscan(self._matrix[self._rows], self._eps, self._near, weights=drawn)
