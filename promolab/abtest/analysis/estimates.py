"""From moments to two arms: every estimator is one weighted sum of what each unit adds.

The mean of an arm, a ratio of means and both adjusted for what was before (CUPED) differ in the
coefficients alone. What follows from two arms' means, variances and covariance is
`promolab.stats.intervals_of`, `relative_lift` and `p_value`: the same that
`promolab.effects.compare_arms` uses for arrays, whose estimates these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from promolab.abtest.analysis.moments import Figure, Moments
from promolab.errors import InputError
from promolab.results import Estimate
from promolab.stats import MOST, ArmMean, Dominant, TwoArms, slope_of


@dataclass(frozen=True)
class Levels:
    """Every arm's figure, and what its error is made of.

    Parameters
    ----------
    values : dict of str to float
        Figure of each arm.
    own : dict of str to ndarray of shape (K · (1 + k),)
        Coefficients of the difference's error on all arms' sums.
    shared : ndarray of shape (K · (1 + k),)
        Those of the earlier figure's mean, which all arms share.
    products : ndarray of shape (K · (1 + k), K · (1 + k))
        Products of the units' sums, all arms' side by side.
    moments : dict of str to Moments
    slope, correlation : float
        Of the figure on the earlier one, pooled over all arms.
    """

    values: dict[str, float]
    own: dict[str, np.ndarray]
    shared: np.ndarray
    products: np.ndarray
    moments: Mapping[str, Moments]
    slope: float
    correlation: float
    weighted: bool

    def arm(self, name: str) -> ArmMean:
        """Return one arm's figure with its variances."""
        m = self.moments[name]
        few = m.units / (m.units - 1)
        own, level = self.own[name], self.own[name] + self.shared
        worth = m.units * m.weight**2 / m.squares / m.rows if self.weighted else float(m.units)
        return ArmMean(
            self.values[name],
            self._product(own, own) * few,
            self._product(level, level) * few,
            m.rows,
            m.units,
            worth,
        )

    def between(self, one: str, other: str) -> TwoArms:
        """Return an arm against another."""
        a, b = self.own[one], self.own[other]
        return TwoArms(
            self.arm(one),
            self.arm(other),
            self._product(a, b),
            self._product(a + self.shared, b + self.shared),
            self.slope,
            self.correlation,
        )

    def _product(self, one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ self.products @ other)


def levels_of(
    figure: Figure,
    moments: Mapping[str, Moments],
    crossing: Mapping[tuple[str, str], np.ndarray] | None = None,
    *,
    weighted: bool = False,
    adjusted: bool = True,
) -> Levels:
    r"""Return all arms' figures.

    With :math:`\bar y_a, \bar d_a, \bar x_a` the arm's (weighted) means of outcome, denominator and
    earlier figure, the figure is :math:`\bar y_a` or :math:`\bar y_a / \bar d_a`, less
    :math:`\theta (\bar x_a - \bar x)`. θ is pooled over all arms from deviations within them, and
    :math:`\bar x` is the mean of all arms, so that no arm's level moves: +10 % stays +10 %.

    Parameters
    ----------
    figure : Figure
    moments : dict of str to Moments
        By arm.
    crossing : dict of tuple to ndarray, optional
        Of units with rows in several arms.
    weighted : bool
        Whether rows weigh differently.
    adjusted : bool
        Whether to use the earlier figure.

    Raises
    ------
    InputError
        An arm with fewer than two units, or a denominator that adds up to 0.

    References
    ----------
    Deng, Xu, Kohavi & Walker (2013), WSDM (CUPED); Deng, Knoblich & Lu (2018), KDD (ratios).
    """
    arms = list(moments)
    place = {arm: i for i, arm in enumerate(arms)}
    k = 1 + len(figure.parts)
    values, direction = {}, {}
    for arm, m in moments.items():
        if m.units < 2:
            raise InputError(
                f"arm {arm!r} has {m.units} independent unit ({m.rows} rows); an interval needs "
                "at least 2"
            )
        values[arm], direction[arm] = level_of(figure, arm, m)
    slope = correlation = 0.0
    shared = np.zeros(len(arms) * k)
    if figure.earlier is not None and adjusted:
        slope, correlation = pooled_slope(direction, moments)
        total = sum(m.weight for m in moments.values())
        middle = sum(m.weight * m.means[-1] for m in moments.values()) / total
        for arm, m in moments.items():
            values[arm] -= float(slope * (m.means[-1] - middle))
            direction[arm][-1] -= slope
            shared[place[arm] * k] = slope * (m.means[-1] - middle) / total
            shared[place[arm] * k + k - 1] = slope / total
    own = {}
    for arm, m in moments.items():
        own[arm] = np.zeros(len(arms) * k)
        own[arm][place[arm] * k + 1 : (place[arm] + 1) * k] = direction[arm] / m.weight
    return Levels(
        values, own, shared, _products(figure, moments, crossing or {}), moments, slope,
        correlation, weighted,
    )  # fmt: skip


def level_of(figure: Figure, arm: str, m: Moments) -> tuple[float, np.ndarray]:
    """Return the arm's figure, and how it moves with each part's mean."""
    direction = np.zeros(len(figure.parts))
    if figure.per is None:
        direction[0] = 1.0
        return float(m.means[0]), direction
    if not m.means[1] > 0:
        raise InputError(
            f"the denominator of a ratio adds up to {m.means[1] * m.weight:g} in arm {arm!r}; "
            "it must be above 0"
        )
    ratio = float(m.means[0] / m.means[1])
    direction[:2] = 1 / m.means[1], -ratio / m.means[1]
    return ratio, direction


def pooled_slope(
    direction: Mapping[str, np.ndarray], moments: Mapping[str, Moments]
) -> tuple[float, float]:
    """Return θ and the correlation with the earlier figure, from deviations within the arms."""
    xx = xy = yy = 0.0
    for arm, m in moments.items():
        toward = direction[arm]
        xx += float(m.within[-1, -1])
        xy += float(toward @ m.within[:, -1])
        yy += float(toward @ m.within @ toward)
    return slope_of(xx, xy, yy)


def _products(
    figure: Figure,
    moments: Mapping[str, Moments],
    crossing: Mapping[tuple[str, str], np.ndarray],
) -> np.ndarray:
    arms, k = list(moments), 1 + len(figure.parts)
    found = np.zeros((len(arms) * k, len(arms) * k))
    centre = np.array([part.centre for part in figure.parts])
    for i, one in enumerate(arms):
        found[i * k : (i + 1) * k, i * k : (i + 1) * k] = moments[one].between
        for h, other in enumerate(arms):
            if (one, other) in crossing:
                a, b = (
                    np.eye(k) - np.outer(np.r_[0, moments[arm].means - centre], np.eye(k)[0])
                    for arm in (one, other)
                )
                found[i * k : (i + 1) * k, h * k : (h + 1) * k] = a @ crossing[one, other] @ b.T
    return found


def dominant_one(
    arms: TwoArms,
    moments: Mapping[str, Moments],
    ends: Mapping[str, tuple[float, float]],
    names: tuple[str, str],
    level: float,
) -> Dominant | None:
    """Return the customer furthest from the mean where more than half of the variance is theirs.

    Of plain means alone, where each row is a customer: the smallest and the largest value of an arm
    are known from the first look, and moments without one of them follow from those with it.

    Parameters
    ----------
    arms : TwoArms
    moments : mapping of str to Moments
    ends : mapping of str to tuple
        Smallest and largest value of each arm.
    names : tuple of str
        The treated arm and the control.
    level : float
        Of the interval without that customer.
    """
    sides = dict(zip(names, (arms.treated, arms.control), strict=True))
    found: tuple[float, str, float] = (0.0, "", 0.0)
    for name, side in sides.items():
        far = max(ends[name], key=lambda value, mean=side.value: abs(value - mean))  # type: ignore[misc]
        part = (far - side.value) ** 2 / side.units / (side.units - 1)
        if arms.variance > 0:
            found = max(found, (part / arms.variance, name, far))
    share, name, far = found
    if not share > MOST or sides[name].units < 4:
        return None
    m, side = moments[name], sides[name]
    n = m.units - 1
    mean = (m.units * side.value - far) / n
    squares = m.between[1, 1] - (far - side.value) ** 2 * m.units / n
    variance = max(squares, 0.0) / n / (n - 1)
    sides[name] = ArmMean(mean, variance, variance, n, n, float(n))
    rest = TwoArms(sides[names[0]], sides[names[1]])
    rows = sum(one.rows for one in sides.values())
    return Dominant(share, Estimate(rest.value, *rest.interval(level), rows))
