"""A plan agrees with statsmodels, with simulated experiments, and with the data behind it."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from promolab import plan_experiment
from promolab.abtest import customer_history, share_to_see, smallest_effect
from promolab.abtest.power import PlannedTest, smallest_rise
from promolab.abtest.sequential import multiplier
from promolab.features import known_until
from promolab.sources import simulated
from tests.abtest.made_up import past

SPLITS = [{"none": 0.5, "send": 0.5}, {"none": 0.1, "send": 0.9}, {"none": 0.7, "send": 0.3}]
SIZES = [(1080, 120), (9500, 500), (50, 50), (100, 900)]


@pytest.mark.parametrize("shares", SPLITS)
@pytest.mark.parametrize(("rate", "effect"), [(0.05, 0.01), (0.3, -0.02), (0.001, 0.0005)])
def test_shares_agree_with_statsmodels(shares, rate, effect):
    plan = plan_experiment(rate=rate, effect=effect, shares=shares)
    sizes = plan.sizes
    # Theirs is the power of one side; with the sides turned for a fall.
    one, other = (rate + effect, rate) if effect > 0 else (rate, rate + effect)
    n = (sizes["send"], sizes["none"]) if effect > 0 else (sizes["none"], sizes["send"])
    how = {"alpha": 0.025, "alternative": "larger", "return_results": False}
    theirs = power_proportions_2indep(one - other, other, n[0], ratio=n[1] / n[0], **how)
    assert plan.reached == pytest.approx(theirs, abs=1e-9)
    assert 0.8 <= plan.reached < 0.8 + 0.05


@pytest.mark.parametrize("n", [8, 60, 900])
def test_means_agree_with_statsmodels_where_both_define_them_alike(n):
    # Equal arms of equal variance: Welch's degrees of freedom are the pooled ones.
    plan = plan_experiment(mean=10, sd=20, effect=2, customers=2 * n)
    theirs = TTestIndPower().power(0.1, n, 0.05, ratio=1)
    assert plan.reached == pytest.approx(theirs, abs=1e-9)


def adjusted_means(rng, n1, n0, effect):
    x = rng.gamma(1.0, 20.0, n1 + n0)
    y = 0.7 * x + math.sqrt(1 - 0.49) * rng.gamma(1.0, 20.0, n1 + n0)
    y[:n1] += effect
    left = y - np.cov(x, y)[0, 1] / x.var(ddof=1) * (x - x.mean())
    return ttest_ind(left[:n1], left[n1:], equal_var=False).pvalue


def test_simulated_power_is_near_the_plan():
    """Of three arms, adjusted for what was before: what only a part of the formulas says."""
    shares = {"control": 0.5, "a": 0.25, "b": 0.25}
    plan = plan_experiment(mean=28, sd=20, correlation=0.7, effect=2, shares=shares)
    rng, runs, (held, other, _) = np.random.default_rng(5), 400, plan.sizes.values()
    level = (1 - plan.level) / plan.comparisons
    found = np.mean([adjusted_means(rng, other, held, 2.0) <= level for _ in range(runs)])
    noise = 3 * math.sqrt(plan.reached * (1 - plan.reached) / runs)
    assert found == pytest.approx(plan.reached, abs=0.02 + noise)


def test_cuped_clusters_and_arms_change_the_size_and_the_smallest_effect_is_as_it_was():
    def size(**how):
        return plan_experiment(mean=10, sd=20, effect=1, **how).customers

    assert size(correlation=0.6) == pytest.approx(size() * 0.64, rel=2e-3)
    third = dict.fromkeys(["none", "a", "b"], 1 / 3)  # two comparisons
    assert size(shares=third) == pytest.approx(size(level=0.975) * 1.5, rel=2e-3)
    assert size(comparisons=4) == size(level=0.9875)
    plan = plan_experiment(rate=0.05, customers=1200, shares={"holdout": 0.1, "send": 0.9})
    assert plan.smallest == smallest_rise(1080, 120, 0.05, 0.8, 0.05) and plan.reached == 0.8
    little = plan_experiment(rate=0.9, customers=4)
    assert math.isnan(little.smallest) and "cannot show any difference" in little.summary()
    assert "– %" not in little.to_table().text


@pytest.mark.parametrize("outcome", [{"rate": 0.05}, {"mean": 10, "sd": 20}])
def test_daily_looks_need_what_the_confidence_sequence_needs_at_its_end(outcome):
    plan = plan_experiment(**outcome, lift=0.1, sequential=True)
    one = plan_experiment(**outcome, lift=0.1)
    needs = (multiplier(1.0, 0.05) + 0.8416) / (1.96 + 0.8416)
    assert plan.customers == pytest.approx(one.customers * needs**2, rel=0.01)
    assert plan.burn_in == math.ceil(0.05 * plan.customers) and one.burn_in is None


def test_figures_from_data_are_those_by_hand(tmp_path):
    table = past()
    plan = plan_experiment(table, "y", earlier="x", lift=0.05)
    r = np.corrcoef(table["x"], table["y"])[0, 1]
    assert (plan.centre, plan.sd, plan.correlation) == pytest.approx(
        (table["y"].mean(), table["y"].std(), r), rel=1e-10
    )
    ratio = plan_experiment(table, "spend", per="orders", lift=0.05)
    centre = table["spend"].sum() / table["orders"].sum()
    left = (table["spend"] - centre * table["orders"]) / table["orders"].mean()
    assert (ratio.kind, ratio.centre, ratio.sd) == (
        "ratio",
        *map(pytest.approx, (centre, left.std())),
    )
    share = plan_experiment(table, "bought", lift=0.05)
    assert (share.kind, share.centre) == ("share", pytest.approx(table["bought"].mean()))
    clustered = plan_experiment(table, "y", cluster="household", lift=0.05)
    off = table["y"] - table["y"].mean()
    by_hand = (off.groupby(table["household"]).sum() ** 2).sum() / (off**2).sum()
    assert clustered.design_effect == pytest.approx(by_hand, rel=1e-9) and by_hand > 1.02
    alone = plan_experiment(table, "y", lift=0.05).customers
    assert clustered.customers == pytest.approx(alone * by_hand, rel=2e-3)
    table.to_parquet(tmp_path / "past.parquet")
    again = plan_experiment(tmp_path / "past.parquet", "y", earlier="x", lift=0.05)
    assert again.sizes == plan.sizes


def test_a_shop_tells_its_own_figures():
    shop = simulated(customers=600, weeks=21, seed=1)
    table = customer_history(shop).execute()
    assert table["customer_id"].is_unique and not table.isna().any(axis=None)
    assert len(table) == shop.customers.count().execute()
    # What was bought in the 28 days before the end, what came back taken off, by hand.
    end = pd.Timestamp(known_until(shop))
    events = shop.events.filter(shop.events.kind == "purchase").execute()
    bought = events[(events["ts"] >= end - pd.Timedelta(days=28)) & (events["ts"] < end)]
    assert (table["purchases"] == 1).sum() <= bought["customer_id"].nunique()
    assert 0.9 < table["sales"].sum() / bought["amount"].sum() <= 1 and (table["margin"] > 0).any()
    plan = plan_experiment(shop, "sales", earlier="earlier_sales", lift=0.1)
    assert plan.centre == pytest.approx(table["sales"].mean())
    assert plan.correlation == pytest.approx(table["sales"].corr(table["earlier_sales"]))
    assert plan_experiment(shop, "purchases", lift=0.1).kind == "share"


def test_duration_follows_the_arrivals():
    plan = plan_experiment(rate=0.05, effect=0.01, arrivals=1000, outcome_days=28)
    assert plan.days == math.ceil(plan.customers / 1000) + 28
    given_days = plan_experiment(rate=0.05, arrivals=114.5, days=28)
    assert given_days.customers == 3206 and given_days.days == 28
    over = given_days.over_time
    assert over["smallest_effect"].is_monotonic_decreasing and over["customers"].iloc[-1] == 3206
    assert over["smallest_effect"].iloc[-1] == pytest.approx(given_days.smallest, rel=1e-6)


@pytest.mark.parametrize("kind", ["share", "mean", "ratio"])
def test_the_three_answers_of_a_planned_test_agree(kind):
    measure = PlannedTest(kind, 0.1, 0.3, 1.2, 0.02, 0.9, False)
    effect = measure.smallest(3000, 1000)
    assert measure.power_of(effect, 3000, 1000) == pytest.approx(0.9, abs=1e-9)
    assert measure.customers(effect, 0.75, 0.25) == pytest.approx(4000, abs=1)


@pytest.mark.parametrize(("treated", "control"), SIZES)
def test_means_agree_with_statsmodels(treated, control):
    for power, alpha in ((0.8, 0.05), (0.9, 0.01)):
        effect = smallest_effect(treated, control, sd=20, power=power, alpha=alpha)
        theirs = NormalIndPower().power(effect / 20, treated, alpha, control / treated)
        assert theirs == pytest.approx(power, abs=1e-5)
    assert np.isnan(smallest_rise(2, 1, 0.05, 0.8, 0.05))  # not even a rise to 1 would show


@pytest.mark.parametrize("customers", [60, 1201, 40_000])
def test_the_share_needed_is_the_smallest_one_that_does(customers):
    def shows(control, wanted):
        return smallest_effect(customers - control, control, sd=0.3) <= wanted * (1 + 1e-9)

    for wanted in (0.005, 0.02, 0.07, 0.3):
        found = share_to_see(customers, wanted, sd=0.3)
        if found.control is None:
            assert found.share is None and not shows(customers // 2, wanted) and found.summary()
        else:
            assert found.share == found.control / customers and shows(found.control, wanted)
            assert found.control == 1 or not shows(found.control - 1, wanted)
