"""What the weeks of a reports folder write into the ledger; who was killed before it, too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.errors import InputError, PromolabError, StepError
from promolab.folder import ReportsFolder, RunFolder, sha256_of, state_of
from promolab.loop.ledger import Ledger, ledger_path
from promolab.loop.week_plans import DECISIONS, OVERRIDES, plan_files, served_tables
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.loop.monitoring import KeptModels

_CHANCES, _EARLIER = "decision_propensities", "what became of earlier weeks"


def run_key(run: RunFolder) -> str:
    """Return what tells one run of a week from another: a digest of its plan and its numbers.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    """
    metrics = run.path / "metrics.json"
    told = {"plan": plan_files(run.path), "metrics": sha256_of(metrics) if metrics.exists() else ""}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def checked_ledger(
    reports: ReportsFolder, given: str | Path | None, shop: str, week: Week | None = None
) -> Ledger:
    """Return the ledger that a run will write, after a look at whether it can.

    Parameters
    ----------
    reports : ReportsFolder
        Where the run publishes.
    given : str or Path, optional
        The ledger's file; by default that in the reports folder. One that is not there is made
        when there is something to write.
    shop : str
        What readers call the shop.
    week : Week, optional
        The week to be made.

    Returns
    -------
    Ledger

    Raises
    ------
    InputError
        If it is damaged, newer than this promolab, another shop's, cannot be written, or has the
        week as released while the reports folder has not.
    """
    path = ledger_path(reports.path, given)
    ledger = Ledger.prepared(path, shop=shop)
    states = dict(ledger.weeks()[["week", "state"]].to_numpy().tolist())
    known = states.get(str(week), "draft")
    if week is not None and known != "draft" and reports.state(week) in (None, "draft"):
        raise InputError(
            f"the ledger {path} has {week} as {known}, and {reports.path} has not: a released week "
            "never changes. Put its folder back, or give another --ledger"
        )
    return ledger


@dataclass(frozen=True)
class WeekRows:
    """Who says what the ledger keeps of a week, handed in by whoever makes the weeks.

    Parameters
    ----------
    predictions, models : callable
        Given a week's folder, what it says of its plan (a frame) and of its models.
    outcomes : callable
        Given a week's folder, the shop and a moment, and ``weeks``, the rows that tell what became
        of these earlier weeks by then.
    """

    predictions: Callable[[RunFolder], pd.DataFrame]
    models: Callable[[RunFolder], KeptModels]
    outcomes: Callable[..., pd.DataFrame]


def keep_ledger(
    reports: ReportsFolder, ledger: Ledger, rows: WeekRows, say: Callable[[str], object]
) -> None:
    """Write what the ledger lacks of the weeks that a reports folder holds.

    That is the week just made or released, and any week that was published by a run which was
    killed before it came to the ledger. The same again writes nothing. What a week says of earlier
    ones is written before itself, so that a kill in between leaves the week to be written again.

    Parameters
    ----------
    reports : ReportsFolder
        With its lock held.
    ledger : Ledger
        By `checked_ledger`.
    rows : WeekRows
    say : callable
        Told of a week that could not be written, and why.

    Raises
    ------
    StepError
        If the ledger cannot be written; the reports stay as they are.
    """
    try:
        known = ledger.weeks().set_index("week")
        for week in reports.weeks():
            run = reports.run(week)
            manifest = run.manifest
            state, key = state_of(manifest), str(manifest.get("run_key") or run_key(run))
            there = known.loc[str(week)] if str(week) in known.index else None
            if there is not None:
                _enter_served(run, ledger)
            if there is not None and (there["state"], there["run_key"]) == (state, key):
                continue
            ledger = Ledger.open(ledger.path, shop=ledger.shop, create=True)
            try:
                if there is not None and there["run_key"] == key:
                    ledger.advance(week, state)  # what it said stays as it was said
                else:
                    _enter(run, ledger, rows, state, key, say)
            except InputError as error:
                say(f"{week} is not written into the ledger: {error}")
    except PromolabError as error:
        raise StepError(
            f"the reports are there, but the ledger is not written: {error}. The next run makes "
            "up for it"
        ) from error


def _enter_served(run: RunFolder, ledger: Ledger) -> None:
    """Write what a week's service has decided so far."""
    decisions, chances = served_tables(run.path)
    if len(decisions):
        ledger.record_served(run.week, decisions, chances)


def _enter(
    run: RunFolder,
    ledger: Ledger,
    rows: WeekRows,
    state: str,
    key: str,
    say: Callable[[str], object],
) -> None:
    """Write a week as its folder has it, after what it says of earlier ones."""
    moment = run.as_of
    earlier = _told(lambda: _looked_back(run, ledger, rows, moment), _EARLIER, run.week, say)
    _note_outcomes(ledger, earlier, moment)
    names = (DECISIONS, _CHANCES, OVERRIDES, "releases")
    tables: dict[str, Any] = {n: run.read_table(n) for n in names if run.table_path(n).is_file()}
    tables["predictions"] = _told(lambda: rows.predictions(run), "what it said", run.week, say)
    tables["models"] = _told(lambda: rows.models(run).frame, "its models", run.week, say)
    ledger.record_week(run.week, moment, state=state, run_key=key, **tables)


def _told(
    rows: Callable[[], pd.DataFrame | None], what: str, week: Week, say: Callable[[str], object]
) -> pd.DataFrame | None:
    """Return rows of a week; None, and why, where its folder lacks what they are read from."""
    try:
        return rows()
    except InputError as error:
        say(f"of {week} the ledger does not hold {what}: {error}")
        return None


def _looked_back(
    run: RunFolder, ledger: Ledger, rows: WeekRows, moment: datetime
) -> pd.DataFrame | None:
    """Return what became of earlier weeks that are not settled, as the week's own shop knows it."""
    known = ledger.outcomes()
    settled = set(known["week"]) - set(known["week"][known["state"] != "settled"])
    pending = {str(w) for w in run.reports.weeks() if w < run.week} - settled
    if not pending or not (run.path / "shop").is_dir():
        return None
    from promolab.sources import load_shop

    return rows.outcomes(run, load_shop(run.path / "shop"), moment, weeks=pending)


def settle_week(
    run: RunFolder,
    ledger: Ledger,
    rows: WeekRows,
    shop: Shop,
    now: datetime,
    say: Callable[[str], object],
) -> None:
    """Write what became of a week that is closed, as it is known now.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    ledger : Ledger
        By `checked_ledger`.
    rows : WeekRows
    shop : Shop
        As it is now, not cleaned.
    now : datetime
        UTC without a zone.
    say : callable
        Told why it cannot be said.
    """
    from promolab.cleaning import clean, known_by

    later = run.reports.run(run.week.next())
    found = _told(
        lambda: rows.outcomes(later, clean(known_by(shop, now))[0], now, weeks={str(run.week)}),
        "what became of it",
        run.week,
        say,
    )
    if found is not None and len(found):
        ledger = Ledger.open(ledger.path, shop=ledger.shop, create=True)
        _note_outcomes(ledger, found, None)


def _note_outcomes(ledger: Ledger, outcomes: pd.DataFrame | None, moment: datetime | None) -> None:
    """Write what became of earlier weeks.

    What a week's run knows of them counts as known as of when the run is, whenever the data end: so
    its own page never reads what it has written itself, and is the same when it is made again.
    """
    if outcomes is None or outcomes.empty:
        return
    for (week, state), rows in outcomes.groupby(["week", "state"], sort=True):
        ledger.record_outcomes(str(week), rows, state=str(state), known_at=moment)
