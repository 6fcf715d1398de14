"""The difference of two arms' means or shares, with its interval, relative lift and p value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from promolab.errors import InputError
from promolab.language import _
from promolab.results import Estimate
from promolab.stats.intervals import (
    cluster_sums,
    fieller,
    share_interval,
    t_quantile,
    two_sided,
    welch_degrees,
)
from promolab.wording import number, percent


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
        shared_units = covariance_of(one, other, float(one.scores @ other.scores))
        return TwoArms(one, other, shared_units, shared_units)
    w, x = np.ones(len(y)) if weight is None else weight, earlier
    slope, correlation = _slope(y, x, w, sides)
    centred = x - float(w @ x / w.sum())
    adjusted = y - slope * centred
    shared = slope * w * centred / w.sum()
    (one, here), (other, there) = (_mean(adjusted, mine, unit, w, shared) for mine in sides)
    covariance = covariance_of(one, other, float(one.scores @ other.scores))
    alone = covariance_of(one, other, float(here @ there))
    return TwoArms(one, other, covariance, alone, slope, correlation)


def covariance_of(one: ArmMean, other: ArmMean, products: float) -> float:
    """Return the covariance of two arms that share units: as their variances, that of a sample.

    Parameters
    ----------
    one, other : ArmMean
    products : float
        Sum over the shared units of what each adds to the one's error and to the other's.
    """
    return products * math.sqrt(math.prod(arm.units / (arm.units - 1) for arm in (one, other)))


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
    own = cluster_sums((y - value) * (w / total), unit)
    level = own if shared is None else own + cluster_sums(shared, unit)
    worth = float(units) if weight is None else units * total**2 / float(w @ w) / rows
    few = units / (units - 1)
    variance, alone = float(own @ own) * few, float(level @ level) * few
    return ArmMean(value, variance, alone, rows, units, worth, own), level


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
    treated, control : Estimate or None
        The two arms; None where an arm has fewer than two units, or they are not told apart.
    correlation : float
        Of outcome and earlier figure within the arms.
    scores : ndarray of shape (units,)
        What each unit adds to the difference's error.
    """

    estimate: Estimate
    std_error: float
    degrees: float
    dominant: Dominant | None = None
    treated: Estimate | None = None
    control: Estimate | None = None
    correlation: float = 0.0
    scores: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)


def all_shares(y: np.ndarray) -> bool:
    """Return whether outcomes are all 0 or 1."""
    return bool(((y == 0) | (y == 1)).all())


def difference_of(
    y: np.ndarray,
    treated: np.ndarray,
    cluster: np.ndarray | None,
    level: float,
    *,
    share: bool | None = None,
    weight: np.ndarray | None = None,
    earlier: np.ndarray | None = None,
) -> ArmGap:
    """Return the difference of two arms with its interval (`compare_means`, `intervals_of`).

    With fewer than two clusters in an arm the interval is infinite.

    Parameters
    ----------
    y : ndarray of shape (n,)
    treated : ndarray of bool of shape (n,)
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, …, each of them there.
    level : float
    share : bool, optional
        Whether it is of shares; by default where every outcome is 0 or 1.
    weight, earlier : ndarray of shape (n,), optional
        As `compare_means` takes them.

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
    share = all_shares(y) if share is None else share
    arms = compare_means(y, treated, cluster, weight=weight, earlier=earlier)
    one, other, (low, high) = intervals_of(arms, level, share=share)

    def without(rest: np.ndarray) -> Estimate:
        codes = None if cluster is None else np.unique(cluster[rest], return_inverse=True)[1]
        beside = (None if values is None else values[rest] for values in (weight, earlier))
        left = dict(zip(("weight", "earlier"), beside, strict=True))
        return difference_of(y[rest], treated[rest], codes, level, share=share, **left).estimate

    # Of a rare share the few who have it make up the variance, as they should.
    added = arms.treated.scores - arms.control.scores
    dominant = None if share else dominant_of(added, cluster, without)
    estimate, error = Estimate(arms.value, low, high, len(y)), math.sqrt(arms.variance)
    return ArmGap(estimate, error, arms.degrees, dominant, one, other, arms.correlation, added)


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
    if not share:
        return one, other, arms.interval(level)
    value = one.value - other.value
    spread = math.sqrt(arms.treated.variance * arms.control.variance)
    together = arms.covariance / spread if spread > 0 else 0.0
    down, up = one.value - one.ci_low, one.ci_high - one.value
    other_down, other_up = other.value - other.ci_low, other.ci_high - other.value
    low = value - math.sqrt(max(down**2 + other_up**2 - 2 * together * down * other_up, 0.0))
    high = value + math.sqrt(max(up**2 + other_down**2 - 2 * together * up * other_down, 0.0))
    return one, other, (low, high)


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


NEAR = 0.05
"""(t × standard error ÷ mean)² of the control from which on the delta method is left for Fieller's
interval; at 1 the control's mean may be 0, and there is none."""


def relative_lift(arms: TwoArms, level: float, times: float | None = None) -> Estimate:
    """Return the difference as a part of the control's mean, with its interval.

    By the delta method, with both arms' variances and covariance: those of the means by themselves,
    so that an adjusted one (CUPED) has in it that the mean of the earlier figure is estimated too.
    Near 0 (`NEAR`) Fieller's interval; where that is none, because the control's mean may be 0 or
    less, the ends are nan.

    Parameters
    ----------
    arms : TwoArms
    level : float
    times : float, optional
        Standard errors on each side; by default Student's quantile.

    References
    ----------
    Fieller (1954), JRSS B 16; Deng, Knoblich & Lu (2018), KDD (delta method).

    Examples
    --------
    >>> one, other = (ArmMean(m, 0.01, 0.01, 900, 900, 900) for m in (11.0, 10.0))
    >>> [round(x, 4) for x in relative_lift(TwoArms(one, other), 0.95).ends]
    [0.1, 0.0708, 0.1292]
    """
    one, other = arms.treated, arms.control
    n = one.rows + other.rows
    if not other.value:
        return Estimate(math.nan, n=n)
    ratio = one.value / other.value
    t = t_quantile(level, arms.degrees) if times is None else times
    top, below, both = (
        v / other.value**2
        for v in (one.level_variance, other.level_variance, arms.level_covariance)
    )
    if math.isinf(t):  # before a confidence sequence begins
        return Estimate(ratio - 1, -math.inf, math.inf, n)
    # Of a control's mean below 0 nobody can read a part.
    if other.value < 0 or t**2 * below >= 1:
        return Estimate(ratio - 1 if other.value > 0 else math.nan, n=n)
    if t**2 * below < NEAR:
        half = t * math.sqrt(max(top - 2 * ratio * both + ratio**2 * below, 0.0))
        return Estimate(ratio - 1, ratio - 1 - half, ratio - 1 + half, n)
    low, high = fieller(ratio, 1.0, (top, below), both, t)
    return Estimate(ratio - 1, low - 1, high - 1, n)


def p_value(arms: TwoArms, *, share: bool) -> float:
    """Return the two-sided p value of no difference.

    Means: Welch's t test. Shares: the test of two proportions with pooled variance, at the sample
    sizes that clustering and weights leave; it may differ from Newcombe's interval by a hair.

    Parameters
    ----------
    arms : TwoArms
    share : bool
        Whether they are shares.

    Examples
    --------
    >>> one, other = (ArmMean(p, p * (1 - p) / 399, 0.0, 400, 400, 400) for p in (0.1, 0.06))
    >>> round(p_value(TwoArms(one, other), share=True), 4)
    0.0371
    """
    if not share:
        return float(two_sided(arms.value, math.sqrt(arms.variance), arms.degrees))
    sides = (arms.treated, arms.control)
    trials = [_trials(side) for side in sides]
    pooled = sum(s.value * n for s, n in zip(sides, trials, strict=True)) / sum(trials)
    variance = pooled * (1 - pooled) * sum(1 / n for n in trials) - 2 * arms.covariance
    return float(two_sided(arms.value, math.sqrt(max(variance, 0.0))))


def _trials(side: ArmMean) -> float:
    """Return how many independent customers a share counts as; see `promolab.stats`."""
    variance = side.variance * (side.units - 1) / side.units
    spread = side.value * (1 - side.value)
    return side.worth if min(variance, spread) <= 1e-15 else spread / variance
