"""Measure everything, print one table; exit 1 if a bar is missed."""

from __future__ import annotations

import argparse
import pkgutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import benchmarks
from benchmarks.table import (
    MISSED,
    PARTS,
    QUICK,
    UNKNOWN,
    Row,
    Run,
    render,
    rows_of,
    surroundings,
    unmeasured,
)

QUICK_SECONDS = 300

for _module in pkgutil.iter_modules(benchmarks.__path__):
    if _module.name != "__main__":
        import_module(f"benchmarks.{_module.name}")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; return 0, or 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--keep", metavar="FOLDER", help="keep the reports made, in this folder")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="measure this part; may be repeated"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="five minutes: one report, and what users call on fewer rows; no more is measured",
    )
    parser.add_argument("--no-size", action="store_true", help="leave out the larger shops")
    parser.add_argument(
        "--large",
        action="store_true",
        help="go up to 10⁸ events and 1,000,000 simulated customers: an hour, 20 GB of disk",
    )
    options = parser.parse_args(argv)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="promolab-bench-") as scratch:
        run = Run(Path(options.keep or scratch).absolute(), Path(scratch), options.large)
        left_out = {"size", "spark"} if options.no_size else set()
        # Reports come first, while this process holds little.
        parts = options.only or sorted(PARTS, key=lambda name: name != "report")
        for row in quickly(run) if options.quick else measured(run, parts, left_out):
            say(f"{row.what}: {row.measured} (bar {row.bar}): {row.state}")
            rows.append(row)
    print(render(rows))
    print(f"\n{surroundings()}")
    missed, unknown = (sum(row.state == state for row in rows) for state in (MISSED, UNKNOWN))
    say(f"{missed} bars missed, {unknown} not measured")
    return 1 if missed else 0


def measured(run: Run, parts: list[str], left_out: set[str]) -> Iterator[Row]:
    """Yield the rows of one part after the other."""
    for name in parts:
        for what, job in PARTS[name].items() if name not in left_out else ():
            say(f"{name}: {what}")
            yield from rows_of(job, run)


def quickly(run: Run) -> Iterator[Row]:
    """Yield the quick rows; past the limit none is begun."""
    begun = time.monotonic()
    for what, job in QUICK.items():
        if (spent := time.monotonic() - begun) < QUICK_SECONDS:
            say(what)
            yield from rows_of(job, run)
        else:
            yield unmeasured(what, f"not begun: {spent:.0f} of {QUICK_SECONDS} s were over")
    yield unmeasured("all else", "left out by --quick")


def say(text: str) -> None:
    """Say on stderr what is being done."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
