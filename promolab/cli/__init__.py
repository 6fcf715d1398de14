"""The command line: ``promolab report``, ``data``, ``init``, ``release``, ``backfill``, … ``lab``.

Exit codes: 0 done, 1 a step failed, 2 the call or the input is wrong. The last two come with a
sentence on stderr; what the user did wrong never shows a traceback.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from promolab import __version__
from promolab.cli.lifecycle import add_lifecycle
from promolab.cli.score import add_score
from promolab.cli.shared import DONE, FAILED, INTERRUPTED, WRONG, add_run_options, end, run_options
from promolab.errors import InputError, MissingExtraError, PromolabError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default the process's own.

    Returns
    -------
    int
        0 done, 1 a step failed, 2 the call or the input is wrong.

    Examples
    --------
    >>> main(["report", "--week", "2017-W99"])
    2
    """
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, end)
    try:
        return int(options.run(options))
    except (InputError, MissingExtraError) as error:
        return _say(error, WRONG, options.verbose)
    except PromolabError as error:
        return _say(error, FAILED, options.verbose)
    except KeyboardInterrupt:
        print("promolab: interrupted; nothing half done is left", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as ended:  # by `end`, on its way out through the context managers
        print("promolab: ended by SIGTERM; nothing half done is left", file=sys.stderr)
        return int(str(ended.code))
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        kind = type(error).__name__
        hint = "" if options.verbose else " (--verbose shows where)"
        return _say(RuntimeError(f"unexpected {kind}: {error}{hint}"), FAILED, options.verbose)


def _say(error: Exception, code: int, verbose: bool) -> int:
    if verbose:
        import traceback

        traceback.print_exc()
    print(f"promolab: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promolab",
        description="Which customers should get which promotion, and did last week's work?",
    )
    parser.add_argument("--version", action="version", version=f"promolab {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--verbose",
        action="store_true",
        default=bool(os.environ.get("PROMOLAB_DEBUG")),
        help="show the traceback of an error (also: PROMOLAB_DEBUG=1)",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    report = commands.add_parser(
        "report",
        parents=[common],
        help="make the campaign report of a week",
        description="Make the campaign report of a week; the last line printed is its path.",
    )
    report.add_argument("--week", help="ISO week such as 2017-W44 (default: the shop's own)")
    add_run_options(report)
    report.set_defaults(run=_report)

    data = commands.add_parser(
        "data",
        parents=[common],
        help="what a source holds, and which checks fail",
        description="Show what a source holds and which checks fail; exit 2 if it cannot be used.",
    )
    data.add_argument("source", help="a built-in source, or a folder or DuckDB file")
    data.add_argument("--shop", metavar="FILE", help="a shop.toml in place of the source's own")
    data.add_argument(
        "--html", metavar="FILE", help="write it as one page as well, with distributions and rows"
    )
    data.set_defaults(run=_data)

    init = commands.add_parser(
        "init",
        parents=[common],
        help="propose a shop.toml for your own files or tables",
        description="Look at files or tables and propose a shop.toml, each guess with its reason.",
    )
    init.add_argument("path", help="a folder or file, a DuckDB file, or the URL of a warehouse")
    init.add_argument("--out", metavar="FILE", help="write the proposal there, not to the screen")
    init.add_argument("--write", action="store_true", help="write it as the source's shop.toml")
    init.set_defaults(run=_init)

    add_lifecycle(commands, common)
    add_score(commands, common)

    lab = commands.add_parser(
        "lab",
        parents=[common],
        help="open the notebooks in JupyterLab",
        description="Open ./notebooks in JupyterLab; copied there first if there are none.",
    )
    lab.add_argument("arguments", nargs="*", help="handed on to JupyterLab (after --)")
    lab.set_defaults(run=_lab)
    return parser


def _report(options: argparse.Namespace) -> int:
    given = run_options(options)
    from promolab.report.running import run_report

    print(run_report(week=options.week, **given), flush=True)
    return DONE


def _data(options: argparse.Namespace) -> int:
    from promolab import sources

    if options.html is not None:
        from promolab.report.data import writable_page, write_data_page

        writable_page(options.html)  # said before a long wait, not after it
    shop = sources.load_shop(options.source, settings=options.shop)
    checks = shop.check()
    print(checks.to_text(), flush=True)
    if options.html is not None:
        print(write_data_page(shop, checks, options.html), flush=True)
    if not checks.usable:
        print(f"promolab: {options.source} cannot be used; {checks.summary()}", file=sys.stderr)
        return WRONG
    return DONE


def _init(options: argparse.Namespace) -> int:
    from promolab.onboarding import propose, write_proposal

    if options.write and options.out:
        raise InputError("--write and --out both say where the proposal goes; give one")
    proposal = propose(options.path)
    if options.write or options.out:
        # What is written is only said once it is there.
        path = write_proposal(proposal, Path(options.out) if options.out else None)
        print(path, flush=True)
    else:
        path = None
        print(proposal.text, end="", flush=True)
    for sentence in (*proposal.summary, proposal.next_step(path)):
        print(f"promolab: {sentence}", file=sys.stderr)
    return DONE


def _lab(options: argparse.Namespace) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingExtraError("promolab lab", "lab")
    folder = Path("notebooks")
    if not any(folder.glob("*.ipynb")):
        from promolab.report.running import find_notebooks

        try:
            folder.mkdir(exist_ok=True)
            for path in sorted(find_notebooks().glob("*.ipynb")):
                shutil.copyfile(path, folder / path.name)
        except OSError as error:
            raise InputError(f"the notebooks cannot be copied here: {error.strerror}") from error
        print(f"copied the notebooks into {folder.absolute()}", file=sys.stderr)
    call = [sys.executable, "-m", "jupyterlab", str(folder), *options.arguments]
    return subprocess.call(call)
