"""Whom each promotion may not contact, customer by customer, and what has to be said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import contact_records as records
from promolab.campaign.plan.rights import LATEST, same_channel, whole_time
from promolab.checks import columns_there, share, whole_number
from promolab.contract import NONE, ContactRules
from promolab.errors import InputError
from promolab.language import ENGLISH, speaking
from promolab.results import words_of
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop


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
        self.rights = records.rights_of(
            self.shop, self.customers, self.as_of, self.sends_at, self.rules, self.planned
        )
        self.quiet = self.rights.quiet()
        self._without_right: dict[str | None, np.ndarray] = {}
        self._status = self._barred_by_status()
        name = self.shop.settings.name
        if self.rights.contacts is None and self.rules.limits:
            self.unchecked.append(
                f"Contact limits were not checked: {name} has no table 'exposures'."
            )
        if not self.shop.has("contact_rights"):
            self.unchecked.append(
                f"Consent was not checked: {name} has no table of contact rights."
            )
        if self.shop.has(records.SUPPRESSIONS):
            rows = self.shop[records.SUPPRESSIONS]
            changed = int(rows.filter(~rows.intact).count().execute())
            if changed:
                self.notes.append(Note("edited", lines=changed))
        if self.quiet.any():
            days = self.rules.quiet_days_after_complaint
            self.notes.append(Note("complained", customers=int(self.quiet.sum()), days=days))

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
        known = None if channel == UNKNOWN else same_channel(channel)
        if known not in self._without_right:
            self._tell_of(known, channel)
            self._without_right[known] = self.rights.no_right(known)
        end = LATEST if pd.isna(ends_at) else whole_time(ends_at)
        return {
            "no_right": self._without_right[known],
            "status": self._status,
            "over_limit": self.quiet | self.rights.over(known, messages),
            "excluded": self.rights.excluded(promotion_id, end),
        }

    def _tell_of(self, known: str | None, channel: str) -> None:
        """Note who left a channel, whose rights contradict each other, and who has none."""
        granted, refused, left = self.rights.consent(known)
        both, unlisted = granted & refused, ~(granted | refused)
        if left.any():
            self.notes.append(Note("left", customers=int(left.sum()), channel=channel))
        if not self.rights.states_consent:
            return
        if both.any():
            self.notes.append(Note("both", customers=int(both.sum()), channel=channel))
        if unlisted.any() and self.rules.unlisted != "may be contacted":
            self.notes.append(Note("unlisted", customers=int(unlisted.sum()), channel=channel))

    def _barred_by_status(self) -> np.ndarray:
        never = self.customers.isin(records.never_contacted(self.shop, self.rules.never_statuses))
        bad = np.zeros(len(self.customers), dtype=bool)
        if len(self.quarantined):
            bad = self.customers.astype(str).isin([str(c) for c in self.quarantined])
        if bad.any():
            self.notes.append(Note("quarantined", customers=int(bad.sum())))
        return np.asarray(never | bad)


class Note(str):
    """A sentence on what was not checked or counted: English, as files keep it, and translatable.

    Examples
    --------
    >>> Note("left", customers=3, channel="app"), Note("left", customers=1, channel="app").spoken()
    ('3 active customers unsubscribed from app.', '1 active customer unsubscribed from app.')
    """

    __slots__ = ("given", "line")
    line: str
    given: dict[str, Any]

    def __new__(cls, line: str, **given: Any) -> Note:
        """Say one of the lines ``notes``."""
        with speaking(ENGLISH):
            made = super().__new__(cls, words_of(__name__, "notes", **given).say(line))
        made.line, made.given = line, given
        return made

    def spoken(self) -> str:
        """Say it in the language that is spoken."""
        return words_of(__name__, "notes", **self.given).say(self.line)


def share_of(name: str, value: Any, *, none_too: bool) -> float:
    """Return a share above 0 (or 0, if none is fine too) and below 1."""
    hint = ", such as 0.1"
    if value in (0, 1):
        hint = ": with nobody held back no effect is ever known"
        hint = hint if value == 0 else ": that holds everybody back"
    return share(name, value, zero=none_too, one=False, hint=hint)


def offers_of(shop: Shop, promotions: Any, rules: ContactRules, notes: list[str]) -> pd.DataFrame:
    """Return the promotions to plan, in the order of their ids as text, each with its action."""
    wanted = promotions["promotion_id"] if isinstance(promotions, pd.DataFrame) else promotions
    wanted = [str(promotion) for promotion in wanted]
    columns = ["promotion_id", "name", "channel", "action", "contact_cost", "starts_at", "ends_at"]
    if not wanted:
        return pd.DataFrame(columns=[*columns, "messages"])
    table = shop.promotions
    found: pd.DataFrame = table.filter(table.promotion_id.cast("string").isin(wanted)).execute()
    ids = found["promotion_id"].astype(str)
    unknown = sorted(set(wanted) - set(ids))
    if unknown:
        raise InputError(f"promotions names {unknown[0]!r}, which the shop does not have")
    if NONE in wanted:
        raise InputError(f'a promotion is called "{NONE}", the action of whoever gets nothing')
    found = found.assign(text=ids).sort_values("text", ignore_index=True)
    found["channel"] = channels_of(shop, found)
    if (found["channel"] == UNKNOWN).any():
        names = found.loc[found["channel"] == UNKNOWN, "text"].tolist()
        notes.append(Note("no_channel", names=names))
    found["action"] = _actions(found["text"].tolist(), rules, notes)
    found["name"] = [*map(shop.promotion_name, found["kind"], found["promotion_id"])]
    same = [found["action"], found["channel"].map(same_channel)]
    found["messages"] = found.groupby(same)["text"].transform("size")
    if "contact_cost" not in found:
        found["contact_cost"] = np.nan
    return found[[*columns, "messages", *(c for c in ("type", "kind") if c in found)]]


def _actions(texts: list[str], rules: ContactRules, notes: list[str]) -> list[str]:
    """Return each promotion's action: itself, or the bundle that starts as a whole."""
    action = {text: text for text in texts}
    for name, members in rules.bundles.items():
        missing = [m for m in members if m not in action]
        if not missing:
            if name in action:
                raise InputError(f"[contact] bundles.{name} is called like a promotion; rename it")
            action |= dict.fromkeys(members, name)
        elif len(missing) < len(members):
            notes.append(Note("bundle", name=name, missing=missing))
    return [action[text] for text in texts]


def chances_of(scores: pd.DataFrame, promotions: pd.Series[Any]) -> tuple[pd.Index, np.ndarray]:
    """Return the active customers in order, and p_redeemed, shape (customers, promotions)."""
    columns_there(scores, ("customer_id", "promotion_id", "p_redeemed"), "scores")
    customers = pd.Index(scores["customer_id"].drop_duplicates().sort_values())
    if customers.hasnans:
        raise InputError("scores has a row without customer_id; leave it out")
    chance = np.full((len(customers), len(promotions)), np.nan)
    column = pd.Index(promotions.astype(str)).get_indexer(
        pd.Index(scores["promotion_id"].astype(str))
    )
    rows = customers.get_indexer(scores["customer_id"])[column >= 0]
    values = scores["p_redeemed"].to_numpy(dtype=float)[column >= 0]
    column = column[column >= 0]
    if len(pd.unique(rows * max(len(promotions), 1) + column)) < len(rows):
        raise InputError("scores has a customer and promotion more than once; give each pair once")
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("scores has a p_redeemed that is no chance between 0 and 1")
    chance[rows, column] = values
    if np.isnan(chance).any():
        raise InputError(
            f"scores lacks {plural(int(np.isnan(chance).sum()), 'pair')} of an active customer and "
            "a promotion; every active customer needs a score for each"
        )
    return customers, chance


def list_sizes(
    shop: Shop, as_of: datetime, offers: pd.DataFrame, given: Any, active: int, notes: list[str]
) -> list[int]:
    """Return how many customers to plan for each promotion; a bundle takes its shortest list."""
    if isinstance(given, Mapping):
        sizes = {str(k): whole_number(f"list_size of {k!r}", v, 0) for k, v in given.items()}
        own = [
            sizes.get(action, sizes.get(str(promotion), 0))
            for action, promotion in zip(offers["action"], offers["promotion_id"], strict=True)
        ]
    else:
        own = [whole_number("list_size", given, 0)] * len(offers)
    usual = records.usual_contacts(shop, as_of, offers) if 0 in own else own
    for name, asked, size in zip(offers.get("name", []), own, usual, strict=True):
        if not asked:
            notes.append(Note("as_usual" if size else "no_size", name=name, n=min(size, active)))
    sized = pd.Series([a or u for a, u in zip(own, usual, strict=True)], dtype="int64")
    return sized.groupby(offers["action"].to_numpy()).transform("min").tolist() if own else []
