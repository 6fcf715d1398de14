"""Whether a draft may still be released: whom it may no longer contact, and what changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import Eligibility, offers_of, quarantined_customers, with_suppressions
from promolab.contract import NONE, read_operations
from promolab.errors import InputError
from promolab.folder import RunFolder, is_live
from promolab.loop.week_plans import (
    SHOP_SETTINGS,
    Planned,
    check_unchanged,
    frozen_windows,
    hashes,
    moved_windows,
    released_contacts,
    released_digests,
    starting_windows,
)

if TYPE_CHECKING:
    from promolab.contract import Settings, Shop


REASONS: Mapping[str, str] = MappingProxyType(
    {
        "opted out": "no_right",
        "blocked": "status",
        "complained": "over_limit",
        "over the limit": "over_limit",
        "excluded": "excluded",
    }
)
"""Why a planned customer may no longer be contacted → step of the funnel."""

_NOT_PLANS = ("notify", "default_week", "note", "naive_times", "mapping", "operations")
_STOPS = ("[send]", "zone", "currency", "channel")


@dataclass(frozen=True)
class Recheck:
    """What became of a draft since it was made; made by `recheck_draft`.

    Parameters
    ----------
    concerned : DataFrame
        A row per planned customer and promotion that may no longer be: customer_id, promotion_id,
        channel, holdout and reason (`REASONS`). Those held out are in it by the same rules.
    added : tuple of str
        Promotions that start in the week and that the draft did not know.
    changed : tuple of str
        What of the shop's settings is not as it was, such as ``[contact]``.
    stops : tuple of str
        Sentences on what no list can be mended for: the plan has to be made again.
    released : tuple of str
        Weeks that were released, or read back as sent, since the draft was made.
    """

    concerned: pd.DataFrame = field(repr=False)
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    released: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether all is as it was, for everybody planned."""
        return self.concerned.empty and not (self.added or self.changed or self.stops)

    def counts(self, *, held: bool = False) -> dict[str, int]:
        """Count the customers to contact (or held out) by reason; what concerns nobody is out."""
        rows = self.concerned[(self.concerned["holdout"] != NONE) == held]
        found = rows.drop_duplicates(["customer_id", "reason"])["reason"].value_counts()
        return {reason: int(found[reason]) for reason in REASONS if reason in found}

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, and what changed."""
        found = {"to_contact": self.counts(), "held_out": self.counts(held=True)}
        return found | {"promotions_added": list(self.added), "changed": list(self.changed)}

    def summary(self) -> str:
        """Say how many are concerned by what: ``3 opted out, [contact] changed``."""
        parts = [f"{n:,} {reason}" for reason, n in self.counts().items()]
        held = sum(self.counts(held=True).values())
        if held:
            parts.append(f"{held:,} held back likewise")
        parts += [f"promotion {name} added" for name in self.added]
        parts += [f"{name} changed" for name in self.changed]
        parts += self.stops
        return f"since this draft: {', '.join(parts) or 'nothing changed'}"


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


def _concerned(
    planned: pd.DataFrame, offers: pd.DataFrame, reasons: list[pd.DataFrame]
) -> pd.DataFrame:
    """Return the planned rows of who is barred from any promotion of an action, with the reason."""
    action = dict(zip(offers["promotion_id"], offers["action"], strict=True))
    columns = ["customer_id", "promotion_id", "channel", "holdout"]
    rows = planned.reindex(columns=columns).assign(action=planned["promotion_id"].map(action))
    if not any(map(len, reasons)):
        return rows.head(0).drop(columns="action").assign(reason=pd.Series(dtype="str"))
    first = pd.concat(reasons).groupby(["customer_id", "action"], as_index=False)["reason"].min()
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
    sections = ("contact", "send", "economics", "attribution")
    old, new = ([each.operations.get(s) for s in sections] for each in (was, now))
    return found + [f"[{s}]" for s, a, b in zip(sections, old, new, strict=True) if a != b]


_NEEDED = ("events", "customers", "promotions", "exposures", "responses", "contact_rights")
"""Tables that rights and limits are read from."""


def recheck_draft(run: RunFolder, planned: Planned, whole: Shop, now: datetime) -> Recheck:
    """Check a draft against the shop and the other weeks as they are now.

    The rules are those of `promolab.campaign.plan.plan_week`, for those it planned, held out or
    not: what concerns a customer is known before anything is sent, and does not depend on the draw.
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

    Raises
    ------
    InputError
        If the settings that the draft was made with are not what they were, a released plan is not,
        or the shop lacks a table that the draft was made with.
    """
    week, record = run.week, run.manifest.get("plan", {})
    _check_as_drafted(run, record, whole)
    sends_at, moves = week.start(planned.zone), is_live(whole, now)
    inputs = run.manifest.get("inputs", {})
    same = all(inputs.get(name) == digest for name, digest in whole.fingerprints.items())
    moment = max(sends_at, now) if moves or not same or not inputs else sends_at
    shop, quarantined = _cleaned(whole, planned, moment, moment if moves else sends_at)
    table = shop.promotions.execute() if shop.has("promotions") else planned.windows.head(0)
    ids = planned.table["promotion_id"].drop_duplicates()
    there = ids[ids.astype("str").isin(table["promotion_id"].astype("str"))]
    rules = read_operations(shop.settings).contact
    offers = offers_of(shop, there, rules, [])
    changed = _changed(planned.settings, shop.settings)
    stops = [
        *moved_windows(frozen_windows(planned.windows), table, "planned"),
        *_other_lists(planned.table, offers),
        *(f"{name} in shop.toml changed" for name in changed if name in _STOPS),
    ]
    customers = pd.Index(planned.table["customer_id"].drop_duplicates())
    able = Eligibility(
        with_suppressions(run, shop), customers, moment, sends_at, rules, released_contacts(run),
        quarantined,
    )  # fmt: skip
    gone = ~customers.isin(_known(shop))
    reasons = [_reasons(able, customers, row, gone) for row in offers.to_dict("records")]
    starting, taken = starting_windows(table, week, planned.zone), record.get("released", {})
    return Recheck(
        _concerned(planned.table, offers, reasons),
        tuple(sorted(starting.keys() - record.get("promotions", starting).keys())),
        tuple(name for name in changed if name not in _STOPS),
        tuple(stops),
        tuple(name for name, digest in released_digests(run).items() if taken.get(name) != digest),
    )


def _check_as_drafted(run: RunFolder, record: Mapping[str, Any], whole: Shop) -> None:
    """Refuse settings that were changed in the folder, and a shop that lacks a table it had."""
    if record.get("settings"):
        there = hashes(run.path, run.path / SHOP_SETTINGS)
        check_unchanged({SHOP_SETTINGS: record["settings"]}, there, "the plan was made")
    for name in _NEEDED:
        if (run.path / "shop" / f"{name}.parquet").is_file() and not whole.has(name):
            raise InputError(
                f"{run.week} cannot be released: the draft was made with the table {name}, which "
                f"{whole.settings.name} lacks now, so that it cannot be checked; give --source"
            )


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


def _known(shop: Shop) -> pd.Series[Any]:
    """Return the customers of whom the shop has a row or an event."""
    known = shop.events.select("customer_id")
    if shop.has("customers"):
        known = known.union(shop.customers.select("customer_id"))
    found: pd.Series[Any] = known.distinct().execute()["customer_id"]
    return found
