"""Who may be contacted: consent, refusals, complaints, contact limits and exclusions, as rules.

Written once, on rows of what is known: the plan and its release ask for everybody at once, the
service for one customer as events come in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.schedule import shifted

if TYPE_CHECKING:
    from promolab.contract import ContactLimit, ContactRules


EVERY = ""
"""What stands for the channel of what concerns every channel, or of which none is known."""
EARLIEST, LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
"""Times of what was always so, and of what no later consent undoes."""
_DAY = 86_400_000_000
_TYPES = {"who": "int64", "allowed": "bool", "since": "int64", "ts": "int64", "ends_at": "int64"}
_EPOCH = datetime(1970, 1, 1)


Rows = dict[str, np.ndarray]
"""Columns of what is known, a row per consent, refusal, complaint or contact."""


def known_rows(names: str, columns: Iterable[Any]) -> Rows:
    """Return columns as arrays under their names; none are no rows.

    Examples
    --------
    >>> known_rows("who ts", [[0, 0], [5, 9]])["ts"].tolist(), len(known_rows("who ts", [])["ts"])
    ([5, 9], 0)
    """
    told = list(columns) or [()] * len(names.split())
    pairs = zip(names.split(), told, strict=True)
    return {name: np.array(column, dtype=_TYPES.get(name, object)) for name, column in pairs}


def same_channel(channel: str) -> str:
    """Return a channel as it is compared: ``E-Mail `` and ``e-mail`` are one."""
    return channel.strip().lower()


def whole_time(moment: datetime) -> int:
    """Return a time, UTC without a zone, as microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Rights:
    """What is known of n customers, and the rules that say what they may be contacted for.

    Times are microseconds since 1970 (UTC), channels as `same_channel` writes them.

    Parameters
    ----------
    rules : ContactRules
    zone : str
        By whose clocks days are counted.
    customers : int
        How many.
    as_of, sends_at : int
        Until when things are known, and when the contact would be made.
    states_consent : bool
        Whether the shop has a table of contact rights.
    consents : Rows
        Of contact rights: who (place of the customer), channel, allowed, since.
    refusals : Rows
        Unsubscribes, and rights withdrawn (``right``): who, channel, kind, ts.
    complaints : Rows
        who, ts.
    contacts : Rows or None
        Those made before, and owed by released plans: who, channel, ts, promotion (as text) and
        ends_at (when that ends); None where no contact is on record.
    """

    rules: ContactRules
    zone: str
    customers: int
    as_of: int
    sends_at: int
    states_consent: bool
    consents: Rows = field(repr=False)
    refusals: Rows = field(repr=False)
    complaints: Rows = field(repr=False)
    contacts: Rows | None = field(repr=False)

    def consent(self, channel: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return who granted and who refused a channel, and who left it since.

        Consent that began after an unsubscribe, or a right withdrawn, ends it; the quiet days, if
        the shop states some, end an unsubscribe.

        Parameters
        ----------
        channel : str or None
            None, of a promotion whose channel is not known, takes in every channel.

        Returns
        -------
        granted, refused, left : ndarray of bool of shape (customers,)
        """
        said, no = self.consents, self.refusals
        mine = said["since"] <= self.as_of
        if channel is not None:
            mine &= said["channel"] == channel
        granted, refused = mine & said["allowed"], mine & ~said["allowed"]
        begun = np.full(self.customers, EARLIEST)
        np.maximum.at(begun, said["who"][granted], said["since"][granted])
        days = self.rules.quiet_days_after_unsubscribe
        since = EARLIEST if days is None else self._days_later(-days)
        left = (no["kind"] == "right") | (no["ts"] > since)
        left &= _of(no["channel"], channel) & (no["ts"] >= begun[no["who"]])
        return (
            self._marked(said["who"][granted]),
            self._marked(said["who"][refused]),
            self._marked(no["who"][left]),
        )

    def no_right(self, channel: str | None) -> np.ndarray:
        """Return who has no right to be contacted on a channel."""
        granted, refused, left = self.consent(channel)
        if self.states_consent and self.rules.unlisted != "may be contacted":
            refused = refused | ~granted
        return np.asarray(refused | left)

    def quiet(self) -> np.ndarray:
        """Return who complained in the days before the sending; they hear nothing at all."""
        days = self.rules.quiet_days_after_complaint
        lately = self.complaints["ts"] > (self._days_later(-days) if days else LATEST)
        return self._marked(self.complaints["who"][lately])

    def over(self, channel: str | None, messages: int = 1) -> np.ndarray:
        """Return for whom so many more contacts on a channel would be too many.

        A contact whose channel is not known counts against the limit of every channel.
        """
        over = np.zeros(self.customers, dtype=bool)
        for limit in self.rules.limits if self.contacts is not None else ():
            own = None if limit.channel is None else same_channel(limit.channel)
            if own is None or channel is None or own == channel:
                over |= self._fullest(limit, own) + messages > limit.contacts
        return over

    def _fullest(self, limit: ContactLimit, channel: str | None) -> np.ndarray:
        """Return how many contacts each has in the fullest span that holds the sending.

        One more contact at the sending lies in many spans of the limit's days: that which ends with
        it, and those which end with a contact after it that is promised already.
        """
        made = self.contacts
        assert made is not None
        low, high = self._days_later(-limit.days), self._days_later(limit.days)
        mine = _of(made["channel"], channel) & (made["ts"] > low) & (made["ts"] < high)
        who, ts = made["who"][mine], made["ts"][mine]
        later = ts > self.sends_at
        if not later.any():
            return np.bincount(who, minlength=self.customers)
        local = _local(np.append(ts, self.sends_at), self.zone)
        local, own = local[:-1], local[-1]
        moments = np.unique(local)
        keys = np.sort(who * (len(moments) + 1) + np.searchsorted(moments, local))
        of = np.concatenate([who, who[later]])
        ends = np.concatenate([np.full(len(who), own), local[later]])

        def until(when: np.ndarray) -> np.ndarray:
            place = of * (len(moments) + 1) + np.searchsorted(moments, when, "right")
            return np.searchsorted(keys, place)

        fullest = np.zeros(self.customers, dtype=np.int64)
        np.maximum.at(fullest, of, until(ends) - until(ends - limit.days * _DAY))
        return fullest

    def excluded(self, promotion_id: Any, ends_at: int = LATEST) -> np.ndarray:
        """Return who was contacted for a promotion that excludes another and runs beside it.

        Parameters
        ----------
        promotion_id : object
            The other one, which is sent at ``sends_at``.
        ends_at : int
            Until when it runs: a contact made before counts while its promotion still runs then, a
            later one while the other still runs.
        """
        rivals, made = self.rules.rivals(promotion_id), self.contacts
        if not rivals or made is None:
            return np.zeros(self.customers, dtype=bool)
        beside = np.isin(made["promotion"], rivals)
        beside &= (made["ends_at"] > self.sends_at) & (made["ts"] < ends_at)
        return self._marked(made["who"][beside])

    def _marked(self, places: np.ndarray) -> np.ndarray:
        marks = np.zeros(self.customers, dtype=bool)
        marks[places] = True
        return marks

    def _days_later(self, days: int) -> int:
        return _days_later(self.sends_at, days, self.zone)


@lru_cache(maxsize=64)  # a request asks for the same again and again
def _days_later(moment: int, days: int, zone: str) -> int:
    return whole_time(shifted(_EPOCH + timedelta(microseconds=moment), days, zone))


def _of(channels: np.ndarray, channel: str | None) -> np.ndarray:
    """Return which rows are of a channel; one whose channel is not known may be of any."""
    if channel is None:
        return np.ones(len(channels), dtype=bool)
    return np.asarray((channels == channel) | (channels == EVERY))


def _local(times: np.ndarray, zone: str) -> np.ndarray:
    """Return times as the clocks of a zone show them, in microseconds."""
    there = pd.DatetimeIndex(times.view("M8[us]")).tz_localize("UTC").tz_convert(zone)
    return there.tz_localize(None).as_unit("us").asi8
