"""Whether a draft may still be released: whom it may no longer contact, and what changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import Eligibility, offers_of
from promolab.contract import NONE, read_operations
from promolab.loop.states import frozen_windows, moved_windows
from promolab.results import Result
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
