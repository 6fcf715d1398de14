"""What a promotion costs the shop, its discounts by past promotions, and what must pay for that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import Economics
from promolab.contract import StatedRate as Rate
from promolab.features import order_lines
from promolab.metrics import PastRatios, past_ratios
from promolab.promotions.past_orders import discounts_in_windows, responses_between
from promolab.results import Estimate, Result
from promolab.wording import answer_to

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


PREDICTION_LEVEL = 0.90
"""How often what is still to come should fall into its interval; of what was measured, 95 %."""

_FACE = ("reduction", "discount_rate")  # a promotion states one of them


@dataclass(frozen=True)
class DiscountPerRedeemer(Result):
    """What a redeemer of past promotions took off; made by `discount_per_redeemer`.

    Parameters
    ----------
    frame : DataFrame
        One row per past promotion of the kind: promotion_id, type, starts_at, redeemers, discount
        (of theirs, on its products, in its window) and per_redeemer (discount ÷ redeemers).
    ratios : PastRatios
        Their means by type, weighted by redeemers, and how far promotions differ.
    type_ : str
        Type of the promotion that is to come.
    variation : float
        Variance of single redeemers' discounts ÷ the square of their mean, over all of them.
    currency : str
        Of the amounts.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    frame: pd.DataFrame = field(repr=False)
    ratios: PastRatios
    type_: str
    variation: float
    currency: str = ""
    kind: str = "coupon"

    def per_redeemer(self, redeemers: float) -> Estimate:
        """Return a new promotion's mean discount per redeemer, with its prediction interval.

        The mean of past ones of the kind, drawn to its type (`promolab.metrics.pooling`), at
        `PREDICTION_LEVEL`; the ends are nan where too few promotions tell how far it may lie.

        Parameters
        ----------
        redeemers : float
            How many it will have; fewer make the mean vary more.
        """
        noise = self.variation / max(redeemers, 1.0)
        return self.ratios.predict(noise, self.type_, PREDICTION_LEVEL)

    def of(self, redemptions: Estimate) -> Estimate:
        """Return what so many redemptions will cost in discounts, with its prediction interval."""
        return product_of(redemptions, self.per_redeemer(redemptions.value))

    def facts(self) -> dict[str, Any]:
        """Return a new promotion's mean with its interval, and of how many past ones it is."""
        e = self.per_redeemer(math.inf)
        return {
            "known": self.ratios.k > 0,
            "answer": answer_to(self.kind),
            "mean": e,
            "digits": "one" if e.value < 10 and math.isfinite(e.ci_low) else "usual",
            "past_ones": self.ratios.k,
            "several": self.ratios.k > 1,
            "alike": int((self.frame["type"] == self.type_).sum()),
        }


def product_of(a: Estimate, b: Estimate) -> Estimate:
    """Multiply two independent positive figures, their intervals by square-and-add on the logs.

    Each end lies as far from the product, in logs, as the root of the two figures' squared
    distances (MOVER: Zou & Donner 2008, Statistics in Medicine 27(10)); nan where an end is.

    Examples
    --------
    >>> found = product_of(Estimate(100, 50, 200, 9), Estimate(3, 1.5, 6, 4))
    >>> found.value, round(found.ci_low), round(found.ci_high), found.n
    (300, 113, 800, 4)
    """
    value, n = a.value * b.value, min(a.n, b.n)
    if not (value > 0 and min(a.ci_low, b.ci_low) > 0 and a.ci_high > 0 and b.ci_high > 0):
        return Estimate(value, n=n)
    down = math.hypot(math.log(a.value / a.ci_low), math.log(b.value / b.ci_low))
    up = math.hypot(math.log(a.ci_high / a.value), math.log(b.ci_high / b.value))
    return Estimate(value, value * math.exp(-down), value * math.exp(up), n)


def past_discounts(shop: Shop, as_of: datetime, *, running: bool = False) -> pd.DataFrame:
    """Return what redeemers of each promotion that is over took off on its products.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses. Coupons count by ``events.coupon_discount``, other
        kinds by ``events.discount``; a kind without its column has no rows.
    as_of : datetime
        UTC without a zone; promotions that ended by then.
    running : bool
        Instead those that run then, up to that moment.

    Returns
    -------
    DataFrame
        promotion_id, kind, type, starts_at, discount_rate and reduction where the shop has them,
        redeemers, discount, per_redeemer, squares (of the redeemers' own discounts, added up); by
        start and id.
    """
    read = ("promotions", "promotion_products", "events", "exposures", "responses")
    name = f"discounts {as_of} {running}"
    found: pd.DataFrame = shop.once(name, read, lambda: _past_discounts(shop, as_of, running))
    return found


def _past_discounts(shop: Shop, as_of: datetime, running: bool) -> pd.DataFrame:
    columns = ["promotion_id", "kind", "type", "starts_at", "ends_at", *_FACE]
    table = shop.promotions
    table = table.select(*[c for c in columns if c in table.columns]).execute()
    runs = (table["starts_at"] < as_of) & (table["ends_at"] > as_of)
    table = table[runs if running else table["ends_at"] <= as_of].assign(
        type=table["type"].fillna("") if "type" in table else "",
        text=table["promotion_id"].astype(str),
        ends_at=table["ends_at"].clip(upper=as_of),
    )
    table = table.sort_values(["starts_at", "text"], ignore_index=True)
    wanted = {
        "coupon_discount": table[table["kind"] == "coupon"],
        "discount": table[table["kind"] != "coupon"],
    }
    parts = [
        discounts_in_windows(shop, rows, column)
        for column, rows in wanted.items()
        if len(rows) and shop.has("events", column) and shop.has("promotion_products")
    ]
    keys = ["promotion_id", "customer_id"]
    windows = table.rename(columns={"starts_at": "low", "ends_at": "high"})
    spans = windows[["promotion_id", "low", "high"]].assign(kind="redeem")
    answers = responses_between(shop, spans, as_of)[keys]
    rows = answers.merge(pd.concat(parts), on=keys, how="left") if parts else answers.head(0)
    paid = rows["discount"].fillna(0.0).clip(lower=0.0) if parts else pd.Series(dtype=float)
    rows = rows[keys].assign(discount=paid, squares=paid**2)
    sums = rows.groupby("promotion_id").agg(
        redeemers=("customer_id", "size"), discount=("discount", "sum"), squares=("squares", "sum")
    )
    found: pd.DataFrame = table.drop(columns=["ends_at", "text"]).merge(sums, on="promotion_id")
    return found.assign(per_redeemer=found["discount"] / found["redeemers"])


def _at_face_value(past: pd.DataFrame, promotion: Mapping[Any, Any]) -> pd.DataFrame:
    for column in _FACE:
        own: Any = promotion.get(column)
        if column not in past or own is None or not float(own) > 0:
            continue
        told = past[column].astype(float)
        factor = float(own) / told.where(told > 0)
        if factor.notna().any():
            scaled = {c: past[c] * factor for c in ("discount", "per_redeemer")}
            return past.assign(**scaled, squares=past["squares"] * factor**2)[factor.notna()]
    return past


def discount_per_redeemer(
    past: pd.DataFrame, promotion: Mapping[Any, Any], currency: str = ""
) -> DiscountPerRedeemer:
    """Say what a redeemer of a promotion will take off, by past ones of its kind.

    Where face values are stated, a past discount counts as it would have been at the promotion's
    own: one of 5 % says of one of 10 % that it takes off twice as much.

    Parameters
    ----------
    past : DataFrame
        As `past_discounts` returns it.
    promotion : mapping
        Its kind and, where the shop has them, its type and terms. Another kind says nothing about
        its discounts.
    currency : str
        Of the amounts.

    Returns
    -------
    DiscountPerRedeemer
    """
    mine = past[(past["discount"] > 0) & (past["kind"] == promotion["kind"])]
    mine = _at_face_value(mine, promotion)
    kind, told = str(promotion["kind"]), promotion.get("type")
    n, total, squares = (mine[c].to_numpy(float) for c in ("redeemers", "discount", "squares"))
    mean, single = total / n, float((n - 1).sum())
    # Of all promotions together: a promotion's own variance is a poor one where few redeemed.
    spread = ((squares - n * mean**2) / mean**2).sum()
    variation = max(float(spread / single) if single > 0 else 1.0, 1e-6)
    ratios = past_ratios(total, n, mine["type"].tolist(), variance=lambda _: variation / n, half=0)
    shown = ["promotion_id", "type", "starts_at", "redeemers", "discount", "per_redeemer"]
    return DiscountPerRedeemer(
        mine[shown].reset_index(drop=True),
        ratios,
        told if isinstance(told, str) else "",
        variation,
        currency,
        kind,
    )
