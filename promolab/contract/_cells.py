"""Rows that an engine gives back, as values of Python: times beyond its calendar as its ends."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any


def rows_of(found: Any) -> list[dict[str, Any]]:
    """Return the rows of an Arrow table; an engine's times reach further than Python's.

    Parameters
    ----------
    found : pyarrow.Table
        A few rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows_of(pa.table({"ts": pa.array([-(10**17)], pa.timestamp("us"))}))
    [{'ts': datetime.datetime(1, 1, 1, 0, 0)}]
    """
    columns = {name: [_value(each) for each in found[name]] for name in found.column_names}
    return [{name: columns[name][i] for name in columns} for i in range(found.num_rows)]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        kind = date if str(scalar.type).startswith("date") else datetime
        return kind.min if scalar.value < 0 else kind.max
