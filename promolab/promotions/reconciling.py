"""Discounts by the promotions' terms, or by what was redeemed, against those in the events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import DataError
from promolab.promotions.stacking import taken_off
from promolab.promotions.terms import Promotion, read_promotions
from promolab.results import Result

if TYPE_CHECKING:
    from promolab.contract import Shop


_CENT = 0.01
_KEYS = ["customer_id", "order_id", "single_ts"]


@dataclass(frozen=True)
class Reconciliation(Result):
    """Discounts of purchases, by promotion, and what is left; made by `reconcile_discounts`.

    Parameters
    ----------
    frame : DataFrame
        promotion_id, kind, orders, discount: what each promotion took off, by start and id.
    recorded : float
        The events' total.
    unattributed : float
        ``recorded`` less all of ``frame``: what no promotion accounts for.
    lines, differing : int
        Order lines of promotions, and those of them where another discount is recorded.
    rounded : int
        Lines that were rounded the other way: one cent, which counts for the promotion.
    largest : float
        How far one line differs at most.
    by_terms : bool
        Whether discounts were worked out from face values; else each is as recorded, given to the
        coupon that was redeemed.
    currency : str
        Of the amounts.
    """

    frame: pd.DataFrame = field(repr=False)
    recorded: float
    unattributed: float
    lines: int
    differing: int
    rounded: int
    largest: float
    by_terms: bool
    currency: str

    @property
    def attributed(self) -> float:
        """What promotions account for."""
        return round(self.recorded - self.unattributed, 2)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per promotion, one for what is unattributed and one for the events."""
        more = {"promotion_id": ["unattributed", "events"], "kind": "", "orders": 0}
        rest = pd.DataFrame(more | {"discount": [self.unattributed, self.recorded]})
        rows = self.frame.assign(promotion_id=self.frame["promotion_id"].astype(str))
        return pd.concat([rows, rest], ignore_index=True)

    def facts(self) -> dict[str, Any]:
        """Return whether the lines agree with the terms, as a code."""
        found = "some" if self.differing else "all"
        return {"agreement": found if self.by_terms else ""}


def reconcile_discounts(shop: Shop) -> Reconciliation:
    """Compare the discounts that promotions should have taken off with those in the events.

    Where the shop states what its promotions take off, they are worked out line by line
    (`taken_off`): for whoever was contacted, from the contact on, a coupon in the orders in which
    it was redeemed. Where it does not, ``coupon_discount`` of a line belongs to the promotion whose
    coupon for this product the customer redeemed on that day; of several, to the first by start
    and id.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures, responses, and events with discounts.

    Returns
    -------
    Reconciliation
        The promotions and the rest add up to the events' discounts, to the cent.

    Raises
    ------
    DataError
        If a table or a column that this takes is missing.

    Examples
    --------
    >>> import promolab
    >>> found = reconcile_discounts(promolab.load_shop("simulated", customers=200, weeks=12))
    >>> found.by_terms, found.unattributed, found.differing
    (True, 0.0, 0)
    """
    shop.require("response models")
    promotions = read_promotions(shop)
    by_terms = any(p.stated and p.kind != "recommendation" for p in promotions.values())
    column = "discount" if by_terms else "coupon_discount"
    if not shop.has("events", "amount", "product_id", column):
        raise DataError(
            f"reconciling discounts takes events.amount, product_id and {column}, which "
            f"{shop.settings.name} does not have"
        )
    bought = _purchases(shop, column)
    recorded = round(float(bought.aggregate(total=bought.discount.sum()).execute().iloc[0, 0]), 2)
    if by_terms:
        lines, off = _by_terms(shop, bought, promotions)
    else:
        lines, off = _by_redemption(shop, bought)
    due = np.bincount(off["line"].astype(int), off["discount"], minlength=len(lines))
    apart = np.round(lines["discount"].to_numpy(float) - due, 2) if by_terms else 0 * due
    rounded = (np.abs(apart) == _CENT) & (due > 0)
    # The price of a line is known to the cent only, so that its part of a reduction is to a cent.
    last = ~off["line"].duplicated(keep="last").to_numpy()
    off = off.assign(discount=off["discount"] + (apart * rounded)[off["line"].astype(int)] * last)
    apart = np.abs(np.where(rounded, 0.0, apart))
    frame = _by_promotion(promotions, lines, off)
    return Reconciliation(
        frame,
        recorded,
        round(recorded - float(frame["discount"].sum()), 2),
        len(lines),
        int((apart > 0).sum()),
        int(rounded.sum()),
        float(apart.max(initial=0.0)),
        by_terms,
        shop.settings.currency,
    )


def _by_promotion(
    promotions: Mapping[Any, Promotion], lines: pd.DataFrame, off: pd.DataFrame
) -> pd.DataFrame:
    rows = off.assign(order=lines["order"].to_numpy()[off["line"].astype(int)])
    sums = rows.groupby("promotion_id").agg(
        orders=("order", "nunique"), discount=("discount", "sum")
    )
    sums = sums.reindex(list(promotions)).fillna(0)
    return pd.DataFrame(
        {
            "promotion_id": list(promotions),
            "kind": [p.kind for p in promotions.values()],
            "orders": sums["orders"].to_numpy(int),
            "discount": sums["discount"].to_numpy(float).round(2),
        }
    )


def _purchases(shop: Shop, column: str) -> Any:
    """Return purchases: the keys of an order, product_id, ts, day, amount and discount."""
    import ibis

    events = shop.events.filter(shop.events.kind == "purchase")
    order_id = events.order_id if "order_id" in events.columns else ibis.null("string")
    return events.select(
        "customer_id",
        "product_id",
        "ts",
        order_id=order_id,
        single_ts=ibis.ifelse(order_id.isnull(), events.ts, ibis.null("timestamp")),
        day=shop.local(events.ts).date(),
        amount=events.amount.fill_null(0).cast("decimal(18,2)"),
        discount=events[column].fill_null(0).cast("decimal(18,2)"),
    )


def _by_terms(
    shop: Shop, bought: Any, promotions: Mapping[Any, Promotion]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    import ibis

    exposures = shop.exposures
    made = exposures.group_by("promotion_id", "customer_id").aggregate(first=exposures.ts.min())
    windows = shop.promotions.select("promotion_id", "kind", "starts_at", "ends_at")
    made = made.join(windows, "promotion_id").mutate(
        low=lambda t: ibis.greatest(t.first, t.starts_at)
    )
    made = made.filter(made.kind != "recommendation").select(
        "promotion_id", "customer_id", "kind", "low", "ends_at"
    )
    rows = bought.join(made, "customer_id")
    rows = rows.filter((rows.ts >= rows.low) & (rows.ts < rows.ends_at))
    held = rows.select("promotion_id", "kind", *_KEYS, "day").distinct().execute()
    orders = ibis.memtable(held[_KEYS].drop_duplicates()) if len(held) else None
    if orders is None:
        return _numbered(bought.limit(0).execute()), taken_off(_NO_LINES, _NO_LINES, promotions)
    same = [bought[key].identical_to(orders[key]) for key in _KEYS]
    lines = _numbered(bought.semi_join(orders, same).execute())
    held = held.merge(lines[[*_KEYS, "order", "ts"]].drop_duplicates("order"), on=_KEYS)
    used = _redeemed(shop, held[held["kind"] == "coupon"])
    live = pd.concat([held[held["kind"] != "coupon"], used])[["order", "promotion_id"]]
    return lines, taken_off(lines, live, promotions)


_NO_LINES = pd.DataFrame({"order": [], "product_id": [], "price": [], "promotion_id": []})


def _numbered(lines: pd.DataFrame) -> pd.DataFrame:
    """Return lines with the number of their order, and their price before discounts."""
    lines = lines.sort_values([*_KEYS, "product_id", "amount", "discount"], ignore_index=True)
    amount, discount = (lines[name].astype(float) for name in ("amount", "discount"))
    order = lines.groupby(_KEYS, dropna=False, sort=False).ngroup()
    return lines.assign(order=order, discount=discount, price=(amount + discount).round(2))


def _redeemed(shop: Shop, held: pd.DataFrame) -> pd.DataFrame:
    """Return the orders in which a coupon was handed in: on the day it was, the last one before.

    A redemption without a time of day stands for the first order of that day.
    """
    answers = shop.responses.filter(shop.responses.kind == "redeem")
    answers = answers.mutate(day=shop.local(answers.ts).date(), redeemed=answers.ts)
    keys = ["promotion_id", "customer_id", "day"]
    told = answers.select(*keys, "redeemed").distinct().execute()
    rows = held.merge(told, on=keys)
    rows = rows.assign(later=rows["ts"] > rows["redeemed"], apart=rows["redeemed"] - rows["ts"])
    rows = rows.assign(apart=rows["apart"].abs()).sort_values(["later", "apart", "order"])
    return rows.drop_duplicates(["promotion_id", "customer_id", "redeemed"])


def _by_redemption(shop: Shop, bought: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    shop.require("past spend on a promotion's products")
    answers = shop.responses.filter(shop.responses.kind == "redeem")
    on = ["promotion_id"]
    if shop.has("responses", "coupon_id") and shop.has("promotion_products", "coupon_id"):
        on.append("coupon_id")
    told = answers.mutate(day=shop.local(answers.ts).date()).select(*on, "customer_id", "day")
    offers = shop.promotion_products.select(*on, "product_id").distinct()
    may = told.distinct().join(offers, on)
    may = may.select("promotion_id", "customer_id", "day", "product_id").distinct()
    lines = _numbered(bought.filter(bought.discount > 0).execute())
    starts = shop.promotions.select("promotion_id", "starts_at").execute()
    wanted = bought.filter(bought.discount > 0).select("customer_id", "day", "product_id")
    keys = ["customer_id", "day", "product_id"]
    given = may.semi_join(wanted, keys).execute().merge(starts, on="promotion_id")
    given = given.assign(text=given["promotion_id"].astype(str)).sort_values(["starts_at", "text"])
    rows = lines.reset_index(names="line").merge(given.drop_duplicates(keys), on=keys)
    return lines, rows[["line", "promotion_id", "discount"]]
