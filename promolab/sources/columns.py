"""Bring a table's columns to the contract's types, or say in a sentence why it cannot be done."""

from __future__ import annotations

from typing import Any

from promolab.contract import TABLES, Settings
from promolab.contract.tables import Column
from promolab.errors import DataError, nearest

__all__ = ["conform"]

_WITH_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"


def conform(name: str, table: Any, settings: Settings) -> Any:
    """Return a table with the contract's types; columns that the contract does not know are kept.

    Parameters
    ----------
    name : str
        The table's name in the contract.
    table : ibis Table
        As the source has it.
    settings : Settings
        Tells what a time without a zone means.

    Returns
    -------
    ibis Table
        Ids text or whole numbers, times UTC without a zone, the rest numbers, text or flags.

    Raises
    ------
    DataError
        If a required column is missing, or a column holds another type than the contract's.
    """
    columns = list(table.columns)
    for required in TABLES[name].required:
        if required not in columns:
            raise DataError(
                f"{name} lacks the required column {required!r}; {nearest(required, columns)}"
            )
    changes = {}
    for column in TABLES[name]:
        if column.name in columns:
            changed = _convert(name, table, column, settings)
            if changed is not None:
                changes[column.name] = changed
    return table.mutate(**changes) if changes else table


def _convert(name: str, table: Any, column: Column, settings: Settings) -> Any:
    value = table[column.name]
    kind = value.type()
    where = f"{name}.{column.name}"
    if kind.is_null():
        return value.cast(
            {"id": "string", "time": "timestamp", "text": "string", "flag": "boolean"}.get(
                column.type, "float64"
            )
        )
    if column.type == "id":
        return _id(where, table, value)
    if column.type == "time":
        return _time(where, table, value, settings)
    if column.type in ("money", "share", "number"):
        if kind.is_string():
            return _number(where, table, value)
        if not kind.is_numeric() or kind.is_boolean():
            raise DataError(f"{where} is of type {kind}; expected a number")
        return None
    if column.type == "flag":
        return _flag(where, table, value)
    return value.cast("string") if not kind.is_string() else None


def _id(where: str, table: Any, value: Any) -> Any:
    kind = value.type()
    if kind.is_floating() or kind.is_decimal():
        raise DataError(
            f"{where} holds {kind} numbers; an id is text or a whole number (floats lose digits): "
            "write the column as text or as integers"
        )
    if kind.is_string():
        seen = table.filter(value.notnull())[where.split(".")[1]]
        like_float = seen.re_search(r"^\d+\.0+$")
        if table.count().execute() and like_float.all().execute() is True:
            raise DataError(
                f"{where} looks like ids read as floats (such as {seen.min().execute()!r}); "
                "export the column as text or as integers"
            )
        return None
    if not kind.is_integer():
        raise DataError(f"{where} is of type {kind}; an id is text or a whole number")
    return None


def _bad(where: str, table: Any, value: Any, parsed: Any, expected: str) -> None:
    wrong = table.filter(value.notnull() & (value.strip() != "") & parsed.isnull())
    n, example = (
        wrong.aggregate(n=wrong.count(), example=wrong[where.split(".")[1]].min()).execute().iloc[0]
    )
    if n:
        raise DataError(f"{where} has {n:,} values that are no {expected}, such as {example!r}")


def _number(where: str, table: Any, value: Any) -> Any:
    parsed = value.try_cast("float64")
    _bad(where, table, value, parsed, "number")
    return parsed


def _flag(where: str, table: Any, value: Any) -> Any:
    kind = value.type()
    if kind.is_boolean():
        return None
    if kind.is_string():
        parsed = value.lower().try_cast("boolean")
        _bad(where, table, value, parsed, "true or false")
        return parsed
    if kind.is_integer():
        return value != 0
    raise DataError(f"{where} is of type {kind}; expected true or false")


def _time(where: str, table: Any, value: Any, settings: Settings) -> Any:
    kind = value.type()
    if kind.is_timestamp():
        if kind.timezone is not None:
            # An instant; the engine's zone is UTC, so dropping the zone keeps it.
            return value.cast("timestamp('UTC')").cast("timestamp")
        return _naive(value.cast("timestamp"), settings)
    if kind.is_date():
        return _naive(value.cast("timestamp"), settings)
    if not kind.is_string():
        raise DataError(f"{where} is of type {kind}; expected a time such as 2017-10-29T17:02:11Z")
    text = value.strip()
    zoned = text.re_search(_WITH_ZONE) & text.contains(":")
    given = text.notnull() & (text != "")
    with_zone, without = (
        table.aggregate(a=(given & zoned).sum(), b=(given & ~zoned).sum()).execute().iloc[0]
    )
    if with_zone and without:
        raise DataError(
            f"{where} mixes {int(with_zone):,} times with a zone and {int(without):,} without one; "
            "write them all alike"
        )
    if with_zone:
        parsed = text.try_cast("timestamp('UTC')").cast("timestamp")
        _bad(where, table, value, parsed, "time")
        return parsed
    parsed = text.try_cast("timestamp")
    _bad(where, table, value, parsed, "time")
    return _naive(parsed, settings)


def _naive(value: Any, settings: Settings) -> Any:
    if settings.naive_times == "utc" or settings.zone in (None, "UTC"):
        return value
    from promolab.contract.shop import to_utc

    return to_utc(value, settings.zone)
