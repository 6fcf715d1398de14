"""Purchase lines, orders and goods: what the features are made of, shrunk before dates join."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from promolab.contract import Shop
from promolab.engines import is_embedded
from promolab.features.media import vector_columns
from promolab.features.point_in_time import KEYS, before, dated, fixed, keys_of, price_percentiles


def favourite_categories(shop: Shop, as_of: datetime) -> Any:
    """Return each customer's three largest categories by amount before a moment.

    Parameters
    ----------
    shop : Shop
        The shop.
    as_of : datetime
        UTC without a zone.

    Returns
    -------
    ibis Table or None
        customer_id, category, amount; None where the shop knows no categories or amounts.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> favourite_categories(shop, datetime(2017, 10, 30, 4)).columns
    ('customer_id', 'category', 'amount')
    """
    import ibis

    if shop.lacks("interests and price level") or not shop.has("events", "amount"):
        return None
    events = shop.events.filter((shop.events.ts < as_of) & (shop.events.kind == "purchase"))
    products = shop.products.select("product_id", "category").distinct(on="product_id")
    lines = events.join(products, "product_id")
    lines = lines.filter(lines.category.notnull())
    spent = lines.group_by("customer_id", "category").aggregate(amount=fixed(lines.amount).sum())
    rank = ibis.row_number().over(
        ibis.window(group_by="customer_id", order_by=[spent.amount.desc(), spent.category])
    )
    top = spent.mutate(rank=rank).filter(ibis._.rank < 3).drop("rank")
    return top.mutate(amount=top.amount.cast("float64")).order_by("customer_id", "category")


MOVING = ("purchase", "return", "cancel")


def order_lines(shop: Shop) -> Any:
    """Return purchases, returns and cancels as signed lines.

    Returns
    -------
    ibis Table
        customer_id, ts, order_id, single_ts (the time, where there is no order id), product_id,
        store_id, bought, usable, amount, discount, coupon_discount (fixed point; what comes back is
        negative), quantity (of usable lines, else 0), usable_amount and gross (of purchases).
    """
    return shop.once("order lines", ("events",), lambda: kept_if_few(_order_lines(shop), shop))


FEW = 2_000_000
"""Up to so many events, order lines are worked out once: each takes some 130 bytes."""


def kept_if_few(lines: Any, shop: Shop) -> Any:
    """Return a table made of events, computed once if they are few and the engine is our own."""
    if not is_embedded(shop.backend.name):
        return lines
    events = shop.once("events", ("events",), lambda: int(shop.events.count().execute()))
    return lines.cache() if events <= FEW else lines


def _order_lines(shop: Shop) -> Any:
    import ibis

    events = shop.events.filter(shop.events.kind.isin(MOVING))
    bought = events.kind == "purchase"

    def back(value: Any) -> Any:
        # Not times −1: the product of two fixed-point numbers is a wider one, which is slow.
        return ibis.ifelse(bought, value, -value)

    def column(name: str, default: Any) -> Any:
        return events[name] if name in events.columns else default

    def signed(name: str) -> Any:
        value = fixed(column(name, ibis.literal(0.0)).abs()).fill_null(0)
        return back(value).cast("decimal(18,4)")

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
        bought=bought,
        usable=usable,
        amount=signed("amount"),
        discount=signed("discount"),
        coupon_discount=signed("coupon_discount"),
        quantity=back(fixed(ibis.ifelse(usable, quantity, 0), 3)).cast("decimal(18,3)"),
    )
    return lines.mutate(
        usable_amount=ibis.ifelse(lines.usable, lines.amount, 0).cast("decimal(18,4)"),
        gross=ibis.ifelse(lines.bought, lines.amount, 0).cast("decimal(18,4)"),
    )


def mean_vectors(shop: Shop, as_of: Any) -> list[Any]:
    """Return the mean vectors of what each customer bought, and of their calls, before a moment.

    Parameters
    ----------
    shop : Shop
        Of `with_vectors`; of another there are none.
    as_of : datetime or ibis Table
        As `promolab.features.read_as_of` returns it.

    Returns
    -------
    list of ibis Table
        customer_id, as_of, and means, of those who bought or called. A product counts once.
    """
    import ibis

    found = []
    for name in ("products", "questions"):
        rows = shop.tables.get(name, shop.events)
        columns = [c for names in vector_columns(rows.columns).values() for c in names]
        if not columns:
            continue
        if name == "products":
            first = order_lines(shop).filter(ibis._.bought).group_by("customer_id", "product_id")
            rows = first.aggregate(ts=ibis._.ts.min()).join(rows, "product_id")
        rows = before(rows.select("customer_id", "ts", *columns), as_of)
        value = {c: fixed(rows[c], 6) for c in columns}  # sums of floats hang on their order
        means = {c: v.sum().cast("float64") / v.count().nullif(0) for c, v in value.items()}
        found.append(dated(rows.group_by(keys_of(as_of)).aggregate(**means), as_of))
    return found


def counted_contacts(shop: Shop) -> Any:
    """Return every contact, at its own time or its promotion's start, whichever is later.

    Features are taken at a promotion's start: a contact sent out ahead of it would otherwise tell
    those who were contacted from those who were not.

    Returns
    -------
    ibis Table
        customer_id, promotion_id, ts.
    """
    return shop.once("contacts", ("promotions", "exposures"), lambda: _counted_contacts(shop))


def _counted_contacts(shop: Shop) -> Any:
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


def order_movements(lines: Any) -> Any:
    """Return what happened to each order at each moment: the lines of one order and time summed."""
    return lines.group_by("customer_id", "order_id", "single_ts", "ts").aggregate(
        bought=lines.bought.any(), **{name: lines[name].sum() for name in _SUMS}
    )


_SUMS = ("amount", "gross", "discount", "coupon_discount", "quantity", "usable_amount")


def orders_before(shop: Shop, movements: Any, as_of: Any) -> Any:
    """Return a row per order as it stood at ``as_of``: later returns are not yet known.

    Parameters
    ----------
    shop : Shop
        Says where the clock stands, and when the evening begins.
    movements : ibis Table
        As `order_movements` returns them, or the lines themselves.
    as_of : datetime or ibis Table
        As `read_as_of` returns it.

    Returns
    -------
    ibis Table
        customer_id, as_of, ts (of its first purchase), kept (false for an order wholly returned or
        cancelled, or a return without its order), weekend, timed and timed_in_utc (not
        exactly midnight), evening, hour_sine, hour_cosine, and the sums of its movements.
    """
    m = before(movements, as_of)
    orders = m.group_by(*keys_of(as_of), "order_id", "single_ts").aggregate(
        ts=m.ts.min(where=m.bought), any_ts=m.ts.min(), **{name: m[name].sum() for name in _SUMS}
    )
    bought = orders.ts.notnull()
    returned = orders.gross > orders.amount
    # The clock is read once an order, not once a line: to ask for the time in a zone is slow.
    local = shop.local(orders.ts)
    angle = (local.hour().cast("float64") + local.minute().cast("float64") / 60) * (math.pi / 12)
    orders = orders.mutate(
        ts=orders.ts.fill_null(orders.any_ts),
        kept=bought & ~(returned & (orders.amount <= 0)),
        weekend=local.day_of_week.index() >= 5,
        # Midnight stands for a date alone, and so does midnight UTC where all of a customer's are:
        # that is how a date without a zone is read, unless shop.toml says otherwise.
        timed=local != local.truncate("D"),
        timed_in_utc=orders.ts != orders.ts.truncate("D"),
        evening=local.hour() >= shop.settings.evening_from,
        hour_sine=fixed(angle.sin(), 12),
        hour_cosine=fixed(angle.cos(), 12),
    )
    return dated(orders.drop("any_ts"), as_of)


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


def purchases(shop: Shop, lines: Any, as_of: Any) -> list[Any]:
    """Return what customers bought before a date, by parts that are joined on `KEYS`.

    Parameters
    ----------
    shop : Shop
    lines : ibis Table
        Its `order_lines`.
    as_of : datetime or ibis Table
        As `read_as_of` returns it.

    Returns
    -------
    list of ibis Table
        Each with `KEYS` and some of products, categories, stores, category_entropy, top_category,
        private_label_share and price_level.
    """
    prices, products = lines, goods(shop)
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
    prices = _prices(prices, products)
    return [*parts, price_percentiles(prices, as_of, lambda table: kept_if_few(table, shop))]


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
