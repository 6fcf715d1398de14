"""How often a week costs more than its budget, where that was to happen in one week of ten."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import Row, part, within
from promolab import promotions
from promolab.policy import allocate
from promolab.promotions.spending import spread_of_weeks
from promolab.results import Estimate
from promolab.simulated import World
from promolab.simulated.discounts import claims, order_money, topped_up
from promolab.simulated.effects import usual_orders
from promolab.simulated.orders import NONE, Decisions, decide, draw_orders
from promolab.simulated.people import Customers, draw_customers, draw_goods
from promolab.simulated.tables import CONTACT_COST
from promolab.simulated.world import KINDS, strength

CUSTOMERS, WEEKS, LEARNING, LINES = 10_000, 40, 10, 1.2
"""Of a shop; weeks that count, and weeks before them; an order's lines beyond the first."""
RISK = 0.1
SALE, SHARE = "limited_time_discount", 0.3
"""The budget, as a share of what would be spent without one."""


def weeks_of(seed: int, weeks: int = WEEKS, customers: int = CUSTOMERS) -> np.ndarray:
    """Plan a shop's weeks one after the other; return cost / budget of those where it binds.

    Each week's promotions go to those on whom the budget earns most. What they cost is expected
    from customers' own rates and baskets and the season; a shock of the week, a promotion's own
    luck, fatigue and what runs beside it are not foreseen. By how much costs may differ is
    estimated as the week's plan does it (`promolab.campaign.spending`): weeks by the orders of
    those in whose week no promotion runs, each customer by the orders that are expected.
    """
    lasts = weeks + LEARNING + 8
    world = World(customers=customers, weeks=lasts, seed=seed, variant="weekly", exploration=1.0)
    people, goods = draw_customers(world, 0, customers), draw_goods(world)
    free = decide(world, people).eligible & ~people.standing
    action = np.full((customers, len(world.rounds)), NONE)
    log = Decisions(free, action, action, np.empty(0))
    factors = world.week_factors()
    size, promised = world.per_round, []
    found, quiet, others = np.zeros((3, len(world.rounds)))
    budget, ratios, binds = 0.0, [], []
    for number in range(LEARNING + weeks + 1):
        values = _values(world, people, number, spread_of_weeks(quiet[:number], others[:number]))
        may = np.repeat(free[:, None], size, axis=1)
        if not budget:
            budget = SHARE * allocate(values.value, values.cost, eligible=may).spend
        spread = np.outer(values.cost_spread, values.cost_spread)
        luck = {"cost_se": values.cost_luck(), "cost_spread": spread, "budget_risk": RISK}
        chosen = allocate(values.value, values.cost, budget=budget, eligible=may, **luck)
        action[:, number] = chosen.choice
        promised.append(chosen)
        week = world.rounds[number]
        orders = draw_orders(world, people, goods, log, factors, week)
        quiet[number] = (orders.promotion == NONE).all(axis=1).sum()
        live = action[:, max(number + 1 - world.window, 0) : number + 1]
        others[number] = (live == NONE).all(axis=1).sum()
        for age in range(min(world.window, number + 1)):
            found[number - age] += orders.off[:, age].sum()
        if number:
            done = number - 1
            spent = found[done] + CONTACT_COST * (action[:, done] >= 0).sum()
            ratios.append(spent / budget)
            binds.append(float(promised[done].profit_at(1.1 * budget)) > promised[done].value)
    counted = np.array(ratios)[LEARNING:]
    return np.asarray(counted[np.array(binds)[LEARNING:]])


def _values(world: World, people: Customers, number: int, week_spread: float) -> Any:
    """Return what a round's promotions are worth and cost to a shop that knows its customers.

    It knows rates, baskets and the season; not the week's shock, nor what promotions run beside.
    """
    calm = dataclasses.replace(world, shock=0.0).week_factors()
    week = world.rounds[number]
    begin = datetime(2024, 1, 1) + timedelta(weeks=week)
    when = {"starts_at": begin, "ends_at": begin + timedelta(weeks=world.window)}
    of_round = world.promotions[number * world.per_round : (number + 1) * world.per_round]
    offers = [offer_of(one, when) for one in of_round]
    n, added = len(people.rate), usual_orders(world, people)
    shares = np.column_stack(
        [people.interest[:, p.category] if p.kind == SALE else np.ones(n) for p in of_round]
    )
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "orders_a_day": people.rate * calm[week : week + world.window].mean() / 7,
            "log_mean": np.log(people.basket) - world.noise_of_baskets**2 / 2,
            "log_sd": world.noise_of_baskets,
            "margin_rate": people.margin_rate,
            "coupon_use": claims(people),
        }
    ).assign(orders_error=0.0, log_error=0.0, returned=0.0)
    touching = 1 - (1 - shares) * np.exp(-LINES * shares)
    top_up = Estimate(float(topped_up(world, people).mean()))
    names = tuple(one.id for one in of_round)
    orders = promotions.OrderValues(begin, frame, names, shares, touching, top_up, week_spread)
    effect = np.empty((n, len(offers)))
    for place, one in enumerate(of_round):
        live = np.tile([0, NONE], (n, 1))
        _, off = order_money(world, people, live, [one])
        more = added[:, KINDS.index(one.kind)] * strength(one.kind, one.terms)
        gained = (1 - world.pulled_forward) * more * people.basket * people.margin_rate
        effect[:, place] = gained - (frame["orders_a_day"] * 7 * world.window + more) * off
    return promotions.promotion_values(
        offers, orders, effect, np.zeros_like(effect), pulled_forward=world.pulled_forward
    )


def offer_of(one: Any, when: dict[str, datetime]) -> promotions.Promotion:
    """Return a promotion of the world as a shop states it."""
    given: dict[str, Any] = {"promotion_id": one.id, "contact_cost": CONTACT_COST, **when}
    terms = one.terms
    if one.kind == "full_reduction":
        given |= {"threshold": terms.threshold, "reduction": terms.reduction}
        return promotions.FullReduction(**given)
    if one.kind == "coupon":
        return promotions.Coupon(rate=terms.discount_rate, minimum=terms.threshold, **given)
    if one.kind == SALE:
        return promotions.LimitedTimeDiscount(rate=terms.discount_rate, **given)
    return promotions.Recommendation(**given)


@part("policy", "weeks over budget", quick={"seeds": 2, "customers": 3_000})
def overspending(seeds: int = 5, weeks: int = WEEKS, customers: int = CUSTOMERS) -> Row:
    """Return how often a week costs more than its budget.

    Parameters
    ----------
    seeds, weeks, customers : int
        Shops, weeks and customers of each.
    """
    found = np.concatenate([weeks_of(seed, weeks, customers) for seed in range(seeds)])
    what = f"weeks over budget at budget_risk={RISK:g}, spread estimated each week, {seeds} shops"
    told = f"of {len(found)} weeks in which it binds; spent {found.mean():.1%} of it in the mean"
    return within(what, float((found > 1).mean()), 0.05, 0.15, "%", told)
