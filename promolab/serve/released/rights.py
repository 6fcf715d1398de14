"""Who may be contacted for what, now: the rules of the weekly plan, for one customer at a time.

`promolab.campaign.plan` asks the engine for everybody at once; here are the same rules on rows that
are kept up event by event. They say the same, which a test holds them to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.campaign.past import shifted
from promolab.campaign.plan import UNKNOWN, channels_of, never_contacted, same_channel
from promolab.contract import ContactLimit, ContactRules
from promolab.folder import REFUSALS
from promolab.serve.fresh.events import Event, microseconds
from promolab.serve.fresh.formulas import DAY, Clock, moment_of

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop


Contact = tuple[int, str, str | None, bool]
"""When, for which promotion (as text), by its own channel, and whether a plan still owes it."""


@dataclass(frozen=True)
class Offer:
    """A promotion, as far as rights and limits ask.

    Parameters
    ----------
    promotion_id : str
    channel : str or None
        As compared; None where it is not known.
    starts_at, ends_at : int
        Microseconds since 1970.
    action : str
        Itself, or the bundle that it is part of.
    messages : int
        Contacts on its channel that its action brings.
    """

    promotion_id: str
    channel: str | None
    starts_at: int
    ends_at: int
    action: str
    messages: int = 1


@dataclass
class _Customer:
    """What is known of a customer's rights and contacts."""

    consents: list[tuple[str, bool, int | None]] = field(default_factory=list)
    refusals: list[tuple[str | None, str, int | None]] = field(default_factory=list)
    """Channel (None: every one), kind, and when, of what came since or is on the list."""
    unsubscribes: list[tuple[str, int]] = field(default_factory=list)
    complaints: list[int] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)


_NOBODY = _Customer()


class LiveRights:
    """Consent, complaints, contact limits and exclusions, as of any moment after the beginning.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    as_of : datetime
        Nothing at or after it is read of the shop (UTC).
    rules : ContactRules
        The shop's.
    owed : DataFrame, optional
        customer_id, promotion_id, ts, perhaps channel: contacts of released plans that exposures
        may not hold yet.
    quarantined : collection of str
        Customers, as text, whose own row was quarantined.
    """

    def __init__(
        self,
        shop: Shop,
        as_of: datetime,
        rules: ContactRules,
        owed: pd.DataFrame | None = None,
        quarantined: Collection[str] = (),
    ) -> None:
        self.rules = rules
        self._zone, self._clock = shop.zone, Clock(shop.zone, 0)
        self._states_consent = shop.has("contact_rights")
        self._counts = shop.has("exposures") or (owed is not None and len(owed) > 0)
        self._exposed_channels = shop.has("exposures", "channel")
        self.offers = offers_of(shop, rules)
        self._shop_channel = _compared(shop.settings.channel)
        self._never = set(never_contacted(shop, rules.never_statuses))
        self._quarantined = frozenset(quarantined)
        self._customers: defaultdict[Any, _Customer] = defaultdict(_Customer)
        self._load(shop, as_of)
        if owed is not None and len(owed):
            self._owe(owed)

    def _load(self, shop: Shop, as_of: datetime) -> None:
        until = self._until = microseconds(as_of)
        if self._states_consent:
            for row in _rows(shop.contact_rights, "customer_id", "channel", "allowed", "since"):
                since = None if row["since"] is None else microseconds(row["since"])
                consent = (same_channel(row["channel"] or ""), row["allowed"], since)
                if row["allowed"] is not None:
                    self._customers[row["customer_id"]].consents.append(consent)
        if shop.has("responses"):
            said = shop.responses.filter(shop.responses.kind.isin(["unsubscribe", "complaint"]))
            for row in _rows(said, "customer_id", "promotion_id", "ts", "kind"):
                if (ts := microseconds(row["ts"])) < until:
                    self._respond(row["customer_id"], row["promotion_id"], row["kind"], ts)
        if shop.has("exposures"):
            for row in _rows(
                self._needed(shop, as_of), "customer_id", "promotion_id", "ts", "channel"
            ):
                if (ts := microseconds(row["ts"])) < until:
                    contact = (ts, str(row["promotion_id"]), _compared(row["channel"]), False)
                    self._customers[row["customer_id"]].contacts.append(contact)

    def _needed(self, shop: Shop, as_of: datetime) -> Any:
        """Return the exposures that a limit, an exclusion or an unsubscribe may ask for."""
        import ibis

        days = max((limit.days for limit in self.rules.limits), default=0)
        since = ibis.literal(as_of - timedelta(days=days + 1)).cast("timestamp")
        rivals = sorted({p for group in self.rules.exclusive for p in group})
        table = shop.exposures
        left = [c for c, known in self._customers.items() if known.unsubscribes]
        return table.filter(
            (table.ts >= since)
            | table.promotion_id.cast("string").isin(rivals)
            | table.customer_id.isin(left or [None])
        )

    def _owe(self, owed: pd.DataFrame) -> None:
        import pandas as pd

        channels = owed["channel"] if "channel" in owed else [None] * len(owed)
        rows = zip(owed["customer_id"], owed["promotion_id"], owed["ts"], channels, strict=True)
        for customer, promotion, ts, channel in rows:
            named = "" if pd.isna(promotion) else str(promotion)
            own = _compared(channel if isinstance(channel, str) else None)
            contact = (microseconds(ts.to_pydatetime()), named, own, True)
            self._customers[_plain(customer)].contacts.append(contact)

    def take(self, event: Event) -> None:
        """Take in an event: it is known from now on, however long ago it was."""
        if event.table == "events":
            return
        known = self._customers[event.customer_id]
        if event.table == "contact_rights":
            if not event.allowed:
                known.refusals.append((_compared(event.channel), "right", event.ts))
            elif event.channel is not None:
                known.consents.append((same_channel(event.channel), True, event.ts))
        elif event.table == "exposures":
            contact = (event.ts or 0, str(event.promotion_id), _compared(event.channel), False)
            late = contact[0] < self._until  # then the shop may hold it
            if not (late and any(contact[:2] == c[:2] for c in known.contacts if not c[3])):
                known.contacts.append(contact)
            self._counts = True
        elif event.table == "responses" and event.kind in ("unsubscribe", "complaint"):
            self._respond(event.customer_id, event.promotion_id, event.kind, event.ts or 0)

    def suppress(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in refusals of the list that every week reads."""
        for row in rows:
            known, ts = self._customers[row["customer_id"]], microseconds(row["ts"])
            if row["kind"] == "complaint":
                known.complaints.append(ts)
            else:
                known.refusals.append((row["channel"], row["kind"], ts))

    def refusals_of(self, event: Event, moment: int) -> list[dict[str, Any]]:
        """Return what the list has to hold of an event; nothing, where it refuses nothing."""
        kind = "right" if event.allowed is False else event.kind
        if kind not in REFUSALS or event.table not in ("responses", "contact_rights"):
            return []
        channels: set[str | None] = {None}
        if kind == "right":
            channels = {_compared(event.channel)}
        elif kind == "unsubscribe":
            known = self._customers.get(event.customer_id) or _NOBODY
            channels = self._left(known, str(event.promotion_id))
            channels = {None} if None in channels else channels
        when = f"{moment_of(moment if event.ts is None else event.ts).isoformat()}Z"
        own = {"customer_id": event.customer_id, "kind": kind, "ts": when}
        return [own | {"channel": c, "event_id": event.event_id} for c in sorted(channels, key=str)]

    def _respond(self, customer: Any, promotion: Any, kind: str, ts: int) -> None:
        if kind == "complaint":
            self._customers[customer].complaints.append(ts)
        else:
            self._customers[customer].unsubscribes.append((str(promotion), ts))

    def of(
        self, customer_id: Any, moment: int, own: Collection[str] = (), since: int = 0
    ) -> Standing:
        """Return how a customer stands at a moment: what bars promotions, one by one.

        Parameters
        ----------
        customer_id : object
            As the shop writes it.
        moment : int
            Microseconds since 1970: what came before it is known, and the contact is made then.
        own : collection of str
            Promotions of the plan's own contact with this customer: for them it is no other one.
        since : int
            From when on a contact for one of them is the plan's.
        """
        known = self._customers.get(customer_id) or _NOBODY
        contacts = _made(known.contacts, moment) if known.contacts else []
        rest = [c for c in contacts if c[1] not in own or c[0] < since]
        barred = customer_id in self._never or str(customer_id) in self._quarantined
        return Standing(self, known, contacts, rest, frozenset(own), moment, barred)

    def no_right(self, known: _Customer, channel: str | None, moment: int) -> bool:
        """Tell whether a customer has no right to be contacted on a channel."""
        said = [
            (allowed, since)
            for where, allowed, since in known.consents
            if (since is None or since <= moment) and (channel is None or where == channel)
        ]
        refused = any(not allowed for allowed, _ in said)
        listed = self.rules.unlisted == "may be contacted" or bool(said)
        if refused or (self._states_consent and not listed):
            return True
        begun = max((since for allowed, since in said if allowed and since is not None), default=-1)
        quiet = self.rules.quiet_days_after_unsubscribe
        since = -1 if quiet is None else self._shifted(moment, -quiet)
        left = [
            (c, "unsubscribe", ts) for of, ts in known.unsubscribes for c in self._left(known, of)
        ]
        return any(
            (channel is None or where is None or where == channel)
            and (ts is None or (ts >= begun and (kind == "right" or ts > since)))
            for where, kind, ts in (*left, *known.refusals)
        )

    def _left(self, known: _Customer, promotion: str) -> set[str | None]:
        """Return the channels that who unsubscribed from a promotion left; None is every one."""
        seen: set[str | None] = {None}
        if self._exposed_channels:
            seen = {
                own for _, of, own, owed in known.contacts if of == promotion and not owed
            } or seen
        return {self._channel(promotion, own) for own in seen}

    def _channel(self, promotion: str, own: str | None) -> str | None:
        if own is not None:
            return own
        offer = self.offers.get(promotion)
        return self._shop_channel if offer is None else offer.channel

    def quiet(self, known: _Customer, moment: int) -> bool:
        """Tell whether a customer complained lately, and is left in peace."""
        days = self.rules.quiet_days_after_complaint
        if not days or not known.complaints:
            return False
        since = self._shifted(moment, -days)
        return any(since < ts for ts in known.complaints)

    def over(self, contacts: list[Contact], offer: Offer, moment: int) -> bool:
        """Tell whether one more contact now would be too many."""
        for limit in self.rules.limits if self._counts else ():
            mine = None if limit.channel is None else same_channel(limit.channel)
            if mine is not None and offer.channel is not None and mine != offer.channel:
                continue
            counted = [
                ts
                for ts, promotion, own, _ in contacts
                if mine is None or self._channel(promotion, own) in (None, mine)
            ]
            if self._fullest(counted, limit, moment) + offer.messages > limit.contacts:
                return True
        return False

    def _fullest(self, times: list[int], limit: ContactLimit, moment: int) -> int:
        """Return the contacts in the fullest span of a limit's days that holds the moment."""
        low, high = self._shifted(moment, -limit.days), self._shifted(moment, limit.days)
        times = [ts for ts in times if low < ts < high]
        if all(ts <= moment for ts in times):
            return len(times)
        local = self._clock.local(np.array([*times, moment], dtype=np.int64))
        inside, own = local[:-1], local[-1]
        ends = {int(own), *(int(t) for t, ts in zip(inside, times, strict=True) if ts > moment)}
        span = limit.days * DAY
        return max(int(((inside > end - span) & (inside <= end)).sum()) for end in ends)

    def excluded(self, contacts: list[Contact], offer: Offer, moment: int) -> bool:
        """Tell whether a promotion that excludes this one runs beside it."""
        if not self.rules.exclusive or not contacts:
            return False
        rivals = self.rules.rivals(offer.promotion_id)
        for ts, promotion, _, _ in contacts if rivals else ():
            rival = self.offers.get(promotion) if promotion in rivals else None
            if rival is not None and rival.ends_at > moment and ts < offer.ends_at:
                return True
        return False

    def _shifted(self, moment: int, days: int) -> int:
        """Return the moment so many days later by the clocks of the shop's zone."""
        return microseconds(shifted(moment_of(moment), days, self._zone))


@dataclass
class Standing:
    """One customer at one moment; `LiveRights.of` makes it."""

    rights: LiveRights
    known: _Customer
    contacts: list[Contact]
    rest: list[Contact]
    own: frozenset[str]
    moment: int
    status: bool
    _alike: dict[tuple[str | None, int, bool], list[str]] = field(default_factory=dict)

    def bars(self, offer: Offer) -> list[str]:
        """Return why a promotion may not be offered, by steps of the plan's funnel."""
        rights, mine = self.rights, offer.promotion_id in self.own
        contacts = self.rest if mine else self.contacts
        alike = (offer.channel, offer.messages, mine)
        found = self._alike.get(alike)
        if found is None:
            over = rights.quiet(self.known, self.moment)
            over = over or rights.over(contacts, offer, self.moment)
            refused = rights.no_right(self.known, offer.channel, self.moment)
            steps = (("no_right", refused), ("status", self.status), ("over_limit", over))
            found = self._alike[alike] = [step for step, barred in steps if barred]
        if rights.excluded(contacts, offer, self.moment):
            return [*found, "excluded"]
        return found


def _made(contacts: list[Contact], moment: int) -> list[Contact]:
    """Return contacts made before a moment, and those owed that are none of these."""
    made = [c for c in contacts if not c[3] and c[0] < moment]
    known = {promotion for _, promotion, _, _ in made}
    return made + [c for c in contacts if c[3] and (not c[1] or c[1] not in known)]


def offers_of(shop: Shop, rules: ContactRules) -> dict[str, Offer]:
    """Return the shop's promotions by their ids as text, each an action of its own."""
    if not shop.has("promotions"):
        return {}
    table = shop.promotions.execute().sort_values("promotion_id")
    rows = zip(table["promotion_id"], channels_of(shop, table), table["starts_at"],
               table["ends_at"], strict=True)  # fmt: skip
    found = {}
    for promotion, channel, starts, ends in rows:
        name, known = str(promotion), None if channel == UNKNOWN else _compared(channel)
        begin, end = (microseconds(moment.to_pydatetime()) for moment in (starts, ends))
        found[name] = Offer(name, known, begin, end, name)
    return found


def _rows(table: Any, *columns: str) -> list[dict[str, Any]]:
    """Return rows as plain values; a column that is not there is None throughout."""
    there = [name for name in columns if name in table.columns]
    found: list[dict[str, Any]] = table.select(*there).to_pyarrow().to_pylist()
    nothing = dict.fromkeys(columns)
    return [nothing | row for row in found]


def _compared(channel: str | None) -> str | None:
    return None if channel is None or not channel.strip() else same_channel(channel)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
