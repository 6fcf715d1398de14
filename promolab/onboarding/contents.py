"""What the columns of a table hold: ids, times and numbers, and how they are written."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from promolab.contract import Settings
from promolab.engines import is_embedded
from promolab.onboarding.inventory import Theirs
from promolab.results import words_of
from promolab.sources import CURRENCIES, SIGNS, Value, number_pattern, to_number, to_time

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
        if _all(bare, re.compile(number_pattern(c.decimal, c.thousands)).fullmatch)
    )


def _symbol(values: Sequence[str]) -> str | None:
    """Return the currency sign of all values; empty where there is none, None where there are two.

    A sign is one of the world's, or the code of a currency, before or behind the digits.
    """
    found = set()
    for value in values:
        match = re.fullmatch(r"([^\d.,'\s+-]*)[\d.,'\s+\-\u202f]+(?:e[+-]?\d+)?(\D*)", value)
        sign = (match[1] + match[2]).strip() if match else "?"
        known = sign in SIGNS or sign in CURRENCIES or unicodedata.category(sign[:1] or " ") == "Sc"
        if sign and not known:
            return None
        found.add(sign)
    found.discard("")
    return found.pop() if len(found) == 1 else (None if found else "")


def is_id(look: Look) -> bool:
    """Tell whether a column can hold ids."""
    if look.type.is_temporal() or look.type.is_boolean() or look.type.is_nested():
        return False
    if look.type.is_floating() or look.type.is_decimal():
        return all(re.fullmatch(r"\d+(\.0*)?", value) for value in look.values)
    return all(len(value) <= 80 for value in look.values[:100])


def say(line: str, **facts: Any) -> str:
    """Return a comment of ``words.toml``, in the language spoken."""
    return words_of(__name__, "comments", **facts).say(line)


class Written(NamedTuple):
    """How something is written, and how sure that is.

    Parameters
    ----------
    how : TimeLook or Convention
        What was found.
    why : str
        What speaks for it.
    check : str
        What is doubtful; empty where nothing is.
    """

    how: Any
    why: str = ""
    check: str = ""


def ask(theirs: Theirs, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of some aggregates of a table, computed in one pass.

    Parameters
    ----------
    theirs : Theirs
        The table.
    asked : mapping of str to ibis Scalar
        The aggregates.
    """
    found = theirs.table.aggregate(_rows=theirs.table.count(), **asked).to_pyarrow().to_pylist()
    return {name: value or 0 for name, value in found[0].items() if name != "_rows"}


def how_many(expression: Any) -> Any:
    """Return in how many rows something holds."""
    return expression.fill_null(False).cast("int64").sum()


def number_in(theirs: Theirs, column: str, how: Convention) -> tuple[Any, Any]:
    """Return a column as numbers, and which of its rows are none.

    Parameters
    ----------
    theirs : Theirs
        The table.
    column : str
        The column.
    how : Convention
        How numbers are written.
    """
    import ibis

    value = Value((column,), decimal=how.decimal, thousands=how.thousands, symbol=how.symbol)
    made, problems = to_number(column, theirs.table[column], value, theirs.engine)
    return made, problems[0].bad if problems else ibis.literal(False)


def time_in(theirs: Theirs, look: Look, clock: Look | None = None) -> Written:
    """Say how the times of a column are written.

    Parameters
    ----------
    theirs : Theirs
        The table.
    look : Look
        The column of days or times.
    clock : Look, optional
        The column of the time of day, where that is another one.
    """
    candidates = times_of(look)
    if clock is not None:
        form = clock_of(clock)
        candidates = tuple(TimeLook(f"{c.format} {form}" if c.format else None) for c in candidates)
    if look.type.is_temporal():
        return Written(candidates[0])
    bad = dict.fromkeys(candidates, 0)
    # A whole column is not tried on somebody's warehouse.
    if len(candidates) > 1 and is_embedded(theirs.engine):
        bad = _unreadable(theirs, look, clock, candidates)
    best, *others = sorted(candidates, key=bad.__getitem__)
    as_well = [other.format for other in others if bad[other] == bad[best]]
    check = say("fits_as_well", form=as_well[0]) if as_well else ""
    return Written(best, say("all_sampled", n=look.filled), check)


def _unreadable(
    theirs: Theirs, look: Look, clock: Look | None, candidates: Sequence[TimeLook]
) -> dict[TimeLook, int]:
    """Count the rows of the whole column that each way of writing times cannot read."""
    value = theirs.table[look.name]
    if clock is not None:
        value = value.strip().concat(" ", theirs.table[clock.name].cast("string"))
    asked = {}
    for i, each in enumerate(candidates):
        how = Value(format=each.format)
        (problem,) = to_time(look.name, value, how, Settings(), theirs.engine)[1]
        asked[f"bad{i}"] = how_many(problem.bad)
    return dict(zip(candidates, ask(theirs, asked).values(), strict=True))


def convention_of(theirs: Theirs, looks: Sequence[Look]) -> Written | None:
    """Say how the numbers of some columns are written; None where no one way fits them all.

    Parameters
    ----------
    theirs : Theirs
        The table.
    looks : sequence of Look
        Its columns that hold numbers.
    """
    texts = [look for look in looks if look.is_text]
    fits = [numbers_of(look) for look in texts]
    symbols = {each[0].symbol for each in fits} - {""}
    symbol = symbols.pop() if symbols else ""
    pairs = [{(c.decimal, c.thousands) for c in each} for each in fits]
    common = [
        Convention(c.decimal, c.thousands, symbol)
        for c in CONVENTIONS
        if all((c.decimal, c.thousands) in each for each in pairs)
    ]
    if not common or symbols:
        return None
    if not texts:
        return Written(Convention())
    common, doubt = _with_thousands(common, [value for look in texts for value in look.values])
    if not is_embedded(theirs.engine):
        return Written(common[0], check=doubt)

    def wrong(how: Convention) -> int:
        bad = {f"n{i}": how_many(number_in(theirs, x.name, how)[1]) for i, x in enumerate(texts)}
        return sum(ask(theirs, bad).values())

    # The sample need not show all ways: the plainest that reads the whole columns, or most of them.
    best = next((how for how in common if not wrong(how)), None)
    return Written(best or min(common, key=wrong), check=doubt)


def _with_thousands(
    common: list[Convention], values: Sequence[str]
) -> tuple[list[Convention], str]:
    """Put first what is likelier where every separator stands before three digits."""
    first = common[0]
    marked = [value for value in values if re.search(r"\d[.,]\d", value)]
    grouped = bool(marked) and all(re.search(r"^\D*\d{1,3}([.,]\d{3})+\D*$", v) for v in marked)
    other = next((c for c in common if c.thousands == first.decimal), None)
    if not grouped or first.thousands or other is None:
        return common, ""
    if first.decimal == ".":
        return common, say("three_digits", keys='decimal = ",", thousands = "."')
    rest = [c for c in common if c not in (first, other)]
    return [other, first, *rest], say("three_digits", keys='decimal = ","')


def words_in(theirs: Theirs, column: str, most: int = 60) -> dict[str, int]:
    """Return the different words of a column and their rows, the most frequent first."""
    text = theirs.table[column].cast("string")
    found = theirs.table.group_by(word=text).aggregate(n=theirs.table.count())
    found = found.filter(found.word.notnull()).order_by([found.n.desc(), found.word]).limit(most)
    rows = found.to_pyarrow().to_pylist()
    return {row["word"]: row["n"] for row in rows}
