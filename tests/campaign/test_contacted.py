"""A promotion that is over as an experiment: who is in it, what is known, what counts."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.campaign.past.contacted import contacted_experiment, known_at, promotions_over
from promolab.features.decisions import outcomes_between
from promolab.wording import promotion_name
from tests.refused import spoilt


@pytest.fixture(scope="module")
def shop():
    return promolab.load_shop("simulated", customers=1_000, weeks=12)


@pytest.fixture(scope="module")
def trial(shop):
    return contacted_experiment(shop, next(promotions_over(shop).itertuples()))


def test_the_largest_smaller_arm_is_taken_and_the_others_are_all_with_history(shop, trial):
    over = promotions_over(shop)
    smaller = over[["contacted", "others"]].min(axis=1)
    assert smaller.is_monotonic_decreasing
    assert trial.notes[0].startswith(promotion_name(*over[["kind", "promotion_id"]].iloc[0]))
    sizes = trial.describe().set_index("arm")["customers"]
    first = over.iloc[0]
    assert sizes.to_dict() == {"none": first["others"], "contacted": first["contacted"]}
    assert trial.design == "unknown"
    promotion = promotions_over(shop).iloc[0]
    exposures = shop.exposures.execute()
    exposed = exposures.loc[exposures["promotion_id"] == promotion["promotion_id"], "customer_id"]
    events = shop.events.select("customer_id", "ts").execute()
    there = set(events.loc[events["ts"] < promotion["starts_at"], "customer_id"])
    frame = trial.frame
    assert set(frame["customer_id"]) == there and frame["customer_id"].is_unique
    assert set(frame.loc[frame["arm"] == "contacted", "customer_id"]) == set(exposed) & there


def test_outcomes_count_to_the_end_of_the_horizon_and_nothing_after_the_start_is_known(shop, trial):
    promotion = promotions_over(shop).iloc[0]
    high = promotion["ends_at"] + timedelta(days=28)
    span = pd.DataFrame({"span": [0], "low": [promotion["starts_at"]], "high": [high]})
    found = outcomes_between(shop, span).execute().set_index("customer_id")
    mine = trial.frame.set_index("customer_id")
    assert trial.outcomes
    for name in trial.outcomes:
        expected = found[name].reindex(mine.index).fillna(0).astype(float)
        np.testing.assert_allclose(mine[name].astype(float), expected, atol=1e-6)
    known = known_at(shop, promotion["starts_at"]).set_index("customer_id")
    mine = trial.frame.set_index("customer_id")
    assert {"orders", "recency_days", "other_promotions", "tier"} <= set(trial.covariates)
    assert not set(trial.covariates) & {*trial.outcomes, *trial.placebo, "arm", "cluster_id"}
    events = shop.events.filter(shop.events.ts < promotion["starts_at"])
    cut = shop.with_tables({**shop.tables, "events": events})
    before = known_at(cut, promotion["starts_at"]).set_index("customer_id")
    pd.testing.assert_frame_equal(known, before)
    columns = list(trial.covariates)
    pd.testing.assert_frame_equal(mine[columns], known.loc[mine.index, columns])


def test_none_is_over_before_its_horizon_and_without_margins_sales_are_compared(shop):
    over = promotions_over(shop)
    assert promotions_over(shop, over["ends_at"].min() + timedelta(days=27)).empty
    bare = {name: table for name, table in shop.tables.items() if name == "events"}
    spoilt("has no promotions and no exposures", promotions_over, shop.with_tables(bare))
    products = shop.products.drop("margin_rate")
    unpriced = shop.with_tables({**shop.tables, "products": products})
    found = contacted_experiment(unpriced, next(over.iloc[1:].itertuples()))
    assert found.name == promotion_name(*over[["kind", "promotion_id"]].iloc[1])
    assert found.outcomes[0] == "sales"
    assert "Margin rates are not known: sales are compared." in found.notes
