"""A shop in a DuckDB file or a warehouse, mapped by a ``shop.toml``; it is only read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from promolab.contract import TABLES, Settings, Shop, read_settings
from promolab.errors import DataError, StepError, nearest
from promolab.sources.assembly import Found, assembled
from promolab.sources.mapping import Part, read_mapping
from promolab.sources.warehouse import (
    connect_url,
    engine_errors,
    list_their_tables,
    read_their_table,
    sentence,
    shown,
)

__all__ = ["open_database", "open_file"]


def open_file(path: Path, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a DuckDB file that holds a shop's tables.

    Parameters
    ----------
    path : Path
        The file; a ``shop.toml`` beside it is read as its settings.
    settings : Settings, optional
        Settings in place of that ``shop.toml``.
    threads : int, optional
        Threads of the engine.

    Returns
    -------
    Shop

    Raises
    ------
    DataError
        If the file is no DuckDB database of a version that can be read, or lacks what is required.
    """
    toml = path.parent / "shop.toml"
    name = path.stem
    settings = settings or (read_settings(toml, name) if toml.exists() else Settings(name=name))
    shop = open_database(f"duckdb://{path.absolute()}", settings, threads)
    return dataclasses.replace(shop, files=(path,))


def open_database(url: str, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a warehouse by its address; its tables stay where they are.

    Parameters
    ----------
    url : str
        As `promolab.sources.warehouse.connect_url` takes it.
    settings : Settings, optional
        With the mapping of its tables; by default they are called as the contract's.
    threads : int, optional
        Threads of the embedded engine.

    Returns
    -------
    Shop

    Raises
    ------
    InputError
        If the address is wrong or holds a password.
    DataError
        If it cannot be reached, or a table or column is missing or of a wrong type.
    StepError
        If the connection breaks while it is read.
    """
    settings = settings or Settings(name=shown(url).rpartition("/")[2] or "Shop")
    con = connect_url(url, threads)
    names = list_their_tables(con)
    by_lower = {name.lower(): name for name in names}

    def find(part: Part) -> Found | None:
        own = by_lower.get(part.table)
        if part.their_table is None:
            return None if own is None else Found(read_their_table(con, own), own)
        if own is not None and own not in named[part.table]:
            raise DataError(
                f"two tables map onto {part.table}: {part.their_table!r}, which {part.where} "
                f"names, and {own!r}, which is called so; name both in [[{part.table}]] sections"
            )
        return Found(read_their_table(con, part.their_table), part.their_table)

    mapping = read_mapping(settings.mapping)
    named = {name: [part.their_table for part in parts] for name, parts in mapping.items()}
    if "events" not in by_lower and "events" not in mapping and not set(by_lower) & set(TABLES):
        raise DataError(
            f"{shown(url)} has no table 'events'; {nearest('events', names)}; shop.toml says which "
            'table it is: [events] table = "…"'
        )
    try:
        return assembled(find, mapping, settings, con, where=shown(url))
    except engine_errors() as error:
        raise StepError(f"{shown(url)} cannot be read ({sentence(error, url)})") from None
