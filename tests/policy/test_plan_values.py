"""The money answer: free of the winner's curse, as sure as it says, and in words."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.heavy import gated
from benchmarks.money import BUDGET, answers, made_up
from promolab import allocate
from promolab.effects import UpliftModel, mean_of
from promolab.policy import (
    Holdouts,
    PlanScores,
    PolicyRows,
    SpendingTest,
    plan_value,
    spending_test,
)
from promolab.policy.plan_scores import NOTHING_SHARES
from tests.draws import bounds
from tests.effects.made_up import trial
from tests.effects.test_two_part import told


def made(n: int = 4_000, seed: int = 0, arms: int = 2, known: bool = False) -> PolicyRows:
    """Rows whose effects are foretold with noise, or known."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.5, 1.0, (n, arms))
    effect = truth if known else truth + rng.normal(size=(n, arms))
    gamma = truth if known else truth + 4 * rng.normal(size=(n, arms))
    cost, fold = rng.uniform(0.5, 1.5, (n, arms)), np.arange(n) % 5
    outcome = 5 + 3 * rng.normal(size=n)
    return PolicyRows(gamma, effect, cost, fold, np.arange(n), ("a", "b"), effect, outcome)


def test_with_effects_known_it_is_what_the_allocation_adds_at_each_budget():
    rows = made(known=True)
    plan = allocate(rows.effect, rows.cost, budget=800)
    found = plan_value(rows, plan=plan, currency="EUR")
    assert found.profit.value == pytest.approx(plan.value, rel=5e-3)
    assert found.spend == plan.spend and found.contacts == plan.contacted
    assert found.loss < 1e-9
    # The next euro: the frontier's slope, around the budget.
    slope = plan.profit_at(960) - plan.profit_at(640)
    assert found.next.value / found.step == pytest.approx(slope / 320, rel=0.03)
    frame = found.budgets.frame
    frontier = [plan.profit_at(budget) for budget in frame["budget"]]
    assert np.allclose(frame["profit"], frontier, rtol=5e-3)
    assert (frame["marginal_return"].dropna().diff().dropna() < 1e-9).all()
    assert frame.loc[frame["chosen"], "budget"].tolist() == pytest.approx([800], rel=2e-3)
    more = plan.profit_at(960) - plan.profit_at(800)
    assert found.budgets.more.value == pytest.approx(more, rel=0.03)
    assert found.budgets.plot().get_title(loc="left") == "20 % more budget would pay"
    assert plan_value(rows).budgets.enough


def test_policies_are_compared_at_the_same_cost_and_scaled_to_the_plans_customers():
    rows = made()
    found = plan_value(rows, budget=600, customers=2_000)
    table = found.policies.set_index("policy")
    assert np.allclose(table["spend"].drop("nobody"), found.spend, rtol=0.01)
    assert found.spend == pytest.approx(600, rel=0.01)
    value, ahead = table["value"], table["difference"].drop("the plan")
    assert np.allclose(ahead, value["the plan"] - value.drop("the plan")) and value["nobody"] == 0
    # By hand: in random order a part of everybody is reached.
    by_hand = found.spend / rows.cost.mean() * rows.gamma.mean()
    assert value["at random"] == pytest.approx(by_hand, rel=1e-6)
    one, ten = (plan_value(rows, customers=n, budget=0.3 * n) for n in (4_000, 40_000))
    assert ten.profit.value == pytest.approx(10 * one.profit.value)
    assert ten.profit.ci_low == pytest.approx(10 * one.profit.ci_low)
    plan = allocate(rows.effect, rows.cost, budget=1_200)
    known = np.arange(4_000) < 3_000
    part = plan_value(rows, plan=plan, supported=known)
    assert part.unsupported == 1_000
    assert part.contacts == (plan.choice[:3_000] >= 0).sum()
    assert part.spend == pytest.approx(plan.expected_cost[:3_000].sum())
    assert part.profit.value < plan_value(rows, plan=plan).profit.value
    by_promotion = np.column_stack([known, known])
    by_promotion[plan.choice == 0, 1] = False
    assert plan_value(rows, plan=plan, supported=by_promotion).summary() == part.summary()
    assert "Left out: 1,000 customers unlike any in past decisions" in part.say("sure")


def test_a_readout_varies_by_chance_and_what_is_held_out_lessens_the_profit():
    def width(estimate):
        return estimate.ci_high - estimate.ci_low

    rows = made()
    found = plan_value(rows, budget=1_000)
    assert found.readout.value == found.profit.value
    sd = 3.0 * found.contacts * np.sqrt(1 / found.contacts + 0.9 / (0.1 * found.contacts))
    expected = np.hypot(width(found.profit), 2 * 1.645 * sd)
    assert width(found.readout) == pytest.approx(expected, rel=0.06)
    apart = plan_value(rows, budget=1_000, between=500.0)
    assert width(apart.profit) > width(found.profit) and apart.loss > found.loss
    plan = allocate(rows.effect, rows.cost, budget=1_000)
    alone = np.bincount(plan.choice[plan.choice >= 0], plan.expected_value[plan.choice >= 0])
    shared, plain = (plan_value(rows, plan=plan, between=b).profit for b in ([0.5, 0.2], 0.0))
    by_hand = plain.value * np.hypot(*(alone / alone.sum() * [0.5, 0.2]))
    assert width(shared) == pytest.approx(np.hypot(width(plain), 2 * 1.65 * by_hand), rel=0.01)
    blind = PolicyRows(rows.gamma, rows.effect, rows.cost, rows.fold, rows.cluster, rows.arms)
    assert np.isnan(plan_value(blind, budget=1_000).readout.ci_low)
    rows = made(known=True)
    standing = np.random.default_rng(0).random(4_000) < 0.1
    how = {"budget": 800, "explore": 0.2, "holdouts": Holdouts(standing, 0.1), "seed": 1}
    plan = allocate(rows.effect, rows.cost, **how)
    found = plan_value(rows, plan=plan)
    assert found.profit.value == pytest.approx(plan.value, rel=0.05)
    assert found.profit.value < 0.9 * allocate(rows.effect, rows.cost, budget=800).value


def test_the_holdout_that_would_confirm_it_does_and_folds_that_share_data_widen_the_interval():
    found = plan_value(made(), budget=1_000)
    assert found.holdout is not None and found.holdout.control is not None
    rng = np.random.default_rng(0)
    n, control = found.holdout.customers, found.holdout.control
    each = found.profit.value / found.contacts
    assert found.holdout.sd == pytest.approx(3.0, rel=0.05)
    error = found.holdout.sd * np.sqrt(1 / (n - control) + 1 / control)
    seen = np.abs(each + error * rng.normal(size=20_000)) > 1.96 * error
    assert seen.mean() == pytest.approx(0.8, abs=0.02)
    rows = made_up(0).rows
    there = PlanScores(rows)
    scores = there.of_choice(there.choose(160 / len(rows)))[0]
    alone = mean_of(scores, rows.cluster, 0.9).std_error * len(rows)
    profit = plan_value(rows, budget=160).profit
    assert profit.ci_high - profit.ci_low == pytest.approx(2 * 1.645 * 1.15 * alone, rel=0.01)


def test_each_state_has_its_sentence_and_it_is_a_result(tmp_path):
    rows = made()
    losing = PolicyRows(rows.gamma - 3, rows.effect, rows.cost, rows.fold, rows.cluster, rows.arms)
    nobody = PolicyRows(rows.gamma, rows.effect - 99, rows.cost, rows.fold, rows.cluster, rows.arms)
    for each, budget, said in (
        (rows, 500, "less than 1 % chance of a loss; the next 10 would add"),
        (losing, 500, "99 % chance of a loss; more budget would add nothing."),
        (rows, 0, "Contact nobody of 4,000: nothing is spent, and nothing is added."),
        (nobody, 500, "Contact nobody of 4,000: no promotion is worth its cost."),
    ):
        assert said in plan_value(each, budget=budget).summary()
    found = plan_value(rows, budget=500, currency="EUR")
    again = type(found).load(found.save(tmp_path / "money"))
    assert again.summary() == found.summary()
    pd.testing.assert_frame_equal(again.policies, found.policies)
    assert found.to_dict()["profit"]["value"] == found.value
    assert "the plan" in str(found.to_table()) and found.plot().get_title(loc="left")


def test_who_can_get_nothing_is_no_decision_paid_for_and_what_more_returns_unknown():
    """Four decisions, of which two had an arm open: each of a plan's ten costs what theirs do."""
    gamma = np.array([[2.0], [2.0], [np.nan], [np.nan]])
    rows = PolicyRows(gamma, np.ones((4, 1)), np.ones((4, 1)), [0, 1, 0, 1], range(4), ("a",))
    assert rows.eligible.sum() == 2
    found = plan_value(rows, customers=10)
    assert (found.contacts, found.spend, found.profit.value) == (10, 10.0, 20.0)
    rows = made(known=True)
    few, all_ = (plan_value(rows, budget=budget).budgets.frame for budget in (200, None))
    assert np.isnan(few["marginal_return"].iloc[-1]) and few["budget"].iloc[-1] < 700
    assert all_["marginal_return"].iloc[-1] == 0.0


def test_a_models_rows_know_nothing_of_their_own_fold():
    """Scores of a fold that are shifted move the predictions of all folds but their own."""
    model = UpliftModel("dr", "ridge").fit(trial(1_500))
    before = PolicyRows.of_model(model, cost=0.5, contact_cost={"coupon": 0.1, "mail": 0.3})
    assert np.allclose(before.gamma, model.scores_.to_numpy() - [0.1, 0.3])
    there = model.fold_ == 2
    model.nuisance_.gamma[there] += 100
    del model._candidates.by_others
    after = PolicyRows.of_model(model, cost=0.5, contact_cost={"coupon": 0.1, "mail": 0.3})
    moved = np.abs(after.effect - before.effect).max(axis=1)
    assert moved[there].max() < 1e-9
    assert moved[~there].min() > 10


def test_what_is_said_is_right_where_what_chose_promises_too_much():
    found = answers(30)
    width = found["high"] - found["low"]
    error = width.mean() / 2 / 1.645
    said, naive = ((found[name] - found["evaluated"]).mean() / error for name in ("said", "naive"))
    assert abs(said) < 0.5 and naive > 1.2
    least, most = bounds(0.9, 30, 0.01)
    assert least <= found["evaluated"].between(found["low"], found["high"]).mean() <= most
    assert width.mean() < 0.95 * found["split_width"].mean()


def test_an_interval_that_forgets_that_folds_share_data_is_too_narrow():
    """Where nothing is there, plain errors are a sixth too small."""
    found = answers(25, strength=0.0)
    spread, told = found["said"].std(ddof=1), (found["high"] - found["low"]).mean() / 2 / 1.645
    assert told / 1.15 < spread < told / 0.85


def test_shops_without_effects_spend_nothing_and_say_what_that_costs_and_what_it_assumes():
    found = [gated(seed, 4_000, 0.0) for seed in range(15)]
    assert sum(bool(one.pays) for one in found) <= 3  # of 5 % each four would be 1 in 180
    assert sum(one.gated for one in found) > sum(one.ungated for one in found)
    assert np.mean([one.pays.loss for one in found if one.pays.spend]) > 0.7
    pays = next(one.pays for one in found if not one.pays and one.pays.spend)
    assert "Withholding " in pays.summary() and "how unequal baskets are" in pays.summary()
    assert pays.loss >= pays.nothing > 0.2


def test_shops_with_effects_spend_and_earn():
    large, some = ([gated(k, 4_000, by) for k in range(n)] for by, n in ((1.6, 3), (0.8, 10)))
    assert all(one.pays and one.gated > 10_000 for one in large)
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
