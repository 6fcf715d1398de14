"""Segmenter: customers into named groups, by whichever method."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.profiles import customer_frame
from promolab.segmentation.description import SegmentProfile
from promolab.segmentation.grouped import GroupedCustomers
from promolab.segmentation.groups import rfm
from promolab.segmentation.groups.choosing import REFERENCES
from promolab.segmentation.groups.clustering import MIN_SHARE, middle
from promolab.segmentation.groups.evidence import NumberOfSegments, Stability
from promolab.segmentation.groups.fitted import (
    REACH,
    FittedSegments,
    SegmentDrift,
    group_means,
    nearest_centre,
)
from promolab.segmentation.groups.preparation import (
    ALL,
    NO_PURCHASES,
    Prepared,
    has_history,
    prepare,
)
from promolab.segmentation.methods import METHODS, Evidence, Grouped, Method, Task
from promolab.segmentation.methods._base import Request as Settings
from promolab.segmentation.naming import named_groups, untrue_names
from promolab.segmentation.saved import read_segments, write_segments
from promolab.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.segmentation.responses import SegmentResponse

__all__ = ["CarriedSegments", "Segmenter"]


class CarriedSegments(GroupedCustomers):
    """Customers in segments with centres, which other customers can be put into."""

    _fit: FittedSegments | None = None
    _drift: SegmentDrift | None = None

    def _evidence(self) -> Any:
        raise NotImplementedError

    def stability(self) -> Stability:
        """Return how well the segments are found again."""
        raise NotImplementedError

    def _begin(self, features: Any, customers: Iterable[Any] | None) -> None:
        self._take(features, customers)
        self._fit = self._drift = None

    @classmethod
    def _of(cls, fit: FittedSegments) -> Self:
        raise NotImplementedError

    def _kept(self) -> FittedSegments | None:
        """Return the fit that the segments came with; None where it was made from these data."""
        return self._fit if self._drift is not None else None

    def profile(
        self, response: SegmentResponse | None = None, profiles: pd.DataFrame | None = None
    ) -> SegmentProfile:
        """Return size, share of sales, response rate and the four axes of each segment.

        Parameters
        ----------
        response, profiles
            As for `describe_segments`.
        """
        found = super().profile(response, profiles)
        fit = self._kept()
        if fit is None:
            return found
        when = f" in {fit.made_in}" if fit.made_in else " before"
        basis = f"Descriptive: the groups were made{when}, from mostly the same customers."
        return dataclasses.replace(found, basis=basis)

    def save(self, path: str | Path, *, made_in: str = "") -> Path:
        """Write the segments to a file of JSON: scaling, centres, names and the evidence for them.

        Parameters
        ----------
        path : str or Path
            File to write.
        made_in : str
            Where they were made, such as an ISO week; loaded segments keep what was said first.

        Raises
        ------
        InputError
            If these are no segments with centres, or the file cannot be written.
        """
        self._fitted()
        if self._fit is None:
            raise InputError(f"{self!r} has no centres to save; use method='kmeans' or 'minibatch'")
        if self._kept() is None:
            evidence = self._evidence()
            choice = evidence if isinstance(evidence, NumberOfSegments) else None
            self._fit = dataclasses.replace(
                self._fit, made_in=made_in, choice=choice, stability=self.stability()
            )
        return write_segments(path, self._fit)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read segments that `save` wrote; `assign` and `predict` put customers into them.

        Raises
        ------
        InputError
            If there is no such file, it is foreign, damaged or was changed.
        """
        return cls._of(read_segments(path))

    def assign(self, features: Any, customers: Iterable[Any] | None = None) -> Self:
        """Return these segments with other customers in them, or the same ones another week.

        Each is in the segment of the nearest centre; names and centres stay as they were made.

        Parameters
        ----------
        features, customers
            As for `fit`.

        Raises
        ------
        InputError
            If these are no segments with centres, or features lack most of what they look at.
        """
        fit = self._centres()
        other = self._of(fit)
        other._begin(features, customers)
        placed = fit.place(other._active)
        sizes = np.bincount(placed.codes, minlength=len(fit.names))
        order = sorted(range(len(sizes)), key=lambda c: (-sizes[c], fit.names[c]))
        place = np.argsort(order)
        names = [fit.names[code] for code in order if sizes[code]]
        other._matrix, other.columns_ = placed.matrix, fit.columns
        codes = place[placed.codes]
        other.note_ = " ".join([*placed.notes, *untrue_names(other._active, codes, names)])
        other._fit = fit
        other._drift = fit.drift(placed.codes, placed.distances)
        other._call(names, codes)
        return other

    def predict(self, features: Any) -> np.ndarray:
        """Return the segment of each row of ``features``, shape (n,), without changing anything."""
        return self._predict(customer_frame(features))

    def predict_pairs(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the segment of each row of ``pairs``, shape (n,), by the features of the row.

        Parameters
        ----------
        pairs : DataFrame
            A customer may have several rows: `promolab.build_pairs` describes each customer as of
            each promotion's start, so these are the segments that were known then.
        """
        return self._predict(pairs.reset_index(drop=True))

    def _predict(self, frame: pd.DataFrame) -> np.ndarray:
        fit = self._centres()
        labels = np.full(len(frame), NO_PURCHASES, dtype=object)
        bought = has_history(frame)
        codes = fit.place(frame[bought].reset_index(drop=True)).codes
        labels[bought] = np.array(fit.names, dtype=object)[codes]
        return labels

    def drift(self) -> SegmentDrift:
        """Return how far the customers of `assign` are from those the segments were made from.

        Raises
        ------
        InputError
            If the segments were made from these very customers.
        """
        if self._drift is None:
            raise InputError(f"{self!r} was fitted on these customers; assign it to others first")
        return self._drift

    @property
    def fitted_(self) -> FittedSegments | None:
        """Scaling, centres and names; None before a fit, and where there are no centres."""
        return self._fit

    @property
    def made_in(self) -> str:
        """Where the segments were made, as `save` was told; empty where they are of these data."""
        return self._fit.made_in if self._fit is not None else ""

    def _centres(self) -> FittedSegments:
        if self._fit is None:
            self._fitted()
            raise InputError(f"{self!r} has no centres; use method='kmeans' or 'minibatch'")
        return self._fit


class Segmenter(CarriedSegments):
    """Group customers, and say what each group is.

    Parameters
    ----------
    method : {"kmeans", "minibatch", "gaussian", "dbscan", "hdbscan", "rfm"}
        k-means on standardised features, or its mini-batch kin for very many customers; a Gaussian
        mixture; DBSCAN or HDBSCAN, which leave out customers unlike any group; or the RFM grid
        (recency × frequency and money) with the names that marketers know.
    k : int, optional
        Number of segments of the first three; by default chosen from ``k_range``.
    k_range : (int, int)
        Smallest and largest k to try.
    columns : sequence of str, optional
        Features to look at; by default `DEFAULT_COLUMNS`. The RFM grid has its own.
    seed : int
        Start of every random number.
    bootstraps : int
        Refits behind a stability.
    eps : float, optional
        Neighbourhood of DBSCAN in standard deviations; by default at the knee of the distances.
    min_samples : int, optional
        Customers that make a neighbourhood dense; by default two per feature, at least five
        (Sander et al. 1998).
    min_share : float
        Share of customers from which on a segment is worth its name: a k with a smaller one is not
        chosen, and HDBSCAN makes none that is smaller.
    references : int
        Sets of customers without groups behind the gap statistic of k-means; 0 leaves it out.

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
        min_share: float = MIN_SHARE,
        references: int = REFERENCES,
    ) -> None:
        if method not in METHODS:
            raise InputError(f"method {method!r} is unknown; {nearest(str(method), list(METHODS))}")
        self.method, self.k, self.k_range = method, k, k_range
        self.columns, self.seed, self.bootstraps = columns, seed, bootstraps
        self.eps, self.min_samples = eps, min_samples
        self.min_share, self.references = min_share, references
        self._settings()

    def _settings(self) -> Settings:
        return Settings(
            self.k,
            self.k_range,
            self.columns,
            self.seed,
            self.bootstraps,
            self.eps,
            self.min_samples,
            self.min_share,
            self.references,
        )

    @classmethod
    def _of(cls, fit: FittedSegments) -> Segmenter:
        columns = None if fit.asked is None else list(fit.asked)
        segmenter = cls(fit.method, k=len(fit.names), columns=columns, seed=fit.seed)
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
        self.__dict__.pop("_stability", None)
        self._method: Method | None = None

    def _group(self) -> tuple[list[str], np.ndarray]:
        """Names of the segments, and the code of each active customer (−1: of none)."""
        active, way = self._active, METHODS[self.method]
        if active.empty:
            self.note_ = "No customer has bought anything yet."
            return [], np.zeros(0, dtype=int)
        if self.method == "rfm":
            self._scores = rfm.rfm_scores(active)
        prepared = prepare(active, way.fixed_columns or self.columns)
        self._matrix, self.columns_ = prepared.matrix, prepared.columns
        self._method = way(Task(active, prepared.matrix, prepared.columns, self._settings()))
        grouped = self._method.group()
        self.note_ = grouped.note
        if way.has_centres:
            return self._by_centres(grouped, prepared)
        if grouped.codes is None:
            return [ALL], np.zeros(len(active), dtype=int)
        if grouped.names is not None:
            return grouped.names, grouped.codes
        return named_groups(active, grouped.codes)

    def _by_centres(self, grouped: Grouped, prepared: Prepared) -> tuple[list[str], np.ndarray]:
        active = self._active
        found = np.zeros(len(active), dtype=int) if grouped.codes is None else grouped.codes
        centres = group_means(self._matrix, found)
        # By the centres that are saved, so that a customer is never elsewhere after loading.
        found, distances = nearest_centre(self._matrix, centres)
        names, codes = ([ALL], found) if grouped.codes is None else named_groups(active, found)
        first = [int(np.argmax(codes == code)) for code in range(len(names))]
        self._fit = FittedSegments(
            tuple(names),
            prepared.scalings,
            centres[found[first]],
            tuple(np.bincount(codes).tolist()),
            reach=float(np.quantile(distances, REACH)),
            seed=self.seed,
            asked=None if self.columns is None else tuple(self.columns),
            method=self.method,
        )
        return names, codes

    @property
    def choice_(self) -> Evidence:
        """What the choice rests on, as a result.

        How each number of segments does (`NumberOfSegments`), the distances and what other eps
        would do (DBSCAN, `DistanceCurve`), or what other smallest groups would (HDBSCAN,
        `DensitySettings`).

        Raises
        ------
        InputError
            If there was nothing to choose.
        """
        evidence = self._evidence()
        if evidence is None:
            raise InputError(f"{self!r} had nothing to choose. {self.note_}".rstrip())
        return evidence

    def _evidence(self) -> Evidence | None:
        self._fitted()
        kept = self._kept()
        if kept is not None:
            return kept.choice
        return None if self._method is None else self._method.evidence

    @property
    def choice(self) -> pd.DataFrame:
        """What the choice rests on.

        One row per k with silhouette, stability, their intervals and which was chosen; DBSCAN: the
        sorted distances and the eps chosen; HDBSCAN: one row per smallest group. RFM, or a single
        segment: empty.
        """
        self._fitted()
        if self._kept() is None and self._method is not None:
            return self._method.choice_frame()
        evidence = self._evidence()
        return pd.DataFrame() if evidence is None else evidence.to_frame()

    def plot_choice(self, ax: Axes | None = None) -> Axes:
        """Draw what the choice of k or of eps rests on.

        Raises
        ------
        InputError
            If there was nothing to choose.
        """
        return self.choice_.plot(ax)

    def stability(self) -> Stability:
        """Return how well the segments are found again in resampled customers.

        Each refit draws as many customers with replacement and makes the segments anew: those with
        a number of segments from new random starts, DBSCAN at the same eps, the RFM grid with the
        resample's fifths. DBSCAN and HDBSCAN are compared on the customers drawn, the others on
        all.
        """
        self._fitted()
        return self._stability

    @cached_property
    def _stability(self) -> Stability:
        kept, way = self._kept(), self._method
        if kept is not None and kept.stability is not None:
            return kept.stability
        if way is None or self._is_single() or not self.bootstraps:
            return Stability(np.nan, np.nan, np.nan, 0, np.zeros(0))
        indices = way.indices(self._codes)
        return Stability(*middle(indices), len(indices), indices, way.task.resampled)

    def _is_single(self) -> bool:
        leaves_out = METHODS[self.method].drawn_only
        return self.names_[:1] == [ALL] or self.k_ < (1 if leaves_out else 2)
