"""Choosing by what is believed: chances are exact, money is told as expected."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from promolab.adaptive.beliefs import BANDITS, TS, UCB, WIDTH, allocate_by
from promolab.policy import allocate
from tests.refused import refused

N, P = 300, 3


@pytest.fixture(scope="module")
def believed():
    rng = np.random.default_rng(0)
    return rng.normal(1, 1, (N, P)), np.tile([0.1, 0.5, 2.0], (N, 1)), rng.uniform(0.5, 1, (N, P))


def test_chances_add_up_are_those_of_100_000_replays_and_one_customer_tells_nothing_of_the_next(
    believed,
):
    value, error, cost = believed
    shifts = np.random.default_rng(2).standard_normal((6, P))
    among = [value + WIDTH[TS] * error * shift for shift in shifts]
    off, spread, tests = np.zeros((N, P + 1)), np.zeros((N, P + 1)), []
    for seed in range(340):
        found = allocate(value, cost, budget=60, among=among, explore=0.1, seed=seed)
        chance = found.drawn.propensities
        np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-12)
        came = np.eye(P + 1)[found.choice] - chance  # −1 is the last column, none
        off, spread = off + came, spread + chance * (1 - chance)
        # Pearson's: do arms come as often as their chances say, all customers together?
        covariance = np.diag(chance.sum(axis=0)) - chance.T @ chance
        together = came.sum(axis=0)
        tests.append(chi2.sf(together @ np.linalg.pinv(covariance) @ together, P))
    assert (np.abs(off) / np.sqrt(spread)).max() < 4.5
    assert 0.02 <= (np.array(tests) < 0.05).mean() <= 0.085


def test_values_that_decide_are_those_of_the_same_customers_and_checked(believed):
    value, _, cost = (pd.DataFrame(each, columns=list("abc")) for each in believed)
    value.index = cost.index = pd.Index(range(N, 0, -1), name="customer_id")
    others = 2 - value
    found = allocate(value, cost, budget=60, among=[others.sort_index()[list("cab")]])
    assert (found.choice == allocate(others, cost, budget=60).choice).all()
    got = np.flatnonzero(found.choice >= 0)
    assert found.value == pytest.approx(value.to_numpy()[got, found.choice[got]].sum())
    refused("value has shape", allocate, value, cost, among=[np.ones((N, 2))])
    refused("expected a finite number", allocate, value, cost, among=[value.mask(value > 3)])


@pytest.mark.parametrize("policy", BANDITS)
def test_money_is_told_as_expected_and_the_budget_kept(believed, policy):
    value, _, cost = believed
    found = allocate_by(policy, *believed, budget=60, explore=0.1, seed=1)
    got = np.flatnonzero(found.choice >= 0)
    assert found.value == pytest.approx(value[got, found.choice[got]].sum())
    assert found.spend == pytest.approx(cost[got, found.choice[got]].sum()) and found.spend <= 60
    assert found.value <= found.upper_bound == allocate(value, cost, budget=60).upper_bound


def test_the_unknown_is_tried_more_the_less_is_known(believed):
    value, _, cost = believed
    value = np.tile(value[:, :1], (1, P))
    error = np.tile([0.0, 0.2, 1.0], (N, 1))
    given = allocate_by(UCB, value, error, np.ones_like(cost), budget=60).choice
    assert set(given[given >= 0]) == {2}
    sure = allocate_by(TS, value, np.zeros_like(error), np.ones_like(cost), budget=60)
    assert (sure.choice == allocate(value, np.ones_like(cost), budget=60).choice).all()
    assert set(np.unique(sure.drawn.propensities)) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("policy = 'thompson' is unknown", {"policy": "thompson"}),
        ("value_se = (300, 2)", {"value_se": np.ones((N, 2))}),
        ("value_se = (300, 3)", {"value_se": -np.ones((N, P))}),
        ("budget = -1; expected a number from 0", {"budget": -1}),
        ("draws = 0", {"draws": 0}),
        ("promotion '0' is limited", {"capacity": [20, 20, 20]}),
        ("promotion '0' is limited", {"capacity": [20, 20, 20], "pays": False}),
    ],
)
def test_refusals(believed, words, change):
    names = ("value", "value_se", "cost")
    given = {"policy": TS, **dict(zip(names, believed, strict=True)), **change}
    refused(re.escape(words), allocate_by, **given)
