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

from promolab.engines.text_times import ISO, MONTHS, pattern_of, template_of


def time_from(compiler: Any, text: Any, template: tuple[str, ...]) -> Any:
    """Return text as an instant; what states no zone is UTC, what does not fit is null.

    Parameters
    ----------
    compiler : ibis SQLGlotCompiler
        Makes the SQL.
    text : sqlglot Expression
        Text.
    template : tuple of str
        `ISO`, or from `template_of`.
    """
    text = compiler.f.lower(text)

    def pattern(wanted: str = "") -> Any:
        return sge.convert(pattern_of(template, wanted))

    def part(code: str, otherwise: str) -> Any:
        if "{" + code + "}" not in template:
            return sge.convert(otherwise)
        found = compiler.f.anon.substring(text, pattern(code))
        return compiler.f.coalesce(found, sge.convert(otherwise))

    year, month, day = (sge.cast(v, "int") for v in _date(compiler, part, template))
    hour: Any = sge.cast(part("H", "0"), "int")
    if "{I}" in template:
        hour = sge.cast(part("I", "0"), "int") % 12
        hour = sge.paren(hour + compiler.if_(part("p", "am").eq("pm"), 12, 0))
    written = compiler.f.anon.concat(
        *(year, sge.convert("-"), month, sge.convert("-"), day, sge.convert(" "), hour),
        *(sge.convert(":"), part("M", "00"), sge.convert(":"), part("S", "00")),
        *(sge.convert("."), part("f", "0"), part("z", "z")),
    )
    # One case within the other: the engine keeps their order, and casts only what is a time.
    fits = sge.RegexpLike(this=text, expression=pattern())
    exists = compiler.if_(
        sg.and_(year > 0, day <= _longest(compiler, year, month)),
        sge.cast(written, "timestamptz"),
        sge.Null(),
    )
    return compiler.if_(fits, exists, sge.Null())


def _date(compiler: Any, part: Any, template: tuple[str, ...]) -> tuple[Any, Any, Any]:
    year, month = part("Y", "0"), part("m", "1")
    if "{y}" in template:
        short = part("y", "0")
        century = compiler.if_(sge.cast(short, "int") >= 69, sge.convert("19"), sge.convert("20"))
        year = compiler.f.anon.concat(century, short)
    for code in ("b", "B"):
        if "{" + code + "}" in template:
            name = compiler.f.anon.left(part(code, ""), 3)
            place = compiler.f.anon.strpos(sge.convert(MONTHS), name)
            month = compiler.f.anon.div(place + 2, 3)
    return year, month, part("d", "1")


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


class DuckDBCompatible(PostgresCompiler):
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

    def visit_Divide(self, op: Any, *, left: Any, right: Any) -> Any:
        """Divide as floats; PostgreSQL would drop what is left of whole numbers."""
        if not op.left.dtype.is_floating():
            left = sge.cast(left, "double precision")
        return sge.Div(this=sge.paren(left), expression=sge.paren(right), typed=True)

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
            return self.cast(self._text_of_float(arg), to)
        if to.is_json() and kind.is_numeric():
            return self.f.anon.to_json(arg)
        if kind.is_boolean() and to.is_numeric():
            return self.cast(sge.cast(arg, "int"), to)
        if kind.is_floating() and to.is_integer():
            return self.cast(_rounded(self, arg), to)
        return super().visit_Cast(op, arg=arg, to=to)

    def visit_TryCast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Return null for what cannot be cast; PostgreSQL would stop."""
        kind = op.arg.dtype
        if kind.is_floating() and to.is_decimal():
            return _fixed_point(self, arg, to)
        if kind.is_string():
            if to.is_timestamp() or to.is_date():
                return self.cast(time_from(self, arg, ISO), to)
            guard = _readable(self, arg, to)
            if guard is not None:
                return self.if_(guard, self.cast(arg, to), sge.Null())
        return self.visit_Cast(op, arg=arg, to=to)

    def visit_StringToTimestamp(self, op: Any, *, arg: Any, format_str: Any) -> Any:
        """Return null for what is not written so; PostgreSQL would guess, or stop."""
        return time_from(self, arg, template_of(op.format_str.value))

    def _text_of_float(self, arg: Any) -> Any:
        # A float stays one: 3.0, not 3.
        text = sge.cast(arg, "text")
        whole = sg.and_(arg.eq(self.f.trunc(arg)), self.f.abs(arg) < _literal("1e15"))
        said = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
        case = sge.Case(this=text, ifs=[self.if_(*map(sge.convert, pair)) for pair in said.items()])
        case.set("default", self.if_(whole, self.f.anon.concat(text, sge.convert(".0")), text))
        return case

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


def _fixed_point(compiler: DuckDBCompatible, value: Any, to: Any) -> Any:
    """Return a float as a fixed-point number the way DuckDB does; null if it has no place."""
    # PostgreSQL's own cast keeps 15 digits. Not a number is the greatest of all.
    scaled = sge.paren(value) * sge.cast(_literal(f"1e{to.scale}"), "double precision")
    count = sge.cast(_rounded(compiler, sge.paren(scaled)), "bigint")
    unit = _literal(f"{10.0**-to.scale:.{to.scale}f}") if to.scale else _literal("1")
    fits = compiler.f.abs(value) < sge.cast(
        _literal(f"1e{to.precision - to.scale}"), "double precision"
    )
    return compiler.if_(fits, compiler.cast(sge.paren(count * unit), to), sge.Null())


def _readable(compiler: DuckDBCompatible, text: Any, to: Any) -> Any:
    """Return whether text can be cast; None where there is no rule."""

    def matches(pattern: str) -> Any:
        return sge.RegexpLike(this=text, expression=sge.convert(pattern))

    if to.is_floating() or to.is_decimal():
        return matches(_NUMBER)
    if to.is_integer():
        return matches(_WHOLE)
    if to.is_boolean():
        return sge.RegexpLike(this=compiler.f.lower(text), expression=sge.convert(_FLAG))
    return None
