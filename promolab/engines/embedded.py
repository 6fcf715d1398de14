"""Ibis' connection to DuckDB, which keeps temporary tables in fewer steps.

Imported only once an engine is started.
"""

from __future__ import annotations

import functools
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd
import pyarrow.types as of
from ibis.backends.duckdb import Backend
from ibis.backends.duckdb.converter import DuckDBPandasData

PLAIN = (of.is_floating, of.is_integer, of.is_string, of.is_large_string, of.is_timestamp)
"""Types of which a missing value says the same in an array as among Python's objects."""
MANY = 100_000
"""Rows from which on columns stay arrays of their own: to put them side by side takes a copy."""


class Embedded(Backend):
    """DuckDB in this process."""

    limit = ""
    """What it may hold, where that is stated or of a large shop."""

    def execute(self, expr: ir.Expr, /, **options: Any) -> Any:
        """Return what an expression gives as pandas has it, a column after the other.

        Ibis makes Python's objects of columns that lack a value, of all of them at once.
        """
        table = self._to_duckdb_relation(expr, **options).to_arrow_table()
        n, columns = len(table), dict[str, Any](zip(table.column_names, table.columns, strict=True))
        del table
        for name, kind in expr.as_table().schema().items():
            each = columns.pop(name)
            whole = not (of.is_nested(each.type) or of.is_dictionary(each.type) or each.null_count)
            whole |= each.null_count < n and any(is_it(each.type) for is_it in PLAIN)
            values = pd.DataFrame({name: each.to_pandas() if whole else each.to_pylist()})[name]
            columns[name] = DuckDBPandasData.convert_column(values, kind)
        return expr.__pandas_result__(pd.DataFrame(columns, copy=n < MANY))

    def _drop_cached_table(self, name: str) -> None:
        super()._drop_cached_table(name)
        if self.limit:  # stating it anew frees what tables took: of a million customers 2.5 GB
            self.con.execute(f"SET memory_limit = '{self.limit}'")

    def create_table(self, name: str, /, obj: Any = None, **options: Any) -> ir.Table:
        """Keep what an expression gives as a temporary table; all else is done by Ibis.

        A report keeps a hundred small tables: Ibis asks twice where it is before each, copies the
        statement twice, and asks the engine afterwards which columns the table has.
        """
        given = {key for key, value in options.items() if value} <= {"temp", "schema"}
        schema = options.get("schema") or (obj.schema() if isinstance(obj, ir.Table) else None)
        if not (given and options.get("temp") and schema) or schema.null_fields:
            return super().create_table(name, obj, **options)
        self._run_pre_execute_hooks(obj)
        query = self.compiler.to_sqlglot(obj).sql(self.dialect, copy=False)
        kept = ibis.schema({column: _stored(kind)[1] for column, kind in schema.items()})
        columns = [f"{_quoted(column)} {_stored(kind)[0]}" for column, kind in schema.items()]
        place = f'"temp"."main".{_quoted(name)}'
        self.con.execute(f"CREATE TEMPORARY TABLE {place} ({', '.join(columns)})")
        self.con.execute(f"INSERT INTO {place} ({', '.join(map(_quoted, schema))}) {query}")
        where = ops.Namespace(catalog="temp", database="main")
        return ops.DatabaseTable(name, schema=kept, source=self, namespace=where).to_expr()


@functools.cache
def _stored(kind: Any) -> tuple[str, Any]:
    """Return a type as the engine writes it, and as Ibis reads that again."""
    mapper = Backend.compiler.type_mapper
    written = mapper.to_string(kind) + ("" if kind.nullable else " NOT NULL")
    return written, mapper.from_string(mapper.to_string(kind), nullable=kind.nullable)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
