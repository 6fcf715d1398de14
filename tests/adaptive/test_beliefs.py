"""Choosing by what is believed: chances are exact, money is told as expected."""

import re

import numpy as np
import pytest

from promolab.adaptive.beliefs import BANDITS, TS, UCB, WIDTH, allocate_by
from promolab.policy import allocate
from tests.refused import refused

N, P, DRAWS = 300, 3, 20


@pytest.fixture(scope="module")
def believed():
    rng = np.random.default_rng(0)
    return rng.normal(1, 1, (N, P)), np.tile([0.1, 0.5, 2.0], (N, 1)), rng.uniform(0.5, 1, (N, P))


def test_chances_add_up_and_are_those_of_100_000_replays(believed):
    value, error, cost = believed
    found = allocate_by(TS, *believed, budget=60, draws=DRAWS, explore=0.1, seed=3)
    chance = found.drawn.propensities
    np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-12)
    # A replay takes one of the draws, each as likely, and lets chance draw a tenth.
    shifts = np.random.default_rng([3, DRAWS]).standard_normal((DRAWS, P))
    best = []
    for shift in shifts:
        one = allocate(value + WIDTH[TS] * error * shift, cost, budget=60, explore=0.1, seed=3)
        best.append(one.drawn.before.argmax(axis=1))
    rng, replays = np.random.default_rng(1), 100_000
    customer = rng.integers(0, N, 40)  # of some customers: their actions one beside the other
    taken = np.array(best)[rng.integers(0, DRAWS, replays)][:, customer]
    by_chance = rng.random(taken.shape) < found.drawn.share
    taken = np.where(by_chance, rng.integers(0, P + 1, taken.shape), taken)
    shares = np.stack([(taken == action).mean(axis=0) for action in range(P + 1)], axis=1)
    worst = np.abs(shares - chance[customer]) / np.sqrt(0.25 / replays)
    assert worst.max() < 4.5


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
    ],
)
def test_refusals(believed, words, change):
    names = ("value", "value_se", "cost")
    given = {"policy": TS, **dict(zip(names, believed, strict=True)), **change}
    refused(re.escape(words), allocate_by, **given)
