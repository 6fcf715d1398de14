"""A week of the learned policy: the library's own steps, from past decisions to this week's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.abtest import most_telling
from promolab.adaptive import GREEDY
from promolab.campaign.plan import plan_week, week_candidates
from promolab.campaign.spending import known_of, known_terms, spend_budget
from promolab.campaign.worth import Worth, scored_log, undiscounted, week_worth
from promolab.contract import NONE, Experiment, read_operations
from promolab.effects import Refused, UpliftModel
from promolab.errors import TooLittleError
from promolab.features import decisions_experiment
from promolab.loop.promises.windows import HORIZON, Span, held_by, noise_of, taken_off_each
from promolab.policy import Allocation, allocate
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.promotions import PromotionValues

LEARNER = "pooled"
"""Of effects: kinds of promotions learn from each other, which needs the fewest decisions."""
CONTACT = 0.2
"""What chance is taken to cost for each contact while nothing else is known, in money."""


@dataclass(frozen=True)
class Decided:
    """A week's decisions and how they came about.

    Parameters
    ----------
    decisions, chances : DataFrame
        The contract's ``decisions`` and ``decision_propensities``.
    pays : bool
        Whether spending more than exploration takes was shown to pay.
    foreseen : float
        What the week is expected to spend, in money.
    explored : float
        Share of the customers whom chance drew (0–1).
    worth : Worth, optional
        What each promotion is promised to be worth, by margins after discounts over the whole time;
        None where past decisions do not tell, or nothing is promised.
    trial : Experiment, optional
        Past decisions as an experiment: the next week adds its own round.
    """

    decisions: pd.DataFrame = field(repr=False)
    chances: pd.DataFrame = field(repr=False)
    pays: bool
    foreseen: float
    explored: float
    worth: Worth | None = field(default=None, repr=False)
    trial: Experiment | None = field(default=None, repr=False)


def learned_week(
    shop: Shop,
    as_of: datetime,
    promotions: list[str],
    contactable: np.ndarray,
    *,
    budget: float,
    explore: float,
    holdout: float,
    seed: int,
    kept: Experiment | None = None,
    policy: str = GREEDY,
    learned_until: datetime | None = None,
    promise: bool = True,
) -> Decided:
    """Decide a week by what past decisions tell, as the notebooks do.

    Parameters
    ----------
    shop : Shop
        As known when the week begins.
    as_of : datetime
        Then (UTC).
    promotions : list of str
        Those that start.
    contactable : ndarray
        Ids of those who are in no standing holdout.
    budget : float
        Of the week, in money.
    explore, holdout : float
        Shares (0–1).
    seed : int
    kept : Experiment, optional
        The ``trial`` of the week before; without it, it is worked out again.
    policy : str
        By which the budget goes (`promolab.adaptive.allocate_by`).
    learned_until : datetime, optional
        From when on effects are not learned anew (UTC); by default they always are.
    promise : bool
        Whether to say what the week will be worth. It decides nothing, but where that cannot be
        learned: then chance decides.
    """
    told = as_of if learned_until is None else learned_until
    worth, promised, trial = _worth(shop, as_of, promotions, seed, kept, told, promise)
    rules = read_operations(shop.settings).contact
    measured = known_terms(worth, rules) if worth is not None and worth.rows is not None else []
    customers = pd.Index(np.sort(contactable))
    by_chance = partial(_by_chance, shop, as_of, promotions, customers, explore, holdout, seed)
    if worth is None or not measured:
        return by_chance(trial)
    # Money for those whom the plan cannot contact would be left over.
    scores = _no_scores(customers, measured)
    able = week_candidates(shop, scores, as_of, measured, measured=measured)
    open_to = able.open_to(measured) & known_of(worth, able.customers, measured)
    if not open_to.any():
        return by_chance(trial)
    found, pays = spend_budget(
        worth, able.customers, measured, open_to,
        budget=budget, sent=1 - holdout, explore=explore, seed=seed, least=0.0, policy=policy,
    )  # fmt: skip
    decisions, chances = _planned(shop, as_of, able.customers, found, holdout, seed)
    explored = 0.0 if found.drawn is None else found.drawn.share
    sent = decisions[decisions["action"] != NONE]
    columns = pd.Index(worth.promotions).get_indexer(pd.Index(sent["action"].astype(str)))
    foreseen = float(worth.amounts.cost[worth.places(sent["customer_id"]), columns].sum())
    return Decided(decisions, chances, bool(pays), foreseen, explored, promised, trial)


def _worth(
    shop: Shop,
    as_of: datetime,
    promotions: list[str],
    seed: int,
    kept: Experiment | None,
    told: datetime,
    promise: bool,
) -> tuple[Worth | None, Worth | None, Experiment | None]:
    """Return what each promotion is worth to a plan, and is promised to be, where that is known.

    A plan chooses between kinds, depths and customers, and goes by margins before discounts, which
    tell them apart. What a week will show is promised by whole margins, as they were.
    """
    trial = kept
    try:
        trial = decisions_experiment(shop, by="kind", early=True, as_of=told, kept=kept)
        whole = most_telling(trial)
        plain, later = (UpliftModel("dr", LEARNER, seed=seed) for _ in range(2))
        plain.fit(undiscounted(whole))
        # Side by side: nearly all of it is linear algebra.
        with single_threaded(), ThreadPoolExecutor(1) as pool:
            if promise:
                other = pool.submit(lambda: later.fit(whole, like=plain).effects_by_others_)
            before = scored_log(plain)
            if promise:
                other.result()
    except (TooLittleError, Refused):
        return None, None, trial
    worth = week_worth(shop, as_of, plain, before, promotions)
    if worth is None:
        return None, None, trial
    if not promise:
        return charged(shop, worth, as_of), None, trial
    after = scored_log(later, before)
    promised = week_worth(shop, as_of, later, after, promotions, like=worth)
    return charged(shop, worth, as_of), promised, trial


def charged(shop: Shop, worth: Worth, as_of: datetime) -> Worth:
    """Return the worth of effects before discounts, with what promises say that each takes off.

    What is taken off beside promotions that run already follows from orders as they were counted.
    By costs that follow from effects, whoever is chosen looks cheaper than they are: of effects
    chance makes a large part. What promotions that begin later take off is charged to their weeks.

    Parameters
    ----------
    shop : Shop
        As known when the week begins.
    worth : Worth
        Of a model of `promolab.campaign.worth.undiscounted` decisions.
    as_of : datetime
        Then (UTC).
    """
    amounts = worth.amounts
    offers, who = amounts.promotions, np.arange(len(amounts.customers))
    low, end = min(one.starts_at for one in offers), max(one.ends_at for one in offers)
    span = Span(min(as_of, low), low, end, end + HORIZON)
    beside = noise_of(shop, amounts.customers, span, as_of).usual
    held = held_by(shop, amounts.customers, as_of, offers)
    each = [
        taken_off_each(amounts, who, np.full(len(who), j), beside, held, added=more, after=False)
        for j, more in enumerate(added_orders(amounts).T)
    ]
    off = np.column_stack(each)
    cost = off + np.array([one.contact_cost for one in offers])
    funded = np.array([one.funder_share for one in offers])
    discount = np.divide(off, 1 - funded, out=amounts.discount.copy(), where=funded < 1)
    amounts = replace(amounts, cost=cost, discount=discount, value=amounts.given["moved"] - cost)
    return replace(worth, amounts=amounts, before=True)


def added_orders(amounts: PromotionValues) -> np.ndarray:
    """Return how many orders each promotion adds in its window, shape (n, P).

    As many together as past windows counted; whose they are, and of which promotion, follows from
    the effects before discounts: who seldom orders may well be moved to.
    """
    frame = amounts.orders.frame
    rate, lift, margin = (frame[c].to_numpy(float) for c in ("orders_a_day", "lift", "margin_rate"))
    days = np.array([one.days for one in amounts.promotions])
    counted = (np.maximum(lift, 0.0) * rate)[:, None] * days
    worth = margin * amounts.orders.mean_value
    moved = np.maximum(amounts.given["moved"], 0.0) / np.maximum(worth, 1e-9)[:, None]
    return np.asarray(moved * (counted.sum() / moved.sum() if moved.any() else 0.0))


def _by_chance(
    shop: Shop,
    as_of: datetime,
    promotions: list[str],
    customers: pd.Index,
    explore: float,
    holdout: float,
    seed: int,
    trial: Experiment | None,
) -> Decided:
    """Draw a share of the customers evenly, and let the others be: what teaches most."""
    cost = np.full((len(customers), len(promotions)), CONTACT)
    found = allocate(
        np.zeros_like(cost), cost, customers=customers, promotions=promotions,
        explore=explore or None, p_min=0.0, pays=False, seed=seed,
    )  # fmt: skip
    decisions, chances = _planned(shop, as_of, customers, found, holdout, seed)
    spent = CONTACT * int((decisions["action"] != NONE).sum())
    return Decided(decisions, chances, False, spent, explore, trial=trial)


def _planned(
    shop: Shop,
    as_of: datetime,
    customers: pd.Index,
    found: Allocation,
    holdout: float,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the decisions of the week's plan, holdouts drawn, and all their propensities."""
    chances = found.chances()
    actions = sorted(set(chances["action"]) - {NONE})  # others would be ranked by response
    if actions:
        plan = plan_week(
            shop, _no_scores(customers, actions), as_of, actions, allocation=chances,
            holdout=holdout, standing_holdout=0.0, seed=seed,
        )  # fmt: skip
        return plan.decisions, plan.propensities
    nobody = pd.DataFrame(
        {
            "decision_id": [f"{as_of:%Y%m%dT%H%M%S}-{each}" for each in customers],
            "customer_id": customers,
            "ts": pd.Timestamp(as_of).as_unit("us"),
            "action": NONE,
            "propensity": 1.0,
            "planned_action": NONE,
            "holdout": "none",
        }
    )
    return nobody, nobody[["decision_id", "action", "propensity"]].copy()


def _no_scores(customers: pd.Index, promotions: list[str]) -> pd.DataFrame:
    """Return the pairs of a plan that goes by effects: chances of a response are not asked for."""
    n, k = len(customers), len(promotions)
    return pd.DataFrame(
        {
            "customer_id": np.repeat(customers.to_numpy(), k),
            "promotion_id": np.tile(np.array(promotions, dtype=object), n),
            "p_redeemed": 0.0,
        }
    )
