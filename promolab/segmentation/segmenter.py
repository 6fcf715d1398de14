"""Segmenter: customers into named groups, by whichever method."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.profiles import customer_frame
from promolab.results import Result, words_of
from promolab.segmentation.advice import SegmentAdvice, segment_advice
from promolab.segmentation.description import SegmentProfile, describe_segments
from promolab.segmentation.groups import rfm
from promolab.segmentation.groups.density import Dbscan, Hdbscan
from promolab.segmentation.groups.fitted import (
    REACH,
    FittedSegments,
    SegmentDrift,
    group_means,
    nearest_centre,
)
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    NumberOfSegments,
    Stability,
    middle,
    silhouette,
)
from promolab.segmentation.groups.methods import Grouped, KMeans, Method, Request, Rfm, Task
from promolab.segmentation.groups.naming import named_groups, pooled_segments, untrue_names
from promolab.segmentation.groups.preparation import (
    ALL,
    APART,
    NO_HISTORY,
    NO_PURCHASES,
    NOISE,
    Prepared,
    has_history,
    prepare,
)
from promolab.segmentation.representation import SegmentMap, segment_map
from promolab.wording import count, plural

if TYPE_CHECKING:
    from promolab.segmentation.response_rates import SegmentResponse


METHODS: dict[str, type[Method]] = {
    "kmeans": KMeans,
    "dbscan": Dbscan,
    "hdbscan": Hdbscan,
    "rfm": Rfm,
}
"""The name of each method and its class."""


class Segmenter:
    """Group customers, and say what each group is.

    Parameters
    ----------
    method : {"kmeans", "dbscan", "hdbscan", "rfm"}
        k-means on standardised features; DBSCAN or HDBSCAN, which leave out customers unlike any
        group; or the RFM grid (recency × frequency and money) with the names that marketers know.
    k : int, optional
        Number of segments of k-means; by default chosen from ``k_range``.
    k_range : (int, int)
        Smallest and largest k to try.
    columns : sequence of str, or str, optional
        Features to look at, as text with commas between them; by default, or where it is empty,
        `DEFAULT_COLUMNS`. The RFM grid has its own.
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
    **other
        Nothing else is known: it is refused by name.

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
        columns: Sequence[str] | str | None = None,
        seed: int = 0,
        bootstraps: int = 20,
        eps: float | None = None,
        min_samples: int | None = None,
        min_share: float = MIN_SHARE,
        **other: Any,
    ) -> None:
        for name in other:
            known = [f.name for f in dataclasses.fields(Request)]
            hint = "k says how many: Segmenter(k=5)" if "segments" in name else nearest(name, known)
            raise InputError(f"Segmenter knows no {name}; {hint}")
        if method not in METHODS:
            raise InputError(f"method {method!r} is unknown; {nearest(str(method), list(METHODS))}")
        if isinstance(columns, str):
            columns = [name.strip() for name in columns.split(",") if name.strip()] or None
        self.method, self.k, self.k_range = method, k, k_range
        self.columns, self.seed, self.bootstraps = columns, seed, bootstraps
        self.eps, self.min_samples = eps, min_samples
        self.min_share = min_share
        self._settings()
        self._fit: FittedSegments | None = None
        self._drift: SegmentDrift | None = None
        self._now = ""

    def _settings(self) -> Request:
        return Request(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Request)})

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
        self._take(features, customers)
        self._call(*self._group())
        return self

    def _take(self, features: Any, customers: Iterable[Any] | None) -> None:
        """Lay the customers out by id: those who bought, and those who are in no features."""
        frame = customer_frame(features)
        if frame.empty:
            raise InputError("features has no rows; expected one row per customer")
        self._frame = frame
        known = pd.Index([] if customers is None else list(customers)).unique()
        self._absent = known[~known.isin(frame["customer_id"])].sort_values()
        self._order = frame["customer_id"].sort_values(kind="stable").index.to_numpy()
        ordered = frame.loc[self._order].reset_index(drop=True)
        self._history = has_history(ordered)
        self._active = ordered[self._history].reset_index(drop=True)
        self._matrix = np.zeros((len(self._active), 0))
        self.columns_: tuple[str, ...] = ()
        self._scores: tuple[np.ndarray, np.ndarray] | None = None
        self.note_ = ""
        self._method: Method | None = None
        self._fit = self._drift = None
        for name in ("_stability", "silhouette_"):
            self.__dict__.pop(name, None)

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
        )
        return names, codes

    def _call(self, names: Sequence[str], codes: np.ndarray) -> None:
        """Give each customer who bought the name of their code; −1 is in no group."""
        labels = np.full(len(self._frame), NO_PURCHASES, dtype=object)
        labels[self._history] = np.array([*names, NOISE], dtype=object)[codes]
        self.labels_ = np.empty(len(self._frame), dtype=object)
        self.labels_[self._order] = labels
        self._own, self._pooled, self.least = self.labels_, dict[str, str](), 1
        self._codes, self.k_ = codes, len(names)
        extra = [name for name in (NOISE, NO_PURCHASES) if (labels == name).any()]
        self.names_ = [*names, *extra]

    def pooled(self, least: int) -> Self:
        """Return the same with segments of fewer than ``least`` customers as one.

        Parameters
        ----------
        least : int
            As for `pooled_segments`. `assignments` keeps each customer's ``own_segment``; what a
            segment is asked for is told of those that are left, and of no fewer customers.
        """
        every, other = self.assignments(), copy.copy(self)
        other.least = least
        shown = pooled_segments(every["segment"], every["customer_id"], least)
        new = shown != every["segment"]
        other._pooled = dict(zip(every.loc[new, "segment"], shown[new], strict=True))
        other.labels_ = other.shown(self.labels_)
        other.names_ = sorted(dict.fromkeys(other.shown(self.names_)), key=APART.__contains__)
        return other

    def shown(self, names: Iterable[str]) -> np.ndarray:
        """Return what segments are called after `pooled`."""
        return np.array([self._pooled.get(name, name) for name in names], dtype=object)

    def _fitted(self) -> None:
        if not hasattr(self, "labels_"):
            raise InputError("the Segmenter is not fitted; call fit(features) first")

    @property
    def choice_(self) -> Result | None:
        """What the choice rests on, as a result; None where there was nothing to choose.

        How each number of segments does (`NumberOfSegments`), or the distances that eps is cut from
        (DBSCAN, `DistanceCurve`).
        """
        self._fitted()
        if self.is_carried and self._fit is not None:
            return self._fit.choice
        return None if self._method is None else self._method.evidence

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
        way = self._method
        if self.is_carried and self._fit is not None and self._fit.stability is not None:
            return self._fit.stability
        if way is None or self._is_single() or not self.bootstraps:
            return Stability(np.nan, np.nan, np.nan, 0, np.zeros(0))
        indices = way.indices(self._codes)
        return Stability(*middle(indices), len(indices), indices, way.task.resampled)

    def _is_single(self) -> bool:
        leaves_out = METHODS[self.method].drawn_only
        return self.names_[:1] == [ALL] or self.k_ < (1 if leaves_out else 2)

    @cached_property
    def silhouette_(self) -> float:
        """Mean silhouette of the customers grouped, reckoned when it is first asked for."""
        self._fitted()
        return silhouette(self._matrix, self._codes, self.seed)[0]

    def assignments(self) -> pd.DataFrame:
        """Return ``customer_id, segment, method`` of every customer, sorted by id.

        The RFM grid adds ``recency_score`` and ``frequency_money_score`` (1–5, null without
        purchases), `pooled` ``own_segment``.
        """
        self._fitted()
        table = pd.DataFrame({"customer_id": self._frame["customer_id"], "segment": self._own})
        if len(self._absent):
            absent = pd.DataFrame({"customer_id": self._absent, "segment": NO_HISTORY})
            table = pd.concat([table, absent], ignore_index=True)
        if self._pooled:
            table["own_segment"] = table["segment"]
            table["segment"] = self.shown(table["segment"])
        table["method"] = self.method
        table = table.sort_values("customer_id", kind="stable", ignore_index=True)
        if self._scores is not None:
            names = ("recency_score", "frequency_money_score")
            scores = dict(zip(names, self._scores, strict=True))
            scored = pd.DataFrame({"customer_id": self._active["customer_id"], **scores})
            table = table.merge(scored, on="customer_id", how="left")
            table = table.astype(dict.fromkeys(names, "Int64"))
        return table

    def profile(
        self, response: SegmentResponse | None = None, profiles: pd.DataFrame | None = None
    ) -> SegmentProfile:
        """Return size, share of sales, response rate and the four axes of each segment.

        Parameters
        ----------
        response : SegmentResponse, optional
            What the segments answered; without it no response rate is told.
        profiles : DataFrame, optional
            From `promolab.build_profiles`, if they have been computed already.
        """
        self._fitted()
        told: dict[str, Any] = {"profiles": profiles, "method": self.method, "note": self.note_}
        if self.is_carried and not (self._now and self._now == self.made_in):
            made = {"made_in": self.made_in, "dated": bool(self.made_in)}
            words = words_of(__name__, "SegmentProfile", **made)
            told["basis"] = words.say("made_before")
        return describe_segments(self._frame, self.labels_, **self._who(response), **told)

    def advice(self, response: SegmentResponse | None = None) -> SegmentAdvice:
        """Return one line per segment, "so do this", by the rules of `segment_advice`.

        Parameters
        ----------
        response : SegmentResponse, optional
            What the segments answered; without it nothing is said of answers.
        """
        self._fitted()
        return segment_advice(self._frame, self.labels_, **self._who(response))

    def _who(self, response: SegmentResponse | None) -> dict[str, Any]:
        absent = {self.shown([NO_HISTORY])[0]: len(self._absent)} if len(self._absent) else {}
        return {"order": self.names_, "absent": absent, "response": response}

    def grid(self) -> rfm.RfmGrid:
        """Return the RFM grid of the customers who bought, whatever the method.

        Raises
        ------
        InputError
            If the features lack recency_days, orders or amount, or no customer has bought.
        """
        self._fitted()
        if self._active.empty:
            raise InputError(f"none of {count(len(self._frame))} customers has bought; no RFM grid")
        scores = self._scores or rfm.rfm_scores(self._active)
        return dataclasses.replace(rfm.rfm_grid(self._active, *scores), least=self.least)

    def map(self) -> SegmentMap:
        """Return the customers who bought on a plane (principal components)."""
        self._fitted()
        segment = self.labels_[self._order][self._history]
        return segment_map(self._active["customer_id"], self._matrix, self.columns_, segment)

    def save(self, path: str | Path, *, made_in: str = "") -> Path:
        """Write the segments to a file: scaling, centres, names and the evidence for them.

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
        fit = self._centres()
        if not self.is_carried:
            choice = self.choice_ if isinstance(self.choice_, NumberOfSegments) else None
            self._fit = fit = dataclasses.replace(
                fit, made_in=made_in, choice=choice, stability=self.stability()
            )
        return fit.save(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read segments that `save` wrote; `assign` and `predict` put customers into them.

        Raises
        ------
        InputError
            If there is no such file, it is foreign, damaged or was changed.
        """
        return cls._of(FittedSegments.load(path))

    @classmethod
    def _of(cls, fit: FittedSegments) -> Self:
        columns = None if fit.asked is None else list(fit.asked)
        segmenter = cls(k=len(fit.names), columns=columns, seed=fit.seed)
        segmenter._fit = fit
        return segmenter

    def assign(
        self, features: Any, customers: Iterable[Any] | None = None, *, now: str = ""
    ) -> Self:
        """Return these segments with other customers in them, or the same ones another week.

        Each is in the segment of the nearest centre; names and centres stay as they were made.

        Parameters
        ----------
        features, customers
            As for `fit`.
        now : str
            Where these are from, as `made_in` is told to `save`: a week that is run again says what
            its first run said.

        Raises
        ------
        InputError
            If these are no segments with centres, or features lack most of what they look at.
        """
        fit = self._centres()
        other = self._of(fit)
        other._take(features, customers)
        placed = fit.place(other._active)
        sizes = np.bincount(placed.codes, minlength=len(fit.names))
        order = sorted(range(len(sizes)), key=lambda c: (-sizes[c], fit.names[c]))
        place = np.argsort(order)
        names = [fit.names[code] for code in order if sizes[code]]
        other._matrix, other.columns_ = placed.matrix, fit.columns
        codes = place[placed.codes]
        other.note_ = " ".join([*placed.notes, *untrue_names(other._active, codes, names)])
        other._fit, other._now = fit, now
        other._drift = fit.drift(placed.codes, placed.distances)
        other._call(names, codes)
        return other

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Return the segment of each row of ``features``, shape (n,), without changing anything.

        Parameters
        ----------
        features : DataFrame of n rows
            A customer may have several rows: `promolab.build_pairs` describes each customer as of
            each promotion's start, so these are the segments that were known then.

        Raises
        ------
        InputError
            If these are no segments with centres.
        """
        fit, frame = self._centres(), features.reset_index(drop=True)
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

    def regrouped(self, method: str, **settings: Any) -> Segmenter:
        """Return the same customers grouped by another method.

        Parameters
        ----------
        method : str
        **settings
            As for `Segmenter`.
        """
        other = Segmenter(method, **settings)
        self._fitted()
        return other.fit(self._frame, [*self._frame["customer_id"], *self._absent])

    @property
    def has_centres(self) -> bool:
        """Whether other customers can be put into these segments: those of k-means, once fitted."""
        return self._fit is not None

    @property
    def is_carried(self) -> bool:
        """Whether the segments were made before, from other customers: `assign` put these in."""
        return self._drift is not None

    @property
    def made_in(self) -> str:
        """Where the segments were made, as `save` was told; empty where they are of these data."""
        return self._fit.made_in if self._fit is not None else ""

    def _centres(self) -> FittedSegments:
        if self._fit is None:
            self._fitted()
            raise InputError(f"{self!r} has no centres; use method='kmeans'")
        return self._fit
