"""A week's promotions: who is ranked, by what was known when, and what is said where data lack."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.campaign.outlook import launch as outlook_launch
from promolab.campaign.outlook.launch import _silent_kinds, launch_week
from promolab.weeks import Week
from tests.made_up import cut
from tests.refused import refused

MONDAY = Week.parse("2017-W44").start("America/New_York")
EARLY = MONDAY - timedelta(days=3)


@pytest.fixture(scope="module")
def shop(small_shop):
    return promolab.load_shop(small_shop)


def launch(shop, **options):
    return launch_week(shop, MONDAY, MONDAY + timedelta(days=7), **options)


@pytest.fixture(scope="module")
def launched(shop):
    """The week's launch, planned three days before it begins."""
    return launch(shop, as_of=EARLY)


def test_everybody_with_history_is_ranked_and_the_list_as_long_as_usual(launched, shop):
    assert launched.promotions["promotion_id"].tolist() == ["18"]
    features = promolab.build_features(shop, EARLY).execute()
    assert sorted(launched.scores["customer_id"]) == sorted(features["customer_id"])
    assert launched.scores["p_redeemed"].between(0, 1).all()
    assert launched.why == "" and "1 promotion starts this week" in launched.summary()
    # The list is as long as usual.
    pairs = launched.pairs
    alike = pairs[pairs["promotion_type"] == "Type A"].groupby("promotion_id")["customer_id"]
    usual = int(alike.nunique().median())
    assert set(launched.outlook["usual"]) == {usual}
    (told,) = launched.expectations()
    assert f"If the {usual} likeliest are contacted, about " in told


def test_a_plan_made_earlier_reads_nothing_later_and_tests_itself_alike(shop, launched):
    made = launched.pairs.drop_duplicates("promotion_id")
    assert (made["starts_at"] - made["as_of"] == timedelta(days=3)).all()
    assert (launched.pairs["label_complete"] == (launched.pairs["ends_at"] <= EARLY)).all()
    again = launch(cut(shop, EARLY), as_of=EARLY)
    pd.testing.assert_frame_equal(again.scores, launched.scores)
    pd.testing.assert_frame_equal(again.backtest.rows, launched.backtest.rows)
    pd.testing.assert_frame_equal(again.coverage.frame, launched.coverage.frame)
    pd.testing.assert_frame_equal(again.to_frame(), launched.to_frame())


def test_what_is_lacking_is_said_and_a_quiet_week_has_a_model_all_the_same(shop, launched):
    pairs, hour = launched.pairs, timedelta(hours=1)
    refused("after the week's start", launch, shop, as_of=MONDAY + hour)
    quiet = launch_week(shop, MONDAY + hour, MONDAY + 2 * hour, pairs=pairs)
    assert quiet.model is not None and quiet.scores.empty and quiet.to_frame().empty
    assert quiet.summary().startswith("No promotion starts this week")
    silent = launch(shop, pairs=pairs.assign(redeemed=False))
    assert silent.model is None and silent.scores.empty
    assert silent.summary().startswith("No response model yet: ")
    nothing = launch(shop.with_tables({"events": shop.events, "customers": shop.customers}))
    assert nothing.summary().startswith("No response model: ") and nothing.pairs.empty
    assert nothing.expectations() == []
    first = pairs["starts_at"].drop_duplicates().nsmallest(4)
    few = launch(shop, as_of=EARLY, pairs=pairs[pairs["starts_at"].isin(first)])
    assert few.outlook["ci_low"].isna().all()
    (told,) = few.expectations()
    assert "No intervals: fewer than three" in told and "nan" not in told.lower()


def test_a_customer_and_the_list_are_explained_in_plain_words(launched) -> None:
    said = launched.explain(called=lambda ids: ["C-1"]).summary()
    top = launched.scores["p_redeemed"].max()
    assert said.startswith(f"Customer C-1 has a chance of {100 * top:.1f} % to redeem")
    (likeliest,) = launched.likeliest["customer_id"]
    assert launched.explain(likeliest, called=lambda ids: ["C-1"]).summary() == said
    refused("customer 'none' is not ranked", launched.explain, "none")
    refused("Nobody is ranked", replace(launched, model=None).explain)
    tips = replace(launched, pairs=launched.pairs.assign(promotion_kind="recommendation"))
    assert "likely to buy, not whom a promotion changes" in tips.meaning()


def test_a_kind_is_silent_where_answered_as_others_it_would_have_ten_answers():
    kinds, place = np.repeat(["coupon", "recommendation"], 100), np.arange(200)
    pairs = pd.DataFrame({"promotion_kind": kinds, "label_complete": True})
    assert _silent_kinds(pairs.assign(redeemed=place >= 190)) == ["coupon"]
    assert _silent_kinds(pairs.assign(redeemed=place >= 191)) == []  # so few that none is chance
    assert _silent_kinds(pairs.assign(redeemed=False)) == []  # nor does one kind tell of another


def test_of_a_kind_whose_answers_are_not_recorded_nothing_is_learned(monkeypatch):
    shop = promolab.load_shop("simulated", customers=500, weeks=14, exploration=1.0)
    offers, rows = shop.promotions, shop.responses
    mine = rows.promotion_id.isin(offers.filter(offers.kind == "coupon").promotion_id)
    answered = rows.filter(~(mine & rows.kind.isin(["redeem", "purchase"])))
    silent = shop.with_tables(shop.tables | {"responses": answered})
    week = Week.parse("2024-W35")
    monkeypatch.setattr(outlook_launch, "ANSWERS_EXPECTED", 2)
    found = launch_week(silent, week.start(shop.zone), week.end(shop.zone), list_size=25)
    assert "coupon" not in set(found.pairs["promotion_kind"]) and len(found.pairs) > 100
    assert set(found.outlook["usual"]) == {25}
    # And nothing is foretold of it from what other kinds brought.
    kinds = found.promotions.set_index("promotion_id")["kind"]
    of = found.outlook.groupby(found.outlook["promotion_id"].map(kinds))["expected"]
    assert of.count()["coupon"] == 0 < of.count()["recommendation"]
    assert any("never recorded: no number is predicted" in one for one in found.expectations())
