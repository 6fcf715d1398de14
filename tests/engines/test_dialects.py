"""Every expression of the library, compiled for seven dialects: a page says what each lacks."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import ibis
import ibis.backends.sql.compilers as compilers
import ibis.expr.operations as ops
import pytest
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
from ibis.common.exceptions import OperationNotDefinedError, UnsupportedOperationError
from ibis.common.graph import Graph
from sqlglot import ErrorLevel

import promolab
from promolab.cleaning import known_by
from promolab.contract import Shop
from promolab.engines import cast_or_null, differences, postgres_sql, spark_sql, time_or_null
from tests.engines.asked import ASKED, LATER, LOOKED_AT, simulated_shop
from tests.house import PACKAGE, tree

DIALECTS = {
    "duckdb": compilers.duckdb.compiler,
    "postgres": postgres_sql.DuckDBCompatible(),
    "pyspark": spark_sql.DuckDBCompatible(),
    **{
        name: getattr(compilers, name).compiler
        for name in ("databricks", "snowflake", "bigquery", "trino")
    },
}
BY_NAME = {"timezone": {"duckdb", "postgres", "pyspark"}, "try_strptime": {"duckdb"}}
"""Functions that are called by a name of DuckDB's, and who has them."""


def asked_of(shop: Shop) -> list[Any]:
    """Return every expression that DuckDB is asked for all that the library does."""
    found: list[Any] = []
    compile_it = DuckDBCompiler.to_sqlglot

    def take_down(self: Any, expr: Any, **options: Any) -> Any:
        found.append(expr)
        return compile_it(self, expr, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBCompiler, "to_sqlglot", take_down)
        # Where an engine has no as-of join the library writes another one: that is compiled.
        patch.setattr(differences, "_HAS_ASOF", ())
        whole, report = promolab.clean(known_by(shop, LATER))
        report.left_out(whole)
        for ask in (*ASKED.values(), *LOOKED_AT.values()):
            ask(whole)
    return found


def kinds_in(expr: Any) -> frozenset[tuple[Any, ...]]:
    """Return which operations an expression is made of, each with the types that it is given."""

    def kind(node: Any) -> tuple[Any, ...]:
        given = (type(getattr(arg, "dtype", arg)).__name__ for arg in node.__args__)
        return type(node).__name__, getattr(node, "__func_name__", ""), *given

    return frozenset(kind(node) for node in Graph.from_bfs(expr.op()))


def fewest(expressions: list[Any]) -> list[Any]:
    """Return some of the expressions that together hold every kind of operation of them all."""
    left = {expr: kinds_in(expr) for expr in expressions}
    seen: set[Any] = set()
    taken = []
    while left:
        best = max(left, key=lambda e: len(left[e] - seen) / (20 + len(left[e])))
        taken += [best.unbind()] if left[best] - seen else []
        seen |= left.pop(best)
    return taken


def lacking(dialect: str, expressions: list[Any]) -> set[str]:
    """Return the operations for which a dialect has no rule."""
    compiler = DIALECTS[dialect]
    gaps: set[str] = set()

    class Noting(type(compiler)):  # type: ignore[misc]
        __slots__ = ()

        def visit_node(self, op: Any, **given: Any) -> Any:
            if isinstance(op, ops.ScalarUDF):
                name = op.__func_name__
                if dialect not in BY_NAME[name]:
                    gaps.add(name)
                    return sge.Null()
            try:
                return super().visit_node(op, **given)
            except (OperationNotDefinedError, UnsupportedOperationError):
                gaps.add(type(op).__name__)
                return sge.Null()

    noting = Noting()
    for expr in expressions:
        query = noting.to_sqlglot(expr)
        assert query.sql(dialect=noting.dialect, unsupported_level=ErrorLevel.RAISE)
    return gaps


def text_read(dialect: str) -> list[Any]:
    """Return how text of a source's own columns becomes numbers and times."""
    text = ibis.table({"said": "string"}, name="rows").said
    return [
        cast_or_null(text, "float64", dialect).name("number").as_table(),
        time_or_null(text, "%d.%m.%Y", dialect).name("time").as_table(),
    ]


def stated(page: Path) -> dict[str, set[str]]:
    """Return what the table of a page says that each dialect lacks."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, set[str]] = defaultdict(set)
    for dialect, said in re.findall(r"^\| `(\w+)` \| (.*?) \|$", text, re.MULTILINE):
        if dialect in DIALECTS:
            found[dialect] = set(re.findall(r"`(\w+)`", said))
    return found


def test_every_expression_compiles_but_for_what_the_page_says(repository):
    expressions = fewest(asked_of(simulated_shop()))
    found = {name: lacking(name, [*expressions, *text_read(name)]) for name in DIALECTS}
    assert found == stated(repository / "docs" / "scale.md")


def test_no_other_room_names_an_engine():
    naming = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in DIALECTS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in DIALECTS
    }
    assert {name.partition("/")[0] for name in naming} == {"engines"}
