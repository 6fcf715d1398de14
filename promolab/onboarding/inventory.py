"""What lies at a path or behind an address: files or tables, whatever they are called."""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promolab.contract import TABLES
from promolab.engines import (
    connect,
    connect_url,
    engine_errors,
    is_url,
    list_their_tables,
    read_their_table,
    scrubbed,
    sentence,
    shown,
)
from promolab.errors import DataError, InputError, MissingExtraError
from promolab.sources import table_rank
from promolab.sources.files import (
    NOT_TABLES,
    SUFFIXES,
    find_files,
    kind_of,
    read_files,
    sheets_of,
    unread_in,
)

ENCODINGS = ("cp1252", "latin-1")
"""Tried in this order where a csv is neither UTF-8 nor GB18030."""
MOST_TABLES = 60
"""Tables that are looked at."""

_MONTHS = re.compile(
    r"(?<![a-z])(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mai|okt|dez)[a-z]*|q[1-4]"
)


@dataclass(frozen=True)
class Theirs:
    """One table of theirs: files of one shape, a sheet, or a table of a database.

    Parameters
    ----------
    name : str
        What a reader calls it, such as ``sales_*.csv``.
    stem : str
        Its name without folder and ending.
    where : mapping
        The keys of a section of ``shop.toml`` that say where it lies.
    table : ibis Table
        Its rows.
    own : bool
        Whether it is found without a section, since it is named after a table of the contract.
    notes : tuple of str
        How it was read.
    """

    name: str
    stem: str
    where: Mapping[str, Any]
    table: Any = field(repr=False)
    own: bool = False
    notes: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        """Name of the Ibis backend that it lies on."""
        return str(self.table.get_backend().name)


@dataclass(frozen=True)
class Inventory:
    """What lies at a source.

    Parameters
    ----------
    name : str
        The source's, for the shop's name.
    run : str
        What ``promolab data`` takes for it.
    tables : tuple of Theirs
        What could be read.
    unread : tuple of str
        Sentences on what could not be read.
    toml : Path, optional
        Where its ``shop.toml`` belongs; None for a warehouse.
    """

    name: str
    run: str
    tables: tuple[Theirs, ...]
    unread: tuple[str, ...] = ()
    toml: Path | None = None


def take_inventory(source: str | Path) -> Inventory:
    """Find and open the tables of a source.

    Parameters
    ----------
    source : str or Path
        A folder of csv, parquet and Excel files, one such file, a DuckDB file, or an address.

    Returns
    -------
    Inventory

    Raises
    ------
    InputError
        If there is no such source.
    DataError
        If a database cannot be opened.
    """
    if is_url(source):
        tables, unread = _in_database(str(source))
        name = re.split(r"[/\\]", shown(str(source)).rstrip("/"))[-1]
        return Inventory(name, str(source), tables, unread)
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"there is no file or folder {scrubbed(str(source))!r}; give a folder of csv, parquet "
            "or Excel files, a DuckDB file, or the address of a warehouse"
        )
    if path.is_dir():
        try:
            files = _files_below(path)
        except OSError as error:
            raise DataError(f"{source} cannot be read ({error.strerror or error})") from error
        tables, unread = _in_folder(path, files)
        unread = (*unread, *unread_in(path))
        return Inventory(path.resolve().name, str(source), tables, unread, path / "shop.toml")
    toml = path.parent / "shop.toml"
    try:
        kind_of(path)
    except DataError:
        if path.name.lower().endswith(".zip"):
            raise
        tables, unread = _in_database(f"duckdb://{path}")
        return Inventory(path.stem, str(source), tables, unread, toml)
    tables, unread = _in_folder(path.parent, [path])
    return Inventory(path.stem, str(path.parent), tables, unread, toml)


def _in_database(url: str) -> tuple[tuple[Theirs, ...], tuple[str, ...]]:
    con = connect_url(url)
    found, unread = [], []
    # Those with a telling name come first.
    names = list_their_tables(con)
    names = sorted(names, key=lambda name: (not _tells(name.rpartition(".")[2]), name))
    for name in names[:MOST_TABLES]:
        stem = name.rpartition(".")[2]
        try:
            table = read_their_table(con, name)
        except engine_errors() as error:
            unread.append(f"{name} cannot be read ({sentence(error, url)})")
            continue
        found.append(Theirs(name, stem, {"table": name}, table, own=name in TABLES))
    if len(names) > MOST_TABLES:
        unread.append(f"{len(names) - MOST_TABLES} more tables were not looked at")
    return tuple(found), tuple(unread)


def _tells(name: str) -> bool:
    """Tell whether a name says what a table holds."""
    return any(table_rank(table, name) is not None for table in TABLES)


def _files_below(folder: Path) -> list[Path]:
    """Return the readable files of a folder and of the folders in it."""
    places = [folder, *(p for p in sorted(folder.iterdir()) if p.is_dir() and p.name[0] != ".")]
    return [path for place in places for path in sorted(place.iterdir()) if _is_a_table(path)]


def _is_a_table(path: Path) -> bool:
    try:
        kind_of(path)
    except DataError:
        return False
    return path.is_file() and (not path.name.lower().endswith(NOT_TABLES) or _has_rows(path))


def _has_rows(path: Path) -> bool:
    """Tell whether a text begins as a table does: two lines with as many separators."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with suppress(OSError), opened(path, "rt", encoding="utf-8", errors="replace") as file:
        first, second = file.readline(), file.readline()
        return any(first.count(mark) == second.count(mark) > 0 for mark in "\t;,|")
    return False


def _in_folder(folder: Path, paths: Sequence[Path]) -> tuple[tuple[Theirs, ...], tuple[str, ...]]:
    con = connect()
    found: list[Theirs] = []
    unread: list[str] = []
    for group in _groups(folder, paths):
        try:
            sheets = sheets_of(group[0]) if kind_of(group[0]) == "excel" else []
        except (DataError, MissingExtraError) as error:
            unread.append(str(error))
            continue
        # Each sheet of an Excel file that has several is a table.
        for stated in [{"sheet": sheet} for sheet in sheets] if len(sheets) > 1 else [{}]:
            try:
                found.append(_read(con, folder, group, stated))
            except DataError as error:
                unread.append(str(error))
    return tuple(found), tuple(unread)


def _stem(path: Path) -> str:
    name = path.name
    suffix = max((s for s in SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)]


def _bare(path: Path) -> str:
    """Return a file's name without numbers and months."""
    return _MONTHS.sub("", re.sub(r"\d+", "", _stem(path).lower())).strip("_-. ")


def _groups(folder: Path, paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield files that differ in nothing but a number or a month: they are one table."""
    groups: dict[Any, list[Path]] = defaultdict(list)
    for path in paths:
        kind = kind_of(path)
        alone = path if kind == "excel" else None
        groups[path.parent, kind, _bare(path), alone].append(path)
    yield from groups.values()


def _read(con: Any, folder: Path, group: list[Path], stated: Mapping[str, Any]) -> Theirs:
    files = _pattern(folder, group)
    group = find_files(folder, "table", files)  # refuses links out of the folder
    stem = str(stated.get("sheet") or _stem(group[0]))
    if len(group) > 1:
        stem = _bare(group[0])
    if group[0].parent != folder and (not stem or _tells(group[0].parent.name)):
        stem = group[0].parent.name
    raw, stated = _read_somehow(con, group, stated)
    where = {"files": files, **stated}
    named = group[0].parent.name if group[0].parent != folder else _stem(group[0])
    plain = not stated and not group[0].name.lower().endswith(NOT_TABLES)
    own = plain and named in TABLES and (group[0].parent != folder or len(group) == 1)
    name = files if isinstance(files, str) else f"{files[0]} and the like"
    if "sheet" in stated:
        name += f", sheet {stated['sheet']!r}"
    return Theirs(name, stem, where, raw.table, own, raw.notes)


def _read_somehow(
    con: Any, group: list[Path], stated: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any]]:
    """Read files, as they are or as the error that they cause says; return what had to be said."""
    try:
        return read_files(con, "table", group, **stated), stated
    except DataError as error:
        for key, value in _remedies(str(error)):
            if key not in stated:
                with suppress(DataError):
                    return _read_somehow(con, group, {**stated, key: value})
        raise


def _remedies(error: str) -> list[tuple[str, Any]]:
    if title := re.search(r"skip = (\d+)", error):
        return [("skip", int(title[1]))]
    if "encoding" not in error:
        return []
    return [("encoding", name) for name in (("utf-16",) if "UTF-16" in error else ENCODINGS)]


def _pattern(folder: Path, group: list[Path]) -> str | list[str]:
    """Return a glob that matches the files and no other, or their names."""
    names = [path.relative_to(folder).as_posix() for path in group]
    if len(names) == 1:
        return names[0]
    start = _common_start(names)
    end = _common_start([name[len(start) :][::-1] for name in names])[::-1]
    # The wider glob takes in next month's file as well.
    for first in (re.sub(r"\d[\d._-]*$", "", start), start):
        plain = not re.search(r"[\[\]?*]", first)
        matched = sorted(p for p in folder.glob(f"{first}*{end}") if p.is_file()) if plain else []
        if matched == sorted(group):
            return f"{first}*{end}"
    return names


def _common_start(names: Sequence[str]) -> str:
    low, high = min(names), max(names)
    n = next((i for i, pair in enumerate(zip(low, high, strict=False)) if len(set(pair)) > 1), None)
    return low[:n]
