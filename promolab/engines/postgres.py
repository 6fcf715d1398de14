"""A connection to PostgreSQL that only reads, and says in sentences what goes wrong.

Imported only once a PostgreSQL source is opened; it needs psycopg.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import ibis
import ibis.expr.operations as ops
import pandas as pd
import psycopg
import pyarrow as pa
import sqlglot as sg
from ibis import util
from ibis.backends.postgres import Backend, NatDumper
from psycopg.conninfo import conninfo_to_dict

from promolab.engines.addresses import filled, in_a_sentence, sentence, shown
from promolab.engines.postgres_sql import DuckDBCompatible
from promolab.errors import DataError, StepError

SETTINGS = (
    # Nothing of theirs is written. Temporary tables are made in transactions that say so.
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET TIME ZONE 'UTC'",
    "SET DATESTYLE = 'ISO'",
    "SET extra_float_digits = 1",
    # Long expressions over small tables would be compiled longer than they run.
    "SET jit = off",
    # `NOT IN (SELECT …)` is one hash table if that fits in here, and a loop within a loop if not.
    "SET work_mem = '128MB'",
    "SET client_min_messages = 'error'",
)


class Warehouse(Backend):
    """A PostgreSQL connection that is only read; what it computes lies in temporary tables.

    Once connected, whatever PostgreSQL refuses is a DataError, and a connection that breaks off a
    StepError.
    """

    compiler = DuckDBCompatible()

    def do_connect(self, url: str) -> None:
        """Connect; libpq adds what the address leaves out, from its environment and its files.

        Parameters
        ----------
        url : str
            The address, with ``${NAME}`` as the user wrote it: Ibis keeps what it is given here. A
            schema may follow the database.
        """
        self._url = url
        options: dict[str, Any] = dict(conninfo_to_dict(filled(url, quoted=True)))
        database, _, self._schema = str(options.pop("dbname", "")).partition("/")
        if database:
            options["dbname"] = database
        options.setdefault("application_name", "promolab")
        if "PGCONNECT_TIMEOUT" not in os.environ:
            options.setdefault("connect_timeout", 15)
        self.con = psycopg.connect(**options, autocommit=True)
        self._post_connect()

    def _post_connect(self) -> None:
        self.con.adapters.register_dumper(type(pd.NaT), NatDumper)
        for statement in SETTINGS:
            self.con.execute(statement)
        if self._schema:
            self.con.execute("SELECT set_config('search_path', %s, false)", (self._schema,))

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            said, where = sentence(error, self._url), shown(self._url)
            if self.con.closed or self.con.broken:
                raise StepError(
                    f"the connection to {where} broke off ({said}); "
                    "nothing was changed there: run it again"
                ) from None
            raise DataError(f"{where} refuses a query ({said})") from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Any]:
        """Give a cursor that may write, within one transaction."""
        with self.con.transaction(), self.con.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ WRITE")
            yield cursor

    @in_a_sentence
    def readable(self) -> list[tuple[str, str, bool]]:
        """Return schema, name, and whether the name alone finds it, of all that may be read."""
        return self.con.execute(_READABLE).fetchall()

    @in_a_sentence
    def execute(self, expr: Any, /, **options: Any) -> Any:
        """Run an expression and return its result in pandas."""
        return super().execute(expr, **options)

    @in_a_sentence
    def raw_sql(self, query: Any, **options: Any) -> Any:
        """Run a query."""
        return super().raw_sql(query, **options)

    @in_a_sentence
    def get_schema(self, name: str, **options: Any) -> Any:
        """Return a table's columns and their types."""
        return super().get_schema(name, **options)

    @in_a_sentence
    def create_table(self, name: str, /, obj: Any = None, **options: Any) -> Any:
        """Create a temporary table and measure it: the planner knows nothing of it otherwise."""
        if not options.get("temp"):
            raise NotImplementedError("a warehouse is only read; its tables are temporary")
        if obj is not None and not isinstance(obj, ibis.Table):
            obj = ibis.memtable(obj)
        if obj is not None:
            self._run_pre_execute_hooks(obj)
        with self._writing() as cursor:
            table = super().create_table(name, obj, **options)
            cursor.execute(f"ANALYZE {_quoted(name)}")
        return table

    def drop_table(self, name: str, /, **options: Any) -> None:
        """Drop a temporary table; one of a connection that is gone went with it."""
        # Called when Python forgets a table, at any moment: also while a result is streamed.
        busy = self.con.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        if not self.con.closed and not busy:
            with contextlib.suppress(psycopg.Error), self._writing():
                super().drop_table(name, **options)

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        columns = ", ".join(d.sql("postgres") for d in op.schema.to_sqlglot_column_defs("postgres"))
        rows = op.data.to_pyarrow(op.schema)
        with self._telling(), self._writing() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {_quoted(op.name)} ({columns})")
            with cursor.copy(f"COPY {_quoted(op.name)} FROM STDIN") as copy:
                for batch in rows.to_batches(max_chunksize=10_000):
                    for row in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                        copy.write_row(row)
            cursor.execute(f"ANALYZE {_quoted(op.name)}")

    def to_pyarrow_batches(self, expr: Any, /, *, chunk_size: int = 50_000, **options: Any) -> Any:
        """Stream a result through a cursor of the server's, in the types that Ibis states."""
        table = expr.as_table()
        with self._telling():
            self._run_pre_execute_hooks(table)
        limits = {key: options[key] for key in ("limit", "params") if key in options}
        query = self._in_stated_types(self.compile(table, **limits), table.schema())
        schema = table.schema().to_pyarrow()

        def batches() -> Iterator[Any]:
            name = util.gen_name("promolab_cursor")
            with (
                self._telling(),
                self.con.transaction(),
                self.con.cursor(name=name, binary=True) as cursor,
            ):
                cursor.execute(query)
                while rows := cursor.fetchmany(chunk_size):
                    columns = zip(*rows, strict=True)
                    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
                    yield pa.record_batch(arrays, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _in_stated_types(self, query: str, schema: Any) -> str:
        # The sum of whole numbers is a decimal here, which Arrow does not take for one.
        casts = []
        for name, dtype in schema.items():
            column = sg.column(name, quoted=True)
            if dtype.is_integer() or dtype.is_floating():
                column = self.compiler.cast(column, dtype)
            casts.append(column.as_(name, quoted=True).sql("postgres"))
        return f"SELECT {', '.join(casts)} FROM ({query}) AS stated"


_READABLE = """
    SELECT n.nspname, c.relname, pg_table_is_visible(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition
      AND n.nspname !~ '^(pg_|information_schema$)'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1, 2"""


def _quoted(name: str) -> str:
    return sg.to_identifier(name, quoted=True).sql("postgres")
