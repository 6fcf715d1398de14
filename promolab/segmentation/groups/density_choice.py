"""What speaks for the groups of a density method: distances, and what other settings would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.results import Result
from promolab.segmentation.groups.measures import MIN_SHARE, MIN_STABILITY, one_thread
from promolab.segmentation.groups.number import refits_in_words
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def distance_knee(matrix: np.ndarray, min_samples: int) -> tuple[np.ndarray, float]:
    """Return the sorted distances to the ``min_samples``-th neighbour, and their knee.

    The knee is the point furthest below the chord from the first to the last distance (Satopää et
    al. 2011): up to it customers lie close together, beyond it distances shoot up.
    """
    from sklearn.neighbors import NearestNeighbors

    near = min(min_samples, len(matrix))
    with one_thread():
        # A row is its own first neighbour, as DBSCAN counts it.
        distances, _ = NearestNeighbors(n_neighbors=near).fit(matrix).kneighbors(matrix)
    curve = np.sort(distances[:, -1])
    if curve[0] == curve[-1]:
        return curve, float(curve[-1])
    position = np.linspace(0, 1, len(curve))
    height = (curve - curve[0]) / (curve[-1] - curve[0])
    return curve, float(curve[np.argmax(position - height)])


def dbscan(
    matrix: np.ndarray, eps: float, min_samples: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the DBSCAN labels (Ester et al. 1996), −1 for noise and for rows of weight 0."""
    from sklearn.cluster import DBSCAN

    labels = np.full(len(matrix), -1)
    rows = np.ones(len(matrix), dtype=bool) if weights is None else weights > 0
    model = DBSCAN(eps=max(eps, 1e-9), min_samples=min_samples)
    with one_thread():
        model.fit(matrix[rows], sample_weight=None if weights is None else weights[rows])
    labels[rows] = model.labels_
    return labels


def hdbscan(matrix: np.ndarray, smallest: int, min_samples: int) -> np.ndarray:
    """Return the HDBSCAN labels (Campello, Moulavi & Sander 2013), −1 for noise.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    smallest : int
        Customers of the smallest group.
    min_samples : int
        Customers that make a neighbourhood dense.
    """
    from sklearn.cluster import HDBSCAN

    if len(matrix) <= max(smallest, min_samples):
        return np.full(len(matrix), -1)
    model = HDBSCAN(min_cluster_size=max(smallest, 2), min_samples=min_samples, copy=True, n_jobs=1)
    with one_thread():
        return np.asarray(model.fit(matrix).labels_)


def nearest_distances(matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return, for each group 0 … k−1, the largest distance of a member to its nearest other."""
    from sklearn.neighbors import NearestNeighbors

    reach = np.zeros(codes.max() + 1)
    with one_thread():
        for code in range(len(reach)):
            members = matrix[codes == code]
            if len(members) > 1:
                near = NearestNeighbors(n_neighbors=2).fit(members).kneighbors(members)[0]
                reach[code] = near[:, 1].max()
    return reach


def joined(
    matrix: np.ndarray, rows: np.ndarray, codes: np.ndarray, reach: float | np.ndarray
) -> np.ndarray:
    """Return the codes of all rows, from those of a sample of them.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    rows, codes : ndarray of shape (m,)
        The rows that were grouped, and their groups; −1 for noise. The neighbours of all rows
        would not fit into memory.
    reach : float or ndarray of shape (k,)
        How near the nearest grouped row must be, by its group; whoever is further is noise.
    """
    from sklearn.neighbors import NearestNeighbors

    found = np.full(len(matrix), -1)
    grouped = codes >= 0
    if len(rows) < len(matrix) and grouped.any():
        with one_thread():
            tree = NearestNeighbors(n_neighbors=1).fit(matrix[rows[grouped]])
            distance, place = tree.kneighbors(matrix)
        nearest = codes[grouped][place[:, 0]]
        limit = np.broadcast_to(reach, codes.max() + 1)[nearest]
        found = np.where(distance[:, 0] <= limit, nearest, -1)
    found[rows] = codes
    return found


def sampled_note(customers: int, how: str = "the nearest of them within eps") -> str:
    """Say how groups of a sample were made groups of all customers; nothing where there is none."""
    if not customers:
        return ""
    return (
        f"Groups were found among {plural(customers, 'customer')} drawn at random; each of the "
        f"others is in the group of {how}."
    )


@dataclass(frozen=True)
class DensitySettings(Result):
    """How the groups change with the setting of a density method.

    Parameters
    ----------
    frame : DataFrame
        One row per setting: ``setting`` (its value), ``k``, ``noise_share`` (0–1),
        ``smallest_share`` (of customers, 0–1), ``large_enough``, ``silhouette`` of those grouped
        and ``stability`` with ``…_low, …_high``, ``chosen``.
    what : str
        What the setting is, with its unit.
    customers, bootstraps : int
        Customers, and refits per setting.
    resampled : int
        How many customers, drawn at random, it was tried on; 0 for all.
    min_share : float
        Share of customers below which a group is too small.
    how : str
        How the setting was chosen.
    """

    frame: pd.DataFrame = field(repr=False)
    what: str
    customers: int
    bootstraps: int
    resampled: int = 0
    min_share: float = MIN_SHARE
    how: str = ""

    def summary(self) -> str:
        """Return what the setting chosen gives, and what the others would."""
        row = self.frame[self.frame["chosen"]].iloc[0]
        whole = float(row["setting"]).is_integer()  # a count, not a distance
        setting = number(row["setting"], decimals=0 if whole else None)
        return f"Set to {setting} ({self.what}; {self.how}): {self.found()}"

    def found(self) -> str:
        """Return what the setting chosen gives, and what the others would, without the setting."""
        row = self.frame[self.frame["chosen"]].iloc[0]
        groups, noise = self.frame["k"], self.frame["noise_share"]
        too_small = row["k"] and not row["large_enough"]
        small = f", the smallest below {self._floor} of customers" if too_small else ""
        parts = [f"{plural(row['k'], 'group')}{small}"]
        parts += [f"{percent(row['noise_share'], decimals=0)} of customers unlike any"]
        names = ["silhouette"] if np.isfinite(row["silhouette"]) else []
        names += ["stability"] if np.isfinite(row["stability"]) else []
        parts += [
            f"{name} {number(*row[[name, f'{name}_low', f'{name}_high']], decimals=2)}"
            for name in names
        ]
        refits = f" over {refits_in_words(self.bootstraps, self.resampled)}"
        return (
            f"{', '.join(parts)}{refits if 'stability' in names else ''}. The settings tried give "
            f"{_span(groups.min(), groups.max())} and leave out "
            f"{percent(noise.min(), decimals=0)} to {percent(noise.max(), decimals=0)}."
        )

    @property
    def _floor(self) -> str:
        return percent(self.min_share, decimals=0)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw silhouette, stability and the share left out against the setting; return the Axes.

        On a new figure a panel below shows the number of groups.
        """
        from promolab.plots import stacked

        if ax is not None:
            self.draw([ax])
            return ax
        axes = stacked([4.0, 1.7])
        self.draw(axes)
        return axes[0]

    def draw(self, axes: list[Axes]) -> None:
        """Draw on one Axes, or on two: the measures, and the number of groups."""
        from promolab import plots

        rows = self.frame
        styles = {"silhouette": "-", "stability": "--", "noise_share": ":"}
        for colour, (name, line) in zip(plots.COLOURS[:3], styles.items(), strict=True):
            if rows[name].isna().all():  # a single group has no silhouette
                continue
            banded = f"{name}_low" in rows
            plots.curve(
                rows["setting"],
                rows[name],
                low=rows[f"{name}_low"] if banded else None,
                high=rows[f"{name}_high"] if banded else None,
                label={"noise_share": "share left out"}.get(name, name),
                colour=colour,
                linestyle=line,
                ax=axes[0],
            )
        chosen = rows[rows["chosen"]].iloc[0]
        plots.reference_line(axes[0], "horizontal", MIN_STABILITY, "stable from here on")
        plots.reference_line(axes[0], "vertical", float(chosen["setting"]), "chosen")
        noise = percent(chosen["noise_share"], decimals=0)
        plots.finish(
            axes[0],
            title=f"{plural(chosen['k'], 'group')}, and {noise} of customers unlike any",
            subtitle="mean silhouette of those grouped, 95 % interval; adjusted Rand index of "
            f"{refits_in_words(self.bootstraps, self.resampled)}, middle 95 %; "
            f"n = {plural(self.customers, 'customer')}",
            ylabel="1 = perfect, or all left out",
        )
        if len(axes) > 1:
            self._draw_groups(axes[1])
        axes[-1].set_xlabel(self.what)

    def _draw_groups(self, ax: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        from promolab import plots

        enough = self.frame["large_enough"].to_numpy()
        x, k = self.frame["setting"].to_numpy(), self.frame["k"].to_numpy()
        plots.points(x[enough], k[enough], colour=plots.COLOURS[0], ax=ax)
        if not enough.all():
            words = f"one below {self._floor} of customers"
            plots.points(x[~enough], k[~enough], label=words, colour=plots.COLOURS[1], ax=ax)
        ax.set_ylim(0, max(int(k.max()), 1) * 1.25)
        plots.finish(ax, title="", subtitle="groups found", ylabel="groups")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))


def _span(low: float, high: float) -> str:
    return plural(low, "group") if low == high else f"{count(low)} to {plural(high, 'group')}"


@dataclass(frozen=True)
class DistanceCurve(Result):
    """The distance within which each customer has enough neighbours, and the eps chosen.

    Parameters
    ----------
    distances : ndarray of shape (n,)
        Sorted, in standard deviations.
    eps : float
        The neighbourhood.
    min_samples : int
        Customers that make a neighbourhood dense, the one in its middle among them.
    given : bool
        Whether eps was asked for.
    around : DensitySettings, optional
        What eps nearby would do.
    """

    distances: np.ndarray
    eps: float
    min_samples: int
    given: bool
    around: DensitySettings | None = None

    @property
    def others(self) -> int:
        """Neighbours that each needs beside themselves."""
        return self.min_samples - 1

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
        text = (
            f"The neighbourhood reaches {number(self.eps)} standard deviations (eps, {how}): "
            f"{percent(inside, decimals=0)} of {plural(len(self.distances), 'customer')} have "
            f"{plural(self.others, 'other')} this near."
        )
        return text if self.around is None else f"{text} It gives {self.around.found()}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the sorted distances with the eps chosen and return the Axes.

        On a new figure, panels below show what eps nearby would do, where that is known.
        """
        from promolab.plots import stacked

        if ax is not None or self.around is None:
            return self._draw(ax)
        axes = stacked([3.2, 4.0, 1.9], share=False)
        self._draw(axes[0])
        self.around.draw(axes[1:])
        axes[2].set_xlim(axes[1].get_xlim())
        return axes[0]

    def _draw(self, ax: Axes | None) -> Axes:
        from promolab import plots

        rank = np.arange(1, len(self.distances) + 1)
        ax = plots.curve(rank, self.distances, ax=ax)
        plots.reference_line(ax, "horizontal", self.eps, f"eps = {number(self.eps)}")
        return plots.finish(
            ax,
            title="The neighbourhood is cut where distances shoot up"
            if not self.given
            else "The neighbourhood was asked for",
            subtitle=f"distance to neighbour {self.others}, in standard deviations; "
            f"n = {plural(len(self.distances), 'customer')}",
            xlabel="customers, nearest first",
            ylabel="distance",
        )
