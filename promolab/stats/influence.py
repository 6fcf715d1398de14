"""How sure an estimate is, from what each row adds to it, summed over rows that belong together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.results import Estimate
from promolab.stats.quantiles import share_interval, t_quantile


def cluster_sums(values: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Add values up within clusters (codes 0, 1, …); without clusters each row is its own."""
    return values if cluster is None else np.bincount(cluster, weights=values)


@dataclass(frozen=True)
class StdError:
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


def spread_of(influence: np.ndarray, cluster: np.ndarray | None) -> StdError:
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
        return StdError(math.nan, math.nan, units)
    squares = np.square(sums)
    total = float(squares.sum())
    degrees = degrees_of(total, np.square(squares).sum(), squares.max(), units)
    return StdError(math.sqrt(total * units / (units - 1)), float(degrees), units)


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
    return np.where(np.isnan(degrees), 1.0, degrees).clip(1.0, most)


def around(value: float, spread: StdError, level: float) -> tuple[float, float]:
    """Return value ± Student's quantile × standard error; infinite where there is none."""
    half = _half(spread, level)
    return value - half, value + half


def estimate_of(
    value: float, influence: np.ndarray, cluster: np.ndarray | None, level: float
) -> Estimate:
    """Return an estimate with the interval that its influence function gives.

    Parameters
    ----------
    value : float
    influence : ndarray of shape (n,)
        As `spread_of` takes it.
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, ….
    level : float
    """
    return Estimate(value, *around(value, spread_of(influence, cluster), level), len(influence))


def positive_interval(value: float, spread: StdError, level: float) -> tuple[float, float]:
    """Return an interval of a figure above 0, symmetric in its logarithm."""
    half = _half(spread, level)
    if not math.isfinite(half):
        return 0.0, math.inf
    if value <= 0 or half == 0:
        return value, value
    factor = math.exp(min(half / value, 700.0))
    return value / factor, value * factor


def _half(spread: StdError, level: float) -> float:
    if not math.isfinite(spread.std_error):
        return math.inf
    return float(t_quantile(level, spread.degrees) * spread.std_error)


def part_of_total(
    values: np.ndarray, member: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each group's part of a total of amounts, such as net sales, with its interval.

    Amounts may be negative (what came back), and so may a part be, or be more than all. Then the
    interval is that of a ratio of sums, part ± Student's quantile × linearised error (the delta
    method), and it is cut off nowhere. Where no amount is negative a part lies within 0 and 1, and
    so does the interval: Wilson's, at the number of trials of the same variance.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Amount of each customer.
    member : ndarray of shape (n, k)
        1.0 where a customer is in a group, else 0.0.
    level : float
        Confidence level.

    Returns
    -------
    part, low, high : ndarray of shape (k,)
        nan where the total is not above 0. A group of nothing but zeros has the part 0 by
        definition, and no interval: its ends are nan.

    References
    ----------
    Cochran (1977), Sampling Techniques, 3rd ed., section 6.4; `share_interval`.

    Examples
    --------
    >>> sales = np.array([50.0, 60.0, 40.0, -60.0, 30.0, -5.0])
    >>> member = np.repeat(np.eye(2), 3, axis=0)
    >>> part, low, high = part_of_total(sales, member)
    >>> [round(float(x), 2) for x in (part[1], low[1], high[1])]
    [-0.3, -2.55, 1.94]
    """
    total, n = float(values.sum()), len(values)
    if not total > 0:
        return (np.full(member.shape[1], np.nan),) * 3
    part = values @ member / total
    residual = (member - part) * values[:, None]
    variance = n / max(n - 1, 1) * (residual**2).sum(axis=0) / total**2
    if (values < 0).any():
        half = t_quantile(level, max(n - 1, 1)) * np.sqrt(variance)
        low, high = part - half, part + half
    else:
        low, high = share_interval(part, variance, float(n), level)
    none = np.abs(values) @ member == 0
    return part, np.where(none, np.nan, low), np.where(none, np.nan, high)
