"""Spark, made to read the package's Ibis expressions as DuckDB reads them.

What the two would answer otherwise to one expression is settled here, in the SQL that is sent,
whether the session is in ANSI mode or not: failed casts, rounding, NaN, parts of a second, the hash
and the JSON of a row, the clock of a zone.
"""

from __future__ import annotations

import re
from typing import Any

import ibis.expr.operations as ops
import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import NULL, SQLGlotCompiler
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

from promolab.engines.duckdb_answers import MONTHS, DuckDBAnswers, matches

_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_WORDS = r"^\s*[-+]?(nan|inf|infinity)\s*$"


# ruff: noqa: N802 - the names are those by which Ibis calls


class DuckDBCompatible(DuckDBAnswers, PySparkCompiler):
    """Ibis' compiler for Spark with DuckDB's answers."""

    __slots__ = ()

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
        return arg.is_(NULL)

    def visit_NotNull(self, op: Any, *, arg: Any) -> Any:
        """Tell null from NaN."""
        return arg.is_(sg.not_(NULL))

    def visit_Not(self, op: Any, *, arg: Any) -> Any:
        """Look up by a hash what another table lacks; ``NOT IN`` compares each row with each."""
        if not isinstance(op.arg, ops.InSubquery):
            return super().visit_Not(op, arg=arg)
        # Null is neither in a table nor not in it, unless that is empty; and of a table that holds
        # null nobody knows what it lacks.
        listed = arg.args["query"].this.copy().subquery("listed")
        name = sg.column(op.arg.rel.schema.names[0], table="listed", quoted=True)
        whole, known = self.f.count(sge.Star()), self.f.count(name)
        unknown = self.if_(whole > known, 2, self.if_(whole > 0, 1, 0))
        nulls = sg.select(unknown).from_(listed).subquery() + self.if_(arg.this.is_(NULL), 1, 0)
        return self.if_(arg, sge.false(), self.if_(sge.paren(nulls) > 1, NULL, sge.true()))

    def visit_IsInf(self, op: Any, *, arg: Any) -> Any:
        """Find infinity; Ibis' own comparison is made in Python, and never holds."""
        return self.f.abs(arg).eq(self._double(sge.convert("Infinity")))

    def visit_Mean(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Return a float, of decimals too."""
        return self.agg.avg(self._double(arg), where=where)

    def visit_CountStar(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Count none as 0."""
        if where is None:
            return super().visit_CountStar(op, arg=arg, where=where)
        return self.f.count(self.if_(where, 1, NULL))

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
            return self._fixed_point(arg, to)
        if kind.is_floating() and to.is_integer():
            return self.cast(self.f.anon.rint(arg), to)
        if kind.is_integer() and to.is_decimal() and isinstance(op.arg, ops.Sum):
            # DuckDB adds up in 128 bits, Spark in 64.
            arg = arg.copy()
            for total in arg.find_all(sge.Sum):
                total.set("this", self.cast(total.this, to))
        return super().visit_Cast(op, arg=arg, to=to)

    def _tried(self, text: Any, to: Any) -> Any:
        tried = sge.TryCast(this=text, to=self.type_mapper.from_ibis(to), safe=True)
        guard = _number_guard(self, text, to)
        return tried if guard is None else self.if_(guard, tried, NULL)

    def _found(self, text: Any, pattern: str) -> Any:
        return self.f.nullif(self.f.anon.regexp_extract(text, sge.convert(pattern), 1), "")

    def _joined(self, *parts: Any) -> Any:
        return self.f.concat(*parts)

    def _month(self, name: Any) -> Any:
        place = self.f.anon.locate(name, sge.convert(MONTHS))
        return sge.cast(self.f.anon.ceil(place / 3), "string")

    def _instant_of(self, text: Any, pattern: str, written: Any, day: tuple[Any, Any, Any]) -> Any:
        tried = sge.TryCast(this=written, to=sge.DataType.build("timestamptz"), safe=True)
        return self.if_(matches(text, pattern), tried, NULL)

    def _fixed_point(self, value: Any, to: Any) -> Any:
        # Spark rounds the digits that it would show, DuckDB the float times a power of ten: a half
        # away from zero, here by a cast that drops what is behind the point. Not a number is the
        # greatest.
        value = sge.paren(value)
        half = self.f.sign(value) * self._double(sge.convert("0.5"))
        power = self._double(sge.convert(f"1e{to.scale}"))
        count = sge.cast(sge.paren(sge.paren(value * power) + half), "bigint")
        unit = sge.cast(
            sge.convert(f"{10.0**-to.scale:.{to.scale}f}"), f"decimal({to.scale + 1}, {to.scale})"
        )
        exact = self.cast(sge.paren(sge.cast(count, "decimal(18, 0)") * unit), to)
        return self.if_(self._fits(value, to), exact, NULL)

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

    def visit_JSONGetItem(self, op: Any, *, arg: Any, index: Any) -> Any:
        """Return JSON, with its quotation marks; Ibis' own takes them off."""
        if not isinstance(index, sge.Literal) or not index.is_string:
            return super().visit_JSONGetItem(op, arg=arg, index=index)
        found = self.f.anon.variant_get(
            self.f.anon.try_parse_json(arg),
            sge.convert(f"$[{_quoted(index.this)}]"),
            sge.convert("variant"),
        )
        return self.f.anon.to_json(found)

    def visit_UnwrapJSONString(self, op: Any, *, arg: Any) -> Any:
        """Return the text of a string, null of all else; Ibis' own is Python on each row."""
        listed = self.f.concat(sge.convert("["), arg, sge.convert("]"))
        text = self.f.anon.get_json_object(listed, sge.convert("$[0]"))
        return self.if_(matches(arg, '^"'), text, NULL)

    def visit_UnwrapJSONFloat64(self, op: Any, *, arg: Any) -> Any:
        """Return a number, null of all else."""
        return self.if_(matches(arg, _NUMBER), self._double(arg), NULL)

    def _json_value(self, value: Any, kind: Any) -> Any:
        if kind.is_string() or kind.is_temporal():
            # An array of one, without its brackets: Spark quotes text in nothing less.
            listed = self.f.anon.to_json(self.f.anon.array(sge.cast(value, "string")))
            inner = self.f.anon.substring(listed, 2, self.f.anon.length(listed) - 2)
            return self.if_(value.is_(NULL), sge.convert("null"), inner)
        return self.f.coalesce(sge.cast(value, "string"), sge.convert("null"))


def _quoted(name: str) -> str:
    import json

    return json.dumps(name, ensure_ascii=False)


def _number_guard(compiler: DuckDBCompatible, text: Any, to: Any) -> Any:
    """Return whether text is a number, which 1.5d is to Java; None where it need not be one."""
    if not to.is_numeric() or to.is_boolean():
        return None
    number = matches(text, _NUMBER)
    if not to.is_floating():
        return number
    lower = compiler.f.lower(text)
    return sg.or_(number, matches(lower, _WORDS))
