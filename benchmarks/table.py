"""One row per benchmark, and the table that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADER = ("what", "bar", "measured", "ok")
MISSED, UNKNOWN = "NO", "not measured"


@dataclass(frozen=True)
class Row:
    """What was measured, the bar, the measurement in words, and whether the bar is met.

    ``ok`` is None where it could not be measured here; ``measured`` says why.
    """

    what: str
    bar: str
    measured: str
    ok: bool | None

    @property
    def state(self) -> str:
        """Whether the bar is met, in a word."""
        return UNKNOWN if self.ok is None else "yes" if self.ok else MISSED


def render(rows: Iterable[Row]) -> str:
    """Return the rows as an aligned table, which is valid Markdown too.

    Examples
    --------
    >>> print(render([Row("import promolab", "< 0.3 s", "0.02 s", True)]))
    | what            | bar     | measured | ok  |
    |-----------------|---------|----------|-----|
    | import promolab | < 0.3 s | 0.02 s   | yes |
    """
    lines = [HEADER, *((r.what, r.bar, r.measured, r.state) for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    head, *body = [_line(line, widths) for line in lines]
    return "\n".join([head, rule, *body])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "| " + " | ".join(padded) + " |"


def surroundings() -> str:
    """Return date, processor and versions, without which a time says little."""
    import datetime
    import os
    import platform

    from promolab.results.container import versions

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    stated = ", ".join(f"{name} {version}" for name, version in versions().items())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"{today}; {_processor() or platform.machine()}, {os.cpu_count()} cores{load}; {stated}"


def _processor() -> str:
    import platform
    from pathlib import Path

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
