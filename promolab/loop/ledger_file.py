"""A ledger's file: its tables and columns, and one writer or many readers of it at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.errors import InputError, StepError, nearest
from promolab.folder import claim, whole

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


FILE = "ledger.duckdb"
"""Name of a ledger in a reports folder."""
SCHEMA = 1
"""Version of the tables below; a ledger with a higher one is refused."""
OUTCOME_STATES = ("provisional", "settled")

KEYS_OF_A_FIGURE = ("week", "promotion_id", "segment", "measure")
NUMBERS = ("value", "ci_low", "ci_high", "readout_low", "readout_high", "level")
_DECISION = (
    *("week", "decision_id", "customer_id", "ts", "action", "propensity"),
    *("planned_action", "holdout"),
)
_CHANCE = ("week", "decision_id", "action", "propensity")
LEDGER_TABLES: Mapping[str, tuple[str, ...]] = {
    "weeks": ("week", "as_of", "state", "run_key", "ids"),
    "decisions": _DECISION,
    "decision_propensities": _CHANCE,
    "served": _DECISION,
    "served_propensities": _CHANCE,
    "predictions": (
        *KEYS_OF_A_FIGURE,
        *("value", "ci_low", "ci_high", "readout_low", "readout_high"),
        *("level", "n", "per", "identification"),
    ),
    "models": ("week", "name", "fingerprint", "method", "decision", "reason"),
    "overrides": (
        *("week", "number", "kind", "promotion_id", "most", "customer_id", "reason", "planned"),
    ),
    "releases": ("week", "name", "epsilon", "delta", "mu"),
    "outcomes": (
        *KEYS_OF_A_FIGURE,
        *("value", "ci_low", "ci_high", "level", "n", "identification", "state", "known_at"),
    ),
}
"""Table → its columns; beside them lies ``meta``. The first interval of a prediction is of the
expected value, the second holds what the readout will show."""
_KINDS = dict.fromkeys(("propensity", *NUMBERS, "epsilon", "delta", "mu"), ("DOUBLE", "float64"))
_KINDS |= dict.fromkeys(("ts", "as_of", "known_at"), ("TIMESTAMP", "datetime64[us]"))
_KINDS |= dict.fromkeys(("n", "number", "most", "planned"), ("BIGINT", "Int64"))
OF_A_WEEK = ("decisions", "decision_propensities", "predictions", "models", "overrides", "releases")
"""What `Ledger.record_week` writes, and a release freezes."""
SERVED = ("served", "served_propensities")
"""What `Ledger.record_served` writes: what a week's service decided; it grows until it ends."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "weeks": ("week",),
    "decisions": ("week", "decision_id"),
    "decision_propensities": ("week", "decision_id", "action"),
    "served": ("week", "decision_id"),
    "served_propensities": ("week", "decision_id", "action"),
    "predictions": KEYS_OF_A_FIGURE,
    "models": ("week", "name"),
    "overrides": ("week", "number"),
    "releases": ("week", "name"),
    "outcomes": (*KEYS_OF_A_FIGURE, "known_at"),
}
"""What tells the rows of a table apart."""
DEFAULTS = {"promotion_id": "", "segment": "", "holdout": "none", "level": 0.9}


def empty(table: str) -> pd.DataFrame:
    """Return a table without rows.

    Examples
    --------
    >>> list(empty("models"))
    ['week', 'name', 'fingerprint', 'method', 'decision', 'reason']
    """
    return pd.DataFrame({c: pd.Series(dtype=_kind(c)[1]) for c in LEDGER_TABLES[table]})


def _kind(column: str) -> Any:
    """Return the type of a column in the file and in a frame: by its name, else text."""
    return _KINDS.get(column, ("VARCHAR", "str"))


def _declared(columns: Iterable[str]) -> str:
    return ", ".join(f"{column} {_kind(column)[0]}" for column in columns)


def fitted(table: str, frame: pd.DataFrame | None, **given: Any) -> pd.DataFrame:
    """Return rows as a table of the ledger takes them.

    Parameters
    ----------
    table : str
        A name of `LEDGER_TABLES`.
    frame : DataFrame, optional
        Its rows; columns that the ledger does not know are left out, and missing ones are empty.
        None is no rows.
    **given : object
        Columns that have one value throughout.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If a column that tells rows apart is missing, has no value or tells them not apart.
    """
    if frame is None or frame.empty:
        return empty(table)
    frame, key = frame.assign(**given), KEYS[table]
    made = {}
    for column in LEDGER_TABLES[table]:
        if column not in frame and column in key and column not in DEFAULTS:
            raise InputError(
                f"{table} for the ledger need a column {column}; "
                f"{nearest(column, map(str, frame.columns))}"
            )
        default = DEFAULTS.get(column)
        values = frame[column] if column in frame else pd.Series(default, index=frame.index)
        if default is not None:
            values = values.astype(object).where(values.notna(), default)
        made[column] = values.where(values.notna(), None).astype(_kind(column)[1])
    rows = pd.DataFrame(made)
    missing = rows[list(key)].isna().any()
    if missing.any():
        raise InputError(f"{table} for the ledger: {missing.idxmax()} has no value in some rows")
    if rows.duplicated(list(key)).any():
        raise InputError(
            f"{table} for the ledger: rows repeat another's {', '.join(key)}; give each once"
        )
    return rows


def same(con: DuckDBPyConnection, table: str, rows: pd.DataFrame, week: str) -> bool:
    """Tell whether a week's rows in a table are these."""
    columns = ", ".join(LEDGER_TABLES[table])
    con.register("rows_given", rows)
    new, old = f"SELECT {columns} FROM rows_given", f"SELECT {columns} FROM {table} WHERE week = ?"
    differ = f"(({new}) EXCEPT ALL ({old})) UNION ALL (({old}) EXCEPT ALL ({new}))"
    found = con.execute(f"SELECT count(*) FROM ({differ})", [week, week]).fetchone()
    return found is not None and found[0] == 0


def replace_rows(con: DuckDBPyConnection, table: str, rows: pd.DataFrame, week: str) -> None:
    """Put rows in the place of a week's."""
    con.register("rows_given", rows)
    con.execute(f"DELETE FROM {table} WHERE week = ?", [week])
    con.execute(f"INSERT INTO {table} SELECT {', '.join(LEDGER_TABLES[table])} FROM rows_given")


WAIT = 60.0
"""Seconds to wait for whoever holds a ledger; a write takes far less."""


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
    with _connected(path, shop, wait, read_only=True) as con:
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

    with _connected(path, shop, wait) as con:
        try:
            con.begin()
            yield con
            con.commit()
            con.execute("CHECKPOINT")  # a run that was killed may have left rows in the log
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

    lock, until = path.with_name(f".{path.name}.lock"), time.monotonic() + wait
    try:
        while (held := claim(lock)) is None:
            _be_patient(path, wait, until)
        with held:
            for left in path.parent.glob(f".{path.name}.part*"):  # of whoever was killed meanwhile
                left.unlink(missing_ok=True)
            if path.exists():
                return
            with whole(path) as part:
                with duckdb.connect(str(part)) as con:
                    for table, columns in LEDGER_TABLES.items():
                        con.execute(f"CREATE TABLE {table} ({_declared(columns)})")
                    con.execute("CREATE TABLE meta (key VARCHAR, value VARCHAR)")
                    told = [("schema_version", str(SCHEMA)), ("shop", shop)]
                    con.executemany("INSERT INTO meta VALUES (?, ?)", told)
                part.chmod(part.stat().st_mode & 0o640)  # it holds the source's own ids
    except (OSError, duckdb.IOException) as error:
        raise InputError(_unwritable(path, error)) from error


def remake(path: Path, shop: str, change: Callable[[Any], Any]) -> None:
    """Write a ledger anew, in a fresh file that replaces it whole: freed pages keep what was there.

    Parameters
    ----------
    path, shop
        As for `reading`.
    change : callable
        Given a table (pyarrow), the one that takes its place.
    """
    with _connected(path, shop, WAIT) as con, whole(path) as part:
        part.unlink(missing_ok=True)
        con.execute(f"ATTACH '{str(part).replace(chr(39), chr(39) * 2)}' AS fresh")
        for table in (*LEDGER_TABLES, "meta"):
            con.from_arrow(change(con.table(table).to_arrow_table())).create(f"fresh.{table}")
        con.execute("DETACH fresh")
        part.chmod(path.stat().st_mode)


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
            hashed = ", ".join(columns)
            con.execute(f"SELECT count(*), bit_xor(hash({hashed})) FROM {table}").fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from error


def _unwritable(path: Path, error: BaseException) -> str:
    why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return f"the ledger {path} cannot be written ({why}); give another --ledger"


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
        if ("releases",) not in con.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            kind = "TEMP TABLE" if read_only else "TABLE"  # of a ledger made before there was one
            con.execute(f"CREATE {kind} releases ({_declared(LEDGER_TABLES['releases'])})")
        yield con


def _check_file(path: Path) -> None:
    """Refuse what DuckDB would not say clearly, or would take as a file to be filled."""
    if path.is_dir():
        raise InputError(f"the ledger {path} is a folder; give a file with --ledger")
    if not path.exists():
        raise InputError(f"there is no ledger {path}; promolab report makes one")
    if not path.stat().st_size:  # not opened: closing it would end DuckDB's own lock on it
        raise InputError(
            f"the ledger {path} is empty: it is damaged, or something else. It was left as it is; "
            "put a copy of the ledger back, or give another --ledger"
        )


def unreadable(path: Path, error: BaseException) -> InputError:
    """Return the error for a ledger that DuckDB does not read."""
    said = _said(error)
    if "ermission denied" in said or "ead-only file system" in said:
        return InputError(f"the ledger {path} cannot be opened ({said}); give another --ledger")
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
