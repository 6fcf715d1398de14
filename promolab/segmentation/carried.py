"""Segments that outlive the data they were made from: saved, loaded, given other customers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.profiles import customer_frame
from promolab.segmentation.description import SegmentProfile
from promolab.segmentation.evidence import NumberOfSegments, Stability
from promolab.segmentation.fitted import FittedSegments, SegmentDrift
from promolab.segmentation.grouped import GroupedCustomers
from promolab.segmentation.naming import untrue_names
from promolab.segmentation.preparation import NO_PURCHASES, has_history
from promolab.segmentation.saved import read_segments, write_segments

if TYPE_CHECKING:
    from promolab.segmentation.response_table import SegmentResponse

__all__ = ["CarriedSegments"]


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
