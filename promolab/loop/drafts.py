"""What a draft took in, and what of that is not so any more when it is to be released."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.plan import quarantined_customers, with_suppressions
from promolab.errors import InputError
from promolab.folder import RunFolder, is_live, sha256_of
from promolab.loop.planned import Planned, plan_files, settings_of
from promolab.loop.released import ReleasedPlan, released_contacts, released_plans
from promolab.loop.since_draft import Recheck, recheck_plan
from promolab.loop.states import check_unchanged, frozen_windows
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop


_SETTINGS = "shop/shop.toml"
_NEEDED = ("events", "customers", "promotions", "exposures", "responses", "contact_rights")
"""Tables that rights and limits are read from."""


def plan_record(run: RunFolder) -> dict[str, Any]:
    """Return what a draft's manifest says of its plan: its files, and what it took in.

    Parameters
    ----------
    run : RunFolder
        The week's folder, while it is made too.

    Returns
    -------
    dict
        files (SHA-256 by path), released (a digest of each other week's plan as it was counted),
        settings (SHA-256 of the shop's), promotions (windows of those that start in the week).
    """
    settings, offers = run.path / _SETTINGS, run.path / "shop" / "promotions.parquet"
    promotions = pd.read_parquet(offers) if offers.is_file() else None
    zone = settings_of(run.path).zone or "UTC"
    return {
        "files": plan_files(run.path),
        "released": _released(run),
        "settings": sha256_of(settings) if settings.is_file() else None,
        "promotions": {} if promotions is None else _starting(promotions, run.week, zone),
    }


def _released(run: RunFolder) -> dict[str, str]:
    """Return a digest of the plan that each other week released."""
    plans = [plan for plan in released_plans(run.reports) if plan.week != run.week]
    return {str(plan.week): _digest(plan) for plan in plans}


def _digest(plan: ReleasedPlan) -> str:
    told = {"files": plan.release["files"], "sent": (plan.manifest.get("sent") or {}).get("table")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _starting(promotions: pd.DataFrame, week: Week, zone: str) -> dict[str, dict[str, str]]:
    """Return the windows of the promotions that start in a week."""
    starts = promotions["starts_at"]
    rows = promotions[(starts >= week.start(zone)) & (starts < week.end(zone))]
    return frozen_windows(rows)


def recheck_draft(
    run: RunFolder, planned: Planned, whole: Shop, now: datetime
) -> tuple[Recheck, list[str]]:
    """Check a draft against the shop and the other weeks as they are now.

    Rights and statuses count as the shop has them now; of a shop whose data ended long ago and are
    those of the draft, as they were when the plan is sent: such a week is played back.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    planned : Planned
        The draft.
    whole : Shop
        The shop as it is now.
    now : datetime
        The present, UTC without a zone.

    Returns
    -------
    Recheck
    list of str
        The weeks that were released, or read back as sent, since the draft was made.

    Raises
    ------
    InputError
        If the settings that the draft was made with are not what they were, a released plan is not,
        or the shop lacks a table that the draft was made with.
    """
    week, folder, manifest = run.week, run.path, run.manifest
    record = manifest.get("plan", {})
    if record.get("settings"):
        file = folder / _SETTINGS
        there = {_SETTINGS: sha256_of(file)} if file.is_file() else {}
        check_unchanged({_SETTINGS: record["settings"]}, there, "the plan was made")
    for name in _NEEDED:
        if (folder / "shop" / f"{name}.parquet").is_file() and not whole.has(name):
            raise InputError(
                f"{week} cannot be released: the draft was made with the table {name}, which "
                f"{whole.settings.name} lacks now, so that it cannot be checked; give --source"
            )
    sends_at = week.start(planned.zone)
    moves = is_live(whole, now)
    inputs = manifest.get("inputs", {})
    same = all(inputs.get(name) == digest for name, digest in whole.fingerprints.items())
    moment = max(sends_at, now) if moves or not same or not inputs else sends_at
    shop, quarantined = _cleaned(whole, planned, moment, moment if moves else sends_at)
    before = record.get("promotions")
    promotions = shop.promotions.execute() if shop.has("promotions") else None
    now_starting = {} if promotions is None else _starting(promotions, week, planned.zone)
    found = recheck_plan(
        with_suppressions(run, shop),
        planned.table,
        planned.windows,
        sends_at,
        moment=moment,
        starting=now_starting,
        known=now_starting if before is None else before,
        owed=released_contacts(run),
        quarantined=quarantined,
        settings=planned.settings,
        gone=_gone(shop, planned),
    )
    taken = record.get("released", {})
    return found, [name for name, digest in _released(run).items() if taken.get(name) != digest]


def _cleaned(
    whole: Shop, planned: Planned, moment: datetime, contacts_until: datetime
) -> tuple[Shop, list[str]]:
    """Return what rights and limits need of a shop, cleaned, and whose row was quarantined."""
    import ibis

    from promolab.cleaning import clean, known_by

    shop = known_by(whole, moment)
    tables = {name: shop.tables[name] for name in _NEEDED if name in shop.tables}
    customer = tables["events"].customer_id
    mine = ibis.memtable(planned.table[["customer_id"]].drop_duplicates())
    mine = mine.mutate(customer_id=mine.customer_id.cast(customer.type()))
    own = tables["events"].filter(customer.isin(mine.customer_id))
    if own.count().execute():  # of a shop that knows none of them any more all is looked at
        tables["events"] = own
    if "exposures" in tables:
        until = ibis.literal(contacts_until).cast("timestamp")
        tables["exposures"] = tables["exposures"].filter(tables["exposures"].ts < until)
    cleaned, report = clean(replace(shop, tables=tables))
    rows = report.quarantine.filter(report.quarantine.table == "customers").execute()
    return cleaned, quarantined_customers(cleaned, rows)


def _gone(shop: Shop, planned: Planned) -> list[Any]:
    """Return the planned customers of whom the shop has neither a row nor an event any more."""
    known = shop.events.select("customer_id")
    if shop.has("customers"):
        known = known.union(shop.customers.select("customer_id"))
    there = known.distinct().execute()["customer_id"]
    ids = planned.table["customer_id"].drop_duplicates()
    return ids[~ids.isin(there)].tolist()
