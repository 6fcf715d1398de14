"""Whom each promotion may not contact, customer by customer, and what has to be said about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign import rights
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.contract.operations import ContactRules

__all__ = ["UNKNOWN", "Eligibility", "channels_of"]

UNKNOWN = "unknown"
"""What stands for the channel of a promotion that states none, in a shop that states none."""


def channels_of(shop: Shop, promotions: pd.DataFrame) -> list[str]:
    """Return the channel of each promotion: its own, else the shop's, else `UNKNOWN`."""
    other = shop.settings.channel or UNKNOWN
    if "channel" not in promotions:
        return [other] * len(promotions)
    return [c if isinstance(c, str) and c.strip() else other for c in promotions["channel"]]


@dataclass
class Eligibility:
    """Asks the engine once for everything that bars customers, and keeps what must be said.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    customers : Index of n ids
        The active customers.
    as_of, sends_at : datetime
        The decision, which reads nothing later, and the sending, from which days are counted.
    rules : ContactRules
        The shop's.
    planned : DataFrame, optional
        Contacts that released plans still owe.
    quarantined : sequence of str
        Customers, as text, whose own row was quarantined.
    """

    shop: Shop
    customers: pd.Index
    as_of: datetime
    sends_at: datetime
    rules: ContactRules
    planned: pd.DataFrame | None = None
    quarantined: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contacts = rights.contacts_before(self.shop, self.as_of, self.planned)
        self.quiet = self._marked(
            rights.quiet_after_complaint(
                self.shop, self.as_of, self.sends_at, self.rules.quiet_days_after_complaint
            )
        )
        self._without_right: dict[str | None, np.ndarray] = {}
        self._status = self._barred_by_status()
        if self.contacts is None and self.rules.limits:
            name = self.shop.settings.name
            self.unchecked.append(
                f"Contact limits were not checked: {name} has no table 'exposures'."
            )
        if not self.shop.has("contact_rights"):
            name = self.shop.settings.name
            self.unchecked.append(
                f"Consent was not checked: {name} has no table of contact rights."
            )
        if self.quiet.any():
            days = plural(self.rules.quiet_days_after_complaint, "day")
            who = plural(int(self.quiet.sum()), "active customer")
            self.notes.append(f"{who} complained in the {days} before the sending: not contacted.")

    def bars(
        self, promotion_id: Any, channel: str, messages: int = 1, ends_at: Any = None
    ) -> dict[str, np.ndarray]:
        """Return whom a promotion may not contact, by step of the funnel.

        Parameters
        ----------
        promotion_id : object
            The promotion.
        channel : str
            Its channel, or `UNKNOWN`.
        messages : int
            How many contacts on this channel it brings, with what is sent together with it.
        ends_at : datetime, optional
            When it ends, where that is known.

        Returns
        -------
        dict of str to array of bool, shape (n,)
        """
        known = None if channel == UNKNOWN else rights.same_channel(channel)
        if known not in self._without_right:
            self._without_right[known] = self._no_right(known, channel)
        over = self.quiet.copy()
        for limit in self.rules.limits if self.contacts is not None else ():
            other = limit.channel is not None and rights.same_channel(limit.channel) != known
            if other and known is not None:
                continue
            made = rights.contacts_within(self.contacts, limit, self.sends_at, self.shop.zone)
            over |= self._counted(made) + messages > limit.contacts
        rivals = self.rules.rivals(promotion_id)
        excluded = np.zeros(len(self.customers), dtype=bool)
        if rivals and self.contacts is not None:
            end = None if pd.isna(ends_at) else ends_at
            touched = rights.in_touch_for(self.shop, self.contacts, rivals, self.sends_at, end)
            excluded = self._marked(touched)
        return {
            "no_right": self._without_right[known],
            "status": self._status,
            "over_limit": over,
            "excluded": excluded,
        }

    def _no_right(self, known: str | None, channel: str) -> np.ndarray:
        said, left = rights.no_right(self.shop, self.as_of, self.sends_at, known, self.rules)
        gone = self._marked(left)
        if gone.any():
            self.notes.append(
                f"{plural(int(gone.sum()), 'active customer')} unsubscribed from {channel}."
            )
        if said is None:
            return gone
        refused, granted = (
            self._marked(said.index[said[c].to_numpy(bool)]) for c in ("refused", "granted")
        )
        both, unlisted = refused & granted, ~(refused | granted)
        if both.any():
            self.notes.append(
                f"Contact rights of {plural(int(both.sum()), 'active customer')} contradict each "
                f"other on {channel}; the strictest counts: no right."
            )
        if self.rules.unlisted == "may be contacted":
            return gone | refused
        if unlisted.any():
            self.notes.append(
                f"{plural(int(unlisted.sum()), 'active customer')} without a contact right on "
                f"{channel}: not contacted. Where the table of contact rights lists refusals only, "
                'write unlisted = "may be contacted" in [contact] of shop.toml.'
            )
        return gone | refused | unlisted

    def _barred_by_status(self) -> np.ndarray:
        never = self._marked(rights.never_contacted(self.shop, self.rules.never_statuses))
        bad = np.zeros(len(self.customers), dtype=bool)
        if len(self.quarantined):
            bad = self.customers.astype(str).isin([str(c) for c in self.quarantined])
        if bad.any():
            who = plural(int(bad.sum()), "active customer")
            self.notes.append(f"{who} whose row of customers was quarantined: not contacted.")
        return never | bad

    def _marked(self, ids: Iterable[Any]) -> np.ndarray:
        """Return which of the customers are among the ids."""
        marks = np.zeros(len(self.customers), dtype=bool)
        places = self.customers.get_indexer(pd.Index(ids))
        marks[places[places >= 0]] = True
        return marks

    def _counted(self, by_customer: pd.Series[int]) -> np.ndarray:
        counts = np.zeros(len(self.customers), dtype=np.int64)
        places = self.customers.get_indexer(by_customer.index)
        counts[places[places >= 0]] = by_customer.to_numpy()[places >= 0]
        return counts
