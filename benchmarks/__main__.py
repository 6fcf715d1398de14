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
from benchmarks import table
from benchmarks.table import Row, Run

QUICK_SECONDS = 300

for _module in pkgutil.iter_modules(benchmarks.__path__):
    if _module.name != "__main__":
        import_module(f"benchmarks.{_module.name}")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; return 0, or 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--keep", metavar="FOLDER", help="keep the reports made, in this folder")
    parser.add_argument(
        "--only", choices=table.PARTS, action="append", help="measure this part; may be repeated"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="five minutes: one report, and what users call on fewer rows; no more is measured",
    )
    parser.add_argument(
        "--large",
        action="store_true",
        help="go up to 10⁸ events and 1,000,000 simulated customers: an hour, 20 GB of disk",
    )
    options = parser.parse_args(argv)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="promolab-bench-") as scratch:
        run = Run(Path(options.keep or scratch).absolute(), Path(scratch), options.large)
        # Reports come first, while this process holds little.
        parts = options.only or sorted(table.PARTS, key=lambda name: name != "report")
        for row in quickly(run) if options.quick else measured(run, parts):
            say(f"{row.what}: {row.measured} (bar {row.bar}): {row.state}")
            rows.append(row)
    print(table.render(rows))
    print(f"\n{table.surroundings()}")
    states = [row.state for row in rows]
    missed, unknown = states.count(table.MISSED), states.count(table.UNKNOWN)
    say(f"{missed} bars missed, {unknown} not measured")
    return 1 if missed else 0


def measured(run: Run, parts: list[str]) -> Iterator[Row]:
    """Yield the rows of one part after the other."""
    for name in parts:
        for what, job in table.PARTS[name].items():
            say(f"{name}: {what}")
            yield from table.rows_of(job, run)


def quickly(run: Run) -> Iterator[Row]:
    """Yield the quick rows; past the limit none is begun."""
    begun = time.monotonic()
    for what, job in sorted(
        table.QUICK.items(), key=lambda one: one[0] not in table.PARTS["report"]
    ):
        if (spent := time.monotonic() - begun) < QUICK_SECONDS:
            say(what)
            yield from table.rows_of(job, run)
        else:
            yield table.unmeasured(what, f"not begun: {spent:.0f} of {QUICK_SECONDS} s were over")
    yield table.unmeasured("all else", "left out by --quick")


def say(text: str) -> None:
    """Say on stderr what is being done."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
