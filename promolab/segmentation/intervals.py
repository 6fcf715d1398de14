"""Intervals of shares, ratios and means of many segments at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics import intervals as shares

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "clustered_share",
    "difference_interval",
    "grouped_mean",
    "grouped_ratio",
    "mean_interval",
    "wilson",
]


def wilson(share: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the Wilson interval of shares (Wilson 1927), nan where n is 0.

    Parameters
    ----------
    share, n : ndarray of shape (k,)
        Shares (0–1) and the (effective) number of trials behind each.

    Examples
    --------
    >>> low, high = wilson(np.array([0.5]), np.array([100.0]))
    >>> low.round(3).item(), high.round(3).item()
    (0.404, 0.596)
    """
    known = ~np.isnan(share) & (n > 0)
    low, high = shares.wilson(np.where(known, share, 0.0) * np.where(known, n, 0.0), n, level)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def grouped_ratio(
    numerator: np.ndarray, denominator: np.ndarray, customers: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Σ numerator / Σ denominator per column, with intervals by customers.

    Parameters
    ----------
    numerator, denominator : ndarray of shape (n, k)
        One row per customer (the cluster), one column per segment; 0 where a customer has no part
        in it. The ratio is a share (0–1).
    customers : ndarray of shape (k,)
        Customers behind each ratio.

    Returns
    -------
    ratio, low, high : ndarray of shape (k,)
        nan where the denominator is 0.

    Notes
    -----
    The variance is the linearised one of a ratio of sums over clusters (Cochran 1977, 6.4); the
    interval is Wilson's at the number of independent trials of the same variance (Korn & Graubard
    1998), so it stays within 0–1 and has a width at 0 and 1 too.

    Examples
    --------
    >>> ratio, low, high = grouped_ratio(np.eye(4)[:, :1], np.ones((4, 1)), np.array([4.0]))
    >>> ratio.item()
    0.25
    """
    total = denominator.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(total > 0, numerator.sum(axis=0) / total, np.nan)
        residual = numerator - ratio * denominator
        correction = np.where(customers > 1, customers / (customers - 1), 1.0)
        variance = correction * (residual**2).sum(axis=0) / total**2
    return ratio, *clustered_share(ratio, variance, customers, level)


def clustered_share(
    share: np.ndarray, variance: np.ndarray, customers: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of shares at the number of trials that their variance amounts to.

    Parameters
    ----------
    share, variance : ndarray of shape (k,)
        Shares (0–1) and the variances of their estimates, clustering included.
    customers : ndarray of shape (k,)
        Stand for the trials where there is no variance: all or none answered.

    Examples
    --------
    >>> low, high = clustered_share(np.array([0.5]), np.array([0.0025]), np.array([100.0]))
    >>> low.round(3).item(), high.round(3).item()
    (0.404, 0.596)
    """
    known = ~np.isnan(share)
    filled = np.where(known, share, 0.0), np.where(known, variance, 0.0)
    low, high = shares.share_interval(*filled, customers, level)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def grouped_mean(
    values: np.ndarray, member: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of ``values`` in each group with Student's interval, nulls left out.

    Parameters
    ----------
    values : ndarray of shape (n,)
    member : ndarray of shape (n, k)
        1.0 where a customer is in a group, else 0.0.

    Returns
    -------
    mean, low, high : ndarray of shape (k,)
        The mean is nan in an empty group, the ends where fewer than two values are known.

    Examples
    --------
    >>> mean, low, high = grouped_mean(np.array([1.0, 3.0]), np.ones((2, 1)))
    >>> mean.item(), round(low.item(), 1), round(high.item(), 1)
    (2.0, -10.7, 14.7)
    """
    from scipy.stats import t

    known = ~np.isnan(values)
    value = np.where(known, values, 0.0)
    member = member * known[:, None]
    n = member.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (value @ member) / n
        squares = (((value[:, None] - np.nan_to_num(mean)) * member) ** 2).sum(axis=0)
        error = np.sqrt(squares / (n - 1) / n)
    half = np.where(n > 1, t.ppf((1 + level) / 2, np.maximum(n - 1, 1)) * error, np.nan)
    return mean, mean - half, mean + half


def mean_interval(
    values: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each row with its normal interval; nan where a value is, or of one value.

    Parameters
    ----------
    values : ndarray of shape (n,) or (k, n)

    Returns
    -------
    mean, low, high : ndarray of shape () or (k,)

    Examples
    --------
    >>> mean, low, high = mean_interval(np.array([1.0, 3.0]))
    >>> mean.item(), round(low.item(), 2), round(high.item(), 2)
    (2.0, 0.04, 3.96)
    """
    n = values.shape[-1]
    if n < 2:
        return (np.full(values.shape[:-1], np.nan),) * 3
    mean = np.asarray(values.mean(axis=-1))
    half = shares.normal_quantile(level) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def difference_interval(
    first: ArrayLike, second: ArrayLike, correlation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of first − second from the intervals of both.

    Parameters
    ----------
    first, second : array-like of shape (3,) or (3, n)
        Value, lower and upper end.
    correlation : float
        Between the two estimates; 0 for groups of different customers.

    Notes
    -----
    The square-and-add rule (Newcombe 1998; Zou & Donner 2008): the distance of the lower end is
    √(a² + b² − 2 ρ a b), a from the first value to its lower end, b from the second to its upper.

    Examples
    --------
    >>> low, high = difference_interval([0.5, 0.4, 0.6], [0.3, 0.2, 0.4])
    >>> low.round(3).item(), high.round(3).item()
    (0.059, 0.341)
    """
    x, x_low, x_high = np.asarray(first, dtype=float)
    y, y_low, y_high = np.asarray(second, dtype=float)
    below = _added(x - x_low, y_high - y, correlation)
    above = _added(x_high - x, y - y_low, correlation)
    return np.asarray(x - y - below), np.asarray(x - y + above)


def _added(a: np.ndarray, b: np.ndarray, correlation: float) -> np.ndarray:
    return np.sqrt(np.maximum(a**2 + b**2 - 2 * correlation * a * b, 0.0))
