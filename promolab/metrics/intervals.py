"""Confidence intervals of shares, and of sums over customers whose rows belong together."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.metrics._inputs import check_level

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["cluster_sums", "normal_quantile", "share_interval", "wilson"]


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
