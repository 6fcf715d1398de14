"""How times are written as text: formats of ``strftime`` as regular expressions."""

from __future__ import annotations

import re

from promolab.errors import InputError

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
