"""What a customer bought of a promotion's own products before it starts."""

from __future__ import annotations

from typing import Any

from promolab.contract import Shop
from promolab.features.lines import order_lines
from promolab.features.point_in_time import DAY, KEYS, how_many, joined, seconds_between
from promolab.features.purchases import goods

__all__ = ["PAIR_KEYS", "category_history", "product_history"]

PAIR_KEYS = ("customer_id", "promotion_id", "as_of")


def product_history(shop: Shop, pairs: Any) -> Any:
    """Sum what a customer bought of a promotion's products before; a product counts once.

    Parameters
    ----------
    shop : Shop
        With promotion_products and product ids of events.
    pairs : ibis Table
        customer_id, promotion_id and as_of.

    Returns
    -------
    ibis Table
        `PAIR_KEYS` and the columns ``promotion_…`` on past purchases; a pair without any is absent.
    """
    rows = _bought(shop, pairs.select(*PAIR_KEYS)).cache()
    # Counted in two steps each, which can go to disk; a count of distinct values cannot.
    counts = rows.group_by(*PAIR_KEYS, "product_id").aggregate(
        lines_28d=how_many(rows.age <= 28 * DAY),
        coupon_lines_84d=how_many(rows.coupon & (rows.age <= 84 * DAY)),
    )
    counts = counts.group_by(list(PAIR_KEYS)).aggregate(
        promotion_products_bought=counts.count(),
        promotion_lines_28d=counts.lines_28d.sum(),
        promotion_coupon_lines_84d=counts.coupon_lines_84d.sum(),
    )
    both = joined(_sums(rows), counts, list(PAIR_KEYS))
    return both.relocate("promotion_products_bought", before="promotion_coupon_orders")


def category_history(shop: Shop, pairs: Any) -> Any:
    """Sum what a customer spent in the categories of a promotion's products lately.

    Parameters
    ----------
    shop : Shop
        As in `product_history`.
    pairs : ibis Table
        customer_id, promotion_id and as_of.

    Returns
    -------
    ibis Table or None
        `PAIR_KEYS` and ``promotion_category_amount_84d``; a pair without any is absent. None where
        the shop knows no categories.
    """
    products = goods(shop)
    if products is None:
        return None
    wanted = pairs.select(*PAIR_KEYS)
    products = products.filter(products.number.notnull()).select("product_id", "number")
    offers = shop.promotion_products.semi_join(wanted, "promotion_id")
    offers = offers.join(products, "product_id").select("promotion_id", "number").distinct()
    lines = order_lines(shop)
    lines = lines.filter(lines.bought).semi_join(wanted, "customer_id")
    lines = lines.join(products, "product_id").select("customer_id", "number", "ts", "amount")
    # By customer and moment first: promotions then meet a row per category, not each line.
    asked = wanted.select(*KEYS).distinct()
    lines = lines.join(asked, ["customer_id"])
    age = seconds_between(lines.ts, lines.as_of)
    lines = lines.filter((lines.ts < lines.as_of) & (age <= 84 * DAY))
    spent = lines.group_by(*KEYS, "number").aggregate(amount=lines.amount.sum()).cache()
    rows = wanted.join(offers, "promotion_id").join(spent, [*KEYS, "number"])
    return rows.group_by(list(PAIR_KEYS)).aggregate(
        promotion_category_amount_84d=rows.amount.sum().cast("float64")
    )


def _bought(shop: Shop, wanted: Any) -> Any:
    """Return a row per pair, product of the promotion and moment at which it was bought before."""
    lines = order_lines(shop)
    lines = lines.filter(lines.bought)
    offers = shop.promotion_products.select("promotion_id", "product_id").distinct()
    offers = offers.semi_join(wanted, "promotion_id")
    lines = lines.semi_join(wanted, "customer_id").semi_join(offers, "product_id")
    bought = lines.group_by("customer_id", "product_id", "ts").aggregate(
        amount=lines.amount.sum(), coupon=(lines.coupon_discount > 0).any()
    )
    rows = bought.join(offers, "product_id").select(
        "customer_id", "promotion_id", "product_id", "ts", "amount", "coupon"
    )
    rows = rows.join(wanted, ["customer_id", "promotion_id"])
    rows = rows.filter(rows.ts < rows.as_of)
    return rows.select(
        *PAIR_KEYS, "product_id", "ts", "amount", "coupon", age=seconds_between(rows.ts, rows.as_of)
    )


def _sums(rows: Any) -> Any:
    """Sum by moment: several of the products bought at once are one purchase."""
    import ibis

    moments = rows.group_by(*PAIR_KEYS, "ts", "age").aggregate(
        amount=rows.amount.sum(), coupon=rows.coupon.any()
    )
    recent = moments.age <= 84 * DAY
    return moments.group_by(list(PAIR_KEYS)).aggregate(
        promotion_amount=moments.amount.sum().cast("float64"),
        promotion_amount_84d=ibis.ifelse(recent, moments.amount, 0).sum().cast("float64"),
        promotion_orders=moments.count(),
        promotion_orders_84d=how_many(recent),
        promotion_coupon_orders=how_many(moments.coupon),
    )
