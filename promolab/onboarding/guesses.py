"""Which table of theirs is which of the contract's, and which of its columns: by name, by content.

A guess by name has to stand before the content: a time must be readable as one, money a number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promolab.contract import TABLES, Column
from promolab.onboarding.inventory import Theirs
from promolab.sources import CURRENCIES, SIGNS, column_rank, key, kind_of_word, table_rank

SAMPLE_ROWS = 10_000
SAMPLE_CELLS = 2_000_000
DIFFERENT = 1_000
"""Different values of a column that are looked at."""

_ISO = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?\s*(Z|[+-]\d{2}(:?\d{2})?)?"
)
_ISO_UTC = re.compile(r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}:\d{2} UTC")
_ISO_ZONE = re.compile(r".*:.*(Z|[+-]\d{2}(:?\d{2})?)")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_LIKE_A_DATE = re.compile(
    r"\d{1,2}[-./ ]\d{1,2}[-./ ]\d{2,4}.*|\d{4}[.年]\s*\d.*"
    r"|\d{1,2}[-./ ]?[A-Za-z]{3,9}[-./, ]*\d{2,4}.*|([A-Za-z]{3,9},? ){1,2}\d{1,2},? .*"
)
_DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %m %Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%Y.%m.%d", "%Y年%m月%d日"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d%b%Y", "%d %B %Y"),
    *("%b %d, %Y", "%b %d %Y", "%B %d, %Y", "%a %b %d %Y"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ":%H:%M:%S"),
    *("T%H:%M:%S", ", %H:%M", ", %H:%M:%S", " %H:%M:%S %z", " %H:%M %z"),
)
_DAY_FIRST = {"%d/%m": "%m/%d", "%d-%m": "%m-%d", "%d.%m": "%m.%d"}


@dataclass(frozen=True)
class Look:
    """One column of theirs, in a sample.

    Parameters
    ----------
    name : str
        The column's.
    type : ibis DataType
        Its type where it lies.
    rows, filled, distinct : int
        Sampled rows, those that are not empty, and different values.
    values : tuple of str
        Up to 1,000 different values in the order of the rows, as text, without spaces around them.
    """

    name: str
    type: Any
    rows: int
    filled: int
    distinct: int
    values: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Whether the column is text where it lies."""
        return bool(self.type.is_string())

    @property
    def is_unique(self) -> bool:
        """Whether hardly a value occurs twice."""
        return self.filled > 0 and self.distinct >= 0.98 * self.filled


@dataclass(frozen=True)
class TimeLook:
    """A way in which all sampled values can be read as times.

    Parameters
    ----------
    format : str, optional
        As ``shop.toml`` writes it; None where it needs none.
    zoned : bool
        Whether each value is an instant: with a zone, or counted from 1970.
    has_clock : bool
        Whether there is a time of day.
    """

    format: str | None
    zoned: bool = False
    has_clock: bool = True

    @property
    def twin(self) -> str | None:
        """The same format with day and month exchanged, None where there is none."""
        for day_first, month_first in _DAY_FIRST.items():
            for ours, other in ((day_first, month_first), (month_first, day_first)):
                if self.format and self.format.startswith(ours):
                    return self.format.replace(ours, other)
        return None


@dataclass(frozen=True)
class Convention:
    """How numbers are written."""

    decimal: str = "."
    thousands: str = ""
    symbol: str = ""

    def keys(self) -> dict[str, str]:
        """Return what ``shop.toml`` has to say of it."""
        said = {"decimal": self.decimal, "thousands": self.thousands, "symbol": self.symbol}
        return {k: v for k, v in said.items() if v != ("." if k == "decimal" else "")}


CONVENTIONS = tuple(
    Convention(*each)
    for each in ((".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", " "), (".", " "))
)
"""Ways of writing numbers, the plainest first."""


def look_at(table: Any) -> list[Look]:
    """Look at a sample of a table.

    Parameters
    ----------
    table : ibis Table
        On any engine.

    Returns
    -------
    list of Look
        In the order of the columns.
    """
    import pyarrow.compute as pc

    names = list(table.columns)
    rows = max(100, min(SAMPLE_ROWS, SAMPLE_CELLS // max(len(names), 1)))
    sample = table.select(**{n: table[n].cast("string") for n in names}).limit(rows).to_pyarrow()
    looks = []
    for name, kind in table.schema().items():
        column = pc.utf8_trim_whitespace(sample[name].combine_chunks().cast("string"))
        column = column.filter(pc.fill_null(pc.not_equal(column, ""), False))
        different = column.unique()
        values = tuple(different[:DIFFERENT].to_pylist())
        looks.append(Look(name, kind, sample.num_rows, len(column), len(different), values))
    return looks


@functools.lru_cache(maxsize=2048)
def times_of(look: Look) -> tuple[TimeLook, ...]:
    """Return each way in which all sampled values can be read as times; none if they are none.

    Parameters
    ----------
    look : Look
        A column.

    Examples
    --------
    >>> import ibis.expr.datatypes as dt
    >>> days = Look("day", dt.string, 2, 2, 2, ("13/01/2024 9:05", "02/01/2024 17:30"))
    >>> [each.format for each in times_of(days)]
    ['%d/%m/%Y %H:%M']
    """
    kind, values = look.type, look.values
    if kind.is_timestamp():
        return (TimeLook(None, zoned=kind.timezone is not None),)
    if kind.is_date():
        return (TimeLook(None, has_clock=False),)
    if not values or not (kind.is_string() or kind.is_numeric()) or kind.is_boolean():
        return ()
    if _all(values, re.compile(r"\d+(\.\d*)?").fullmatch):
        return tuple(_counted(look))
    if not kind.is_string():
        return ()
    if _all(values, _ISO.fullmatch):
        zoned = bool(_ISO_ZONE.fullmatch(values[0]))
        return (TimeLook(None, zoned, ":" in values[0]),)
    if _all(values, _ISO_UTC.fullmatch):
        return (TimeLook("%Y-%m-%d %H:%M:%S UTC", zoned=True),)
    if not _all(values, _LIKE_A_DATE.fullmatch):
        return ()
    formats = [date + clock for date in _DATES for clock in _CLOCKS]
    marks = [re.sub(r"%[A-Za-z]", "", form) for form in formats]
    first = values[0]
    formats = [f for f, m in zip(formats, marks, strict=True) if all(c in first for c in m)]
    fitting = _fitting(values, _fitting(values[:5], formats))
    return tuple(TimeLook(f, "%z" in f, "%H" in f or "%I" in f) for f in fitting)


def _all(values: Sequence[str], test: Callable[[str], object]) -> bool:
    return all(test(value) for value in values)


def _counted(look: Look) -> list[TimeLook]:
    """Read numbers as times: counted from a day, or the digits of a date."""
    numbers = [float(value) for value in look.values]
    low, high = min(numbers), max(numbers)
    if low >= 5e8 and high < 2.2e9:
        return [TimeLook("epoch_s", zoned=True)]
    if low >= 5e11 and high < 2.2e12:
        return [TimeLook("epoch_ms", zoned=True)]
    if look.is_text and all(value.isdigit() for value in look.values):
        lengths = {len(value) for value in look.values}
        formats = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
        form = formats.get(lengths.pop()) if len(lengths) == 1 else None
        if form and _fitting(look.values, [form]):
            return [TimeLook(form, has_clock="%H" in form)]
    if low >= 20_000 and high < 70_000:
        return [TimeLook("excel", has_clock=any(n % 1 for n in numbers))]
    return []


def _fitting(values: Sequence[str], formats: Sequence[str]) -> list[str]:
    """Return the formats that read all values as times after 1970."""
    import duckdb

    if not formats:
        return []
    asked = ", ".join(
        f"count_if(coalesce(year(try_strptime(v, '{form}')) BETWEEN 1970 AND 2100, false))"
        for form in formats
    )
    with duckdb.connect(config={"threads": 1}) as con:
        row = con.execute(f"SELECT {asked} FROM unnest($1) AS t(v)", [list(values)]).fetchone()
    return [f for f, n in zip(formats, row or (), strict=False) if n == len(values)]


def clock_of(look: Look) -> str | None:
    """Return the format of a column of times of day, None if it is none."""
    if look.type.is_time():
        return "%H:%M:%S"
    if not look.is_text or not look.values or not _all(look.values, _CLOCK.fullmatch):
        return None
    parts = {value.count(":") for value in look.values}
    return {1: "%H:%M", 2: "%H:%M:%S"}.get(parts.pop()) if len(parts) == 1 else None


@functools.lru_cache(maxsize=2048)
def numbers_of(look: Look) -> tuple[Convention, ...]:
    """Return each convention by which all sampled values are numbers, the plainest first.

    Parameters
    ----------
    look : Look
        A column; one that holds numbers fits all conventions.

    Examples
    --------
    >>> import ibis.expr.datatypes as dt
    >>> prices = Look("preis", dt.string, 2, 2, 2, ("1.234,50 €", "7,95 €"))
    >>> [each.keys() for each in numbers_of(prices)]
    [{'decimal': ',', 'thousands': '.', 'symbol': '€'}]
    """
    if look.type.is_numeric() and not look.type.is_boolean():
        return CONVENTIONS
    if not look.is_text or not look.values:
        return ()
    symbol = _symbol(look.values)
    if symbol is None:
        return ()
    bare = [re.sub(r"[\u00a0\u202f]", " ", value) for value in look.values]
    bare = [(v.replace(symbol, "") if symbol else v).strip() for v in bare]
    return tuple(
        Convention(c.decimal, c.thousands, symbol)
        for c in CONVENTIONS
        if _all(bare, re.compile(_pattern(c)).fullmatch)
    )


def _symbol(values: Sequence[str]) -> str | None:
    """Return the currency sign of all values; empty where there is none, None where there are two.

    A sign is one of the world's, or the code of a currency, before or behind the digits.
    """
    found = set()
    for value in values:
        match = re.fullmatch(r"([^\d.,'\s+-]*)[\d.,'\s+\-\u202f]+(?:e[+-]?\d+)?(\D*)", value)
        sign = (match[1] + match[2]).strip() if match else "?"
        if sign and not (sign in SIGNS or sign in CURRENCIES or _is_currency_sign(sign)):
            return None
        found.add(sign)
    found.discard("")
    return found.pop() if len(found) == 1 else (None if found else "")


def _is_currency_sign(sign: str) -> bool:
    import unicodedata

    return len(sign) == 1 and unicodedata.category(sign) == "Sc"


def _pattern(how: Convention) -> str:
    decimal, thousands = re.escape(how.decimal), re.escape(how.thousands)
    grouped = rf"\d{{1,3}}({thousands}\d{{3}})+|" if how.thousands else ""
    return rf"[+-]? ?(({grouped}\d+)({decimal}\d*)?|{decimal}\d+)(e[+-]?\d+)?"


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
    in_promotions : str
        The promotions' column that lists its values, where it is not their id.
    digits : int
        Length of ids that lost their leading zeros in this table; 0 where they did not.
    """

    look: Look
    by: str = "name"
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


def choose_tables(
    tables: Sequence[Theirs],
) -> tuple[list[Choice], list[Choice], list[Choice]]:
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
    unknown : list of Choice
        The others, as the table of contacts that their values may show them to be.
    """
    chosen, incomplete, unknown = [], [], []
    for theirs in tables:
        looks = _looks(theirs)
        options = [_option(table, theirs, looks) for table in TABLES]
        by_name = sorted((o for o in options if o.rank is not None), key=lambda o: o.rank or 0)
        fit = next((o for o in by_name if not o.lacks), None) or _by_content(options)
        if fit is not None:
            chosen.append(fit)
        elif by_name:
            incomplete.append(by_name[0])
        else:
            unknown += [option for option in options if option.table == "exposures"]
    return chosen, incomplete, unknown


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
    if table == "promotions" and rank is not None and lacks == ("promotion_id",):
        own = _own_id(looks, picks)
        picks, lacks = picks | own, () if own else lacks
    if table == "products" and "customer_id" in choose_columns("events", looks):
        rank = None if rank is None else rank + 5_000
    return Choice(table, theirs, looks, picks, rank, lacks)


def _own_id(looks: Sequence[Look], picks: Mapping[str, Pick]) -> dict[str, Pick]:
    """Return the column in which each promotion has another value, the one called an id first."""
    taken = {pick.name for pick in picks.values()}
    free = [look for look in looks if look.name not in taken and not times_of(look)]
    own = [look for look in free if look.filled == look.distinct == look.rows and is_id(look)]
    own.sort(key=lambda look: not _ID_LIKE.search(key(look.name)))
    return {"promotion_id": Pick(own[0], "content")} if own else {}


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


def _counts(look: Look) -> bool:
    """Tell whether numbers count pieces: they are whole, and one is among them."""
    whole = [re.fullmatch(r"-?(\d+)([.,]0+)?", value) for value in look.values]
    return all(whole) and any(each is not None and each[1] == "1" for each in whole)


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
