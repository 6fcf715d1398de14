"""What speaks for a segmentation: the choice behind it, its stability, its map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.results import Result
from promolab.segmentation.clustering import MIN_SHARE, MIN_STABILITY
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DistanceCurve", "NumberOfSegments", "SegmentMap", "Stability", "segment_map"]


def sampled_note(customers: int) -> str:
    """Say how groups of a sample were made groups of all customers; nothing where there is none."""
    if not customers:
        return ""
    return (
        f"Groups were found among {plural(customers, 'customer')} drawn at random; each of the "
        "others is in the group of the nearest of them within eps."
    )


def _refits(n: int, resampled: int) -> str:
    text = plural(n, "bootstrap refit")
    return f"{text} of {plural(resampled, 'customer')} drawn at random" if resampled else text


@dataclass(frozen=True)
class NumberOfSegments(Result):
    """How each number of segments does, and which was chosen (`choose` states the rule).

    Parameters
    ----------
    table : DataFrame
        One row per k: ``k, silhouette, stability`` with ``…_low, …_high``, ``smallest_share``,
        ``fits``, ``chosen``.
    customers, bootstraps : int
        Customers grouped, and refits per k.
    resampled : int
        How many customers, drawn at random, the refits resample; 0 for all.
    """

    table: pd.DataFrame
    customers: int
    bootstraps: int
    resampled: int = 0

    @property
    def chosen(self) -> int:
        """The number of segments chosen."""
        return int(self.table.loc[self.table["chosen"], "k"].iloc[0])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per k."""
        return self.table.copy()

    def summary(self) -> str:
        """Return the k chosen and why."""
        row = self.table[self.table["chosen"]].iloc[0]
        silhouette = number(*row[["silhouette", "silhouette_low", "silhouette_high"]], decimals=2)
        stability = number(*row[["stability", "stability_low", "stability_high"]], decimals=2)
        why = (
            "the best separated of those that are stable and have no tiny segment"
            if row["fits"]
            else f"the most stable; none reached a stability of {MIN_STABILITY} with at least "
            f"{percent(MIN_SHARE, decimals=0)} of customers in each segment"
        )
        if len(self.table) == 1:
            why = "as asked"
        return (
            f"{plural(row['k'], 'segment')}, {why}: silhouette {silhouette}, stability {stability} "
            f"over {_refits(self.bootstraps, self.resampled)} (n = {count(self.customers)})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw silhouette and stability against k and return the Axes."""
        from promolab import plots

        styles = {"silhouette": "-", "stability": "--"}
        for colour, (name, line) in zip(plots.COLOURS[:2], styles.items(), strict=True):
            low, high = self.table[f"{name}_low"], self.table[f"{name}_high"]
            ax = plots.curve(
                self.table["k"].to_numpy(),
                self.table[name].to_numpy(),
                low=low.to_numpy(),
                high=high.to_numpy(),
                label=name,
                colour=colour,
                linestyle=line,
                ax=ax,
            )
        assert ax is not None
        chosen = self.table[self.table["chosen"]].iloc[0]
        plots.reference_line(ax, "horizontal", MIN_STABILITY, "stable from here on")
        plots.reference_line(ax, "vertical", float(chosen["k"]), "chosen")
        ax.set_xticks(self.table["k"])
        return plots.finish(
            ax,
            title=f"{plural(chosen['k'], 'segment')} chosen",
            subtitle="mean silhouette with 95 % interval; adjusted Rand index of "
            f"{_refits(self.bootstraps, self.resampled)}, middle 95 %; "
            f"n = {plural(self.customers, 'customer')}",
            xlabel="number of segments",
            ylabel="silhouette, stability (1 = perfect)",
        )


@dataclass(frozen=True)
class DistanceCurve(Result):
    """The distance of each customer to the ``min_samples``-th neighbour, and the eps chosen."""

    distances: np.ndarray
    eps: float
    min_samples: int
    given: bool

    def to_frame(self) -> pd.DataFrame:
        """Return ``customers, distance, chosen``: how many have a neighbour this near."""
        rank = np.arange(1, len(self.distances) + 1)
        chosen = np.zeros(len(rank), dtype=bool)
        chosen[max(int(np.searchsorted(self.distances, self.eps, side="right")) - 1, 0)] = True
        return pd.DataFrame({"customers": rank, "distance": self.distances, "chosen": chosen})

    def summary(self) -> str:
        """Return the eps and how many customers it holds."""
        inside = float((self.distances <= self.eps).mean())
        how = "as asked" if self.given else "at the knee of the distances"
        return (
            f"eps = {number(self.eps)} ({how}): {percent(inside)} of "
            f"{plural(len(self.distances), 'customer')} have {self.min_samples} this near."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the sorted distances with the eps chosen and return the Axes."""
        from promolab import plots

        rank = np.arange(1, len(self.distances) + 1)
        ax = plots.curve(rank, self.distances, ax=ax)
        plots.reference_line(ax, "horizontal", self.eps, f"eps = {number(self.eps)}")
        return plots.finish(
            ax,
            title="The neighbourhood is cut where distances shoot up",
            subtitle=f"distance to neighbour {self.min_samples}, in standard deviations; "
            f"n = {plural(len(self.distances), 'customer')}",
            xlabel="customers, nearest first",
            ylabel="distance",
        )


@dataclass(frozen=True)
class Stability(Result):
    """How well the segments are found again in resampled customers.

    Parameters
    ----------
    value : float
        Mean adjusted Rand index (Hubert & Arabie 1985) between the segments and those of each
        refit: 1 the same groups, 0 no more alike than by chance; nan for a single segment.
    ci_low, ci_high : float
        The middle 95 % of the refits.
    n : int
        Refits.
    indices : ndarray of shape (n,)
        The index of each refit.
    resampled : int
        How many customers, drawn at random, the refits resample; 0 for all.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    indices: np.ndarray
    resampled: int = 0

    def to_frame(self) -> pd.DataFrame:
        """Return one row per refit: ``refit, adjusted_rand_index``."""
        refit = np.arange(1, len(self.indices) + 1)
        return pd.DataFrame({"refit": refit, "adjusted_rand_index": self.indices})

    def summary(self) -> str:
        """Return the stability and what it means."""
        if not np.isfinite(self.value):
            return "Nothing was refitted, so stability is unknown."
        stable = self.value >= MIN_STABILITY
        meaning = "the groups come back" if stable else "the groups change much: use them loosely"
        figure = number(self.value, self.ci_low, self.ci_high, decimals=2)
        return (
            f"Stability {figure} over {_refits(self.n, self.resampled)} "
            f"(1 = the same groups each time): {meaning}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how the refits spread and return the Axes."""
        from promolab import plots

        ax = plots.histogram(self.indices, bins=10, high_quantile=1.0, ax=ax)
        plots.reference_line(ax, "vertical", self.value, "mean")
        return plots.finish(
            ax,
            title=self.summary(),
            subtitle=f"adjusted Rand index of {_refits(self.n, self.resampled)}",
            xlabel="adjusted Rand index",
            ylabel="refits",
        )


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
