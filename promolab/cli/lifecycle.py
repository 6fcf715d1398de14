"""Commands on the plans of weeks: ``backfill``, ``release``, ``reconcile``, ``close``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from promolab.cli.shared import DONE, FAILED, add_run_options, run_options

__all__ = ["add_lifecycle"]


def add_lifecycle(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands on the plans of weeks."""
    backfill = commands.add_parser(
        "backfill",
        parents=[common],
        help="make the reports of many weeks",
        description="Make the reports of all weeks from one to another, a line for each. Weeks "
        "that are there already are not made again; released ones stay as they are.",
    )
    backfill.add_argument("--from", dest="first", metavar="WEEK", required=True, help="first week")
    backfill.add_argument("--to", dest="last", metavar="WEEK", required=True, help="last week")
    add_run_options(backfill)
    backfill.set_defaults(run=_backfill)

    words = {
        "release": ("freeze a week's plan", _release),
        "reconcile": ("read back what the sending tool really sent", _reconcile),
        "close": ("close a week whose response and return windows are over", _close),
    }
    for name, (what, run) in words.items():
        parser = commands.add_parser(
            name, parents=[common], help=what, description=f"{what[0].upper()}{what[1:]}."
        )
        parser.add_argument("week", metavar="WEEK", help="ISO week such as 2017-W44")
        if name == "reconcile":
            parser.add_argument("sent", metavar="FILE", help="the sending tool's csv file")
            parser.add_argument(
                "--force",
                action="store_true",
                help="take a file that holds under half of the planned contacts, or more unknown "
                "customers than known ones",
            )
        else:
            parser.add_argument("--by", metavar="NAME", help="who does it (default: the user)")
        if name == "release":
            parser.add_argument(
                "--drop",
                action="store_true",
                help="take out who may no longer be contacted since the draft was made",
            )
        parser.add_argument("--source", help="the shop's tables (default: the week's own)")
        parser.add_argument("--shop", metavar="FILE", help="a shop.toml for --source")
        parser.add_argument("--out", default="reports", help="folder of all reports (%(default)s)")
        parser.add_argument(
            "--wait",
            type=float,
            default=60,
            metavar="SECONDS",
            help="how long to wait for another command on the same folder (%(default)s)",
        )
        parser.set_defaults(run=run)


def _backfill(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from promolab.report.running import Backfilled, backfill

    def say(week: Backfilled) -> None:
        tqdm.write(week.line(), file=sys.stdout)  # above the bar, where there is one
        sys.stdout.flush()

    done = backfill(options.first, options.last, on_week=say, **run_options(options))
    failed = [str(week.week) for week in done if week.outcome == "failed"]
    if failed:
        of = f"{len(failed)} of {len(done)} weeks failed: {', '.join(failed)}"
        print(f"promolab: {of}", file=sys.stderr)
    return FAILED if failed else DONE


def _release(options: argparse.Namespace) -> int:
    from promolab.report.running import release_week

    folder = release_week(
        options.week,
        options.out,
        options.by,
        source=options.source,
        shop_file=options.shop,
        drop=options.drop,
        wait=options.wait,
    )
    print(folder, flush=True)
    return DONE


def _reconcile(options: argparse.Namespace) -> int:
    from promolab.report.running import reconcile_week

    done, moved = reconcile_week(
        options.week,
        options.sent,
        options.out,
        source=options.source,
        shop_file=options.shop,
        force=options.force,
        wait=options.wait,
    )
    print(done.summary())
    for row in done.to_frame().head(20).to_dict("records"):
        print(f"  {row['promotion_id']} {row['as_sent']}: {row['outcome']}, {row['rows']} row(s)")
    rest = len(done.to_frame()) - 20
    if rest > 0:
        print(f"  and {rest} more in tables/sent.parquet")
    sys.stdout.flush()
    for sentence in moved:
        print(f"promolab: {sentence}", file=sys.stderr)
    return DONE


def _close(options: argparse.Namespace) -> int:
    from promolab.report.running import close_week

    moved = close_week(
        options.week,
        options.out,
        options.by,
        source=options.source,
        shop_file=options.shop,
        wait=options.wait,
    )
    for sentence in moved:
        print(f"promolab: {sentence}", file=sys.stderr)
    print(f"{options.week} is closed", flush=True)
    return DONE
