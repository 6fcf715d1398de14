"""Confidence intervals of shares, and of sums over customers whose rows belong together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from promolab.errors import InputError
from promolab.language import _
from promolab.results import Estimate
from promolab.stats import share_interval, t_quantile, welch_degrees
from promolab.stats import wilson as wilson  # metrics.wilson is where analysts look for it
from promolab.wording import number, percent


def cluster_sums(values: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Add values up within clusters (codes 0, 1, …); without clusters each row is its own."""
    return values if cluster is None else np.bincount(cluster, weights=values)


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


@dataclass(frozen=True)
class ArmMean:
    """The mean of one arm.

    Parameters
    ----------
    value : float
        Its mean: weighted where there are weights, at the mean earlier figure of both arms where
        there is one.
    variance : float
        The arm's part in the difference's: the clustered sandwich, units ÷ (units − 1).
    level_variance : float
        Variance of ``value`` by itself; with an earlier figure, that of its mean is in it, which
        cancels in the difference.
    rows, units : int
        Rows and independent units in the arm.
    worth : float
        How many equally weighted units they are worth (Kish 1965).
    scores : ndarray of shape (units,)
        What each independent unit of the arm adds to the difference's error; 0 for the others.
        Empty where the arm is known by its moments alone.
    """

    value: float
    variance: float
    level_variance: float
    rows: int
    units: int
    worth: float
    scores: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)


@dataclass(frozen=True)
class TwoArms:
    """The treated arm less the control; made by `compare_means`, or of moments.

    Parameters
    ----------
    treated, control : ArmMean
        The two.
    covariance : float
        Of the two means: units in both arms, as when a customer is drawn anew each week.
    level_covariance : float
        Of the two values by themselves; with an earlier figure, the variance of its mean is in it.
    slope : float
        θ: by how much a higher earlier figure lets a higher outcome expect; 0 without one.
    correlation : float
        Of outcome and earlier figure within the arms: the variance falls by its square.
    """

    treated: ArmMean
    control: ArmMean
    covariance: float = 0.0
    level_covariance: float = 0.0
    slope: float = 0.0
    correlation: float = 0.0

    @property
    def value(self) -> float:
        """The difference."""
        return self.treated.value - self.control.value

    @property
    def variance(self) -> float:
        """Of the difference."""
        return max(self.treated.variance + self.control.variance - 2 * self.covariance, 0.0)

    @property
    def degrees(self) -> float:
        """Degrees of freedom (`welch_degrees`)."""
        arms = (self.treated, self.control)
        return welch_degrees([a.variance for a in arms], [a.worth for a in arms])

    def interval(self, level: float) -> tuple[float, float]:
        """Return the difference ± Student's quantile × standard error."""
        half = t_quantile(level, self.degrees) * math.sqrt(self.variance)
        return self.value - half, self.value + half


def compare_means(
    y: np.ndarray,
    treated: np.ndarray,
    unit: np.ndarray | None = None,
    *,
    weight: np.ndarray | None = None,
    earlier: np.ndarray | None = None,
) -> TwoArms:
    r"""Compare the mean of the treated with that of the others.

    Without more it is the plain difference, with Welch's variance. ``weight`` makes the means those
    of Hájek: :math:`\sum w y / \sum w` in each arm. ``earlier`` takes out what was there before
    (CUPED): with x the earlier figure, the means are those of :math:`y - \theta (x - \bar x)`; θ is
    pooled, from deviations within the arms, and :math:`\bar x` is the mean of all rows of both
    arms, so that neither arm's level moves and the difference stays one of y. Variances are those
    of the influence functions, summed within units; that of :math:`\bar x` is part of each arm's
    and cancels in the difference.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Outcomes.
    treated : ndarray of bool of shape (n,)
        Arm of each row.
    unit : ndarray of int of shape (n,), optional
        Codes 0, 1, … of the independent units; by default each row is one.
    weight : ndarray of shape (n,), optional
        Above 0, such as the inverse of the chance of the arm that the row is in.
    earlier : ndarray of shape (n,), optional
        A figure from before the arms were drawn.

    Raises
    ------
    InputError
        An arm with fewer than two units.

    References
    ----------
    Hájek (1971); Deng, Xu, Kohavi & Walker (2013), WSDM (CUPED); Lin (2013), Annals of Applied
    Statistics 7 (adjusting randomised arms).

    Examples
    --------
    >>> y, x = np.array([5.0, 9.0, 2.0, 6.0]), np.array([1.0, 3.0, 0.0, 2.0])
    >>> arms = compare_means(y, np.array([True, True, False, False]), np.arange(4), earlier=x)
    >>> arms.slope, arms.value, arms.variance
    (2.0, 1.0, 0.0)
    """
    sides = [treated, ~treated]
    if earlier is None:
        one, other = (_mean(y, mine, unit, weight, None)[0] for mine in sides)
        shared_units = float(one.scores @ other.scores)
        return TwoArms(one, other, shared_units, shared_units)
    w, x = np.ones(len(y)) if weight is None else weight, earlier
    slope, correlation = _slope(y, x, w, sides)
    centred = x - float(w @ x / w.sum())
    adjusted = y - slope * centred
    shared = slope * w * centred / w.sum()
    (one, here), (other, there) = (_mean(adjusted, mine, unit, w, shared) for mine in sides)
    covariance = float(one.scores @ other.scores)
    return TwoArms(one, other, covariance, float(here @ there), slope, correlation)


def _slope(
    y: np.ndarray, x: np.ndarray, w: np.ndarray, sides: list[np.ndarray]
) -> tuple[float, float]:
    """Return the pooled slope within arms, and the correlation there."""
    xx = xy = yy = 0.0
    for mine in sides:
        part, total = w[mine], float(w[mine].sum())
        if not total > 0:
            continue
        a, b = x[mine] - part @ x[mine] / total, y[mine] - part @ y[mine] / total
        xx, xy, yy = xx + part @ (a * a), xy + part @ (a * b), yy + part @ (b * b)
    return slope_of(float(xx), float(xy), float(yy))


def slope_of(xx: float, xy: float, yy: float) -> tuple[float, float]:
    """Return slope and correlation from sums of squares and products within the arms; else 0.

    Examples
    --------
    >>> slope_of(4.0, 2.0, 4.0)
    (0.5, 0.5)
    """
    if not (xx > 0 and yy > 0):
        return 0.0, 0.0
    return xy / xx, xy / math.sqrt(xx * yy)


def _mean(
    y: np.ndarray,
    mine: np.ndarray,
    unit: np.ndarray | None,
    weight: np.ndarray | None,
    shared: np.ndarray | None,
) -> tuple[ArmMean, np.ndarray]:
    """Return an arm's mean, and what each unit adds to the error of that mean alone."""
    rows = int(np.count_nonzero(mine))
    units = rows if unit is None else int(np.count_nonzero(np.bincount(unit[mine])))
    if units < 2:
        raise InputError(
            f"an arm has {units} independent unit ({rows} rows); an interval needs at least 2"
        )
    w = mine.astype(float) if weight is None else weight * mine
    total = float(w.sum())
    value = float(w @ y) / total
    own = _summed((y - value) * (w / total), unit)
    level = own if shared is None else own + _summed(shared, unit)
    worth = float(units) if weight is None else units * total**2 / float(w @ w) / rows
    few = units / (units - 1)
    variance, alone = float(own @ own) * few, float(level @ level) * few
    return ArmMean(value, variance, alone, rows, units, worth, own), level


def _summed(values: np.ndarray, unit: np.ndarray | None) -> np.ndarray:
    return values if unit is None else np.bincount(unit, weights=values)


MOST = 0.5
"""Share of the variance from which on one customer makes up most of it."""


@dataclass(frozen=True)
class Dominant:
    """The one customer who makes up most of an estimate's variance, and the estimate without.

    Parameters
    ----------
    share : float
        The customer's share of the variance, above a half.
    without : Estimate
        The estimate of all others.

    Examples
    --------
    >>> Dominant(0.93, Estimate(0.4, -1.2, 2.0, 99)).words()
    'One customer makes up 93 % of the variance; without them it is 0 [−1, 2].'
    """

    share: float
    without: Estimate

    def words(self, written: Callable[[float, float, float], str] = number) -> str:
        """Say so, in a sentence.

        Parameters
        ----------
        written : callable
            What writes a value with its interval.
        """
        e, most = self.without, percent(self.share, decimals=0)
        if not math.isfinite(e.ci_high - e.ci_low):
            return _(
                "One customer makes up {share} of the variance, and without them nothing can be "
                "said.",
                share=most,
            )
        return _(
            "One customer makes up {share} of the variance; without them it is {figure}.",
            share=most,
            figure=written(e.value, e.ci_low, e.ci_high),
        )


@dataclass(frozen=True)
class ArmGap:
    """Mean of one arm less that of the other.

    Parameters
    ----------
    estimate : Estimate
        The difference; ``n`` is the rows of both arms.
    std_error, degrees : float
        Of the difference.
    dominant : Dominant or None
        Where one customer makes up most of the variance of a mean.
    """

    estimate: Estimate
    std_error: float
    degrees: float
    dominant: Dominant | None = None


def all_shares(y: np.ndarray) -> bool:
    """Return whether outcomes are all 0 or 1."""
    return bool(((y == 0) | (y == 1)).all())


def difference_of(
    y: np.ndarray, treated: np.ndarray, cluster: np.ndarray | None, level: float
) -> ArmGap:
    """Return the difference of two arms with its interval (`intervals_of`).

    Of shares where every outcome is 0 or 1, else of means. With fewer than two clusters in an arm
    the interval is infinite.

    Parameters
    ----------
    y : ndarray of shape (n,)
    treated : ndarray of bool of shape (n,)
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, …, each of them there.
    level : float

    Examples
    --------
    >>> y = np.array([1.0, 4, 4, 2, 2, 5])
    >>> found = difference_of(y, np.arange(6) < 3, None, 0.95).estimate
    >>> found.value, round(found.ci_low, 2), round(found.ci_high, 2)
    (0.0, -3.93, 3.93)
    """
    if min(_units(side, cluster) for side in (treated, ~treated)) < 2:
        value = float(y[treated].mean() - y[~treated].mean())
        return ArmGap(Estimate(value, -math.inf, math.inf, len(y)), math.inf, 1.0)
    share, arms = all_shares(y), compare_means(y, treated, cluster)
    _, _, (low, high) = intervals_of(arms, level, share=share)

    def without(rest: np.ndarray) -> Estimate:
        codes = None if cluster is None else np.unique(cluster[rest], return_inverse=True)[1]
        return difference_of(y[rest], treated[rest], codes, level).estimate

    # Of a rare share the few who have it make up the variance, as they should.
    added = arms.treated.scores - arms.control.scores
    dominant = None if share else dominant_of(added, cluster, without)
    estimate = Estimate(arms.value, low, high, len(y))
    return ArmGap(estimate, math.sqrt(arms.variance), arms.degrees, dominant)


def _units(mine: np.ndarray, cluster: np.ndarray | None) -> int:
    found = mine if cluster is None else np.bincount(cluster[mine])
    return int(np.count_nonzero(found))


def intervals_of(
    arms: TwoArms, level: float, *, share: bool
) -> tuple[Estimate, Estimate, tuple[float, float]]:
    """Return both arms with their intervals, and the ends of that of their difference.

    Shares: Newcombe's interval from Wilson's intervals of the two, at the sample sizes that
    clustering leaves. Means: Welch's t interval, with clusters that of the clustered sandwich
    variance. A cluster in both arms enters with its covariance.

    Parameters
    ----------
    arms : TwoArms
    level : float
    share : bool
        Whether they are shares.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, method 10; Zou & Donner (2008), Statistics in
    Medicine 27 (with covariance); Welch (1947), Biometrika 34; Satterthwaite (1946).
    """
    one, other = (_alone(side, share, level) for side in (arms.treated, arms.control))
    return one, other, _newcombe(arms, (one, other)) if share else arms.interval(level)


def dominant_of(
    added: np.ndarray, cluster: np.ndarray | None, without: Callable[[np.ndarray], Estimate]
) -> Dominant | None:
    """Return the customer who makes up most of the variance, if there is one.

    Parameters
    ----------
    added : ndarray of shape (clusters,)
        What each customer adds to the estimate's error.
    cluster : ndarray of int of shape (n,), optional
        Codes of the customers; without, each row is one.
    without : callable
        Takes a mask of rows, returns the estimate from them alone.
    """
    squares = np.square(added)
    total = float(squares.sum())
    if len(squares) < 4 or not total > 0:
        return None
    first = int(np.argmax(squares))
    share = float(squares[first]) / total
    if not share > MOST:
        return None
    rest = np.arange(len(added)) != first if cluster is None else cluster != first
    return Dominant(share, without(rest))


def _alone(side: ArmMean, share: bool, level: float) -> Estimate:
    if share:
        # The sandwich divides by one less; alone, each customer counts as just one trial.
        plain_variance = side.variance * (side.units - 1) / side.units
        low, high = share_interval(side.value, plain_variance, side.worth, level)
        return Estimate(side.value, float(low), float(high), side.rows)
    t = t_quantile(level, max(side.worth - 1, 1.0))
    half = t * math.sqrt(side.level_variance)
    return Estimate(side.value, side.value - half, side.value + half, side.rows)


def _newcombe(arms: TwoArms, shares: tuple[Estimate, Estimate]) -> tuple[float, float]:
    one, other = shares
    value = one.value - other.value
    spread = math.sqrt(arms.treated.variance * arms.control.variance)
    together = arms.covariance / spread if spread > 0 else 0.0
    down, up = one.value - one.ci_low, one.ci_high - one.value
    other_down, other_up = other.value - other.ci_low, other.ci_high - other.value
    low = value - math.sqrt(max(down**2 + other_up**2 - 2 * together * down * other_up, 0.0))
    high = value + math.sqrt(max(up**2 + other_down**2 - 2 * together * up * other_down, 0.0))
    return low, high


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
