"""The commands ``loop`` and ``demo``: the weekly loop on a simulated shop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from promolab.cli.weeks import DONE


def add_loop(commands: Any, common: argparse.ArgumentParser) -> None:
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
        help="learned, response, random, everyone, nobody; several by commas (%(default)s)",
    )
    loop.add_argument(
        "--budget",
        type=float,
        metavar="CNY",
        help="of every week, for discounts and contacts (default: 0.5 for each customer)",
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


class _Told:
    """A bar over weeks on a terminal, a line a week elsewhere; both on stderr."""

    def __init__(self) -> None:
        self.bar: Any = None

    def __call__(self, sentence: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if not sys.stderr.isatty():
            print(f"promolab: {sentence} ({done} of {total})", file=sys.stderr, flush=True)
            return
        self.bar = self.bar or tqdm(total=total, leave=False)
        self.bar.set_description_str(sentence)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _demo(options: argparse.Namespace) -> int:
    from promolab.report.running import demonstrate

    told = _Told()
    page = demonstrate(options.out, options.weeks, options.customers, options.seed, told)
    told.close()
    print(page, flush=True)
    return DONE


def _loop(options: argparse.Namespace) -> int:
    from promolab.loop import rehearse

    told = _Told()
    found = rehearse(
        options.weeks,
        options.customers,
        options.policy,
        budget=options.budget,
        variant=options.variant,
        seed=options.seed,
        exploration=options.exploration,
        out=options.out,
        told=told,
    )
    told.close()
    print(found.summary())
    print(found.by_policy().to_string(index=False, float_format="{:,.2f}".format))
    picture = Path(options.out) / "loop.png"
    found.plot().figure.savefig(picture, dpi=110, metadata={"Software": None})
    print(picture, flush=True)
    return DONE
