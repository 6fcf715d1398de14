"""A Spark session that is only read, and says in sentences what goes wrong.

Imported only once a Spark source is opened; it needs pyspark.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pandas as pd
import pyarrow as pa
import pyspark.sql.types as pt
from ibis import util
from ibis.backends.pyspark import Backend
from ibis.backends.pyspark.datatypes import PySparkSchema, PySparkType
from ibis.formats.pandas import PandasData
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException

from promolab.engines.addresses import in_a_sentence, sentence, shown
from promolab.engines.connection import arrow_schema, changing, in_microseconds
from promolab.engines.spark_session import root
from promolab.engines.spark_sql import DuckDBCompatible
from promolab.errors import DataError, InputError, StepError

# It would write every refused query to stderr; what matters of it is in the sentence.
logging.getLogger("SQLQueryContextLogger").disabled = True
UTC = ("utc", "etc/utc", "gmt", "etc/gmt", "z", "utc+0", "gmt+0", "+00:00", "etc/uct", "zulu")
"""Names under which a session's clock is UTC, in lower case."""

_READ_AS = {"timestamp_ntz": "timestamp", "decimal(20,0)": "long"}


class Cluster(Backend):
    """A Spark session that is only read; what it computes lies in partitions that it keeps.

    Whatever Spark refuses is a DataError, and a session that is gone a StepError.
    """

    compiler = DuckDBCompatible()

    def do_connect(self, session: Any, url: str = "spark://", folder: str | None = None) -> None:
        """Take a session.

        Parameters
        ----------
        session : pyspark SparkSession
            Its clock must be UTC, and none of its settings is changed.
        url : str
            What errors call it.
        folder : str, optional
            Where the tables lie as parquet; by default they are those of its current database.
        """
        self._url, self._folder, self._mode, self._session = url, folder, "batch", session
        zone = str(session.conf.get("spark.sql.session.timeZone"))
        if zone.lower() not in UTC:
            raise InputError(
                f"the clock of the Spark session is {zone!r}, by which it would read times that "
                'state no zone; set spark.sql.session.timeZone to "UTC"'
            )

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (Py4JNetworkError, ConnectionError) as error:
            raise self._gone(error) from None
        except (PySparkException, Py4JError) as error:
            if "stopped SparkContext" in str(error) or "SparkContext was shut down" in str(error):
                raise self._gone(error) from None
            raise DataError(
                f"{shown(self._url)} refuses a query ({sentence(root(error), self._url)})"
            ) from None

    def _gone(self, error: BaseException) -> StepError:
        return StepError(
            f"the session of {shown(self._url)} is gone ({sentence(error, self._url)}); "
            "nothing was changed there: run it again"
        )

    # --- what is there ---------------------------------------------------------------------------

    @in_a_sentence
    def readable(self) -> dict[str, str]:
        """Return by name what can be read: a table of the database, or parquet in the folder."""
        if self._folder is None:
            return {name: name for name in self.list_tables()}
        hadoop = self._session._jvm.org.apache.hadoop.fs
        folder = hadoop.Path(self._folder)
        system = folder.getFileSystem(self._session._jsc.hadoopConfiguration())
        if not system.exists(folder):
            raise InputError(f"there is no folder {self._folder} for {shown(self._url)}")
        names = [status.getPath().getName() for status in system.listStatus(folder)]
        return {
            name.removesuffix(".parquet"): name for name in names if not name.startswith((".", "_"))
        }

    @in_a_sentence
    def opened(self, place: str) -> Any:
        """Return what `readable` found as an Ibis table; nothing is read yet but its columns."""
        if self._folder is None:
            frame = self._session.table(place)
        else:
            try:
                frame = self._session.read.parquet(f"{self._folder}/{place}")
            except PySparkException as error:
                if "TIMESTAMP(NANOS" in str(error):
                    raise DataError(
                        f"{place} holds times in nanoseconds, which Spark does not read; write "
                        "them in microseconds"
                    ) from None
                raise
        kinds = frame.schema
        # A time without a zone takes part in nothing but comparisons with its like: as one of UTC
        # it is what the rest of the library takes it for.
        # Whole numbers of 64 bits without a sign are decimals to it, which no id may be.
        told = {f.name: _READ_AS.get(f.dataType.simpleString()) for f in kinds}
        for name, kind in told.items():
            if kind is not None:
                frame = frame.withColumn(name, frame[f"`{name}`"].cast(kind))
        name = util.gen_name("promolab_source")
        frame.createOrReplaceTempView(name)
        stated = {f.name: "int64" if told[f.name] == "long" else _type(f.dataType) for f in kinds}
        return self._named(name, stated)

    def _named(self, name: str, schema: Any) -> Any:
        return ops.DatabaseTable(
            name, schema=sch.schema(schema), source=self, namespace=ops.Namespace()
        ).to_expr()

    def get_schema(self, table_name: str, **_: Any) -> Any:
        """Return a table's columns and their types."""
        kinds = self._session.table(table_name).schema
        return sch.schema({field.name: _type(field.dataType) for field in kinds})

    @in_a_sentence
    def use(self, database: str) -> None:
        """Read the tables of this database by their names alone."""
        self._session.catalog.setCurrentDatabase(database)

    # --- what is computed ------------------------------------------------------------------------

    @in_a_sentence
    def create_table(self, name: str, /, obj: Any = None, **options: Any) -> Any:
        """Compute a table and keep its partitions; the plan that led to it is forgotten."""
        if not options.get("temp"):
            raise NotImplementedError("a Spark source is only read; its tables are temporary")
        rows = obj if isinstance(obj, ibis.Table) else ibis.memtable(obj)
        frame = self._frame(rows).localCheckpoint(eager=True)
        frame.createOrReplaceTempView(name)
        self._cached_dataframes[name] = frame
        return self._named(name, rows.schema())

    def _create_cached_table(self, name: str, expr: Any) -> Any:
        return self.create_table(name, expr, temp=True)

    def _drop_cached_table(self, name: str) -> None:
        # Called when Python forgets a table, at any moment: also when the session is gone.
        frame = self._cached_dataframes.pop(name, None)
        with contextlib.suppress(Exception):
            self._session.catalog.dropTempView(name)
            frame._jdf.queryExecution().analyzed().rdd().unpersist(False)

    def _register_in_memory_table(self, op: Any) -> None:
        rows = op.data.to_pyarrow(op.schema)
        rows = rows.cast(in_microseconds(rows.schema, "UTC"))  # else of a zone that Spark states
        with self._telling():
            self._session.createDataFrame(rows).createOrReplaceTempView(op.name)

    def _frame(self, rows: Any, **limits: Any) -> Any:
        self._run_pre_execute_hooks(rows)
        return self._session.sql(self.compile(rows, **limits))

    @in_a_sentence
    def raw_sql(self, query: Any, **options: Any) -> Any:
        """Run a query."""
        return super().raw_sql(query, **options)

    @in_a_sentence
    def to_pyarrow(self, expr: Any, /, **options: Any) -> Any:
        """Run an expression and return its result in Arrow, in the types that Ibis states."""
        return expr.__pyarrow_result__(self._arrow(expr, options))

    def _arrow(self, expr: Any, options: Mapping[str, Any]) -> pa.Table:
        table = expr.as_table()
        limits = {key: options[key] for key in ("limit", "params") if key in options}
        found = self._frame(table, **limits).toArrow()
        return found.cast(_stated(table.schema()))

    @in_a_sentence
    def execute(self, expr: Any, /, **options: Any) -> Any:
        """Run an expression and return its result in pandas, as DuckDB's is."""
        found = self._arrow(expr, options)
        columns = {
            name: column.to_pylist()
            if column.null_count or pa.types.is_nested(column.type)
            else column.to_pandas()
            for name, column in zip(found.column_names, found.columns, strict=True)
        }
        frame = PandasData.convert_table(pd.DataFrame(columns), expr.as_table().schema())
        return expr.__pandas_result__(frame)

    def to_pyarrow_batches(self, expr: Any, /, *, chunk_size: int = 50_000, **options: Any) -> Any:
        """Stream a result, a partition after the other, in the types that Ibis states."""
        table = expr.as_table()
        limits = {key: options[key] for key in ("limit", "params") if key in options}
        schema = _stated(table.schema())

        def packed(parts: Any) -> Any:
            import pyarrow as pa

            for part in parts:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, part.schema) as writer:
                    writer.write_batch(part)
                yield pa.record_batch([[sink.getvalue().to_pybytes()]], names=["packed"])

        with self._telling():
            parts = self._frame(table, **limits).mapInArrow(packed, "packed binary")

        def batches() -> Iterator[Any]:
            with self._telling():
                for row in parts.toLocalIterator():
                    rows = pa.ipc.open_stream(row.packed).read_all().cast(schema)
                    yield from rows.to_batches(max_chunksize=chunk_size)

        return pa.RecordBatchReader.from_batches(schema, batches())

    @in_a_sentence
    def write_batches(self, rows: Any, change: Any, columns: Mapping[str, str], out: str) -> Any:
        """Write what a function makes of rows, on the executors; return what was written."""
        given, returned = _stated(rows.schema()), arrow_schema(columns)
        kinds = PySparkSchema.from_ibis(sch.schema(dict(columns)))
        made = self._frame(rows).mapInArrow(changing(change, given, returned), kinds)
        try:
            made.write.mode("errorifexists").parquet(out)
        except PySparkException as error:
            if "PATH_ALREADY_EXISTS" not in str(error):
                raise
            raise InputError(f"{out} is there already; name a folder that is not") from None
        self._session.read.parquet(out).createOrReplaceTempView(name := util.gen_name("written"))
        return self._named(name, dict(columns))


def _type(kind: Any) -> Any:
    """Return a type of Spark's as one of Ibis'; a time of Spark's own is an instant."""
    if isinstance(kind, pt.TimestampType):
        return dt.Timestamp(timezone="UTC")
    try:
        return PySparkType.to_ibis(kind)
    except (NotImplementedError, ibis.common.exceptions.IbisError):
        return dt.unknown


def _stated(schema: Any) -> pa.Schema:
    """Return Arrow's types for those of Ibis; Spark has no times finer than microseconds."""
    return pa.schema([f.with_nullable(True) for f in in_microseconds(schema.to_pyarrow())])
