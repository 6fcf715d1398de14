"""Who may be contacted for what, now: what is known of each customer, kept up event by event.

The rules are the weekly plan's own (`promolab.campaign.plan.Rights`), asked of one customer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.campaign.plan import (
    EARLIEST,
    EVERY,
    LATEST,
    UNKNOWN,
    Rights,
    channels_of,
    known_rows,
    never_contacted,
    same_channel,
)
from promolab.contract import ContactRules
from promolab.folder import REFUSALS
from promolab.serve.events import Event, microseconds
from promolab.serve.formulas import moment_of

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop


Contact = tuple[int, str, str, bool]
"""When, for which promotion (as text), by its own channel (else `EVERY`), whether a plan owes it.
"""


@dataclass(frozen=True)
class Offer:
    """A promotion, as far as rights and limits ask.

    Parameters
    ----------
    promotion_id : str
    channel : str or None
        As compared; None where it is not known.
    ends_at : int
        Microseconds since 1970.
    messages : int
        Contacts on its channel that it brings, with the bundle that it is part of.
    """

    promotion_id: str
    channel: str | None
    ends_at: int
    messages: int = 1


@dataclass
class _Customer:
    """What is known of a customer's rights and contacts."""

    consents: list[tuple[str, bool, int]] = field(default_factory=list)
    refusals: list[tuple[str, str, int]] = field(default_factory=list)
    """Channel, kind, and when, of what came since or is on the list."""
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
        self._zone = shop.zone
        self._states_consent = shop.has("contact_rights")
        self._counts = shop.has("exposures") or (owed is not None and len(owed) > 0)
        self._exposed_channels = shop.has("exposures", "channel")
        self.offers = offers_of(shop)
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
                since = EARLIEST if row["since"] is None else microseconds(row["since"])
                consent = (_compared(row["channel"]), row["allowed"], since)
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
                when = LATEST if event.ts is None else event.ts
                known.refusals.append((_compared(event.channel), "right", when))
            elif event.channel is not None:
                when = EARLIEST if event.ts is None else event.ts
                known.consents.append((same_channel(event.channel), True, when))
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
                known.refusals.append((_compared(row["channel"]), row["kind"], ts))

    def refusals_of(self, event: Event, moment: int) -> list[dict[str, Any]]:
        """Return what the list has to hold of an event; nothing, where it refuses nothing."""
        kind = "right" if event.allowed is False else event.kind
        if kind not in REFUSALS or event.table not in ("responses", "contact_rights"):
            return []
        channels = {EVERY}
        if kind == "right":
            channels = {_compared(event.channel)}
        elif kind == "unsubscribe":
            known = self._customers.get(event.customer_id) or _NOBODY
            channels = self._left(known, str(event.promotion_id))
            channels = {EVERY} if EVERY in channels else channels
        when = f"{moment_of(moment if event.ts is None else event.ts).isoformat()}Z"
        own = {"customer_id": event.customer_id, "kind": kind, "ts": when}
        return [own | {"channel": c or None, "event_id": event.event_id} for c in sorted(channels)]

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
        made = [
            (self._channel(promotion, own_channel), ts, promotion, self._end(promotion))
            for ts, promotion, own_channel, _ in _made(known.contacts, moment)
        ]
        left = [(c, ts) for of, ts in known.unsubscribes for c in self._left(known, of)]
        refusals = [(channel, "unsubscribe", ts) for channel, ts in left] + known.refusals
        rights = Rights(
            rules=self.rules,
            zone=self._zone,
            customers=1,
            as_of=moment,
            sends_at=moment,
            states_consent=self._states_consent,
            consents=_one("channel allowed since", known.consents),
            refusals=_one("channel kind ts", refusals),
            complaints=_one("ts", [(ts,) for ts in known.complaints]),
            contacts=_one(_CONTACT, made) if self._counts else None,
        )
        rest = [row for row in made if row[1] < since or row[2] not in own]
        others = (
            rights if len(rest) == len(made) else replace(rights, contacts=_one(_CONTACT, rest))
        )
        barred = customer_id in self._never or str(customer_id) in self._quarantined
        return Standing(rights, others, frozenset(own), barred)

    def _end(self, promotion: str) -> int:
        offer = self.offers.get(promotion)
        return EARLIEST if offer is None else offer.ends_at

    def _left(self, known: _Customer, promotion: str) -> set[str]:
        """Return the channels that who unsubscribed from a promotion left."""
        seen = {EVERY}
        if self._exposed_channels:
            made = [own for _, of, own, owed in known.contacts if of == promotion and not owed]
            seen = set(made) or seen
        return {self._channel(promotion, own) for own in seen}

    def _channel(self, promotion: str, own: str) -> str:
        """Return a contact's own channel, else its promotion's, else the shop's."""
        offer = self.offers.get(promotion)
        return own or (self._shop_channel if offer is None else offer.channel or EVERY)


@dataclass
class Standing:
    """One customer at one moment; `LiveRights.of` makes it.

    Parameters
    ----------
    rights, rest : Rights
        Of all contacts, and without the plan's own.
    own : frozenset of str
        The promotions that those are for.
    status : bool
        Whether the customer is never contacted.
    """

    rights: Rights
    rest: Rights
    own: frozenset[str]
    status: bool
    _alike: dict[tuple[str | None, int, bool], list[str]] = field(default_factory=dict)

    @property
    def moment(self) -> int:
        """When the contact would be made, in microseconds since 1970."""
        return self.rights.sends_at

    def bars(self, offer: Offer) -> list[str]:
        """Return why a promotion may not be offered, by steps of the plan's funnel."""
        mine = offer.promotion_id in self.own
        rights = self.rest if mine else self.rights
        alike = (offer.channel, offer.messages, mine)
        found = self._alike.get(alike)
        if found is None:
            over = rights.quiet() | rights.over(offer.channel, offer.messages)
            steps = (
                ("no_right", rights.no_right(offer.channel).any()),
                ("status", self.status),
                ("over_limit", over.any()),
            )
            found = self._alike[alike] = [step for step, barred in steps if barred]
        if rights.excluded(offer.promotion_id, offer.ends_at).any():
            return [*found, "excluded"]
        return found


_CONTACT = "channel ts promotion ends_at"


def _one(names: str, rows: list[tuple[Any, ...]]) -> dict[str, np.ndarray]:
    """Return rows of the one customer as arrays."""
    return known_rows(f"who {names}", ([0] * len(rows), *zip(*rows, strict=True)) if rows else ())


def _made(contacts: list[Contact], moment: int) -> list[Contact]:
    """Return contacts made before a moment, and those owed that are none of these."""
    made = [c for c in contacts if not c[3] and c[0] < moment]
    known = {promotion for _, promotion, _, _ in made}
    return made + [c for c in contacts if c[3] and (not c[1] or c[1] not in known)]


def offers_of(shop: Shop) -> dict[str, Offer]:
    """Return the shop's promotions by their ids as text."""
    if not shop.has("promotions"):
        return {}
    table = shop.promotions.execute().sort_values("promotion_id")
    found = {}
    rows = zip(table["promotion_id"], channels_of(shop, table), table["ends_at"], strict=True)
    for promotion, channel, ends in rows:
        name, known = str(promotion), None if channel == UNKNOWN else same_channel(channel)
        found[name] = Offer(name, known, microseconds(ends.to_pydatetime()))
    return found


def _rows(table: Any, *columns: str) -> list[dict[str, Any]]:
    """Return rows as plain values; a column that is not there is None throughout."""
    there = [name for name in columns if name in table.columns]
    found: list[dict[str, Any]] = table.select(*there).to_pyarrow().to_pylist()
    nothing = dict.fromkeys(columns)
    return [nothing | row for row in found]


def _compared(channel: str | None) -> str:
    return EVERY if channel is None else same_channel(channel)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
