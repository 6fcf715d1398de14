"""What is drawn has the expectation that the truth states."""

import numpy as np
import pytest

from promolab.simulated.orders import NONE, Decisions, draw_orders
from promolab.simulated.people import draw_customers, draw_goods
from promolab.simulated.tables import CHUNK
from promolab.simulated.truth import Truth
from promolab.simulated.world import AFTER, KINDS, MARGIN_RATES, World

WEEK = 86_400 * 7
MOST = 3.7
"""Standard errors: of some 100 comparisons one in 50 runs exceeds it by chance; seeds are fixed."""


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_everybody_assigned_the_same(kind):
    world = World(customers=CHUNK, weeks=11, seed=7)
    customers, goods = draw_customers(world, 0, CHUNK), draw_goods(world)
    action = np.full((CHUNK, len(world.rounds)), KINDS.index(kind) if kind else NONE)
    chances = np.empty((*action.shape, len(KINDS)))
    decisions = Decisions(np.ones(CHUNK, bool), action, action, chances)
    orders = draw_orders(world, customers, goods, decisions, world.week_factors())
    # What each customer did from the window's start to the end of the horizon.
    week = orders.second // WEEK - world.rounds[0]
    inside = (week >= 0) & (week <= AFTER)
    lines = inside[orders.line]
    off, paid = orders.discount[lines], orders.amount[lines]
    margin = (paid + off) * MARGIN_RATES[goods.category[orders.product[lines]]] - off
    placed = np.bincount(orders.owner[inside], minlength=CHUNK)
    found, owner = {"orders": placed, "purchase": placed > 0}, orders.owner[orders.line][lines]
    for name, money in (("sales", paid), ("margin", margin)):
        found[name] = np.bincount(owner, weights=money, minlength=CHUNK)
    groups = {
        "all": np.ones(CHUNK, bool),
        "averse": customers.averse,
        "settled": customers.settled,
        "regulars": customers.rate > np.quantile(customers.rate, 0.9),
        "bargain hunters": customers.sensitivity > 0.75,
        "large baskets": customers.basket > np.quantile(customers.basket, 0.8),
    }
    truth = Truth(world).effects(f"W06-{kind or 'coupon'}")
    for outcome, came in found.items():
        gap = came - truth[f"{outcome}_{'with' if kind else 'without'}"].to_numpy()
        for name, which in groups.items():
            z = gap[which].mean() / (gap[which].std() / np.sqrt(which.sum()))
            assert abs(z) < MOST, (outcome, name, z)
    if kind:  # the comparison is sharp
        error = found["margin"].std() / np.sqrt(CHUNK)
        assert truth["margin_effect"].mean() > 5 * error
