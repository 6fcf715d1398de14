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


def orders_if_all_get(world, customers, goods, action):
    """The orders of a world in which everybody is assigned the same."""
    n, kinds = len(customers.number), len(world.kinds)
    shape = (n, len(world.rounds))
    decisions = Decisions(
        np.ones(n, bool), np.full(shape, action), np.full(shape, action), np.empty((*shape, kinds))
    )
    return draw_orders(world, customers, goods, decisions, world.week_factors())


def outcomes(world, goods, orders):
    """What each customer did from the window's start to the end of the horizon."""
    n = CHUNK
    week = orders.second // WEEK
    start = world.rounds[0]
    inside = (week >= start) & (week <= start + AFTER)
    lines = inside[orders.line]
    owner = orders.owner[orders.line][lines]
    off, paid = orders.discount[lines], orders.amount[lines]
    margin = (paid + off) * MARGIN_RATES[goods.category[orders.product[lines]]] - off
    placed = np.bincount(orders.owner[inside], minlength=n)
    sums = {"sales": paid, "margin": margin}
    summed = {k: np.bincount(owner, weights=each, minlength=n) for k, each in sums.items()}
    return {"orders": placed, "purchase": placed > 0, **summed}


@pytest.fixture(scope="module")
def drawn():
    """A world where all get the same, once for each kind and once for none."""
    world = World(customers=CHUNK, weeks=11, seed=7)
    customers = draw_customers(world, 0, CHUNK)
    truth = {kind: Truth(world).effects(f"W06-{kind}") for kind in KINDS}
    goods, found = draw_goods(world), {}
    for place, kind in [(NONE, "none"), *enumerate(KINDS)]:
        found[kind] = outcomes(world, goods, orders_if_all_get(world, customers, goods, place))
    return customers, truth, found


@pytest.mark.parametrize("outcome", ["purchase", "orders", "sales", "margin"])
@pytest.mark.parametrize("kind", ["none", *KINDS])
def test_everybody_assigned_the_same(drawn, kind, outcome):
    customers, truth, found = drawn
    expected = truth["coupon" if kind == "none" else kind]
    expected = expected[f"{outcome}_without" if kind == "none" else f"{outcome}_with"].to_numpy()
    gap = found[kind][outcome] - expected
    groups = {
        "all": np.ones(len(gap), bool),
        "averse": customers.averse,
        "settled": customers.settled,
        "regulars": customers.rate > np.quantile(customers.rate, 0.9),
        "bargain hunters": customers.sensitivity > 0.75,
        "large baskets": customers.basket > np.quantile(customers.basket, 0.8),
    }
    if outcome == "margin" and kind != "none":  # the comparison is sharp
        effect = truth[kind]["margin_effect"].mean()
        assert effect > 5 * found[kind]["margin"].std() / np.sqrt(CHUNK)
    for name, which in groups.items():
        z = gap[which].mean() / (gap[which].std() / np.sqrt(which.sum()))
        assert abs(z) < MOST, (name, z)
