"""One row per customer and date: what was known about the customer just before it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from promolab.contract import Shop
from promolab.engines import keep
from promolab.errors import InputError
from promolab.features.lines import (
    counted_contacts,
    order_lines,
    order_movements,
    orders_before,
    purchases,
)
from promolab.features.point_in_time import (
    DAY,
    KEYS,
    before,
    dated,
    how_many,
    joined,
    keys_of,
    read_as_of,
    seconds_between,
)

if TYPE_CHECKING:
    import pandas as pd


RESPONSE_FEATURES = (
    *("answers", "coupon_order_share", "discount_share", "evening_share", "largest_order"),
    *("price_level", "private_label_share", "promotion_category_amount_84d"),
    *("promotion_coupon_lines_84d", "promotion_lines_28d", "recency_days"),
)
"""Few features that rank better than all of them while responses count in hundreds.

Chosen on the Complete Journey's promotions over before 2017-10-01. Totals since the beginning, such
as orders or amount, are not among them: they grow all year, so what a model learns of them in
spring does not hold in autumn.
"""
_TERMS = ("kind", "discount_rate", "threshold", "reduction")


def response_features(pairs: pd.DataFrame) -> list[str] | None:
    """Return the features for a model of response, or None: use them all.

    Parameters
    ----------
    pairs : DataFrame
        As `build_pairs` returns them.

    Returns
    -------
    list of str or None
        `RESPONSE_FEATURES`, and of the promotions' kind and terms those that differ between the
        pairs; None where the pairs lack one of the former, for then nothing says that the others
        suffice.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({name: [0.0, 1.0] for name in RESPONSE_FEATURES})
    >>> pairs["promotion_kind"] = ["coupon", "full_reduction"]
    >>> response_features(pairs)[-1]
    'promotion_kind'
    >>> response_features(pairs.drop(columns="price_level")) is None
    True
    """
    if not set(RESPONSE_FEATURES) <= set(pairs.columns):
        return None
    terms = [f"promotion_{name}" for name in _TERMS if f"promotion_{name}" in pairs.columns]
    return [*RESPONSE_FEATURES, *(c for c in terms if len(pairs[c].drop_duplicates()) > 1)]


POSITIVE_RESPONSES = ("click", "claim", "redeem", "purchase", "share")
"""Kinds of response that count as one; a delivery or a complaint does not."""
PRIOR_CONTACTS = 2
"""How many contacts at the shop's own rate a customer's response rate starts from."""

ZERO = {
    *("orders", "amount", "discount", "items", "products", "categories", "stores"),
    *("orders_28d", "amount_28d", "orders_84d", "amount_84d", "coupon_orders"),
    *("contacts", "contacts_28d", "responses", "answers"),
    *("views_28d", "clicks_28d", "carts_28d"),
}
"""Features that are 0 where nothing is known; the others are null there."""

ORDER = (
    *("recency_days", "orders", "amount", "discount", "discount_share", "items", "products"),
    *("categories", "stores", "tenure_days", "days_between_orders"),
    *("orders_28d", "amount_28d", "orders_84d", "amount_84d", "amount_trend"),
    *("average_order_amount", "largest_order", "average_item_price", "price_level"),
    *("private_label_share",),
    *("category_entropy", "top_category", "weekend_share", "evening_share", "hour_of_day"),
    *("coupon_orders", "coupon_order_share"),
    *("contacts", "contacts_28d", "responses", "answers", "response_rate"),
    *("days_since_response",),
    *("views_28d", "clicks_28d", "carts_28d", "view_to_purchase_rate"),
)
"""Every feature, in the order of the columns."""


def build_features(shop: Shop, as_of: Any) -> Any:
    """Describe each customer by what was known just before a date.

    Parameters
    ----------
    shop : Shop
        Cleaned or not; flags set by `promolab.clean` are heeded.
    as_of : datetime or ibis Table
        One moment for everybody (UTC if it has no zone), or a table (customer_id, as_of).

    Returns
    -------
    ibis Table
        One row per customer and ``as_of`` with at least one event before it. Columns, units and
        meanings stand in `promolab.glossary`. Nothing at or after ``as_of`` is read. Counts and
        sums over nothing are 0, means and shares of nothing are null.

    Raises
    ------
    InputError
        If ``as_of`` is neither a datetime nor such a table, or a datetime before every event or a
        year after all of them.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract import Shop
    >>> days = pd.to_datetime(["2017-03-01", "2017-03-05", "2017-03-09"])
    >>> events = pd.DataFrame({"customer_id": ["A", "A", "B"], "ts": days, "kind": "purchase"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> features = build_features(shop, as_of=pd.Timestamp("2017-03-08"))
    >>> features.select("customer_id", "orders", "recency_days").execute().values.tolist()
    [['A', 2, 3.0]]
    """
    as_of = read_as_of(as_of)
    if not isinstance(as_of, datetime):
        # Joined many times below: worked out once, not each time.
        as_of = keep(shop.backend, as_of, "as_of")
    lines = order_lines(shop)
    table = _presence(shop, as_of).cache()
    one = isinstance(as_of, datetime)
    if one:
        _check_span(shop, as_of, known=bool(table.count().execute()))
    movements = lines if one else order_movements(lines)
    parts = [
        _orders(orders_before(shop, movements, as_of), as_of),
        *purchases(shop, lines, as_of),
    ]
    if shop.lacks("response models") is None:
        parts.append(_responses(shop, as_of, table.select(*KEYS)))
    browsing = _browsing(shop, as_of)
    if browsing is not None:
        parts.append(browsing)
    # One after the other, each small result kept: all in one query would hold every hash table of
    # every part in memory at once.
    for part in (part.cache() for part in parts):
        table = joined(table, part, list(KEYS))
    return _finish(table, shop)


def _check_span(shop: Shop, as_of: datetime, *, known: bool) -> None:
    """Refuse a moment by which nobody is known, or a year after everything."""
    first, last = shop.span()
    if not known or as_of > last + timedelta(days=366):
        raise InputError(
            f"as_of {as_of:%Y-%m-%d} lies outside the data of {shop.settings.name}, which reach "
            f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        )


def _presence(shop: Shop, as_of: Any) -> Any:
    events = shop.events
    first = events.group_by("customer_id").aggregate(ts=events.ts.min())
    seen = before(first, as_of)
    return seen.select(*KEYS, tenure_days=seconds_between(seen.ts, seen.as_of) / DAY)


def _orders(orders: Any, as_of: Any) -> Any:
    import ibis

    kept, timed = orders.kept, orders.kept & orders.timed
    age = seconds_between(orders.ts, orders.as_of)
    orders = orders.mutate(age=age)
    first, last = orders.age.max(where=kept), orders.age.min(where=kept)

    recent = {days: orders.age <= days * DAY for days in (28, 84)}
    keys = keys_of(as_of)
    sums = orders.group_by(keys).aggregate(
        recency=last,
        history=first - last,
        orders=how_many(kept),
        amount=orders.amount.sum(),
        discount=orders.discount.sum(),
        items=orders.quantity.sum(),
        usable_amount=orders.usable_amount.sum(),
        largest=ibis.ifelse(kept, orders.amount, None).max(),
        coupon_orders=how_many(kept & (orders.coupon_discount > 0)),
        weekend_orders=how_many(kept & orders.weekend),
        timed_orders=how_many(timed),
        timed_in_utc=how_many(kept & orders.timed_in_utc),
        evening_orders=how_many(timed & orders.evening),
        sine=ibis.ifelse(timed, orders.hour_sine, 0).sum(),
        cosine=ibis.ifelse(timed, orders.hour_cosine, 0).sum(),
        **{f"orders_{d}d": how_many(kept & inside) for d, inside in recent.items()},
        **{
            f"amount_{d}d": ibis.ifelse(inside, orders.amount, 0).sum()
            for d, inside in recent.items()
        },
    )
    n = sums.orders.nullif(0)
    number = {c: sums[c].cast("float64") for c in ("amount", "discount", "items", "usable_amount")}
    paid = number["amount"] + number["discount"]
    sine, cosine = sums.sine.cast("float64"), sums.cosine.cast("float64")
    hour = sine.atan2(cosine) * (12 / math.pi)
    timed_orders = ibis.ifelse(sums.timed_in_utc > 0, sums.timed_orders, 0).nullif(0)
    unclear = timed_orders.isnull() | (sine.abs() + cosine.abs() < 1e-6)
    table = sums.select(
        *keys,
        "orders",
        "coupon_orders",
        *(f"orders_{d}d" for d in recent),
        recency_days=sums.recency / DAY,
        amount=number["amount"],
        discount=number["discount"],
        discount_share=number["discount"] / ibis.ifelse(paid > 0, paid, None),
        items=number["items"],
        days_between_orders=sums.history / DAY / (sums.orders - 1).nullif(0),
        average_order_amount=number["amount"] / n,
        largest_order=sums.largest.cast("float64"),
        average_item_price=number["usable_amount"]
        / ibis.ifelse(number["items"] > 0, number["items"], None),
        weekend_share=sums.weekend_orders / n,
        evening_share=sums.evening_orders / timed_orders,
        # Hours that cancel out, such as 6 and 18, have no mean.
        hour_of_day=ibis.ifelse(unclear, None, ibis.ifelse(hour < 0, hour + 24, hour)),
        coupon_order_share=sums.coupon_orders / n,
        **{f"amount_{d}d": sums[f"amount_{d}d"].cast("float64") for d in recent},
    )
    return dated(table, as_of)


def _responses(shop: Shop, as_of: Any, customers: Any) -> Any:
    import ibis

    exposures = counted_contacts(shop)
    positive = shop.responses.filter(shop.responses.kind.isin(POSITIVE_RESPONSES))
    first = positive.group_by("customer_id", "promotion_id").aggregate(
        ts=positive.ts.min(), last=positive.ts.max()
    )
    contacts = before(exposures, as_of)
    recent = seconds_between(contacts.ts, contacts.as_of) <= 28 * DAY
    contacts = contacts.group_by(list(KEYS)).aggregate(
        contacts=contacts.count(), contacts_28d=how_many(recent)
    )
    answers = before(first.select("customer_id", "promotion_id", "ts"), as_of)
    answers = answers.group_by(list(KEYS)).aggregate(responses=answers.count())
    latest = before(positive.select("customer_id", "ts"), as_of)
    latest = latest.group_by(list(KEYS)).aggregate(
        answers=latest.count(),
        days_since_response=seconds_between(latest.ts.max(), latest.as_of.max()) / DAY,
    )
    table = customers
    for part in (contacts, answers, latest):
        table = joined(table, part, list(KEYS))
    rate = _shop_rate(exposures, first, as_of)
    # Someone never contacted starts, like everybody, from the shop's own rate.
    table = table.left_join(rate, "as_of").drop("as_of_right")
    made, answered = table.contacts.fill_null(0), table.responses.fill_null(0)
    drawn = (answered + PRIOR_CONTACTS * table.shop_rate) / (made + PRIOR_CONTACTS)
    # The least of 1 and of nothing is 1: before its first contact a shop has no rate.
    capped = ibis.ifelse(drawn.isnull(), ibis.null("float64"), ibis.least(drawn, 1.0))
    return table.mutate(response_rate=capped).drop("shop_rate")


def _shop_rate(exposures: Any, first: Any, as_of: Any) -> Any:
    """Return the share of all contacts before each date that were answered before it."""
    import ibis

    if isinstance(as_of, datetime):
        dates = before(exposures, as_of).select("as_of").distinct()
    else:
        dates = as_of.select("as_of").distinct()
    made = exposures.join(dates, exposures.ts < dates.as_of)
    made = made.group_by("as_of").aggregate(made=made.count())
    answered = first.join(dates, first.ts < dates.as_of)
    answered = answered.group_by("as_of").aggregate(answered=answered.count())
    both = made.left_join(answered, "as_of")
    return both.select("as_of", shop_rate=ibis.least(both.answered.fill_null(0) / both.made, 1.0))


def _browsing(shop: Shop, as_of: Any) -> Any:
    events = shop.events
    kinds = {"view": "views", "click": "clicks", "cart": "carts"}
    # Known by then: a kind that is first recorded later must not add a column.
    moment = as_of if isinstance(as_of, datetime) else _unzoned(as_of.as_of.max().execute())
    begun = shop.once("kinds of events", ("events",), lambda: _begun(events, list(kinds)))
    there = {kind: name for kind, name in kinds.items() if kind in begun and begun[kind] < moment}
    if not there:
        return None
    table = before(events.select("customer_id", "ts", "kind"), as_of)
    recent = seconds_between(table.ts, table.as_of) <= 28 * DAY

    sums = table.group_by(list(KEYS)).aggregate(
        views=how_many(table.kind == "view"),
        purchases=how_many(table.kind == "purchase"),
        **{f"{name}_28d": how_many((table.kind == kind) & recent) for kind, name in there.items()},
    )
    if "view" not in there:
        return sums.drop("views", "purchases")
    return sums.mutate(view_to_purchase_rate=sums.purchases / sums.views.nullif(0)).drop(
        "views", "purchases"
    )


def _begun(events: Any, kinds: list[str]) -> dict[str, Any]:
    """Return when each of some kinds of events was first recorded."""
    known = events.filter(events.kind.isin(kinds))
    first = known.group_by("kind").aggregate(ts=known.ts.min()).execute()
    return dict(zip(first["kind"], map(_unzoned, first["ts"]), strict=True))


def _unzoned(moment: Any) -> Any:
    """Return a moment as UTC without a zone: some engines hand times out with the session's."""
    return moment.tz_convert(None) if moment.tzinfo else moment


def _finish(table: Any, shop: Shop) -> Any:
    import ibis

    table = table.mutate(**{c: table[c].fill_null(0) for c in table.columns if c in ZERO})
    month = table.amount_84d / 3
    table = table.mutate(amount_trend=table.amount_28d / ibis.ifelse(month > 0, month, None) - 1)
    gone = [
        name
        for column, names in {
            "discount": ("discount", "discount_share"),
            "coupon_discount": ("coupon_orders", "coupon_order_share"),
            "store_id": ("stores",),
            "product_id": ("products",),
        }.items()
        if not shop.has("events", column)
        for name in names
    ]
    if not shop.has("products"):
        gone += ["categories", "category_entropy", "top_category", "price_level"]
    if not shop.has("products", "private_label"):
        gone.append("private_label_share")
    there = [c for c in table.columns if c not in KEYS and c not in gone]
    ordered = [*KEYS, *sorted(there, key=ORDER.index)]
    return table.select(*ordered).order_by(list(KEYS))
