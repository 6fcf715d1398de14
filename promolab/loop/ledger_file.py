"""Opening a ledger's file: one writer or many readers at a time, and nothing that is no ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.errors import InputError, StepError
from promolab.folder import claim, whole
from promolab.loop.ledger_tables import ADDED, LEDGER_TABLES, SCHEMA

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


WAIT = 60.0
"""Seconds to wait for whoever holds a ledger; a write takes far less."""
_HEADER = 4096


@contextmanager
def reading(path: Path, shop: str, wait: float = WAIT) -> Iterator[DuckDBPyConnection]:
    """Open a ledger to read; others may read at the same time, nobody writes.

    Parameters
    ----------
    path : Path
        The file.
    shop : str
        Whose ledger it must be.
    wait : float
        Seconds to wait for a writer.

    Raises
    ------
    InputError
        If it is no ledger, a damaged or newer one, or another shop's.
    StepError
        If another program holds it all the while.
    """
    with _locked(path, wait, shared=True), _connected(path, shop, wait, read_only=True) as con:
        yield con


@contextmanager
def writing(path: Path, shop: str, wait: float = WAIT) -> Iterator[DuckDBPyConnection]:
    """Open a ledger for one transaction, which ends with the block: all of it, or nothing.

    Parameters
    ----------
    path, shop, wait
        As for `reading`.

    Raises
    ------
    InputError, StepError
        As `reading`.
    """
    import duckdb

    with _locked(path, wait), _connected(path, shop, wait) as con:
        try:
            con.begin()
            for table in ADDED:
                columns = _declared(LEDGER_TABLES[table])
                con.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
            yield con
            con.commit()
        except duckdb.Error as error:  # a full disk; what was begun goes with the connection
            raise StepError(
                f"the ledger {path} could not be written ({_said(error)}); it is as it was"
            ) from error


def make(path: Path, shop: str, wait: float = WAIT) -> None:
    """Make an empty ledger, unless there is one: it appears whole or not at all.

    Parameters
    ----------
    path : Path
        The file; folders that are missing are made.
    shop : str
        Whose ledger it is.
    wait : float
        Seconds to wait for whoever makes it at the same time.

    Raises
    ------
    InputError
        If it cannot be made there.
    StepError
        If another program holds it all the while.
    """
    import duckdb

    with _locked(path, wait):
        for left in path.parent.glob(f".{path.name}.part*"):  # of whoever was killed meanwhile
            left.unlink(missing_ok=True)
        if path.exists():
            return
        try:
            with whole(path) as part:
                with duckdb.connect(str(part)) as con:
                    for table, columns in LEDGER_TABLES.items():
                        con.execute(f"CREATE TABLE {table} ({_declared(columns)})")
                    told = [("schema_version", str(SCHEMA)), ("shop", shop)]
                    con.executemany("INSERT INTO meta VALUES (?, ?)", told)
                part.chmod(part.stat().st_mode & 0o640)  # it holds the source's own ids
        except (OSError, duckdb.IOException) as error:
            raise InputError(_unwritable(path, error)) from error


def check_writable(path: Path) -> None:
    """Refuse a ledger that may only be read, or a place where none can be made.

    Folders that are missing are made.

    Raises
    ------
    InputError
        If it, or a file beside it, cannot be written.
    """
    probe = path.with_name(f".{path.name}.part-probe")  # what DuckDB writes first lies beside it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.open("r+b").close()
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(_unwritable(path, error)) from error


def read_through(con: DuckDBPyConnection, path: Path) -> None:
    """Read every value of a ledger, so that damage anywhere in it shows.

    Raises
    ------
    InputError
        If something in it cannot be read, or a table or column is missing.
    """
    import duckdb

    try:
        for table, columns in LEDGER_TABLES.items():
            if table in ADDED and not has_table(con, table):
                continue
            hashed = ", ".join(columns)
            con.execute(f"SELECT count(*), bit_xor(hash({hashed})) FROM {table}").fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from error


def has_table(con: DuckDBPyConnection, table: str) -> bool:
    """Tell whether a ledger has a table: one of before lacks what was added since."""
    found = con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table]).fetchone()
    return found is not None


def _declared(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def _unwritable(path: Path, error: BaseException) -> str:
    why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return f"the ledger {path} cannot be written ({why}); give another --ledger"


def _locked(path: Path, wait: float, *, shared: bool = False) -> AbstractContextManager[object]:
    """Return the lock beside a ledger, held until its block ends, or the process does."""
    lock, until = path.with_name(f".{path.name}.lock"), time.monotonic() + wait
    if shared:
        _check_file(path)
    try:
        while (held := claim(lock, shared=shared)) is None:
            _be_patient(path, wait, until)
    except OSError as error:
        if not shared:
            raise InputError(_unwritable(path, error)) from error
        return nullcontext()  # a folder that is only read: nobody writes there either
    return held


def _be_patient(path: Path, wait: float, until: float) -> None:
    if time.monotonic() >= until:
        raise StepError(
            f"the ledger {path} was held by another program for {wait:.0f} seconds; "
            "close it there and run again"
        )
    time.sleep(0.02)


@contextmanager
def _connected(
    path: Path, shop: str, wait: float, *, read_only: bool = False
) -> Iterator[DuckDBPyConnection]:
    import duckdb

    _check_file(path)
    con, until = None, time.monotonic() + wait
    while con is None:
        try:
            con = duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            said = str(error)
            if "lock on file" not in said and "different configuration" not in said:
                raise unreadable(path, error) from error
            _be_patient(path, wait, until)
    with con:
        _check_owner(con, path, shop)
        yield con


def _check_file(path: Path) -> None:
    """Refuse what DuckDB would not say clearly, or would take as a file to be filled."""
    if path.is_dir():
        raise InputError(f"the ledger {path} is a folder; give a file with --ledger")
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except FileNotFoundError as error:
        raise InputError(f"there is no ledger {path}; promolab report makes one") from error
    except OSError as error:
        raise InputError(f"the ledger {path} cannot be read ({error.strerror})") from error
    if head[8:12] != b"DUCK":
        what = "is empty" if not head else "is no DuckDB file"
        raise InputError(
            f"the ledger {path} {what}: it is damaged, or something else. It was left as it is; "
            "put a copy of the ledger back, or give another --ledger"
        )


def unreadable(path: Path, error: BaseException) -> InputError:
    """Return the error for a ledger that DuckDB does not read."""
    said = _said(error)
    if "ermission denied" in said or "ead-only file system" in said:
        return InputError(_unwritable(path, error))
    if "version" in said.lower():
        return InputError(
            f"the ledger {path} was written by a newer DuckDB than this one; it was left as it is. "
            "Update promolab's packages, or give another --ledger"
        )
    return InputError(
        f"the ledger {path} is damaged ({said}); it was left as it is. Put a "
        "copy back, or give another --ledger"
    )


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(". ")


def _check_owner(con: DuckDBPyConnection, path: Path, shop: str) -> None:
    import duckdb

    try:
        told = dict(con.execute("SELECT key, value FROM meta").fetchall())
    except (duckdb.CatalogException, duckdb.BinderException):
        told = {}
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    version = str(told.get("schema_version", ""))
    if not version.isdecimal():
        raise InputError(f"{path} is a DuckDB file, but no ledger; give another --ledger")
    if int(version) > SCHEMA:
        raise InputError(
            f"the ledger {path} was written by a newer promolab (its tables are version {version}, "
            f"this one knows {SCHEMA}); update promolab, or give another --ledger"
        )
    if told.get("shop") != shop:
        raise InputError(
            f"the ledger {path} is that of {told.get('shop')}, not of {shop}; give another --ledger"
        )
