"""A shop in files: a folder of parquet, csv or Excel files, mapped by its ``shop.toml``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from promolab.contract import TABLES, Settings, Shop, read_settings
from promolab.engines import (
    connect,
    connect_url,
    engine_errors,
    list_their_tables,
    read_their_table,
    sentence,
    shown,
)
from promolab.errors import DataError, StepError, nearest
from promolab.sources.assembly import Found, assembled
from promolab.sources.files import find_files, read_files
from promolab.sources.files.finding import refuse_duckdb, zips_in
from promolab.sources.mapping import Part, read_mapping

__all__ = ["open_database", "open_file", "open_folder"]


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
        As `promolab.engines.connect_url` takes it.
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


def open_folder(folder: Path, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a folder of parquet, csv or Excel files, as its ``shop.toml`` says.

    Parameters
    ----------
    folder : Path
        The folder.
    settings : Settings, optional
        Settings in place of the folder's ``shop.toml``.
    threads : int, optional
        Threads of the engine.

    Returns
    -------
    Shop

    Raises
    ------
    DataError
        If a file cannot be read, or a table lacks a required column or holds a wrong type.
    """
    toml = folder / "shop.toml"
    name = folder.resolve().name or "Shop"
    settings = settings or (read_settings(toml, name) if toml.exists() else Settings(name=name))
    con = connect(threads)
    files: list[Path] = []
    own: dict[str, list[Path]] = {name: find_files(folder, name, None) for name in TABLES}

    mapping = read_mapping(settings.mapping)
    _check_own_files(own, mapping)
    if not any(own.values()) and not any(part.files for p in mapping.values() for part in p):
        refuse_duckdb(folder)
    named = {
        name: [
            path
            for part in parts
            for path in (find_files(folder, name, list(part.files)) if part.files else own[name])
        ]
        for name, parts in mapping.items()
    }

    def find(part: Part) -> Found | None:
        paths = find_files(folder, part.table, list(part.files)) if part.files else own[part.table]
        spare = [path for path in own[part.table] if path not in named.get(part.table, paths)]
        if spare:
            raise DataError(
                f"two tables map onto {part.table}: {paths[0].name}, which {part.where} names, and "
                f"{spare[0].name}, which is called so; rename one, or name both in "
                f"[[{part.table}]] sections"
            )
        if not paths:
            return None
        files.extend(path for path in paths if path not in files)
        raw = read_files(
            con,
            part.table,
            paths,
            encoding=part.encoding,
            separator=part.separator,
            names=part.names,
            sheet=part.sheet,
            skip=part.skip,
        )
        called = paths[0].name if len(paths) == 1 else f"{paths[0].name} and the like"
        return Found(raw.table, called, raw.notes, raw.columns_as_text, raw.files)

    zips = zips_in(folder)
    try:
        shop = assembled(find, mapping, settings, con, folder=folder, where=str(folder))
    except DataError as error:
        if zips and not files:
            raise DataError(f"{error}. {' '.join(zips)}") from error
        raise
    return dataclasses.replace(shop, files=tuple(files), left_out=(*shop.left_out, *zips))


def _check_own_files(
    own: Mapping[str, Sequence[Path]], mapping: Mapping[str, Sequence[Part]]
) -> None:
    """Refuse a file named after a table beside sections that map others onto it."""
    for name, parts in mapping.items():
        if len(parts) > 1 and own[name] and not all(part.files for part in parts):
            raise DataError(
                f"two tables map onto {name}: each [[{name}]] section must say its files, for "
                f"{own[name][0].name} can be only one of them"
            )
