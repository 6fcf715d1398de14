"""DBSCAN and HDBSCAN: groups where customers lie close together; the rest are unlike any group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from promolab.results import Result
from promolab.segmentation.groups.measures import one_thread
from promolab.segmentation.groups.methods import Grouped, Method
from promolab.wording import plural


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


class ByDensity(Method):
    """What the two have in common: a neighbourhood, and the sample that groups are found among."""

    drawn_only = True
    found_by = ""

    @property
    def near(self) -> int:
        """Customers that make a neighbourhood dense."""
        return self.settings.min_samples or max(5, 2 * len(self.task.columns))

    @cached_property
    def codes(self) -> np.ndarray:
        """The groups of the task's rows."""
        raise NotImplementedError

    def indices(self, codes: np.ndarray) -> np.ndarray:
        """Return the adjusted Rand index of each refit; none where there is no group to find."""
        return super().indices(codes) if (self.codes >= 0).any() else np.zeros(0)

    def group(self) -> Grouped:
        """Group the customers."""
        task = self.task
        if not task.columns:
            return Grouped(None, "All customers are alike, so they form a single segment.")
        if len(task.active) < self.near:
            return Grouped(
                None,
                f"{plural(len(task.active), 'customer')} are fewer than the {self.near} that "
                "a group needs, so they form a single segment.",
            )
        if not (self.codes >= 0).any():
            return Grouped(np.full(len(task.active), -1), self.none_found())
        if not task.resampled:
            return Grouped(self.codes)
        note = (
            f"Groups were found among {plural(task.resampled, 'customer')} drawn at random; each "
            f"of the others is in the group of {self.found_by}."
        )
        return Grouped(joined(task.matrix, task.rows, self.codes, self.reach()), note)

    def none_found(self) -> str:
        """Say that no group was found, and what to try."""
        raise NotImplementedError

    def reach(self) -> float | np.ndarray:
        """Return how near to a group's nearest member a customer of it must be."""
        raise NotImplementedError


class Dbscan(ByDensity):
    """DBSCAN (Ester et al. 1996), its neighbourhood at the knee of the distances."""

    found_by = "the nearest of them within eps"

    @cached_property
    def _distances(self) -> tuple[np.ndarray, float]:
        return distance_knee(self.task.drawn, self.near)

    @property
    def eps(self) -> float:
        """The neighbourhood, in standard deviations."""
        return self.settings.eps or self._distances[1]

    @cached_property
    def codes(self) -> np.ndarray:
        """The groups of the task's rows."""
        return dbscan(self.task.drawn, self.eps, self.near)

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of a resample at the same eps."""
        return dbscan(self.task.drawn, self.eps, self.near, weights=drawn)

    def none_found(self) -> str:
        """Say that no group was found, and what to try."""
        return f"No dense group was found at eps = {self.eps:.3g}; try a larger eps."

    def reach(self) -> float:
        """Return eps."""
        return self.eps

    @property
    def evidence(self) -> DistanceCurve | None:
        """The distances that the neighbourhood is cut from."""
        if not self.task.columns:
            return None
        return DistanceCurve(self._distances[0], self.eps, self.near, self.settings.eps is not None)


class Hdbscan(ByDensity):
    """HDBSCAN (Campello et al. 2013): dense groups of whatever density, none below the floor."""

    found_by = "the nearest of them, if it lies as near as members of it lie to each other"

    @property
    def smallest(self) -> int:
        """Customers of the smallest group, among the task's rows."""
        return max(5, int(np.ceil(self.settings.min_share * len(self.task.rows))))

    @cached_property
    def codes(self) -> np.ndarray:
        """The groups of the task's rows."""
        return hdbscan(self.task.drawn, self.smallest, self.near)

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of a resample."""
        # It knows no weights: a customer drawn twice is there twice.
        rows = np.repeat(np.arange(len(self.task.drawn)), drawn)
        found = np.full(len(self.task.drawn), -1)
        found[rows] = hdbscan(self.task.drawn[rows], self.smallest, self.near)
        return found

    def none_found(self) -> str:
        """Say that no group was found, and what to try."""
        many = plural(self.smallest, "customer")
        return f"No dense group of {many} was found; try a smaller min_share."

    def reach(self) -> np.ndarray:
        """Return, for each group, the largest distance of a member to its nearest other."""
        return nearest_distances(self.task.drawn, self.codes)


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
    """

    distances: np.ndarray
    eps: float
    min_samples: int
    given: bool

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

    def facts(self) -> dict[str, Any]:
        """Return how many customers have enough others within the neighbourhood."""
        return {"inside": float((self.distances <= self.eps).mean())}
