"""Who may be planned for what starts: the ground that an allocation and a plan stand on alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.schedule import shifted
from promolab.campaign.plan.eligibility import Eligibility, Note, chances_of, list_sizes, offers_of
from promolab.campaign.plan.result import LEFT, allot
from promolab.checks import columns_there, whole_number
from promolab.contract import NONE, ContactRules, read_operations
from promolab.errors import InputError
from promolab.promotions import moment_of

if TYPE_CHECKING:
    from promolab.contract import Shop


@dataclass(frozen=True)
class Candidates:
    """The active customers and what each may get; made by `week_candidates`.

    Parameters
    ----------
    customers : Index of n ids
        In order.
    offers : DataFrame
        The promotions to plan: promotion_id, name, channel, action, list_size and more.
    actions : list of K texts
        Promotions, or bundles that start as a whole.
    of_action : ndarray of int of shape (promotions,)
        Place of each promotion's action.
    bars : list of dict
        Of each promotion, whom each step of the funnel bars.
    chance : ndarray of shape (n, promotions)
        Of a response.
    eligible : ndarray of bool of shape (n, K)
        Who may get which action.
    ranked : ndarray of int of shape (n,)
        Place of the action that a customer gets by the chance of a response, −1 for none: all
        actions but those whose effects are measured, whose customers an allocation chooses.
    able : Eligibility
        With what has to be said.
    sends_at : datetime
        UTC.
    notes : list of str
        Sentences on channels, bundles and sizes.
    """

    customers: pd.Index
    offers: pd.DataFrame = field(repr=False)
    actions: list[str]
    of_action: np.ndarray = field(repr=False)
    bars: list[dict[str, np.ndarray]] = field(repr=False)
    chance: np.ndarray = field(repr=False)
    eligible: np.ndarray = field(repr=False)
    ranked: np.ndarray = field(repr=False)
    able: Eligibility = field(repr=False)
    as_of: datetime
    sends_at: datetime
    notes: list[str] = field(repr=False)

    def open_to(self, actions: Sequence[str]) -> np.ndarray:
        """Return who may get which of some actions and is on no list ranked by response."""
        places = [self.actions.index(action) for action in actions]
        return np.asarray(self.eligible[:, places] & (self.ranked < 0)[:, None])

    def drawn(self, allocation: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
        """Return what each customer is planned for, and the chance that each action was it.

        Parameters
        ----------
        allocation : DataFrame, optional
            customer_id, action, propensity, chosen: a row per customer and possible action,
            ``none`` included, one of them chosen.

        Returns
        -------
        choice : ndarray of int of shape (n,)
            Place in ``actions``; −1 for none.
        chance : ndarray of shape (n, K)
            Before anybody is held out.

        Raises
        ------
        InputError
            A column is missing, an action or customer is none of the week's, chances of a customer
            do not add up to 1, or other than one action of a customer is chosen.
        """
        choice, n, k = self.ranked.copy(), len(self.customers), len(self.actions)
        chance = (choice[:, None] == np.arange(k)).astype(float)
        if allocation is None or allocation.empty:
            return choice, chance
        rows, columns = self._places(allocation)
        own = allocation["propensity"].to_numpy(dtype=float)
        chosen = allocation["chosen"].to_numpy(dtype=bool)
        sums = np.bincount(rows, weights=own, minlength=n)
        there = np.bincount(rows, minlength=n) > 0
        if (own < 0).any() or (np.abs(sums[there] - 1) > 1e-6).any():
            raise InputError("allocation: the chances of a customer's actions must add up to 1")
        if (np.bincount(rows, weights=chosen, minlength=n)[there] != 1).any():
            raise InputError("allocation: one action of each customer must be the chosen one")
        # Who is barred by now, or is on a list ranked by response, keeps nothing of it.
        mine = (columns < k) & (self.ranked[rows] < 0)
        mine &= self.eligible[rows, np.minimum(columns, k - 1)]
        chance[rows[mine], columns[mine]] = own[mine]
        choice[rows[mine & chosen]] = columns[mine & chosen]
        lost = int((chosen & ~mine & (columns < k)).sum())
        if lost:
            self.notes.append(Note("barred", customers=lost))
        return choice, chance

    def _places(self, allocation: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        names = ("customer_id", "action", "propensity", "chosen")
        columns_there(allocation, names, "allocation")
        rows = self.customers.get_indexer(pd.Index(allocation["customer_id"]))
        names_of = pd.Index([*self.actions, NONE])
        columns = names_of.get_indexer(pd.Index(allocation["action"].astype(str)))
        for places, name in ((rows, "customer_id"), (columns, "action")):
            if (places < 0).any():
                first = allocation[name].iloc[int(np.argmin(places))]
                raise InputError(f"allocation: {name} {first!r} is none of the plan's")
        twice = pd.Series(rows * (len(self.actions) + 1) + columns).duplicated()
        if twice.any():
            raise InputError("allocation holds a customer and action more than once")
        return rows, columns


def week_candidates(
    shop: Shop,
    scores: pd.DataFrame,
    as_of: Any,
    promotions: pd.DataFrame | Sequence[Any],
    *,
    measured: Sequence[str] = (),
    list_size: int | Mapping[Any, int] = 0,
    lead_days: int = 0,
    rules: ContactRules | None = None,
    planned: pd.DataFrame | None = None,
    quarantined: Sequence[str] = (),
) -> Candidates:
    """Return who may be planned for what starts, and who is by the chance of a response.

    Parameters
    ----------
    shop, scores, as_of, promotions, list_size, lead_days, rules, planned, quarantined
        As `promolab.campaign.plan.plan_week`.
    measured : sequence of str
        Actions whose effects are known: an allocation chooses their customers.

    Raises
    ------
    InputError
        As `promolab.campaign.plan.plan_week`.
    """
    moment = moment_of(as_of)
    sends_at = shifted(moment, whole_number("lead_days", lead_days, 0), shop.zone)
    rules = read_operations(shop.settings).contact if rules is None else rules
    notes: list[str] = []
    offers = offers_of(shop, promotions, rules, notes)
    customers, chance = chances_of(scores, offers["promotion_id"])
    by_response = ~offers["action"].isin(list(measured)).to_numpy(bool)
    offers["list_size"] = _sizes(shop, moment, offers, by_response, list_size, customers, notes)
    able = Eligibility(shop, customers, moment, sends_at, rules, planned, quarantined)
    bars = [
        able.bars(row["promotion_id"], row["channel"], row["messages"], row["ends_at"])
        for row in offers.to_dict("records")
    ]
    actions = offers["action"].drop_duplicates().tolist()
    of_action = np.array([actions.index(action) for action in offers["action"]], dtype=int)
    eligible, best = _by_action(bars, chance, of_action, len(actions))
    sizes = offers.drop_duplicates("action")["list_size"].to_numpy(dtype=np.int64)
    ranked = allot(best, eligible, sizes)
    return Candidates(
        customers, offers, actions, of_action, bars, chance, eligible, ranked, able, moment,
        sends_at, notes,
    )  # fmt: skip


def _sizes(
    shop: Shop,
    moment: datetime,
    offers: pd.DataFrame,
    by_response: np.ndarray,
    given: Any,
    customers: pd.Index,
    notes: list[str],
) -> np.ndarray:
    """Return how many each list ranked by response holds; 0 where an allocation chooses."""
    sizes = np.zeros(len(offers), dtype=np.int64)
    mine = offers[by_response]
    if len(mine) or not len(offers):
        sizes[by_response] = list_sizes(shop, moment, mine, given, len(customers), notes)
    return sizes


def _by_action(
    bars: list[dict[str, np.ndarray]], chance: np.ndarray, of_action: np.ndarray, actions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return who is eligible for each action, and the highest chance among its promotions."""
    eligible = np.ones((len(chance), actions), dtype=bool)
    best = np.zeros((len(chance), actions))
    for k, (own, action) in enumerate(zip(bars, of_action, strict=True)):
        eligible[:, action] &= ~np.logical_or.reduce([own[step] for step in LEFT])
        best[:, action] = np.maximum(best[:, action], chance[:, k])
    return eligible, best
