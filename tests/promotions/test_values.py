"""Values and costs against the truth of a simulated shop, and against sums done by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab import promotions as face
from promolab.promotions import OrderValues, PromotionValues, order_values, promotion_values
from promolab.promotions.parts import parts_of
from promolab.promotions.stacking import kept_beside, off_an_order
from promolab.results import Estimate
from promolab.sources import simulated
from tests.refused import refused

WINDOW = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 8)}
limited = partial(face.LimitedTimeDiscount, promotion_id="L", **WINDOW)
full = partial(face.FullReduction, promotion_id="F", **WINDOW)
coupon = partial(face.Coupon, promotion_id="C", **WINDOW)
tip = partial(face.Recommendation, promotion_id="R", **WINDOW)


def orders_of(promotions: Sequence[Any], n: int = 1, **changed: Any) -> OrderValues:
    """Return customers who order once a day for 100 sharp, at a margin of 40 %."""
    columns = {"customer_id": range(n), "margin_rate": 0.4, "returned": 0.0, "coupon_use": 0.5}
    columns |= {"orders_a_day": 1.0, "orders_error": 0.0}
    columns |= {"log_mean": np.log(100.0), "log_sd": 1e-9, "log_error": 0.0}
    shape = (n, len(promotions))
    return OrderValues(
        datetime(2024, 1, 1),
        pd.DataFrame(columns | changed),
        tuple(str(p.promotion_id) for p in promotions),
        np.ones(shape),
        np.ones(shape),
        Estimate(0.0),
    )


def valued(shop: Any, ids: Sequence[str], **given: Any) -> tuple[PromotionValues, dict[str, Any]]:
    """Return promotions valued by their true effects, told with noise; and what is true."""
    offers = face.read_promotions(shop, ids)
    orders = order_values(shop, next(iter(offers.values())).starts_at, promotions=list(offers))
    truth = {one: shop.truth.effects(one) for one in offers}
    effect = np.column_stack([told["margin_effect"] for told in truth.values()])
    noisy = effect + np.random.default_rng(0).normal(0, 2, effect.shape)
    return promotion_values(offers, orders, noisy, np.full(effect.shape, 2.0), **given), truth


@pytest.fixture(scope="module")
def last_round():
    shop = simulated(customers=4_000, weeks=26, seed=3)
    world = shop.truth.world
    ids = [p.id for p in world.promotions if p.week == world.weeks - 1]
    return valued(shop, ids, mean_se=0.05)


def test_costs_and_values_are_the_true_ones_within_their_interval(last_round):
    values, truth = last_round
    for one, told in truth.items():
        j, off = values.place(one), told["discount_effect"].to_numpy()
        margin, contact = told["margin_effect"].to_numpy(), values.promotions[j].contact_cost
        cost, value = values.total(one, "cost"), values.total(one)
        true = off.sum() + contact * len(off)
        assert cost.ci_low - 1e-6 <= true <= cost.ci_high + 1e-6, one
        if off.any():
            assert values.discount[:, j].sum() == pytest.approx(off.sum(), rel=0.15), one
            assert np.corrcoef(values.discount[:, j], off)[0, 1] > 0.5, one
            assert (cost.ci_high - cost.ci_low) / cost.value < 0.8
        assert np.corrcoef(values.value[:, j], margin)[0, 1] > 0.5
        assert value.ci_low <= margin.sum() - contact * len(margin) <= value.ci_high
    # A share of 0.3 is made to be missing later; nobody told.
    assert values.given["pulled_forward"] == pytest.approx(0.3, abs=0.15)


def test_bars_add_up_to_the_value_of_whoever_is_chosen_and_can_be_kept(last_round, tmp_path):
    values, _ = last_round
    chosen = np.random.default_rng(1).random(len(values.orders))
    for one in values.names:
        for weight in (None, chosen, chosen > 0.5):
            found = values.waterfall(one, weight)
            assert found.bars["amount"].sum() == pytest.approx(found.net.value, abs=1e-6)
            assert found.net == values.total(one, "value", weight)
            assert found.summary() and found.to_table().text
    found.plot()
    again = type(values).load(values.save(tmp_path / "values.zip"))
    assert [p.products for p in again.promotions] == [p.products for p in values.promotions]
    assert again.summary() == values.summary()
    np.testing.assert_array_equal(again.value, values.value)


REDEEMED = 1 - np.exp(-4.0)  # four orders use the coupon in the mean
GAINED = (10 + 72) / 0.9
ONE = {"response": [[REDEEMED]], "pulled_forward": [0.0]}
QUARTER = {"response": [[REDEEMED]], "pulled_forward": [0.25], "returned": 0.1}
FUNDED = {"discount": 100, "cost": 75.5, "value": 44.5, "extra": 120, "anyway": -70}
FUNDED |= {"extra_discount": -30, "funded": 25, "contact": -0.5, "share_anyway": 0.7}
HANDLED = {"cost": 4 * 20 + 0.5 + 2 * REDEEMED, "value": 10 - 0.5 - 2 * REDEEMED}
BROUGHT_BACK = {"discount": 72, "off": -160, "unused": 80, "value": 10, "extra": GAINED / 0.75}
BROUGHT_BACK |= {"later": -0.25 * GAINED / 0.75, "returns": 0.1 * (80 - GAINED)}
# Each orders 7 times anyway; what is named is one customer's, or a bar of the waterfall.
BY_HAND = [
    # 10 off each. An extra order brings 40 before: 3 extra ones bring 90, less 70 of subsidy.
    (limited(rate=0.1, contact_cost=0.5, funder_share=0.25), 20.0, {}, FUNDED),
    # 100 does not reach 125, but is filled up to it in 4 of 10 cases.
    (full(threshold=125, reduction=5), 0.0, {"top_up": 0.4}, {"filled": 28.0, "anyway": 0}),
    # Twice 5 in 7 orders, none added.
    (full(threshold=40, reduction=5, steps=0), -70.0, {}, {"discount": 70}),
    # Handling costs of who redeems at all.
    (coupon(rate=0.2, contact_cost=0.5, redemption_cost=2.0), 10.0, ONE, HANDLED),
    # Eight orders, were it always used; a tenth comes back, a quarter is missing later.
    (coupon(rate=0.2), 10.0, QUARTER, BROUGHT_BACK),
]


@pytest.mark.parametrize(("offer", "effect", "given", "expected"), BY_HAND)
def test_by_hand_everything_off_breakage_handling_and_returns(offer, effect, given, expected):
    given = {"returned": 0.0, "top_up": 0.0} | given
    orders = orders_of([offer], returned=given.pop("returned"))
    orders = replace(orders, top_up=Estimate(given.pop("top_up")))
    values = promotion_values([offer], orders, [[effect]], [[0.0]], **given)
    found = values.waterfall(offer.promotion_id).bars.set_index("name")["amount"].to_dict()
    assert sum(found.values()) == pytest.approx(values.value[0, 0])
    found["off"] = sum(found[name] for name in ("anyway", "extra_discount", "fill_discount"))
    found["share_anyway"] = values.share_anyway(offer.promotion_id)
    found |= {name: getattr(values, name)[0, 0] for name in ("discount", "cost", "value")}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_factor_and_spread_move_and_widen():
    offer = tip()
    orders = orders_of([offer], n=4)
    effect, error = np.full((4, 1), 3.0), np.full((4, 1), 1.0)
    plain = promotion_values([offer], orders, effect, error)
    moved = promotion_values([offer], orders, effect, error, factor=[2.0], factor_se=[0.5])
    apart = promotion_values([offer], orders, effect, error, spread=[0.5])
    assert moved.value == pytest.approx(2 * plain.value)
    assert moved.value_se == pytest.approx(np.hypot(2 * 1.0, 3 * 0.5))
    assert apart.value_se == pytest.approx(np.hypot(1.0, 1.5))
    width = [t.total("R").ci_high - t.total("R").ci_low for t in (plain, apart)]
    assert width[1] / width[0] == pytest.approx(np.hypot(1, 1.5))
    far = promotion_values([offer], orders, effect, error, extrapolated=[True])
    assert "guess" in far.summary() and "guess" in far.waterfall("R").summary()


def test_bad_input_is_a_sentence():
    for changed, message in [
        ({"effect": np.zeros((2, 3))}, r"effect has shape \(2, 3\); expected \(2, 1\)"),
        ({"effect": [[0.0], [np.nan]]}, r"effect holds nan at \(1, 0\); expected finite numbers"),
        ({"effect_se": [[0.0], [-1.0]]}, "effect_se holds -1"),
        ({"response": [[0.5], [40.0]]}, r"response holds 40 at \(1, 0\); expected .* 0 to 1"),
        ({"factor": "twice"}, "factor holds what is no number"),
        ({"promotions": []}, "holds what is no promotion"),
    ]:
        given = {"promotions": [tip()], "effect": np.zeros((2, 1)), "effect_se": np.zeros((2, 1))}
        refused(message, promotion_values, orders=orders_of([tip()], n=2), **given | changed)
    unstated = [coupon()], orders_of([coupon()]), [[0.0]], [[0.0]]
    refused("does not state what it takes off", promotion_values, *unstated)


def test_a_shop_that_takes_nothing_off_pays_for_contacts_and_parts_add_up_to_losses():
    shop = simulated(customers=300, weeks=11, variant="null")
    found, _ = valued(shop, shop.truth.promotions[-4:])
    assert not any(p.stated for p in found.promotions if p.kind != "recommendation")
    assert not found.discount.any()
    assert found.cost == pytest.approx(np.full((300, 4), 0.2))
    offer = limited(rate=0.1)
    orders = orders_of([offer])
    found = promotion_values([offer], orders, [[-500.0]], [[0.0]])
    assert found.value[0, 0] == -500.0 and found.discount[0, 0] >= 0
    given = {name: values[..., 0] for name, values in found.given.items()}
    bars = parts_of(offer, orders, given).bars
    assert sum(float(b[0]) for b in bars.values()) == pytest.approx(-500.0)


@pytest.fixture(scope="module")
def overlapping():
    """A shop with windows that overlap, and depths and thresholds of which three are drawn."""
    return simulated(customers=2_000, weeks=20, seed=3, variant="weekly", exploration=1.0)


def test_costs_hold_at_every_depth_where_windows_overlap(overlapping):
    ids = overlapping.truth.promotions[-overlapping.truth.world.per_round :]
    values, truth = valued(overlapping, ids, pulled_forward=0.3)
    for one, told in truth.items():
        offer, true = values.promotions[values.place(one)], told["discount_effect"].to_numpy()
        if offer.kind == "recommendation":
            continue  # extra orders of those who hold other promotions: not this one's discount
        mine = values.discount[:, values.place(one)]
        assert mine.sum() == pytest.approx(true.sum(), rel=0.25), one
        assert np.corrcoef(mine, true)[0, 1] > 0.3, one
        # Extra orders of those who hold other promotions, too, take off what those do.
        cost, paid = values.total(one, "cost"), true.sum() + offer.contact_cost * len(true)
        assert cost.ci_low * 0.9 <= paid <= cost.ci_high * 1.1, one


def test_an_effect_moves_to_other_terms_order_by_order(overlapping):
    shop, world = overlapping, overlapping.truth.world
    last = [one for one in shop.truth.promotions[-world.per_round :] if "limited" in one]
    offers = list(face.read_promotions(shop, last).values())
    orders = order_values(shop, offers[0].starts_at, promotions=last)
    truth = np.column_stack([shop.truth.effects(one)["margin_effect"] for one in last])
    middle = np.repeat(truth[:, 1:2], 3, axis=1)
    factor = truth.mean(axis=0) / truth[:, 1].mean()
    given = {"factor": factor, "pulled_forward": 0.3}
    told = partial(promotion_values, offers, orders, middle, 0 * middle, **given)
    plain, moved = told(), told(usual=[offers[1]] * 3)
    # In the mean both are what was measured; customer by customer the second is nearer.
    assert moved.value.mean(axis=0) == pytest.approx(plain.value.mean(axis=0))
    miss = [np.sqrt(np.mean((v.value - truth) ** 2, axis=0)) for v in (plain, moved)]
    assert miss[1][2] < miss[0][2]  # at twice the depth
    assert moved.value[:, 1] == pytest.approx(plain.value[:, 1])


def test_what_runs_in_half_of_a_window_competes_there_and_fills_get_no_more_off():
    """A fifth off for two weeks; who has a twentieth off in one of them keeps 75 % of it there."""
    fortnight = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 15)}
    offer = limited(rate=0.2, **fortnight)
    held = limited(promotion_id="H", rate=0.05)
    of_two = np.full(2, np.log(100.0)), np.full(2, 1e-9), np.ones(2)
    kept, shared = kept_beside(offer, [(held, np.array([True, False]))], *of_two, [1.0, 1.0])
    assert shared.tolist() == [0.5, 0.0] and kept == pytest.approx([1 - 0.5 * 0.25, 1.0])
    of_eight = np.log([8.0]), np.array([1e-9])
    for value, per_fill in ((20, 10.0), (5, 5.0)):
        assert off_an_order(coupon(value=value, minimum=10), *of_eight).per_fill == per_fill


def test_what_a_customer_will_cost_varies_by_how_many_orders_come():
    """Seven orders of 100, half of which use the coupon: 3.5 of 20 in the mean, 3.5 as variance."""
    offer = coupon(rate=0.2, funder_share=0.25)
    found = promotion_values([offer], orders_of([offer]), [[-70.0]], [[0.0]])
    assert found.discount[0, 0] == pytest.approx(70.0) and found.cost_se[0, 0] == 0.0
    assert found.cost_luck()[0, 0] == pytest.approx(0.75 * 20 * np.sqrt(3.5))
    dear = promotion_values([offer], orders_of([offer], log_error=0.1), [[-70.0]], [[0.0]])
    assert dear.cost_luck()[0, 0] == pytest.approx(0.75 * np.hypot(7.0, 20 * np.sqrt(3.5)))


def test_labels_are_read_and_rows_that_are_merely_numbered_are_in_the_customers_order():
    offers = [coupon(promotion_id=i, rate=0.1, contact_cost=0.0) for i in (13, 16)]
    orders = orders_of(offers, 3, customer_id=[2, 0, 1])  # ids that are numbers as well
    effect = np.array([[20.0, 2.0], [0.0, 1.0], [10.0, 5.0]])

    def value(effect: Any, **beside: Any) -> Any:
        return promotion_values(offers, orders, effect, 0 * effect, **beside).value.tolist()

    plain = value(effect)
    assert value(pd.DataFrame(effect, columns=[13, 16])) == plain
    named = pd.DataFrame(effect, pd.Index([2, 0, 1]), [13, 16])
    assert value(named.sort_index()[[16, 13]]) == plain
    factor = pd.Series([2.0, 1.0], [16, 13])
    assert value(effect, factor=factor) == value(effect, factor=[1.0, 2.0]) != plain
