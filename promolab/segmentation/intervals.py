"""Intervals of shares, ratios and means of many segments at once."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["grouped_mean", "grouped_ratio", "wilson"]


@cache
def _normal_quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + level) / 2))


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
    z2 = _normal_quantile(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


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
        trials = ratio * (1 - ratio) / variance
    # Without variance (all or none answered) the customers themselves are the trials.
    trials = np.where(np.isfinite(trials) & (trials > 0), trials, customers)
    low, high = wilson(ratio, np.where(np.isnan(ratio), np.nan, trials), level)
    return ratio, low, high


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
