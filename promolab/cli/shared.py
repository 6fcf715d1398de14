"""What several commands share: exit codes, options of a run, parameters, the end by a signal."""

from __future__ import annotations

import argparse
from types import FrameType
from typing import Any, NoReturn

from promolab.errors import InputError

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG", "add_run_options", "end", "run_options"]

DONE = 0
FAILED = 1
WRONG = 2
INTERRUPTED = 130


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what `report` and `backfill` share."""
    parser.add_argument(
        "--source",
        default="complete_journey",
        help="a built-in source, or a folder of files, a DuckDB file or a warehouse's address with "
        "the shop's tables (%(default)s)",
    )
    parser.add_argument("--out", default="reports", help="folder of all reports (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of what is random (%(default)s)")
    parser.add_argument("--shop", metavar="FILE", help="a shop.toml in place of the source's own")
    parser.add_argument(
        "-p",
        "--parameter",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter of the notebooks, such as threads=2; may be repeated",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=1800,
        metavar="SECONDS",
        help="how long to wait for another run that writes into the same folder (%(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="steps at a time; the report is the same (default: two where there is memory for it)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="make nothing from stale data, and exit with 1"
    )


def run_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_run_options` added as `run_report` and `backfill` take it."""
    return {
        "source": options.source,
        "out": options.out,
        "seed": options.seed,
        "parameters": _parameters(options),
        "shop_file": options.shop,
        "workers": options.workers,
        "wait": options.wait,
        "strict": options.strict,
    }


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    """Return the parameters given with -p, as they were written."""
    given: dict[str, str] = {}
    for pair in options.parameter:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"-p {pair} is not understood; write -p name=value")
        if name in given:
            raise InputError(f"-p {name} is given twice")
        given[name] = value.strip()
    return given


def end(number: int, frame: FrameType | None) -> NoReturn:
    """End the process as the signal asks."""
    # Leave through the context managers: the kernel ends and the staging folder goes.
    raise SystemExit(128 + number)
