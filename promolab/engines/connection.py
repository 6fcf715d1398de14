"""A warehouse as a source: a connection from an address, and the tables behind it, only read.

Nothing is copied: the tables are Ibis expressions that run where the data lie. A password stands
in no address: it comes from the environment or the driver's own file, and is in no message.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.engines.addresses import POSTGRES, checked, filled, sentence, shown
from promolab.engines.engine import connect, quote
from promolab.errors import DataError, InputError, MissingExtraError, nearest

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    Change = Callable[[pd.DataFrame], pd.DataFrame]

_ATTACHED = "source"
ROWS_AT_ONCE = 50_000
"""Rows that are held in memory while a table is written to a file."""


def engine_errors() -> tuple[type[Exception], ...]:
    """Return the errors that an engine or its driver raises."""
    import duckdb
    from ibis.common.exceptions import IbisError

    found: tuple[type[Exception], ...] = (duckdb.Error, IbisError)
    if importlib.util.find_spec("psycopg") is not None:
        import psycopg

        found += (psycopg.Error,)
    return found


def connect_url(url: str, threads: int | None = None) -> Any:
    """Connect to a warehouse, or open a DuckDB file, to read it.

    Parameters
    ----------
    url : str
        ``duckdb://FILE``, ``postgres://HOST/DATABASE`` or ``postgres://HOST/DATABASE/SCHEMA``,
        ``spark://local/DATABASE`` or ``spark:///FOLDER``, or whatever else Ibis connects to.
        ``${NAME}`` is filled from the environment.
    threads : int, optional
        Threads of the embedded engine; a server has its own rules.

    Returns
    -------
    ibis Backend
        Times are shown in UTC. PostgreSQL's session is read-only but for temporary tables.

    Raises
    ------
    InputError
        If the address is none, holds a password, or names what is not in the environment.
    MissingExtraError
        If the driver is not installed.
    DataError
        If the warehouse cannot be reached or refuses the login.
    """
    scheme = checked(url)
    if scheme == "duckdb":
        return _open_duckdb(url, threads)
    if scheme in POSTGRES:
        return _open_postgres(url)
    if scheme == "spark":
        from promolab.engines.spark_session import open_spark

        return open_spark(url, threads)
    return _open_other(url, scheme)


def connect_to(source: Any) -> Any:
    """Return a connection to what somebody has connected to already.

    Parameters
    ----------
    source : pyspark SparkSession or ibis Backend
        A session, or a connection to DuckDB or Spark.

    Raises
    ------
    InputError
        It is neither, or its clock is not UTC.
    """
    name = getattr(source, "name", None)
    session = getattr(source, "_session", None) if name == "pyspark" else source
    if type(session).__module__.startswith("pyspark.sql.") and hasattr(session, "catalog"):
        from promolab.engines.spark_session import of_session

        return of_session(session)
    if name == "duckdb":
        zone = source.raw_sql("SELECT current_setting('TimeZone')").fetchone()[0]
        if zone not in ("UTC", "Etc/UTC"):
            raise InputError(
                f"the clock of the connection is {zone!r}, by which it would read times that "
                "state a zone; say connection.raw_sql(\"SET TimeZone = 'UTC'\")"
            )
        return source
    raise InputError(
        f"a shop is not opened from a {type(source).__name__}; give a path, the address of a "
        "warehouse, a Spark session, or an Ibis connection to DuckDB or Spark"
    )


def _open_duckdb(url: str, threads: int | None) -> Any:
    path = Path(filled(url, quoted=False).partition("://")[2].partition("?")[0]).expanduser()
    if not path.is_file():
        raise InputError(
            f"there is no DuckDB file at {shown(url)}; write duckdb://folder/file.duckdb, "
            "or duckdb:///folder/file.duckdb for a path from the root"
        )
    con = connect(threads)
    try:
        con.raw_sql(f"ATTACH {quote(path)} AS {_ATTACHED} (READ_ONLY)")
    except engine_errors() as error:
        raise DataError(f"{shown(url)} {_not_opened(sentence(error, url))}") from None
    return con


def _not_opened(said: str) -> str:
    """Say why a DuckDB file cannot be opened, and what to do."""
    if re.search(r"\block\b", said):
        # The engine names the other program's path, which is nobody's business.
        return (
            "cannot be opened, for another program has it open to write; close that program, or "
            "copy the file and give the copy"
        )
    if "not a valid DuckDB" in said:
        return "is no DuckDB file, or a damaged one"
    if re.search(r"version|storage|newer|serializ", said, re.IGNORECASE):
        return (
            f"cannot be opened as a DuckDB file ({said}); a file written by a newer DuckDB must be "
            "exported to parquet first"
        )
    return f"cannot be opened as a DuckDB file ({said})"


def _open_postgres(url: str) -> Any:
    if importlib.util.find_spec("psycopg") is None:
        raise MissingExtraError("reading PostgreSQL", "postgres")
    import psycopg

    from promolab.engines.postgres import Warehouse

    try:
        return Warehouse().connect(url)
    except psycopg.ProgrammingError as error:
        raise InputError(
            f"{shown(url)} is no address of a PostgreSQL database ({sentence(error, url)}); "
            "expected postgres://HOST/DATABASE"
        ) from None
    except psycopg.Error as error:
        raise DataError(_not_connected(sentence(error, url), shown(url))) from None


def _not_connected(said: str, where: str) -> str:
    if re.search(r'database "[^"]*" does not exist', said):
        return f"{where}: there is no such database on the server ({said}); see the address"
    if re.search(r"authentication|password|pg_hba|role", said):
        return (
            f"{where} refuses the login ({said}); say who you are by PGUSER and PGPASSWORD, "
            "~/.pgpass, or ${NAME} in the address"
        )
    return f"{where} cannot be reached ({said}); is the server up, and the address right?"


def _open_other(url: str, scheme: str) -> Any:
    import ibis
    from ibis.util import backend_entry_points

    known = {point.name for point in backend_entry_points()} | {*POSTGRES, "spark"}
    if scheme not in known:
        raise InputError(f"{scheme}:// is no kind of warehouse; {nearest(scheme, known)}")
    path = filled(url, quoted=False).partition("://")[2].partition("?")[0]
    # SQLite would make the file.
    if scheme == "sqlite" and not Path(path).is_file():
        raise InputError(f"there is no file at {shown(url)}")
    try:
        return ibis.connect(filled(url, quoted=True))
    except ImportError:
        raise InputError(
            f"reading {scheme}:// needs its driver: pip install 'ibis-framework[{scheme}]'"
        ) from None
    # Each driver has errors of its own, and any of them may repeat what it was given.
    except Exception as error:
        raise DataError(f"{shown(url)} cannot be opened ({sentence(error, url)})") from None


def list_their_tables(con: Any) -> list[str]:
    """Return the names of the tables and views: ``schema.table`` outside of the default schema.

    Parameters
    ----------
    con : ibis Backend
        As `connect_url` returns it.
    """
    return sorted(_places(con))


def _places(con: Any) -> dict[str, Any]:
    """Return where each table lies, as Ibis names it; None for the default schema."""
    if con.name == "postgres":
        return {
            table if there else f"{schema}.{table}": schema
            for schema, table, there in con.readable()
        }
    if con.name == "pyspark":
        found: dict[str, Any] = con.readable()
        return found
    if con.name == "duckdb" and _ATTACHED in con.list_catalogs():
        return {
            table if schema == "main" else f"{schema}.{table}": (_ATTACHED, schema)
            for schema in con.list_databases(catalog=_ATTACHED)
            if schema not in ("information_schema", "pg_catalog")
            for table in con.list_tables(database=(_ATTACHED, schema))
        }
    return dict.fromkeys(con.list_tables())


def read_their_table(con: Any, name: str) -> Any:
    """Return a table of the warehouse as an Ibis table; nothing is read yet.

    Parameters
    ----------
    con : ibis Backend
        As `connect_url` returns it.
    name : str
        ``table`` or ``schema.table``.

    Returns
    -------
    ibis Table
        Columns of a type that the contract has no place for (uuid, enum, …) are text.

    Raises
    ------
    DataError
        If there is no such table, or it may not be read.
    """
    places = _places(con)
    default = {"duckdb": "main", "postgres": "public"}.get(con.name)
    known = name if name in places else name.removeprefix(f"{default}.")
    if known not in places:
        raise DataError(f"the warehouse has no table {name!r}; {nearest(name, places)}")
    place = places[known]
    if con.name == "pyspark":
        return _plain(con.opened(place))
    schema = place[1] if isinstance(place, tuple) else place
    bare = known.removeprefix(f"{schema}.") if schema else known
    table = con.table(bare, database=place)
    return _plain(table)


def _plain(table: Any) -> Any:
    """Return the table with text for what Ibis does not know; open-ended decimals are floats."""
    changes = {}
    for name, kind in table.schema().items():
        if kind.is_unknown() or kind.is_uuid() or kind.is_macaddr() or kind.is_inet():
            changes[name] = table[name].cast("string")
        elif kind.is_decimal() and kind.precision is None:
            changes[name] = table[name].cast("float64")
    return table.mutate(**changes) if changes else table


def write_parquet(expression: Any, path: Path) -> None:
    """Write the rows of an Ibis table to a parquet file, a part at a time, in their order.

    Parameters
    ----------
    expression : ibis Table
        On whatever engine; with `connect_url` as its source or not.
    path : Path
        The file; written over.
    """
    backend = expression.get_backend()
    if backend.name == "duckdb":
        # Ibis would write a path with a quotation mark as Python does.
        backend.raw_sql(f"COPY ({expression.compile()}) TO {quote(path)} (FORMAT parquet)")
        return
    import pyarrow.parquet as pq

    batches = expression.to_pyarrow_batches(chunk_size=ROWS_AT_ONCE)
    micro = in_microseconds(batches.schema)
    with pq.ParquetWriter(path, micro) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(micro))


def in_microseconds(schema: Any, zone: str | None = None) -> Any:
    """Return Arrow's types with times in microseconds, of their own zone or of one for all."""
    import pyarrow as pa

    def typed(field: Any) -> Any:
        time = pa.types.is_timestamp(field.type)
        return pa.timestamp("us", zone or field.type.tz) if time else field.type

    return pa.schema([field.with_type(typed(field)) for field in schema])


def write_batches(
    rows: ir.Table, change: Change, columns: Mapping[str, str], out: str | Path
) -> ir.Table:
    """Write what a function makes of a table's rows as parquet, a batch at a time.

    On Spark the function runs on the executors, which need the package, and Spark writes a folder
    that only it needs to see; elsewhere the rows are streamed through this process into a file.

    Parameters
    ----------
    rows : ibis Table
        On any engine.
    change : callable
        Takes some of the rows as a frame, never none, and returns a frame; which rows come together
        must not matter to it.
    columns : mapping of str to str
        What it returns: name → Ibis type.
    out : str or Path
        A file, or for Spark a folder in any file system that it knows; it must not be there.

    Returns
    -------
    ibis Table
        What was written, on the same engine where that can read it, else on DuckDB.

    Raises
    ------
    InputError
        ``out`` is there already, or cannot be written.

    Examples
    --------
    >>> import tempfile, ibis
    >>> rows = ibis.memtable({"a": [1, 2]})
    >>> out = Path(tempfile.mkdtemp()) / "doubled.parquet"
    >>> doubled = write_batches(rows, lambda some: 2 * some, {"a": "int64"}, out)
    >>> int(doubled.a.sum().execute())
    6
    """
    con = rows.get_backend()
    if hasattr(con, "write_batches"):
        return con.write_batches(rows, change, columns, str(out))
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(out)
    if path.exists() or not path.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be written: its folder must exist, and it not be there yet")
    schema = arrow_schema(columns)
    with pq.ParquetWriter(path, schema) as writer:
        for batch in rows.to_pyarrow_batches(chunk_size=ROWS_AT_ONCE):
            if batch.num_rows:
                made = change(batch.to_pandas())
                writer.write_table(pa.Table.from_pandas(made, schema, preserve_index=False))
    return connect().read_parquet(str(path))


def arrow_schema(columns: Mapping[str, str]) -> Any:
    """Return names and Ibis types as Arrow's."""
    import ibis

    return ibis.schema(dict(columns)).to_pyarrow()


def changing(change: Change, given: Any, returned: Any) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what Spark calls with the record batches of a partition.

    Parameters
    ----------
    change : callable
        As `write_batches` takes it.
    given, returned : pyarrow Schema
        Types in which it takes and returns rows.
    """

    def each(parts: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for part in parts:
            if part.num_rows:
                frame = change(pa.Table.from_batches([part]).cast(given).to_pandas())
                yield from pa.Table.from_pandas(frame, returned, preserve_index=False).to_batches()

    return each
