"""The weekly plan: whom each promotion contacts, whom not, and who is held back by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import arm_of, assign
from promolab.campaign.past.assignment import clusters
from promolab.campaign.past.schedule import shifted
from promolab.campaign.plan.eligibility import (
    Eligibility,
    Note,
    chances_of,
    list_sizes,
    offers_of,
    share_of,
)
from promolab.campaign.plan.result import LEFT, STEP, Plan, allot, count_steps, step_of
from promolab.checks import columns_there, whole_number
from promolab.contract import NONE, ContactRules, read_operations
from promolab.errors import InputError
from promolab.policy import Holdouts
from promolab.promotions import moment_of

if TYPE_CHECKING:
    from promolab.contract import Shop


_SEND = "send"
_HELD = "hold out"


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


def plan_week(
    shop: Shop,
    scores: pd.DataFrame,
    as_of: Any,
    promotions: pd.DataFrame | Sequence[Any],
    *,
    allocation: pd.DataFrame | None = None,
    holdout: float = 0.1,
    standing_holdout: float = 0.05,
    list_size: int | Mapping[Any, int] = 0,
    seed: int = 0,
    standing_seed: int = 0,
    lead_days: int = 0,
    rules: ContactRules | None = None,
    planned: pd.DataFrame | None = None,
    quarantined: Sequence[str] = (),
) -> Plan:
    """Plan whom to contact for the promotions of a week, and hold some back by chance.

    A customer gets one promotion (or bundle) at most. Where effects are measured an allocation says
    which; else it is that with the highest chance of a response, or the next one where its list is
    full with likelier customers (`allot`). Who is held
    out is drawn by `promolab.assign`, by cluster where `customers.cluster_id` is known: for the
    long run among everybody under the name ``standing holdout``, of a promotion under ``holdout``
    and its id. With standing share s, holdout h and the allocation's chance q of an action (1 for
    the list ranked by response), a customer gets it with chance q(1 − s)(1 − h), else nothing.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    scores : DataFrame
        customer_id, promotion_id, p_redeemed: every active customer × promotion.
    as_of : datetime
        The decision (UTC if it has no zone). Nothing that happened at or after it is read.
    promotions : DataFrame or sequence
        The promotions to plan, by id; what they are is read from the shop.
    allocation : DataFrame, optional
        customer_id, action, propensity, chosen: what an allocation drew for whom, and the chance of
        every action that is open to the customer (0 for one that it never draws), ``none``
        included. Its actions are planned by it, the others by the chance of a response.
    holdout : float
        Share of the planned customers of each promotion held back; above 0, below 1.
    standing_holdout : float
        Share of all customers never contacted; from 0, below 1.
    list_size : int or mapping
        Customers to plan for each promotion, or by promotion_id (or bundle); 0 takes as many as
        past promotions of its type contacted, in the median.
    seed : int
        Of the promotions' holdouts.
    standing_seed : int
        Of the standing holdout; leave it as it is from week to week.
    lead_days : int
        Days from the decision to the sending.
    rules : ContactRules, optional
        By default those of the shop's settings.
    planned : DataFrame, optional
        customer_id, promotion_id, ts, perhaps channel: contacts of released plans, earlier and
        later ones, that `exposures` may not hold yet.
    quarantined : sequence of str
        Customers, as text, whose own row was quarantined
        (`promolab.campaign.plan.quarantined_customers`).

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        Shares, sizes or seeds that are none; scores that lack a pair or hold one twice; a promotion
        that the shop does not know.

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> day = pd.Timestamp("2017-03-06")
    >>> event = {"customer_id": "A", "ts": pd.Timestamp("2017-03-01"), "kind": "purchase"}
    >>> offer = {"promotion_id": "P", "kind": "coupon", "starts_at": day, "ends_at": day}
    >>> con = ibis.duckdb.connect()
    >>> tables = {"events": event, "promotions": offer | {"channel": "mail"}}
    >>> tables = {n: con.create_table(n, pd.DataFrame([row])) for n, row in tables.items()}
    >>> scores = pd.DataFrame({"customer_id": [*"ABC"], "promotion_id": "P"})
    >>> plan = plan_week(
    ...     Shop(tables), scores.assign(p_redeemed=[0.1, 0.3, 0.2]), day, ["P"], list_size=2
    ... )
    >>> plan.planned[["customer_id", "holdout"]].values.tolist()
    [['B', 'promotion'], ['C', 'none']]
    >>> plan.decisions[["customer_id", "action", "propensity"]].round(3).values.tolist()
    [['A', 'none', 1.0], ['B', 'none', 0.145], ['C', 'P', 0.855]]
    """
    h = share_of("holdout", holdout, none_too=False)
    s = share_of("standing_holdout", standing_holdout, none_too=True)
    seed = whole_number("seed", seed)
    standing_seed = whole_number("standing_seed", standing_seed)
    found = week_candidates(
        shop, scores, as_of, promotions, measured=_measured(allocation), list_size=list_size,
        lead_days=lead_days, rules=rules, planned=planned, quarantined=quarantined,
    )  # fmt: skip
    offers, able = found.offers, found.able
    choice, chance = found.drawn(allocation)
    if allocation is not None and len(allocation):
        got = np.bincount(choice[choice >= 0], minlength=len(found.actions))[found.of_action]
        offers["list_size"] = offers["list_size"].where(offers["list_size"] > 0, got)
    held = _held_out(shop, found, choice, (h, seed), (s, standing_seed))
    decisions, chances = _decided(found, choice, held, (1 - s) * (1 - h) * chance)
    steps = _steps(found, choice, held)
    return Plan(
        as_of=found.as_of,
        sends_at=found.sends_at,
        holdout=h,
        standing_holdout=s,
        seed=seed,
        standing_seed=standing_seed,
        promotions=offers.drop(columns="messages"),
        funnel=count_steps(steps, offers),
        steps=steps,
        planned=_planned(steps, offers, decisions),
        decisions=decisions,
        propensities=chances,
        notes=(*found.notes, *able.unchecked, *able.notes),
        unchecked=tuple(able.unchecked),
        consent=shop.has("contact_rights"),
        by_effect=tuple(_measured(allocation)),
        least=read_operations(shop.settings).least,
    )


def _measured(allocation: pd.DataFrame | None) -> list[str]:
    """Return the actions that an allocation chooses among."""
    if allocation is None:
        return []
    columns_there(allocation, ("action",), "allocation")
    return [action for action in allocation["action"].astype(str).unique() if action != NONE]


def _held_out(
    shop: Shop,
    found: Candidates,
    choice: np.ndarray,
    own: tuple[float, int],
    standing: tuple[float, int],
) -> np.ndarray:
    """Return ``none``, ``standing`` or ``promotion`` for each customer.

    The standing holdout is drawn among all who are eligible: whoever is planned for nothing this
    week is in it or not all the same, and is compared with others like that in the long run.
    """
    held = np.full(len(found.customers), "none", dtype=object)
    if not found.eligible.any():
        return held
    out = week_holdouts(shop, found.customers, found.actions, own, standing)
    planned = np.flatnonzero(choice >= 0)
    held[planned[out.held[planned, choice[planned]]]] = "promotion"
    if out.standing is not None:
        held[found.eligible.any(axis=1) & out.standing] = "standing"
    return held


def drawn_out(
    customers: pd.Index, action: str | None, share: float, seed: int, groups: Any = None
) -> np.ndarray:
    """Return whom chance holds out of an action, or for the long run (None).

    Parameters
    ----------
    customers : Index of n ids
    action : str or None
    share : float
        Above 0, below 1.
    seed : int
    groups : Series, optional
        Cluster of each customer.

    Examples
    --------
    >>> held = drawn_out(pd.Index(range(1000)), "P", 0.1, 0)
    >>> int(held.sum()), is_drawn_out(7, "P", 0.1, 0) == held[7]
    (94, np.True_)
    """
    arms = assign(customers, *_draw(action, share), seed, cluster=groups)
    return np.asarray((arms.frame["arm"] == _HELD).to_numpy())


def week_holdouts(
    shop: Shop,
    customers: pd.Index,
    actions: Sequence[str],
    own: tuple[float, int],
    standing: tuple[float, int],
) -> Holdouts:
    """Return whom chance holds out of what, as `plan_week` holds them out.

    Parameters
    ----------
    shop : Shop
    customers : Index of n ids
    actions : sequence of str
    own, standing : (float, int)
        Share and seed, of each action's holdout and of that for the long run.
    """
    groups = clusters(shop, customers)
    held = [drawn_out(customers, one, *own, groups) for one in actions]
    long = drawn_out(customers, None, *standing, groups) if standing[0] else None
    return Holdouts(long, standing[0], np.column_stack(held), own[0])


def is_drawn_out(
    customer: Any, action: str | None, share: float, seed: int, group: Any = None
) -> bool:
    """Tell what `drawn_out` says of a single customer."""
    return arm_of(customer, *_draw(action, share), seed, group) == _HELD


def _draw(action: str | None, share: float) -> tuple[str, dict[str, float]]:
    name = "standing holdout" if action is None else f"holdout {action}"
    return name, {_HELD: share, _SEND: 1 - share}


def _decided(
    found: Candidates, choice: np.ndarray, held: np.ndarray, sent: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the decisions and all their propensities; ``sent`` is the chance of each action."""
    who: np.ndarray = np.logical_or.reduce(found.eligible, axis=1)
    names = np.array([*found.actions, NONE], dtype=object)  # choice −1 is the last one
    planned, kept = names[choice[who]], held[who] == "none"
    every = np.column_stack([sent[who], 1 - sent[who].sum(axis=1)])
    done = np.where(kept, choice[who], -1)  # the last column is nothing
    propensity = every[np.arange(len(every)), done]
    customers = found.customers[who]
    ids = f"{found.as_of:%Y%m%dT%H%M%S}-" + customers.astype(str)
    decisions = pd.DataFrame(
        {
            "decision_id": np.asarray(ids, dtype=object),
            "customer_id": customers,
            "ts": pd.Timestamp(found.as_of).as_unit("us"),
            "action": np.where(kept, planned, NONE),
            "propensity": propensity,
            "planned_action": planned,
            "holdout": held[who],
        }
    )
    decision, possible = np.nonzero(every > 0)
    chances = pd.DataFrame(
        {
            "decision_id": decisions["decision_id"].to_numpy()[decision],
            "action": names[possible],
            "propensity": every[decision, possible],
        }
    )
    return _texts(decisions), _texts(chances)


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    names = ("decision_id", "action", "planned_action", "holdout")
    return table.astype({name: "str" for name in names if name in table})


def _steps(found: Candidates, choice: np.ndarray, held: np.ndarray) -> pd.DataFrame:
    """Return the step at which each customer leaves each promotion's funnel."""
    number, n = np.arange(found.eligible.shape[1]), len(found.customers)
    # Who gets another action, or is barred by another promotion of the same bundle.
    elsewhere = ~found.eligible | ((choice[:, None] >= 0) & (choice[:, None] != number))
    codes = [
        step_of(bars, choice == a, elsewhere[:, a], held)
        for bars, a in zip(found.bars, found.of_action, strict=True)
    ]
    k, place = len(codes), np.tile(np.arange(n), len(codes))
    ids = pd.Series(found.offers["promotion_id"].tolist() or [""])
    made = pd.DataFrame(
        {
            "customer_id": found.customers.take(place),
            "promotion_id": ids.repeat(n).iloc[: n * k].reset_index(drop=True),
            "p_redeemed": found.chance.T.ravel(),
        }
    )
    whole = np.concatenate([np.zeros(0, dtype=np.int8), *codes])
    return made.assign(step=pd.Categorical.from_codes(whole, dtype=STEP))


_HOLDOUT = {"held_out_standing": "standing", "held_out_promotion": "promotion", "to_contact": NONE}


def _planned(steps: pd.DataFrame, offers: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the planned customers of each promotion, in the order of the customers."""
    rows = steps[steps["step"].isin(_HOLDOUT)]
    rows = rows.merge(offers[["promotion_id", "channel", "action"]], on="promotion_id")
    rows = rows.merge(decisions[["customer_id", "decision_id"]], on="customer_id")
    rows["holdout"] = rows["step"].astype(str).map(_HOLDOUT).astype("str")
    columns = ["customer_id", "promotion_id", "channel", "action", "p_redeemed", "holdout"]
    return rows[[*columns, "decision_id"]]
