"""A bandit plans, hears late what came of it, once each, and learns."""

import re

import numpy as np
import pandas as pd
import pytest

from promolab.adaptive.bandit import PromotionBandit, linear_posterior
from promolab.contract import Experiment
from tests.refused import refused

ARMS = {
    "mail": {"kind": "message", "cost": 0.2, "depth": 0.0},
    "ten": {"kind": "coupon", "cost": 0.5, "depth": 0.1},
    "twenty": {"kind": "coupon", "cost": 0.5, "depth": 0.2},
}
ADDS = {"none": 0.0, "mail": 0.1, "ten": 0.5, "twenty": 1.5, "thirty": 2.5}


def people(n=900):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"customer_id": range(n), "orders": rng.poisson(3.0, n).astype(float)})


def outcomes_of(plan, seed=0):
    rng = np.random.default_rng(seed)
    added = plan.decisions["action"].map(ADDS)
    return plan.decisions[["decision_id"]].assign(outcome=added + rng.normal(size=len(added)))


def told(bandit, plan, outcomes=None):
    what = outcomes_of(plan) if outcomes is None else outcomes
    bandit.update(plan.decisions[["decision_id", "action"]], what)


@pytest.fixture(scope="module")
def learned():
    bandit = PromotionBandit(arms=ARMS, explore=0.6)
    for _ in range(3):
        told(bandit, bandit.plan(people(), budget=300.0))
    return bandit


def test_the_posterior_is_that_of_one_large_gaussian():
    rng = np.random.default_rng(0)
    design, y = rng.normal(size=(4, 6)), rng.normal(size=4)
    variances, prior = rng.uniform(0.1, 1, 4), rng.uniform(0.1, 3, 6)
    mean, covariance = linear_posterior(design, y, variances, prior)
    # Coefficients and measurements are jointly normal: condition one on the other.
    gain = np.diag(prior) @ design.T
    gain = gain @ np.linalg.inv(design @ np.diag(prior) @ design.T + np.diag(variances))
    np.testing.assert_allclose(mean, gain @ y, atol=1e-10)
    np.testing.assert_allclose(
        covariance, np.diag(prior) - gain @ design @ np.diag(prior), atol=1e-10
    )


def test_it_learns_what_adds_most_and_chances_add_up(learned):
    plan = learned.plan(people(), budget=300.0)
    believed = plan.believed.set_index("arm")
    true = pd.Series(ADDS)[believed.index]
    assert (abs(believed["mean"] - true) < 4 * believed["std_error"]).all()
    chosen = plan.decisions[plan.decisions["propensity"] > 0.3]["action"]
    assert chosen.value_counts().idxmax() == "twenty"
    sums = plan.chances.groupby("decision_id")["propensity"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-12)


def test_a_new_arm_begins_at_what_its_kind_and_terms_foretell():
    bandit = PromotionBandit(arms=ARMS, explore=0.6)
    for _ in range(3):
        told(bandit, bandit.plan(people(), budget=300.0))
    bandit.add_arm({"name": "thirty", "kind": "coupon", "cost": 0.5, "depth": 0.3})
    first = bandit.plan(people(), budget=300.0)
    believed = first.believed.set_index("arm")
    assert believed.loc["thirty", "decisions"] == 0
    assert believed.loc["thirty", "mean"] > believed.loc["ten", "mean"]
    assert believed.loc["thirty", "std_error"] > 2 * believed["std_error"].drop("thirty").max()
    told(bandit, first)
    later = bandit.plan(people(), budget=300.0).believed.set_index("arm")
    assert later.loc["thirty", "std_error"] < believed.loc["thirty", "std_error"]


def test_feedback_counts_once_however_late_and_in_however_many_parts(learned):
    def after(*parts):
        bandit = PromotionBandit(arms=ARMS, explore=0.6)
        plan = bandit.plan(people(), budget=300.0)
        for part in parts:
            told(bandit, plan, part(outcomes_of(plan)))
        return bandit.plan(people(), budget=300.0).believed

    whole = after(lambda all_: all_)
    parts = after(lambda all_: all_[400:], lambda all_: all_[:500], lambda all_: all_)
    pd.testing.assert_frame_equal(parts, whole)
    assert after(lambda all_: all_[:20])["mean"].isna().all()


def test_a_log_of_ones_own_is_where_it_begins():
    rng = np.random.default_rng(2)
    rows = people().rename(columns={"customer_id": "who"})
    rows["arm"] = rng.choice(["nothing", "mail", "ten"], len(rows))
    rows["spent"] = rows["arm"].map({"nothing": 0.0} | ADDS) + rng.normal(size=len(rows))
    chances = [[1 / 3] * 3] * len(rows)
    log = Experiment(
        rows, "arm", "nothing", ["orders"], ["spent"], customer_id="who", propensity=chances
    )
    bandit = PromotionBandit("ts", arms=ARMS, prior=log, explore=0.5)
    plan = bandit.plan(people(), budget=200.0)
    assert plan.believed.set_index("arm").loc["twenty", "decisions"] == 0
    assert plan.believed["mean"].notna().all() and plan.allocation.spend <= 200
    told(bandit, plan)
    later = bandit.plan(people(), budget=200.0).believed
    assert (later["decisions"] >= plan.believed["decisions"]).all()
    assert later["decisions"].sum() > plan.believed["decisions"].sum()
    refused("no column 'orders' in X", bandit.plan, people().drop(columns="orders"))


def test_refusals(learned):
    plan = PromotionBandit(arms=ARMS, explore=0.6)
    made = plan.plan(people(), budget=300.0)
    some = made.decisions[["decision_id", "action"]].head(2)
    given = outcomes_of(made).head(2)
    told(plan, made, given)
    for words, call in {
        "kind = 'best' is unknown": lambda: PromotionBandit("best"),
        "explore = 0": lambda: PromotionBandit(explore=0.0),
        "the arm 'b' has no kind": lambda: plan.add_arm({"name": "b", "cost": 1}),
        "the arm '' has no name": lambda: plan.add_arm({"kind": "b", "cost": 1}),
        "depth of 'b' = 'deep'": lambda: plan.add_arm(
            {"name": "b", "kind": "b", "cost": 1, "depth": "deep"}
        ),
        "there is an arm 'ten' already": lambda: plan.add_arm({"name": "ten", **ARMS["ten"]}),
        "there is no arm to give": lambda: PromotionBandit().plan(people()),
        "budget = -1": lambda: plan.plan(people(), budget=-1),
        "told with two outcomes": lambda: plan.update(some, given.assign(outcome=7.0)),
        "is none that was planned": lambda: plan.update(some.assign(decision_id="x"), given),
        "an action that chance could not draw": lambda: plan.update(
            some.assign(action="all"), given
        ),
        "outcomes.outcome has": lambda: plan.update(
            some, outcomes_of(made).tail(1).assign(outcome=np.nan)
        ),
    }.items():
        refused(re.escape(words), call)
    rows = people(4).assign(arm=["a", "b"] * 2, y=1.0)
    log = Experiment(rows, "arm", "a", ["orders"], ["y"])
    refused("states no chances", PromotionBandit, arms=ARMS, prior=log)
    log = Experiment(rows, "arm", "a", ["orders"], ["y"], propensity=[[0.5, 0.5]] * 4)
    refused("the arm 'b' of the prior has no attributes", PromotionBandit, arms=ARMS, prior=log)
