"""How the effect of a kind moves to a promotion's own terms, and where those were never drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.promotions import Coupon, FullReduction, LimitedTimeDiscount, read_promotions

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.promotions import Promotion


@dataclass(frozen=True)
class Moved:
    """By what a kind's effect is multiplied at each promotion's own terms.

    Parameters
    ----------
    factor, factor_se : ndarray of shape (P,)
        The multiple and its standard error.
    extrapolated : ndarray of bool of shape (P,)
        Whose terms lie outside those that were drawn.
    """

    factor: np.ndarray
    factor_se: np.ndarray
    extrapolated: np.ndarray


def moved_to(shop: Shop, log: pd.DataFrame, promotions: tuple[Promotion, ...]) -> Moved:
    """Return how the effects of kinds move to some promotions.

    Parameters
    ----------
    shop : Shop
        With promotions.
    log : DataFrame
        `promolab.campaign.worth.scored_log`: which promotions were drawn.
    promotions : tuple of P Promotion
        Those that start.
    """
    drawn = read_promotions(shop, sorted(_taken(shop, log)))
    known = {terms_of(one) for one in drawn.values()}
    one = np.ones(len(promotions))
    outside = np.array([terms_of(each) not in known for each in promotions], dtype=bool)
    return Moved(one, 0 * one, outside)


def _taken(shop: Shop, log: pd.DataFrame) -> set[str]:
    """Return the promotions that were drawn, bundles left out."""
    names = set(shop.promotions.promotion_id.cast("string").execute())
    return set(log["action"].unique()) & names


def terms_of(promotion: Promotion) -> tuple[Any, ...]:
    """Return what a promotion takes off, as what can be compared; nan is nan.

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
    return (promotion.kind, *(None if x != x else round(float(x), 9) for x in told))
