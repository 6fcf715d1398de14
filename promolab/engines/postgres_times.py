"""Times out of text in PostgreSQL: what does not fit is null, as in DuckDB, and never a guess.

Its own ``to_timestamp`` passes over what it does not understand, and stops at 30 February.
"""

from __future__ import annotations

import re
from typing import Any

import sqlglot as sg
import sqlglot.expressions as sge

from promolab.errors import InputError

__all__ = ["ISO", "template_of", "time_from"]

_FIELDS = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "0?[1-9]|1[0-2]",
    "b": "[a-z]{3}",
    "B": "[a-z]{3,9}",
    "d": "0?[1-9]|[12][0-9]|3[01]",
    "H": "[01]?[0-9]|2[0-3]",
    "I": "0?[1-9]|1[0-2]",
    "p": "am|pm",
    "M": "[0-5]?[0-9]",
    "S": "[0-5]?[0-9]",
    "f": "[0-9]{1,9}",
    "z": "z|[+-][0-9]{2}(?::?[0-9]{2})?",
}
"""What each code of ``strftime`` stands for, in lower-case text."""

_SHORT = {"%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
ISO = (
    *("{Y}", "[-/]", "{m}", "[-/]", "{d}"),
    *("(?:[ t]+", "{H}", ":", "{M}", "(?::", "{S}", r"(?:\.", "{f}", ")?)?"),
    *(r"\s*(?:", "{z}", ")?)?"),
)
"""A day, perhaps with a time, perhaps with a zone, in the order of ISO 8601."""


def template_of(form: str) -> tuple[str, ...]:
    """Return the pieces of a pattern for a format of ``strftime``.

    Raises
    ------
    InputError
        If the format has a code for which there is no rule.

    Examples
    --------
    >>> template_of("%d.%m.%Y")
    ('{d}', '\\\\.', '{m}', '\\\\.', '{Y}')
    """
    for short, long in _SHORT.items():
        form = form.replace(short, long)
    pieces = []
    for piece in re.findall(r"%-?.|[^%]+|%", form):
        code = piece[-1]
        if piece[0] != "%" or code == "%":
            pieces.append(re.escape(piece[-1] if code == "%" else piece.lower()))
        elif code in _FIELDS:
            pieces.append("{" + code + "}")
        else:
            known = ", ".join(f"%{name}" for name in _FIELDS)
            raise InputError(f"format = {form!r}: PostgreSQL is read with {known}, not {piece}")
    if not {"{d}"} <= set(pieces) or not {"{Y}", "{y}"} & set(pieces):
        raise InputError(f"format = {form!r} states no day, month and year, such as %d/%m/%Y")
    return tuple(pieces)


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
        parts = [
            (f"({_FIELDS[p[1]]})" if p[1] == wanted else f"(?:{_FIELDS[p[1]]})")
            if p[0] == "{"
            else p
            for p in template
        ]
        return sge.convert(r"^\s*" + "".join(parts) + r"\s*$")

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
            place = compiler.f.anon.strpos(sge.convert(_MONTHS), name)
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
