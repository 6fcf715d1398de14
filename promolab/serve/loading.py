"""What is kept of each customer: rows by key, begun with what happened before a moment."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.features import POSITIVE_RESPONSES, counted_contacts, goods, order_lines
from promolab.serve import formulas
from promolab.serve.events import NEVER
from promolab.serve.formulas import BROWSED, MONEY, UNITS

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from promolab.contract import Shop

_MERGED: Mapping[str, Callable[[int, int], int]] = {
    "sum": operator.add,
    "first": min,
    "last": max,
}


class KeyedRows:
    """Rows keyed by customer and key; a row of a key that is there is merged with it.

    Sums, firsts and lasts do not depend on the order in which rows come. What was there at the
    beginning lies in flat arrays; only a customer of whom something new came has rows of its own.

    Parameters
    ----------
    columns : mapping of str to {"sum", "first", "last"}
        Column → how two rows of one key are merged.
    keys : sequence of str
        Columns that are the key, in `base`.
    base : mapping of str to ndarray, optional
        customer (0, 1, …), the keys, and the columns: the rows at the beginning, each key of a
        customer once.

    Examples
    --------
    >>> kept = KeyedRows({"n": "sum", "since": "first"}, ["store"])
    >>> for store, since in (("S1", 7), ("S2", 9), ("S1", 5)):
    ...     kept.add(0, (store,), [1, since])
    >>> kept.of(0).tolist()
    [[2, 5], [1, 9]]
    """

    def __init__(
        self,
        columns: Mapping[str, str],
        keys: Sequence[str],
        base: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.columns, self.keys = tuple(columns), tuple(keys)
        self.place = {name: place for place, name in enumerate(self.columns)}
        self._merges = [_MERGED[how] for how in columns.values()]
        self._base = np.zeros((0, len(self.columns)), dtype=np.int64)
        self._names: list[np.ndarray] = [np.zeros(0, dtype=object) for _ in self.keys]
        self._starts = np.zeros(1, dtype=np.int64)
        self._fresh: dict[int, dict[Any, list[int]]] = {}
        self._arrays: dict[int, np.ndarray] = {}
        if base is not None and len(base["customer"]):
            self._load(base)

    def _load(self, base: Mapping[str, np.ndarray]) -> None:
        order = np.argsort(base["customer"], kind="stable")
        customer = base["customer"][order]
        self._base = np.column_stack([base[name][order] for name in self.columns]).astype(np.int64)
        self._names = [base[name][order] for name in self.keys]
        self._starts = np.searchsorted(customer, np.arange(customer[-1] + 2))

    def add(self, customer: int, key: Any, values: Sequence[int]) -> None:
        """Merge a row; its array is made again when it is next asked for."""
        rows = self._fresh.get(customer)
        if rows is None:
            rows = self._fresh[customer] = self._own(customer)
        self._arrays.pop(customer, None)
        row = rows.get(key)
        if row is None:
            rows[key] = list(values)
            return
        for place, merge in enumerate(self._merges):
            row[place] = merge(row[place], values[place])

    def rows_of(self, customer: int) -> Mapping[Any, Sequence[int]]:
        """Return the rows of a customer by their keys."""
        rows = self._fresh.get(customer)
        return self._own(customer) if rows is None else rows

    def of(self, customer: int) -> np.ndarray:
        """Return the rows of a customer, shape (rows, columns)."""
        if customer not in self._fresh:
            return self._base[self._slice(customer)]
        found = self._arrays.get(customer)
        if found is None:
            rows = list(self._fresh[customer].values())
            found = np.array(rows, dtype=np.int64).reshape(-1, len(self.columns))
            self._arrays[customer] = found
        return found

    def all(self, customers: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the customer of every row, and the rows of customers 0 to ``customers``."""
        changed = [c for c in self._fresh if c < customers]
        counts = np.diff(self._starts)[:customers]
        codes = np.repeat(np.arange(len(counts)), counts)
        stay = ~np.isin(codes, changed)
        own = [self.of(c) for c in changed]
        whole = np.vstack([self._base[: len(codes)][stay], *own])
        return np.concatenate([codes[stay], np.repeat(changed, [len(r) for r in own])]).astype(
            np.int64
        ), whole

    def _slice(self, customer: int) -> slice:
        if customer + 1 >= len(self._starts):
            return slice(0, 0)
        return slice(int(self._starts[customer]), int(self._starts[customer + 1]))

    def _own(self, customer: int) -> dict[Any, list[int]]:
        rows = self._slice(customer)
        values = self._base[rows].tolist()
        keys = zip(*(names[rows].tolist() for names in self._names), strict=True)
        return dict(zip(keys if self.keys else [()], values, strict=False))


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
    made : list of int
        When contacts were made, in order.
    answered : int
        Customers and promotions that they answered.
    """

    customers: list[Any]
    tables: dict[str, KeyedRows]
    kinds: set[str]
    starts: dict[Any, int]
    promotions: dict[Any, int]
    made: list[int]
    answered: int


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
        len(frames["answers"]["promotion"]) if "answers" in frames else 0,
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
    answered = rows.select("customer_id", "promotion_id").distinct()
    latest = rows.group_by("customer_id").aggregate(answers=rows.count(), last=rows.ts.max())
    return {"answers": arrays_of(answered), "answering": arrays_of(latest)}


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
