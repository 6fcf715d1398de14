"""What is measured, by part; one row of a table per bar, and the table that they make."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

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


Values = float | Iterable[float]
"""A figure, or several of which each has to meet the bar."""


def at_most(
    what: str, values: Values, bar: float, unit: str = "", told: str = "", *, also: bool = True
) -> Row:
    """Return the row of a figure that may not be above its bar.

    Parameters
    ----------
    what : str
    values : float or sequence of float
    bar : float
    unit : str
        With ``%`` figure and bar are shares.
    told : str
        What else is told, in brackets.
    also : bool
        Whether all else holds that ``what`` says.

    Examples
    --------
    >>> at_most("import promolab", 0.0213, 0.3, "s", "median of 5")
    Row(what='import promolab', bar='≤ 0.3 s', measured='0.0213 s (median of 5)', ok=True)
    """
    return _row(what, values, (-math.inf, bar), unit, told, also)


def at_least(
    what: str, values: Values, bar: float, unit: str = "", told: str = "", *, also: bool = True
) -> Row:
    """Return the row of a figure that may not be below its bar; `at_most` says the rest."""
    return _row(what, values, (bar, math.inf), unit, told, also)


def within(
    what: str, values: Values, low: float, high: float, unit: str = "", told: str = ""
) -> Row:
    """Return the row of a figure that has to lie between two ends; `at_most` says the rest."""
    return _row(what, values, (low, high), unit, told, also=True)


def above_zero(what: str, ends: Sequence[float]) -> Row:
    """Return the row of an interval (its value, low and high end) that has to lie above 0."""
    value, low, high = ends
    measured = f"{value:+.4g} [{low:+.4g}, {high:+.4g}]"
    return Row(what, "interval above 0", measured, bool(low > 0))


def shown(what: str, measured: str) -> Row:
    """Return a row without a bar, for comparison."""
    return Row(what, "shown apart", measured, ok=True)


def unmeasured(what: str, why: str) -> Row:
    """Return a row of what cannot be measured here."""
    return Row(what, "", why, ok=None)


def _row(
    what: str, values: Values, ends: tuple[float, float], unit: str, told: str, also: bool
) -> Row:
    given = values if isinstance(values, Iterable) else [values]
    every = sorted(float(value) for value in given)
    ok = also and bool(every) and all(ends[0] <= value <= ends[1] for value in every)
    bars = [_figure(end, unit) for end in ends if math.isfinite(end)]
    sign = "" if len(bars) > 1 else "≤ " if math.isfinite(ends[1]) else "≥ "
    found = " to ".join(_figure(value, unit) for value in dict.fromkeys(every[:1] + every[-1:]))
    more = f" ({told})" if told else ""
    return Row(what, sign + " to ".join(bars), found + more, bool(ok))


def _figure(value: float, unit: str = "") -> str:
    """Return a figure in three digits, or all that are before its point."""
    shown = 100 * value if unit == "%" else value
    text = f"{shown:,.0f}" if abs(shown) >= 100 else f"{shown:.3g}"
    return f"{text} {unit}".rstrip()


# --- parts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Where files land, and how large what is measured may be."""

    out: Path
    scratch: Path
    large: bool = False


Job = Callable[..., Iterable[Row] | Row]
PARTS: dict[str, dict[str, Job]] = {}
QUICK: dict[str, Job] = {}
"""By part and in words what yields rows; and what does in five minutes, of fewer rows."""
_Job = TypeVar("_Job", bound=Job)


def part(name: str, what: str, quick: Mapping[str, Any] | None = None) -> Callable[[_Job], _Job]:
    """List a function that yields rows: of which part, in words, and what makes it quick.

    One with a parameter ``run`` is told where its files land.
    """

    def listed(job: _Job) -> _Job:
        PARTS.setdefault(name, {})[what] = job
        if quick is not None:
            QUICK[what] = partial(job, **quick)
        return job

    return listed


def rows_of(job: Job, run: Run) -> Iterable[Row]:
    """Return the rows that a listed function yields."""
    found = job(run=run) if "run" in signature(job).parameters else job()
    return [found] if isinstance(found, Row) else found


# --- the table ---------------------------------------------------------------------------------


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
    form = "| " + " | ".join(f"{{:{width}}}" for width in widths) + " |"
    head, *body = [form.format(*line) for line in lines]
    return "\n".join([head, rule, *body])


def surroundings() -> str:
    """Return date, processor and versions, without which a time says little."""
    import datetime
    import os
    import platform

    from promolab.results.container import versions

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    stated = ", ".join(f"{name} {version}" for name, version in versions().items())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    told, processor = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if told.is_file():
        named = re.search(r"^model name\s*: (.*)$", told.read_text(errors="replace"), re.MULTILINE)
        processor = named[1] if named else processor
    return f"{today}; {processor}, {os.cpu_count()} cores{load}; {stated}"
