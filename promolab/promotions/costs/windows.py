"""What happened in the windows of promotions: responses, purchases, discounts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.contract import BOUGHT_FROM
from promolab.features import order_lines

if TYPE_CHECKING:
    from promolab.contract import Shop


def responses_between(shop: Shop, spans: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Return how often each customer responded, and when first, by promotion and kind.

    Parameters
    ----------
    spans : DataFrame
        promotion_id, kind, low, high (UTC): low ≤ ts < high, and before ``now``; counted, where
        another kind of response counts as this one (`response_spans`).

    Returns
    -------
    DataFrame
        promotion_id, kind, customer_id, n, first_ts; whoever was contacted or not.
    """
    import ibis

    if spans.empty:
        return pd.DataFrame(columns=["promotion_id", "kind", "customer_id", "n", "first_ts"])
    spans = spans if "counted" in spans else spans.assign(counted=spans["kind"])
    rows = shop.responses.filter(shop.responses.ts < ibis.literal(now).cast("timestamp"))
    rows = rows.select("promotion_id", "customer_id", "ts", counted="kind")
    rows = rows.join(ibis.memtable(spans), ["promotion_id", "counted"])
    rows = rows.filter((rows.ts >= rows.low) & (rows.ts < rows.high))
    keys = ["promotion_id", "kind", "customer_id"]
    rows = rows.select(*keys, "ts")
    bought = spans[spans["counted"] == "purchase"]
    if len(bought) and _bought_tells(shop, now):  # as it does for response models
        made = _purchases(shop, bought.rename(columns={"low": "starts_at", "high": "ends_at"}))
        made = made.filter(made.ts < ibis.literal(now).cast("timestamp"))
        made = made.mutate(kind=ibis.literal("redeem")).select(*keys, "ts")
        rows = rows.union(made.distinct())
    found = rows.group_by(keys).aggregate(n=rows.count(), first_ts=rows.ts.min())
    return pd.DataFrame(found.order_by(keys).execute())


def kinds_recorded(shop: Shop, now: datetime) -> frozenset[str]:
    """Return the kinds of response that the shop has ever recorded before a moment."""
    import ibis

    rows = shop.responses.filter(shop.responses.ts < ibis.literal(now).cast("timestamp"))
    return frozenset(rows.select("kind").distinct().execute()["kind"].dropna().astype(str))


def kinds_answered(shop: Shop, now: datetime) -> frozenset[str]:
    """Return the kinds of promotion of which the shop has ever recorded who answered.

    That is a redemption; of what there is nothing to redeem of, a purchase, or that its products
    were bought where responses hold no purchase at all. Of another kind nobody knows who answered:
    that is not 0.
    """
    import ibis

    rows = shop.responses.filter(shop.responses.ts < ibis.literal(now).cast("timestamp"))
    kinds = shop.promotions.select("promotion_id", promotion_kind="kind")
    rows = rows.select("promotion_id", "kind").join(kinds, "promotion_id")
    counted = ibis.ifelse(rows.promotion_kind.isin(list(BOUGHT_FROM)), "purchase", "redeem")
    found = rows.filter(rows.kind == counted).select("promotion_kind").distinct().execute()
    answered = frozenset(found["promotion_kind"].dropna().astype(str))
    return answered | (frozenset(BOUGHT_FROM) if _bought_tells(shop, now) else frozenset())


def _bought_tells(shop: Shop, now: datetime) -> bool:
    """Tell whether a promotion's products that were bought say who answered it."""
    offered = shop.lacks("past spend on a promotion's products") is None
    return offered and "purchase" not in kinds_recorded(shop, now)


def buyers_in_windows(shop: Shop, promotions: pd.DataFrame) -> pd.DataFrame:
    """Return promotion_id, customer_id of who bought any of a promotion's products in its window.

    Where the shop does not say which products a promotion is for, any purchase counts.
    """
    rows = _purchases(shop, promotions)
    keys = ["promotion_id", "customer_id"]
    return pd.DataFrame(rows.select(*keys).distinct().order_by(keys).execute())


def discounts_in_windows(shop: Shop, promotions: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return each customer's discount on a promotion's products in its window.

    Returns
    -------
    DataFrame
        promotion_id, customer_id, discount; who had none has no row.
    """
    lines = order_lines(shop).select("customer_id", "ts", "product_id", column)
    rows = _on_offer(shop, promotions, lines.filter(lines[column] != 0))
    keys = ["promotion_id", "customer_id"]
    sums = rows.group_by(keys).aggregate(discount=rows[column].sum().cast("float64"))
    return pd.DataFrame(sums.order_by(keys).execute())


def _purchases(shop: Shop, promotions: pd.DataFrame) -> Any:
    """Return purchases in each promotion's window, of its products where the shop says which."""
    events = shop.events
    columns = ["customer_id", "ts"]
    if known := shop.lacks("past spend on a promotion's products") is None:
        columns.append("product_id")
    bought = events.filter(events.kind == "purchase").select(*columns)
    return _on_offer(shop, promotions, bought, by_product=known)


def _on_offer(shop: Shop, promotions: pd.DataFrame, lines: Any, *, by_product: bool = True) -> Any:
    """Return the lines in each promotion's window, of its products."""
    import ibis

    windows = ibis.memtable(promotions[["promotion_id", "starts_at", "ends_at"]])
    if not by_product:
        return lines.join(windows, [lines.ts >= windows.starts_at, lines.ts < windows.ends_at])
    # A product stands in several coupons of a promotion; its lines count once.
    offers = shop.promotion_products.select("promotion_id", "product_id").distinct()
    rows = lines.join(offers.join(windows, "promotion_id"), "product_id")
    return rows.filter((rows.ts >= rows.starts_at) & (rows.ts < rows.ends_at))
