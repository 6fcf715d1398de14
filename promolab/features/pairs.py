"""One row per customer and promotion: features as of the promotion's start, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from promolab.contract import BOUGHT_FROM, Shop
from promolab.errors import InputError
from promolab.features.customers import POSITIVE_RESPONSES, build_features
from promolab.features.lines import counted_contacts
from promolab.features.point_in_time import (
    DAY,
    how_many,
    joined,
    read_as_of,
    seconds_between,
)
from promolab.features.promotion_goods import PAIR_KEYS, category_history, product_history

__all__ = ["LABELS", "PAIR_KEYS", "build_candidates", "build_pairs"]

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
    features = build_features(shop, moment or pairs.select("customer_id", "as_of"))
    table = joined(pairs, features.cache(), ["customer_id", "as_of"])
    parts = [(_promotion(shop), ["promotion_id"]), (_kind_history(shop, pairs), list(PAIR_KEYS))]
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


def _promotion(shop: Shop) -> Any:
    """Describe the promotions themselves by what is known before they start."""
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
