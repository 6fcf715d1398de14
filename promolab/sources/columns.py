"""Bring one of their tables to the contract's columns and types, or say in a sentence why not."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from promolab.contract import NUMBERS, TABLES, Column, Settings, is_empty, shown_value
from promolab.errors import DataError, nearest
from promolab.sources.files.reading import no_case_twins
from promolab.sources.mapping import Part, Value
from promolab.sources.parsing import Problem, term_in_words, to_flag, to_id, to_number, to_time

_ABSENT = {"id": "string", "time": "timestamp", "text": "string", "flag": "boolean"}


def conform(part: Part, table: Any, settings: Settings, theirs: str = "the table") -> Any:
    """Return a table with the contract's columns; columns of theirs that it does not know are kept.

    Parameters
    ----------
    part : Part
        What ``shop.toml`` says; ``Part("events")`` where it says nothing.
    table : ibis Table
        As the source has it.
    settings : Settings
        Tells what a time without a zone means.
    theirs : str
        What errors call the source's table, such as ``invoices.csv``.

    Returns
    -------
    ibis Table
        Ids text or whole numbers, times UTC without a zone, the rest numbers, text or flags.

    Raises
    ------
    DataError
        If a column is not there, or holds what the contract's column cannot hold.
    """
    engine = table.get_backend().name
    table = _emptied(part, table)
    if part.rows_with is not None:
        table = table.filter(~is_empty(table[_spelt(part, "rows_with", table.columns, theirs)]))
    found = which_columns(part, table.columns, theirs)
    made: dict[str, Any] = {}
    problems: list[Problem] = []
    for column in TABLES[part.table]:
        if column.name in found:
            how = found[column.name]
            value, wrong = _converted(part, table, column, how, settings, engine)
            made[column.name] = value
            problems += wrong
    for name, how in part.attributes.items():
        made[name] = _words(table, _raw(table, how), how)
    _check(table, problems)
    if part.distinct:
        return table.select(**made).distinct()
    return table.select(**made, **_kept(part, table, found, made))


def which_columns(part: Part, columns: Sequence[str], theirs: str) -> dict[str, Value]:
    """Return how each column of the contract that is there is made, with their names as written.

    Parameters
    ----------
    part : Part
        What ``shop.toml`` says.
    columns : sequence of str
        The columns that the source's table has.
    theirs : str
        What errors call it.

    Raises
    ------
    DataError
        If a column that ``shop.toml`` names or that the contract requires is not there.
    """
    columns = list(columns)
    no_case_twins(theirs, columns)
    by_lower = {c.lower(): c for c in columns}
    found = {}
    for name, how in {**part.columns, **part.attributes}.items():
        lacking = [wanted for wanted in how.columns if wanted.lower() not in by_lower]
        if lacking and (not how.any or len(lacking) == len(how.columns)):
            raise DataError(
                f"{part.where} {name}: {theirs} has no column "
                f"{' or '.join(map(repr, lacking if how.any else lacking[:1]))}; "
                f"{nearest(lacking[0], columns)}"
            )
        if name in part.columns:
            found[name] = _named(how, by_lower)
    if part.currency is not None:
        _spelt(part, "currency", columns, theirs)
    for column in TABLES[part.table]:
        if column.name not in found and column.name in by_lower:
            found[column.name] = _named(replace(part.default, columns=(column.name,)), by_lower)
        if column.required and column.name not in found:
            raise DataError(
                f"{part.table} lacks the required column {column.name!r}; "
                f"{nearest(column.name, columns)}; if {theirs} calls it otherwise, shop.toml says "
                f'so: [{part.table}] {column.name} = "…"'
            )
    return found


def _spelt(part: Part, key: str, columns: Sequence[str], theirs: str) -> str:
    """Return the column of theirs that a key of the section names, as they write it."""
    said = str(getattr(part, key))
    for name in columns:
        if name.lower() == said.lower():
            return name
    raise DataError(
        f"{part.where} {key}: {theirs} has no column {said!r}; {nearest(said, list(columns))}"
    )


def _named(how: Value, by_lower: Mapping[str, str]) -> Value:
    there = tuple(by_lower[c.lower()] for c in how.columns if c.lower() in by_lower)
    return replace(how, columns=there)


def _raw(table: Any, how: Value) -> Any:
    """Return their value: one column, the first that is not empty, some joined, or a constant."""
    import ibis

    if not how.columns:
        return ibis.literal(how.constant)
    by_lower = {c.lower(): c for c in table.columns}
    values = [table[by_lower[c.lower()]] for c in how.columns if c.lower() in by_lower]
    if len(values) == 1:
        return values[0]
    if how.any:
        return _first_given(values)
    return ibis.literal(" ").join([value.cast("string") for value in values])


def _first_given(values: Sequence[Any]) -> Any:
    """Return the first of several values of a row that is not empty."""
    import ibis

    values = [value for value in values if not value.type().is_null()] or list(values)
    if len({value.type().copy(nullable=True) for value in values}) > 1:
        alike = all(value.type().is_numeric() for value in values)
        values = [value.cast("float64" if alike else "string") for value in values]
    if values[0].type().is_string():
        values = [value.nullif("") for value in values]
    return ibis.coalesce(*values)


def _emptied(part: Part, table: Any) -> Any:
    """Return the table without the values of text that mean nothing, such as ``N/A``."""
    import ibis

    if not part.empty:
        return table
    nothing = ibis.null("string")
    texts = [name for name, kind in table.schema().items() if kind.is_string()]
    return table.mutate(
        **{n: ibis.ifelse(table[n].strip().isin(part.empty), nothing, table[n]) for n in texts}
    )


def _converted(
    part: Part, table: Any, column: Column, how: Value, settings: Settings, engine: str
) -> tuple[Any, list[Problem]]:
    where = f"{part.table}.{column.name}"
    if column.type in NUMBERS:
        return _number(where, table, how, engine)
    value = _raw(table, how)
    if value.type().is_null():
        return value.cast(_ABSENT[column.type]), []
    if column.type == "id":
        made, problems = to_id(where, value, how)
        return (_words(table, made, how) if how.values else made), problems
    if column.type == "time":
        return to_time(where, value, how, settings, engine)
    value = _words(table, value, how)
    if column.type == "flag":
        return to_flag(where, value)
    return (value if value.type().is_string() else value.cast("string")), []


def _number(where: str, table: Any, how: Value, engine: str) -> tuple[Any, list[Problem]]:
    import ibis

    if not how.columns:
        return ibis.literal(float(how.constant)), []
    if how.in_words:
        return term_in_words(_raw(table, how).cast("string"), where.partition(".")[2]), []
    factors, problems = [], []
    for name in how.columns[:1] if how.any else how.columns:
        raw = _raw(table, how) if how.any else table[name]
        label = where if how.any or len(how.columns) == 1 else f"{where} (from {name})"
        value, wrong = (
            (raw.cast("float64"), [])
            if raw.type().is_null()
            else to_number(label, raw, how, engine)
        )
        factors.append(value)
        problems += wrong
    if len(factors) > 1:
        # A product of decimals may not fit their digits, and money is a float in the contract.
        factors = [factor.cast("float64") for factor in factors]
    if how.scale is not None:
        factors = [factors[0].cast("float64"), *factors[1:], ibis.literal(how.scale)]
    made = functools.reduce(operator.mul, factors)
    # 3 × 0.1 is not 0.3 to a float: what was computed is money again, to a hundredth of a cent.
    return (made.round(4) if len(factors) > 1 else made), problems


def _words(table: Any, value: Any, how: Value) -> Any:
    """Return what their words mean: by value, by beginning, by a number's sign, or otherwise."""
    import ibis

    if not (how.values or how.starts_with or how.negative or how.otherwise):
        return value
    text = value.cast("string")
    cases = [
        (text == theirs if theirs else is_empty(text), ours) for theirs, ours in how.values.items()
    ]
    cases += [(text.startswith(theirs), ours) for theirs, ours in how.starts_with.items()]
    if how.negative is not None:
        # A sign before the digits, or what accountants write for it: (1,037.50).
        is_text = value.type().is_string()
        below = text.re_search(r"^[^0-9A-Za-z]*[-(]") if is_text else value < 0
        cases.append((below, how.negative))
    rest = text if how.otherwise is None else ibis.ifelse(text.isnull(), text, how.otherwise)
    return ibis.cases(*cases, else_=rest) if cases else rest


def _kept(part: Part, table: Any, found: Mapping[str, Value], made: Mapping[str, Any]) -> Any:
    """Return the columns of theirs that go along unused, under names that nothing else has."""
    gone = {name for how in (*found.values(), *part.attributes.values()) for name in how.renames}
    if part.table == "promotions" and "name" in found:
        # It stays under theirs, too: exposures may call the promotion by that column.
        gone -= {name for name in found["name"].renames if name.lower() != "name"}
    taken = {name.lower() for name in made} | {c.name for c in TABLES[part.table]}
    kept = {}
    for name in table.columns:
        if name not in gone:
            kept[name if name.lower() not in taken else f"source_{name}"] = table[name]
    return kept


def _check(table: Any, problems: Sequence[Problem]) -> None:
    """Look for all problems of a table in one pass; raise the first, with an example of it."""
    if not problems:
        return

    def counted(bad: Any) -> Any:
        return bad.fill_null(False).cast("int64").sum()

    counts = {f"n{i}": counted(one.bad) for i, one in enumerate(problems)}
    counts |= {f"e{i}": counted(p.beside) for i, p in enumerate(problems) if p.beside is not None}
    row = table.aggregate(**counts).to_pyarrow().to_pylist()[0]
    for i, problem in enumerate(problems):
        n, other = row[f"n{i}"] or 0, row.get(f"e{i}")
        if n and other:
            raise DataError(problem.sentence(int(n), other))
        if n and problem.beside is None:
            bad = problem.bad.fill_null(False)
            least = problem.example.cast("string").min(where=bad)
            other = table.aggregate(least=least).to_pyarrow().to_pylist()[0]["least"]
            example = shown_value(other)
            said = problem.sentence(int(n), example)
            # What only stands for a value stands in no quotes.
            raise DataError(said.replace(repr(example), example) if example != other else said)
