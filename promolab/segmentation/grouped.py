"""Customers in named groups: who is in which, what each group is like, grid and map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.profiles import customer_frame
from promolab.segmentation.advice import SegmentAdvice, segment_advice
from promolab.segmentation.description import SegmentProfile, describe_segments
from promolab.segmentation.groups import clustering, rfm
from promolab.segmentation.groups.preparation import NO_HISTORY, NO_PURCHASES, NOISE, has_history
from promolab.segmentation.groups.representation import SegmentMap, segment_map
from promolab.wording import count

if TYPE_CHECKING:
    from promolab.segmentation.responses import SegmentResponse

__all__ = ["GroupedCustomers"]


class GroupedCustomers:
    """What can be asked once customers are in groups, however they were grouped.

    Attributes
    ----------
    labels_ : ndarray of str, shape (n,)
        The segment of each row of the features, in their order.
    names_ : list of str
        The segments in order; customers of no group and without purchases come last.
    k_ : int
        Segments that the method made.
    silhouette_ : float
        Mean silhouette of the customers grouped; nan for a single segment.
    columns_ : tuple of str
        The features that were of use.
    note_ : str
        What a reader must know, else empty.
    """

    method: str
    seed: int
    labels_: np.ndarray
    names_: list[str]
    k_: int
    columns_: tuple[str, ...]
    note_: str

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
        self._matrix, self.columns_ = np.zeros((len(self._active), 0)), ()
        self._scores: tuple[np.ndarray, np.ndarray] | None = None
        self.note_ = ""

    def _call(self, names: Sequence[str], codes: np.ndarray) -> None:
        """Give each customer who bought the name of their code; −1 is in no group."""
        labels = np.full(len(self._frame), NO_PURCHASES, dtype=object)
        labels[self._history] = np.array([*names, NOISE], dtype=object)[codes]
        self.labels_ = np.empty(len(self._frame), dtype=object)
        self.labels_[self._order] = labels
        self._codes, self.k_ = codes, len(names)
        extra = [name for name in (NOISE, NO_PURCHASES) if (labels == name).any()]
        self.names_ = [*names, *extra]
        self.__dict__.pop("silhouette_", None)

    def _fitted(self) -> None:
        if not hasattr(self, "labels_"):
            raise InputError("the Segmenter is not fitted; call fit(features) first")

    @cached_property
    def silhouette_(self) -> float:
        """Mean silhouette of the customers grouped, reckoned when it is first asked for."""
        self._fitted()
        return clustering.silhouette(self._matrix, self._codes, self.seed)[0]

    def assignments(self) -> pd.DataFrame:
        """Return ``customer_id, segment, method`` of every customer, sorted by id.

        The RFM grid adds ``recency_score`` and ``frequency_money_score`` (1–5, null without
        purchases).
        """
        self._fitted()
        table = pd.DataFrame({"customer_id": self._frame["customer_id"], "segment": self.labels_})
        if len(self._absent):
            absent = pd.DataFrame({"customer_id": self._absent, "segment": NO_HISTORY})
            table = pd.concat([table, absent], ignore_index=True)
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
        return describe_segments(
            self._frame,
            self.labels_,
            order=self.names_,
            absent=self._sizes_of_absent(),
            response=response,
            profiles=profiles,
            method=self.method,
            note=self.note_,
        )

    def advice(self, response: SegmentResponse | None = None) -> SegmentAdvice:
        """Return one line per segment, "so do this", by the rules of `segment_advice`.

        Parameters
        ----------
        response : SegmentResponse, optional
            What the segments answered; without it nothing is said of answers.
        """
        self._fitted()
        return segment_advice(
            self._frame,
            self.labels_,
            order=self.names_,
            absent=self._sizes_of_absent(),
            response=response,
        )

    def _sizes_of_absent(self) -> dict[str, int]:
        return {NO_HISTORY: len(self._absent)} if len(self._absent) else {}

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
        return rfm.rfm_grid(self._active, *(self._scores or rfm.rfm_scores(self._active)))

    def map(self) -> SegmentMap:
        """Return the customers who bought on a plane (principal components)."""
        self._fitted()
        segment = np.array([*self.names_[: self.k_], NOISE], dtype=object)[self._codes]
        return segment_map(self._active["customer_id"], self._matrix, self.columns_, segment)
