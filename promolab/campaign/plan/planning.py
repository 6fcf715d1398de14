"""The weekly plan: whom each promotion contacts, whom not, and who is held back by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import arm_of, assign
from promolab.campaign.plan.candidates import Candidates, week_candidates
from promolab.campaign.plan.contact_records import clusters
from promolab.campaign.plan.eligibility import share_of
from promolab.campaign.plan.result import STEP, Plan, count_steps, step_of
from promolab.checks import columns_there, whole_number
from promolab.contract import NONE, ContactRules
from promolab.policy import Holdouts

if TYPE_CHECKING:
    from promolab.contract import Shop


_SEND = "send"
_HELD = "hold out"


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
    seed, standing_seed = (
        whole_number("seed", seed),
        whole_number("standing_seed", standing_seed),
    )
    found = week_candidates(
        shop, scores, as_of, promotions, measured=_measured(allocation), list_size=list_size,
        lead_days=lead_days, rules=rules, planned=planned, quarantined=quarantined,
    )  # fmt: skip
    customers, offers, eligible, able = found.customers, found.offers, found.eligible, found.able
    choice, chance = found.drawn(allocation)
    if allocation is not None and len(allocation):
        got = np.bincount(choice[choice >= 0], minlength=len(found.actions))
        offers["list_size"] = np.where(
            offers["list_size"] > 0, offers["list_size"], got[found.of_action]
        )
    groups = clusters(shop, customers)
    some = np.logical_or.reduce(eligible, axis=1)
    held = _held_out(customers, choice, some, found.actions, groups, (h, seed), (s, standing_seed))
    moment = found.as_of
    decisions, chances = _decided(
        moment, customers, eligible, choice, found.actions, held, (1 - s) * (1 - h) * chance
    )
    steps = _steps(found, choice, held)
    return Plan(
        as_of=moment,
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
    )


def _measured(allocation: pd.DataFrame | None) -> list[str]:
    """Return the actions that an allocation chooses among."""
    if allocation is None:
        return []
    columns_there(allocation, ("action",), "allocation")
    return [action for action in allocation["action"].astype(str).unique() if action != NONE]


def _held_out(
    customers: pd.Index,
    choice: np.ndarray,
    eligible: np.ndarray,
    actions: list[str],
    groups: pd.Series[Any] | None,
    own: tuple[float, int],
    standing: tuple[float, int],
) -> np.ndarray:
    """Return ``none``, ``standing`` or ``promotion`` for each customer.

    The standing holdout is drawn among all who are eligible: whoever is planned for nothing this
    week is in it or not all the same, and is compared with others like that in the long run.
    """
    held = np.full(len(customers), "none", dtype=object)

    def drawn(who: np.ndarray, action: str | None, share: float, seed: int) -> np.ndarray:
        units = None if groups is None else groups[who]
        return _spread(who, drawn_out(customers[who], action, share, seed, units))

    for k, action in enumerate(actions):
        planned = choice == k
        if planned.any():
            held[drawn(planned, action, *own)] = "promotion"
    if standing[0] and eligible.any():
        held[drawn(eligible, None, *standing)] = "standing"
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


def _spread(who: np.ndarray, values: np.ndarray) -> np.ndarray:
    whole = np.zeros(len(who), dtype=bool)
    whole[who] = values
    return whole


def _decided(
    moment: datetime,
    customers: pd.Index,
    eligible: np.ndarray,
    choice: np.ndarray,
    actions: list[str],
    held: np.ndarray,
    sent: np.ndarray,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the decisions and all their propensities; ``sent`` is the chance of each action."""
    who: np.ndarray = np.logical_or.reduce(eligible, axis=1)
    names = np.array([*actions, NONE], dtype=object)  # choice −1 is the last one
    planned, kept = names[choice[who]], held[who] == "none"
    action = np.where(kept, planned, NONE)
    every = np.column_stack([sent[who], 1 - sent[who].sum(axis=1)])
    done = np.where(kept, choice[who], -1)  # the last column is nothing
    propensity = every[np.arange(len(every)), done]
    ids = f"{moment:%Y%m%dT%H%M%S}-" + customers[who].astype(str)
    decisions = pd.DataFrame(
        {
            "decision_id": np.asarray(ids, dtype=object),
            "customer_id": customers[who],
            "ts": pd.Timestamp(moment).as_unit("us"),
            "action": action,
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
