"""Money is spent where past decisions show that it pays: heavy-tailed baskets, and scores alone."""

import numpy as np
import pytest

from benchmarks.heavy import gated
from benchmarks.money import BUDGET, made_up
from promolab import allocate
from promolab.effects import UpliftModel
from promolab.policy import PolicyRows, SpendingTest, plan_value, spending_test
from promolab.policy.plan_scores import NOTHING_SHARES
from tests.effects.test_two_part import told


def shops(effects, number):
    return [gated(seed, 4_000, effects) for seed in range(number)]


def test_shops_without_effects_spend_nothing_and_say_what_that_costs_and_what_it_assumes():
    found = shops(0.0, 15)
    assert sum(bool(one.pays) for one in found) <= 3  # of 5 % each four would be 1 in 180
    assert sum(one.gated for one in found) > sum(one.ungated for one in found)
    assert np.mean([one.pays.loss for one in found if one.pays.spend]) > 0.7
    pays = next(one.pays for one in found if not one.pays and one.pays.spend)
    assert "Withholding " in pays.summary() and "how unequal baskets are" in pays.summary()
    assert pays.loss >= pays.nothing > 0.2


def test_shops_with_effects_spend_and_earn():
    assert all(one.pays and one.gated > 10_000 for one in shops(1.6, 3))
    some = shops(0.8, 10)
    assert sum(bool(one.pays) for one in some) >= 4  # of .6 each three would be 1 in 18
    assert all(one.gated >= 0 for one in some)
    # Where promotions cut the largest baskets the logs are not believed.
    found = [gated(seed, 4_000, 0.8, cut=True) for seed in range(6)]
    assert all(one.at_any_rate < 0 for one in found)
    assert sum(bool(one.pays) for one in found) <= 3


def test_the_answer_and_the_gate_of_a_fitted_model_say_one_chance_of_a_loss():
    made, _, _ = told(n=4_000, adds=0.15, age=np.arange(4_000.0) % 7)
    model = UpliftModel("dr", "ridge").fit(made)
    rows = PolicyRows.of_model(model, cost=0.2, contact_cost=0.2)
    assert rows.evidence is not None
    pays = spending_test(rows)
    assert pays and pays.modelled and pays.loss < 0.05
    assert plan_value(rows).loss == pytest.approx(pays.loss, abs=0.02)
    half = rows.only(np.arange(4_000) % 2 == 0)
    assert spending_test(half).modelled and len(half.known) == 2_000


def test_where_promotions_do_nothing_it_is_rarely_taken_to_pay_and_seen_where_they_do():
    """Small made-up shops; and the bound is the one-sided one."""

    def pays(seed: int, strength: float, **how: float) -> SpendingTest:
        rows = made_up(seed, strength).rows
        return spending_test(rows, budget=BUDGET * len(rows), **how)

    assert sum(bool(pays(seed, 0.0)) for seed in range(60)) <= 4
    assert all(pays(seed, 4.0) for seed in range(5))
    sure, surer = (pays(0, 4.0, level=level) for level in (0.9, 0.99))
    assert surer.profit.ci_low < sure.profit.ci_low < sure.profit.value


def _rows(horizon: float, window: float | None) -> PolicyRows:
    """One arm for 4,000 customers, with these means over the horizon and in the window."""
    rng = np.random.default_rng(1)
    far, near = rng.normal(size=(2, 4_000, 1))
    even, fold, who = np.ones((4_000, 1)), np.arange(4_000) % 5, np.arange(4_000)
    soon = None if window is None else near - near.mean() + window
    gamma = 3 * (far - far.mean()) + horizon
    return PolicyRows(gamma, even, 0.1 * even, fold, who, ("mail",), soon=soon)


def test_where_the_window_is_sure_less_certainty_of_the_horizon_is_enough():
    assert not spending_test(_rows(0.08, None))  # 1.3 standard errors
    sure = spending_test(_rows(0.08, 0.5), currency="EUR")
    assert sure and sure.soon and sure.loss < 0.1
    assert sure.summary().endswith("In the window alone promotions are sure to earn their cost.")
    assert not spending_test(_rows(0.04, 0.5))  # what lasts is not sure enough
    assert not spending_test(_rows(-0.2, 0.5))  # bought earlier, not more
    # Where the window shows nothing the bound is as strict as without it.
    for window in (-0.5, 0.0):
        nothing = spending_test(_rows(0.08, window))
        assert not nothing and not nothing.soon and nothing.loss > 0.4


def test_an_allocation_that_does_not_pay_spends_on_those_drawn_alone_and_says_why():
    rows = made_up(0, 0.0).rows
    pays = spending_test(rows, budget=160, currency="EUR")
    assert not pays
    nothing, plan = (
        allocate(rows.effect, rows.cost, budget=160, pays=pays, explore=explore)
        for explore in (None, 0.1)
    )
    assert nothing.contacted == 0 and nothing.value == 0
    assert "Nothing is spent beyond what is learned from" in nothing.summary()
    assert plan.drawn is not None and 0 < plan.spend < 60
    assert np.allclose(plan.drawn.propensities[:, -1], 0.9 + 0.1 / 4)
    # Its money answer is that of those drawn.
    found = plan_value(rows, plan=plan)
    assert found.contacts == plan.contacted
    assert found.profit.value == pytest.approx(0.1 * 0.75 * 4_000 * rows.gamma.mean())


def test_of_scores_alone_the_chance_of_nothing_follows_from_a_one_sided_p_value():
    """At 2.05 standard errors p = .02: q = e p log(1/p) ÷ (1 + that) = .176, and a loss .193."""
    error = NOTHING_SHARES / np.sqrt(4_000)
    found = spending_test(_rows(2.054 * 3 * error, None))
    assert found.nothing == pytest.approx(0.1755, abs=0.002)
    assert found and found.loss == pytest.approx(0.192, abs=0.002)
    assert not spending_test(_rows(1.9 * 3 * error, None))
    assert spending_test(_rows(1.8 * 3 * error, None)).profit.ci_low > 0  # 1.64 of one side
    assert not spending_test(_rows(2.054 * 3 * error, None), tolerated=0.1)
    assert [spending_test(_rows(0.08, z * error)).soon for z in (1.5, 1.8)] == [False, True]
