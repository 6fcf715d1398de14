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

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from promolab.contract import TABLES
from promolab.errors import InputError, nearest

__all__ = ["Part", "Value", "read_mapping"]

_NUMBERS = ("money", "share", "number")

# What may be said of a column, by the type that it shall become.
_HOW_WRITTEN = ("decimal", "thousands", "symbol")
_WHERE_FROM = ("column", "columns", "multiply", "value")
_WORDS = ("values", "starts_with", "negative", "otherwise")
_KEYS = {
    "id": (*_WHERE_FROM[:2], "value", "whole", "values"),
    "time": (*_WHERE_FROM[:2], "format", "zone"),
    "text": (*_WHERE_FROM[:2], "value", *_WORDS),
    "flag": ("column", "value", *_WORDS),
} | dict.fromkeys(_NUMBERS, ("column", "multiply", "value", "scale", *_HOW_WRITTEN))
_ATTRIBUTE = ("column", "columns", "value", *_WORDS)
_OF_A_SECTION = (
    *("files", "table", "sheet", "encoding", "separator", "names", "distinct"),
    *("currency", "attributes", *_HOW_WRITTEN),
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
    constant : object
        The value of every row, where there is no column.
    values, starts_with : mapping of str to str
        What their values, or the beginnings of their values, mean.
    negative : str, optional
        What a number below zero means.
    otherwise : str, optional
        What every other value means; by default it stays as it is.
    format : str, optional
        How times are written: as for ``strptime``, or ``excel``, ``epoch_s``, ``epoch_ms``.
    zone : str, optional
        Zone of times that state none.
    whole : bool
        Whether ids are whole numbers that an export wrote as ``12345.0``.
    scale : float, optional
        What numbers are multiplied by: their unit (0.01 for cents) or sign (-1).
    decimal, thousands, symbol : str
        How numbers are written.
    """

    columns: tuple[str, ...] = ()
    multiply: bool = False
    constant: Any = None
    values: Mapping[str, str] = field(default_factory=dict)
    starts_with: Mapping[str, str] = field(default_factory=dict)
    negative: str | None = None
    otherwise: str | None = None
    format: str | None = None
    zone: str | None = None
    whole: bool = False
    scale: float | None = None
    decimal: str = "."
    thousands: str = ""
    symbol: str = ""

    @property
    def renames(self) -> str | None:
        """Their column that this one replaces; None where more than its name or writing changes."""
        plain = not (self.values or self.starts_with or self.negative or self.otherwise)
        return self.columns[0] if len(self.columns) == 1 and plain else None


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
    their_table, sheet, encoding, separator, names
        Where and how it is written.
    distinct : bool
        Whether rows that agree in all mapped columns stand once (a table made from order lines).
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
    distinct: bool = False
    currency: str | None = None
    columns: Mapping[str, Value] = field(default_factory=dict)
    attributes: Mapping[str, Value] = field(default_factory=dict)
    default: Value = field(default_factory=Value)


def read_mapping(sections: Mapping[str, Any]) -> dict[str, tuple[Part, ...]]:
    """Read the sections on tables.

    Parameters
    ----------
    sections : mapping
        As they stand in ``shop.toml``; ``rates`` is not a table and is passed over.

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
    default = Value(
        decimal=_text(section, "decimal", where) or ".",
        thousands=_text(section, "thousands", where) or "",
        symbol=_text(section, "symbol", where) or "",
    )
    for key, said in section.items():
        if key in spec:
            columns[key] = _value(said, f"{where} {key}", spec[key].type, default)
        elif key not in _OF_A_SECTION:
            options = [*_OF_A_SECTION, *(column.name for column in spec)]
            raise InputError(
                f"{where} has an unknown key {key!r}; {nearest(key, options)}; an attribute that "
                f"the contract does not name stands in [{table}.attributes]"
            )
    attributes = section.get("attributes", {})
    if not isinstance(attributes, Mapping):
        raise InputError(f"{where} attributes = {attributes!r}, must be a section of names")
    separator = _text(section, "separator", where)
    if separator is not None and len(separator) != 1:
        raise InputError(f"{where} separator = {separator!r}, must be one character")
    return Part(
        table,
        where,
        files=_texts(section, "files", where) or (),
        their_table=_text(section, "table", where),
        sheet=_text(section, "sheet", where),
        encoding=_text(section, "encoding", where),
        separator=separator,
        names=_texts(section, "names", where),
        distinct=_flag(section, "distinct", where),
        currency=_text(section, "currency", where),
        columns=columns,
        attributes={
            name: _value(said, f"{where} attributes.{name}", None, default)
            for name, said in attributes.items()
        },
        default=default,
    )


def _value(said: Any, where: str, kind: str | None, default: Value) -> Value:
    """Read what is said of one column; ``kind`` is its type, None of an attribute."""
    if isinstance(said, str):
        said = {"column": said}
    if not isinstance(said, Mapping):
        raise InputError(
            f"{where} = {said!r}, must be the name of a column, or such as "
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
        columns = _texts(said, sources[0], where) or ()
        if not columns or (len(columns) < 2 and multiply):
            raise InputError(f"{where} {sources[0]} names no column")
    zone = _text(said, "zone", where)
    if zone is not None:
        _check_zone(zone, where)
    return Value(
        columns=columns,
        multiply=multiply,
        constant=said.get("value"),
        values=_words(said, "values", where),
        starts_with=_words(said, "starts_with", where),
        negative=_word(said, "negative"),
        otherwise=_word(said, "otherwise"),
        format=_text(said, "format", where),
        zone=zone,
        whole=_flag(said, "whole", where),
        scale=_number(said, "scale", where),
        decimal=_text(said, "decimal", where) or default.decimal,
        thousands=_text(said, "thousands", where) or default.thousands,
        symbol=_text(said, "symbol", where) or default.symbol,
    )


def _text(section: Mapping[str, Any], key: str, where: str) -> str | None:
    said = section.get(key)
    if said is None or (isinstance(said, str) and (said or key in _HOW_WRITTEN)):
        return said
    raise InputError(f"{where} {key} = {said!r}, must be text")


def _texts(section: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
    said = section.get(key)
    if said is None:
        return None
    given = [said] if isinstance(said, str) else said
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InputError(f"{where} {key} = {said!r}, must be text or a list of texts")
    return tuple(given)


def _flag(section: Mapping[str, Any], key: str, where: str) -> bool:
    said = section.get(key, False)
    if not isinstance(said, bool):
        raise InputError(f"{where} {key} = {said!r}, must be true or false")
    return said


def _number(section: Mapping[str, Any], key: str, where: str) -> float | None:
    said = section.get(key)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not said:
        raise InputError(f"{where} {key} = {said!r}, must be a number other than 0")
    return float(said)


def _word(section: Mapping[str, Any], key: str) -> str | None:
    said = section.get(key)
    return None if said is None else _as_word(said)


def _words(section: Mapping[str, Any], key: str, where: str) -> Mapping[str, str]:
    said = section.get(key, {})
    if not isinstance(said, Mapping):
        raise InputError(f'{where} {key} = {said!r}, must be such as {{ C = "return" }}')
    return {theirs: _as_word(ours) for theirs, ours in said.items()}


def _as_word(said: Any) -> str:
    return str(said).lower() if isinstance(said, bool) else str(said)


def _check_zone(zone: str, where: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f'{where} zone = {zone!r} is no time zone; write an IANA name such as "Europe/London"'
        ) from error
