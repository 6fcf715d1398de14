"""What a week's contacts cost: counted afterwards, and expected from orders before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import NONE, read_operations
from promolab.loop.promises.assignment import Assigned, Group
from promolab.loop.promises.ledger_rows import COUNTED, SPEND, UNKNOWN
from promolab.loop.promises.windows import windows_of
from promolab.promotions import (
    Promotion,
    coupon_use,
    discounts_in_windows,
    in_window,
    kept_beside,
    own_windows,
    promotion_costs,
    read_promotions,
)
from promolab.stats import t_quantile

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.promotions import PromotionValues


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


Held = tuple[Promotion, np.ndarray]
"""A promotion that runs already, and who of some customers has it."""


def held_by(
    shop: Shop, customers: np.ndarray, as_of: datetime, offers: Sequence[Promotion]
) -> list[Held]:
    """Return the promotions that run on into the windows of some to come, and who has them.

    Parameters
    ----------
    shop : Shop
        With promotions.
    customers : ndarray of shape (n,)
    as_of : datetime
        Nothing at or after it is read.
    offers : sequence of Promotion
        To come.
    """
    windows = own_windows(shop, as_of)
    starts = min(one.starts_at for one in offers)
    later = shop.promotions.ends_at > starts
    running = set(shop.promotions.filter(later).promotion_id.cast("string").execute())
    running -= {str(one.promotion_id) for one in offers}
    if windows is None or not running:
        return []
    rows = windows.select("customer_id", "promotion_id").distinct()
    rows = rows.filter(rows.promotion_id.isin(sorted(running - {NONE}))).execute()
    texts = {str(one): one for one in shop.promotions.promotion_id.execute()}
    names = sorted(rows["promotion_id"].unique())
    who = dict(iter(rows.groupby("promotion_id")["customer_id"]))
    known = read_promotions(shop, [texts[name] for name in names]) if names else {}
    return [(one, np.isin(customers, who[str(one.promotion_id)])) for one in known.values()]


def taken_off_each(
    amounts: PromotionValues,
    place: np.ndarray,
    columns: np.ndarray,
    beside: np.ndarray,
    held: Sequence[Held] = (),
    *,
    added: np.ndarray | None = None,
    after: bool = True,
) -> np.ndarray:
    """Return what the shop is expected to take off for each customer because of a promotion.

    It is taken off the orders that come anyway, those that it adds, and those that promotions
    beside it add; what else runs takes its part off the orders that it adds. How many a promotion
    adds follows from the orders in past windows: of effects on margin chance makes a large part of
    so few customers. What begins after it runs beside it as long as what began before; what that
    takes off may be left to its own week.

    Parameters
    ----------
    amounts : PromotionValues
        Of the promotions.
    place, columns : ndarray of int of shape (m,)
        Of each customer the row, and the column, of ``amounts``.
    beside : ndarray of shape (m,)
        What other promotions take off for the customer without it.
    held : sequence of (Promotion, ndarray of bool of shape (m,))
        Promotions that run on into the window.
    added : ndarray of shape (m,), optional
        How many orders the promotion adds in its window; by default as many times the customer's
        usual ones as past promotions did.
    after : bool
        Whether promotions that begin later count. Where every week is charged what it takes off
        given the weeks before, all weeks add up to what all promotions take off.
    """
    beside = beside if after else beside / 2
    orders, off = amounts.orders, np.zeros(len(place))
    log_mean, log_sd, lift = (
        orders.frame[name].to_numpy(float) for name in ("log_mean", "log_sd", "lift")
    )
    lift, use = np.maximum(lift, 0.0), coupon_use(orders)
    kinds = [one.kind for one in amounts.promotions]
    for j in np.unique(columns):
        mine, one = columns == j, amounts.promotions[j]
        rows = place[mine]
        here = in_window(one, orders)
        alike = {kind: orders.shares[rows][:, [k == kind for k in kinds]].mean(axis=1)
                 for kind in set(kinds)}  # fmt: skip
        shares = [orders.shares[rows, j], *(alike.get(p.kind, 1.0) for p, _ in held)]
        others = [(p, who[mine]) for p, who in held]
        kept, met = kept_beside(one, others, log_mean[rows], log_sd[rows], use[rows], shares)
        if after:
            kept, met = np.maximum(2 * kept - 1, 0.0), np.minimum(2 * met, 1.0)
        base = here.base[rows]
        more = lift[rows] * base if added is None else added[mine]
        own = (base + more + met * more) * here.net[rows] * kept
        off[mine] = (1 - one.funder_share) * (own + more / base * beside[mine])
    return off
