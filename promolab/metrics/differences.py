"""The plain difference of two arms' means or shares: one interval, wherever it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promolab.metrics.intervals import share_interval
from promolab.metrics.two_arms import ArmMean, TwoArms, compare_means
from promolab.results import Estimate
from promolab.wording import number, percent

__all__ = ["Difference", "Dominant", "all_shares", "difference_of", "dominant_of", "intervals_of"]

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
        told = f"One customer makes up {most} of the variance"
        if not math.isfinite(e.ci_high - e.ci_low):
            return f"{told}, and without them nothing can be said."
        return f"{told}; without them it is {written(e.value, e.ci_low, e.ci_high)}."


@dataclass(frozen=True)
class Difference:
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
) -> Difference:
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
        return Difference(Estimate(value, -math.inf, math.inf, len(y)), math.inf, 1.0)
    share, arms = all_shares(y), compare_means(y, treated, cluster)
    _, _, (low, high) = intervals_of(arms, level, share=share)

    def without(rest: np.ndarray) -> Estimate:
        codes = None if cluster is None else np.unique(cluster[rest], return_inverse=True)[1]
        return difference_of(y[rest], treated[rest], codes, level).estimate

    # Of a rare share the few who have it make up the variance, as they should.
    added = arms.treated.scores - arms.control.scores
    dominant = None if share else dominant_of(added, cluster, without)
    estimate = Estimate(arms.value, low, high, len(y))
    return Difference(estimate, math.sqrt(arms.variance), arms.degrees, dominant)


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
    from scipy.special import stdtrit

    t = float(stdtrit(max(side.worth - 1, 1.0), 0.5 + level / 2))
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
