"""Who was assigned what: a logging policy that mixes targeting and exploration, and holdouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.simulated.people import Customers
from promolab.simulated.world import KINDS, World

__all__ = ["NONE", "Decisions", "decide", "recent_contacts"]

NONE = -1
"""Code of the action `none`; the others are numbered like the kinds of the world."""
HELD_BACK = 0.1
"""Share of those planned for a promotion who are held back: its holdout."""


@dataclass(frozen=True)
class Decisions:
    """The decisions of a chunk of customers, a column per round.

    Parameters
    ----------
    eligible : ndarray of bool, shape (n,)
        Who may be contacted; the others have no decision.
    planned, action : ndarray of int, shape (n, rounds)
        What was planned and what was done: a place among the world's kinds, or `NONE`.
    propensities : ndarray, shape (n, rounds, kinds + 1)
        Chance of each kind, and last of none.
    """

    eligible: np.ndarray
    planned: np.ndarray
    action: np.ndarray
    propensities: np.ndarray


def decide(world: World, customers: Customers) -> Decisions:
    """Draw the decisions of every round.

    With the world's ``exploration`` as ε and K kinds, a decision is drawn evenly from all K + 1
    actions with chance ε, else it is what a planner would do: good customers get the kind that they
    seem to answer, the others nothing. A tenth of those planned for a promotion are held back.
    """
    n, kinds, rounds = len(customers.number), len(world.kinds), len(world.rounds)
    rng = np.random.default_rng([world.seed, 3, int(customers.number[0])])
    eligible = rng.uniform(size=n) < 0.92
    plan = np.empty((n, rounds, kinds + 1))
    for number in range(rounds):
        target = _planner(world, customers, rng)
        plan[:, number] = world.exploration / (kinds + 1)
        plan[np.arange(n), number, target] += 1 - world.exploration
    drawn = (rng.uniform(size=(n, rounds, 1)) > np.cumsum(plan, axis=2)).sum(axis=2)
    planned = np.where(np.minimum(drawn, kinds) == kinds, NONE, drawn)
    planned[~eligible] = NONE
    held = (rng.uniform(size=(n, rounds)) < HELD_BACK) | customers.standing[:, None]
    propensities = plan * (1 - HELD_BACK)
    propensities[:, :, -1] = 1 - propensities[:, :, :-1].sum(axis=2)
    propensities[customers.standing] = np.eye(kinds + 1)[-1]
    return Decisions(eligible, planned, np.where(held, NONE, planned), propensities)


def _planner(world: World, customers: Customers, rng: np.random.Generator) -> np.ndarray:
    """Return what a planner would do: a place among the kinds, or their number for none."""
    n, kinds = len(customers.number), len(world.kinds)
    worth = np.log(customers.rate * customers.basket) + rng.normal(0, 0.7, n)
    places = [KINDS.index(kind) for kind in world.kinds]
    liked = customers.visible[:, places] + rng.normal(0, 1.0, (n, kinds))
    good = worth > np.log(world.orders_a_week * world.basket) - 0.5
    return np.where(good, liked.argmax(axis=1), kinds)


def recent_contacts(world: World, action: np.ndarray, number: int) -> np.ndarray:
    """Return how often each customer was contacted in the two rounds before a round."""
    return (action[:, max(number - 2, 0) : number] != NONE).sum(axis=1)
