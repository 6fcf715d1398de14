"""Segments made once, for customers who come later: scaling, centres, names, and their drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.profiles import numeric
from promolab.results import Estimate, Result
from promolab.segmentation.groups.measures import NumberOfSegments, Stability
from promolab.segmentation.groups.preparation import CURVES, DEFAULT_COLUMNS, Scaling
from promolab.stats import share_interval

REACH = 0.99
"""Customers within a segment's reach when it was made; whoever lies further out is *far*."""
FAR_LIMIT = 0.03
SIZE_LIMIT = 0.10


def group_means(matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the mean row of each code that a row has, shape (k, d), codes in ascending order."""
    return np.array([matrix[codes == c].mean(axis=0) for c in np.unique(codes)])


def nearest_centre(matrix: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the code of the nearest centre of each row, the first of equally near ones.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    centres : ndarray of shape (k, d)

    Returns
    -------
    codes, distances : ndarray of shape (n,)

    Examples
    --------
    >>> codes, distances = nearest_centre(np.array([[0.0], [9.0]]), np.array([[1.0], [7.0]]))
    >>> codes.tolist(), distances.tolist()
    ([0, 1], [1.0, 2.0])
    """
    codes, least = np.zeros(len(matrix), dtype=int), np.full(len(matrix), np.inf)
    for code, centre in enumerate(centres):
        # Column by column: equal bits whatever the layout in memory, today and after loading.
        squares = np.zeros(len(matrix))
        for column, place in enumerate(centre):
            squares += (matrix[:, column] - place) ** 2
        closer = squares < least
        codes[closer], least[closer] = code, squares[closer]
    return codes, np.sqrt(least)


@dataclass(frozen=True)
class Placement:
    """Where customers fall among segments made before.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
        Their features, standardised as when the segments were made; 0 where one is missing now.
    codes, distances : ndarray of shape (n,)
        The nearest segment, and how far its centre is.
    notes : tuple of str
        Sentences on features that are missing now, or were not known then.
    """

    matrix: np.ndarray
    codes: np.ndarray
    distances: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FittedSegments(Result):
    """Segments with centres, as far as other customers need them; it holds no customer.

    Parameters
    ----------
    names : tuple of str
        The k segments.
    scalings : tuple of Scaling
        How each of the d features is standardised.
    centres : ndarray of shape (k, d)
        The middle of each segment.
    sizes : tuple of int
        Customers of each segment when it was made.
    reach : float
        The distance to the nearest centre within which `REACH` of them lay.
    made_in : str
        Where they were made, such as an ISO week; may be empty.
    seed : int
        Start of the random numbers.
    asked : tuple of str, optional
        The features that were asked for; None for the default ones.
    choice, stability
        The evidence for them from when they were made.
    """

    names: tuple[str, ...]
    scalings: tuple[Scaling, ...]
    centres: np.ndarray
    sizes: tuple[int, ...]
    reach: float
    made_in: str = ""
    seed: int = 0
    asked: tuple[str, ...] | None = None
    choice: NumberOfSegments | None = None
    stability: Stability | None = None

    def __post_init__(self) -> None:
        # A file may have been written by somebody else.
        k, d = len(self.names), len(self.scalings)
        spreads = [s.spread for s in self.scalings]
        if not (
            k == len(set(self.names)) == len(self.sizes)
            and self.centres.shape == (k, d)
            and np.isfinite(self.centres).all()
            and np.isfinite([self.reach, *spreads, *self.sizes]).all()
            and all(s.spread > 0 and s.curve in CURVES for s in self.scalings)
        ):
            raise InputError("names, scalings, centres or sizes are not those of segments")

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that the segments look at."""
        return tuple(scaling.column for scaling in self.scalings)

    def place(self, features: pd.DataFrame) -> Placement:
        """Return the nearest segment of each customer who bought.

        Parameters
        ----------
        features : DataFrame of n rows

        Raises
        ------
        InputError
            If more than half of the features are missing: what is left would say something else.
        """
        matrix = np.zeros((len(features), len(self.scalings)))
        there = np.zeros(len(self.scalings), dtype=bool)
        for position, scaling in enumerate(self.scalings):
            values = numeric(features, scaling.column)
            there[position] = not np.isnan(values).all()
            if there[position]:
                matrix[:, position] = scaling.apply(values)
        gone = [c for c, known in zip(self.columns, there, strict=True) if not known]
        if 2 * len(gone) > len(there) and len(features):
            raise InputError(
                f"features have no values in {', '.join(gone)}, {len(gone)} of the "
                f"{len(there)} that the segments look at; fit them anew"
            )
        kept = there if len(features) else np.ones_like(there)
        codes, distances = nearest_centre(matrix[:, kept], self.centres[:, kept])
        return Placement(matrix, codes, distances, tuple(self._notes(features, gone)))

    def _notes(self, features: pd.DataFrame, gone: Sequence[str]) -> list[str]:
        notes = []
        if gone:
            notes.append(
                f"{_words(gone)} {'is' if len(gone) == 1 else 'are'} missing now and left out of "
                "account."
            )
        wanted = DEFAULT_COLUMNS if self.asked is None else self.asked
        new = [
            c
            for c in wanted
            if c in features
            and c not in self.columns
            and Scaling.of(numeric(features, c)).spread > 0
        ]
        if new:
            notes.append(
                f"{_words(new)} {'is' if len(new) == 1 else 'are'} known now but not used, for "
                "the segments were made without."
            )
        return notes

    def drift(self, codes: np.ndarray, distances: np.ndarray) -> SegmentDrift:
        """Compare customers placed now with those the segments were made from.

        Parameters
        ----------
        codes, distances : ndarray of shape (n,)
            As `place` returns them.
        """
        n, k = len(codes), len(self.names)
        far = float((distances > self.reach).mean()) if n else np.nan
        low, high = share_interval(far, 0.0, n)
        now = np.bincount(codes, minlength=k)
        share = now / max(n, 1)
        ends = share_interval(share, 0.0, n)
        then = np.array(self.sizes) / max(sum(self.sizes), 1)
        table = {"segment": list(self.names), "customers_then": list(self.sizes)}
        table |= {"customers": now, "share_then": then, "share": share}
        table |= {"share_low": ends[0], "share_high": ends[1], "change": share - then}
        return SegmentDrift(
            pd.DataFrame(table),
            Estimate(far, float(low), float(high), n),
            self.made_in,
        )


def _words(columns: Sequence[str]) -> str:
    from promolab.glossary import label

    text = ", ".join(label(column) for column in columns)
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class SegmentDrift(Result):
    """How far customers have moved away from segments that were made before.

    Parameters
    ----------
    frame : DataFrame
        One row per segment: ``segment, customers_then, customers, share_then, share`` (0–1) with
        ``share_low, share_high`` (95 %), ``change``.
    far : Estimate
        Share of the customers who lie further from every segment than 99 % did when they were made.
    made_in : str
        When that was.
    """

    frame: pd.DataFrame = field(repr=False)
    far: Estimate
    made_in: str = ""

    @property
    def is_large(self) -> bool:
        """Whether the segments no longer fit: they should be made anew."""
        moved = float(self.frame["change"].abs().max()) if len(self.frame) else 0.0
        return bool(self.far.ci_low > FAR_LIMIT or moved > SIZE_LIMIT)

    def facts(self) -> dict[str, Any]:
        """Return the largest change in size, and as a code what to do."""
        if not self.far.n:
            return {"case": "nobody", "verdict": ""}
        rows = self.frame.assign(moved=self.frame["change"].abs().round(9))
        row = rows.sort_values(["moved", "segment"], ascending=[False, True]).iloc[0]
        return {
            "segment": row["segment"],
            "then": float(row["share_then"]),
            "now": Estimate.of(row[["share", "share_low", "share_high"]]),
            "reached": REACH,
            "case": "some",
            "verdict": "large" if self.is_large else "fits",
        }
