"""How a source's own tables become the contract's: the sections of ``shop.toml``, read and checked.

A section stands for one table of the contract; ``[[events]]`` written several times makes one table
of several. Each key names a column of the contract and says which column of theirs it is::

    [events]
    files = "invoices.csv"
    customer_id = "CustomerID"
    ts = { column = "InvoiceDate", format = "%d/%m/%Y %H:%M" }
    amount = { multiply = ["Quantity", "UnitPrice"] }
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from promolab.checks import is_number, is_whole
from promolab.contract import TABLES
from promolab.errors import InputError, nearest
from promolab.sources.terms_in_words import TERMS

HOW_WRITTEN = ("decimal", "thousands", "symbol")
"""The keys that say how numbers are written."""

_COUNTED = ("excel", "epoch_s", "epoch_ms")
_CODE = re.compile(r"%(-?[dmyHIMSj]|[aAbBfGhnpTuUVwWYzZ%])")
_OTHER_MARK = {".": ",", ",": "."}
_CLOSE = 0.75
"""How alike a word must be to one of the contract to be taken for a slip of the pen."""


def _is_texts(said: Any) -> bool:
    given = [said] if isinstance(said, str) else said
    return isinstance(given, list) and all(isinstance(each, str) for each in given)


# What may stand behind a key, and how a sentence calls it.
_FORMS: Mapping[str, tuple[Callable[[Any], object], str]] = {
    "text": (lambda said: isinstance(said, str) and said, "text"),
    "mark": (lambda said: isinstance(said, str), "text"),
    "texts": (_is_texts, "text or a list of texts"),
    "flag": (lambda said: isinstance(said, bool), "true or false"),
    "count": (lambda said: is_whole(said) and said >= 0, "a whole number, 0 or more"),
    "number": (lambda said: is_number(said) and said, "a number other than 0"),
}
_FORM_OF = (
    dict.fromkeys(("table", "sheet", "encoding", "separator", "currency"), "text")
    | dict.fromkeys(("format", "zone", "rows_with", "in_promotions"), "text")
    | dict.fromkeys(HOW_WRITTEN, "mark")
    | dict.fromkeys(("files", "names", "empty", "column", "columns", "any", "multiply"), "texts")
    | {
        "distinct": "flag",
        "whole": "flag",
        "last_day": "flag",
        "in_words": "flag",
        "skip": "count",
        "digits": "count",
        "scale": "number",
    }
)


def said_of(section: Mapping[str, Any], key: str, where: str) -> Any:
    """Return what stands behind a key, in the form that it must have; None if it is not there."""
    said = section.get(key)
    form = _FORM_OF[key]
    fits, words = _FORMS[form]
    if said is not None and not fits(said):
        raise InputError(f"{where} {key} = {said!r}, must be {words}")
    if said is None or form != "texts":
        return said
    return (said,) if isinstance(said, str) else tuple(said)


def word_of(section: Mapping[str, Any], key: str, where: str) -> str | None:
    """Return a word of the contract, None if the key is not there."""
    said = section.get(key)
    return None if said is None else _as_word(said, f"{where} {key}")


def constant_of(section: Mapping[str, Any], where: str, *, number: bool) -> Any:
    """Return the one value of all rows, None if there is none; a number where it must be one."""
    said = section.get("value")
    wrong = isinstance(said, bool) or not isinstance(said, (int, float)) if number else _nests(said)
    if said is not None and wrong:
        raise InputError(
            f"{where} value = {said!r}, must be {'a number' if number else 'one text or number'}"
        )
    return said


def words_of(section: Mapping[str, Any], key: str, where: str) -> Mapping[str, str]:
    """Return what their words mean."""
    said = section.get(key, {})
    if not isinstance(said, Mapping):
        raise InputError(f'{where} {key} = {said!r}, must be such as {{ C = "return" }}')
    return {theirs: _as_word(ours, f"{where} {key} {theirs}") for theirs, ours in said.items()}


def _nests(said: Any) -> bool:
    return isinstance(said, (list, Mapping))


def _as_word(said: Any, where: str) -> str:
    if _nests(said):
        raise InputError(f"{where} = {said!r}, must be one text")
    return str(said).lower() if isinstance(said, bool) else str(said)


def marks_of(
    said: Mapping[str, Any], where: str, default: tuple[str, str, str] = (".", "", "")
) -> tuple[str, str, str]:
    """Return the decimal mark, the mark between thousands and the currency sign of numbers.

    Where one of the two marks is said and the other one would be the same, the other is its
    counterpart: ``thousands = "."`` alone leaves the comma for the decimals.

    Parameters
    ----------
    said : mapping
        A section, or what is said of one column.
    where : str
        For errors.
    default : tuple of str
        What holds where nothing is said.

    Raises
    ------
    InputError
        If both marks are stated and are the same.

    Examples
    --------
    >>> marks_of({"thousands": "."}, "shop.toml [events]")
    (',', '.', '')
    """
    given = [said_of(said, key, where) for key in HOW_WRITTEN]
    said_or_not = zip(given, default, strict=True)
    decimal, thousands, symbol = (d if g is None else g for g, d in said_or_not)
    decimal = decimal or "."
    if decimal == thousands:
        if given[0] and given[1]:
            raise InputError(
                f"{where} decimal and thousands are both {decimal!r}, so nobody knows what 1"
                f'{decimal}234 is; write such as decimal = ",", thousands = "."'
            )
        if given[1]:
            decimal = _OTHER_MARK.get(thousands, ".")
        else:
            thousands = _OTHER_MARK.get(decimal, "")
    return decimal, thousands, symbol


def check_format(form: str, where: str) -> None:
    """Refuse a format of times with a code that is none, or without any.

    Raises
    ------
    InputError
        If it is no format.
    """
    if form in _COUNTED:
        return
    left = _CODE.sub("", form)
    if "%" not in left and left != form:
        return
    wrong = re.search(r"%.?", left)
    what = f"has an unknown code {wrong.group()!r}" if wrong else "holds no code"
    raise InputError(
        f"{where} format = {form!r} {what}; write such as "
        '"%d/%m/%Y %H:%M" (also %y %b %S %f %I %p %z), or "excel", "epoch_s", "epoch_ms"'
    )


def check_meanings(said: Any, known: Sequence[str], where: str) -> None:
    """Refuse a word that is meant to be one of the contract's and is misspelt.

    Other words than the contract's are allowed: such rows are quarantined and counted.

    Parameters
    ----------
    said : object
        What ``shop.toml`` says of the column.
    known : sequence of str
        The contract's words; none where the column may hold any.
    where : str
        For errors.

    Raises
    ------
    InputError
        If a word is all but one of the known ones.

    Examples
    --------
    >>> check_meanings({"values": {"adj": "adjustment"}}, ["purchase"], "kind")
    """
    if not isinstance(said, Mapping) or not known:
        return
    for key in ("values", "starts_with", "negative", "otherwise", "value"):
        given = said.get(key)
        for word in given.values() if isinstance(given, Mapping) else [given]:
            if not isinstance(word, str) or word in known:
                continue
            close = difflib.get_close_matches(word.strip().lower(), known, n=1, cutoff=_CLOSE)
            if close:
                raise InputError(
                    f"{where} {key} has {word!r}; did you mean {close[0]!r}? "
                    f"(known: {', '.join(known)})"
                )


def check_zone(zone: str, where: str) -> None:
    """Refuse what is no time zone.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f'{where} zone = {zone!r} is no time zone; write an IANA name such as "Europe/London"'
        ) from error


_NUMBERS = ("money", "share", "number")

# What may be said of a column, by the type that it shall become.
_WHERE_FROM = ("column", "columns", "any", "multiply", "value")
_FIGURES = ("column", "any", "multiply", "value", "scale", "in_words")
_WORDS = ("values", "starts_with", "negative", "otherwise")
_KEYS = {
    "id": (*_WHERE_FROM[:3], "value", "whole", "digits", "values", "in_promotions"),
    "time": (*_WHERE_FROM[:3], "format", "zone", "last_day"),
    "text": (*_WHERE_FROM[:3], "value", *_WORDS),
    "flag": ("column", "any", "value", *_WORDS),
} | dict.fromkeys(_NUMBERS, (*_FIGURES, *HOW_WRITTEN))
_ATTRIBUTE = ("column", "columns", "any", "value", *_WORDS)
_OF_A_SECTION = (
    *("files", "table", "sheet", "encoding", "separator", "names", "skip", "distinct"),
    *("rows_with", "empty", "currency", "attributes", *HOW_WRITTEN),
)


@dataclass(frozen=True)
class Value:
    """How one column of the contract is made from theirs.

    Parameters
    ----------
    columns : tuple of str
        Their columns; none for a constant.
    multiply : bool
        Whether several columns are multiplied; otherwise they are joined by a space.
    any : bool
        Whether they are one column under several names: of those that are there, the first that
        is not empty counts.
    constant : object
        The value of every row, where there is no column.
    values, starts_with : mapping of str to str
        What their values, or the beginnings of their values, mean; the value ``""`` is no value.
    negative : str, optional
        What a number below zero means.
    otherwise : str, optional
        What every other value means; by default it stays as it is.
    format : str, optional
        How times are written: as for ``strptime``, or ``excel``, ``epoch_s``, ``epoch_ms``.
    zone : str, optional
        Zone of times that state none.
    last_day : bool
        Whether days are the last that count, so that the end is the beginning of the next.
    whole : bool
        Whether ids are whole numbers that an export wrote as ``12345.0``.
    digits : int
        Length up to which numbers are filled up with the leading zeros that an export lost.
    in_promotions : str, optional
        Column of the promotions that holds the value, such as their code: the promotion's id takes
        its place.
    in_words : bool
        Whether the column says the promotion's rule in words, and the number stands in them.
    scale : float, optional
        What numbers are multiplied by: their unit (0.01 for cents) or sign (-1).
    decimal, thousands, symbol : str
        How numbers are written.
    """

    columns: tuple[str, ...] = ()
    multiply: bool = False
    any: bool = False
    constant: Any = None
    values: Mapping[str, str] = field(default_factory=dict)
    starts_with: Mapping[str, str] = field(default_factory=dict)
    negative: str | None = None
    otherwise: str | None = None
    format: str | None = None
    zone: str | None = None
    last_day: bool = False
    whole: bool = False
    digits: int = 0
    in_promotions: str | None = None
    in_words: bool = False
    scale: float | None = None
    decimal: str = "."
    thousands: str = ""
    symbol: str = ""

    @property
    def renames(self) -> tuple[str, ...]:
        """Their columns that this one replaces; none if more than name or writing changes."""
        plain = not (self.values or self.starts_with or self.negative or self.otherwise)
        plain = plain and not self.in_words
        return self.columns if plain and (self.any or len(self.columns) == 1) else ()


@dataclass(frozen=True)
class Part:
    """One of their tables, as (a part of) a table of the contract.

    Parameters
    ----------
    table : str
        The contract's table.
    where : str
        What errors call it, such as ``shop.toml [events]``.
    files : tuple of str
        Globs inside the folder; none for the table's own files.
    their_table, sheet, encoding, separator, names, skip
        Where and how it is written.
    distinct : bool
        Whether rows that agree in all mapped columns stand once (a table made from order lines).
    rows_with : str, optional
        Their column that must hold something, for a row to be one of this table.
    empty : tuple of str
        What their text columns hold where they hold nothing, such as ``N/A``.
    currency : str, optional
        Their column that says in which currency a row's money is.
    columns, attributes : mapping of str to Value
        The contract's columns, and others that shall be kept under a name of their own.
    default : Value
        How numbers are written where their column says nothing else.
    """

    table: str
    where: str = "shop.toml"
    files: tuple[str, ...] = ()
    their_table: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    separator: str | None = None
    names: tuple[str, ...] | None = None
    skip: int = 0
    distinct: bool = False
    rows_with: str | None = None
    empty: tuple[str, ...] = ()
    currency: str | None = None
    columns: Mapping[str, Value] = field(default_factory=dict)
    attributes: Mapping[str, Value] = field(default_factory=dict)
    default: Value = field(default_factory=Value)


def read_mapping(sections: Mapping[str, Any]) -> dict[str, tuple[Part, ...]]:
    """Read the sections on tables.

    Parameters
    ----------
    sections : mapping
        As they stand in ``shop.toml``.

    Returns
    -------
    dict of str to tuple of Part
        By the contract's table.

    Raises
    ------
    InputError
        If a key or value is not understood; the nearest key is named.

    Examples
    --------
    >>> parts = read_mapping({"events": {"files": "a.csv", "customer_id": "CustomerID"}})
    >>> parts["events"][0].columns["customer_id"].columns
    ('CustomerID',)
    """
    found = {}
    for table, content in sections.items():
        if table in TABLES:
            several = isinstance(content, list)
            given = content if several else [content]
            found[table] = tuple(
                _part(table, section, f"shop.toml [{table}]" + (f" no. {n}" if several else ""))
                for n, section in enumerate(given, 1)
            )
    return found


def _part(table: str, section: Any, where: str) -> Part:
    if not isinstance(section, Mapping):
        raise InputError(f"{where} = {section!r}, must be a section of keys such as files")
    spec = TABLES[table]
    columns = {}
    decimal, thousands, symbol = marks_of(section, where)
    default = Value(decimal=decimal, thousands=thousands, symbol=symbol)
    for key, said in section.items():
        if key in spec:
            columns[key] = _value(said, f"{where} {key}", spec[key].type, default)
            check_meanings(said, spec[key].values, f"{where} {key}")
            _check_place(table, key, columns[key], where)
        elif key not in _OF_A_SECTION:
            options = [*_OF_A_SECTION, *(column.name for column in spec)]
            raise InputError(
                f"{where} has an unknown key {key!r}; {nearest(key, options)}; an attribute that "
                f"the contract does not name stands in [{table}.attributes]"
            )
    attributes = section.get("attributes", {})
    if not isinstance(attributes, Mapping):
        raise InputError(f"{where} attributes = {attributes!r}, must be a section of names")
    separator = said_of(section, "separator", where)
    if separator is not None and len(separator) != 1:
        raise InputError(f"{where} separator = {separator!r}, must be one character")
    return Part(
        table,
        where,
        files=said_of(section, "files", where) or (),
        their_table=said_of(section, "table", where),
        sheet=said_of(section, "sheet", where),
        encoding=said_of(section, "encoding", where),
        separator=separator,
        names=said_of(section, "names", where),
        skip=said_of(section, "skip", where) or 0,
        distinct=bool(said_of(section, "distinct", where)),
        rows_with=said_of(section, "rows_with", where),
        empty=said_of(section, "empty", where) or (),
        currency=said_of(section, "currency", where),
        columns=columns,
        attributes={
            name: _value(said, f"{where} attributes.{name}", None, default)
            for name, said in attributes.items()
        },
        default=default,
    )


def _check_place(table: str, column: str, value: Value, where: str) -> None:
    """Refuse what is said of a column and makes sense for others only."""
    dated = table in ("exposures", "responses") and column == "promotion_id"
    if value.in_promotions and not dated:
        raise InputError(
            f"{where} {column} in_promotions: only the promotion_id of exposures and responses can "
            "be looked up"
        )
    if value.last_day and column != "ends_at":
        raise InputError(f"{where} {column} last_day: only ends_at has a last day")
    if value.in_words and (table != "promotions" or column not in TERMS):
        raise InputError(f"{where} {column} in_words: only {', '.join(TERMS)} of promotions are")


def _value(said: Any, where: str, kind: str | None, default: Value) -> Value:
    """Read what is said of one column; ``kind`` is its type, None of an attribute."""
    if isinstance(said, (str, list)):
        said = {"column" if isinstance(said, str) else "any": said}
    if not isinstance(said, Mapping):
        raise InputError(
            f"{where} = {said!r}, must be the name of a column, several names of it, or such as "
            '{ column = "…" } or { value = … }'
        )
    allowed = _ATTRIBUTE if kind is None else _KEYS[kind]
    for key in said:
        if key not in allowed:
            raise InputError(
                f"{where} has an unknown key {key!r} for a column of type {kind or 'text'}; "
                f"{nearest(key, allowed)}"
            )
    sources = [key for key in _WHERE_FROM if key in said]
    if len(sources) != 1:
        raise InputError(
            f"{where} = {dict(said)!r}, must say one of "
            f"{', '.join(key for key in _WHERE_FROM if key in allowed)}"
        )
    multiply = "multiply" in said
    columns: tuple[str, ...] = ()
    if "value" not in said:
        columns = said_of(said, sources[0], where) or ()
        if not columns or (len(columns) < 2 and multiply):
            raise InputError(f"{where} {sources[0]} names no column")
    zone = said_of(said, "zone", where)
    if zone is not None:
        check_zone(zone, where)
    scale = said_of(said, "scale", where)
    form = said_of(said, "format", where)
    if form is not None:
        check_format(form, where)
    decimal, thousands, symbol = marks_of(
        said, where, (default.decimal, default.thousands, default.symbol)
    )
    return Value(
        columns=columns,
        multiply=multiply,
        any="any" in said,
        constant=constant_of(said, where, number=kind in _NUMBERS),
        values=words_of(said, "values", where),
        starts_with=words_of(said, "starts_with", where),
        negative=word_of(said, "negative", where),
        otherwise=word_of(said, "otherwise", where),
        format=form,
        zone=zone,
        last_day=bool(said_of(said, "last_day", where)),
        whole=bool(said_of(said, "whole", where)),
        digits=said_of(said, "digits", where) or 0,
        in_promotions=said_of(said, "in_promotions", where),
        in_words=bool(said_of(said, "in_words", where)),
        scale=None if scale is None else float(scale),
        decimal=decimal,
        thousands=thousands,
        symbol=symbol,
    )
