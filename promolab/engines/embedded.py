"""Ibis' connection to DuckDB, which keeps temporary tables in fewer steps.

Imported only once an engine is started.
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend


class Embedded(Backend):
    """DuckDB in this process."""

    def create_table(self, name: str, /, obj: Any = None, **options: Any) -> ir.Table:
        """Keep what an expression gives as a temporary table; all else is done by Ibis.

        A report keeps a hundred small tables: Ibis asks twice where it is before each, and copies
        the statement twice.
        """
        given = {key for key, value in options.items() if value} <= {"temp", "schema"}
        schema = options.get("schema") or (obj.schema() if isinstance(obj, ir.Table) else None)
        if not (given and options.get("temp") and schema) or schema.null_fields:
            return super().create_table(name, obj, **options)
        self._run_pre_execute_hooks(obj)
        query = self.compiler.to_sqlglot(obj).sql(self.dialect, copy=False)
        columns = [
            column.sql(self.dialect) for column in schema.to_sqlglot_column_defs(self.dialect)
        ]
        place = f'"temp"."main".{_quoted(name)}'
        self.con.execute(f"CREATE TEMPORARY TABLE {place} ({', '.join(columns)})")
        self.con.execute(f"INSERT INTO {place} ({', '.join(map(_quoted, schema))}) {query}")
        return self.table(name, database=("temp", "main"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
