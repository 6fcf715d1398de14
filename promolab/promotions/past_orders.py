"""What customers ordered and answered, by themselves and in the windows of promotions.

What a customer orders in the window of a promotion that is theirs is in part the promotion's doing:
rate and values come from the orders outside, and how coupons and thresholds are taken up from the
orders inside.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from promolab.contract import BOUGHT_FROM, NONE, Shop, read_operations
from promolab.features import order_lines, read_as_of, with_rates

DAY = 86_400
"""Seconds."""
LOOK_BACK = 364
"""Days of history that count: what is older says little of what a customer orders now."""
RECENT = 56
"""Days that tell how much the shop as a whole sells now, against its past."""
MONEY = "decimal(18,4)"


def orders_until(shop: Shop, as_of: datetime) -> Any:
    """Return the orders of the `LOOK_BACK` days before a moment, at list price.

    Parameters
    ----------
    shop : Shop
        With purchases and amounts.
    as_of : datetime
        UTC without a zone; nothing at or after it is read.

    Returns
    -------
    ibis Table
        customer_id, ts, number (of the order), listed (money before anything was taken off),
        discount, coupon (whether one was used), lines, returned (money at list price), margin (of
        what was listed).
    """
    import ibis

    lines = order_lines(shop)
    since = ibis.literal(as_of).cast("timestamp") - ibis.interval(days=LOOK_BACK)
    lines = lines.filter((lines.ts < as_of) & (lines.ts >= since))
    lines = with_rates(
        shop, lines, float(read_operations(shop.settings).economics.margin_rate.value)
    )
    listed = (lines.amount + lines.discount).cast(MONEY)
    bought = lines.bought & lines.usable
    orders = lines.group_by("customer_id", "order_id", "single_ts").aggregate(
        ts=lines.ts.min(where=bought),
        listed=listed.sum(where=bought),
        discount=lines.discount.sum(where=bought),
        coupon=(lines.coupon_discount > 0).any(where=bought),
        lines=bought.cast("int64").sum(),
        returned=(-listed).sum(where=~lines.bought).fill_null(0),
        margin=(listed.cast("float64") * lines.rate).cast("decimal(18,6)").sum(where=bought),
    )
    orders = orders.filter(orders.ts.notnull() & (orders.listed > 0))
    keys = ["customer_id", "ts", "order_id"]
    number = ibis.row_number().over(ibis.window(order_by=keys))
    return orders.mutate(number=number, coupon=orders.coupon.fill_null(False)).cache()


def own_windows(shop: Shop, as_of: datetime) -> Any:
    """Return the windows of each customer's own promotions that began before a moment.

    Returns
    -------
    ibis Table or None
        customer_id, promotion_id, low, high (UTC, high at most ``as_of``), each once; by exposures,
        else by decisions; None where the shop has neither.
    """
    import ibis

    if not shop.has("promotions"):
        return None
    if shop.has("exposures"):
        rows = shop.exposures.select("customer_id", "promotion_id", "ts")
    elif shop.has("decisions"):
        made = shop.decisions.filter(shop.decisions.action != NONE)
        rows = made.select("customer_id", "ts", promotion_id=made.action)
    else:
        return None
    ids = shop.promotions.promotion_id.cast("string")
    spans = shop.promotions.group_by(promotion=ids).aggregate(
        low=shop.promotions.starts_at.min(),
        high=shop.promotions.ends_at.max(),
    )
    rows = rows.filter(rows.ts < as_of)
    found = rows.join(spans, rows.promotion_id.cast("string") == spans.promotion)
    found = found.filter(found.low < as_of)
    now = ibis.literal(as_of).cast("timestamp")
    return found.select(
        "customer_id",
        promotion_id="promotion",
        low="low",
        high=ibis.least(found.high, now),
    ).distinct()


def days_away(windows: Any, as_of: datetime, days: int) -> Any:
    """Return how many of the last days lie in a customer's own windows, overlaps counted once.

    Parameters
    ----------
    windows : ibis Table
        As `own_windows` returns it.
    as_of : datetime
        UTC without a zone.
    days : int
        How far back.

    Returns
    -------
    ibis Table
        customer_id, and days (a float).
    """
    import ibis

    some = _since(windows, as_of, days).distinct()
    order = [some.low, some.high]
    earlier = ibis.window(group_by="customer_id", order_by=order, preceding=(None, 1))
    covered = some.high.max().over(earlier)
    fresh = some.high - ibis.greatest(some.low, covered.fill_null(some.low))
    some = some.mutate(fresh=ibis.greatest(fresh, 0))
    return some.group_by("customer_id").aggregate(days=some.fresh.sum().cast("float64") / DAY)


def days_held(windows: Any, as_of: datetime, days: int) -> Any:
    """Return how many of the last days lie in own windows, overlaps counted as often as they are.

    As `days_away` takes them; a customer has one window of each promotion.
    """
    import ibis

    some = _since(windows, as_of, days)
    some = some.mutate(held=ibis.greatest(some.high - some.low, 0))
    return some.group_by("customer_id").aggregate(days=some.held.sum().cast("float64") / DAY)


def _since(windows: Any, as_of: datetime, days: int) -> Any:
    """Return customer_id, low and high, in seconds, of what lies in the last days of windows."""
    import ibis

    first = ibis.literal(as_of).cast("timestamp") - ibis.interval(days=days)
    some = windows.filter(windows.high > first)
    low = ibis.greatest(some.low, first).epoch_seconds()
    return some.select("customer_id", low=low, high=some.high.epoch_seconds())


def with_windows(shop: Shop, orders: Any, windows: Any) -> tuple[Any, Any]:
    """Tell which orders lie in windows of their customer's own promotions.

    Returns
    -------
    orders : ibis Table
        As `orders_until`, with inside and reduced: whether any window holds the order, and whether
        one of a full reduction does.
    within : ibis Table or None
        A row per order and window: customer_id, number, promotion_id, kind, least (the threshold
        in hundredths, 0 without one), listed and coupon.
    """
    import ibis

    if windows is None:
        return orders.mutate(inside=ibis.literal(False), reduced=ibis.literal(False)), None
    table = shop.promotions
    least = table.threshold if "threshold" in table.columns else ibis.null("float64")
    terms = table.select(
        promotion=table.promotion_id.cast("string"),
        kind="kind",
        least=(least.fill_null(0) * 100).round().cast("int64"),
    ).distinct(on="promotion")
    within = orders.join(
        windows,
        [
            orders.customer_id == windows.customer_id,
            orders.ts >= windows.low,
            orders.ts < windows.high,
        ],
    ).select(*[orders[c] for c in ("customer_id", "number", "listed", "coupon")], "promotion_id")
    within = within.join(terms, within.promotion_id == terms.promotion).drop("promotion").cache()
    told = within.group_by("number").aggregate(
        inside=ibis.literal(True), reduced=(within.kind == "full_reduction").any()
    )
    joined = orders.left_join(told, "number")
    flags = {name: joined[name].fill_null(False) for name in ("inside", "reduced")}
    return joined.select(*[orders[c] for c in orders.columns], **flags).cache(), within


def only_one(within: Any, kind: str) -> Any:
    """Return the orders that lie in the window of one promotion of a kind, not of several."""
    mine = within.filter(within.kind == kind)
    alone = mine.group_by("number").aggregate(live=mine.count()).filter(lambda t: t.live == 1)
    return mine.semi_join(alone, "number")


def spent_on(shop: Shop, as_of: datetime, promotions: list[str]) -> pd.DataFrame:
    """Return what each customer bought of promotions' products, a row where there is something.

    Parameters
    ----------
    shop : Shop
        With products of promotions.
    as_of : datetime
        UTC without a zone; nothing at or after it is read.
    promotions : list of str
        Their ids.

    Returns
    -------
    DataFrame
        promotion_id, customer_id, lines and listed (at list price).
    """
    import ibis

    offers = shop.promotion_products
    offers = offers.select(promotion_id=offers.promotion_id.cast("string"), product_id="product_id")
    offers = offers.filter(offers.promotion_id.isin(promotions)).distinct()
    lines = order_lines(shop)
    since = ibis.literal(as_of).cast("timestamp") - ibis.interval(days=LOOK_BACK)
    lines = lines.filter(lines.bought & lines.usable & (lines.ts < as_of) & (lines.ts >= since))
    lines = lines.semi_join(offers, "product_id")
    listed = (lines.amount + lines.discount).cast(MONEY)
    by_product = lines.group_by("customer_id", "product_id").aggregate(
        lines=lines.count(), listed=listed.sum()
    )
    found = by_product.join(offers, "product_id").group_by("promotion_id", "customer_id")
    found = found.aggregate(
        lines=lambda t: t.lines.sum(), listed=lambda t: t.listed.sum().cast("float64")
    )
    frame: pd.DataFrame = found.order_by("promotion_id", "customer_id").execute()
    return frame


def customers_seen(shop: Shop, as_of: datetime) -> Any:
    """Return everybody known before a moment, and for how many of the days that count.

    Returns
    -------
    ibis Table
        customer_id, days (of the `LOOK_BACK` ones; from the day on which the customer joined, where
        the shop says it, else from the first event), joined (whether it says).
    """
    import ibis

    now = ibis.literal(as_of).cast("timestamp")
    events = shop.events.filter(shop.events.ts < as_of)
    seen = events.group_by("customer_id").aggregate(first=events.ts.min())
    begin = ibis.literal(shop.span()[0]).cast("timestamp")
    if shop.has("customers", "since"):
        told = shop.customers.group_by("customer_id").aggregate(
            since=shop.customers.since.cast("timestamp").min()
        )
        told = told.filter(told.since < as_of)
        both = told.outer_join(seen, "customer_id")
        seen = both.select(
            customer_id=both.customer_id.fill_null(both.customer_id_right),
            first=ibis.greatest(both.since, begin).fill_null(both.first),
            joined=both.since.notnull(),
        )
    else:
        seen = seen.mutate(joined=ibis.literal(False))
    days = (now.epoch_seconds() - seen.first.epoch_seconds()).cast("float64") / DAY
    return seen.select("customer_id", "joined", days=ibis.least(days, float(LOOK_BACK)))


def moment_of(as_of: Any) -> datetime:
    """Return one moment for everybody, UTC without a zone."""
    from promolab.errors import InputError

    found = read_as_of(as_of)
    if not isinstance(found, datetime):
        raise InputError("as_of is a table; expected one moment for everybody")
    return found


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
