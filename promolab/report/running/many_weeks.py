"""Make the reports of many weeks, one after the other; what is there already is not made again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from promolab.errors import InputError
from promolab.folder import WAIT, ReportsFolder
from promolab.loop import ClosedWeeks, checked_ledger, keep_ledger
from promolab.report.running.call import Call, Request, checked_call
from promolab.report.running.progress import Progress
from promolab.report.running.redraw import draw_again
from promolab.report.running.run import CELL_TIMEOUT, make_week, present, request_of
from promolab.report.running.shown import hidden_errors
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
        A progress bar on stderr; by default only where that is a terminal.
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
    request = request_of(source, first, seed, parameters, shop_file, notebooks, timeout)
    done: list[Backfilled] = []
    with hidden_errors(request.hidden), Progress(len(weeks), progress) as shown:
        shown.begin("Reading the shop")
        reports = ReportsFolder.prepared(out)
        call = checked_call(request, present(), ClosedWeeks.of(reports))
        call.weeks.chosen(weeks[-1])
        reports.check_owner(request.written_source, call.shop)
        kept = checked_ledger(reports, ledger, call.shop)
        shown.end("Reading the shop", steps=0)
        for late in call.late:
            shown.say(late.sentence())
        options: dict[str, Any] = {"workers": workers, "wait": wait, "strict": strict}
        options |= {"progress": False, "ledger": ledger}
        for week in weeks:
            shown.begin(str(week))
            done.append(_one(replace(request, week=week), week, reports, call, options))
            shown.end(str(week))
            if on_week is not None:
                on_week(done[-1])
        make = partial(make_week, out=reports.path, **options)
        draw_again(reports, request, make, shown.say)
        with reports.locked(wait=wait, say=shown.say):
            keep_ledger(reports, kept, shown.say)  # of weeks that were there already
    return done


def _weeks(first: Week, last: Week) -> list[Week]:
    if last < first:
        raise InputError(f"--from {first} is after --to {last}; give the earlier week first")
    weeks = [first]
    while weeks[-1] < last:
        weeks.append(weeks[-1].next())
    return weeks


def _one(
    request: Request, week: Week, reports: ReportsFolder, call: Call, options: Mapping[str, Any]
) -> Backfilled:
    state = reports.state(week)
    if state not in (None, "draft"):
        return Backfilled(week, "left as it is", f"(its plan is {state})")
    if state and request.is_like(reports.run(week).manifest, week):
        return Backfilled(week, "there already")
    begun = time.monotonic()
    try:
        made = make_week(request, reports.path, earlier=call, **options)
    except Exception as error:  # the others are made all the same
        return Backfilled(week, "failed", call.told(error, reports.path))
    if made.kept is not None:
        return Backfilled(week, "left as it is", f"(its plan is {made.kept})")
    stale = " (stale data)" if made.call.freshness.stale else ""
    return Backfilled(week, "made", f"in {time.monotonic() - begun:.0f} s{stale}")
