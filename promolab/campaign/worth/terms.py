"""How the effect of a kind moves to a promotion's own terms, and where those were never drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.effects import dose_response
from promolab.errors import PromolabError
from promolab.promotions import Coupon, FullReduction, LimitedTimeDiscount, read_promotions

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.effects import UpliftModel
    from promolab.promotions import Promotion


COLUMNS = ("promotion_id", "factor", "factor_se", "extrapolated")
NEAR = 1e-9


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
        was drawn at several depths, the factor is that of `promolab.effects.dose_response`. All
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
    rows = [(str(p.promotion_id), *_moved(p, by_kind.get(p.kind, []), model)) for p in promotions]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _moved(
    promotion: Promotion, drawn: Sequence[Promotion], model: UpliftModel | None
) -> tuple[float, float, bool]:
    """Return factor, its standard error, and whether the terms are extrapolated."""
    known = {terms_of(one) for one in drawn}
    if known == {terms_of(promotion)}:
        return 1.0, 0.0, False
    depth, least = depth_of(promotion)
    doses = {str(one.promotion_id): depth_of(one) for one in drawn}
    floors = [floor for _, floor in doses.values()]
    inside = bool(floors) and min(floors) - NEAR <= least <= max(floors) + NEAR
    depths = {name: each for name, (each, _) in doses.items() if not math.isnan(each)}
    if model is None or not inside or math.isnan(depth) or not depths:
        return 1.0, 0.0, True
    try:
        found = dose_response(model, depths, promotion.kind)
        factor, error = found.factor(depth)
    except PromolabError:
        return 1.0, 0.0, True
    if not math.isfinite(error):
        return 1.0, 0.0, True
    return factor, error, found.extrapolated(depth)


def depth_of(promotion: Promotion) -> tuple[float, float]:
    """Return which share a promotion takes off, and from which amount on.

    Returns
    -------
    depth : float
        A share; of a full reduction, or a coupon with a value, that per unit of its threshold. nan
        where it is none.
    least : float
        Threshold or minimum, in money; 0 where there is none.

    Examples
    --------
    >>> from datetime import datetime
    >>> window = {"starts_at": datetime(2024, 7, 1), "ends_at": datetime(2024, 7, 8)}
    >>> depth_of(FullReduction(promotion_id=1, threshold=200, reduction=10, **window))
    (0.05, 200.0)
    """
    if isinstance(promotion, LimitedTimeDiscount):
        return promotion.rate, 0.0
    if isinstance(promotion, FullReduction):
        return promotion.reduction / promotion.threshold, float(promotion.threshold)
    if isinstance(promotion, Coupon):
        least = float(promotion.minimum)
        if not math.isnan(promotion.rate):
            return promotion.rate, least
        return (promotion.value / least if least > 0 else math.nan), least
    return math.nan, 0.0


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
