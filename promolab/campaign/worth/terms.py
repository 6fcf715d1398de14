"""How the effect of a kind moves to a promotion's own terms, and where those were never drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.worth.log import UNDISCOUNTED
from promolab.effects import dose_response
from promolab.errors import PromolabError
from promolab.promotions import (
    Coupon,
    FullReduction,
    LimitedTimeDiscount,
    depth_of,
    read_promotions,
    threshold_of,
)

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.effects import DoseResponse, UpliftModel
    from promolab.promotions import Promotion


COLUMNS = ("promotion_id", "factor", "factor_se", "extrapolated")
NEAR = 1e-9
LEAST_SPREAD = 0.2
"""Standard deviation of factors that depths have at least: none is believed to make no difference.
"""


def moved_terms(
    shop: Shop, log: pd.DataFrame, promotions: Sequence[Promotion], model: UpliftModel | None = None
) -> pd.DataFrame:
    """Return how the effects of their kinds move to the terms of some promotions.

    Parameters
    ----------
    shop : Shop
        With promotions.
    log : DataFrame
        `promolab.campaign.worth.scored_log`: which promotions were drawn.
    promotions : sequence of Promotion
        Of kinds that the log knows.
    model : UpliftModel, optional
        What the log was made of, with its rows: it measures what depth does.

    Returns
    -------
    DataFrame
        promotion_id (text), factor (by which the kind's average effect is multiplied), factor_se,
        extrapolated. Terms that were drawn alone are those of the average: factor 1. Where a kind
        was drawn at several depths, the factor is that of `promolab.effects.dose_response`, drawn
        to 1 as far as the depths of all kinds differ by no more than chance; of margin before
        discounts (`promolab.campaign.worth.undiscounted`) it is told by the window. All
        else is extrapolated, at factor 1: a depth or a threshold outside those that were drawn,
        and depths of which too few decisions tell.
    """
    if not promotions:
        return pd.DataFrame(columns=list(COLUMNS))
    names = set(shop.promotions.promotion_id.cast("string").execute())
    drawn = read_promotions(shop, sorted(set(log["action"].astype(str)) & names))
    by_kind: dict[str, list[Promotion]] = {}
    for one in drawn.values():
        by_kind.setdefault(one.kind, []).append(one)
    curves = {kind: _curve(kind, all_drawn, model) for kind, all_drawn in by_kind.items()}
    spread = _spread_of([one for one in curves.values() if one is not None])
    rows = [
        (str(p.promotion_id), *_moved(p, by_kind.get(p.kind, []), curves.get(p.kind), spread))
        for p in promotions
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _curve(kind: str, drawn: Sequence[Promotion], model: UpliftModel | None) -> DoseResponse | None:
    """Return what a kind adds at each depth drawn; None where that is not known."""
    doses = {str(one.promotion_id): depth_of(one) for one in drawn}
    known = {name: each for name, each in doses.items() if not math.isnan(each)}
    if model is None or not known or len({terms_of(one) for one in drawn}) < 2:
        return None
    try:
        return dose_response(model, known, kind, early=model.outcome_ == UNDISCOUNTED)
    except PromolabError:
        return None


def _spread_of(curves: Sequence[DoseResponse]) -> float:
    """Return the variance of factors between depths, of all kinds, chance taken out.

    Of one kind few depths tell it (empirical Bayes: Morris 1983).
    """
    found = [one.factor(float(dose)) for one in curves for dose in one.frame["dose"]]
    told = [(away - 1) ** 2 - error**2 for away, error in found if math.isfinite(error)]
    errors = [error**2 for _, error in found if math.isfinite(error)]
    if not told:
        return LEAST_SPREAD**2
    weight = 1 / np.maximum(np.array(errors), 1e-12)
    return float(max(np.average(told, weights=weight), LEAST_SPREAD**2))


def _moved(
    promotion: Promotion,
    drawn: Sequence[Promotion],
    curve: DoseResponse | None,
    spread: float,
) -> tuple[float, float, bool]:
    """Return factor, its standard error, and whether the terms are extrapolated."""
    known = {terms_of(one) for one in drawn}
    if known == {terms_of(promotion)}:
        return 1.0, 0.0, False
    depth, least = depth_of(promotion), threshold_of(promotion)
    floors = [threshold_of(one) for one in drawn]
    inside = bool(floors) and min(floors) - NEAR <= least <= max(floors) + NEAR
    if curve is None or not inside or math.isnan(depth):
        return 1.0, 0.0, True
    try:
        factor, error = curve.factor(depth)
    except PromolabError:
        return 1.0, 0.0, True
    if not math.isfinite(error):
        return 1.0, 0.0, True
    # Drawn to 1 as far as chance alone would have it so far away; what is left is not known.
    part = spread / (spread + error**2) if error > 0 else 1.0
    left = math.sqrt(part) * error
    return 1 + part * (factor - 1), left, curve.extrapolated(depth)


def terms_of(promotion: Promotion) -> tuple[Any, ...]:
    """Return what a promotion takes off, as what can be compared; nan is None.

    Examples
    --------
    >>> from datetime import datetime
    >>> window = {"starts_at": datetime(2024, 7, 1), "ends_at": datetime(2024, 7, 8)}
    >>> terms_of(LimitedTimeDiscount(promotion_id=1, rate=0.1, **window))
    ('limited_time_discount', 0.1)
    """
    told: tuple[float, ...] = ()
    if isinstance(promotion, LimitedTimeDiscount):
        told = (promotion.rate,)
    elif isinstance(promotion, FullReduction):
        told = (promotion.threshold, promotion.reduction, promotion.steps)
    elif isinstance(promotion, Coupon):
        told = (promotion.value, promotion.rate, promotion.minimum)
    return (promotion.kind, *(None if np.isnan(x) else round(float(x), 9) for x in told))
