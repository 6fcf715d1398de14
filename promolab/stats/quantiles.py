"""The statistics that every room needs, once: quantiles, Wilson's interval, many tests, folds."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import level_of
from promolab.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def normal_quantile(level: float) -> float:
    """Return z with ``level`` of the standard normal between −z and z.

    Examples
    --------
    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return NormalDist().inv_cdf(0.5 + level_of(level) / 2)


def t_quantile(level: float, degrees: Any) -> Any:
    """Return t with ``level`` of Student's distribution between −t and t.

    Parameters
    ----------
    level : float
    degrees : float or ndarray
        Degrees of freedom, need not be whole; infinitely many make it the normal quantile.

    Returns
    -------
    float or ndarray
        As ``degrees`` is.

    Examples
    --------
    >>> round(t_quantile(0.95, 9), 3), t_quantile(0.9, np.array([4.0, np.inf])).round(3).tolist()
    (2.262, [2.132, 1.645])
    """
    from scipy.special import stdtrit

    found = stdtrit(degrees, 0.5 + level_of(level) / 2)
    return float(found) if np.ndim(degrees) == 0 else found


def two_sided(value: ArrayLike, std_error: ArrayLike, degrees: ArrayLike = np.inf) -> Any:
    """Return the two-sided p value of a figure that is 0 if there is nothing.

    Parameters
    ----------
    value, std_error : float or ndarray
        The figure and its standard error. A figure of 0 has the p value 1; another one without a
        standard error above 0 has none (nan).
    degrees : float or ndarray
        Degrees of freedom of Student's distribution; by default the normal one.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> round(two_sided(1.96, 1.0), 3), round(two_sided(1.96, 1.0, 5), 3), two_sided(1.0, 0.0)
    (0.05, 0.107, nan)
    """
    from scipy.special import stdtr

    value, error = np.asarray(value, dtype=float), np.asarray(std_error, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(error > 0, np.abs(value) / error, np.nan)
    p = np.where(value == 0, 1.0, 2 * stdtr(degrees, -ratio))
    return float(p) if np.ndim(p) == 0 else p


def fieller(
    top: float, bottom: float, variances: tuple[float, float], covariance: float, quantile: float
) -> tuple[float, float]:
    """Return Fieller's interval of a ratio of two estimates: what its bottom cannot rule out.

    All ρ with (top − ρ · bottom)² ≤ quantile² · its variance. Where the bottom is not told from 0
    it is the whole line.

    Parameters
    ----------
    top, bottom : float
        The two estimates, roughly normal.
    variances : (float, float)
        Theirs.
    covariance : float
        Of the two.
    quantile : float
        As by `normal_quantile` or `t_quantile`.

    References
    ----------
    Fieller (1954), JRSS B 16(2).

    Examples
    --------
    >>> low, high = fieller(2.0, 4.0, (0.01, 0.0), 0.0, 1.96)
    >>> round(low, 3), round(high, 3)
    (0.451, 0.549)
    >>> fieller(2.0, 0.1, (0.01, 0.04), 0.0, 1.96)
    (-inf, inf)
    """
    z = quantile**2
    a, b = bottom**2 - z * variances[1], top * bottom - z * covariance
    c = top**2 - z * variances[0]
    if not a > 0:
        return -math.inf, math.inf
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def welch_degrees(variances: list[float], units: list[float]) -> float:
    """Return the degrees of freedom of a sum of independent means (Welch–Satterthwaite).

    By the number of units in each, not by how their squares are spread: one row that makes up most
    of the variance leaves 1 or 2 of those and an interval that says nothing. Such a row is named
    instead (`promolab.stats.dominant_of`).

    Parameters
    ----------
    variances : list of float
        Of each mean.
    units : list of float
        Independent units behind each; need not be whole.

    References
    ----------
    Welch (1947), Biometrika 34; Satterthwaite (1946), Biometrics Bulletin 2.

    Examples
    --------
    >>> round(welch_degrees([4.0, 1.0], [11, 31]), 1), welch_degrees([0.0, 0.0], [11, 31])
    (15.3, 10.0)
    """
    few = [max(n - 1.0, 1.0) for n in units]
    below = sum(v**2 / df for v, df in zip(variances, few, strict=True))
    return sum(variances) ** 2 / below if below > 0 else min(few)


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


def share_interval(
    share: ArrayLike, variance: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share at the sample size that its variance amounts to.

    Parameters
    ----------
    share : array-like
        The estimate, within [0, 1]; one that is not known (nan) has no ends.
    variance : array-like
        Its variance, clustering included.
    n : array-like
        Independent units behind it: how many trials it counts as where the variance is 0, as it is
        when all or none succeed.
    level : float

    References
    ----------
    The effective sample size of Korn & Graubard (1998), Survey Methodology 24(2), in Wilson's
    interval; Franco, Little, Louis & Slud (2019), J. of Survey Statistics and Methodology 7(3).

    Examples
    --------
    >>> low, high = share_interval([0.5, np.nan], [0.0025, 0.0], 100)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.404, nan], [0.596, nan])
    """
    share, variance, n = (np.asarray(values, dtype=float) for values in (share, variance, n))
    known = ~np.isnan(share)
    part = np.where(known, share, 0.0)
    spread = np.clip(part * (1 - part), 0.0, None)
    flat = (variance <= 1e-15) | (spread <= 1e-15)
    effective = np.where(flat, n, spread / np.where(flat, 1.0, variance))
    low, high = wilson(np.clip(part, 0, 1) * effective, effective, level)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return p values adjusted for their number: at most so often is any of them a false alarm.

    A missing one counts as a test and stays missing.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, np.nan, 0.02]))
    array([0.04, 0.08,  nan, 0.06])
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(np.where(np.isnan(p), 2.0, p), kind="stable")
    scaled = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.where(np.isnan(scaled), 1.0, scaled))
    return np.where(np.isnan(p), np.nan, adjusted)


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Return p values adjusted so that a bound on them bounds the false discovery rate.

    A missing one is not counted and stays missing.

    Notes
    -----
    Benjamini & Hochberg (1995): min over j ≥ i of m · p₍ⱼ₎ / j, p sorted upwards.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, np.nan])).round(3).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * len(known) / np.arange(1, len(known) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def dealt(units: ArrayLike, folds: int, seed: int) -> tuple[np.ndarray, int]:
    """Deal whole units out to folds in the order of a hash, whatever the order of the rows.

    Parameters
    ----------
    units : array-like of shape (n,)
        Which unit each row belongs to: a customer, a promotion.
    folds : int
        How many, at most.
    seed : int
        Part of the hash.

    Returns
    -------
    fold : ndarray of int of shape (n,)
        0, 1, …: ``folds`` of them, or as many as there are units.
    units : int
        How many there are.

    Examples
    --------
    >>> dealt(["a", "b", "a"], folds=5, seed=0)
    (array([0, 1, 0]), 2)
    """
    import pandas as pd

    codes, names = pd.factorize(np.asarray(units))
    hashes = [hashlib.sha256(f"{seed}:{name}".encode()).hexdigest() for name in names]
    rank = np.argsort(np.argsort(np.array(hashes)))
    return (rank % max(min(folds, len(names)), 1))[codes], len(names)
