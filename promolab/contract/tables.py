"""The table contract: every table, its columns, their types, units and meaning.

``tables.csv`` says them: a line for each table, which says what one row is and what the table
unlocks, and below in their order those of its columns, of which several tables may share one. The
data dictionary (``data/README.md``) and the checks are made from it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

Type = Literal["id", "time", "text", "money", "share", "number", "flag"]

NUMBERS = ("money", "share", "number")
"""Types of the columns that hold numbers."""
NOT_COUNTED = ("cancelled", "refunded", "unpaid")
"""States of an order that did not count; any other, and none, counts."""
BOUGHT_FROM = ("recommendation",)
"""Kinds that take nothing off, so that there is nothing to redeem: a purchase answers them."""
HAPPENED = ("events", "exposures", "responses")
"""Tables of things that have happened: a time that lies ahead is an error there."""


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Parameters
    ----------
    name, type : str
        ``id`` (text or whole number), ``time``, ``text``, ``money``, ``share`` (0–1), ``number``
        or ``flag`` (true or false).
    meaning : str
        What it holds, in a few words.
    required : bool
        Whether the table is useless without it.
    values : tuple of str
        The kinds that are known, where the column holds a kind.
    references : str
        The table whose key it is, where it is a foreign key.
    low, high : float, optional
        The range allowed, both ends included.
    example : object
        A value as it may stand in a file.
    """

    name: str
    type: Type
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()
    references: str = ""
    low: float | None = None
    high: float | None = None
    example: Any = None


@dataclass(frozen=True)
class TableSpec:
    """One table of the contract: its columns, what one row is, and what it unlocks."""

    name: str
    row: str
    unlocks: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.required)


def _example(kind: str, text: str) -> Any:
    if kind == "flag":
        return text == "true"
    if kind in NUMBERS:
        return float(text) if "." in text else int(text)
    return text


def _column(row: dict[str, str]) -> Column:
    return Column(
        row["column"],
        cast("Type", row["type"]),
        row["meaning"],
        required=bool(row["required"]),
        values=tuple(row["values"].split()),
        references=row["references"],
        low=float(row["low"]) if row["low"] else None,
        high=float(row["high"]) if row["high"] else None,
        example=_example(row["type"], row["example"]),
    )


def _read() -> dict[str, TableSpec]:
    found: dict[str, TableSpec] = {}
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["column"]:
                found[row["table"]] = TableSpec(row["table"], row["meaning"], row["example"], ())
                continue
            for name in row["table"].split():
                spec = found[name]
                key = (row["column"],) if row["required"] == "key" else ()
                columns = (*spec.columns, _column(row))
                found[name] = replace(spec, columns=columns, key=(*spec.key, *key))
    return found


TABLES: dict[str, TableSpec] = _read()
"""The tables of the contract by name."""


def _range(column: Column) -> str:
    if column.values:
        return ", ".join(column.values)
    if column.low is None:
        return ""
    return f"≥ {column.low:g}" if column.high is None else f"{column.low:g} to {column.high:g}"


def dictionary() -> str:
    """Return the data dictionary as Markdown: a table of columns and an example row per table.

    Examples
    --------
    >>> dictionary().splitlines()[0]
    '### customers'
    """
    lines: list[str] = []
    for spec in TABLES.values():
        lines += [f"### {spec.name}", "", f"One row is {spec.row}. Unlocks: {spec.unlocks}.", ""]
        lines += ["| column | type | meaning | allowed | example |", "|---|---|---|---|---|"]
        for column in spec.columns:
            star = "★" if column.required else ""
            example = str(column.example).lower() if column.type == "flag" else column.example
            lines.append(
                f"| {column.name}{star} | {column.type} | {column.meaning} "
                f"| {_range(column)} | {example} |"
            )
        lines.append("")
    return "\n".join(lines)
