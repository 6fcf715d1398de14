"""What is asked of a rehearsal, and who gets what this week by each policy that is rehearsed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.adaptive import GREEDY, TS, UCB
from promolab.checks import real_number, seed_of, share, whole_number
from promolab.errors import InputError, nearest
from promolab.loop.rehearsal.learned_policy import Decided, learned_week
from promolab.policy import allocate
from promolab.simulated import World
from promolab.weeks import Week

if TYPE_CHECKING:
    from datetime import datetime

    from promolab.contract import Experiment, Shop
    from promolab.simulated import GoingShop, OracleValues

LEARNED, RESPONSE, RANDOM, EVERYONE, NOBODY = "learned", "response", "random", "everyone", "nobody"
FREEZE = "freeze"
LEARNING = (LEARNED, GREEDY, UCB, TS, FREEZE)
"""Policies that go by effects; the first two are one by two names, the last learns once."""
ORACLES = ("attainable", "latent")
POLICIES = (*LEARNING, RESPONSE, RANDOM, EVERYONE, NOBODY)
"""What may decide; both oracles are there beside them."""
LOGGED = 26
"""Weeks that are over when the loop begins."""
A_CUSTOMER = 0.5
"""Default budget of a week, in the shop's currency for each customer."""
MOST_WEEKS = 200


@dataclass(frozen=True)
class RehearsalSettings:
    """What a rehearsal is asked for; `RehearsalSettings.of` checks it.

    Parameters
    ----------
    weeks, customers, seed : int
    policies : tuple of str
    budget : float
        Of every week, in the shop's currency.
    variant : str
    explore, holdout : float
        Shares of the learned policy's customers whose promotion chance draws, and of its planned
        contacts that are held back.
    """

    weeks: int
    customers: int
    policies: tuple[str, ...]
    budget: float
    variant: str
    seed: int
    explore: float
    holdout: float

    @classmethod
    def of(cls, **given: Any) -> RehearsalSettings:
        """Check what a rehearsal is asked for: all that `promolab.loop.rehearse` takes of it.

        Raises
        ------
        InputError
            It cannot be: the argument, what was given, and what is expected.
        """
        many, budget = whole_number("customers", given["customers"], 200), given["budget"]
        each = A_CUSTOMER * many if budget is None else real_number("budget", budget, least=0)
        if not math.isfinite(each):
            raise InputError(f"budget is {each}; expected money for each week, such as 5000")
        found = cls(
            weeks=whole_number("weeks", given["weeks"], 1, MOST_WEEKS),
            customers=many,
            policies=_policies(given["policy"]),
            budget=float(each),
            variant=str(given["variant"]),
            seed=seed_of(given["seed"]),
            explore=share("exploration", given["exploration"], one=False),
            holdout=share("holdout", given["holdout"], zero=False, one=False),
        )
        if found.world.variant == "hard":
            raise InputError(
                "the loop runs in the variants weekly, default and null, not in 'hard'"
            )
        return found

    @property
    def run(self) -> tuple[str, ...]:
        """The policies whose worlds are drawn, the oracles last; nobody adds nothing anywhere."""
        return (*(one for one in self.policies if one != NOBODY), *ORACLES)

    @property
    def world(self) -> World:
        """The world they all live in."""
        many, seed = self.customers, self.seed
        return World(customers=many, weeks=LOGGED, seed=seed, variant=self.variant)


def _policies(policies: Any) -> tuple[str, ...]:
    """Return the policies named, each once."""
    named = policies.split(",") if isinstance(policies, str) else list(policies)
    found = tuple(dict.fromkeys(str(one).strip() for one in named if str(one).strip()))
    for one in found:
        if one not in POLICIES:
            raise InputError(f"there is no policy {one!r}; {nearest(one, POLICIES)}")
    if {LEARNED, GREEDY} <= set(found):
        found = tuple(one for one in found if one != GREEDY)
    if not found:
        raise InputError(f"no policy is named; expected some of {', '.join(POLICIES)}")
    return found


LATEST = 20_000
"""Past contacts, the newest first, that a response model learns from."""


def decide(
    policy: str,
    going: GoingShop,
    asked: RehearsalSettings,
    kept: Experiment | None,
) -> Decided:
    """Return a policy's decisions for the week that begins.

    Parameters
    ----------
    policy : str
        One of `promolab.loop.rehearsal.policies.POLICIES`, or an oracle.
    going : GoingShop
        The policy's own world.
    asked : RehearsalSettings
    kept : Experiment or None
        Past decisions as the learned policy left them the week before.
    """
    if policy in LEARNING:
        shop = going.shop()
        now = begins(going, shop)
        first = now - timedelta(weeks=going.week - going.first) + timedelta(hours=2)  # summer time
        return learned_week(
            shop, now, list(going.options), going.contactable,
            budget=asked.budget, explore=asked.explore, holdout=asked.holdout,
            seed=1_000 * asked.seed + going.week, kept=kept,
            policy=policy if policy in (UCB, TS) else GREEDY,
            learned_until=Week.containing(first, shop.zone).start(shop.zone)
            if policy == FREEZE
            else None,
            promise=policy in (LEARNED, GREEDY),
        )  # fmt: skip
    rng, truth = np.random.default_rng([asked.seed, going.week, 3]), going.latent_values()
    n, k = truth.cost.shape  # policies other than oracles read costs alone
    if policy == "latent":
        choice = np.asarray(allocate(truth.value, truth.cost, budget=asked.budget).choice)
    elif policy == "attainable":
        seen = going.attainable_values()
        choice = np.asarray(allocate(seen.value, truth.cost, budget=asked.budget).choice)
    elif policy == RESPONSE:
        shop = going.shop()
        chance = responses(shop, begins(going, shop), truth, asked.seed)
        likeliest = np.argsort(-chance.max(axis=1), kind="stable")
        choice = within(likeliest, chance.argmax(axis=1), truth.cost, asked.budget)
    else:
        order, cheapest = rng.permutation(n), int(truth.cost.mean(axis=0).argmin())
        option = np.full(n, cheapest) if policy == EVERYONE else np.asarray(rng.integers(0, k, n))
        choice = within(order, option, truth.cost, asked.budget)
    # Nothing of these was left to chance.
    places = np.full(going.world.customers, -1)
    places[truth.customers - 1] = choice
    got = np.flatnonzero(choice >= 0)
    spent = float(truth.cost[got, choice[got]].sum())
    return Decided(*going.decisions_of(places), bool(len(got)), spent, 0.0)


def begins(going: GoingShop, shop: Shop) -> datetime:
    """Return when the week to decide begins (UTC, without a zone)."""
    return Week.parse(going.iso_week).start(shop.zone)


def within(order: np.ndarray, option: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """Give customers their option one after another while the budget lasts.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        Who comes first.
    option : ndarray of int, shape (n,)
        What each gets.
    cost : ndarray of shape (n, P)
    budget : float

    Examples
    --------
    >>> cost = np.array([[2.0], [1.0], [1.0]])
    >>> within(np.array([2, 0, 1]), np.zeros(3, dtype=int), cost, 3.5).tolist()
    [0, -1, 0]
    """
    paid = np.cumsum(cost[order, option[order]])
    given = order[paid <= budget + 1e-9]
    choice = np.full(len(option), -1)
    choice[given] = option[given]
    return choice


def responses(shop: Shop, as_of: datetime, truth: OracleValues, seed: int) -> np.ndarray:
    """Return each customer's chance to respond to each promotion, shape (n, P).

    A logistic model of the newest `LATEST` contacts whose windows are over; 0 of whom it does not
    know.
    """
    from promolab.compare import pair_features
    from promolab.features import build_candidates, build_pairs
    from promolab.model import ResponseModel

    pairs = build_pairs(shop, as_of)
    pairs = pairs.filter(pairs.label_complete).order_by(
        pairs.as_of.desc(), "customer_id", "promotion_id"
    )
    past: pd.DataFrame = pairs.limit(LATEST).execute()
    chance = np.zeros(truth.cost.shape)
    if past["redeemed"].nunique() < 2:
        return chance
    model = ResponseModel("logistic", columns=pair_features(past), l2=100.0, seed=seed)
    model.fit(past, past["redeemed"].astype(int), known=True)
    rows = build_candidates(shop, as_of, list(truth.promotions)).execute()
    who = pd.Index(truth.customers).get_indexer(pd.Index(rows["customer_id"]))
    what = pd.Index(truth.promotions).get_indexer(pd.Index(rows["promotion_id"].astype(str)))
    known = (who >= 0) & (what >= 0)
    chance[who[known], what[known]] = model.predict_proba(rows)[known, 1]
    return chance
