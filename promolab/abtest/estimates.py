"""From rows to two arms: every estimator is one weighted sum of what each unit adds.

The mean of an arm, a ratio of means and both adjusted for what was before (CUPED) differ in the
coefficients alone. What follows from two arms' means, variances and covariance is
`promolab.stats.intervals_of`, `relative_lift` and `p_value`: the same that
`promolab.effects.compare_arms` uses, whose estimates these are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from promolab.abtest.rows import Rows
from promolab.errors import InputError
from promolab.stats import ArmMean, TwoArms, covariance_of, slope_of


@dataclass(frozen=True)
class Figure:
    """What is averaged: an outcome, with a denominator and an earlier figure where it has them.

    Parameters
    ----------
    outcome, per, earlier : ndarray of shape (n,)
        One value a row; an outcome or denominator that is missing leaves the row out.
    """

    outcome: np.ndarray
    per: np.ndarray | None = None
    earlier: np.ndarray | None = None

    @property
    def parts(self) -> list[np.ndarray]:
        """The columns in order."""
        return [part for part in (self.outcome, self.per, self.earlier) if part is not None]

    @property
    def present(self) -> np.ndarray:
        """Which rows have it."""
        found: np.ndarray = ~np.isnan(self.outcome)
        if self.per is not None:
            found &= ~np.isnan(self.per)
        return found

    def only(self, mine: np.ndarray) -> Figure:
        """Return it of some rows."""
        return replace(self, **{k: x[mine] for k, x in vars(self).items() if x is not None})


@dataclass(frozen=True)
class ArmSums:
    """Of one figure in one arm.

    Parameters
    ----------
    rows, units : int
        That have it.
    weight, squares : float
        Sums of the rows' weights, and of the weights' squares.
    means : ndarray of shape (k,)
        Weighted mean of each part.
    within : ndarray of shape (k, k)
        Weighted products of the rows' deviations from the means.
    """

    rows: int
    units: int
    weight: float
    squares: float
    means: np.ndarray
    within: np.ndarray


def exact_sum(values: np.ndarray) -> float:
    """Add up numbers as whole ones: the sum is the same in whatever order they come.

    Examples
    --------
    >>> exact_sum(np.array([0.25, 0.5, 2.0]))
    2.75
    """
    size = float(np.abs(values).max(initial=0.0))
    if not size > 0:
        return size
    power = 61 - math.frexp(size)[1]
    whole = np.ldexp(values, power).astype(np.int64)
    # In two halves, so that sums of thousands of millions of rows fit into 64 bits.
    high, low = int((whole >> 31).sum()), int((whole & (2**31 - 1)).sum())
    return math.ldexp(high * 2**31 + low, -power)


def square(table: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the (weighted) products of a table's rows with each other, shape (k, k)."""
    found = np.empty((len(table),) * 2)
    for i, one in enumerate(table):
        for h, other in enumerate(table[: i + 1]):
            product = one * other if weight is None else weight * one * other
            found[i, h] = found[h, i] = exact_sum(product)
    return found


def _by_unit(values: np.ndarray, unit: np.ndarray, units: int) -> np.ndarray:
    """Add a row's values up by unit, shape (units,); rounded so far that no order of rows shows."""
    most = float(np.abs(values).max(initial=0.0)) * int(np.bincount(unit).max(initial=1))
    grid = 2.0 ** (math.frexp(most)[1] - 52)
    return np.bincount(unit, weights=np.rint(values / grid) * grid, minlength=units)


def sums_of(figure: Figure, rows: Rows) -> tuple[dict[str, ArmSums], np.ndarray]:
    """Add up a figure by arm.

    Returns
    -------
    sums : dict of str to ArmSums
    products : ndarray of shape (K · (1 + k), K · (1 + k))
        Products of the units' weights and weighted deviations, all arms' side by side.

    Raises
    ------
    InputError
        An arm with fewer than two units.
    """
    from scipy.linalg import block_diag

    k, there = 1 + len(figure.parts), figure.present
    found: dict[str, ArmSums] = {}
    tables: list[np.ndarray] = []
    products = np.zeros((k * len(rows.names),) * 2)
    for place, arm in enumerate(rows.names):
        here = slice(*np.searchsorted(rows.code, [place, place + 1]))
        mine = slice(None) if there[here].all() else there[here]
        unit = None if rows.unit is None else rows.unit[here][mine]
        values = [part[here][mine] for part in figure.parts]
        n = len(values[0])
        units = n if unit is None else len(np.unique(unit))
        if units < 2:
            raise InputError(
                f"arm {arm!r} has {units} independent unit ({n} rows); an interval needs at least 2"
            )
        own = slice(place * k, (place + 1) * k)
        if rows.weight is None and unit is None:  # as below, where a row is a unit and weighs 1
            means = np.array([exact_sum(each) for each in values]) / n
            within = square(np.stack([v - mean for v, mean in zip(values, means, strict=True)]))
            found[arm] = ArmSums(n, units, n, n, means, within)
            products[own, own] = block_diag(float(n), within)
            continue
        w = np.ones(n) if rows.weight is None else rows.weight[here][mine]
        weight = exact_sum(w)
        means = np.array([exact_sum(w * each) for each in values]) / weight
        away = np.stack([each - mean for each, mean in zip(values, means, strict=True)])
        within = square(away, w)
        found[arm] = ArmSums(n, units, weight, exact_sum(w * w), means, within)
        table = np.vstack([w, w * away])
        if unit is not None:
            table = np.stack([_by_unit(each, unit, rows.units) for each in table])
        if rows.crossing:
            tables.append(table)
            continue
        products[own, own] = square(table)
    return found, square(np.concatenate(tables)) if tables else products


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
    moments : dict of str to ArmSums
    slope, correlation : float
        Of the figure on the earlier one, pooled over all arms.
    """

    values: dict[str, float]
    own: dict[str, np.ndarray]
    shared: np.ndarray
    products: np.ndarray
    moments: Mapping[str, ArmSums]
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
        arms, a, b = (self.arm(one), self.arm(other)), self.own[one], self.own[other]
        return TwoArms(
            *arms,
            covariance_of(*arms, self._product(a, b)),
            covariance_of(*arms, self._product(a + self.shared, b + self.shared)),
            self.slope,
            self.correlation,
        )

    def _product(self, one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ self.products @ other)


def levels_of(
    figure: Figure,
    moments: Mapping[str, ArmSums],
    products: np.ndarray,
    *,
    weighted: bool = False,
) -> Levels:
    r"""Return all arms' figures.

    With :math:`\bar y_a, \bar d_a, \bar x_a` the arm's (weighted) means of outcome, denominator and
    earlier figure, the figure is :math:`\bar y_a` or :math:`\bar y_a / \bar d_a`, less
    :math:`\theta (\bar x_a - \bar x)`. θ is pooled over all arms from deviations within them, and
    :math:`\bar x` is the mean of all arms, so that no arm's level moves: +10 % stays +10 %.

    Parameters
    ----------
    figure : Figure
    moments, products
        From `sums_of`.
    weighted : bool
        Whether rows weigh differently.

    Raises
    ------
    InputError
        A denominator that adds up to 0.

    References
    ----------
    Deng, Xu, Kohavi & Walker (2013), WSDM (CUPED); Deng, Knoblich & Lu (2018), KDD (ratios).
    """
    arms = list(moments)
    place = {arm: i for i, arm in enumerate(arms)}
    k = 1 + len(figure.parts)
    values, direction = {}, {}
    for arm, m in moments.items():
        values[arm], direction[arm] = level_of(figure, arm, m)
    slope = correlation = 0.0
    shared = np.zeros(len(arms) * k)
    if figure.earlier is not None:
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
    return Levels(values, own, shared, products, moments, slope, correlation, weighted)


def level_of(figure: Figure, arm: str, m: ArmSums) -> tuple[float, np.ndarray]:
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
    direction: Mapping[str, np.ndarray], moments: Mapping[str, ArmSums]
) -> tuple[float, float]:
    """Return θ and the correlation with the earlier figure, from deviations within the arms."""
    xx = xy = yy = 0.0
    for arm, m in moments.items():
        toward = direction[arm]
        xx += float(m.within[-1, -1])
        xy += float(toward @ m.within[:, -1])
        yy += float(toward @ m.within @ toward)
    return slope_of(xx, xy, yy)
