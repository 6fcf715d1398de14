"""A shop in files: a folder of parquet, csv or Excel files, mapped by its ``shop.toml``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from promolab.contract import TABLES, Settings, Shop, read_settings
from promolab.errors import DataError
from promolab.sources.assembly import Found, assembled
from promolab.sources.engine import connect
from promolab.sources.files import find_files, read_files
from promolab.sources.files.finding import refuse_duckdb, zips_in
from promolab.sources.mapping import Part, read_mapping

__all__ = ["open_folder"]


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
