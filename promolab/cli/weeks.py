"""The commands on weeks: ``report``, ``backfill``, ``release``, ``reconcile``, ``close``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from promolab.errors import InputError
from promolab.language import ENGLISH, LANGUAGES

DONE = 0
FAILED = 1
WRONG = 2
INTERRUPTED = 130


def add_weeks(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands on weeks and their plans."""
    report = commands.add_parser(
        "report",
        parents=[common],
        help="make the campaign report of a week",
        description="Make the campaign report of a week; the last line printed is its path.",
    )
    report.add_argument("--week", help="ISO week such as 2017-W44 (default: the shop's own)")
    _add_run_options(report)
    report.set_defaults(run=_report)

    backfill = commands.add_parser(
        "backfill",
        parents=[common],
        help="make the reports of many weeks",
        description="Make the reports of all weeks from one to another, a line for each. Weeks "
        "that are there already are not made again; released ones stay as they are.",
    )
    backfill.add_argument("--from", dest="first", metavar="WEEK", required=True, help="first week")
    backfill.add_argument("--to", dest="last", metavar="WEEK", required=True, help="last week")
    _add_run_options(backfill)
    backfill.set_defaults(run=_backfill)
    _add_forget(commands, common)

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
            _add_overrides(parser)
        parser.add_argument("--source", help="the shop's tables (default: the week's own)")
        parser.add_argument("--shop", metavar="FILE", help="a shop.toml for --source")
        _add_out(parser, 60, "how long to wait for another command on the same folder")
        parser.set_defaults(run=run)


def _add_forget(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    what = "let customers leave a reports folder"
    said = f"{what.capitalize()}: codes take the place of their ids, and nothing is learned from "
    said += "them again. A call that was killed is finished by the next one."
    forget = commands.add_parser("forget", parents=[common], help=what, description=said)
    forget.add_argument("customers", metavar="CUSTOMER", nargs="*", help="ids as the shop has them")
    forget.add_argument("--out", default="reports", help="folder of all reports (%(default)s)")
    forget.add_argument("--reason", default="", help="goes on record; no id does")
    forget.set_defaults(run=_forget, left="the next promolab forget goes on from there")


def _forget(options: argparse.Namespace) -> int:
    from promolab.trust import forget_customers

    done = forget_customers(options.customers, options.out, options.reason)
    print(done.summary(), flush=True)
    return DONE


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add what changes a plan by hand at its release."""
    parser.add_argument(
        "--without",
        metavar="PROMOTION",
        action="append",
        default=[],
        help="take a promotion out; may be repeated",
    )
    parser.add_argument(
        "--cap",
        metavar="PROMOTION=N",
        action="append",
        default=[],
        help="plan N customers at most for a promotion, those held out included; may be repeated",
    )
    parser.add_argument(
        "--force-out",
        metavar="FILE",
        help="a csv file of customers who get nothing this week: customer_id, reason",
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what `report` and `backfill` share."""
    parser.add_argument(
        "--source",
        default="complete_journey",
        help="a built-in source, or a folder of files, a DuckDB file or a warehouse's address with "
        "the shop's tables (%(default)s)",
    )
    _add_out(parser, 1800, "how long to wait for another run that writes into the same folder")
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
        "--parameters",
        metavar="FILE",
        help="a JSON file of such parameters, as an explorer saves them; -p goes before it",
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
    parser.add_argument(
        "--lang",
        choices=list(LANGUAGES),
        default=ENGLISH,
        help="language of the pages, the summary and the headline numbers (%(default)s)",
    )


def _add_out(parser: argparse.ArgumentParser, wait: float, what: str) -> None:
    parser.add_argument("--out", default="reports", help="folder of all reports (%(default)s)")
    parser.add_argument(
        "--wait", type=float, default=wait, metavar="SECONDS", help=f"{what} (%(default)s)"
    )
    parser.add_argument(
        "--ledger",
        metavar="FILE",
        help="the DuckDB file that remembers what each week decided and said, and what happened "
        "then (default: ledger.duckdb in the folder of all reports)",
    )


def _run_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what `_add_run_options` added as `run_report` and `backfill` take it."""
    names = ("source", "out", "seed", "workers", "wait", "strict", "ledger")
    given = {name: getattr(options, name) for name in names}
    told = _parameters(options) | ({} if options.lang == ENGLISH else {"lang": options.lang})
    return given | {"parameters": told, "shop_file": options.shop}


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    """Return the parameters given with -p, as they were written, and those of a file."""
    given: dict[str, str] = {}
    for pair in options.parameter:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"-p {pair} is not understood; write -p name=value")
        if name in given:
            raise InputError(f"-p {name} is given twice")
        given[name] = value.strip()
    return _of_file(options.parameters) | given


def _of_file(path: str | None) -> dict[str, str]:
    """Return the parameters of a JSON file, as they would be written after -p."""
    import json
    from pathlib import Path

    if path is None:
        return {}
    try:
        told = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in told.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"--parameters {path} cannot be read as a JSON object of names and values ({error})"
        ) from error


def _report(options: argparse.Namespace) -> int:
    from promolab.report.running import run_report

    print(run_report(week=options.week, **_run_options(options)), flush=True)
    return DONE


def _backfill(options: argparse.Namespace) -> int:
    from promolab.report.running import Backfilled, backfill

    def say(week: Backfilled) -> None:
        print(week.line(), flush=True)

    done = backfill(options.first, options.last, on_week=say, **_run_options(options))
    failed = [str(week.week) for week in done if week.outcome == "failed"]
    if failed:
        of = f"{len(failed)} of {len(done)} weeks failed: {', '.join(failed)}"
        print(f"promolab: {of}", file=sys.stderr)
    return FAILED if failed else DONE


def _step_options(options: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Return what the commands on a plan share, as `promolab.loop` takes it."""
    from promolab.report.running import PAGES

    given = {name: getattr(options, name) for name in ("out", "source", "wait", "ledger", *more)}
    return given | {"shop_file": options.shop, "pages": PAGES}


def _release(options: argparse.Namespace) -> int:
    from promolab.loop import release_week

    given = _step_options(options, "by", "drop") | {"overrides": _overrides(options)}
    print(release_week(options.week, **given), flush=True)
    return DONE


def _overrides(options: argparse.Namespace) -> Any:
    """Return what is to be changed of a plan by hand."""
    from promolab.campaign.plan import Overrides

    caps: dict[str, int] = {}
    for pair in options.cap:
        promotion, _, most = pair.rpartition("=")
        if not promotion or not most.strip().isdecimal():
            raise InputError(f"--cap {pair} is not understood; write --cap PROMOTION=N")
        caps[promotion.strip()] = int(most)
    out = Overrides.read(options.force_out) if options.force_out else {}
    return Overrides(tuple(options.without), caps, out)


def _reconcile(options: argparse.Namespace) -> int:
    from promolab.loop import reconcile_week

    done, moved = reconcile_week(options.week, options.sent, **_step_options(options, "force"))
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
    from promolab.loop import close_week

    for sentence in close_week(options.week, **_step_options(options, "by")):
        print(f"promolab: {sentence}", file=sys.stderr)
    print(f"{options.week} is closed", flush=True)
    return DONE
