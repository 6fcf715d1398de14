"""PostgreSQL, made to read the package's Ibis expressions as DuckDB reads them.

Features, cleaning and checks are written once, as Ibis expressions. Where the two engines would
give different answers to one expression, the difference is settled here, in the SQL that is sent:
the order of text, failed casts, rounding, the hash and the JSON of a row, and parts of a second.
"""

from __future__ import annotations

from typing import Any

import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.postgres import PostgresCompiler

from promolab.engines.duckdb_answers import MONTHS, DuckDBAnswers, matches


def _longest(compiler: Any, year: Any, month: Any) -> Any:
    """Return the number of days of a month; below all of them where there is no such month."""
    leap = sg.or_(sg.and_((year % 4).eq(0), (year % 100).neq(0)), (year % 400).eq(0))
    february = compiler.if_(leap, 29, 28)
    cases = [
        compiler.if_(month.isin(4, 6, 9, 11), 30),
        compiler.if_(month.eq(2), february),
        compiler.if_(month.isin(1, 3, 5, 7, 8, 10, 12), 31),
    ]
    return sge.Case(ifs=cases, default=sge.convert(0))


# ruff: noqa: N802 - the names are those by which Ibis calls


_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,2})?\s*$"
_WHOLE = r"^\s*[-+]?[0-9]{1,18}\s*$"
_FLAG = r"^\s*(true|false|t|f|1|0)\s*$"


def _literal(number: str) -> sge.Expression:
    return sge.Literal.number(number)


class DuckDBCompatible(DuckDBAnswers, PostgresCompiler):
    """Ibis' compiler for PostgreSQL with DuckDB's answers."""

    __slots__ = ()

    def _binary(self, arg: Any, dtype: Any) -> Any:
        # A database sorts text by its own language's rules; DuckDB by its bytes, as "C" does.
        if not dtype.is_string():
            return arg
        return sge.Collate(this=sge.paren(arg), expression=sg.to_identifier("C", quoted=True))

    def visit_SortKey(self, op: Any, *, arg: Any, ascending: bool, nulls_first: bool) -> Any:
        """Sort text by its bytes."""
        arg = self._binary(arg, op.arg.dtype)
        return super().visit_SortKey(op, arg=arg, ascending=ascending, nulls_first=nulls_first)

    def visit_Min(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Compare text by its bytes."""
        return self._extreme(super().visit_Min, op, arg, where)

    def visit_Max(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Compare text by its bytes."""
        return self._extreme(super().visit_Max, op, arg, where)

    def _extreme(self, visit: Any, op: Any, arg: Any, where: Any) -> Any:
        return visit(op, arg=self._binary(arg, op.arg.dtype), where=where)

    def visit_First(self, op: Any, *, arg: Any, where: Any, order_by: Any, **_: Any) -> Any:
        """Take the first value that is not null; PostgreSQL has no such function."""
        present = arg.is_(sg.not_(sge.Null()))
        where = present if where is None else sg.and_(present, where)
        values = self.agg.array_agg(arg, where=where, order_by=order_by)
        return sge.paren(values, copy=False)[0]

    def visit_Arbitrary(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Take any value; the function is new in PostgreSQL 16."""
        return self.visit_First(op, arg=arg, where=where, order_by=())

    def visit_ExtractEpochSeconds(self, op: Any, *, arg: Any) -> Any:
        """Return seconds as a float, parts of a second included."""
        return sge.cast(super().visit_ExtractEpochSeconds(op, arg=arg), "double precision")

    def visit_Round(self, op: Any, *, arg: Any, digits: Any = None) -> Any:
        """Round a half away from zero, which PostgreSQL does only to exact numbers."""
        if op.arg.dtype.is_floating() and digits is None:
            return self.cast(_rounded(self, arg), op.dtype)
        return super().visit_Round(op, arg=arg, digits=digits)

    def visit_Hash(self, op: Any, *, arg: Any) -> Any:
        """Hash a row as a whole: equal rows have equal hashes, and null is a value."""
        if op.arg.dtype.is_struct():
            return self.f.anon.hash_record_extended(arg, 0)
        return super().visit_Hash(op, arg=arg)

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Cast as DuckDB does what PostgreSQL casts otherwise or not at all."""
        kind = op.arg.dtype
        if kind.is_struct() and to.is_json():
            return self._json_of_row(arg, kind)
        if kind.is_floating() and (to.is_string() or to.is_json()):
            return self.cast(self._float_as_text(arg), to)
        if to.is_json() and kind.is_numeric():
            return self.f.anon.to_json(arg)
        if kind.is_boolean() and to.is_numeric():
            return self.cast(sge.cast(arg, "int"), to)
        if kind.is_floating() and to.is_integer():
            return self.cast(_rounded(self, arg), to)
        if kind.is_floating() and to.is_decimal():
            return self._fixed_point(arg, to)
        return super().visit_Cast(op, arg=arg, to=to)

    def json_extract_path_text(self, op: Any, arg: Any) -> Any:
        """Return what JSON holds as text; Ibis' own gives a path of no steps, which is no SQL."""
        listed = self.f.anon.json_build_array(arg)
        return self.f.anon.json_array_element_text(listed, 0)

    def _try_other(self, op: Any, arg: Any, to: Any) -> Any:
        return self.visit_Cast(op, arg=arg, to=to)  # there is no cast that may fail

    def _tried(self, text: Any, to: Any) -> Any:
        cast = self.cast(text, to)
        guard = _readable(self, text, to)
        return cast if guard is None else self.if_(guard, cast, sge.Null())

    def _found(self, text: Any, pattern: str) -> Any:
        return self.f.anon.substring(text, sge.convert(pattern))

    def _joined(self, *parts: Any) -> Any:
        return self.f.anon.concat(*parts)

    def _month(self, name: Any) -> Any:
        place = self.f.anon.strpos(sge.convert(MONTHS), name)
        return self.f.anon.div(place + 2, 3)

    def _instant_of(self, text: Any, pattern: str, written: Any, day: tuple[Any, Any, Any]) -> Any:
        # One case within the other: the engine keeps their order, and casts only what is a time.
        year, month, of_month = (sge.cast(value, "int") for value in day)
        exists = self.if_(
            sg.and_(year > 0, of_month <= _longest(self, year, month)),
            sge.cast(written, "timestamptz"),
            sge.Null(),
        )
        return self.if_(matches(text, pattern), exists, sge.Null())

    def _fixed_point(self, value: Any, to: Any) -> Any:
        # PostgreSQL's own cast keeps 15 digits. Not a number is the greatest of all.
        scaled = sge.paren(value) * self._double(_literal(f"1e{to.scale}"))
        count = sge.cast(_rounded(self, sge.paren(scaled)), "bigint")
        unit = _literal(f"{10.0**-to.scale:.{to.scale}f}") if to.scale else _literal("1")
        exact = self.cast(sge.paren(count * unit), to)
        return self.if_(self._fits(value, to), exact, sge.Null())

    def _float_as_text(self, arg: Any) -> Any:
        # A float stays one: 3.0, not 3.
        text = sge.cast(arg, "text")
        whole = sg.and_(arg.eq(self.f.trunc(arg)), self.f.abs(arg) < _literal("1e15"))
        with_point = self.f.anon.concat(text, sge.convert(".0"))
        return self._text_of_float(arg, self.if_(whole, with_point, text))

    def _json_of_row(self, row: Any, kind: Any) -> Any:
        parts = []
        for name, value, dtype in zip(kind.names, row.expressions, kind.types, strict=True):
            if dtype.is_temporal():
                value = self.f.anon.to_json(sge.cast(value, "text"))
            elif not dtype.is_json():
                value = self.f.anon.to_json(value)
            text = self.f.coalesce(sge.cast(value, "text"), sge.convert("null"))
            key = self.f.anon.to_json(sge.cast(sge.convert(name), "text"))
            parts.append(self.f.anon.concat(sge.cast(key, "text"), sge.convert(":"), text))
        listed = self.f.anon.concat_ws(sge.convert(","), *parts)
        whole = self.f.anon.concat(sge.convert("{"), listed, sge.convert("}"))
        return sge.cast(whole, "json")


def _rounded(compiler: DuckDBCompatible, value: Any) -> Any:
    whole = compiler.f.trunc(value)
    rest = compiler.f.trunc(sge.paren(value - whole) * 2)
    return sge.paren(whole + rest)


def _readable(compiler: DuckDBCompatible, text: Any, to: Any) -> Any:
    """Return whether text can be cast; None where there is no rule."""
    if to.is_floating() or to.is_decimal():
        return matches(text, _NUMBER)
    if to.is_integer():
        return matches(text, _WHOLE)
    if to.is_boolean():
        return matches(compiler.f.lower(text), _FLAG)
    return None
