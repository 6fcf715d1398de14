"""What customers did in promotions' windows and what was known before: the engine's part."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.features import build_features
from promolab.features.lines import order_lines

if TYPE_CHECKING:
    from promolab.contract import Shop

# Where products are not given, features leave out variety and price level, which take most of the
# time and say little about spend beyond recency, frequency, amounts and coupons.
_NOT_NEEDED = ("products",)


def lean(shop: Shop) -> Shop:
    """Return the shop without the tables that the comparison does not need."""
    return shop.with_tables({k: v for k, v in shop.tables.items() if k not in _NOT_NEEDED})


def responses_in_windows(shop: Shop, promotions: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Return contacted customers by promotion, with their redemptions inside the window.

    Returns
    -------
    DataFrame
        promotion_id, customer_id, redemptions (rows); one row per customer contacted.
    """
    import ibis

    moment = ibis.literal(now).cast("timestamp")
    windows = shop.promotions.select("promotion_id", "starts_at", "ends_at")
    windows = windows.filter(windows.promotion_id.isin(promotions["promotion_id"].tolist()))
    keys = ["promotion_id", "customer_id"]

    def inside(table: Any) -> Any:
        rows = table.filter(table.ts < moment).select(*keys, "ts").join(windows, "promotion_id")
        return rows.filter(rows.ts < rows.ends_at)

    made = inside(shop.exposures).select(*keys).distinct()
    redeemed = inside(shop.responses.filter(shop.responses.kind == "redeem"))
    redeemed = redeemed.filter(redeemed.ts >= redeemed.starts_at)
    redeemed = redeemed.group_by(keys).aggregate(redemptions=redeemed.count())
    both = made.left_join(redeemed, keys)
    both = both.select(*[made[k] for k in keys], redemptions=both.redemptions.fill_null(0))
    return both.order_by(keys).execute()


def sales_between(shop: Shop, spans: pd.DataFrame) -> pd.DataFrame:
    """Return net sales per customer in each span; who bought nothing has no row.

    Parameters
    ----------
    spans : DataFrame
        span (a number), low, high (UTC): low ≤ ts < high.
    """
    import ibis

    lines = order_lines(lean(shop)).select("customer_id", "ts", "amount")
    table = ibis.memtable(spans)
    rows = lines.join(table, [lines.ts >= table.low, lines.ts < table.high])
    sums = rows.group_by("span", "customer_id").aggregate(sales=rows.amount.sum().cast("float64"))
    return sums.order_by("span", "customer_id").execute()


def discounts_in_windows(shop: Shop, promotions: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return each customer's discount on a promotion's products in its window.

    Returns
    -------
    DataFrame
        promotion_id, customer_id, discount; who had none has no row.
    """
    windows = shop.promotions.select("promotion_id", "starts_at", "ends_at")
    windows = windows.filter(windows.promotion_id.isin(promotions["promotion_id"].tolist()))
    # A product stands in several coupons of a promotion; its lines count once.
    offers = shop.promotion_products.select("promotion_id", "product_id").distinct()
    offers = offers.join(windows, "promotion_id")
    lines = order_lines(lean(shop)).select("customer_id", "ts", "product_id", column)
    rows = lines.filter(lines[column] != 0).join(offers, "product_id")
    rows = rows.filter((rows.ts >= rows.starts_at) & (rows.ts < rows.ends_at))
    keys = ["promotion_id", "customer_id"]
    sums = rows.group_by(keys).aggregate(discount=rows[column].sum().cast("float64"))
    return sums.order_by(keys).execute()


def known_before(shop: Shop, moments: list[datetime]) -> pd.DataFrame:
    """Return the features of every customer with history at each moment, numbers only.

    Beside `promolab.build_features`: other_promotions, for how many promotions that run at the
    moment the customer had been contacted before it. Those that start at the moment itself are
    decided together with the one compared and are left out.
    """
    import ibis

    customers = shop.events.select("customer_id").distinct()
    dates = ibis.memtable(pd.DataFrame({"as_of": pd.to_datetime(moments)}))
    table = build_features(lean(shop), customers.cross_join(dates)).execute()
    windows = shop.promotions.select("promotion_id", "ends_at")
    made = shop.exposures.select("customer_id", "promotion_id", "ts").join(windows, "promotion_id")
    running = made.join(dates, [made.ts < dates.as_of, made.ends_at > dates.as_of])
    running = running.group_by("customer_id", "as_of").aggregate(
        other_promotions=running.promotion_id.nunique()
    )
    keys = ["customer_id", "as_of"]
    table = table.merge(running.execute(), on=keys, how="left")
    table["other_promotions"] = table["other_promotions"].fillna(0)
    numeric = [c for c in table.columns if c not in keys and table[c].dtype.kind in "iuf"]
    return table[keys + numeric].sort_values(["as_of", "customer_id"], ignore_index=True)
