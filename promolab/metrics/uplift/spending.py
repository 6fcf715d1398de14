"""The cost curve: what each amount spent down a ranked list brings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import along, real_number
from promolab.errors import InputError
from promolab.metrics._inputs import Drawn
from promolab.metrics.uplift._curves import gain_curve, spread_of
from promolab.metrics.uplift._inputs import (
    Effects,
    UpliftMeasure,
    check_uplift,
    check_uplift_score,
    effects_of,
    ranking_of,
)
from promolab.metrics.uplift.gain_curve import straight
from promolab.metrics.uplift.scores import checked_outcome
from promolab.results import Estimate
from promolab.stats import around

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class CostCurve(Drawn, UpliftMeasure):
    """Gain against cost, down a ranked list.

    Parameters
    ----------
    estimate, std_error
        The area, also as ``area, ci_low, ci_high``:
        How far the curve lies above the straight line to its end, on average over all budgets, in
        outcome per customer; Qini where every customer costs the same.
    gain, cost : float
        Gain and cost per customer when everyone is contacted.
    curve : DataFrame
        ``share, cost, gain, ci_low, ci_high``: cost and gain per customer of the list by depth;
        the interval is the gain's at that depth.
    n, treated, clusters, level
        As in `OfList`.
    """

    NAME = "area"

    gain: float
    cost: float
    curve: pd.DataFrame = field(repr=False)

    @property
    def area(self) -> float:
        """The figure."""
        return self.value

    def at(self, cost: float) -> Estimate:
        """Return the gain per customer of the list where so much is spent per customer of it.

        Parameters
        ----------
        cost : float
            From 0 to `cost`, which contacts everyone; straight between the points of the curve.

        Raises
        ------
        InputError
            It lies outside.
        """
        real_number("cost", cost, least=0, most=self.cost)
        ends = [self.curve[name] for name in ("gain", "ci_low", "ci_high")]
        return Estimate.of((np.interp(cost, self.curve["cost"], end) for end in ends), self.n)

    def to_frame(self) -> pd.DataFrame:
        """Return `curve`."""
        return self.curve

    def facts(self) -> dict[str, Any]:
        """Return the line of a list in random order."""
        return {"random_order": straight(self.cost, self.gain)}


def cost_curve(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score: ArrayLike,
    cost: ArrayLike,
    propensity: ArrayLike | None = None,
    *,
    measured: bool = False,
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> CostCurve:
    """Gain against cost when a list is contacted from the top.

    Parameters
    ----------
    y, treated, propensity, gamma, cluster, level
        As `qini`.
    score : array-like of shape (n,)
        Higher is contacted first: where costs differ, the effect per unit of cost.
    cost : float or array-like of shape (n,)
        What contacting a customer costs, known beforehand. With ``measured`` what each row *did*
        cost, whichever arm it had (discounts given, rewards paid); the cost of contacting is then
        estimated as an effect, as the gain is. With ``gamma``, the AIPW scores of that cost.
    measured : bool
        See ``cost``.

    Returns
    -------
    CostCurve

    Raises
    ------
    InputError
        As `qini`; or if a known cost is negative, or contacting everyone costs nothing.

    Notes
    -----
    The area is ∫ (g − g(1)·c/c(1)) dc ÷ c(1), with g gain and c cost per customer of the list, and
    its variance that of the influence function of the ratio. The usual AUCC (Du, Lee &
    Ghaffarizadeh 2019) is 0.5 + area/gain and, like all that is divided by a total effect,
    explodes where the total is near 0.

    References
    ----------
    Du, Lee & Ghaffarizadeh (2019), "Improve user retention with causal learning", PMLR 104.

    Examples
    --------
    >>> import numpy as np
    >>> effect = np.array([3.0, 2.0, 1.0, 0.0])
    >>> result = cost_curve(None, None, effect, 0.5, gamma=effect)
    >>> result.area, result.gain, result.cost
    (0.3125, 1.5, 0.5)
    """
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values = check_uplift_score(score, rows)
    whole = _cost_rows(along(rows.labels, cost, "cost", "y"), rows.n, measured)
    spent = (
        check_uplift(whole, treated, propensity, None, cluster, level)
        if measured and rows.y is not None
        else replace(rows, gamma=whole)
    )
    ranking = ranking_of(values, rows)
    gains, costs = effects_of(ranking, rows), effects_of(ranking, spent)
    total = float(costs.effect[-1])
    if not total > 0:
        raise InputError(
            f"contacting everyone costs {total:g} per customer, so nothing can be spent down the "
            "list; use qini, which asks what contacting brings"
        )
    customers = ranking.listed(rows.cluster)
    area, added = _area(gains, costs)
    spread = spread_of(added / rows.n, customers)
    curve = gain_curve(gains, customers, level)[["share", "gain", "ci_low", "ci_high"]]
    at = np.append(0.0, ranking.share), np.append(0.0, costs.gain)
    curve.insert(1, "cost", np.interp(curve["share"], *at))
    return CostCurve(
        *rows.told,
        Estimate(area, *around(area, spread, level), rows.n),
        spread.std_error,
        float(gains.effect[-1]),
        total,
        curve,
    )


def funded(score: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """Return which share of each row a budget pays for, down the list, shape (n,).

    Parameters
    ----------
    score : ndarray of shape (n,)
        Higher is paid for first; of equal scores each gets the same share.
    cost : ndarray of shape (n,)
        0 or more.
    budget : float
        Of all rows together.

    Examples
    --------
    >>> funded(np.array([3.0, 1.0, 2.0, 1.0]), np.ones(4), 3.0).tolist()
    [1.0, 0.5, 1.0, 0.5]
    """
    _, run = np.unique(-score, return_inverse=True)
    spent = np.bincount(run, weights=cost)
    left = budget - (np.cumsum(spent) - spent)
    share = np.clip(left / np.where(spent > 0, spent, 1.0), 0.0, 1.0)
    return np.asarray(np.where(spent > 0, share, left >= 0)[run], dtype=float)


def _cost_rows(cost: ArrayLike, n: int, measured: bool) -> np.ndarray:
    """Return a cost per row, or say what is wrong with it."""
    whole = np.asarray(cost)
    whole = checked_outcome(np.full(n, cost) if whole.ndim == 0 else whole, "cost")
    if len(whole) != n:
        raise InputError(f"cost has {len(whole):,} rows and y {n:,}; give one per row")
    if not measured and (whole < 0).any():
        raise InputError(
            f"cost is {whole.min():g} in places; a known cost is 0 or more (measured=True is for "
            "what rows of either arm did cost)"
        )
    return whole


def _area(gains: Effects, costs: Effects) -> tuple[float, np.ndarray]:
    """Return the area above the straight line, and its influence function."""
    ranking = gains.ranking
    share, gain, cost = ranking.share, gains.gain, costs.gain
    total = float(cost[-1])
    before = np.append(0.0, cost[:-1])
    width = -before
    width[:-1] += cost[1:]
    by_gain = width / (2 * total)
    area = float(by_gain @ gain)
    by_cost = np.append(0.0, gain[:-1])
    by_cost[:-1] -= gain[1:]
    by_cost[-1] += gain[-1]
    by_cost /= 2 * total
    by_cost[-1] -= (area + float(gain[-1]) / 2) / total
    added = gains.pulled(by_gain * share)
    added += costs.pulled(by_cost * share)
    added += ranking.moved(by_gain * gains.effect + by_cost * costs.effect)
    return area, added
