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

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promolab.checks import flag, is_number, refuse, text
from promolab.contract import (
    NUMBERS,
    TABLES,
    KeyCheck,
    by_name,
    from_zero,
    keyed,
    toml_table,
    zone_of,
)
from promolab.errors import InputError, nearest

TERMS = ("discount_rate", "threshold", "reduction", "steps")
"""Columns of the promotions that a rule in words may fill."""
_COUNTED = ("excel", "epoch_s", "epoch_ms")
_CODE = re.compile(r"%(-?[dmyHIMSj]|[aAbBfGhnpTuUVwWYzZ%])")


def _texts(place: str, said: Any) -> tuple[str, ...]:
    given = [said] if isinstance(said, str) else said
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise refuse(place, said, "a text or a list of texts")
    return tuple(given)


def _names(place: str, said: Any) -> tuple[str, ...]:
    names = _texts(place, said)
    if not names or (len(names) < 2 and place.endswith(" multiply")):
        raise InputError(f"{place} names no column")
    return names


def _constant(place: str, said: Any) -> Any:
    if isinstance(said, (list, Mapping)):
        raise refuse(place, said, "one text or number")
    return said


def _word(place: str, said: Any) -> str:
    one = _constant(place, said)
    return str(one).lower() if isinstance(one, bool) else str(one)


def _scale(place: str, said: Any) -> float:
    if not is_number(said) or not said:
        raise refuse(place, said, "a number other than 0")
    return float(said)


def _one_character(place: str, said: Any) -> str:
    if len(text(place, said, empty=True)) != 1:
        raise refuse(place, said, "one character")
    return str(said)


def _format(place: str, said: Any) -> str:
    """Refuse a format of times with a code that is none, or without any."""
    left = _CODE.sub("", text(place, said))
    if said in _COUNTED or ("%" not in left and left != said):
        return str(said)
    wrong = re.search(r"%.?", left)
    what = f"has an unknown code {wrong.group()!r}" if wrong else "holds no code"
    raise InputError(
        f"{place} = {said!r} {what}; write such as "
        '"%d/%m/%Y %H:%M" (also %y %b %S %f %I %p %z), or "excel", "epoch_s", "epoch_ms"'
    )


_HOW_WRITTEN: Mapping[str, KeyCheck] = dict.fromkeys(
    ("decimal", "thousands", "symbol"), partial(text, empty=True)
)
_SOURCES = ("column", "columns", "any", "multiply", "value")
# What may be said of a column, and what of a section.
_COLUMN: Mapping[str, KeyCheck] = {
    **dict.fromkeys(_SOURCES[:4], _names),
    "value": _constant,
    **dict.fromkeys(("values", "starts_with"), by_name(_word)),
    **dict.fromkeys(("negative", "otherwise"), _word),
    **dict.fromkeys(("last_day", "whole", "in_words"), flag),
    "format": _format,
    "zone": zone_of,
    "digits": from_zero,
    "in_promotions": text,
    "scale": _scale,
    **_HOW_WRITTEN,
}
_SECTION: Mapping[str, KeyCheck] = {
    **dict.fromkeys(("files", "names", "empty"), _texts),
    **dict.fromkeys(("table", "sheet", "encoding", "rows_with", "currency"), text),
    "separator": _one_character,
    "skip": from_zero,
    "distinct": flag,
    "attributes": partial(toml_table, keys=None),
    **_HOW_WRITTEN,
}
_WRITTEN = ("sheet", "encoding", "separator", "names", "skip")
_WORDS = ("values", "starts_with", "negative", "otherwise")
_KEYS = {
    "id": (*_SOURCES[:3], "value", "whole", "digits", "values", "in_promotions"),
    "time": (*_SOURCES[:3], "format", "zone", "last_day"),
    "text": (*_SOURCES[:3], "value", *_WORDS),
    "flag": ("column", "any", "value", *_WORDS),
    "attribute": (*_SOURCES[:3], "value", *_WORDS),
} | dict.fromkeys(
    NUMBERS, ("column", "any", "multiply", "value", "scale", "in_words", *_HOW_WRITTEN)
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
    their_table : str, optional
        A table of a database.
    written : mapping
        Of sheet, encoding, separator, names and skip what is said: how its files are written.
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
    written: Mapping[str, Any] = field(default_factory=dict)
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
            if len(given) > 1 and not all(part.files or part.their_table for part in found[table]):
                raise InputError(
                    f"shop.toml: each of several [[{table}]] sections must say its files or table"
                )
    return found


def _part(table: str, section: Any, where: str) -> Part:
    spec = TABLES[table]
    for key in toml_table(where, section, None):
        if key not in _SECTION and key not in spec:
            options = [*_SECTION, *(column.name for column in spec)]
            raise InputError(
                f"{where} has an unknown key {key!r}; {nearest(key, options)}; an attribute that "
                f"the contract does not name stands in [{table}.attributes]"
            )
    own = {key: said for key, said in section.items() if key in _SECTION}
    given = keyed(where, own, _SECTION, " ")
    default = Value(**_marks(given, where, Value()))
    columns = {}
    for key in section:
        if key in spec:
            columns[key] = _value(section[key], f"{where} {key}", spec[key].type, default)
            _check_place(table, key, columns[key], where)
    attributes = given.pop("attributes", {})
    return Part(
        table,
        where,
        written={key: given.pop(key) for key in _WRITTEN if key in given},
        their_table=given.pop("table", None),
        columns=columns,
        attributes={
            name: _value(said, f"{where} attributes.{name}", "attribute", default)
            for name, said in attributes.items()
        },
        default=default,
        **{key: value for key, value in given.items() if key not in _HOW_WRITTEN},
    )


def _marks(given: Mapping[str, Any], where: str, default: Value) -> dict[str, Any]:
    """Return the decimal mark, the mark between thousands and the currency sign of numbers."""
    marks = {key: given.get(key, getattr(default, key)) for key in _HOW_WRITTEN}
    marks["decimal"] = decimal = marks["decimal"] or "."
    if decimal == marks["thousands"]:
        raise InputError(
            f"{where} decimal and thousands are both {decimal!r}, so nobody knows what "
            f'1{decimal}234 is; write both, such as decimal = ",", thousands = "."'
        )
    return marks


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


def _value(said: Any, where: str, kind: str, default: Value) -> Value:
    """Read what is said of one column of a type, or of an attribute."""
    if isinstance(said, (str, list)):
        said = {"column" if isinstance(said, str) else "any": said}
    if not isinstance(said, Mapping):
        raise InputError(
            f"{where} = {said!r}, must be the name of a column, several names of it, or such as "
            '{ column = "…" } or { value = … }'
        )
    allowed = _KEYS[kind]
    for key in said:
        if key not in allowed:
            raise InputError(
                f"{where} has an unknown key {key!r} for a column of type {kind}; "
                f"{nearest(key, allowed)}"
            )
    sources = [key for key in _SOURCES if key in said]
    if len(sources) != 1:
        raise InputError(
            f"{where} = {dict(said)!r}, must say one of "
            f"{', '.join(key for key in _SOURCES if key in allowed)}"
        )
    given = keyed(where, said, _COLUMN, " ")
    source = given.pop(sources[0])
    constant = sources[0] == "value"
    if constant and kind in NUMBERS and not is_number(source):
        raise refuse(f"{where} value", source, "a number")
    return Value(
        columns=() if constant else source,
        constant=source if constant else None,
        multiply="multiply" in said,
        any="any" in said,
        **given | _marks(given, where, default),
    )
