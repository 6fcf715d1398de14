"""A shop in files: a folder of parquet or csv files, one per table, or a DuckDB file."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

from promolab.contract import TABLES, Settings, Shop, read_settings
from promolab.errors import DataError, InputError, nearest
from promolab.sources.columns import conform
from promolab.sources.engine import connect, fingerprint, quote

__all__ = ["open_database", "open_folder", "save_shop"]

SUFFIXES = (".parquet", ".csv", ".csv.gz")


def _files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((s for s in SUFFIXES[::-1] if path.name.lower().endswith(s)), None)
        if suffix is None or not path.is_file():
            continue
        name = path.name[: -len(suffix)]
        if name.lower() in TABLES and name not in TABLES:
            raise DataError(f"{path.name}: write the table's name in lower case, {name.lower()!r}")
        if name in found:
            raise DataError(
                f"the table {name!r} lies in two files, {found[name].name} and {path.name}; "
                "keep one"
            )
        if name in TABLES:
            found[name] = path
    return found


def _no_case_twins(table: str, columns: list[str]) -> None:
    twins = [name for name, n in Counter(c.lower() for c in columns).items() if n > 1]
    if twins:
        both = ", ".join(sorted(c for c in columns if c.lower() == twins[0]))
        raise DataError(f"{table} has columns whose names differ only in case: {both}; rename one")


def _read(con: Any, table: str, path: Path) -> Any:
    import csv
    import gzip
    import zlib

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            _no_case_twins(table, pq.read_schema(path).names)
            return con.read_parquet(str(path))
        if path.stat().st_size == 0:
            raise DataError(f"{path.name} is empty (0 bytes); a csv starts with its column names")
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        _no_case_twins(table, header)
        # Ids and times stay as written: a number would lose leading zeros, a guess the zone.
        as_text = {c.name for c in TABLES[table] if c.type in ("id", "time", "text")} & set(header)
        types = ", ".join(f"{quote(c)}: 'VARCHAR'" for c in sorted(as_text))
        options = f", types={{{types}}}" if types else ""
        return con.sql(
            f"SELECT * FROM read_csv({quote(path)}, header=true, sample_size=-1{options})"
        )
    except (DataError, InputError):
        raise
    except (
        pa.ArrowException,
        OSError,
        EOFError,
        zlib.error,
        csv.Error,
        UnicodeDecodeError,
        *_engine_errors(),
    ) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path.name} cannot be read ({first}); is the file whole?") from error


def _engine_errors() -> tuple[type[Exception], ...]:
    import duckdb

    return (duckdb.Error,)


def _derived_customers(events: Any) -> Any:
    return events.filter(events.customer_id.notnull()).select("customer_id").distinct()


def _shop(
    tables: dict[str, Any], settings: Settings, fingerprints: dict[str, str], where: str
) -> Shop:
    if "events" not in tables:
        raise DataError(
            f"{where} has no table 'events' (tables found: {', '.join(tables) or 'none'}); "
            "see data/README.md for the tables and columns expected"
        )
    ready = {name: conform(name, table, settings) for name, table in tables.items()}
    if "customers" not in ready:
        ready["customers"] = _derived_customers(ready["events"])
    return Shop({n: ready[n] for n in TABLES if n in ready}, settings, fingerprints)


def open_folder(folder: Path, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a folder with one parquet or csv file per table, and its ``shop.toml`` if it has one.

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
    files = _files(folder)
    toml = folder / "shop.toml"
    settings = settings or (read_settings(toml) if toml.exists() else Settings(name=folder.name))
    con = connect(threads)
    if not files:
        raise DataError(
            f"{folder} holds no table of the contract; expected events.parquet or events.csv "
            "and the like (see data/README.md)"
        )
    tables = {name: _read(con, name, path) for name, path in files.items()}
    prints = {path.name: fingerprint(path) for path in files.values()}
    return _shop(tables, settings, prints, str(folder))


def open_database(path: Path, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a DuckDB file that holds tables named after the contract's; it is only read.

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
    settings = settings or (read_settings(toml) if toml.exists() else Settings(name=path.stem))
    con = connect(threads)
    try:
        con.raw_sql(f"ATTACH {quote(path)} AS source (READ_ONLY)")
        names = con.list_tables(database=("source", "main"))
    except _engine_errors() as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"{path} cannot be opened as a DuckDB file ({first}); a file written by DuckDB 2 must "
            "be exported to parquet first"
        ) from error
    tables = {n: con.table(n, database=("source", "main")) for n in TABLES if n in names}
    if not tables and names:
        raise DataError(f"{path.name} has no table 'events'; {nearest('events', names)}")
    return _shop(tables, settings, {path.name: fingerprint(path)}, path.name)


def save_shop(shop: Shop, folder: Path) -> None:
    """Write a shop as a folder: a parquet file per table, in total order, and its shop.toml.

    Parameters
    ----------
    shop : Shop
        The shop.
    folder : Path
        Where to write; made if it is not there.

    Examples
    --------
    >>> import tempfile
    >>> from promolab.sources import load_shop
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_shop(load_shop("complete_journey"), Path(folder))
    ...     load_shop(folder).settings.name
    'Complete Journey'
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in shop.tables.items():
        ordered = table.order_by(list(table.columns)).compile()
        shop.backend.raw_sql(
            f"COPY ({ordered}) TO {quote(folder / f'{name}.parquet')} (FORMAT parquet)"
        )
    # What was local time in the source is UTC by now.
    settings = dataclasses.replace(shop.settings, naive_times="utc")
    (folder / "shop.toml").write_text(settings.to_toml(), encoding="utf-8")
