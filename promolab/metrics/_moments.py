"""Variances of estimates from what each row adds to them, and of sums down a ranked list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.metrics.intervals import cluster_sums

__all__ = [
    "Spread",
    "around",
    "degrees_of",
    "down_the_list",
    "list_order",
    "positive_interval",
    "spread_of",
]


@dataclass(frozen=True)
class Spread:
    """How far an estimate varies from sample to sample.

    Parameters
    ----------
    std_error : float
        nan with fewer than two independent units.
    degrees : float
        Degrees of freedom: few where a few units make up most of the variance.
    units : int
        Independent units: clusters, or rows where there are none.
    """

    std_error: float
    degrees: float
    units: int


def spread_of(influence: np.ndarray, cluster: np.ndarray | None) -> Spread:
    """Return the spread of an estimate from its influence function, summed within clusters.

    Parameters
    ----------
    influence : ndarray of shape (n,)
        What each row adds to the estimate's deviation from the truth; sums to 0.
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, ….
    """
    sums = cluster_sums(influence, cluster)
    units = len(sums)
    if units < 2:
        return Spread(math.nan, math.nan, units)
    squares = np.square(sums)
    total = float(squares.sum())
    degrees = degrees_of(total, np.square(squares).sum(), squares.max(), units)
    return Spread(math.sqrt(total * units / (units - 1)), float(degrees), units)


def degrees_of(second: Any, fourth: Any, largest: Any, units: Any) -> np.ndarray:
    """Return Satterthwaite's degrees of freedom: 2 ÷ (variance of the variance ÷ its square).

    With kurtosis κ the variance of a variance is (κ − 1)/units of its square. The kurtosis is that
    of all units but the largest: one row alone, however large, takes no certainty from the rest.

    Parameters
    ----------
    second, fourth, largest : float or ndarray
        Sum of the units' squares, sum of the squares' squares, and the largest square.
    units : int or ndarray of int
        Independent units.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2(6).

    Examples
    --------
    >>> degrees_of(4.0, 4.0, 1.0, 4).tolist(), degrees_of(104.0, 10_004.0, 100.0, 5).tolist()
    (3.0, 4.0)
    """
    units = np.asarray(units, dtype=float)
    rest, most = units - 1, np.maximum(units - 1, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variety = (fourth - np.square(largest)) / np.square(second - largest) - 1 / rest
        degrees = np.where(variety > 1e-12, 2 / variety, most)
    return np.clip(np.nan_to_num(degrees, nan=1.0), 1.0, most)


def around(value: float, spread: Spread, level: float) -> tuple[float, float]:
    """Return value ± Student's quantile × standard error; infinite where there is none."""
    half = _half(spread, level)
    return value - half, value + half


def positive_interval(value: float, spread: Spread, level: float) -> tuple[float, float]:
    """Return an interval of a figure above 0, symmetric in its logarithm."""
    half = _half(spread, level)
    if not math.isfinite(half):
        return 0.0, math.inf
    if value <= 0 or half == 0:
        return value, value
    factor = math.exp(min(half / value, 700.0))
    return value / factor, value * factor


def _half(spread: Spread, level: float) -> float:
    from scipy.special import stdtrit

    if not math.isfinite(spread.std_error):
        return math.inf
    return float(stdtrit(spread.degrees, 0.5 + level / 2)) * spread.std_error


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
    return so_far - so_far[first][np.cumsum(first) - 1]
