"""Ranked lists cut at a depth: what lies above the cut, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.metrics.intervals import cluster_sums


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


def ranked_rows(
    y: np.ndarray, score: np.ndarray, group: np.ndarray | None, groups: int
) -> RankedRows:
    """Sort the rows of each list, the best first; equal scores keep the order they came in."""
    group = np.zeros(len(y), dtype=np.int64) if group is None else group
    order = np.lexsort((-score, group))
    sorted_score, sorted_group, sorted_y = score[order], group[order], y[order]
    new = np.ones(len(y), dtype=bool)
    new[1:] = (sorted_score[1:] != sorted_score[:-1]) | (sorted_group[1:] != sorted_group[:-1])
    starts = np.flatnonzero(new)
    sizes = np.bincount(group, minlength=groups)
    first = np.cumsum(sizes) - sizes
    return RankedRows(
        order,
        sorted_y,
        sorted_group,
        np.cumsum(new) - 1,
        starts - first[sorted_group[starts]],
        np.diff(np.append(starts, len(y))),
        np.add.reduceat(sorted_y.astype(np.int64), starts),
        sorted_group[starts],
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


def cut_variances(
    ranked: RankedRows,
    at: np.ndarray,
    capture: np.ndarray,
    rate: np.ndarray,
    slopes: np.ndarray,
    cluster: np.ndarray | None,
) -> np.ndarray:
    """Variance of capture and rate at each depth, shape (2, depths)."""
    n, positives = len(ranked.y), int(np.count_nonzero(ranked.y))
    units = n if cluster is None else int(cluster.max()) + 1
    more = units / max(units - 1, 1)
    spread = np.empty((2, len(at)))
    for k, depth in enumerate(at):
        cut = depth * ranked.sizes[ranked.run_group]
        taken = np.clip((cut - ranked.above) / ranked.size, 0.0, 1.0)[ranked.run]
        moved = slopes[ranked.group, k] * (taken - depth)
        of_capture = (ranked.y * (taken - capture[k]) - moved) / positives
        of_rate = (ranked.y * taken - depth * rate[k] - moved) / (n * depth)
        spread[0, k] = more * np.square(cluster_sums(of_capture, cluster)).sum()
        spread[1, k] = more * np.square(cluster_sums(of_rate, cluster)).sum()
    return spread


def list_order(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows from the highest score down, and the place of each run's last row."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    return order, np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(score) - 1)


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
