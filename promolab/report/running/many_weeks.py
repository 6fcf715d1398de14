"""Make the reports of many weeks, one after the other; what is there already is not made again.

`demonstrate` makes them of a shop that goes on: report, release, and the world carries the plan
out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promolab.checks import seed_of, whole_number
from promolab.errors import InputError
from promolab.folder import WAIT, ReportsFolder, weeks_to_draw
from promolab.loop import checked_ledger, keep_ledger
from promolab.report.running.execute import CELL_TIMEOUT
from promolab.report.running.redaction import hidden_errors
from promolab.report.running.run import PAGES, make_week, present, run_report, say
from promolab.report.running.run_start import Call, Request, checked_call, request_of
from promolab.weeks import Week


@dataclass(frozen=True)
class Backfilled:
    """What became of one week.

    Parameters
    ----------
    week : Week
        The week.
    outcome : str
        ``made``, ``there already``, ``left as it is`` or ``failed``.
    detail : str
        How long it took, the state of its plan, or why it failed.
    """

    week: Week
    outcome: str
    detail: str = ""

    def line(self) -> str:
        """Return it on one line.

        Examples
        --------
        >>> Backfilled(Week(2017, 20), "made", "in 14 s").line()
        '2017-W20 made in 14 s'
        """
        join = ": " if self.outcome == "failed" else " "
        return f"{self.week} {self.outcome}" + (f"{join}{self.detail}" if self.detail else "")


def backfill(
    first: str,
    last: str,
    *,
    source: str | Path = "complete_journey",
    out: str | Path = "reports",
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    shop_file: str | Path | None = None,
    notebooks: str | Path | None = None,
    timeout: int = CELL_TIMEOUT,
    workers: int | None = None,
    wait: float = WAIT,
    strict: bool = False,
    ledger: str | Path | None = None,
    progress: bool | None = None,
    on_week: Callable[[Backfilled], object] | None = None,
) -> list[Backfilled]:
    """Make the reports of all weeks from one to another.

    A week that is there, made from the same parameters, is not made again, so that a call that was
    killed goes on where it was. A week whose plan was released is passed over. One that fails does
    not keep the others from being made. The commands of ``[notify]`` are not run.

    Parameters
    ----------
    first, last : str
        ISO weeks, both included.
    source, out, seed, parameters, shop_file, notebooks, timeout, workers, wait, strict, ledger
        As for `run_report`.
    progress : bool, optional
        A progress bar of each week's steps on stderr; by default only where that is a terminal.
    on_week : callable, optional
        Called with each week's `Backfilled` as soon as it is known.

    Returns
    -------
    list of Backfilled
        One for each week.

    Raises
    ------
    InputError
        If the call or the shop cannot be used, or the data do not cover both weeks; nothing was
        made.
    """
    weeks = _weeks(Week.parse(first), Week.parse(last))
    shown = sys.stderr.isatty() if progress is None else progress
    request = request_of(
        source, first, seed, parameters, shop_file, notebooks, timeout,
        out=out, progress=shown, workers=workers, wait=wait, strict=strict, ledger=ledger,
    )  # fmt: skip
    done: list[Backfilled] = []
    with hidden_errors(request.hidden):
        reports = ReportsFolder.prepared(out)
        call = checked_call(request, present())
        call.weeks.chosen(weeks[-1])
        reports.check_owner(request.written_source, call.shop)
        kept = checked_ledger(reports, ledger, call.shop)
        for week in weeks:
            done.append(_one(replace(request, week=week), week, reports, call))
            if on_week is not None:
                on_week(done[-1])
        with reports.locked(wait=wait, say=say):
            keep_ledger(reports, kept, PAGES.rows, say)  # of weeks that were there already
    return done


def _weeks(first: Week, last: Week) -> list[Week]:
    if last < first:
        raise InputError(f"--from {first} is after --to {last}; give the earlier week first")
    weeks = [first]
    while weeks[-1] < last:
        weeks.append(weeks[-1].next())
    return weeks


def _one(request: Request, week: Week, reports: ReportsFolder, call: Call) -> Backfilled:
    state = reports.state(week)
    if state not in (None, "draft"):
        return Backfilled(week, "left as it is", f"(its plan is {state})")
    drawn = week not in weeks_to_draw(reports)
    if state and drawn and request.is_like(reports.run(week).manifest, week):
        return Backfilled(week, "there already")
    begun = time.monotonic()
    try:
        made = make_week(request, earlier=call)
    except Exception as error:  # the others are made all the same
        return Backfilled(week, "failed", call.told(error, reports.path))
    stale = " (stale data)" if made.freshness.stale else ""
    return Backfilled(week, "made", f"in {time.monotonic() - begun:.0f} s{stale}")


CUSTOMERS, WEEKS, LOGGED = 1_500, 8, 18
BUDGET = 1.0
"""Of each week, in the shop's currency, for each customer."""
QUICK = {"models": "", "model": "logistic"}
"""Parameters of the notebooks that spare time: one response model, compared with none."""


def demonstrate(
    out: str | Path = "demo",
    weeks: int = WEEKS,
    customers: int = CUSTOMERS,
    seed: int = 0,
    told: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Make the reports of some weeks of a simulated shop in which each week's plan is carried out.

    Parameters
    ----------
    out : str or Path
        Folder: the shop goes into ``shop``, the reports and their ledger into ``reports``. What is
        there already is not made again.
    weeks, customers, seed : int
    told : callable, optional
        Called with a sentence, weeks done and weeks in all.

    Returns
    -------
    Path
        ``<out>/reports/index.html``.

    Raises
    ------
    InputError
        The folder holds something else, or another demonstration.
    """
    import pandas as pd

    from promolab.loop import release_week
    from promolab.simulated import GoingShop, World
    from promolab.sources import load_shop

    whole_number("weeks", weeks, 1, 52)
    place = Path(out).expanduser()
    if place.is_file():
        raise InputError(f"{place} is a file; give a folder")
    world = World(
        customers=whole_number("customers", customers, 200),
        weeks=LOGGED,
        seed=seed_of(seed),
        variant="weekly",
    )
    going = GoingShop.begin(world, place / "shop", load_shop)
    reports = place / "reports"
    options = QUICK | {"budget": BUDGET * customers}
    while (done := going.week - going.first) < weeks:
        week, source = going.iso_week, str(going.folder.absolute())
        if told is not None:
            told(f"week {week}", done, weeks)
        run_report(source, week, reports, seed, options, wait=WAIT)
        release_week(week, reports, "demo", pages=PAGES, source=source)
        tables = reports / week / "tables"
        decided, chances = (
            pd.read_parquet(tables / f"{name}.parquet")
            for name in ("decisions", "decision_propensities")
        )
        going.decide(decided, chances)
    return reports / "index.html"
