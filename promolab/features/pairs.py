"""One row per customer and promotion: features as of its start, its goods too, and what came."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from promolab.contract import BOUGHT_FROM, Shop
from promolab.errors import InputError
from promolab.features.customers import POSITIVE_RESPONSES, build_features
from promolab.features.lines import counted_contacts, goods, mean_vectors, order_lines
from promolab.features.point_in_time import DAY, KEYS, how_many, joined, read_as_of, seconds_between

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


LABELS = ("redeemed", "purchased", "label_complete")
_COUNTS = (
    *("kind_contacts", "kind_responses", "type_contacts", "type_responses"),
    *("other_promotions_running", "other_promotions_answered"),
    *("promotion_amount", "promotion_amount_84d", "promotion_orders", "promotion_orders_84d"),
    *("promotion_products_bought", "promotion_coupon_orders"),
    *("promotion_lines_28d", "promotion_coupon_lines_84d", "promotion_category_amount_84d"),
)


def build_pairs(shop: Shop, as_of: Any, *, lead: timedelta = timedelta()) -> Any:
    """Describe every exposure to a promotion that started before a date, and its outcome.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        UTC if it has no zone.
    lead : timedelta
        How long before each promotion's start its features are taken.

    Returns
    -------
    ibis Table
        One row per customer and promotion contacted before ``as_of``: the customer's features as
        of the promotion's own start less ``lead`` (``as_of`` of the row; a customer without history
        by then has nulls), the pair's features, and the outcomes by ``as_of``: ``redeemed`` (of a
        recommendation: bought) and ``purchased`` (0 or 1; within the promotion's window),
        ``label_complete`` false where the window is not over at ``as_of``.

    Raises
    ------
    DataError
        If the shop lacks promotions, exposures or responses.
    InputError
        If ``as_of`` is no single moment, or ``lead`` is negative.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract import Shop
    >>> day = {n: pd.Timestamp(2017, 3, n) for n in range(1, 31)}
    >>> con = ibis.duckdb.connect()
    >>> rows = {
    ...     "events": {"customer_id": "A", "ts": day[1], "kind": "purchase"},
    ...     "promotions": {
    ...         "promotion_id": "P", "kind": "coupon", "starts_at": day[8], "ends_at": day[20]
    ...     },
    ...     "exposures": {"promotion_id": "P", "customer_id": "A", "ts": day[8]},
    ...     "responses": {"promotion_id": "P", "customer_id": "A", "ts": day[9], "kind": "redeem"},
    ... }
    >>> shop = Shop({n: con.create_table(n, pd.DataFrame([row])) for n, row in rows.items()})
    >>> pairs = build_pairs(shop, as_of=day[15])
    >>> pairs.select("orders", "contacts", "redeemed", "label_complete").execute().values.tolist()
    [[1, 0, 1, False]]
    """
    import ibis

    shop.require("response models")
    moment = read_as_of(as_of)
    if isinstance(moment, ibis.Table):
        raise InputError(
            "build_pairs takes one moment as as_of; each promotion brings its own start"
        )
    if lead < timedelta():
        raise InputError(f"lead = {lead}, must not be negative: a plan is made before the start")
    now = ibis.literal(moment).cast("timestamp")
    promotions = shop.promotions.filter(shop.promotions.starts_at < now)
    exposures = shop.exposures
    contacted = (
        exposures.filter(exposures.ts < now).select("customer_id", "promotion_id").distinct()
    )
    pairs = contacted.join(
        promotions.select("promotion_id", "starts_at", "ends_at"), "promotion_id"
    ).select("customer_id", "promotion_id", "starts_at", "ends_at")
    ahead = ibis.interval(seconds=int(lead.total_seconds()))
    pairs = pairs.mutate(as_of=pairs.starts_at - ahead if lead else pairs.starts_at).cache()
    described = _describe(shop, pairs)
    return _with_labels(shop, described, pairs, now).order_by(
        "starts_at", "promotion_id", "customer_id"
    )


def build_candidates(shop: Shop, as_of: Any, promotion_ids: Any) -> Any:
    """Describe every customer with history for promotions that are about to start.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        The moment of the decision.
    promotion_ids : list
        The promotions to score.

    Returns
    -------
    ibis Table
        As `build_pairs`, without outcomes: every customer of ``build_features(shop, as_of)`` ×
        promotion, contacted or not.

    Raises
    ------
    DataError
        If the shop lacks promotions, exposures or responses.
    """
    import ibis

    shop.require("response models")
    moment = read_as_of(as_of)
    now = ibis.literal(moment).cast("timestamp")
    first = shop.events.group_by("customer_id").aggregate(ts=shop.events.ts.min())
    customers = first.filter(first.ts < now).select("customer_id")
    promotions = shop.promotions.filter(shop.promotions.promotion_id.isin(list(promotion_ids)))
    pairs = customers.cross_join(promotions.select("promotion_id", "starts_at", "ends_at"))
    described = _describe(shop, pairs.mutate(as_of=now).cache(), moment)
    return described.order_by("starts_at", "promotion_id", "customer_id")


def _describe(shop: Shop, pairs: Any, moment: Any = None) -> Any:
    # One moment for all pairs is quicker than a table of them, and says the same.
    asked = moment or pairs.select(*KEYS)
    table = joined(pairs, build_features(shop, asked).cache(), list(KEYS))
    parts = [
        (promotion_terms(shop), ["promotion_id"]),
        (_kind_history(shop, pairs), list(PAIR_KEYS)),
        *((means, list(KEYS)) for means in mean_vectors(shop, read_as_of(asked))),
    ]
    if shop.lacks("past spend on a promotion's products") is None:
        parts.append((product_history(shop, pairs), list(PAIR_KEYS)))
        by_category = category_history(shop, pairs)
        parts += [] if by_category is None else [(by_category, list(PAIR_KEYS))]
    for part, keys in parts:
        table = joined(table, part.cache(), keys)
    table = table.mutate(**{c: table[c].fill_null(0) for c in _COUNTS if c in table.columns})
    if "promotion_products_bought" not in table.columns:
        return table
    bought = table.promotion_products_bought / table.promotion_products.nullif(0)
    return table.mutate(promotion_bought_share=bought)


def promotion_terms(shop: Shop) -> Any:
    """Describe the promotions themselves by what is known before they start.

    Returns
    -------
    ibis Table
        promotion_id, and those of promotion_kind, promotion_type, promotion_discount_rate,
        promotion_threshold, promotion_reduction, promotion_days and promotion_products that the
        shop states.
    """
    promotions = shop.promotions
    known = ("kind", "type", "discount_rate", "threshold", "reduction")
    columns = [c for c in known if c in promotions.columns]
    table = promotions.select(
        "promotion_id",
        *(promotions[c].name(f"promotion_{c}") for c in columns),
        promotion_days=seconds_between(promotions.starts_at, promotions.ends_at) / DAY,
    )
    if not shop.has("promotion_products"):
        return table
    products = shop.promotion_products
    sizes = products.group_by("promotion_id").aggregate(
        promotion_products=products.product_id.nunique()
    )
    return joined(table, sizes, ["promotion_id"])


def _kind_history(shop: Shop, pairs: Any) -> Any:
    """Count a customer's past contacts with, and responses to, promotions of this kind and type."""
    import ibis

    promotions = shop.promotions
    if "type" not in promotions.columns:
        promotions = promotions.mutate(type=promotions.kind)
    promotions = promotions.select("promotion_id", "kind", "type", "starts_at", "ends_at")
    positive = shop.responses.filter(shop.responses.kind.isin(POSITIVE_RESPONSES))
    answered = positive.group_by("customer_id", "promotion_id").aggregate(
        answered=positive.ts.min()
    )
    past = counted_contacts(shop)
    past = past.join(
        promotions.rename(past_kind="kind", past_type="type", past_end="ends_at"), "promotion_id"
    ).drop("starts_at")
    past = joined(past, answered, ["customer_id", "promotion_id"]).rename(
        past_promotion="promotion_id"
    )
    rows = pairs.select(*PAIR_KEYS).join(promotions.drop("starts_at", "ends_at"), "promotion_id")
    rows = rows.join(past, [rows.customer_id == past.customer_id, past.ts < rows.as_of])
    done = rows.answered < rows.as_of
    rows = rows.mutate(
        done=done.fill_null(False),
        same_kind=(rows.past_kind == rows.kind).fill_null(False),
        same_type=(rows.past_type == rows.type).fill_null(False),
        running=(rows.past_end > rows.as_of).fill_null(False)
        & (rows.past_promotion != rows.promotion_id),
    )
    flags = ("done", "same_kind", "same_type", "running")
    # A reminder is another contact, but no other promotion.
    past = rows.group_by(*PAIR_KEYS, "past_promotion").aggregate(
        contacts=rows.count(), **{name: rows[name].any() for name in flags}
    )

    return past.group_by(list(PAIR_KEYS)).aggregate(
        kind_contacts=ibis.ifelse(past.same_kind, past.contacts, 0).sum(),
        kind_responses=how_many(past.same_kind & past.done),
        type_contacts=ibis.ifelse(past.same_type, past.contacts, 0).sum(),
        type_responses=how_many(past.same_type & past.done),
        other_promotions_running=how_many(past.running),
        other_promotions_answered=how_many(past.running & past.done),
    )


def _with_labels(shop: Shop, described: Any, pairs: Any, now: Any) -> Any:
    import ibis

    responses = shop.responses
    keys = pairs.select("customer_id", "promotion_id", "starts_at", "ends_at")

    def happened(kinds: tuple[str, ...], name: str) -> Any:
        rows = responses.filter(responses.kind.isin(kinds) & (responses.ts < now))
        rows = rows.select("customer_id", "promotion_id", "ts").join(
            keys, ["customer_id", "promotion_id"]
        )
        rows = rows.filter((rows.ts >= rows.starts_at) & (rows.ts < rows.ends_at))
        return rows.select("customer_id", "promotion_id").distinct().mutate(**{name: 1})

    said = (responses.kind == "purchase") & (responses.ts < now)
    bought = responses.filter(said).count().execute()
    parts = [happened(("redeem",), "redeemed")]
    if bought or shop.lacks("past spend on a promotion's products") is not None:
        parts.append(happened(("purchase",), "purchased"))
    else:
        parts.append(_purchased(shop, keys, now))
    for part in parts:
        described = joined(described, part.cache(), ["customer_id", "promotion_id"])
    redeemed, bought = (
        described[name].fill_null(0).cast("int8") for name in ("redeemed", "purchased")
    )
    return described.mutate(
        redeemed=ibis.ifelse(described.promotion_kind.isin(list(BOUGHT_FROM)), bought, redeemed),
        purchased=bought,
        label_complete=described.ends_at <= now,
    )


def _purchased(shop: Shop, keys: Any, now: Any) -> Any:
    """Find who bought any of a promotion's products in its window, where no response says so."""
    windows = keys.select("promotion_id", "starts_at", "ends_at").distinct()
    offers = shop.promotion_products.select("promotion_id", "product_id").distinct()
    offers = offers.join(windows, "promotion_id")
    bought = shop.events.filter((shop.events.kind == "purchase") & (shop.events.ts < now))
    bought = bought.select("customer_id", "product_id", "ts").semi_join(keys, "customer_id")
    rows = bought.join(offers, "product_id")
    rows = rows.filter((rows.ts >= rows.starts_at) & (rows.ts < rows.ends_at))
    # Kept before contacts come in: contacts times products would be far more than the events.
    found = rows.select("customer_id", "promotion_id").distinct().cache()
    found = found.semi_join(keys, ["customer_id", "promotion_id"])
    return found.mutate(purchased=1)
