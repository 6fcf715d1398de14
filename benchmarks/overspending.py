"""How often a week costs more than its budget, where that was to happen in one week of ten."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.table import Row
from promolab.policy import allocate
from promolab.simulated import World
from promolab.simulated.depths import strength
from promolab.simulated.orders import NONE, Decisions, decide, draw_orders
from promolab.simulated.overlap import order_money, usual_orders
from promolab.simulated.people import Customers, draw_customers, draw_goods
from promolab.simulated.tables import CONTACT_COST
from promolab.simulated.world import KINDS
from promolab.stats import t_quantile

CUSTOMERS, WEEKS, LEARNING, LOOK_BACK = 10_000, 40, 10, 16
"""Of a shop; weeks that count, weeks before them, and weeks from which the spread is estimated."""
RISK, ALLOWED = 0.1, (0.05, 0.15)
SHARE = 0.3
"""The budget, as a share of what would be spent without one."""


@dataclass(frozen=True)
class Past:
    """What each promotion of the weeks before cost, beside what was expected of it.

    Parameters
    ----------
    expected, found, noise : ndarray of shape (weeks, P)
        Discounts expected, discounts given, and the squares of what single customers' lay off.
    """

    expected: np.ndarray
    found: np.ndarray
    noise: np.ndarray

    def level(self) -> float:
        """Return by what expectations are to be multiplied."""
        return float(self.found.sum() / self.expected.sum())

    def dispersion(self) -> float:
        """Return the variance of a customer's cost, in units of its expectation."""
        return float(self.noise.sum() / self.expected.sum())

    def covariance(self) -> np.ndarray:
        """Return what all customers' costs have in common: by week, and by promotion beside it."""
        expected = np.where(self.expected > 0, self.expected, np.nan)
        ratio, n = self.found / expected / self.level(), len(self.expected)
        part = np.nan_to_num(self.expected / self.expected.sum(axis=1, keepdims=True))
        chance = np.nan_to_num(self.dispersion() / expected) / self.level() ** 2
        ratio = np.nan_to_num(ratio)
        whole = (part * ratio).sum(axis=1)
        within = (part * (ratio - whole[:, None]) ** 2).sum(axis=1)
        within -= (part * (1 - part) * chance).sum(axis=1)
        own = max(float(within.sum() / (1 - (part**2).sum(axis=1)).sum()), 0.0)
        between = ((whole - whole.mean()) ** 2).sum() / (n - 1)
        shared = max(float(between - (part**2 * (own + chance)).sum(axis=1).mean()), 0.0)
        # The spread is known from few weeks, and so is the level.
        few = (t_quantile(1 - 2 * RISK, n - 1) / t_quantile(1 - 2 * RISK, np.inf)) ** 2
        size = expected.shape[1]
        return np.asarray((1 + 1 / n) * few * (shared + own * np.eye(size)))


def weeks_of(seed: int, weeks: int = WEEKS, customers: int = CUSTOMERS) -> np.ndarray:
    """Plan a shop's weeks one after the other; return cost / budget of those where it binds.

    Each week's promotions go to those on whom the budget earns most. What they cost is expected
    from customers' own rates and baskets and the season, corrected by what the weeks before cost;
    a shock of the week, a promotion's own luck, fatigue and what runs beside it are not foreseen.
    """
    world = World(
        customers=customers,
        weeks=weeks + LEARNING + 8,
        seed=seed,
        variant="weekly",
        exploration=1.0,
    )
    people, goods = draw_customers(world, 0, customers), draw_goods(world)
    free = decide(world, people).eligible & ~people.standing
    action = np.full((customers, len(world.rounds)), NONE)
    log = Decisions(free, action, action, np.empty(0))
    factors = world.week_factors()
    size, promised = world.per_round, []
    found, noise = np.zeros((2, len(world.rounds), size))
    told = np.zeros((len(world.rounds), size))
    each = np.zeros((customers, len(world.rounds)))
    budget, ratios, binds = 0.0, [], []
    for number in range(LEARNING + weeks + 1):
        discount, worth = _expected(world, people, number)
        past = slice(max(number - LOOK_BACK - 1, 0), number - 1)
        if number > 4:
            known = Past(told[past], found[past], noise[past])
            level, spread = known.level(), known.covariance()
            own = np.sqrt(known.dispersion() * discount)
        else:
            level, spread, own = 1.0, 0.1**2 * np.ones((size, size)), np.sqrt(10 * discount)
        cost = level * discount + CONTACT_COST
        may = np.repeat(free[:, None], size, axis=1)
        if not budget:
            budget = SHARE * allocate(worth - cost, cost, eligible=may).spend
        chosen = allocate(
            worth - cost,
            cost,
            budget=budget,
            eligible=may,
            cost_se=own,
            cost_spread=spread,
            budget_risk=RISK,
        )
        action[:, number] = chosen.choice
        promised.append(chosen)
        told[number] = _by_promotion(chosen.choice, discount, size)
        each[:, number] = -_of(chosen.choice, discount)
        week = world.rounds[number]
        orders = draw_orders(world, people, goods, log, factors, week)
        owner = orders.owner[orders.line]
        for age in range(min(world.window, number + 1)):
            place = orders.promotion[orders.line, age]
            mine = place != NONE
            found[number - age] += np.bincount(
                place[mine] % size, weights=orders.off[mine, age], minlength=size
            )
            each[:, number - age] += np.bincount(
                owner, weights=orders.off[:, age], minlength=customers
            )
        if number:
            done = number - 1
            got = action[:, done]
            noise[done] = np.bincount(
                got[got >= 0], weights=each[got >= 0, done] ** 2, minlength=size
            )
            spent = found[done].sum() + CONTACT_COST * (got >= 0).sum()
            ratios.append(spent / budget)
            binds.append(float(promised[done].profit_at(1.1 * budget)) > promised[done].value)
    counted = np.array(ratios)[LEARNING:]
    return np.asarray(counted[np.array(binds)[LEARNING:]])


def _expected(world: World, people: Customers, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return discounts and what is earned before them that a shop expects, shape (n, P) each."""
    calm = dataclasses.replace(world, shock=0.0).week_factors()
    week = world.rounds[number]
    orders = people.rate * calm[week : week + world.window].sum()
    promotions = world.promotions[number * world.per_round : (number + 1) * world.per_round]
    added = usual_orders(world, people)
    discount, worth = np.zeros((2, len(people.rate), len(promotions)))
    for place, one in enumerate(promotions):
        live = np.tile([0, NONE], (len(people.rate), 1))
        _, off = order_money(world, people, live, [one])
        more = added[:, KINDS.index(one.kind)] * strength(one.kind, one.terms)
        discount[:, place] = (orders + more) * off
        worth[:, place] = (1 - world.pulled_forward) * more * people.basket * people.margin_rate
    return discount, worth


def _of(choice: np.ndarray, cost: np.ndarray) -> np.ndarray:
    mine = np.take_along_axis(cost, np.maximum(choice, 0)[:, None].astype(np.intp), axis=1)[:, 0]
    return np.where(choice >= 0, mine, 0.0)


def _by_promotion(choice: np.ndarray, cost: np.ndarray, size: int) -> np.ndarray:
    got = choice >= 0
    sums = np.bincount(choice[got], weights=_of(choice, cost)[got], minlength=size)
    return np.asarray(sums)


def overspending(seeds: int = 5, weeks: int = WEEKS, customers: int = CUSTOMERS) -> Iterator[Row]:
    """Yield how often a week costs more than its budget.

    Parameters
    ----------
    seeds, weeks, customers : int
        Shops, weeks and customers of each.
    """
    found = np.concatenate([weeks_of(seed, weeks, customers) for seed in range(seeds)])
    over = float((found > 1).mean())
    low, high = ALLOWED
    yield Row(
        f"weeks over budget at budget_risk={RISK:g}, spread estimated each week, {seeds} shops",
        f"{low:.0%} to {high:.0%}",
        f"{over:.1%} of {len(found)} weeks in which the budget binds; spent {found.mean():.1%} "
        "of it in the mean",
        low <= over <= high,
    )
