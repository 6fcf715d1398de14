"""What happened before a moment, as the rows that live features begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.features import POSITIVE_RESPONSES, counted_contacts, goods, order_lines
from promolab.serve.fresh import formulas
from promolab.serve.fresh.formulas import BROWSED, MONEY, UNITS
from promolab.serve.fresh.keyed_rows import NEVER, KeyedRows

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from promolab.contract import Shop

Products = dict[Any, tuple[int | None, bool]]
Arrays = dict[str, np.ndarray]
FIRST_SEEN = {"ts": "first"}
KEPT: Mapping[str, tuple[dict[str, str], list[str]]] = {
    "customers": (formulas.CUSTOMER_ROWS, []),
    "orders": (formulas.ORDER_ROWS, ["order_id", "single_ts"]),
    "product_id": (FIRST_SEEN, ["product_id"]),
    "store_id": (FIRST_SEEN, ["store_id"]),
    "categories": (formulas.CATEGORY_ROWS, ["number"]),
    "browsing": (formulas.BROWSING_ROWS, ["kind", "ts"]),
    "contacts": (formulas.CONTACT_ROWS, ["promotion", "ts"]),
    "answers": (formulas.ANSWER_ROWS, ["promotion"]),
    "answering": (formulas.ANSWERING_ROWS, []),
}
"""Table → its columns and how they are merged, and its keys."""


@dataclass(frozen=True)
class Loaded:
    """What live features begin with.

    Parameters
    ----------
    customers : list
        Everybody who did something, or was contacted.
    tables : dict of str to KeyedRows
    kinds : set of str
        Of view, click and cart: those that the shop has recorded.
    starts : dict
        Promotion → when it starts, in microseconds.
    promotions : dict
        Promotion → its number.
    made, answered : list of int
        When contacts, and first answers to promotions, were made; in order.
    """

    customers: list[Any]
    tables: dict[str, KeyedRows]
    kinds: set[str]
    starts: dict[Any, int]
    promotions: dict[Any, int]
    made: list[int]
    answered: list[int]


def products_of(shop: Shop) -> tuple[Products | None, list[str | None]]:
    """Return each product's category by number, and whether it is the shop's own; and the names."""
    table = goods(shop)
    if table is None:
        return None, []
    rows = table.order_by("product_id").to_pyarrow()
    numbers = rows["number"].to_pylist()
    named: list[str | None] = [None] * (max((n for n in numbers if n is not None), default=-1) + 1)
    for number, category in zip(numbers, rows["category"].to_pylist(), strict=True):
        if number is not None:
            named[number] = category
    marks = zip(numbers, (bool(own) for own in rows["private"].to_pylist()), strict=True)
    return dict(zip(rows["product_id"].to_pylist(), marks, strict=True)), named


def load_tables(shop: Shop, as_of: datetime) -> Loaded:
    """Read what happened before a moment."""
    import ibis
    import pandas as pd

    moment = ibis.literal(as_of).cast("timestamp")
    frames = _of_events(shop, moment) | _of_lines(shop, moment)
    starts: dict[Any, int] = {}
    promotions: dict[Any, int] = {}
    if shop.lacks("response models") is None:
        starts = starts_of(shop)
        frames |= _of_contacts(shop, moment) | _of_answers(shop, moment)
        told = [*starts, *frames["contacts"]["promotion_id"], *frames["answers"]["promotion_id"]]
        promotions = {name: number for number, name in enumerate(dict.fromkeys(told))}
        for name in ("contacts", "answers"):
            numbers = [promotions[promotion] for promotion in frames[name]["promotion_id"].tolist()]
            frames[name]["promotion"] = np.array(numbers, dtype=np.int64)
    ids = pd.concat([pd.Series(frame["customer_id"]) for frame in frames.values()])
    customers = pd.Index(ids.drop_duplicates().sort_values())
    tables = {}
    for name, (columns, keys) in KEPT.items():
        frame = frames.get(name)
        if frame is not None:
            frame["customer"] = customers.get_indexer(pd.Index(frame["customer_id"]))
        tables[name] = KeyedRows(columns, keys, frame)
    none = np.zeros(0, dtype=np.int64)
    contacts = frames.get("contacts", {"ts": none, "n": none})
    return Loaded(
        customers.tolist(),
        tables,
        {name for place, name in enumerate(BROWSED) if place in set(frames["browsing"]["kind"])},
        starts,
        promotions,
        np.sort(np.repeat(contacts["ts"], contacts["n"])).tolist(),
        np.sort(frames["answers"]["ts"]).tolist() if "answers" in frames else [],
    )


def starts_of(shop: Shop) -> dict[Any, int]:
    """Return when each promotion starts, in microseconds since 1970."""
    promotions = shop.promotions
    rows = arrays_of(promotions.group_by("promotion_id").aggregate(ts=promotions.starts_at.min()))
    return dict(zip(rows["promotion_id"].tolist(), rows["ts"].tolist(), strict=True))


def _of_events(shop: Shop, moment: Any) -> dict[str, Arrays]:
    import ibis

    events = shop.events.filter(shop.events.ts < moment)
    whole = events.group_by("customer_id").aggregate(
        first=events.ts.min(),
        views=(events.kind == "view").sum(),
        purchases=(events.kind == "purchase").sum(),
    )
    looks = events.filter(events.kind.isin(list(BROWSED)))
    places = [(looks.kind == name, place) for place, name in enumerate(BROWSED)]
    looks = looks.mutate(place=ibis.cases(*places, else_=-1))
    looks = looks.group_by("customer_id", "place", "ts").aggregate(n=looks.count())
    return {
        "customers": arrays_of(whole),
        "browsing": arrays_of(looks.rename(kind="place")),
    }


def _of_lines(shop: Shop, moment: Any) -> dict[str, Arrays]:
    import ibis

    lines = order_lines(shop)
    lines = lines.filter(lines.ts < moment)
    orders = lines.group_by("customer_id", "order_id", "single_ts").aggregate(
        bought=lines.ts.min(where=lines.bought),
        any=lines.ts.min(),
        amount=whole_sum(lines.amount, MONEY),
        gross=whole_sum(lines.gross, MONEY),
        discount=whole_sum(lines.discount, MONEY),
        coupon=whole_sum(lines.coupon_discount, MONEY),
        quantity=whole_sum(lines.quantity, UNITS),
        usable=whole_sum(lines.usable_amount, MONEY),
    )
    found = {"orders": arrays_of(orders)}
    for name in ("product_id", "store_id"):
        seen = lines.filter(lines.bought & lines[name].notnull())
        found[name] = arrays_of(seen.group_by("customer_id", name).aggregate(ts=seen.ts.min()))
    products = goods(shop)
    if products is not None:
        known = lines.join(products, "product_id")
        known = known.filter(known.number.notnull())
        own = ibis.ifelse(known.private, known.amount, 0)
        spent = known.group_by("customer_id", "number").aggregate(
            amount=whole_sum(known.amount, MONEY),
            private=whole_sum(own, MONEY),
            had=known.bought.cast("int64").max(),
        )
        found["categories"] = arrays_of(spent)
    return found


def _of_contacts(shop: Shop, moment: Any) -> dict[str, Arrays]:
    """Return the contacts made before, which count when their promotion starts."""
    before = shop.exposures.filter(shop.exposures.ts < moment)
    contacts = counted_contacts(shop.with_tables({**shop.tables, "exposures": before}))
    made = contacts.group_by("customer_id", "promotion_id", "ts").aggregate(n=contacts.count())
    return {"contacts": arrays_of(made)}


def _of_answers(shop: Shop, moment: Any) -> dict[str, Arrays]:
    rows = shop.responses.filter(
        (shop.responses.ts < moment) & shop.responses.kind.isin(POSITIVE_RESPONSES)
    )
    first = rows.group_by("customer_id", "promotion_id").aggregate(ts=rows.ts.min())
    latest = rows.group_by("customer_id").aggregate(answers=rows.count(), last=rows.ts.max())
    return {"answers": arrays_of(first), "answering": arrays_of(latest)}


def whole_sum(value: Any, scale: int) -> Any:
    """Return the sum of fixed-point numbers as a whole number of their parts."""
    return (value.sum().cast("float64") * scale).round().cast("int64")


def arrays_of(table: Any) -> Arrays:
    """Return the columns of a table, times as microseconds; one that is missing is `NEVER`."""
    found = table.to_pyarrow()
    return {name: _array(found[name]) for name in found.column_names}


def _array(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        times = column.cast(pa.timestamp("us")).cast(pa.int64())
        return np.asarray(pc.fill_null(times, NEVER).to_numpy())
    if column.null_count or not pa.types.is_integer(column.type):
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.to_numpy())
