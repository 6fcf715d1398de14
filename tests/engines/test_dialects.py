"""Every expression of the library compiles for PostgreSQL and Spark; no room but one knows them."""

import ast
from typing import Any

import pytest
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
from ibis.common.graph import Graph
from sqlglot import ErrorLevel

import promolab
from promolab.cleaning import known_by
from promolab.contract import Shop
from promolab.engines import differences, postgres_sql, spark_sql
from tests.engines.asked import ASKED, LATER, LOOKED_AT, simulated_shop
from tests.house import PACKAGE, tree

ENGINES = {"duckdb", "postgres", "pyspark", "databricks", "snowflake", "bigquery", "trino"}


def asked_of(shop: Shop) -> list[Any]:
    """Return every expression of all but features and pairs: these run on either engine itself."""
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


@pytest.fixture(scope="module")
def expressions() -> list[Any]:
    return fewest(asked_of(simulated_shop()))


@pytest.mark.parametrize("dialect", [postgres_sql, spark_sql])
def test_every_expression_compiles(expressions, dialect):
    compiler = dialect.DuckDBCompatible()
    for expr in expressions:
        query = compiler.to_sqlglot(expr)
        assert query.sql(dialect=compiler.dialect, unsupported_level=ErrorLevel.RAISE)


def test_no_other_room_names_an_engine():
    naming = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in ENGINES)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in ENGINES
    }
    assert {name.partition("/")[0] for name in naming} == {"engines"}
