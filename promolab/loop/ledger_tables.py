"""What a ledger holds: its tables and columns, and rows on their way into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


FILE = "ledger.duckdb"
"""Name of a ledger in a reports folder."""
SCHEMA = 1
"""Version of the tables below; a ledger with a higher one is refused."""
OUTCOME_STATES = ("provisional", "settled")

_ID, _NUMBER, _TIME, _COUNT = "VARCHAR", "DOUBLE", "TIMESTAMP", "BIGINT"
_FIGURE = {"promotion_id": _ID, "segment": _ID, "measure": _ID}
_DECISION = {
    "week": _ID,
    "decision_id": _ID,
    "customer_id": _ID,
    "ts": _TIME,
    "action": _ID,
    "propensity": _NUMBER,
    "planned_action": _ID,
    "holdout": _ID,
}
_CHANCE = {"week": _ID, "decision_id": _ID, "action": _ID, "propensity": _NUMBER}
_INTERVAL = {"value": _NUMBER, "ci_low": _NUMBER, "ci_high": _NUMBER}
LEDGER_TABLES: Mapping[str, Mapping[str, str]] = {
    "meta": {"key": _ID, "value": _ID},
    "weeks": {"week": _ID, "as_of": _TIME, "state": _ID, "run_key": _ID, "ids": _ID},
    "decisions": _DECISION,
    "decision_propensities": _CHANCE,
    "served": _DECISION,
    "served_propensities": _CHANCE,
    "predictions": {
        "week": _ID,
        **_FIGURE,
        **_INTERVAL,
        "readout_low": _NUMBER,
        "readout_high": _NUMBER,
        "level": _NUMBER,
        "n": _COUNT,
        "per": _ID,
        "identification": _ID,
    },
    "models": dict.fromkeys(("week", "name", "fingerprint", "method", "decision", "reason"), _ID),
    "overrides": {
        "week": _ID,
        "number": _COUNT,
        "kind": _ID,
        "promotion_id": _ID,
        "most": _COUNT,
        "customer_id": _ID,
        "reason": _ID,
        "planned": _COUNT,
    },
    "outcomes": {
        "week": _ID,
        **_FIGURE,
        **_INTERVAL,
        "level": _NUMBER,
        "n": _COUNT,
        "identification": _ID,
        "state": _ID,
        "known_at": _TIME,
    },
}
"""Table → its columns and their types."""
OF_A_WEEK = ("decisions", "decision_propensities", "predictions", "models", "overrides")
"""What `Ledger.record_week` writes, and a release freezes."""
SERVED = ("served", "served_propensities")
"""What `Ledger.record_served` writes: what a week's service decided; it grows until it ends."""
ADDED = ("overrides", *SERVED)
"""Tables that ledgers of before do not have: none of their weeks has rows of them."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "weeks": ("week",),
    "decisions": ("week", "decision_id"),
    "decision_propensities": ("week", "decision_id", "action"),
    "served": ("week", "decision_id"),
    "served_propensities": ("week", "decision_id", "action"),
    "predictions": ("week", *_FIGURE),
    "models": ("week", "name"),
    "overrides": ("week", "number"),
    "outcomes": ("week", *_FIGURE, "known_at"),
}
"""What tells the rows of a table apart."""
_DTYPES: dict[str, Any] = {_ID: "str", _NUMBER: "float64", _TIME: "datetime64[us]", _COUNT: "Int64"}
DEFAULTS = {"promotion_id": "", "segment": "", "holdout": "none", "level": 0.9}


def empty(table: str) -> pd.DataFrame:
    """Return a table without rows.

    Examples
    --------
    >>> list(empty("models"))
    ['week', 'name', 'fingerprint', 'method', 'decision', 'reason']
    """
    columns = LEDGER_TABLES[table]
    return pd.DataFrame({c: pd.Series(dtype=_DTYPES[kind]) for c, kind in columns.items()})


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
    for column, kind in LEDGER_TABLES[table].items():
        if column not in frame and column in key and column not in DEFAULTS:
            raise InputError(
                f"{table} for the ledger need a column {column}; "
                f"{nearest(column, map(str, frame.columns))}"
            )
        default = DEFAULTS.get(column)
        values = frame[column] if column in frame else pd.Series(default, index=frame.index)
        if default is not None:
            values = values.astype(object).where(values.notna(), default)
        made[column] = values.where(values.notna(), None).astype(_DTYPES[kind])
    rows = pd.DataFrame(made)
    missing = rows[list(key)].isna().any()
    if missing.any():
        raise InputError(f"{table} for the ledger: {missing.idxmax()} has no value in some rows")
    if rows.duplicated(list(key)).any():
        raise InputError(
            f"{table} for the ledger: rows repeat another's {', '.join(key)}; give each once"
        )
    return rows


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
        Rows as `promolab.loop.ledger_tables.fitted` takes them, or a parquet file of them, which
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
