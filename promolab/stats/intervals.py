"""What every room needs, once: quantiles, shares, sums of influences, many tests, folds."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import level_of
from promolab.errors import InputError
from promolab.results import Estimate

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


def units_of(cluster: Any, own: np.ndarray | None = None) -> np.ndarray:
    """Return codes of clusters; where one is missing the row stands alone, as in an assignment.

    Parameters
    ----------
    cluster : array-like of shape (n,)
    own : ndarray of int of shape (n,), optional
        Codes of what stands alone, such as customers; by default each row.

    Examples
    --------
    >>> units_of(["home", None, "home", None]).tolist()
    [0, 1, 0, 2]
    """
    import pandas as pd

    codes = pd.factorize(pd.Series(cluster))[0]
    alone, own = codes < 0, np.arange(len(codes)) if own is None else own
    codes[alone] = codes.max(initial=-1) + 1 + own[alone]
    return np.unique(codes, return_inverse=True)[1]


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
