"""What compilers for other engines have in common: how they come to DuckDB's answers.

Each is Ibis' own for its engine with `DuckDBAnswers` before it, and states by a few methods how the
engine says it; what only one of them takes otherwise stands with that one.
"""

from __future__ import annotations

import re
from typing import Any

import sqlglot.expressions as sge

from promolab.errors import InputError

# ruff: noqa: N802 - the names are those by which Ibis calls

FIELDS = {
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
MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
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
        elif code in FIELDS:
            pieces.append("{" + code + "}")
        else:
            known = ", ".join(f"%{name}" for name in FIELDS)
            raise InputError(f"format = {form!r}: this engine reads {known}, not {piece}")
    if not {"{d}"} <= set(pieces) or not {"{Y}", "{y}"} & set(pieces):
        raise InputError(f"format = {form!r} states no day, month and year, such as %d/%m/%Y")
    return tuple(pieces)


def pattern_of(template: tuple[str, ...], wanted: str = "") -> str:
    """Return a regular expression for lower-case text, the group of one code in brackets.

    Parameters
    ----------
    template : tuple of str
        `ISO`, or from `template_of`.
    wanted : str
        The code whose part is to be taken out.

    Examples
    --------
    >>> pattern_of(template_of("%d.%m.%y"), "m")
    '^\\\\s*(?:0?[1-9]|[12][0-9]|3[01])\\\\.(0?[1-9]|1[0-2])\\\\.(?:[0-9]{2})\\\\s*$'
    """
    parts = [
        (f"({FIELDS[p[1]]})" if p[1] == wanted else f"(?:{FIELDS[p[1]]})") if p[0] == "{" else p
        for p in template
    ]
    return r"^\s*" + "".join(parts) + r"\s*$"


class DuckDBAnswers:
    """Division, failed casts, text of floats and times in text, as DuckDB has them."""

    __slots__ = ()
    f: Any
    if_: Any
    cast: Any

    # --- how the engine says it ------------------------------------------------------------------

    def _found(self, text: Any, pattern: str) -> Any:
        """Return what the group of a pattern holds; null where it holds nothing."""
        raise NotImplementedError

    def _joined(self, *parts: Any) -> Any:
        """Return texts one after the other; null where one is."""
        raise NotImplementedError

    def _month(self, name: Any) -> Any:
        """Return the number of the month whose first three letters these are."""
        raise NotImplementedError

    def _tried(self, text: Any, to: Any) -> Any:
        """Return text as another type, null where it is none."""
        raise NotImplementedError

    def _instant_of(self, text: Any, pattern: str, written: Any, day: tuple[Any, Any, Any]) -> Any:
        """Return text of this pattern, written out in the order of ISO 8601, as an instant."""
        raise NotImplementedError

    def _fixed_point(self, value: Any, to: Any) -> Any:
        """Return a float as a fixed-point number; null if it has no place."""
        raise NotImplementedError

    # --- what follows ----------------------------------------------------------------------------

    def _double(self, value: Any) -> Any:
        return sge.cast(value, "double")

    def _fits(self, value: Any, to: Any) -> Any:
        """Return whether a float has a place among numbers of a precision."""
        return self.f.abs(value) < self._double(sge.convert(f"1e{to.precision - to.scale}"))

    def visit_Divide(self, op: Any, *, left: Any, right: Any) -> Any:
        """Divide as floats; of whole numbers or decimals an engine makes its like."""
        if not op.left.dtype.is_floating():
            left = self._double(left)
        return sge.Div(this=sge.paren(left), expression=sge.paren(right), typed=True)

    def visit_TryCast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Return null for what cannot be cast, and read text as DuckDB does."""
        kind = op.arg.dtype
        if kind.is_floating() and to.is_decimal():
            return self._fixed_point(arg, to)
        if kind.is_string():
            if to.is_timestamp() or to.is_date():
                return self.cast(self.time_from(arg, ISO), to)
            return self._tried(arg, to)
        return self._try_other(op, arg, to)

    def _try_other(self, op: Any, arg: Any, to: Any) -> Any:
        return super().visit_TryCast(op, arg=arg, to=to)  # type: ignore[misc]

    def visit_StringToTimestamp(self, op: Any, *, arg: Any, format_str: Any) -> Any:
        """Return null for what is not written so."""
        return self.time_from(arg, template_of(op.format_str.value))

    def _text_of_float(self, arg: Any, otherwise: Any = None) -> Any:
        text = sge.cast(arg, "text")
        said = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
        case = sge.Case(this=text, ifs=[self.if_(*map(sge.convert, pair)) for pair in said.items()])
        case.set("default", text if otherwise is None else otherwise)
        return case

    def time_from(self, text: Any, template: tuple[str, ...]) -> Any:
        """Return text as an instant; what states no zone is UTC, what does not fit is null.

        Parameters
        ----------
        text : sqlglot Expression
            Text.
        template : tuple of str
            `ISO`, or from `template_of`.
        """
        text = self.f.lower(text)

        def part(code: str, otherwise: str) -> Any:
            if "{" + code + "}" not in template:
                return sge.convert(otherwise)
            found = self._found(text, pattern_of(template, code))
            return self.f.coalesce(found, sge.convert(otherwise))

        year, month, hour = part("Y", "0"), part("m", "1"), part("H", "0")
        if "{y}" in template:
            short = part("y", "0")
            late = sge.cast(short, "int") >= 69
            year = self._joined(self.if_(late, sge.convert("19"), sge.convert("20")), short)
        for code in ("b", "B"):
            if "{" + code + "}" in template:
                month = self._month(self.f.anon.left(part(code, ""), 3))
        if "{I}" in template:
            twelve = sge.cast(part("I", "0"), "int") % 12
            afternoon = self.if_(part("p", "am").eq("pm"), 12, 0)
            hour = sge.cast(sge.paren(twelve + afternoon), "text")
        day = part("d", "1")
        written = self._joined(
            *(year, sge.convert("-"), month, sge.convert("-"), day, sge.convert(" "), hour),
            *(sge.convert(":"), part("M", "00"), sge.convert(":"), part("S", "00")),
            *(sge.convert("."), part("f", "0"), self.f.upper(part("z", "z"))),
        )
        return self._instant_of(text, pattern_of(template), written, (year, month, day))


def matches(text: Any, pattern: str) -> Any:
    """Return whether text is of a pattern."""
    return sge.RegexpLike(this=text, expression=sge.convert(pattern))
