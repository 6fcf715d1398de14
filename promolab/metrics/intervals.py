"""Confidence intervals of shares, and of sums over customers whose rows belong together."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.metrics._inputs import check_level

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["cluster_sums", "normal_quantile", "part_of_total", "share_interval", "wilson"]


def normal_quantile(level: float) -> float:
    """Return z with ``level`` of the standard normal between −z and z."""
    return NormalDist().inv_cdf(0.5 + check_level(level) / 2)


def wilson(
    successes: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Confidence interval of a share by Wilson's score method.

    Parameters
    ----------
    successes, n : array-like
        Successes and trials, of shapes that broadcast; neither need be whole, so that an effective
        number of trials can be given.
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray
        Ends of the interval, within [0, 1]; (0, 1) where there is no trial.

    Raises
    ------
    InputError
        If successes are negative or more than trials.

    References
    ----------
    Wilson (1927), JASA 22(158); Brown, Cai & DasGupta (2001), Statistical Science 16(2).

    Examples
    --------
    >>> low, high = wilson(12, 80)
    >>> round(float(low), 3), round(float(high), 3)
    (0.088, 0.244)
    """
    hits, trials = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    # A sum of floats may lie a hair outside of what it is a share of.
    slack = 1e-9 * np.maximum(trials, 1.0)
    if wrong := int(np.count_nonzero((hits < -slack) | (hits > trials + slack))):
        raise InputError(
            f"{wrong:,} of {hits.size:,} pairs have successes below 0 or above n; "
            "give 0 ≤ successes ≤ n"
        )
    z = normal_quantile(level)
    some = np.where(trials > 0, trials, 1.0)
    share = np.clip(hits / some, 0.0, 1.0)
    middle = (share + z**2 / (2 * some)) / (1 + z**2 / some)
    half = z / (1 + z**2 / some) * np.sqrt(share * (1 - share) / some + z**2 / (4 * some**2))
    # At 0 and 1 the ends are exact in algebra, and so they are here.
    low = np.where((trials > 0) & (share > 0), np.clip(middle - half, 0, 1), 0.0)
    high = np.where((trials > 0) & (share < 1), np.clip(middle + half, 0, 1), 1.0)
    return low, high


def cluster_sums(values: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Add values up within clusters (codes 0, 1, …); without clusters each row is its own."""
    return values if cluster is None else np.bincount(cluster, weights=values)


def share_interval(
    share: ArrayLike, variance: ArrayLike, n: ArrayLike, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share at the sample size that its variance amounts to.

    Parameters
    ----------
    share : array-like
        The estimate, within [0, 1].
    variance : array-like
        Its variance, clustering included.
    n : array-like
        Independent units behind it: how many trials it counts as where the variance is 0, as it is
        when all or none succeed.

    References
    ----------
    The effective sample size of Korn & Graubard (1998), Survey Methodology 24(2), in Wilson's
    interval; Franco, Little, Louis & Slud (2019), J. of Survey Statistics and Methodology 7(3).
    """
    share, variance, n = (np.asarray(values, dtype=float) for values in (share, variance, n))
    spread = np.clip(share * (1 - share), 0.0, None)
    flat = (variance <= 1e-15) | (spread <= 1e-15)
    effective = np.where(flat, n, spread / np.where(flat, 1.0, variance))
    return wilson(np.clip(share, 0, 1) * effective, effective, level)


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
        from scipy.special import stdtrit

        half = float(stdtrit(max(n - 1, 1), 0.5 + level / 2)) * np.sqrt(variance)
        low, high = part - half, part + half
    else:
        low, high = share_interval(part, variance, float(n), level)
    none = np.abs(values) @ member == 0
    return part, np.where(none, np.nan, low), np.where(none, np.nan, high)
