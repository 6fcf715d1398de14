"""Designs against the truth of a shop that draws depths and thresholds, and sums by hand."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from promolab import promotions
from promolab.promotions import Coupon, FullReduction, design_promotion
from promolab.promotions.design import depth_of, threshold_of, with_terms
from promolab.results import Estimate
from promolab.simulated import truth
from promolab.sources import simulated
from tests.promotions.test_values import coupon, full, limited, orders_of, tip
from tests.refused import refused

GRID = {
    "limited_time_discount": ((0.08, 0.12, 0.16, 0.23, 0.30), (0.0,)),
    "full_reduction": ((0.025, 0.04, 0.05, 0.07, 0.09), (180.0, 230.0, 300.0)),
    "coupon": ((0.03, 0.045, 0.06, 0.08, 0.10), (50.0, 100.0, 150.0)),
}
"""Depths, of which every second one is drawn, and thresholds."""


class Measured:
    """A dose-response with straight lines between what was drawn."""

    def __init__(self, drawn: Sequence[float], factors: Sequence[float], error: float = 0.0):
        self.drawn, self.factors, self.error = drawn, factors, error

    def factor(self, at: float) -> tuple[float, float]:
        return float(np.interp(at, self.drawn, self.factors)), self.error


@pytest.fixture(scope="module")
def shop():
    return simulated(customers=800, weeks=16, seed=4, variant="weekly", exploration=1.0)


def true_effects(shop, offer, depth, threshold):
    """Return what a promotion truly adds on other terms than its own."""
    one = with_terms(offer, depth, threshold)
    if isinstance(one, FullReduction):
        terms = {"threshold": one.threshold, "reduction": one.reduction}
    else:
        least = {"threshold": one.minimum} if isinstance(one, Coupon) else {}
        terms = {"discount_rate": depth} | least
    found = truth._found(shop.truth.world, offer.promotion_id)
    changed = replace(found, terms=replace(found.terms, **terms))
    return truth._effects(shop.truth.world, changed)["margin_effect"].to_numpy()


@pytest.mark.parametrize("kind", GRID)
def test_the_recommended_design_brings_nearly_what_the_best_does(shop, kind):
    names = [one for one in shop.truth.promotions if kind in one][-3:]
    offer = next(iter(promotions.read_promotions(shop, names[1:2]).values()))
    orders = promotions.order_values(shop, offer.starts_at, promotions=[offer.promotion_id])
    depths, thresholds = GRID[kind]
    effects = {cell: true_effects(shop, offer, *cell) for cell in product(depths, thresholds)}
    profit = {k: e.sum() - offer.contact_cost * len(e) for k, e in effects.items()}
    drawn = depths[::2]
    mean = np.mean([effects[d, t] for d in drawn for t in thresholds], axis=0)
    rng, reached = np.random.default_rng(0), []

    def measured(drawn, cells):
        means = [np.mean([effects[cell] for cell in mine]) for mine in cells]
        miss = rng.normal(0, 0.08, len(drawn))
        return Measured(drawn, np.array(means) / mean.mean() + miss, 0.08)

    for _ in range(3):
        by_depth = measured(drawn, [[(d, t) for t in thresholds] for d in drawn])
        by_least = measured(thresholds, [[(d, t) for d in drawn] for t in thresholds])
        noisy, error = mean + rng.normal(0, 2, len(mean)), np.full(len(mean), 2.0)
        how = {"by_threshold": by_least if len(thresholds) > 1 else None, "mean_se": 0.1}
        found = design_promotion(offer, orders, noisy, error, by_depth, depths=depths, **how)
        least = threshold_of(found.recommended)
        place = min(profit, key=lambda k: abs(k[0] - found.depth) + abs(k[1] - least))
        reached.append(profit[place] / max(profit.values()))
        assert not found.frame["extrapolated"].any()
    assert np.mean(reached) > 0.9


def over(*factors, error=0.0):
    return Measured((0.05, 0.1, 0.15), factors, error)


def sweep(**changed):
    offer = limited(rate=0.1, contact_cost=0.5)
    given = {"promotion": offer, "orders": orders_of([offer], n=2)}
    given |= {"dose": over(1.0, 1.0, 1.0, error=0.1)}
    given |= {"effect": [20.0, 20.0], "effect_se": [1.0, 1.0]}
    return design_promotion(**(given | changed))


def test_by_hand_extra_purchases_pay_for_the_discount_of_all():
    # As in the test of values: 3 extra orders worth 40 at a depth of 10 %, 7 that come anyway.
    dose = over(0.5, 1.0, 1.5)
    found = sweep(dose=dose, depths=dose.drawn, effect_se=[0.0, 0.0])
    profit = [2 * (20 * grown - 0.5) for grown in dose.factors]
    assert found.frame["profit"].tolist() == pytest.approx(profit)
    assert found.depth == 0.15 and found.best.value == pytest.approx(profit[2])
    assert found.present.value == pytest.approx(profit[1])
    for grown, off, cost in zip(dose.factors, (5, 10, 15), found.frame["cost"], strict=True):
        extra = (20 * grown + 7 * off) / (40 - off)
        assert cost == pytest.approx(2 * ((7 + extra) * off + 0.5))


def test_handling_a_coupon_costs_a_design_as_it_costs_the_promotion():
    offers = (coupon(promotion_id="L", rate=0.1, redemption_cost=cost) for cost in (0.0, 2.0))
    free, dear = (sweep(promotion=offer).frame for offer in offers)
    lost = (free["profit"] - dear["profit"]).to_numpy()
    assert (lost > 1).all() and (lost < 2 * 2).all()  # of two customers, if each redeems
    np.testing.assert_allclose(dear["cost"] - free["cost"], lost)


def test_what_was_never_drawn_is_marked_and_not_recommended():
    rising = over(0.5, 1.0, 2.0)
    found = sweep(dose=rising)
    assert found.frame["extrapolated"].sum() == 4
    assert found.depth == pytest.approx(0.15)
    refused("every design lies outside what was drawn", sweep, dose=rising, depths=[0.3])


def test_of_equal_designs_the_cheapest_and_near_an_average_of_0_what_a_depth_adds():
    assert sweep().depth == pytest.approx(0.05)

    class Unclear(Measured):
        average, level = Estimate(0.1, -2.0, 2.2), 0.95

        def factor(self, at):
            return 1.0, 1.0

        def at(self, depth):
            value = float(np.interp(depth, self.drawn, self.factors))
            return Estimate(value, value - 2, value + 2)

    found = sweep(dose=Unclear((0.05, 0.1, 0.15), (1.1, 0.6, -1.4)), effect=[0.1, 0.1])
    assert found.depth == pytest.approx(0.05)
    row = found.frame.set_index("depth").loc[0.05]
    assert row["profit"] == pytest.approx(2 * (1.1 - 0.5))


def test_flat_and_sharp_optima_are_told_apart():
    flat = sweep(dose=over(1.0, 1.01, 1.0, error=0.05))
    assert flat.flat == pytest.approx((0.05, 0.15))
    sharp = sweep(dose=over(0.3, 1.0, 0.3, error=0.05))
    assert sharp.flat == pytest.approx((0.1, 0.1), abs=0.02)
    assert sharp.unsure[0] <= sharp.flat[0] and sharp.unsure[1] >= sharp.flat[1]
    losing = sweep(effect=[-5.0, -5.0])
    assert losing.best.value <= 0 and "No design pays" in losing.summary()


def test_thresholds_not_drawn_count_as_never_drawn_and_terms_are_depths_inverse():
    offer = full(threshold=80, reduction=4)
    dose = Measured((0.04, 0.08), (1.0, 1.1))
    found = design_promotion(offer, orders_of([offer]), [5.0], [1.0], dose, thresholds=[60, 80])
    assert found.frame.groupby("threshold")["extrapolated"].all().to_dict() == {60: True, 80: False}
    assert threshold_of(found.recommended) == 80
    for one in (offer, coupon(value=5, minimum=50), coupon(rate=0.1, minimum=50)):
        assert with_terms(one, depth_of(one), threshold_of(one)) == one


def test_bad_input_is_a_sentence():
    for changed, message in [
        ({"depths": [10]}, "depth = 10; expected a number between 0 and 1: a share such as 0.1"),
        ({"depths": []}, "depths or thresholds is empty"),
        ({"effect": [1.0]}, "effect has 1 row"),
        ({"promotion": tip(promotion_id="L")}, "takes nothing off"),
    ]:
        refused(message, sweep, **changed)
