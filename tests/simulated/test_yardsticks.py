"""Nobody, the latent oracle and the attainable one."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.features import build_features
from promolab.simulated import truth
from promolab.simulated.truth import (
    added_profit,
    attainable_effects,
    attainable_oracle,
    chosen,
    contactable,
    latent_oracle,
    nobody,
)
from promolab.sources.opening import simulated
from tests.refused import refused

PROMOTION = "W16-limited_time_discount"
SHOPS: dict[Path, Shop] = {}


@functools.cache
def known_before(folder, moment):
    """Features of a shop at a moment, made once."""
    shop = SHOPS[folder]
    known = build_features(shop, moment).execute().drop(columns="as_of")
    names = ("customer_id", "age", "tier", "signup_channel", "interest_in_offers")
    attributes = shop.customers.select(*names)
    return known.merge(attributes.execute(), on="customer_id", how="right")


@pytest.fixture(scope="module")
def other():
    return simulated(customers=4_000, weeks=21, seed=2)


@pytest.fixture(scope="module")
def predicted(shop, other):
    return attainable_effects(shop, PROMOTION, features=features, independent=other)


def features(shop, moment):
    folder = shop.files[0].parent
    SHOPS[folder] = shop
    return known_before(folder, moment).copy()


def test_profit_is_the_sum_of_effects_less_contacts_and_what_cannot_be_is_refused(shop):
    truth = shop.truth.effects(PROMOTION).set_index("customer_id").margin_effect
    ids = np.array([5, 17, 3_000])
    assert np.isclose(added_profit(shop, PROMOTION, ids), truth[ids].sum() - 3 * 0.2)
    assert added_profit(shop, PROMOTION, [5, 5]) == added_profit(shop, PROMOTION, [5])
    assert nobody(shop, PROMOTION).added_profit == added_profit(shop, PROMOTION, []) == 0
    refused("no promotion", nobody, shop, "W16-gift")
    refused("no customer 99999", added_profit, shop, PROMOTION, [99_999])
    refused("either share or budget", latent_oracle, shop, PROMOTION)
    refused("0 to 1", latent_oracle, shop, PROMOTION, 30)
    hard = simulated(customers=400, weeks=21, seed=5, variant="hard")
    for other, said in ((shop, "own seed"), (hard, "another world")):
        how = {"features": features, "independent": other}
        refused(said, attainable_oracle, shop, PROMOTION, 0.3, **how)


def test_only_those_who_may_be_contacted_within_share_and_budget_in_a_fixed_order(shop):
    may = contactable(shop, PROMOTION)
    decisions = shop.decisions.execute()
    standing = decisions[decisions.holdout == "standing"].customer_id.unique()
    assert not np.isin(may, standing).any()
    assert set(may) == set(decisions.customer_id) - set(standing)
    assert set(latent_oracle(shop, PROMOTION, 0.3).customers) <= set(may)
    assert len(latent_oracle(shop, PROMOTION, 0.3).customers) == round(0.3 * len(may))
    assert len(latent_oracle(shop, PROMOTION, budget=10.0).customers) == 50
    assert len(latent_oracle(shop, PROMOTION, 1.0).customers) == len(may)
    flat = pd.Series(1.0, index=may[::-1])
    flat.loc[may[0]] = np.nan
    found = chosen(shop, PROMOTION, flat, share=0.01)
    assert found.customers.tolist() == may[1 : 1 + round(0.01 * len(may))].tolist()


def test_oracles_stand_in_order(shop, predicted):
    latent = latent_oracle(shop, PROMOTION, 0.3)
    attainable = chosen(shop, PROMOTION, predicted, share=0.3)
    rng = np.random.default_rng(0)
    anybody = pd.Series(rng.uniform(size=4_000), index=np.arange(4_000) + 1)
    chance = chosen(shop, PROMOTION, anybody, share=0.3)
    assert latent.added_profit > attainable.added_profit > 1.2 * chance.added_profit > 0
    assert attainable.added_profit > 0.6 * latent.added_profit
    truth = shop.truth.effects(PROMOTION).set_index("customer_id").margin_effect
    assert 0.5 < np.corrcoef(predicted.sort_index(), truth)[0, 1] < 0.85


def test_the_attainable_oracle_never_saw_the_shops_own_truth(shop, other, monkeypatch, predicted):
    """Were the shop's truth another, the oracle would choose the same customers."""
    honest = truth.Truth.effects

    def poisoned(self, promotion_id):
        found = honest(self, promotion_id)
        return found if self.world.seed == 2 else found.assign(margin_effect=0.0)

    monkeypatch.setattr(truth.Truth, "effects", poisoned)
    again = attainable_oracle(shop, PROMOTION, 0.3, features=features, independent=other)
    before = chosen(shop, PROMOTION, predicted, share=0.3)
    assert again.customers.tolist() == before.customers.tolist()
