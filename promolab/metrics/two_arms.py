"""Two arms compared by their means: the one difference, variance and degrees of freedom for all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from promolab.errors import InputError

__all__ = ["ArmMean", "TwoArms", "compare_means", "welch_degrees"]


@dataclass(frozen=True)
class ArmMean:
    """The mean of one arm.

    Parameters
    ----------
    value : float
        Its mean: weighted where there are weights, at the mean earlier figure of both arms where
        there is one.
    scores : ndarray of shape (units,)
        What each independent unit of the arm adds to the difference's error; 0 for the others.
    level_variance : float
        Variance of ``value`` by itself; with an earlier figure, that of its mean is in it, which
        cancels in the difference.
    rows, units : int
        Rows and independent units in the arm.
    worth : float
        How many equally weighted units they are worth (Kish 1965).
    """

    value: float
    scores: np.ndarray = field(repr=False)
    level_variance: float
    rows: int
    units: int
    worth: float

    @property
    def variance(self) -> float:
        """The arm's part in the difference's: the clustered sandwich, units ÷ (units − 1)."""
        return float(self.scores @ self.scores) * self.units / (self.units - 1)


@dataclass(frozen=True)
class TwoArms:
    """The treated arm less the control; made by `compare_means`.

    Parameters
    ----------
    treated, control : ArmMean
        The two.
    slope : float
        θ: by how much a higher earlier figure lets a higher outcome expect; 0 without one.
    correlation : float
        Of outcome and earlier figure within the arms: the variance falls by its square.
    """

    treated: ArmMean
    control: ArmMean
    slope: float = 0.0
    correlation: float = 0.0

    @property
    def value(self) -> float:
        """The difference."""
        return self.treated.value - self.control.value

    @property
    def covariance(self) -> float:
        """Of the two means: units in both arms, as when a customer is drawn anew each week."""
        return float(self.treated.scores @ self.control.scores)

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
        from scipy.special import stdtrit

        half = float(stdtrit(self.degrees, 0.5 + level / 2)) * math.sqrt(self.variance)
        return self.value - half, self.value + half


def welch_degrees(variances: list[float], units: list[float]) -> float:
    """Return the degrees of freedom of a sum of independent means (Welch–Satterthwaite).

    By the number of units in each, not by how their squares are spread: one row that makes up most
    of the variance leaves 1 or 2 of those and an interval that says nothing. Such a row is named
    instead (`promolab.metrics.differences.dominant_of`).

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
        one, other = (_mean(y, mine, unit, weight, None) for mine in sides)
        return TwoArms(one, other)
    w, x = np.ones(len(y)) if weight is None else weight, earlier
    slope, correlation = _slope(y, x, w, sides)
    centred = x - float(w @ x / w.sum())
    adjusted = y - slope * centred
    shared = slope * w * centred / w.sum()
    one, other = (_mean(adjusted, mine, unit, w, shared) for mine in sides)
    return TwoArms(one, other, slope, correlation)


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
    if not (xx > 0 and yy > 0):
        return 0.0, 0.0
    return float(xy / xx), float(xy / math.sqrt(xx * yy))


def _mean(
    y: np.ndarray,
    mine: np.ndarray,
    unit: np.ndarray | None,
    weight: np.ndarray | None,
    shared: np.ndarray | None,
) -> ArmMean:
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
    return ArmMean(value, own, float(level @ level) * units / (units - 1), rows, units, worth)


def _summed(values: np.ndarray, unit: np.ndarray | None) -> np.ndarray:
    return values if unit is None else np.bincount(unit, weights=values)
