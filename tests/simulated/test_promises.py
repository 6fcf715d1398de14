"""What the simulated shop promises: no easy world, and draws as its truth expects them."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.simulated import facts
from promolab.simulated.orders import NONE, Decisions, draw_orders
from promolab.simulated.people import draw_customers, draw_goods
from promolab.simulated.tables import CHUNK
from promolab.simulated.truth import Truth
from promolab.simulated.world import AFTER, KINDS, MARGIN_RATES, World
from tests.draws import draws

WEEK = 86_400 * 7
MOST = 3.7
"""Standard errors: of some 100 comparisons one in 50 runs exceeds it by chance; seeds are fixed."""
SEEDS = range(draws(1, most=3))
CUSTOMERS, WEEKS = 4_000, 12

PROMISED = {
    "buyers_low": (0.05, 0.15),  # five to fifteen percent of customers buy in a week
    "buyers_high": (0.05, 0.15),
    "mean": (0.05, 0.15),  # effects are small
    "spread": (0.5, 1.5),  # and vary
    "rank": (0.05, 0.2),  # the best customers are not the most persuadable
    "harmed": (0.05, 0.1),  # contact harms some
    "explained": (0.4, 0.6),  # features explain about half of the effects
    "cv": (3, 5),  # money is heavy-tailed
}


def test_the_world_is_as_it_promises_and_hard_effects_are_half_as_large():
    """By what `make bench` measures of shops at their full size, of smaller ones by fewer trees."""
    shops = [("default", seed) for seed in SEEDS] + [("hard", 0)]
    found = pd.DataFrame([facts(*shop, CUSTOMERS, WEEKS, quick=True) for shop in shops])
    default, hard = found.iloc[:-1], found.iloc[-1]
    outside = [name for name, ends in PROMISED.items() if not default[name].between(*ends).all()]
    assert not outside, default[outside].to_string()
    assert 0.13 < hard["explained"] < 0.27 and 0.4 < hard["mean"] / default["mean"][0] < 0.6


def test_in_the_null_world_nothing_has_an_effect():
    truth = Truth(World(customers=1_000, weeks=WEEKS, variant="null"))
    for promotion in truth.promotions:
        found = truth.effects(promotion)
        for outcome in ("purchase", "orders", "sales", "margin"):
            assert (found[f"{outcome}_effect"] == 0).all()
            assert (found[f"{outcome}_with"] == found[f"{outcome}_without"]).all()


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
