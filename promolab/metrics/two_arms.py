"""What follows from two arms' means, however they were added up: relative lift and p value."""

from __future__ import annotations

import math

from promolab.metrics.intervals import ArmMean, TwoArms
from promolab.results import Estimate
from promolab.stats import fieller, t_quantile, two_sided

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
