"""How deep a promotion should be, and from which threshold on: profit swept over its terms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from promolab.checks import numbers_of, real_number
from promolab.errors import InputError
from promolab.promotions.spending import OrderValues
from promolab.promotions.terms import (
    Coupon,
    FullReduction,
    LimitedTimeDiscount,
    Promotion,
    rate_words,
)
from promolab.promotions.values import promotion_values
from promolab.promotions.waterfalls import Waterfall
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


NEAR_BEST = 0.05
"""Designs that bring so much less than the best, as a share, are as good for a shop."""
STEPS = 14
"""Between the least and the greatest depth drawn at most so many steps are swept."""
ROUND = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.05)
"""Steps of depth that a shop would write on a poster."""


class Dose(Protocol):
    """How the effect of a kind changes with one of its terms, as it was measured."""

    @property
    def drawn(self) -> Sequence[float]:
        """What was drawn, in rising order."""

    def factor(self, at: float) -> tuple[float, float]:
        """By what the kind's effect is multiplied there, and its standard error."""


@dataclass(frozen=True)
class PromotionDesign(Result):
    """What a promotion of one kind would bring at other terms; made by `design_promotion`.

    Parameters
    ----------
    frame : DataFrame
        A row per design, by depth and threshold: depth (share taken off; of a full reduction what
        is saved per unit of its threshold), threshold (0 without one), profit, profit_low,
        profit_high (net incremental profit of all customers together), cost (charged to the
        budget), extrapolated (outside what was drawn).
    promotion : Promotion
        The promotion as it stood, whose terms are changed.
    recommended : Promotion
        The same with the terms that bring most.
    best, present : Estimate
        Net incremental profit of the recommended design, and of the promotion as it stood.
    flat : tuple of float
        Least and greatest depth, at the recommended threshold, that bring all but 5 % of the best.
    unsure : tuple of float
        Least and greatest depth whose profit lies within the interval of the best one.
    splits : tuple of Waterfall
        Of what the profit of each design is made.
    customers : int
        To whom it goes.
    currency : str
        Of all amounts.
    level : float
        Of the intervals.
    """

    frame: pd.DataFrame = field(repr=False)
    promotion: Promotion
    recommended: Promotion
    best: Estimate
    present: Estimate
    flat: tuple[float, ...]
    unsure: tuple[float, ...]
    splits: tuple[Waterfall, ...] = field(default=(), repr=False)
    customers: int = 0
    currency: str = "USD"
    level: float = 0.9

    @property
    def depth(self) -> float:
        """Depth of the recommended design."""
        return depth_of(self.recommended)

    def facts(self) -> dict[str, Any]:
        """Return how the optimum lies, as a code, and between which depths."""
        optimum = "near" if self.flat[0] < self.flat[1] else ""
        (low, high), (least, most) = (map(rate_words, ends) for ends in (self.flat, self.unsure))
        return {
            "face_value": self.recommended.face_value(self.currency),
            "optimum": "none" if self.best.value <= 0 else optimum,
            "near": 1 - NEAR_BEST,
            **{"low": low, "high": high, "least": least, "most": most},
            "untold": self.unsure != self.flat and self.unsure[0] < self.unsure[1],
            "undrawn": bool(self.frame["extrapolated"].any()),
        }


def depth_of(promotion: Promotion) -> float:
    """Return how deep a promotion is: the share off, or the reduction per unit of its threshold.

    Parameters
    ----------
    promotion : Promotion
        One that says what it takes off.

    Examples
    --------
    >>> from datetime import datetime
    >>> window = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 8)}
    >>> depth_of(FullReduction(promotion_id="F", threshold=200, reduction=10, **window))
    0.05
    """
    if isinstance(promotion, LimitedTimeDiscount):
        return promotion.rate
    if isinstance(promotion, FullReduction):
        return promotion.reduction / promotion.threshold
    if isinstance(promotion, Coupon):
        if not math.isnan(promotion.rate):
            return promotion.rate
        return promotion.value / promotion.minimum if promotion.minimum else math.nan
    return 0.0


def threshold_of(promotion: Promotion) -> float:
    """Return the threshold or the minimum of a promotion; 0 without one."""
    if isinstance(promotion, FullReduction):
        return promotion.threshold
    return promotion.minimum if isinstance(promotion, Coupon) else 0.0


def with_terms(promotion: Promotion, depth: float, threshold: float) -> Promotion:
    """Return the promotion at another depth and threshold.

    Parameters
    ----------
    promotion : Promotion
        Not a recommendation, which has no terms.
    depth : float
        As `depth_of` gives it.
    threshold : float
        As `threshold_of` gives it.
    """
    if isinstance(promotion, LimitedTimeDiscount):
        return dataclasses.replace(promotion, rate=depth)
    if isinstance(promotion, FullReduction):
        reduction = round(depth * threshold, 2)
        return dataclasses.replace(promotion, threshold=threshold, reduction=reduction)
    if isinstance(promotion, Coupon):
        if not math.isnan(promotion.rate):
            return dataclasses.replace(promotion, rate=depth, minimum=threshold)
        value = round(depth * threshold, 2)
        return dataclasses.replace(promotion, value=value, minimum=threshold)
    raise InputError(
        f"promotion {promotion.promotion_id} takes nothing off: there is no depth to choose"
    )


def design_promotion(
    promotion: Promotion,
    orders: OrderValues,
    effect: ArrayLike,
    effect_se: ArrayLike,
    dose: Dose,
    *,
    by_threshold: Dose | None = None,
    depths: Iterable[float] | None = None,
    thresholds: Iterable[float] | None = None,
    mean_se: float | None = None,
    spread: float = 0.0,
    level: float = 0.9,
) -> PromotionDesign:
    """Sweep a promotion's depth and threshold and say which bring most profit.

    Parameters
    ----------
    promotion : Promotion
        The promotion as it stands: kind, window, products, contact cost; its terms are changed.
    orders : OrderValues
        Of the n customers, made with ``promotions=`` its id.
    effect, effect_se : array-like of shape (n,)
        Effect of its kind on the margin of each customer, as for `promotion_values`.
    dose : Dose
        How the kind's effect changes with depth, as measured (`promolab.effects.dose_response`).
    by_threshold : Dose, optional
        The same by threshold. Without it, other thresholds than the promotion's count as never
        drawn.
    depths, thresholds : iterable of float, optional
        What to try: by default round depths from the least drawn to the greatest, those drawn and
        two beyond each end, and the thresholds drawn.
    mean_se : float, optional
        Standard error of the kind's mean effect.
    spread : float
        Standard deviation between promotions of the kind, as a share of the effect.
    level : float
        Of the intervals.

    Returns
    -------
    PromotionDesign

    Raises
    ------
    InputError
        A promotion without terms, a depth that is no share, a threshold that is not above 0, or
        shapes that differ.

    Notes
    -----
    The kind's effect was measured at the middle of what was drawn. What a design adds is measured;
    what it takes off, of the extra orders and of those that come
    anyway, follows from the customers' order values (see `promotion_values`). The recommended
    design is the best of many: its own profit is somewhat flattered, as every best one is, which
    the interval does not show.

    Examples
    --------
    >>> from promolab import load_shop
    >>> from promolab.promotions import order_values, read_promotions
    >>> shop = load_shop("simulated", customers=300, weeks=12)
    >>> offer = read_promotions(shop, ["W12-coupon"])["W12-coupon"]
    >>> orders = order_values(shop, "2024-08-11 16:00", promotions=["W12-coupon"])
    >>> class Measured:
    ...     drawn = (0.02, 0.05, 0.1)
    ...     def factor(self, at):
    ...         return 1 - (at - 0.04) ** 2 * 300, 0.05
    >>> found = design_promotion(offer, orders, np.full(300, 3.0), np.ones(300), Measured())
    >>> 0.02 <= found.depth <= 0.06, bool(found.frame["extrapolated"].any())
    (True, True)
    """
    import pandas as pd

    n = len(orders)
    tau = np.asarray(numbers_of("effect", effect, n, "orders", finite=True), dtype=float)
    error = np.asarray(numbers_of("effect_se", effect_se, n, "orders", finite=True), dtype=float)
    tried = _tried(promotion, dose, by_threshold, depths, thresholds)
    usual, mean = _middle(promotion, dose, by_threshold), float(tau.mean())

    def weigh(one: Promotion) -> tuple[dict[str, Any], Waterfall]:
        factor, miss = _factor(dose, depth_of(one), mean)
        if by_threshold is not None:
            other, other_miss = _factor(by_threshold, threshold_of(one), mean)
            # Added up, not multiplied: of an average near 0 multiples mean nothing.
            factor, miss = factor + other - 1, math.hypot(other_miss, miss)
        far = _outside(one, promotion, dose, by_threshold)
        values = promotion_values(
            [one],
            orders,
            tau[:, None],
            error[:, None],
            factor=[factor],
            factor_se=[miss],
            usual=[usual],
            spread=[spread],
            mean_se=None if mean_se is None else [mean_se],
            extrapolated=[far],
            level=level,
        )
        profit, cost = (values.total(one.promotion_id, what) for what in ("value", "cost"))
        # The discount of orders that come anyway is computed: it may lie off as weeks do.
        computed = normal_quantile(level) * values.cost_spread[0] * float(values.anyway.sum())
        half = math.hypot((profit.ci_high - profit.ci_low) / 2, computed)
        ends = {"profit_low": profit.value - half, "profit_high": profit.value + half}
        terms = {"depth": depth_of(one), "threshold": threshold_of(one), "profit": profit.value}
        row = terms | ends | {"cost": cost.value, "extrapolated": far}
        return row, values.waterfall(one.promotion_id)

    rows, splits = zip(*map(weigh, tried), strict=True)
    frame = pd.DataFrame(list(rows))
    may = frame[~frame["extrapolated"]]
    if may.empty:
        raise InputError(
            "every design lies outside what was drawn; name depths and thresholds within it"
        )
    # Of designs that bring the same, the one that costs least.
    most = may["profit"].max()
    equal = may[may["profit"] >= most - 1e-9 * abs(most)]
    place = int(equal.index.to_numpy()[equal["cost"].to_numpy(float).argmin()])
    best = rows[place]
    along = may[np.isclose(may["threshold"], best["threshold"])]
    least = best["profit"] - NEAR_BEST * abs(best["profit"])
    ranges = [
        tuple(float(f(along.loc[along["profit"] >= bound, "depth"])) for f in (min, max))
        for bound in (least, best["profit_low"])
    ]
    return PromotionDesign(
        frame,
        promotion,
        tried[place],
        _estimate(best, n),
        _estimate(weigh(promotion)[0], n),
        ranges[0],
        ranges[1],
        splits,
        n,
        orders.currency,
        level,
    )


def _estimate(row: Mapping[str, float], n: int) -> Estimate:
    return Estimate.of((row["profit"], row["profit_low"], row["profit_high"]), n)


def _factor(dose: Dose, at: float, mean: float) -> tuple[float, float]:
    """Return by what the mean effect is multiplied at a dose, and its standard error.

    Where the kind's average cannot be told from 0, no multiple of it means much: then what the dose
    adds to it counts, if the dose-response says that.
    """
    average = getattr(dose, "average", None)
    told = getattr(dose, "at", None)
    if average is None or told is None or average.ci_low > 0 or average.ci_high < 0 or not mean:
        factor, miss = dose.factor(at)
        return float(factor), float(miss)
    here = told(at)
    half = (here.ci_high - here.ci_low) / 2 / normal_quantile(getattr(dose, "level", 0.95))
    return 1 + (here.value - average.value) / mean, half / abs(mean)


def _middle(promotion: Promotion, dose: Dose, by_threshold: Dose | None) -> Promotion:
    """Return the promotion at the mean of what was drawn: there the kind's effect was measured."""
    threshold = threshold_of(promotion)
    if by_threshold is not None:
        threshold = float(np.mean(by_threshold.drawn))
    return with_terms(promotion, float(np.mean(dose.drawn)), threshold)


def _tried(
    promotion: Promotion,
    dose: Dose,
    by_threshold: Dose | None,
    depths: Iterable[float] | None,
    thresholds: Iterable[float] | None,
) -> list[Promotion]:
    """Return the designs to weigh, by depth and threshold."""
    if depths is None:
        low, high = min(dose.drawn), max(dose.drawn)
        step = next((one for one in ROUND if (high - low) / one <= STEPS), ROUND[-1])
        places = range(math.ceil(low / step) - 2, math.floor(high / step) + 3)
        whole = [round(place * step, 6) for place in places]
        depths = {*dose.drawn, *(one for one in whole if 0 < one < 1)}
    if thresholds is None:
        thresholds = [threshold_of(promotion)] if by_threshold is None else by_threshold.drawn
    deep = sorted({real_number("depth", d, above=0, below=1, hint=_AS_SHARE) for d in depths})
    at = sorted({real_number("threshold", t, least=0) for t in thresholds})
    if not deep or not at:
        raise InputError("depths or thresholds is empty; name at least one, or leave it out")
    if isinstance(promotion, FullReduction) and at[0] <= 0:
        raise InputError(f"threshold = {at[0]:g}; a full reduction needs one above 0")
    return [with_terms(promotion, d, t) for t in at for d in deep]


_AS_SHARE = ": a share such as 0.1, not 10"


def _outside(one: Promotion, promotion: Promotion, dose: Dose, by_threshold: Dose | None) -> bool:
    """Tell whether a design lies outside what was drawn."""
    slack = 1e-9
    low, high = min(dose.drawn), max(dose.drawn)
    far = not low - slack <= depth_of(one) <= high + slack
    at = threshold_of(one)
    if by_threshold is None:
        return far or not math.isclose(at, threshold_of(promotion))
    low, high = min(by_threshold.drawn), max(by_threshold.drawn)
    return far or not low - slack <= at <= high + slack
