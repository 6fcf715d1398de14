"""Whether a draft may still be released: whom it may no longer contact, and what changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import Eligibility, offers_of, quarantined_customers, with_suppressions
from promolab.contract import NONE, read_operations
from promolab.errors import InputError
from promolab.folder import RunFolder, is_live, sha256_of
from promolab.loop.states import check_unchanged, frozen_windows, moved_windows
from promolab.loop.week_plans import (
    Planned,
    ReleasedPlan,
    plan_files,
    released_contacts,
    released_plans,
    settings_of,
)
from promolab.results import Result
from promolab.weeks import Week
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Settings, Shop


REASONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "opted out": ("no_right", "may no longer be contacted"),
        "blocked": ("status", "have a status that is never contacted, or are no longer known"),
        "complained": ("over_limit", "complained, and are left in peace"),
        "over the limit": ("over_limit", "are over the contact limit"),
        "excluded": ("excluded", "got a promotion that excludes this one"),
    }
)
"""Why a planned customer may no longer be contacted → step of the funnel, and what it means."""

_NOT_PLANS = ("notify", "default_week", "note", "naive_times", "mapping", "operations")
_STOPS = ("[send]", "zone", "currency", "channel")


@dataclass(frozen=True)
class Recheck(Result):
    """What became of a draft since it was made; made by `recheck_plan`.

    Parameters
    ----------
    concerned : DataFrame
        A row per planned customer and promotion that may no longer be: customer_id, promotion_id,
        channel, holdout and reason (`REASONS`). Those held out are in it by the same rules.
    added : tuple of str
        Promotions that start in the week and that the draft did not know.
    changed : tuple of str
        What of the shop's settings is not as it was, such as ``limits``.
    stops : tuple of str
        Sentences on what no list can be mended for: the plan has to be made again.
    """

    concerned: pd.DataFrame = field(repr=False)
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether all is as it was, for everybody planned."""
        return self.concerned.empty and not (self.added or self.changed or self.stops)

    def counts(self, *, held: bool = False) -> dict[str, int]:
        """Count the customers to contact (or held out) by reason; what concerns nobody is out."""
        rows = self.concerned[(self.concerned["holdout"] != NONE) == held]
        found = rows.drop_duplicates(["customer_id", "reason"])["reason"].value_counts()
        return {reason: int(found[reason]) for reason in REASONS if reason in found}

    def to_frame(self) -> pd.DataFrame:
        """Return those who may no longer be contacted, by name."""
        return self.concerned

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, and what changed."""
        found = {"to_contact": self.counts(), "held_out": self.counts(held=True)}
        return found | {"promotions_added": list(self.added), "changed": list(self.changed)}

    def summary(self) -> str:
        """Say how many are concerned by what: ``3 opted out, limits changed``."""
        parts = [f"{n:,} {reason}" for reason, n in self.counts().items()]
        held = sum(self.counts(held=True).values())
        if held:
            parts.append(f"{held:,} held back likewise")
        if self.added:
            parts.append(f"{plural(len(self.added), 'promotion')} added")
        if self.changed:
            parts.append(f"{' and '.join(self.changed)} changed")
        parts += self.stops
        return f"since this draft: {', '.join(parts) or 'nothing changed'}"

    def sentences(self) -> list[str]:
        """Say it in a sentence for each kind of finding, what cannot be mended first."""
        said = [f"{stop[0].upper()}{stop[1:]}." for stop in self.stops]
        to_contact, held = self.counts(), self.counts(held=True)
        for reason, (_, meaning) in REASONS.items():
            n, others = to_contact.get(reason, 0), held.get(reason, 0)
            if n or others:
                more = f" ({others:,} held back likewise)" if others else ""
                said.append(f"{reason[0].upper()}{reason[1:]}: {_who(n)} {meaning}{more}.")
        if self.added:
            names = ", ".join(self.added)
            said.append(f"Added to the week: promotion {names}; nobody is planned for it.")
        if self.changed:
            said.append(f"Changed in shop.toml: {', '.join(self.changed)}.")
        return said


def _who(n: int) -> str:
    return "nobody to contact, but customers held back," if not n else (
        f"{n:,} of those to contact"
    )  # fmt: skip


def recheck_plan(
    shop: Shop,
    planned: pd.DataFrame,
    windows: pd.DataFrame,
    sends_at: datetime,
    *,
    moment: datetime,
    starting: Iterable[Any] = (),
    known: Iterable[Any] = (),
    owed: pd.DataFrame | None = None,
    quarantined: Sequence[str] = (),
    settings: Settings | None = None,
    gone: Iterable[Any] = (),
) -> Recheck:
    """Check a draft against the shop as it is now, and against the other plans released.

    The rules are those of `promolab.campaign.plan.plan_week`, for those it planned, held out or
    not: what concerns a customer is known before anything is sent, and does not depend on the draw.

    Parameters
    ----------
    shop : Shop
        The shop as it is now, cleaned.
    planned : DataFrame
        customer_id, promotion_id, holdout and, where known, channel and action.
    windows : DataFrame
        promotion_id, starts_at, ends_at of the planned promotions, as they were.
    sends_at : datetime
        When the plan is sent, UTC.
    moment : datetime
        Rights and contacts before it are known.
    starting, known : iterable
        Promotions that start in the week, now and in the draft.
    owed : DataFrame, optional
        Contacts of the other released plans.
    quarantined : sequence of str
        Customers, as text, whose own row is quarantined now.
    settings : Settings, optional
        The shop's when the draft was made.
    gone : iterable
        Planned customers whom the shop no longer knows.

    Returns
    -------
    Recheck

    Examples
    --------
    >>> from promolab import load_shop
    >>> shop = load_shop("simulated", customers=200, weeks=12)
    >>> first = shop.promotions.order_by("starts_at", "promotion_id").limit(1).execute()
    >>> starts = first["starts_at"][0].to_pydatetime()
    >>> planned = pd.DataFrame({"customer_id": [], "promotion_id": [], "holdout": []})
    >>> recheck_plan(shop, planned, first, starts, moment=starts, starting=["P1"]).summary()
    'since this draft: 1 promotion added'
    """
    rules = read_operations(shop.settings).contact
    ids = planned["promotion_id"].drop_duplicates()
    table = windows.head(0)
    if shop.has("promotions"):
        table = shop.promotions.select("promotion_id", "starts_at", "ends_at").execute()
    stops = list(moved_windows(frozen_windows(windows), table, "planned")) if len(ids) else []
    there = ids[ids.astype("str").isin(table["promotion_id"].astype("str"))]
    offers = offers_of(shop, there, rules, [])
    stops += _other_lists(planned, offers)
    changed = [] if settings is None else _changed(settings, shop.settings)
    stops += [f"{name} in shop.toml changed" for name in changed if name in _STOPS]
    before = {str(p) for p in known}
    added = tuple(sorted({str(p) for p in starting} - before))
    customers = pd.Index(planned["customer_id"].drop_duplicates())
    able = Eligibility(shop, customers, moment, sends_at, rules, owed, quarantined)
    missing = customers.isin(pd.Index(list(gone), dtype=customers.dtype))
    reasons = pd.concat(
        [_reasons(able, customers, row, missing) for row in offers.to_dict("records")]
        or [pd.DataFrame({"customer_id": customers[:0], "promotion_id": [], "reason": []})]
    )
    return Recheck(
        _concerned(planned, offers, reasons),
        added,
        tuple(name for name in changed if name not in _STOPS),
        tuple(stops),
    )


def _reasons(
    able: Eligibility, customers: pd.Index, offer: Mapping[Any, Any], missing: np.ndarray
) -> pd.DataFrame:
    """Return the place in `REASONS` of the first that bars each customer from a promotion."""
    bars = able.bars(offer["promotion_id"], offer["channel"], offer["messages"], offer["ends_at"])
    marks = [bars["no_right"], bars["status"] | missing, able.quiet]
    marks += [bars["over_limit"], bars["excluded"]]
    number = np.select(marks, range(len(REASONS)), len(REASONS))
    rows = pd.DataFrame({"customer_id": customers, "action": offer["action"], "reason": number})
    return rows[rows["reason"] < len(REASONS)]


def _concerned(planned: pd.DataFrame, offers: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    """Return the planned rows of who is barred from any promotion of an action, with the reason."""
    action = dict(zip(offers["promotion_id"], offers["action"], strict=True))
    columns = ["customer_id", "promotion_id", "channel", "holdout"]
    rows = planned.reindex(columns=columns).assign(action=planned["promotion_id"].map(action))
    if reasons.empty:
        return rows.head(0).drop(columns="action").assign(reason=pd.Series(dtype="str"))
    first = reasons.groupby(["customer_id", "action"], as_index=False)["reason"].min()
    found = rows.merge(first, on=["customer_id", "action"])
    found["reason"] = pd.Series([list(REASONS)[n] for n in found["reason"]], dtype="str")
    return found.drop(columns="action")


def _other_lists(planned: pd.DataFrame, offers: pd.DataFrame) -> list[str]:
    """Say of which promotions the lists would be others: by channel, or by what they go with."""
    said = []
    for column, word in (("channel", "channel"), ("action", "bundle")):
        if column not in planned:
            continue
        was = planned.drop_duplicates("promotion_id").set_index("promotion_id")[column]
        now = offers.set_index("promotion_id")[column]
        for promotion in now.index[now.astype("str") != was.reindex(now.index).astype("str")]:
            said.append(
                f"promotion {promotion} was planned with the {word} {was[promotion]} and now has "
                f"{now[promotion]}"
            )
    return said


def _changed(was: Settings, now: Settings) -> list[str]:
    """Name what differs of a shop's settings, as far as a plan is made by them."""
    names = [f.name for f in fields(now) if f.name not in _NOT_PLANS]
    found = [name for name in names if getattr(was, name) != getattr(now, name)]
    if read_operations(was).contact.limits != read_operations(now).contact.limits:
        found.append("limits")
    for section in ("contact", "send", "economics", "attribution"):
        old, new = (
            {k: v for k, v in s.operations.get(section, {}).items() if k != "limits"}
            for s in (was, now)
        )
        if old != new:
            found.append(f"[{section}]")
    return found


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
