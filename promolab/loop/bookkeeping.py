"""What the weeks of a reports folder write into the ledger; who was killed before it, too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from promolab.errors import InputError, PromolabError, StepError
from promolab.folder import ReportsFolder, RunFolder, sha256_of, state_of
from promolab.loop.ledger import Ledger, ledger_path
from promolab.loop.planned import DECISIONS, plan_files, settings_of
from promolab.weeks import Week

_CHANCES = "decision_propensities"


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


def keep_ledger(reports: ReportsFolder, ledger: Ledger, say: Callable[[str], object]) -> None:
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
            if there is not None and (there["state"], there["run_key"]) == (state, key):
                continue
            ledger = Ledger.open(ledger.path, shop=ledger.shop, create=True)
            try:
                if there is not None and there["state"] != "draft" and there["run_key"] == key:
                    ledger.advance(week, state)
                else:
                    _enter(run, ledger, state, key)
            except InputError as error:
                say(f"{week} is not written into the ledger: {error}")
    except PromolabError as error:
        raise StepError(
            f"the reports are there, but the ledger is not written: {error}. The next run makes "
            "up for it"
        ) from error


def _enter(run: RunFolder, ledger: Ledger, state: str, key: str) -> None:
    """Write a week as its folder has it."""
    paths = {name: run.table_path(name) for name in (DECISIONS, _CHANCES)}
    tables: dict[str, Any] = {name: path for name, path in paths.items() if path.is_file()}
    from promolab.loop.monitoring import kept_models

    tables["models"] = kept_models(run)
    ledger.record_week(run.week, _moment(run), state=state, run_key=key, **tables)


def _moment(run: RunFolder) -> datetime:
    try:
        return run.as_of
    except InputError:  # of an earlier version, which did not note it
        return run.week.start(settings_of(run.path).zone or "UTC")
