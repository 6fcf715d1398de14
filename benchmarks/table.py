"""One row per benchmark, and the table that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADER = ("what", "bar", "measured", "ok")


@dataclass(frozen=True)
class Row:
    """What was measured, the bar, the measurement in words, and whether the bar is met."""

    what: str
    bar: str
    measured: str
    ok: bool


def render(rows: Iterable[Row]) -> str:
    """Return the rows as an aligned table, which is valid Markdown too.

    Examples
    --------
    >>> print(render([Row("import promolab", "< 0.3 s", "0.02 s", True)]))
    | what            | bar     | measured | ok  |
    |-----------------|---------|----------|-----|
    | import promolab | < 0.3 s | 0.02 s   | yes |
    """
    lines = [HEADER, *((r.what, r.bar, r.measured, "yes" if r.ok else "NO") for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    head, *body = [_line(line, widths) for line in lines]
    return "\n".join([head, rule, *body])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "| " + " | ".join(padded) + " |"
