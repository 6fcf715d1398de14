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
from types import FrameType
from typing import Any, NoReturn

from promolab import __version__
from promolab.cli.weeks import DONE, FAILED, INTERRUPTED, WRONG, add_weeks
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
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(one, _end)
    left = getattr(options, "left", "nothing half done is left")
    try:
        return int(options.run(options))
    except (InputError, MissingExtraError) as error:
        return _say(error, WRONG, options.verbose)
    except PromolabError as error:
        return _say(error, FAILED, options.verbose)
    except KeyboardInterrupt:
        print(f"promolab: interrupted; {left}", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as ended:  # by `_end`, on its way out through the context managers
        number = int(str(ended.code))
        by = signal.Signals(number - 128).name if number > 128 else "itself"
        print(f"promolab: ended by {by}; {left}", file=sys.stderr)
        return number
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        kind = type(error).__name__
        hint = "" if options.verbose else " (--verbose shows where)"
        return _say(RuntimeError(f"unexpected {kind}: {error}{hint}"), FAILED, options.verbose)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # Leave through the context managers: the kernel ends and the staging folder goes.
    raise SystemExit(128 + number)


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

    add_weeks(commands, common)
    _add_loop(commands, common)
    _add_serve(commands, common)

    data = commands.add_parser(
        "data",
        parents=[common],
        help="what a source holds, and which checks fail",
        description="Show what a source holds and which checks fail; exit 2 if it cannot be used.",
    )
    data.add_argument("source", help="a built-in source, or a folder or DuckDB file")
    data.add_argument("--shop", metavar="FILE", help="a shop.toml in place of the source's own")
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

    score = commands.add_parser(
        "score",
        parents=[common],
        help="score a csv or parquet file with a saved response model",
        description="Score a csv, Excel or parquet file of any size with a model that .save wrote "
        "or that lies in a report's folder. Every row of the file gets one row in the output: its "
        "ids, and the chance of each outcome.",
    )
    score.add_argument("model", metavar="MODEL", help="a saved model, such as model.safetensors")
    score.add_argument("data", metavar="DATA", help="rows with the model's features, and ids")
    score.add_argument("--out", metavar="FILE", required=True, help="a .parquet or .csv file")
    score.set_defaults(run=_score)

    lab = commands.add_parser(
        "lab",
        parents=[common],
        help="open the notebooks in JupyterLab",
        description="Open JupyterLab on 00_start.ipynb, which lists the notebooks with the "
        "question each answers and the weeks that are there. The notebooks lie in ./notebooks, or "
        "where --folder says; they are copied there first if there are none.",
    )
    lab.add_argument(
        "--folder", default="notebooks", help="where the notebooks are, or go (%(default)s)"
    )
    lab.add_argument("arguments", nargs="*", help="handed on to JupyterLab (after --)")
    lab.set_defaults(run=_lab)
    return parser


def _add_loop(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands on the rehearsed loop."""
    loop = commands.add_parser(
        "loop",
        parents=[common],
        help="run the weekly loop on a simulated shop, and add up what it truly adds",
        description="Run the library's own steps week by week on a simulated shop: decide, let the "
        "world go on, learn, decide again. Prints what each policy truly added, beside both "
        "oracles. Ended, it goes on where it was with the same call.",
    )
    loop.add_argument("--weeks", type=int, default=12, metavar="N", help="to decide (%(default)s)")
    loop.add_argument(
        "--customers", type=int, default=20_000, metavar="N", help="of the shop (%(default)s)"
    )
    loop.add_argument(
        "--policy",
        default="learned",
        metavar="NAMES",
        help="learned (or greedy), ucb, ts, freeze, response, random, everyone, nobody; several by "
        "commas (%(default)s)",
    )
    loop.add_argument(
        "--variant", default="weekly", help="of the shop: weekly, default, null (%(default)s)"
    )
    loop.add_argument("--seed", type=int, default=0, help="of shop and chance (%(default)s)")
    loop.add_argument(
        "--exploration",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="of the learned policy's customers whose promotion chance draws (%(default)s)",
    )
    loop.add_argument(
        "--out", default="loop", help="folder of its worlds, ledger, figure (%(default)s)"
    )
    left = "the weeks that are done stand, and the same call goes on from there"
    loop.set_defaults(run=_loop, left=left)

    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="eight weeks of reports on a simulated shop that carries the plans out",
        description="Make the reports of some weeks of a small simulated shop: each week's plan is "
        "released and carried out, and the next report reads what came of it. The last line "
        "printed is the path of the list of weeks.",
    )
    demo.add_argument("--weeks", type=int, default=8, metavar="N", help="%(default)s by default")
    demo.add_argument(
        "--customers", type=int, default=1_500, metavar="N", help="of the shop (%(default)s)"
    )
    demo.add_argument("--seed", type=int, default=0, help="of shop and chance (%(default)s)")
    demo.add_argument("--out", default="demo", help="folder of shop and reports (%(default)s)")
    demo.set_defaults(run=_demo)


def _add_serve(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    serve = commands.add_parser(
        "serve",
        parents=[common],
        help="answer from a released week over HTTP, kept fresh by events",
        description="Answer from a released week over HTTP, kept fresh by events: POST /score, "
        "POST /events, GET /health, /alive, /metrics and /openapi.json. The first line printed is "
        "the address. PROMOLAB_TOKEN guards it.",
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
        "--now",
        metavar="TIME",
        help="what the clock says at the start, to play a past week back (default: the present)",
    )
    serve.set_defaults(run=_serve)

    federate = commands.add_parser(
        "federate",
        parents=[common],
        help="fit a response model with other shops, of which no row is sent",
        description="With HOSTs: fit a logistic model of the rows of all shops that answer there, "
        "and print where it is. With --share: be such a shop; the first line is the address. "
        "PROMOLAB_TOKEN guards it; who fits states that of each HOST, in their order, by commas.",
    )
    federate.add_argument("hosts", nargs="*", metavar="HOST", help="https://shop.example or so")
    federate.add_argument("--save", default="federated.safetensors", help="model (%(default)s)")
    federate.add_argument("--share", metavar="WEEK", help="ISO week whose pairs are summed")
    federate.add_argument("--like", metavar="MODEL", help="its features, as all shops have them")
    federate.add_argument("--out", default="reports", help="folder of all reports (%(default)s)")
    federate.add_argument("--port", type=int, default=8000, help="0: a free one (%(default)s)")
    federate.set_defaults(run=_federate)


def _data(options: argparse.Namespace) -> int:
    from promolab import sources

    shop = sources.load_shop(options.source, settings=options.shop)
    checks = shop.check()
    print(checks.to_text(), flush=True)
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


def _score(options: argparse.Namespace) -> int:
    from promolab.scoring import score_file

    done = score_file(options.model, options.data, options.out)
    print(done.summary(), flush=True)
    return DONE


def _lab(options: argparse.Namespace) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingExtraError("promolab lab", "lab")
    from promolab.report.running import START, find_notebooks

    folder = Path(options.folder).expanduser()
    elsewhere = "name a folder of your own: promolab lab --folder FOLDER"
    if not any(folder.glob("*.ipynb")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(find_notebooks().glob("*.ipynb")):
                # Not its mode: an installation may be read-only, and this copy is the user's.
                shutil.copyfile(path, folder / path.name)
        except OSError as error:
            said = f"the notebooks cannot be copied into {folder} ({error.strerror}); {elsewhere}"
            raise InputError(said) from error
        print(f"promolab: copied the notebooks into {folder.absolute()}", file=sys.stderr)
    if not (folder / START).is_file():
        raise InputError(f"{folder} holds notebooks, but not promolab's {START}; {elsewhere}")
    if not os.access(folder, os.W_OK):
        raise InputError(f"the notebooks in {folder} cannot be changed here; {elsewhere}")
    # Reports lie beside the notebooks' folder, and are opened from the same tab.
    folder = folder.absolute()
    root = f"--ServerApp.root_dir={folder.parent}"
    call = [sys.executable, "-m", "jupyterlab", str(folder / START), root, *options.arguments]
    # Its terminals find the commands of this installation.
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return subprocess.call(call, env=os.environ | {"PATH": os.pathsep.join(places)})


def _say_week(sentence: str, done: int, total: int) -> None:
    print(f"promolab: {sentence} ({done} of {total})", file=sys.stderr, flush=True)


def _demo(options: argparse.Namespace) -> int:
    from promolab.report.running import demonstrate

    page = demonstrate(options.out, options.weeks, options.customers, options.seed, _say_week)
    print(page, flush=True)
    return DONE


def _loop(options: argparse.Namespace) -> int:
    from promolab.loop import rehearse

    how = {"variant": options.variant, "seed": options.seed, "exploration": options.exploration}
    how |= {"out": options.out, "told": _say_week}
    found = rehearse(options.weeks, options.customers, options.policy, **how)
    print(found.summary())
    print(found.by_policy().to_string(index=False, float_format="{:,.2f}".format))
    picture = Path(options.out) / "loop.png"
    found.plot().figure.savefig(picture, dpi=110, metadata={"Software": None})
    print(picture, flush=True)
    return DONE


def _serve(options: argparse.Namespace) -> int:
    from promolab.serve import serve_week

    at = {"store": options.store, "host": options.host, "port": options.port, "now": options.now}
    serve_week(options.week, options.out, **at)
    return DONE


def _federate(options: argparse.Namespace) -> int:
    from promolab.serve import TOKEN, share_week
    from promolab.trust import RemoteShop, federated_fit

    if options.share and options.like and not options.hosts:
        share_week(options.share, options.out, options.like, port=options.port)
    elif not options.hosts or options.share or options.like:
        raise InputError("give HOSTs to fit with, or --share WEEK --like MODEL to be such a shop")
    else:
        tokens = os.environ.get(TOKEN, "").split(",") * len(options.hosts)
        shops = [RemoteShop(*each) for each in zip(options.hosts, tokens, strict=False)]
        print(federated_fit(shops).save(options.save), flush=True)
    return DONE
