"""Ranked lists cut at a depth: what lies above the cut, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RankedRows:
    """Rows by group and falling score, in runs of equal scores.

    Parameters
    ----------
    order, y, group, run : ndarray of shape (n,)
        Where each row stood before; its label, group and run.
    above, size, hits, run_group : ndarray of shape (runs,)
        Rows of the group above the run, rows and positives in it, its group.
    sizes : ndarray of shape (groups,)
        Rows per group.
    """

    order: np.ndarray
    y: np.ndarray
    group: np.ndarray
    run: np.ndarray
    above: np.ndarray
    size: np.ndarray
    hits: np.ndarray
    run_group: np.ndarray
    sizes: np.ndarray

    @property
    def ends(self) -> np.ndarray:
        """Place of each run's last row, shape (runs,)."""
        return np.cumsum(self.size) - 1

    def listed(self, values: np.ndarray | None) -> np.ndarray | None:
        """Return values of rows, if there are any, in the list's order."""
        return None if values is None else values[self.order]

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return values in the order in which the rows came."""
        back = np.empty_like(values)
        back[self.order] = values
        return back


def ranked_rows(
    y: np.ndarray, score: np.ndarray, group: np.ndarray | None = None, groups: int = 1
) -> RankedRows:
    """Sort the rows of each list, the best first.

    Parameters
    ----------
    y : ndarray of bool of shape (n,)
        The label.
    score : ndarray of shape (n,)
        Higher stands first.
    group : ndarray of int of shape (n,), optional
        Codes below ``groups``, each a list of its own.
    """
    n = len(y)
    order = np.argsort(-score) if group is None else np.lexsort((-score, group))
    ranked, sorted_y = score[order], y[order]
    mine = np.zeros(n, dtype=np.int64) if group is None else group[order]
    new = np.ones(n, dtype=bool)
    np.not_equal(ranked[1:], ranked[:-1], out=new[1:])
    if group is not None:
        new[1:] |= mine[1:] != mine[:-1]
    starts = np.flatnonzero(new)
    sizes = np.bincount(mine, minlength=groups)
    first = np.cumsum(sizes) - sizes
    return RankedRows(
        order,
        sorted_y,
        mine,
        np.cumsum(new) - 1,
        starts - first[mine[starts]],
        np.diff(np.append(starts, n)),
        np.add.reduceat(sorted_y.astype(np.int64), starts),
        mine[starts],
        sizes,
    )


def found_at(ranked: RankedRows, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives found at each depth, and the response rate at each group's cut.

    Returns
    -------
    found : ndarray of shape (depths,)
    slopes : ndarray of shape (groups, depths)
        Positives per row in the depths around the cut.
    """
    found, slopes = np.zeros(len(at)), np.zeros((len(ranked.sizes), len(at)))
    bounds = np.searchsorted(ranked.run_group, np.arange(len(ranked.sizes) + 1))
    for g, size in enumerate(ranked.sizes):
        runs = slice(bounds[g], bounds[g + 1])
        rows = np.append(0, np.cumsum(ranked.size[runs]))
        hits = np.append(0, np.cumsum(ranked.hits[runs]))
        found += np.interp(at * size, rows, hits)
        slopes[g] = slope_around(at, reach_of(size), rows, hits, size)
    return found, slopes


def reach_of(rows: int) -> float:
    """Return how far from a cut, in shares of a list, its neighbourhood reaches."""
    return min(max(0.05, 5 / rows), 0.5)


def slope_around(
    at: np.ndarray, reach: float, x: np.ndarray, y: np.ndarray, unit: float = 1.0
) -> np.ndarray:
    """Return the slope of a curve over the stretch around each share, x counted in ``unit``."""
    left, right = np.clip(at - reach, 0, 1) * unit, np.clip(at + reach, 0, 1) * unit
    return np.asarray((np.interp(right, x, y) - np.interp(left, x, y)) / (right - left))


def cut_influences(
    ranked: RankedRows, depth: float, found: float, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each row of the list adds to capture and to rate at one depth.

    Parameters
    ----------
    ranked : RankedRows
    depth, found : float
        Share of each list, and the positives found down to there.
    slopes : ndarray of shape (groups,)
        Positives per row in the depths around the cut.
    """
    n, positives = len(ranked.y), int(np.count_nonzero(ranked.y))
    cut = depth * ranked.sizes[ranked.run_group]
    taken = np.clip((cut - ranked.above) / ranked.size, 0.0, 1.0)[ranked.run]
    moved = slopes[ranked.group] * (taken - depth)
    of_capture = (ranked.y * (taken - found / positives) - moved) / positives
    return of_capture, (ranked.y * taken - found / n - moved) / (n * depth)


def down_the_list(u: np.ndarray, v: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Sum over clusters of (sum of ``u`` so far) × (sum of ``v`` so far), after every row.

    Parameters
    ----------
    u, v : ndarray of shape (n,)
        Figures in the order of the list.
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, …, in the same order.
    """
    if cluster is None:
        return np.cumsum(u * v)
    by_cluster = np.argsort(cluster, kind="stable")
    codes = cluster[by_cluster]
    first = np.append(True, codes[1:] != codes[:-1])
    # A row that comes on top of sums U and V raises U·V by uV + Uv + uv.
    before_u, before_v = (_before(x[by_cluster], first) for x in (u, v))
    steps = np.empty(len(u))
    steps[by_cluster] = (
        u[by_cluster] * before_v + v[by_cluster] * before_u + u[by_cluster] * v[by_cluster]
    )
    return np.cumsum(steps)


def _before(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the sum of the cluster's earlier values, for values sorted by cluster."""
    so_far = np.cumsum(values) - values
    return np.asarray(so_far - so_far[first][np.cumsum(first) - 1])
