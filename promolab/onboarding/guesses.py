"""Which table of theirs is which of the contract's, and which of its columns: by name, by content.

A guess by name has to stand before the content: a time must be readable as one, money a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promolab.contract import TABLES, Column
from promolab.onboarding.column_traits import Look, clock_of, look_at, numbers_of, times_of
from promolab.onboarding.inventory import Theirs
from promolab.sources import column_rank, key, kind_of_word, table_rank

__all__ = ["Choice", "Pick", "choose_columns", "choose_tables", "is_id"]

MOST_LOOKED_AT = 400
"""Columns of a table that are looked at; beyond, those with a known name."""
FEW = 50
"""As many different words a column of kinds may hold."""

_NUMBERS = ("money", "share", "number")
_EXTRA = {
    "price": Column("price", "money", "price of a unit"),
    "status": Column("status", "text", "state of the order"),
    "time_of_day": Column("time_of_day", "text", "time of day beside the date"),
    "currency": Column("currency", "text", "currency of the row's money"),
}
_SHARED = ("kind", "status", "time_of_day")
_ID_LIKE = re.compile(r"(id|nr|no|code|key|number|编号|号)$")
# What must be there for a table to be one of the contract's, where its name does not say so.
_TELLING = {
    "promotions": ("promotion_id", "starts_at", "ends_at"),
    "exposures": ("promotion_id", "customer_id", "ts"),
    "reviews": ("customer_id", "product_id", "ts", "rating"),
}


@dataclass(frozen=True)
class Pick:
    """A column of theirs for one of the contract's.

    Parameters
    ----------
    look : Look
        The column.
    by : str
        ``name``, ``content``, or what else speaks for it.
    """

    look: Look
    by: str = "name"

    @property
    def name(self) -> str:
        """Their name of the column."""
        return self.look.name


@dataclass(frozen=True)
class Choice:
    """A table of theirs for one of the contract's.

    Parameters
    ----------
    table : str
        The contract's.
    theirs : Theirs
        Theirs.
    looks : sequence of Look
        Its columns.
    picks : mapping of str to Pick
        By the contract's column; ``price``, ``status``, ``time_of_day`` and ``currency`` as well.
    rank : int, optional
        How well its name fits; None where the content alone speaks for it.
    lacks : tuple of str
        Columns that must be there and were not found.
    doubts : tuple of str
        What is doubtful about it as a whole.
    """

    table: str
    theirs: Theirs
    looks: Sequence[Look]
    picks: Mapping[str, Pick]
    rank: int | None = None
    lacks: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = ()

    def has(self, *columns: str) -> bool:
        """Tell whether columns of the contract were found."""
        return all(column in self.picks for column in columns)


def choose_tables(tables: Sequence[Theirs]) -> tuple[list[Choice], list[Choice]]:
    """Say which table of theirs is which of the contract's.

    Parameters
    ----------
    tables : sequence of Theirs
        From `take_inventory`.

    Returns
    -------
    chosen : list of Choice
        At most one for each of theirs, in their order.
    incomplete : list of Choice
        Those whose name says what they are, and that lack a column which must be there.
    """
    chosen, incomplete = [], []
    for theirs in tables:
        looks = _looks(theirs)
        options = [_option(table, theirs, looks) for table in TABLES]
        by_name = sorted((o for o in options if o.rank is not None), key=lambda o: o.rank or 0)
        fit = next((o for o in by_name if not o.lacks), None) or _by_content(options)
        if fit is not None:
            chosen.append(fit)
        elif by_name:
            incomplete.append(by_name[0])
    return chosen, incomplete


def _looks(theirs: Theirs) -> list[Look]:
    columns = list(theirs.table.columns)
    if len(columns) > MOST_LOOKED_AT:
        known = [(t, c.name) for t in TABLES for c in TABLES[t]]
        named = [n for n in columns if any(column_rank(t, c, n) is not None for t, c in known)]
        columns = list(dict.fromkeys([*named, *columns]))[:MOST_LOOKED_AT]
    return look_at(theirs.table.select(*columns))


def _option(table: str, theirs: Theirs, looks: Sequence[Look]) -> Choice:
    picks = choose_columns(table, looks)
    # A kind can be the same in every row, a table's name can say it.
    needed = [c for c in TABLES[table].required if c != "kind"]
    lacks = tuple(c for c in needed if c not in picks)
    rank = table_rank(table, theirs.stem)
    if table == "products" and "customer_id" in choose_columns("events", looks):
        rank = None if rank is None else rank + 5_000
    return Choice(table, theirs, looks, picks, rank, lacks)


def _by_content(options: Sequence[Choice]) -> Choice | None:
    found = {o.table: o for o in options if not o.lacks}
    for table, columns in _TELLING.items():
        if table in found and found[table].has(*columns):
            # What a customer did about a promotion, or bought, is more than a contact.
            more = found[table].has("amount") or (table == "exposures" and _bought(options))
            if not more:
                return found[table]
    events, customers = found.get("events"), found.get("customers")
    if events is not None:
        told = any(events.has(c) for c in ("amount", "price", "product_id", "order_id", "kind"))
        people = events.picks["customer_id"].look.is_unique and customers is not None
        if told and not (people and not _bought(options)):
            return events
    if customers is not None and customers.picks["customer_id"].look.is_unique:
        return customers
    products = found.get("products")
    if products is not None and products.picks["product_id"].look.is_unique:
        return products
    return None


def _bought(options: Sequence[Choice]) -> bool:
    events = next(o for o in options if o.table == "events")
    return any(events.has(c) for c in ("amount", "price", "order_id"))


def choose_columns(table: str, looks: Sequence[Look]) -> dict[str, Pick]:
    """Say which column of theirs is which of a table of the contract.

    Parameters
    ----------
    table : str
        The contract's.
    looks : sequence of Look
        The columns of theirs.

    Returns
    -------
    dict of str to Pick
        By the contract's column; those not found are not there.

    Examples
    --------
    >>> import ibis.expr.datatypes as dt
    >>> kunde = Look("Kundennummer", dt.string, 3, 3, 2, ("0017", "0018"))
    >>> datum = Look("Datum", dt.string, 3, 3, 2, ("31.12.2010", "01.01.2011"))
    >>> {ours: pick.name for ours, pick in choose_columns("events", [kunde, datum]).items()}
    {'customer_id': 'Kundennummer', 'ts': 'Datum'}
    """
    columns = [*TABLES[table], *(_EXTRA.values() if table == "events" else ())]
    ranked = sorted(
        (rank, n, i)
        for n, column in enumerate(columns)
        for i, look in enumerate(looks)
        if (rank := column_rank(table, column.name, look.name)) is not None
    )
    picks: dict[str, Pick] = {}
    taken: set[str] = set()
    for _, n, i in ranked:
        column, look = columns[n], looks[i]
        if column.name in picks or not look.filled or not _holds(table, column, look):
            continue
        if look.name in taken and column.name not in _SHARED:
            continue
        picks[column.name] = Pick(look)
        if column.name not in _SHARED:
            taken.add(look.name)
    if table == "events":
        _by_their_content(picks, [look for look in looks if look.name not in taken])
    return picks


def _holds(table: str, column: Column, look: Look) -> bool:
    """Tell whether a column of theirs can hold what the contract's does."""
    if column.type == "id":
        return is_id(look)
    if column.type == "time":
        return bool(times_of(look))
    if column.type in _NUMBERS:
        return bool(numbers_of(look))
    if column.type == "flag":
        return look.distinct <= 3
    if column.name == "time_of_day":
        return clock_of(look) is not None
    if column.name == "currency":
        return all(re.fullmatch(r"[A-Za-z]{3}", value) for value in look.values)
    if column.name == "kind" and table == "events":
        return look.distinct <= FEW and any(kind_of_word(table, v) for v in look.values)
    return True


def is_id(look: Look) -> bool:
    """Tell whether a column can hold ids."""
    if look.type.is_temporal() or look.type.is_boolean() or look.type.is_nested():
        return False
    if look.type.is_floating() or look.type.is_decimal():
        return all(re.fullmatch(r"\d+(\.0*)?", value) for value in look.values)
    return all(len(value) <= 80 for value in look.values[:100])


def _by_their_content(picks: dict[str, Pick], left: Sequence[Look]) -> None:
    """Find time, kind and customer of events where no name says which columns they are."""
    if "ts" not in picks:
        times = [look for look in left if (found := times_of(look)) and found[0].format != "excel"]
        if times:
            picks["ts"] = Pick(times[0], "content")
    if "kind" not in picks:
        for look in left:
            if look.is_text and 0 < look.distinct <= FEW and _are_kinds(look):
                picks["kind"] = Pick(look, "content")
                break
    if "customer_id" not in picks:
        for look in left:
            unclaimed = all(look.name != pick.name for pick in picks.values())
            repeats = look.filled > 20 and 20 < look.distinct < 0.9 * look.filled
            if unclaimed and repeats and _ID_LIKE.search(key(look.name)) and is_id(look):
                picks["customer_id"] = Pick(look, "content")
                break


def _are_kinds(look: Look) -> bool:
    return all(kind_of_word("events", value) for value in look.values) and look.distinct > 1
