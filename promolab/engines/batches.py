"""Rows worked on where they lie, a batch after the other: one per customer may be too many here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.engines.connection import ROWS_AT_ONCE
from promolab.engines.engine import connect
from promolab.errors import InputError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    Change = Callable[[pd.DataFrame], pd.DataFrame]


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
