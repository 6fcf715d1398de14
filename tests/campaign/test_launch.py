"""A week's promotions: who is ranked, by what was known when, and what is said where data lack."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

import promolab
from promolab.campaign.outlook import launch as outlook_launch
from promolab.campaign.outlook.launch import _silent_kinds, launch_week, past_pairs
from promolab.weeks import Week
from tests.made_up import cut
from tests.refused import refused


@pytest.fixture(scope="module")
def shop(small_shop):
    return promolab.load_shop(small_shop)


def launch(shop, week, **options):
    week = Week.parse(week)
    return launch_week(shop, week.start(shop.zone), week.end(shop.zone), **options)


@pytest.fixture(scope="module")
def launched(shop):
    return launch(shop, "2017-W44")


def test_everybody_with_history_is_ranked_and_the_list_as_long_as_usual(launched, shop):
    assert launched.promotions["promotion_id"].tolist() == ["18"]
    features = promolab.build_features(shop, Week.parse("2017-W44").start(shop.zone)).execute()
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


def test_a_plan_made_earlier_reads_nothing_later_and_tests_itself_alike(shop):
    monday = Week.parse("2017-W44").start(shop.zone)
    early = monday - timedelta(days=3)
    ahead = launch(shop, "2017-W44", as_of=early, list_size=25)
    assert ahead.promotions["promotion_id"].tolist() == ["18"] and len(ahead.scores)
    made = ahead.pairs.drop_duplicates("promotion_id")
    assert (made["starts_at"] - made["as_of"] == timedelta(days=3)).all()
    over = ahead.pairs["ends_at"] <= early
    assert (ahead.pairs["label_complete"] == over).all()
    again = launch(cut(shop, early), "2017-W44", as_of=early, list_size=25)
    assert set(again.outlook["usual"]) == {25}
    pd.testing.assert_frame_equal(again.scores, ahead.scores)
    pd.testing.assert_frame_equal(again.backtest.rows, ahead.backtest.rows)
    pd.testing.assert_frame_equal(again.coverage.frame, ahead.coverage.frame)
    pd.testing.assert_frame_equal(again.to_frame(), ahead.to_frame())


def test_what_is_lacking_is_said_and_a_quiet_week_has_a_model_all_the_same(shop):
    monday = Week.parse("2017-W44").start(shop.zone)
    refused("after the week's start", launch, shop, "2017-W44", as_of=monday + timedelta(hours=1))
    quiet = launch(shop, "2017-W45")
    assert quiet.model is not None and quiet.scores.empty and quiet.to_frame().empty
    assert quiet.summary().startswith("No promotion starts this week")
    responses = shop.responses.filter(shop.responses.ts > monday)
    silent = launch(shop.with_tables({**shop.tables, "responses": responses}), "2017-W44")
    assert silent.model is None and silent.scores.empty
    assert silent.summary().startswith("No response model yet: ")
    alone = shop.with_tables({"events": shop.events, "customers": shop.customers})
    nothing = launch(alone, "2017-W44")
    assert nothing.summary().startswith("No response model: ") and nothing.pairs.empty
    assert nothing.expectations() == []
    early = launch(shop, "2017-W19")
    assert early.outlook["ci_low"].isna().all()
    (told,) = early.expectations()
    assert "No intervals: fewer than three" in told and "nan" not in told.lower()


def test_a_customer_and_the_list_are_explained_in_plain_words(launched) -> None:
    top = launched.scores["p_redeemed"].max()
    found = launched.explain(called=lambda ids: ["C-1"])
    assert found.summary().startswith(f"Customer C-1 has a chance of {100 * top:.1f} % to redeem")
    who = launched.scores["customer_id"].iloc[0]
    assert launched.explain(who).who == f"Customer {who}"
    refused("customer 'none' is not ranked", launched.explain, "none")
    refused("Nobody is ranked", replace(launched, model=None).explain)
    tips = replace(launched, pairs=launched.pairs.assign(promotion_kind="recommendation"))
    assert "likely to buy, not whom a promotion changes" in tips.meaning()


def test_of_a_kind_whose_answers_are_not_recorded_nothing_is_learned(monkeypatch):
    shop = promolab.load_shop("simulated", customers=500, weeks=14, exploration=1.0)
    offers, responses = shop.promotions, shop.responses
    mine = responses.promotion_id.isin(offers.filter(offers.kind == "coupon").promotion_id)
    answer = responses.kind.isin(["redeem", "purchase"])
    silent = shop.with_tables(shop.tables | {"responses": responses.filter(~(mine & answer))})
    week = Week.parse("2024-W35").start(shop.zone)
    whole = past_pairs(silent, week)
    coupons = whole["promotion_kind"] == "coupon"
    assert 50 < coupons.sum() < 150  # so few that none may be chance: they stay
    monkeypatch.setattr(outlook_launch, "ANSWERS_EXPECTED", 2)
    found = launch_week(silent, week, Week.parse("2024-W35").end(shop.zone))
    assert len(found.pairs) == (~coupons).sum()
    # And nothing is foretold of it from what other kinds brought.
    kinds = found.promotions.set_index("promotion_id")["kind"]
    of = found.outlook.groupby(found.outlook["promotion_id"].map(kinds))["expected"]
    assert of.count()["coupon"] == 0 < of.count()["recommendation"]
    assert any("never recorded: no number is predicted" in one for one in found.expectations())
    # Where none is recorded of any kind, no kind tells of another.
    assert _silent_kinds(whole.assign(redeemed=False)) == []
