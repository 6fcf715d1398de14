"""Which table of theirs is which of the contract's, which of its columns, and which go together.

A guess by name has to stand before the content: a time must be readable as one, money a number.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promolab.contract import NUMBERS, TABLES, Column, without_zeros
from promolab.onboarding.contents import Look, clock_of, is_id, look_at, numbers_of, say, times_of
from promolab.onboarding.inventory import Theirs
from promolab.sources import column_rank, kind_of_word, table_rank

FEW = 50
"""As many different words a column of kinds may hold."""

_EXTRA = {
    "price": Column("price", "money", "price of a unit"),
    "status": Column("status", "text", "state of the order"),
    "time_of_day": Column("time_of_day", "text", "time of day beside the date"),
    "currency": Column("currency", "text", "currency of the row's money"),
}
_SHARED = ("kind", "status", "time_of_day")
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
        What speaks for it.
    in_promotions : str
        The promotions' column that lists its values, where it is not their id.
    digits : int
        Length of ids that lost their leading zeros in this table; 0 where they did not.
    """

    look: Look
    by: str = field(default_factory=lambda: say("by_name"))
    in_promotions: str = ""
    digits: int = 0

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
    doubt : str
        What is doubtful about it as a whole.
    """

    table: str
    theirs: Theirs
    looks: Sequence[Look]
    picks: Mapping[str, Pick]
    rank: int | None = None
    lacks: tuple[str, ...] = field(default=())
    doubt: str = ""

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
        looks = look_at(theirs.table)
        options = [_option(table, theirs, looks) for table in TABLES]
        by_name = sorted((o for o in options if o.rank is not None), key=lambda o: o.rank or 0)
        fit = next((o for o in by_name if not o.lacks), None) or _by_content(options)
        if fit is not None:
            chosen.append(fit)
        elif by_name:
            incomplete.append(by_name[0])
    return chosen, incomplete


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
    if table == "products" and "category" not in picks and "type" in picks:
        picks["category"] = picks.pop("type")  # a finer group is one, too
    units = picks.get("amount") if table == "events" and "price" in picks else None
    if units is not None and "quantity" not in picks and _counts(units.look):
        picks["quantity"] = picks.pop("amount")
    if table == "events":
        _by_their_content(picks, [look for look in looks if look.name not in taken])
    return picks


def _holds(table: str, column: Column, look: Look) -> bool:
    """Tell whether a column of theirs can hold what the contract's does."""
    if column.type == "id":
        return is_id(look)
    if column.type == "time":
        return bool(times_of(look))
    if column.type in NUMBERS:
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


def _counts(look: Look) -> bool:
    """Tell whether numbers count pieces: they are whole, and one is among them."""
    whole = [re.fullmatch(r"-?(\d+)([.,]0+)?", value) for value in look.values]
    return all(whole) and any(each is not None and each[1] == "1" for each in whole)


def _by_their_content(picks: dict[str, Pick], left: Sequence[Look]) -> None:
    """Find time and kind of events where no name says which columns they are."""
    if "ts" not in picks:
        times = [look for look in left if (found := times_of(look)) and found[0].format != "excel"]
        if times:
            picks["ts"] = Pick(times[0], say("by_content"))
    if "kind" not in picks:
        for look in left:
            if look.is_text and 0 < look.distinct <= FEW and _are_kinds(look):
                picks["kind"] = Pick(look, say("by_content"))
                break


def _are_kinds(look: Look) -> bool:
    return all(kind_of_word("events", value) for value in look.values) and look.distinct > 1


MATCHING = 0.5
"""Share of the events' customers that a column must hold to be the same id."""
HARDLY = 0.05


def combined(chosen: Sequence[Choice]) -> tuple[dict[str, list[Choice]], list[str]]:
    """Return which of their tables make each of the contract's, and which are left out and why.

    Parameters
    ----------
    chosen : sequence of Choice
        At most one for each of theirs.

    Returns
    -------
    found : dict of str to list of Choice
        By the contract's table.
    remarks : list of str
        Sentences on those left out.
    """
    found: dict[str, list[Choice]] = {}
    remarks = []
    for table in TABLES:
        choices = [choice for choice in chosen if choice.table == table]
        if not choices:
            continue
        best = min(choices, key=_order)
        if table == "events":
            logs = [choice for choice in choices if is_log(choice)]
            sales = [choice for choice in choices if choice not in logs]
            best = min(sales or logs, key=_order)
            kept = [c for c in choices if c in logs or _shape(c) == _shape(best)]
        else:
            kept = [c for c in choices if _shape(c) == _shape(best)]
        found[table] = kept
        remarks += [_left_out(choice, best) for choice in choices if choice not in kept]
    return found, remarks


def _order(choice: Choice) -> tuple[Any, ...]:
    worth = choice.has("amount") or choice.has("price")
    events = (not choice.has("product_id"), not worth, not choice.has("order_id"))
    rank = 9_999 if choice.rank is None else choice.rank
    rest = (bool(choice.doubt), not choice.theirs.own, rank)
    return (*(events if choice.table == "events" else ()), *rest)


def _shape(choice: Choice) -> tuple[str, ...]:
    return tuple(sorted(look.name for look in choice.looks))


def is_log(choice: Choice) -> bool:
    """Tell whether events are (also) views, clicks and the like."""
    if choice.has("kind"):
        kinds = {kind_of_word("events", value) for value in choice.picks["kind"].look.values}
        return bool(kinds & {"view", "click", "cart"})
    return not any(choice.has(column) for column in ("amount", "price", "order_id", "quantity"))


def _left_out(choice: Choice, best: Choice) -> str:
    case = "twice" if choice.table == "events" else "likelier"
    names = {"name": choice.theirs.name, "best": best.theirs.name, "table": choice.table}
    return say("left_out", case=case, section="[[events]]", **names)


def matched(
    chosen: Sequence[Choice], incomplete: Sequence[Choice]
) -> tuple[list[Choice], list[Choice]]:
    """Find the columns in which other tables name the customers of the events, and the promotions.

    Parameters
    ----------
    chosen, incomplete : sequence of Choice
        From `choose_tables`.

    Returns
    -------
    chosen, incomplete : list of Choice
        A table whose customer no name tells is chosen where one of its columns holds the events'
        customers; what matches no one, or only without leading zeros, is marked as doubtful.
    """
    events = next(iter(combined(chosen)[0].get("events", ())), None)
    if events is None:
        return list(chosen), list(incomplete)
    found = [choice if choice is events else _matched(choice, events) for choice in chosen]
    left: list[Choice] = []
    for choice in incomplete:
        mended = _matched(choice, events) if choice.lacks == ("customer_id",) else choice
        (found if mended.has("customer_id") and not mended.lacks else left).append(mended)
    promotions = next(iter(combined(found)[0].get("promotions", ())), None)
    if promotions is not None:
        found = [_of_promotions(choice, promotions) for choice in found]
    return found, left


def _of_promotions(choice: Choice, promotions: Choice) -> Choice:
    """Name the promotions' column that a table names them by, where it is not their id."""
    pick = choice.picks.get("promotion_id")
    if choice.table not in ("exposures", "responses") or pick is None:
        return choice
    own = promotions.picks["promotion_id"].name
    taken = {each.name for ours, each in promotions.picks.items() if ours != "name"}
    free = [look for look in promotions.looks if look.is_text and look.name not in taken]
    # A code names a row rather than a group of them.
    codes = [look.name for look in free if 0 < look.filled < 2 * look.distinct]
    for name in (own, *codes):
        shares = _shares(choice.theirs, [pick.name], promotions.theirs, name, any_case=name != own)
        if shares[pick.name][1] >= MATCHING:
            named = dataclasses.replace(pick, in_promotions="" if name == own else name)
            return dataclasses.replace(choice, picks={**choice.picks, "promotion_id": named})
    return choice


def _matched(choice: Choice, events: Choice) -> Choice:
    """Return a choice with the column that holds the events' customers, and what is doubtful."""
    if choice.table == "events" or "customer_id" not in TABLES[choice.table]:
        return choice
    named, who = choice.picks.get("customer_id"), events.picks["customer_id"]
    taken = {pick.name for ours, pick in choice.picks.items() if ours != "customer_id"}
    looks = {look.name: look for look in choice.looks if look.name not in taken and is_id(look)}
    shares = _shares(choice.theirs, [*looks], events.theirs, who.name)
    best = max(shares, key=shares.__getitem__, default="")
    there = say("column_in", name=who.name, table=events.theirs.name)
    mine = shares.get(named.name, (0.0, 0.0)) if named else (0.0, 0.0)
    picks, doubt = dict(choice.picks), ""
    if best and mine[0] < HARDLY and shares[best][0] >= MATCHING:
        picks["customer_id"] = Pick(looks[best], say("by_values", there=there))
        return dataclasses.replace(choice, picks=picks, lacks=())
    if named and mine[0] < MATCHING <= mine[1] and (digits := _digits_of(who.look)):
        doubt = say("filled_up", name=named.name, there=there, n=digits)
        picks["customer_id"] = dataclasses.replace(named, digits=digits)
    elif named and mine[0] < MATCHING <= mine[1]:
        doubt = say("lost_zeros", name=named.name, there=there)
    elif named and choice.table == "customers" and not any(mine):
        doubt = say("same_id", name=named.name, there=there)
    return dataclasses.replace(choice, picks=picks, doubt=doubt)


def _digits_of(look: Look) -> int:
    """Return how many digits each id of a column has; 0 where they are of several."""
    lengths = {len(value) if value.isdigit() else 0 for value in look.values}
    return lengths.pop() if len(lengths) == 1 else 0


def _shares(
    theirs: Theirs, names: Sequence[str], other: Theirs, column: str, *, any_case: bool = False
) -> dict[str, tuple[float, float]]:
    """Return which share of another table's ids columns hold, as they are and without zeros.

    Of a table that need not name everybody, such as contacts, the share is of its own values.
    """

    def text(table: Any, name: str) -> Any:
        value = table[name].cast("string").strip().nullif("")
        return value.upper() if any_case else value

    ours = text(other.table, column)
    known = ours.as_table().filter(ours.notnull()).distinct()
    known = known[known.columns[0]]
    asked = {"known": known.nunique().as_scalar()}
    for n, name in enumerate(names):
        value = text(theirs.table, name)
        asked[f"n{n}"] = value.nunique()
        asked[f"exact{n}"] = value.nunique(where=value.isin(known))
        asked[f"bare{n}"] = value.nunique(where=without_zeros(value).isin(without_zeros(known)))
    found = theirs.table.aggregate(**asked).to_pyarrow().to_pylist()[0] if names else {}
    whole = [max(min(found[f"n{n}"], found["known"]), 1) for n in range(len(names))]
    return {
        name: (found[f"exact{n}"] / whole[n], found[f"bare{n}"] / whole[n])
        for n, name in enumerate(names)
    }
