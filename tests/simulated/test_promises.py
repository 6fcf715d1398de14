"""What the simulated shop promises, over three seeds: it must not be an easy world."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.simulated import facts
from promolab.simulated.truth import Truth
from promolab.simulated.world import World

SEEDS = range(3)
CUSTOMERS, WEEKS = 8_000, 16


def measured(variant, seed):
    """What `make bench` measures of shops at their full size, of smaller ones by fewer trees."""
    return facts(variant, seed, CUSTOMERS, WEEKS, quick=True)


@pytest.fixture(scope="module")
def default():
    return pd.DataFrame([measured("default", seed) for seed in SEEDS])


def within(values, low, high):
    return values.between(low, high).all()


def test_five_to_fifteen_percent_of_customers_buy_in_a_week(default):
    assert within(default["buyers_low"], 0.05, 0.15)
    assert within(default["buyers_high"], 0.05, 0.15)


def test_effects_are_small_and_vary(default):
    assert within(default["mean"], 0.05, 0.15)
    assert within(default["spread"], 0.5, 1.5)


def test_the_best_customers_are_not_the_most_persuadable(default):
    assert within(default["rank"], 0.05, 0.2)


def test_contact_harms_some(default):
    assert within(default["harmed"], 0.05, 0.1)


def test_features_explain_about_half_of_the_effects(default):
    assert within(default["explained"], 0.4, 0.6)


def test_money_is_heavy_tailed(default):
    assert within(default["cv"], 3, 5)


def test_hard_effects_are_half_as_large_and_a_fifth_is_explained(default):
    hard = measured("hard", 0)
    assert 0.13 < hard["explained"] < 0.27
    assert 0.4 < hard["mean"] / default["mean"][0] < 0.6


def test_in_the_null_world_nothing_has_an_effect():
    truth = Truth(World(customers=5_000, weeks=WEEKS, variant="null"))
    for promotion in truth.promotions:
        found = truth.effects(promotion)
        for outcome in ("purchase", "orders", "sales", "margin"):
            assert (found[f"{outcome}_effect"] == 0).all()
            assert (found[f"{outcome}_with"] == found[f"{outcome}_without"]).all()
    assert set(truth.types(truth.promotions[0])) == {"lost cause"}
