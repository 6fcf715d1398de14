"""Purchase lines and orders: what the features are made of, shrunk before any date is joined."""

from __future__ import annotations

import math
from typing import Any

from promolab.contract import Shop
from promolab.features.point_in_time import before, fixed

__all__ = ["counted_contacts", "order_lines", "order_movements", "orders_before"]

MOVING = ("purchase", "return", "cancel")


def order_lines(shop: Shop) -> Any:
    """Return purchases, returns and cancels as signed lines, joined with their product.

    Returns
    -------
    ibis Table
        customer_id, ts, order_id, single_ts (the time, where there is no order id), product_id,
        store_id, category, private, bought, amount, discount, coupon_discount (fixed point; what
        comes back is negative), quantity (of usable lines, else 0) and usable_amount.
    """
    import ibis

    events = shop.events.filter(shop.events.kind.isin(MOVING))
    if shop.has("products") and "product_id" in events.columns:
        products = shop.products
        private = (
            products.private_label.fill_null(False)
            if "private_label" in products.columns
            else ibis.literal(False)
        )
        # A product that stands twice must not double its sales.
        products = products.select("product_id", "category", private=private)
        products = products.group_by("product_id").aggregate(
            category=products.category.min(), private=products.private.any()
        )
        events = events.left_join(products, "product_id").drop("product_id_right")
    else:
        events = events.mutate(category=ibis.null("string"), private=ibis.null("boolean"))
    bought = events.kind == "purchase"
    sign = ibis.ifelse(bought, 1, -1)

    def column(name: str, default: Any) -> Any:
        return events[name] if name in events.columns else default

    def signed(name: str) -> Any:
        value = fixed(column(name, ibis.literal(0.0)).abs()).fill_null(0)
        return (value * sign).cast("decimal(18,4)")

    order_id = column("order_id", ibis.null("string"))
    quantity = column("quantity", ibis.literal(1)).fill_null(0).abs()
    usable = quantity > 0
    if "amount" in events.columns:
        usable &= fixed(events.amount).fill_null(0) != 0
    if "flags" in events.columns:
        flags = events.flags.fill_null("")
        usable &= ~(flags.contains("odd_unit") | flags.contains("zero_"))
    lines = events.select(
        "customer_id",
        "ts",
        order_id=order_id,
        single_ts=ibis.ifelse(order_id.isnull(), events.ts, ibis.null("timestamp")),
        product_id=column("product_id", ibis.null("string")),
        store_id=column("store_id", ibis.null("string")),
        category=events.category,
        private=events.private,
        bought=bought,
        usable=usable,
        amount=signed("amount"),
        discount=signed("discount"),
        coupon_discount=signed("coupon_discount"),
        quantity=(fixed(ibis.ifelse(usable, quantity, 0), 3) * sign).cast("decimal(18,3)"),
    )
    return lines.mutate(
        usable_amount=ibis.ifelse(lines.usable, lines.amount, 0).cast("decimal(18,4)")
    )


def counted_contacts(shop: Shop) -> Any:
    """Return every contact, at its own time or its promotion's start, whichever is later.

    Features are taken at a promotion's start: a contact sent out ahead of it would otherwise tell
    those who were contacted from those who were not.

    Returns
    -------
    ibis Table
        customer_id, promotion_id, ts.
    """
    import ibis

    promotions = shop.promotions
    starts = promotions.group_by("promotion_id").aggregate(starts_at=promotions.starts_at.min())
    exposures = shop.exposures
    joined = exposures.left_join(starts, "promotion_id")
    return joined.select(
        exposures.customer_id,
        exposures.promotion_id,
        ts=ibis.greatest(exposures.ts, joined.starts_at.fill_null(exposures.ts)),
    ).cache()


def order_movements(shop: Shop, lines: Any) -> Any:
    """Return what happened to each order at each moment: the lines of one order and time summed."""
    import ibis

    local = shop.local(lines.ts)
    angle = (local.hour().cast("float64") + local.minute().cast("float64") / 60) * (math.pi / 12)
    lines = lines.mutate(
        weekend=local.day_of_week.index() >= 5,
        evening=local.hour() >= shop.settings.evening_from,
        hour_sine=fixed(angle.sin(), 12),
        hour_cosine=fixed(angle.cos(), 12),
    )
    return lines.group_by("customer_id", "order_id", "single_ts", "ts").aggregate(
        bought=lines.bought.any(),
        amount=lines.amount.sum(),
        gross=ibis.ifelse(lines.bought, lines.amount, 0).sum(),
        discount=lines.discount.sum(),
        coupon_discount=lines.coupon_discount.sum(),
        quantity=lines.quantity.sum(),
        usable_amount=lines.usable_amount.sum(),
        # All lines of a moment share its clock.
        weekend=lines.weekend.any(),
        evening=lines.evening.any(),
        hour_sine=lines.hour_sine.max(),
        hour_cosine=lines.hour_cosine.max(),
    )


def orders_before(movements: Any, as_of: Any) -> Any:
    """Return a row per order as it stood at ``as_of``: later returns are not yet known.

    Returns
    -------
    ibis Table
        customer_id, as_of, ts (of its first purchase), kept (false for an order wholly returned or
        cancelled, or a return without its order), and the sums of its movements.
    """
    m = before(movements, as_of)
    first = m.bought
    orders = m.group_by("customer_id", "as_of", "order_id", "single_ts").aggregate(
        ts=m.ts.min(where=first).fill_null(m.ts.min()),
        bought=m.bought.any(),
        amount=m.amount.sum(),
        gross=m.gross.sum(),
        discount=m.discount.sum(),
        coupon_discount=m.coupon_discount.sum(),
        quantity=m.quantity.sum(),
        usable_amount=m.usable_amount.sum(),
        weekend=m.weekend.argmin(m.ts, where=first),
        evening=m.evening.argmin(m.ts, where=first),
        hour_sine=m.hour_sine.argmin(m.ts, where=first),
        hour_cosine=m.hour_cosine.argmin(m.ts, where=first),
    )
    returned = orders.gross > orders.amount
    return orders.mutate(kept=orders.bought & ~(returned & (orders.amount <= 0)))
