"""A shop out of a source's own tables: each mapped, conformed, its promotions told by their codes.

Two currencies are never added up: amounts in another than the shop's are refused.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promolab.contract import TABLES, Gap, Settings, Shop, shown_value
from promolab.engines import scratch, write_parquet
from promolab.errors import DataError, nearest
from promolab.sources.columns import conform, which_columns
from promolab.sources.files.reading import OneFile, Raw, listed_files
from promolab.sources.mapping import Part, Value
from promolab.sources.synonyms import CURRENCIES, SIGNS, column_rank
from promolab.wording import count, plural


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
    lacking = [file for file in files if not enough(c in file.columns for c in how.columns)]
    if not lacking:
        return None
    rows = sum(file.rows for file in lacking)
    said = (
        f"{part.table}.{name} is missing in {len(lacking)} of {len(files)} files "
        f"({listed_files([file.name for file in lacking])}): {plural(rows, 'row')} without it. If "
        f"they call it otherwise, shop.toml can say both names: [{part.table}] "
        f"{name} = {json.dumps([*how.columns, '…'], ensure_ascii=False)}"
    )
    return Gap(part.table, name, rows, said)


def assembled(
    find: Callable[[Part], Raw | None],
    mapping: Mapping[str, Sequence[Part]],
    settings: Settings,
    con: Any,
    *,
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
            in_one_currency(part, ready, settings.currency)
            ready = by_code(part, ready, tables.get("promotions"))
            notes += found.notes
            gaps += gaps_between(part, found.table.columns, found.called, found.files)
            if part.distinct or part.rows_with:
                notes.append(_fewer(part, found, ready))
            made.append(_stored(con, ready) if found.columns_as_text else ready)
        if made:
            tables[name] = made[0] if len(made) == 1 else _union(name, made)
    if "events" not in tables:
        raise DataError(_no_events(where, list(tables)))
    seen = None
    if "customers" not in tables:
        # Everybody whom events name, and when they were first seen.
        known = tables["events"].filter(tables["events"].customer_id.notnull())
        seen = known.group_by("customer_id").aggregate(ts=known.ts.min())
        tables["customers"] = seen.select("customer_id")
    shop = Shop({n: tables[n] for n in TABLES if n in tables}, settings, seen=seen)
    return dataclasses.replace(shop, left_out=tuple(dict.fromkeys(notes)), gaps=tuple(gaps))


def _no_events(where: str, tables: list[str]) -> str:
    return (
        f"{where} has no table 'events' (tables found: {', '.join(tables) or 'none'}); expected "
        "events.parquet or events.csv and the like (see data/README.md); `promolab init` proposes "
        "a shop.toml for files with names and columns of their own"
    )


def _fewer(part: Part, found: Raw, ready: Any) -> str:
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


_MOST = 5
"""Currencies that a sentence names."""


def in_one_currency(part: Part, table: Any, currency: str) -> None:
    """Refuse a conformed table with money in another currency than the shop's.

    Parameters
    ----------
    part : Part
        Names the column that says a row's currency; one called ``currency`` needs no naming.
        Any other that is called so and holds codes is looked at as well.
    table : ibis Table
        In the contract's columns.
    currency : str
        The shop's.

    Raises
    ------
    DataError
        If rows are in another one, or in none.
    """
    if not any(c.type == "money" and c.name in table.columns for c in TABLES[part.table]):
        return
    own = currency.upper()
    wanted = (part.currency or "currency").lower()
    stated = [c for c in table.columns if c.lower() in (wanted, f"source_{wanted}")][:1]
    for name in stated or _called_so(part, table):
        every = _rows(table, name, own)
        rows = every if stated else {code: n for code, n in every.items() if code in CURRENCIES}
        if set(rows) - {own} and 2 * sum(rows.values()) >= sum(every.values()):
            raise DataError(_foreign(part.table, name, rows, own, named=bool(stated)))


def _called_so(part: Part, table: Any) -> Iterator[str]:
    """Yield the columns that nobody named, and whose names say that they hold currencies."""
    known = {name.lower() for name in part.attributes} | {c.name for c in TABLES[part.table]}
    for name, kind in table.schema().items():
        called = column_rank("events", "currency", name) is not None
        if called and name.lower() not in known and kind.is_string():
            yield name


def _rows(table: Any, column: str, own: str) -> dict[str, int]:
    """Return the rows in each currency, written as a code or as a sign."""
    import ibis

    text = table[column].cast("string").strip().upper()
    means = [(text == s.upper(), own if own in known else known[0]) for s, known in SIGNS.items()]
    found = table.group_by(code=ibis.cases(*means, else_=text)).aggregate(n=table.count()).execute()
    return {str(c): int(n) for c, n in zip(found["code"], found["n"], strict=True) if c == c and c}


def _foreign(table: str, name: str, rows: Mapping[str, int], own: str, *, named: bool) -> str:
    held = [f"{shown_value(code)} ({plural(n, 'row')})" for code, n in sorted(rows.items())]
    some = " and ".join(held[:_MOST])
    some += f" and {count(len(held) - _MOST)} more" if len(held) > _MOST else ""
    said = f"{table}.{name} says {some}"
    if len(rows) > 1:
        said += ", and two currencies are never added up: bring the amounts into one, or leave out"
        said += " the rows in the other"
    else:
        other = shown_value(min(rows))
        said += f', and shop.toml says currency = "{own}": say currency = "{other}", or bring'
        said += f" the amounts into {own}"
    if not named:
        said += "; if that is not the amounts' currency, keep it as an attribute, "
        said += f'[{table}.attributes] other_currency = "{name}"'
    return said


def by_code(part: Part, table: Any, promotions: Any) -> Any:
    """Put a promotion's id in the place of a code that the table of promotions lists.

    A code that several promotions use in turn is that of the one that started last by then; a code
    that none lists stays, so that it is counted as that of an unknown promotion.

    Parameters
    ----------
    part : Part
        What ``shop.toml`` says of the table.
    table : ibis Table
        In the contract's columns, the code in that of the promotion.
    promotions : ibis Table
        Those of the shop; None where there are none.

    Returns
    -------
    ibis Table

    Raises
    ------
    DataError
        If there are no promotions, or they do not have the column.
    """
    how = part.columns.get("promotion_id")
    if how is None or how.in_promotions is None:
        return table
    listed = () if promotions is None else promotions.columns
    column = {c.lower(): c for c in listed}.get(how.in_promotions.lower())
    if column is None:
        there = nearest(how.in_promotions, list(listed)) if listed else "there are no promotions"
        raise DataError(
            f"{part.where} promotion_id in_promotions: promotions has no column "
            f"{how.in_promotions!r}; {there}"
        )

    codes = _codes(promotions, column)
    mine = table.mutate(_code=_as_code(table.promotion_id))
    both = mine.left_join(
        codes,
        [
            mine._code == codes.code,
            codes.low.isnull() | (mine.ts >= codes.low),
            codes.high.isnull() | (mine.ts < codes.high),
        ],
    )
    found = both.listed
    if found.type().is_string():
        found = found.coalesce(both.promotion_id)
    named = both.mutate(promotion_id=found).select(*table.columns)
    # What was written in two ways is one by now.
    return named.distinct() if part.distinct else named


def _codes(promotions: Any, column: str) -> Any:
    """Return code, listed (the promotion's id), low and high: whose the code is, and when."""
    import ibis

    codes = promotions.select("promotion_id", "starts_at", code=_as_code(promotions[column]))
    codes = codes.filter(codes.code.notnull() & (codes.code != ""))
    turns = ibis.window(group_by="code", order_by=["starts_at", "promotion_id"])
    return codes.select(
        "code",
        listed=codes.promotion_id,
        low=ibis.ifelse(ibis.row_number().over(turns) > 0, codes.starts_at, None),
        high=codes.starts_at.lead().over(turns),
    )


def _as_code(value: Any) -> Any:
    """Return a code as it is compared: customers type it in either case."""
    return value.cast("string").strip().upper()


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
