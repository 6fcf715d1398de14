"""A shop out of a source's own tables: each mapped, conformed and in one currency."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promolab.contract import TABLES, Gap, Settings, Shop
from promolab.engines import scratch, write_parquet
from promolab.errors import DataError
from promolab.sources.codes import by_code
from promolab.sources.columns import conform, which_columns
from promolab.sources.currency import in_one_currency, read_rates
from promolab.sources.files.finding import OneFile, listed_files
from promolab.sources.mapping import Part, Value
from promolab.wording import plural


def gaps_between(
    part: Part, columns: Sequence[str], called: str, files: Sequence[OneFile]
) -> list[Gap]:
    """Return which columns of the contract some of a table's files lack.

    Parameters
    ----------
    part : Part
        What ``shop.toml`` says of the table.
    columns : sequence of str
        The columns of all its files.
    called : str
        What errors call the table.
    files : sequence of OneFile
        Its files; nothing lacks in a single one.

    Returns
    -------
    list of Gap
        In the order of the contract.
    """
    if len(files) < 2:
        return []
    found = which_columns(part, columns, called)
    return [gap for name, how in found.items() if (gap := _gap(part, name, how, files))]


def _gap(part: Part, name: str, how: Value, files: Sequence[OneFile]) -> Gap | None:
    enough = any if how.any else all
    has = [enough(column in file.columns for column in how.columns) for file in files]
    lacking = [file for file, there in zip(files, has, strict=True) if not there]
    if not lacking:
        return None
    rows = sum(file.rows for file in lacking)
    said = (
        f"{part.table}.{name} is missing in {len(lacking)} of {len(files)} files "
        f"({listed_files([file.name for file in lacking])}): {plural(rows, 'row')} without it"
    )
    elsewhere = {c for file, there in zip(files, has, strict=True) if there for c in file.columns}
    shared = set.intersection(*(set(file.columns) for file in lacking)) - elsewhere
    only = [column for column in lacking[0].columns if column in shared]
    if only:
        said += f"; only there: {', '.join(only[:5])}"
        if how.any or len(how.columns) == 1:
            names = json.dumps([*how.columns, only[0]], ensure_ascii=False)
            said += f". If that is it, shop.toml can say both: [{part.table}] {name} = {names}"
    return Gap(part.table, name, rows, said)


@dataclass(frozen=True)
class Found:
    """One of the source's tables, as it lies there.

    Parameters
    ----------
    table : ibis Table
        The table.
    called : str
        What errors call it.
    notes : tuple of str
        How it was read, where a reader should know.
    is_text : bool
        Whether all its columns are text, to be parsed.
    files : tuple of OneFile
        Its files, where there are several.
    """

    table: Any
    called: str
    notes: tuple[str, ...] = ()
    is_text: bool = False
    files: tuple[OneFile, ...] = ()


def assembled(
    find: Callable[[Part], Found | None],
    mapping: Mapping[str, Sequence[Part]],
    settings: Settings,
    con: Any,
    *,
    folder: Path | None = None,
    where: str,
) -> Shop:
    """Make a shop of the source's tables.

    Parameters
    ----------
    find : callable
        Returns what a part stands for; None where the source has nothing of that name.
    mapping : mapping of str to sequence of Part
        From `read_mapping`.
    settings : Settings
        The shop's.
    con : ibis backend
        Where the tables live.
    folder : Path, optional
        Where a file of rates lies.
    where : str
        What errors call the source.

    Returns
    -------
    Shop

    Raises
    ------
    DataError
        If there is no table of events, or a table cannot be brought to the contract.
    """
    rates = read_rates(settings, folder, con)
    tables: dict[str, Any] = {}
    notes: list[str] = []
    gaps: list[Gap] = []
    for name in TABLES:
        parts = mapping.get(name) or [Part(name)]
        made = []
        for part in parts:
            found = find(part)
            if found is None:
                if name in mapping:
                    raise DataError(
                        f"{part.where}: {where} has no table {name!r}; say which one it is: "
                        "files = … in a folder, table = … in a database"
                    )
                continue
            ready = conform(part, found.table, settings, found.called)
            ready = in_one_currency(part, ready, settings, rates)
            ready = by_code(part, ready, tables.get("promotions"))
            notes += found.notes
            gaps += gaps_between(part, found.table.columns, found.called, found.files)
            if part.distinct or part.rows_with:
                notes.append(_fewer(part, found, ready))
            made.append(_stored(con, ready) if found.is_text else ready)
        if made:
            tables[name] = made[0] if len(made) == 1 else _union(name, made)
    if "events" not in tables:
        raise DataError(_no_events(where, list(tables), mapping))
    seen = None
    if "customers" not in tables:
        seen = _first_seen(tables["events"])
        tables["customers"] = seen.select("customer_id")
    shop = Shop({n: tables[n] for n in TABLES if n in tables}, settings, seen=seen)
    return dataclasses.replace(shop, left_out=tuple(dict.fromkeys(notes)), gaps=tuple(gaps))


def _no_events(where: str, tables: list[str], mapping: Mapping[str, Any]) -> str:
    if not tables and not mapping:
        return (
            f"{where} holds no table of the contract; expected events.parquet or events.csv and "
            "the like (see data/README.md); `promolab init` proposes a shop.toml for files with "
            "names and columns of their own"
        )
    return (
        f"{where} has no table 'events' (tables found: {', '.join(tables) or 'none'}); "
        "see data/README.md for the tables and columns expected"
    )


def _fewer(part: Part, found: Found, ready: Any) -> str:
    before, after = int(found.table.count().execute()), int(ready.count().execute())
    which = f"{after:,} distinct of {{rows}}" if part.distinct else f"{after:,} of {{rows}}"
    which = which.format(rows=plural(before, "row"))
    only = f" with a {part.rows_with}" if part.rows_with else ""
    return f"{part.table}: {which}{only} of {found.called}, as shop.toml says."


def _stored(con: Any, table: Any) -> Any:
    """Parse text once: later queries read what it means."""
    path = scratch() / f"parsed-{uuid.uuid4().hex[:12]}.parquet"
    write_parquet(table, path)
    return con.read_parquet(str(path))


def _union(name: str, tables: Sequence[Any]) -> Any:
    """Return the rows of several of their tables as one; a column that one lacks is null there."""
    import ibis

    types: dict[str, Any] = {}
    for table in tables:
        for column, kind in table.schema().items():
            known = types.setdefault(column, kind)
            if known.is_numeric() and kind.is_numeric():
                types[column] = ibis.expr.datatypes.highest_precedence((known, kind))
            elif known.is_null():
                types[column] = kind
            elif not kind.is_null() and known.is_string() != kind.is_string():
                raise DataError(
                    f"{name}.{column} is of type {known} in one of the tables mapped onto {name} "
                    f"and of type {kind} in another; write both as text"
                )
    aligned = [
        table.select(
            **{
                column: (table[column] if column in table.columns else ibis.null()).cast(kind)
                for column, kind in types.items()
            }
        )
        for table in tables
    ]
    return ibis.union(*aligned)


def _first_seen(events: Any) -> Any:
    """Return everybody whom events name, and when they were first seen."""
    known = events.filter(events.customer_id.notnull())
    return known.group_by("customer_id").aggregate(ts=known.ts.min())


def save_shop(shop: Shop, folder: Path) -> None:
    """Write a shop as a folder: a parquet file per table, in total order, and its shop.toml.

    Attributes of customers that were declared stay declared.

    Parameters
    ----------
    shop : Shop
        The shop.
    folder : Path
        Where to write; made if it is not there.

    Examples
    --------
    >>> import tempfile
    >>> from promolab.sources.opening import load_shop
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_shop(load_shop("complete_journey"), Path(folder))
    ...     load_shop(folder).settings.name
    'Complete Journey'
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in shop.tables.items():
        write_parquet(table.order_by(list(table.columns)), folder / f"{name}.parquet")
    # What was local time in the source is UTC by now, and what was theirs is the contract's.
    settings = dataclasses.replace(shop.settings, naive_times="utc")
    there = shop["customers"].columns if shop.has("customers") else ()
    text = settings.to_toml([column for column in there if column in settings.declared])
    (folder / "shop.toml").write_text(text, encoding="utf-8")
