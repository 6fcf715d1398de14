"""What an assignment changes: expected orders, sales and margin with a promotion and without."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.simulated.discounts import order_money
from promolab.simulated.people import Customers
from promolab.simulated.world import AFTER, KINDS, NONE, Promotion, World, strength

ADDED = {
    "recommendation": 0.7,
    "limited_time_discount": 1.15,
    "full_reduction": 1.0,
    "coupon": 1.25,
}
"""f: how many orders a kind adds, against the average promotion."""
REGULARS = {
    "recommendation": 0.8,
    "limited_time_discount": 1.0,
    "full_reduction": 1.15,
    "coupon": 1.4,
}
"""How much more a kind adds to customers who order often, against World.more_for_regulars."""
MEMORY = 0.75
"""φ's contacts: one of a week ago counts as this many, one of two weeks ago as its square …"""
FIRST_WEEK = 0.6
"""Share of what a promotion adds that comes in the first of its two weeks."""
OWN_LUCK = 0.15
"""Spread (of the logarithm) of what promotions of the same terms add."""


def tired(world: World, action: np.ndarray) -> np.ndarray:
    """Return c, the contacts before each round, shape (n, rounds).

    Where rounds overlap all are remembered, ever less; else those of the two rounds before count.
    """
    sent, found = action != NONE, np.zeros(action.shape)
    for number in range(1, action.shape[1]):
        if world.overlaps:
            before = found[:, number - 1] + sent[:, number - 1]
            found[:, number] = MEMORY**world.every * before
        else:
            found[:, number] = sent[:, max(number - 2, 0) : number].sum(axis=1)
    return found


@functools.lru_cache(maxsize=8)
def luck(world: World) -> np.ndarray:
    """Return u of every promotion: what it adds against another one of the same terms."""
    rng = np.random.default_rng([world.seed, 9])
    drawn = rng.normal(0, OWN_LUCK, len(world.promotions))
    return np.asarray(np.exp(drawn - OWN_LUCK**2 / 2))


def usual_orders(world: World, customers: Customers) -> np.ndarray:
    """Return by how many orders usual terms move each customer by kind, shape (n, kinds)."""
    rho, sigma = world.visible, world.spread_of_effects
    z = np.sqrt(rho) * customers.visible + np.sqrt(1 - rho) * customers.hidden
    gamma = world.more_for_regulars * np.array([REGULARS[kind] for kind in KINDS])
    size = world.effect_scale * world.added_orders * np.array([ADDED[kind] for kind in KINDS])
    of_rate = (customers.rate[:, None] / world.orders_a_week) ** gamma
    found = size * of_rate * np.exp(sigma * z - sigma**2 / 2)
    return np.where(customers.settled[:, None], 0.0, found)


def weekly_rates(
    world: World,
    customers: Customers,
    action: np.ndarray,
    promotions: Sequence[Promotion],
    factors: np.ndarray,
    weeks: range,
    *,
    lucky: bool = True,
) -> np.ndarray:
    """Return expected orders of some weeks given all that was assigned, shape (n, weeks).

    Parameters
    ----------
    action : ndarray of int, shape (n, rounds)
        What each customer gets in each round: a place in the round, or `NONE`.
    promotions : sequence of Promotion
        Of all rounds, a round's behind one another.
    factors : ndarray
        Season and shock of every week.
    weeks : range
        Which weeks.
    lucky : bool
        Whether each promotion of the variant ``weekly`` has its own luck; without, it adds what its
        terms do on average.
    """
    base = usual_orders(world, customers)
    contacts = tired(world, action)
    kind = np.array([KINDS.index(p.kind) for p in promotions])
    size, within = np.ones(len(promotions)), [1.0]  # in one week, on the kind's own terms
    if world.overlaps:
        size = np.array([strength(p.kind, p.terms) for p in promotions])
        size, within = size * luck(world) if lucky else size, [FIRST_WEEK, 1 - FIRST_WEEK]
    starts = np.array([p.week for p in promotions])[:: world.per_round]
    later = np.full(AFTER, -world.pulled_forward / AFTER)
    course = np.concatenate([within, later])
    harm = -world.effect_scale * world.put_off_by * customers.rate[:, None]
    rates = customers.rate[:, None] * factors[None, weeks.start : weeks.stop]
    for number in range(action.shape[1]):
        first = int(starts[number]) - weeks.start
        low, high = max(first, 0), min(first + len(course), len(weeks))
        who = np.nonzero(action[:, number] != NONE)[0] if low < high else ()
        if len(who) == 0:
            continue
        place = number * world.per_round + action[who, number]
        added = base[who, kind[place]] * size[place]
        added *= np.exp(-world.fatigue * contacts[who, number])
        change = added[:, None] * course[low - first : high - first]
        rates[who, low:high] += np.where(customers.averse[who, None], harm[who], change)
    return np.asarray(np.maximum(rates, 0.0))  # nobody can buy less often than never


def running(world: World, action: np.ndarray, weeks: range) -> np.ndarray:
    """Return which promotions run for whom in each week, shape (n, weeks, window).

    Positions in the world's promotions, or `NONE`; the one that began in the week itself first.
    """
    found = np.full((len(action), len(weeks), world.window), NONE)
    for number in range(action.shape[1]):
        mine = action[:, number]
        place = np.where(mine == NONE, NONE, number * world.per_round + mine)
        for age in range(world.window):
            at = world.rounds[0] + number * world.every + age - weeks.start
            if 0 <= at < len(weeks):
                found[:, at, age] = place
    return found


@dataclass(frozen=True)
class Course:
    """What each week from a round's start to the end of its horizon brings, shape (n, weeks) each.

    Parameters
    ----------
    rates : ndarray
        Expected orders.
    basket, discount : ndarray
        Of one of them.
    """

    rates: np.ndarray
    basket: np.ndarray
    discount: np.ndarray

    def outcomes(self, world: World, customers: Customers, ending: str) -> dict[str, np.ndarray]:
        """Return purchase, orders, sales, margin, and the discount in the window."""
        orders, paid = self.rates.sum(axis=1), self.basket - self.discount
        margin = self.basket * customers.margin_rate[:, None] - self.discount
        window = slice(0, world.window)
        return {
            f"purchase_{ending}": -np.expm1(-orders),
            f"orders_{ending}": orders,
            f"sales_{ending}": (self.rates * paid).sum(axis=1),
            f"margin_{ending}": (self.rates * margin).sum(axis=1),
            f"discount_{ending}": (self.rates * self.discount)[:, window].sum(axis=1),
        }


def course(
    world: World,
    customers: Customers,
    action: np.ndarray,
    number: int,
    own: int | np.ndarray = NONE,
    *,
    promotions: Sequence[Promotion],
    without: Course | None = None,
    lucky: bool = True,
) -> Course:
    """Work out the course of a round when all get the same in it, and else what the log assigned.

    Parameters
    ----------
    action : ndarray of int, shape (n, rounds)
        The log: a place in each round, or `NONE`.
    number, own : int
        The round (that after the last of the log is the one of the last week), and the place in it
        that all get instead, or each.
    promotions : sequence of Promotion
        All of the world's.
    without : Course, optional
        The course with none, known already: after the window an order is as it is there.
    lucky : bool
        As in `weekly_rates`; without, each week is as busy as the others, too.
    """
    taken = np.column_stack([action, np.full(len(action), NONE)])
    taken[:, number] = own
    first = world.rounds[0] + number * world.every
    weeks = range(first, first + world.window + AFTER)
    factors = world.week_factors() if lucky else np.ones(world.lasts)
    rates = weekly_rates(world, customers, taken, promotions, factors, weeks, lucky=lucky)
    live = running(world, taken, weeks[: len(weeks) if without is None else world.window])
    money = [order_money(world, customers, now, promotions) for now in live.transpose(1, 0, 2)]
    basket, discount = (np.column_stack(columns) for columns in zip(*money, strict=True))
    if without is not None:
        basket = np.column_stack([basket, without.basket[:, world.window :]])
        discount = np.column_stack([discount, without.discount[:, world.window :]])
    return Course(rates, basket, discount)


def outcomes_of(
    world: World,
    customers: Customers,
    action: np.ndarray,
    number: int,
    own: int | np.ndarray,
    *,
    promotions: Sequence[Promotion] = (),
    without: Course | None = None,
    lucky: bool = True,
) -> dict[str, np.ndarray]:
    """Return what is expected of customers with a promotion of a round and without.

    From the window's start to the end of the horizon.

    Parameters
    ----------
    world, customers, action, number, own, without, lucky
        As in `course`.
    promotions : sequence of Promotion, optional
        By default the world's.

    Returns
    -------
    dict of ndarray of shape (n,)
        purchase (the chance of an order at all), orders, sales (money taken in) and margin,
        ``_without`` and ``_with``, and the discount in the window. Contact costs are not in: they
        belong to the decision.
    """
    given: Any = {"promotions": promotions or world.promotions, "lucky": lucky}
    without = without or course(world, customers, action, number, **given)
    with_ = course(world, customers, action, number, own, without=without, **given)
    return without.outcomes(world, customers, "without") | with_.outcomes(world, customers, "with")
