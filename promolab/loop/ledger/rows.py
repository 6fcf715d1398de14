"""Rows on their way into a ledger's table, from a frame or straight from a parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from promolab.loop.ledger.contents import DEFAULTS, LEDGER_TABLES, fitted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def offered(
    con: DuckDBPyConnection, table: str, rows: pd.DataFrame | Path | None, week: str
) -> Iterator[str]:
    """Give the name of a view of rows, with the columns of a ledger's table.

    Parameters
    ----------
    con : DuckDBPyConnection
        The ledger, open.
    table : str
        The table.
    rows : DataFrame, Path or None
        Rows as `promolab.loop.ledger.contents.fitted` takes them, or a parquet file of them, which
        the engine reads itself: a decision for each of millions of customers.
    week : str
        Whose they are.
    """
    name = f"offered_{table}"
    if isinstance(rows, Path):
        con.execute(f"CREATE TEMP VIEW {name} AS {_of_file(table, rows, week)}")
        yield name
        con.execute(f"DROP VIEW {name}")
    else:
        con.register(name, fitted(table, rows, week=week))
        yield name
        con.unregister(name)


def _of_file(table: str, path: Path, week: str) -> str:
    import pyarrow.parquet as pq

    there, columns = pq.read_schema(path).names, []
    for column, kind in LEDGER_TABLES[table].items():
        default = DEFAULTS.get(column)
        value = f'"{column}"' if column in there else "NULL"
        value = _text(week) if column == "week" else f"CAST({value} AS {kind})"
        if default is not None:
            value = f"coalesce({value}, {_text(str(default))})"
        columns.append(f"{value} AS {column}")
    return f"SELECT {', '.join(columns)} FROM read_parquet({_text(str(path))})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def whole_ids(rows: pd.DataFrame | Path | None) -> bool:
    """Tell whether customers of decisions have integers for ids."""
    if isinstance(rows, Path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pq.read_schema(rows)
        return "customer_id" in schema.names and pa.types.is_integer(
            schema.field("customer_id").type
        )
    return rows is not None and "customer_id" in rows and rows["customer_id"].dtype.kind in "iu"


def same(con: DuckDBPyConnection, table: str, view: str, week: str) -> bool:
    """Tell whether a week's rows in a table are those of a view."""
    columns = ", ".join(LEDGER_TABLES[table])
    new, old = f"SELECT {columns} FROM {view}", f"SELECT {columns} FROM {table} WHERE week = ?"
    differ = f"(({new}) EXCEPT ALL ({old})) UNION ALL (({old}) EXCEPT ALL ({new}))"
    found = con.execute(f"SELECT count(*) FROM ({differ})", [week, week]).fetchone()
    return found is not None and found[0] == 0


def replace_rows(con: DuckDBPyConnection, table: str, view: str, week: str) -> None:
    """Put the rows of a view in the place of a week's."""
    con.execute(f"DELETE FROM {table} WHERE week = ?", [week])
    con.execute(f"INSERT INTO {table} SELECT {', '.join(LEDGER_TABLES[table])} FROM {view}")
