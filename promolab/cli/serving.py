"""The command ``serve``: a released week over HTTP."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from promolab.cli.weeks import DONE
from promolab.errors import InputError


def add_serve(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    serve = commands.add_parser(
        "serve",
        parents=[common],
        help="answer from a released week over HTTP, kept fresh by events",
        description="Answer from a released week over HTTP, kept fresh by events: POST /score, "
        "POST /events, GET /health, /alive, /metrics and /docs. The first line printed is the "
        "address. PROMOLAB_TOKEN guards it.",
    )
    serve.add_argument("week", metavar="WEEK", help="ISO week such as 2017-W44, released")
    serve.add_argument("--out", default="reports", help="folder of all reports (%(default)s)")
    serve.add_argument(
        "--store",
        default="memory",
        metavar="STORE",
        help="where events and decisions are kept: memory, or redis://host:6379 of a Redis or "
        "Valkey with --appendonly yes --appendfsync always and noeviction (%(default)s)",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="0: a free one (%(default)s)")
    serve.add_argument(
        "--events",
        metavar="-",
        help="-: take in events from stdin as well, a line of JSON each",
    )
    serve.add_argument(
        "--now",
        metavar="TIME",
        help="what the clock says at the start, to play a past week back (default: the present)",
    )
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from promolab.serve import serve_week

    if options.events not in (None, "-"):
        raise InputError(f"--events {options.events} is not read; write - and pipe events in")
    serve_week(
        options.week,
        options.out,
        store=options.store,
        host=options.host,
        port=options.port,
        events=None if options.events is None else sys.stdin.buffer,
        now=options.now,
    )
    return DONE
