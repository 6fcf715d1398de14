"""Customers on a plane: the map that the segments are seen on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.results import Result
from promolab.wording import percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SegmentMap", "segment_map"]


@dataclass(frozen=True)
class SegmentMap(Result):
    """Customers on a plane: the first two principal components of what the segments look at.

    Parameters
    ----------
    points : DataFrame
        ``customer_id, x, y, segment``; coordinates in standard deviations.
    shares : tuple of two floats
        Share of the differences between customers along x and along y (0–1).
    directions : tuple of two str
        The features that each direction mostly follows.
    """

    points: pd.DataFrame
    shares: tuple[float, float]
    directions: tuple[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per customer."""
        return self.points.copy()

    def summary(self) -> str:
        """Return how much of the differences the map shows, and what its directions are."""
        return (
            f"The map shows {percent(sum(self.shares), decimals=0)} of the differences between "
            f"{plural(len(self.points), 'customer')}: across mostly {self.directions[0]}, "
            f"up mostly {self.directions[1]}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the customers coloured by segment and return the Axes."""
        from promolab import plots

        p = self.points
        x, y, group = (p[c].to_numpy() for c in ("x", "y", "segment"))
        ax = plots.scatter_map(x, y, group, colours=plots.segment_colours(p["segment"]), ax=ax)
        labels = [
            f"{d} ({percent(s, decimals=0)})"
            for d, s in zip(self.directions, self.shares, strict=True)
        ]
        return plots.finish(
            ax,
            title=f"The map shows {percent(sum(self.shares), decimals=0)} of the differences",
            subtitle=f"first two principal components; n = {plural(len(p), 'customer')}",
            xlabel=labels[0],
            ylabel=labels[1],
        )


def segment_map(
    customer_id: pd.Series, matrix: np.ndarray, columns: tuple[str, ...], segment: np.ndarray
) -> SegmentMap:
    """Return the map of customers, shape (n,), by their standardised features, shape (n, d)."""
    n, d = matrix.shape
    centred = matrix - matrix.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred) if d else (np.zeros(0), np.zeros((0, 0)))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    # An eigenvector has no sign of its own: the largest loading is made positive.
    largest = np.abs(vectors).round(9).argmax(axis=0) if d else np.zeros(0, dtype=int)
    vectors = vectors * np.where(vectors[largest, np.arange(d)] < 0, -1, 1)
    places = np.zeros((n, 2))
    places[:, : min(d, 2)] = (centred @ vectors)[:, :2]
    shares = np.zeros(2)
    shares[: min(d, 2)] = (values / (values.sum() or 1.0))[:2]
    words = [_direction(vectors[:, i], columns) if i < d else "nothing" for i in range(2)]
    points = {"x": places[:, 0], "y": places[:, 1], "segment": segment}
    return SegmentMap(
        pd.DataFrame({"customer_id": customer_id.to_numpy(), **points}),
        (float(shares[0]), float(shares[1])),
        (words[0], words[1]),
    )


def _direction(loadings: np.ndarray, columns: tuple[str, ...]) -> str:
    order = np.argsort(-np.abs(loadings).round(9), kind="stable")[:2]
    words = [re.sub(r" (\d+)d$", r" in \1 days", columns[i].replace("_", " ")) for i in order]
    return " and ".join(
        f"{'higher' if loadings[i] > 0 else 'lower'} {word}"
        for i, word in zip(order, words, strict=True)
    )
