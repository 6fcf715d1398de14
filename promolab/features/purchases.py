"""What was bought: variety, categories and price level, from lines that know their product."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from promolab.contract import Shop
from promolab.features.point_in_time import (
    KEYS,
    before,
    dated,
    fixed,
    keys_of,
    price_percentiles,
)


def goods(shop: Shop) -> Any:
    """Return each product once, with its category's number in the order of the names.

    Lines are counted by whole numbers, which is quicker than by names.

    Returns
    -------
    ibis Table or None
        product_id, category, number, private; None where the shop knows no products.
    """
    if not shop.has("products") or not shop.has("events", "product_id"):
        return None
    return shop.once("goods", ("products",), lambda: _goods(shop))


def _goods(shop: Shop) -> Any:
    import ibis

    products = shop.products
    private = (
        products.private_label.fill_null(False)
        if "private_label" in products.columns
        else ibis.literal(False)
    )
    products = products.select("product_id", "category", private=private)
    products = products.filter(products.product_id.notnull())
    # A product that stands twice must not double its sales.
    once = products.group_by("product_id").aggregate(
        category=products.category.min(), private=products.private.any()
    )
    number = ibis.dense_rank().over(ibis.window(order_by=once.category))
    return once.mutate(number=ibis.ifelse(once.category.notnull(), number, None)).cache()


def purchases(lines: Any, products: Any, as_of: Any) -> list[Any]:
    """Return what customers bought before a date, by parts that are joined on `KEYS`.

    Parameters
    ----------
    lines : ibis Table
        As `order_lines` returns them.
    products : ibis Table or None
        As `goods` returns them.
    as_of : datetime or ibis Table
        As `read_as_of` returns it.

    Returns
    -------
    list of ibis Table
        Each with `KEYS` and some of products, categories, stores, category_entropy, top_category,
        private_label_share and price_level.
    """
    prices = lines
    if not isinstance(as_of, datetime):
        # The market is everybody's; all else concerns only those who are asked about.
        lines = lines.semi_join(as_of, "customer_id")
    known = lines.filter(lines.bought & lines.store_id.notnull())
    parts = [_number_seen(known, "store_id", as_of, "stores")]
    if products is None:
        known = lines.filter(lines.bought & lines.product_id.notnull())
        return [*parts, _number_seen(known, "product_id", as_of, "products")]
    if isinstance(as_of, datetime):
        parts += _by_category_at_once(lines, products, as_of)
    else:
        parts += _by_category(lines, products, as_of)
    return [*parts, price_percentiles(_prices(prices, products), as_of)]


def _number_seen(rows: Any, column: str, as_of: Any, name: str) -> Any:
    """Count what a customer had by a date, from the first time each was seen."""
    first = rows.group_by("customer_id", column).aggregate(ts=rows.ts.min())
    seen = before(first, as_of)
    counts = seen.group_by(keys_of(as_of)).aggregate(**{name: seen.count()})
    return dated(counts, as_of)


def _by_category_at_once(lines: Any, products: Any, as_of: datetime) -> list[Any]:
    """Sum by product first, so that a line is read once and only sums meet their category."""
    import ibis

    lines = before(lines, as_of)
    sums = lines.group_by("customer_id", "product_id").aggregate(
        bought=lines.bought.any(), amount=lines.amount.sum()
    )
    sums = sums.left_join(products, "product_id")
    spent = sums.group_by("customer_id", "number").aggregate(
        amount=sums.amount.sum(),
        private=ibis.ifelse(sums.private, sums.amount, 0).sum(),
        products=(sums.bought & sums.product_id.notnull()).cast("int64").sum(),
    )
    return [dated(_shares(spent, products, ["customer_id"]), as_of)]


def _by_category(lines: Any, products: Any, as_of: Any) -> list[Any]:
    """Sum by moment first: dates then meet what was bought at once, not each line."""
    import ibis

    first = lines.filter(lines.bought & lines.product_id.notnull())
    first = first.group_by("customer_id", "product_id").aggregate(ts=first.ts.min()).cache()
    known = first.join(products, "product_id")
    known = known.filter(known.number.notnull())
    lines = lines.join(products, "product_id")
    lines = lines.filter(lines.number.notnull())
    by_moment = lines.group_by("customer_id", "number", "private", "ts").aggregate(
        amount=lines.amount.sum()
    )
    spent = before(by_moment, as_of)
    spent = spent.group_by(*KEYS, "number").aggregate(
        amount=spent.amount.sum(), private=ibis.ifelse(spent.private, spent.amount, 0).sum()
    )
    return [
        _number_seen(first, "product_id", as_of, "products"),
        _number_seen(known, "number", as_of, "categories"),
        _shares(spent, products, list(KEYS)),
    ]


def _shares(spent: Any, products: Any, keys: list[str]) -> Any:
    """Describe how what was spent is spread over categories, from a row per key and category."""
    import ibis

    known = spent.number.notnull() & (spent.amount > 0)
    spent = spent.mutate(known=known, paid=ibis.ifelse(known, spent.amount, None))
    window = ibis.window(group_by=keys)
    spent = spent.mutate(whole=spent.paid.sum().over(window), most=spent.paid.max().over(window))
    share = spent.paid.cast("float64") / spent.whole.cast("float64")
    spent = spent.mutate(term=fixed(-share * share.ln(), 12))
    counts = {}
    if "products" in spent.columns:
        had = (spent.products > 0) & spent.number.notnull()
        counts = {"products": spent.products.sum(), "categories": had.cast("int64").sum()}
    total = spent.group_by(keys).aggregate(
        **counts,
        category_entropy=spent.term.sum().cast("float64"),
        # The largest amount; equal ones are told apart by name.
        number=spent.number.min(where=spent.known & (spent.paid == spent.most)),
        private=spent.private.sum(where=spent.known).cast("float64"),
        paid=spent.paid.sum().cast("float64"),
    )
    names = products.select("number", top_category="category").distinct()
    total = total.left_join(names, "number")
    return total.select(
        *keys,
        *counts,
        "category_entropy",
        "top_category",
        private_label_share=total.private / total.paid.nullif(0),
    )


def _prices(lines: Any, products: Any) -> Any:
    paid = lines.filter(lines.bought & lines.usable & (lines.amount > 0))
    paid = paid.join(products, "product_id")
    paid = paid.filter(paid.number.notnull())
    # Rounded first: 2.30 for two and 1.15 for one are the same price.
    price = (
        (paid.amount.cast("float64") * 1000).round().cast("float64") / paid.quantity.cast("float64")
    ).floor()
    return paid.select("customer_id", "ts", category=paid.number, price=price.cast("int64"))
