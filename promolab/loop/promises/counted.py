"""What a week's contacts cost, counted: of shops whose margins, and so effects, are not known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import read_operations
from promolab.loop.promises.assigned import Assigned, Group
from promolab.loop.promises.responding import windows_of
from promolab.loop.promises.rows import COUNTED, SPEND, UNKNOWN
from promolab.promotions import Promotion, discounts_in_windows, promotion_costs
from promolab.stats import t_quantile

if TYPE_CHECKING:
    from promolab.contract import Shop


def spent_on_each(
    shop: Shop, week: Assigned, offers: Iterable[Promotion], responded: np.ndarray, now: datetime
) -> np.ndarray | None:
    """Return what the contact of each customer cost the shop, shape (n,).

    Discounts on the promotion's products in its window, of coupons those of who redeemed; contacts
    and coupons. None where the shop does not say which products, or what was taken off.
    """
    if shop.lacks("past spend on a promotion's products") is not None:
        return None
    told = read_operations(shop.settings).economics
    found = np.zeros(len(week))
    for offer in offers:
        place = week.promotions.index(str(offer.promotion_id))
        mine = week.action == place
        row = {"kind": offer.kind, "contact_cost": offer.contact_cost}
        row["funder_share"] = offer.funder_share
        costs = promotion_costs(shop, now, row, told, margin_rate=told.contact_cost)
        found += np.where(mine, costs.contact_cost.value, 0.0)
        if offer.kind == "recommendation":  # takes nothing off
            continue
        coupon = offer.kind == "coupon"
        column = "coupon_discount" if coupon else "discount"
        if not shop.has("events", column):
            return None
        sums = discounts_in_windows(shop, windows_of([offer]), column)
        off = sums.groupby("customer_id")["discount"].sum().reindex(week.customers).fillna(0.0)
        paying = mine & responded if coupon else mine
        each = (1 - costs.funder_share) * off.to_numpy(dtype=float) + costs.coupon_cost.value
        found += np.where(paying, each, 0.0)
    return found


def spend_row(group: Group, spent: np.ndarray | None, level: float) -> dict[str, Any]:
    """Return what a group cost, with the interval of its expected value."""
    if spent is None:
        nothing = dict.fromkeys(("value", "ci_low", "ci_high"), np.nan)
        return nothing | {"measure": SPEND, "identification": UNKNOWN}
    mine = pd.Series(spent[group.got])
    value, n = float(mine.sum()), len(mine)
    half = float(t_quantile(level, max(n - 1, 1)) * np.sqrt(n) * (mine.std() if n > 1 else 0.0))
    ends = {"value": value, "ci_low": max(value - half, 0.0), "ci_high": value + half}
    return ends | {"measure": SPEND, "identification": COUNTED}
