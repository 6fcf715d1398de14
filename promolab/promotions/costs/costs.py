"""What a promotion costs the shop, and what a contact must bring to pay for that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import Economics
from promolab.contract import StatedRate as Rate
from promolab.features import order_lines
from promolab.results import Estimate

if TYPE_CHECKING:
    from promolab.contract import Shop


_MARGIN_DAYS = 84  # sales that weigh the products' own margins


@dataclass(frozen=True)
class Costs:
    """What enters a promotion's break-even beside its discounts; made by `promotion_costs`.

    Parameters
    ----------
    margin_rate : Rate
        Margin as a share of sales.
    contact_cost : Rate
        Of one contact.
    coupon_cost : Rate
        Of one redemption, beside its discount.
    funder_share : float
        Part of the discounts that a supplier pays (0–1).
    """

    margin_rate: Rate
    contact_cost: Rate
    coupon_cost: Rate
    funder_share: float = 0.0


def promotion_costs(
    shop: Shop,
    as_of: datetime,
    promotion: Mapping[Any, Any],
    economics: Economics,
    margin_rate: Rate | None = None,
) -> Costs:
    """Return a promotion's costs: its own and its products' where they are stated, else the shop's.

    Parameters
    ----------
    shop : Shop
        ``products.margin_rate``, where it is there, gives the margin: weighed by all customers'
        net sales in the 84 days before ``as_of``; the shop's rate stands for products without one.
    as_of : datetime
        UTC without a zone.
    promotion : mapping
        Its row of the shop's table; contact_cost and funder_share count where they are there. One
        of another kind than a coupon has none to handle.
    economics : Economics
        The shop's own (`promolab.contract.read_operations`).
    margin_rate : Rate, optional
        Where it is known already, or does not matter: nothing is read then.
    """
    contact, funded = _number(promotion, "contact_cost"), _number(promotion, "funder_share")
    is_coupon = promotion.get("kind", "coupon") == "coupon"
    return Costs(
        margin_rate or _margin(shop, as_of, economics.margin_rate),
        economics.contact_cost if contact is None else Rate(contact, assumed=False),
        economics.coupon_cost if is_coupon else Rate(0.0, assumed=False),
        funded or 0.0,
    )


def _number(promotion: Mapping[Any, Any], name: str) -> float | None:
    value: Any = promotion.get(name)
    return None if value is None or pd.isna(value) else float(value)


def _margin(shop: Shop, as_of: datetime, stated: Rate) -> Rate:
    import ibis

    if not (shop.has("products", "margin_rate") and shop.has("events", "product_id", "amount")):
        return stated
    now, first = (
        ibis.literal(moment).cast("timestamp")
        for moment in (as_of, as_of - timedelta(days=_MARGIN_DAYS))
    )
    lines = order_lines(shop)
    lines = lines.filter((lines.ts >= first) & (lines.ts < now))
    sales = lines.group_by("product_id").aggregate(amount=lines.amount.sum().cast("float64"))
    products = shop.products.select("product_id", "margin_rate")
    rows = sales.inner_join(products, "product_id").order_by("product_id").execute()
    amount = rows["amount"].to_numpy(float)
    own = rows["margin_rate"].to_numpy(float, na_value=np.nan)
    total, without = math.fsum(amount), np.isnan(own)
    if total <= 0 or without.all():
        return stated
    rate = math.fsum(amount * np.where(without, stated.value, own)) / total
    # A shop that sells at a loss as a whole has no sales that would pay for a promotion.
    return Rate(rate, stated.assumed and bool(without.any())) if rate > 0 else stated


def break_even(
    contacts: int, redemptions: Estimate, discount: Estimate, costs: Costs
) -> tuple[Estimate, Estimate]:
    """Return what a promotion costs the shop, and the extra sales per contact that pay for it.

    cost = (1 − funder_share) · discount + coupon_cost · redemptions + contact_cost · contacts;
    break-even = cost ÷ (margin_rate · contacts). Sales are at the prices before the discounts come
    off. Redemptions and discounts are high together: the ends add up.

    Parameters
    ----------
    contacts : int
        Customers to contact.
    redemptions, discount : Estimate
        Expected, in customers and in money.
    costs : Costs
        What else enters.

    Returns
    -------
    cost, extra_sales : Estimate
        Intervals at the level of those given; nan without contacts.

    Examples
    --------
    >>> costs = Costs(Rate(0.25, True), Rate(0.5, False), Rate(0.0, True))
    >>> cost, extra = break_even(100, Estimate(20, 10, 40, 9), Estimate(60, 25, 140, 9), costs)
    >>> cost.value, extra.value, extra.ci_low, round(extra.ci_high, 6)
    (110.0, 4.4, 3.0, 7.6)
    """
    own, fixed = 1 - costs.funder_share, costs.contact_cost.value * contacts

    def total(money: float, redeemed: float) -> float:
        return own * money + costs.coupon_cost.value * redeemed + fixed

    cost = Estimate.of(map(total, discount.ends, redemptions.ends), discount.n)
    scale = 1 / (costs.margin_rate.value * contacts) if contacts else math.nan
    return cost, Estimate.of((scale * end for end in cost.ends), contacts)
