"""Spark, made to read the package's Ibis expressions as DuckDB reads them.

What the two would answer otherwise to one expression is settled here, in the SQL that is sent,
whether the session is in ANSI mode or not: failed casts, rounding, NaN, parts of a second, the hash
and the JSON of a row, the clock of a zone.
"""

from __future__ import annotations

import re
from typing import Any

import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import SQLGlotCompiler
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

from promolab.engines.text_times import ISO, MONTHS, pattern_of, template_of

_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_WORDS = r"^\s*[-+]?(nan|inf|infinity)\s*$"


# ruff: noqa: N802 - the names are those by which Ibis calls


class DuckDBCompatible(PySparkCompiler):
    """Ibis' compiler for Spark with DuckDB's answers."""

    __slots__ = ()

    def _double(self, value: Any) -> Any:
        return sge.cast(value, "double")

    def visit_Field(self, op: Any, *, rel: Any, name: str) -> Any:
        """Take a column as it is, NaN too."""
        return SQLGlotCompiler.visit_Field(self, op, rel=rel, name=name)

    def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:
        """Write a float as one; Spark takes 60.0 for a decimal."""
        if dtype.is_floating():
            return self._double(sge.convert(repr(float(value))))
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_IsNull(self, op: Any, *, arg: Any) -> Any:
        """Tell null from NaN."""
        return arg.is_(sge.Null())

    def visit_NotNull(self, op: Any, *, arg: Any) -> Any:
        """Tell null from NaN."""
        return arg.is_(sg.not_(sge.Null()))

    def visit_IsInf(self, op: Any, *, arg: Any) -> Any:
        """Find infinity; Ibis' own comparison is made in Python, and never holds."""
        return self.f.abs(arg).eq(self._double(sge.convert("Infinity")))

    def visit_Divide(self, op: Any, *, left: Any, right: Any) -> Any:
        """Divide as floats; Spark would divide decimals into decimals."""
        if not op.left.dtype.is_floating():
            left = self._double(left)
        return sge.Div(this=sge.paren(left), expression=sge.paren(right), typed=True)

    def visit_Mean(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Return a float, of decimals too."""
        return self.agg.avg(self._double(arg), where=where)

    def visit_CountStar(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Count none as 0."""
        if where is None:
            return super().visit_CountStar(op, arg=arg, where=where)
        return self.f.count(self.if_(where, 1, sge.Null()))

    def visit_Hash(self, op: Any, *, arg: Any) -> Any:
        """Hash to 64 bits: of 32 every row of a large table shares one with another."""
        return self.f.anon.xxhash64(arg)

    def visit_ExtractEpochSeconds(self, op: Any, *, arg: Any) -> Any:
        """Return seconds as a float, parts of a second included."""
        micros = self.f.anon.unix_micros(sge.cast(arg, "timestamp"))
        return sge.Div(this=self._double(micros), expression=self._double(sge.convert(1_000_000)))

    def visit_RegexReplace(self, op: Any, *, arg: Any, pattern: Any, replacement: Any) -> Any:
        """Write a group as Java does: $1."""
        if isinstance(replacement, sge.Literal):
            text = replacement.this.replace("$", r"\$")
            replacement = sge.convert(re.sub(r"\\(\d)", r"$\1", text))
        return super().visit_RegexReplace(op, arg=arg, pattern=pattern, replacement=replacement)

    def visit_ScalarUDF(self, op: Any, **arguments: Any) -> Any:
        """Write the functions of DuckDB that the library calls by name."""
        if op.__func_name__ != "timezone":
            return super().visit_ScalarUDF(op, **arguments)
        zone, ts = arguments.values()
        if isinstance(zone, sge.Literal) and zone.this == "UTC":
            return ts
        if op.ts.dtype.timezone is not None:
            return self.f.anon.from_utc_timestamp(ts, zone)
        return self._instant(ts, zone)

    def _instant(self, local: Any, zone: Any) -> Any:
        # Of an hour that comes twice Spark takes the first, DuckDB the second: the one that the
        # clock of a day later gives, where the zone shows it as it was written.
        first = self.f.anon.to_utc_timestamp(local, zone)
        day = sge.Interval(this=sge.convert("1"), unit=sg.to_identifier("DAY"))
        after = sge.paren(sge.paren(first) + day)
        ahead = sge.paren(self.f.anon.from_utc_timestamp(after, zone) - after)
        second = sge.paren(local - ahead)
        same = self.f.anon.from_utc_timestamp(second, zone).eq(local)
        return self.if_(same, second, first)

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Cast as DuckDB does what Spark casts otherwise or not at all."""
        kind = op.arg.dtype
        if to.is_json():
            return self._json(arg, kind)
        if kind.is_floating() and to.is_string():
            return self._text_of_float(arg)
        if kind.is_floating() and to.is_decimal():
            return _fixed_point(self, arg, to)
        if kind.is_floating() and to.is_integer():
            return self.cast(self.f.anon.rint(arg), to)
        return super().visit_Cast(op, arg=arg, to=to)

    def visit_TryCast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Return null for what cannot be cast, and read text as DuckDB does."""
        kind = op.arg.dtype
        if kind.is_floating() and to.is_decimal():
            return _fixed_point(self, arg, to)
        if kind.is_string():
            if to.is_timestamp() or to.is_date():
                return self.cast(time_from(self, arg, ISO), to)
            guard = _number_guard(self, arg, to)
            tried = sge.TryCast(this=arg, to=self.type_mapper.from_ibis(to), safe=True)
            return tried if guard is None else self.if_(guard, tried, sge.Null())
        return super().visit_TryCast(op, arg=arg, to=to)

    def visit_StringToTimestamp(self, op: Any, *, arg: Any, format_str: Any) -> Any:
        """Return null for what is not written so."""
        return time_from(self, arg, template_of(op.format_str.value))

    def _text_of_float(self, arg: Any) -> Any:
        text = sge.cast(arg, "string")
        said = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
        case = sge.Case(this=text, ifs=[self.if_(*map(sge.convert, pair)) for pair in said.items()])
        case.set("default", text)
        return case

    def _json(self, arg: Any, kind: Any) -> Any:
        """Return text that is JSON; of a row too, whose nulls Spark would leave out."""
        if kind.is_string() or kind.is_json():
            return arg
        if not kind.is_struct():
            return sge.cast(arg, "string")
        parts: list[Any] = []
        for name, value in zip(kind.names, arg.expressions, strict=True):
            key = sge.convert(("," if parts else "{") + _quoted(name) + ":")
            inner = value.this if isinstance(value, sge.Alias) else value.expression
            parts += [key, self._json_value(inner, kind[name])]
        return self.f.concat(*parts, sge.convert("}"))

    def _json_value(self, value: Any, kind: Any) -> Any:
        if kind.is_string() or kind.is_temporal():
            # An array of one, without its brackets: Spark quotes text in nothing less.
            listed = self.f.anon.to_json(self.f.anon.array(sge.cast(value, "string")))
            inner = self.f.anon.substring(listed, 2, self.f.anon.length(listed) - 2)
            return self.if_(value.is_(sge.Null()), sge.convert("null"), inner)
        return self.f.coalesce(sge.cast(value, "string"), sge.convert("null"))


def _quoted(name: str) -> str:
    import json

    return json.dumps(name, ensure_ascii=False)


def _number_guard(compiler: DuckDBCompatible, text: Any, to: Any) -> Any:
    """Return whether text is a number, which 1.5d is to Java; None where it need not be one."""
    if not to.is_numeric() or to.is_boolean():
        return None
    number = sge.RegexpLike(this=text, expression=sge.convert(_NUMBER))
    if not to.is_floating():
        return number
    lower = compiler.f.lower(text)
    return sg.or_(number, sge.RegexpLike(this=lower, expression=sge.convert(_WORDS)))


def _fixed_point(compiler: DuckDBCompatible, value: Any, to: Any) -> Any:
    """Return a float as a fixed-point number the way DuckDB does; null if it has no place."""
    # Spark rounds the digits that it would show, DuckDB the float times a power of ten: a half away
    # from zero, here by a cast that drops what is behind the point. Not a number is the greatest.
    value = sge.paren(value)
    half = compiler.f.sign(value) * compiler._double(sge.convert("0.5"))
    power = compiler._double(sge.convert(f"1e{to.scale}"))
    count = sge.cast(sge.paren(sge.paren(value * power) + half), "bigint")
    unit = sge.cast(
        sge.convert(f"{10.0**-to.scale:.{to.scale}f}"), f"decimal({to.scale + 1}, {to.scale})"
    )
    fits = compiler.f.abs(value) < compiler._double(sge.convert(f"1e{to.precision - to.scale}"))
    exact = sge.cast(count, "decimal(18, 0)") * unit
    return compiler.if_(fits, compiler.cast(sge.paren(exact), to), sge.Null())


def time_from(compiler: Any, text: Any, template: tuple[str, ...]) -> Any:
    """Return text as an instant; what states no zone is UTC, what does not fit is null.

    Parameters
    ----------
    compiler : ibis SQLGlotCompiler
        Makes the SQL.
    text : sqlglot Expression
        Text.
    template : tuple of str
        `text_times.ISO`, or from `text_times.template_of`.
    """
    text = compiler.f.lower(text)

    def part(code: str, otherwise: str) -> Any:
        if "{" + code + "}" not in template:
            return sge.convert(otherwise)
        found = compiler.f.anon.regexp_extract(text, sge.convert(pattern_of(template, code)), 1)
        return compiler.f.coalesce(compiler.f.nullif(found, ""), sge.convert(otherwise))

    year, month = part("Y", "0"), part("m", "1")
    if "{y}" in template:
        short = part("y", "0")
        late = sge.cast(short, "int") >= 69
        century = compiler.if_(late, sge.convert("19"), sge.convert("20"))
        year = compiler.f.concat(century, short)
    for code in ("b", "B"):
        if "{" + code + "}" in template:
            name = compiler.f.anon.left(part(code, ""), 3)
            place = compiler.f.anon.locate(name, sge.convert(MONTHS))
            month = sge.cast(compiler.f.anon.ceil(place / 3), "string")
    hour = part("H", "0")
    if "{I}" in template:
        twelve = sge.cast(part("I", "0"), "int") % 12
        afternoon = compiler.if_(part("p", "am").eq("pm"), 12, 0)
        hour = sge.cast(sge.paren(twelve + afternoon), "string")
    written = compiler.f.concat(
        *(year, sge.convert("-"), month, sge.convert("-"), part("d", "1"), sge.convert(" "), hour),
        *(sge.convert(":"), part("M", "00"), sge.convert(":"), part("S", "00")),
        *(sge.convert("."), part("f", "0"), compiler.f.upper(part("z", "z"))),
    )
    fits = sge.RegexpLike(this=text, expression=sge.convert(pattern_of(template)))
    tried = sge.TryCast(this=written, to=sge.DataType.build("timestamptz"), safe=True)
    return compiler.if_(fits, tried, sge.Null())
