"""A promotion that is over as an experiment: who is in it, what counts, which may be compared."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.campaign.past.contacted import contacted_experiment, known_at, promotions_over
from promolab.campaign.readout import similar_customers
from promolab.campaign.readout.ended_promotions import read_out
from promolab.campaign.readout.similar_customers import comparable_promotion, promotion_difference
from promolab.contract import Shop
from promolab.effects.differences import ADJUSTED, not_identified
from promolab.features.decisions import outcomes_between
from promolab.results import Estimate
from promolab.wording import promotion_name
from tests.refused import spoilt


@pytest.fixture(scope="module")
def shop():
    return promolab.load_shop("simulated", customers=1_000, weeks=12)


@pytest.fixture(scope="module")
def over(shop):
    return promotions_over(shop)


@pytest.fixture(scope="module")
def trial(shop, over):
    return contacted_experiment(shop, next(over.itertuples()))


def test_the_largest_smaller_arm_is_taken_and_the_others_are_all_with_history(shop, over, trial):
    assert over[["contacted", "others"]].min(axis=1).is_monotonic_decreasing
    promotion = over.iloc[0]
    sizes = trial.describe().set_index("arm")["customers"]
    assert sizes.to_dict() == {"none": promotion["others"], "contacted": promotion["contacted"]}
    exposures = shop.exposures.execute()
    exposed = exposures.loc[exposures["promotion_id"] == promotion["promotion_id"], "customer_id"]
    events = shop.events.select("customer_id", "ts").execute()
    there = set(events.loc[events["ts"] < promotion["starts_at"], "customer_id"])
    frame = trial.frame
    assert set(frame["customer_id"]) == there and frame["customer_id"].is_unique
    assert set(frame.loc[frame["arm"] == "contacted", "customer_id"]) == set(exposed) & there


def test_outcomes_count_to_the_end_of_the_horizon_and_nothing_after_the_start_is_known(
    shop, over, trial
):
    promotion = over.iloc[0]
    high = promotion["ends_at"] + timedelta(days=28)
    span = pd.DataFrame({"span": [0], "low": [promotion["starts_at"]], "high": [high]})
    found = outcomes_between(shop, span).execute().set_index("customer_id")
    mine = trial.frame.set_index("customer_id")
    names = [*trial.outcomes]
    expected = found[names].reindex(mine.index).fillna(0).astype(float)
    np.testing.assert_allclose(mine[names].astype(float), expected, atol=1e-6)
    known = known_at(shop, promotion["starts_at"]).set_index("customer_id")
    assert {"orders", "recency_days", "other_promotions", "tier"} <= set(trial.covariates)
    assert not set(trial.covariates) & {*trial.outcomes, *trial.placebo, "arm", "cluster_id"}
    events = shop.events.filter(shop.events.ts < promotion["starts_at"])
    cut = shop.with_tables({**shop.tables, "events": events})
    before = known_at(cut, promotion["starts_at"]).set_index("customer_id")
    pd.testing.assert_frame_equal(known, before)
    columns = list(trial.covariates)
    pd.testing.assert_frame_equal(mine[columns], known.loc[mine.index, columns])


def test_none_is_over_before_its_horizon_and_without_margins_sales_are_compared(shop, over):
    assert promotions_over(shop, over["ends_at"].min() + timedelta(days=27)).empty
    bare = {name: table for name, table in shop.tables.items() if name == "events"}
    spoilt("has no promotions and no exposures", promotions_over, shop.with_tables(bare))
    products = shop.products.drop("margin_rate")
    unpriced = shop.with_tables({**shop.tables, "products": products})
    found = contacted_experiment(unpriced, next(over.iloc[1:].itertuples()))
    assert found.name == promotion_name(*over[["kind", "promotion_id"]].iloc[1])
    assert found.outcomes[0] == "sales"
    assert "Margin rates are not known: sales are compared." in found.notes


def test_the_difference_is_the_one_that_the_read_out_shows_and_none_without_amounts(shop, over):
    promotion = next(over.itertuples())
    shop = shop.with_tables({k: v for k, v in shop.tables.items() if not k.startswith("decision")})
    found = promotion_difference(shop, promotion)
    assert found == read_out(shop, promotion.ends_at, weeks=1)[promotion.promotion_id].difference
    assert found.identification in ("adjusted", "not identified") and found.why
    bare = shop.with_tables({**shop.tables, "events": shop.events.drop("amount")})
    found = promotion_difference(bare, promotion)
    assert not found.identified and "no amounts" in found.why


def comparable(*sizes):
    names = [f"P{place}" for place in range(len(sizes))]
    rows = {"promotion_id": names, "kind": "coupon", "contacted": sizes, "others": 1_000}
    return comparable_promotion(Shop({}), pd.DataFrame(rows))


def ruled(monkeypatch, *words):
    """Let the rule say these words, promotion by promotion; empty is identified."""
    asked = []

    def rule(shop, row):
        asked.append(row.promotion_id)
        found = not_identified(words[int(row.promotion_id[1:])], row.contacted)
        nothing = Estimate(np.nan, np.nan, np.nan, row.contacted)
        return found if found.why else replace(found, identification=ADJUSTED, estimate=nothing)

    monkeypatch.setattr(similar_customers, "promotion_difference", rule)
    return asked


def test_the_largest_identified_is_taken_or_the_largest_with_its_reason_no_small_one(monkeypatch):
    asked = ruled(monkeypatch, "too few alike", "", "")
    promotion, difference, tried = comparable(500, 400, 300)
    assert promotion.promotion_id == "P1" and asked == ["P0", "P1"] and difference.identified
    assert [(row.promotion_id, other.why) for row, other in tried] == [("P0", "too few alike")]
    asked = ruled(monkeypatch, "too few alike", *["apart"] * 9)
    promotion, difference, tried = comparable(*range(900, 800, -10))
    assert promotion.promotion_id == "P0" and difference.why == "too few alike"
    assert len(tried) == len(asked) == 5
    asked = ruled(monkeypatch, "apart", "")
    assert comparable(99, 50) is None and asked == []
