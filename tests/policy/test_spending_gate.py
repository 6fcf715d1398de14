"""Money is spent where promotions do something: heavy-tailed baskets whose truth is known."""

from functools import cache

import numpy as np
import pytest

from benchmarks.spending_gate import gated
from promolab.effects import UpliftModel
from promolab.policy import PolicyRows, money_answer, pays_to_spend
from tests.effects.test_evidence import told


@cache
def shops(effects, number):
    return [gated(seed, 4_000, effects) for seed in range(number)]


def test_shops_without_effects_spend_nothing_and_say_that_a_loss_is_likely():
    found = shops(0.0, 20)
    assert sum(bool(one.pays) for one in found) <= 3  # of 5 % each four would be 1 in 60
    assert sum(one.gated for one in found) > sum(one.ungated for one in found)
    assert np.mean([one.pays.loss for one in found if one.pays.spend]) > 0.7


def test_shops_with_effects_spend_and_earn():
    found = shops(1.6, 5)
    assert all(one.pays and one.gated > 10_000 for one in found)
    some = shops(0.8, 10)
    assert sum(bool(one.pays) for one in some) >= 4  # of .6 each three would be 1 in 18
    assert all(one.gated >= 0 for one in some)


def test_where_promotions_cut_the_largest_baskets_the_logs_are_not_believed():
    found = [gated(seed, 4_000, 0.8, cut=True) for seed in range(8)]
    assert all(one.at_any_rate < 0 for one in found)
    assert sum(bool(one.pays) for one in found) <= 4


def test_a_shop_that_withholds_is_told_what_that_costs_and_what_it_assumes():
    pays = next(one.pays for one in shops(0.0, 20) if not one.pays and one.pays.spend)
    said = pays.summary()
    assert "the chance of a loss is " in said and "20 % is tolerated" in said
    assert "past decisions spending more would add" in said and "Withholding " in said
    assert "how unequal baskets are" in said
    assert pays.loss >= pays.nothing > 0.2


def test_the_answer_and_the_gate_of_a_fitted_model_say_one_chance_of_a_loss():
    made, _, _ = told(n=4_000, adds=0.15, age=np.arange(4_000.0) % 7)
    model = UpliftModel("dr", "ridge").fit(made)
    rows = PolicyRows.of_model(model, cost=0.2, contact_cost=0.2)
    assert rows.evidence is not None
    pays = pays_to_spend(rows)
    assert pays and pays.modelled and pays.loss < 0.05
    assert money_answer(rows).loss == pytest.approx(pays.loss, abs=0.02)
    half = rows.only(np.arange(4_000) % 2 == 0)
    assert pays_to_spend(half).modelled and len(half.known) == 2_000
