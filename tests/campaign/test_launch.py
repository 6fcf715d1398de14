"""A week's promotions: who is ranked, what a list will bring, and what is said where data lack."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.launch import launch_week, list_outlook
from promolab.weeks import Week


@pytest.fixture(scope="module")
def shop(small_shop):
    from promolab.sources import load_shop

    return load_shop(small_shop)


def launch(shop, week, **options):
    week = Week.parse(week)
    return launch_week(shop, week.start(shop.zone), week.end(shop.zone), **options)


@pytest.fixture(scope="module")
def launched(shop):
    return launch(shop, "2017-W44")


def test_everybody_with_history_is_ranked(launched, shop):
    from promolab import build_features

    assert launched.promotions["promotion_id"].tolist() == ["18"]
    features = build_features(shop, Week.parse("2017-W44").start(shop.zone)).execute()
    assert sorted(launched.scores["customer_id"]) == sorted(features["customer_id"])
    assert launched.scores["p_redeemed"].between(0, 1).all()
    assert launched.why == "" and "1 promotion starts this week" in launched.summary()


def test_later_rows_change_nothing(launched, shop):
    as_of = Week.parse("2017-W44").start(shop.zone)
    tables = {
        name: table.filter(table.ts < as_of) if name in ("events", "responses") else table
        for name, table in shop.tables.items()
    }
    again = launch(shop.with_tables(tables), "2017-W44")
    pd.testing.assert_frame_equal(again.scores, launched.scores)


def test_a_list_brings_the_sum_of_its_chances(launched):
    ranked = launched.scores["p_redeemed"].sort_values(ascending=False).to_numpy()
    found = list_outlook(launched.scores, launched.backtest, 40, sizes=[10, 40, 10_000])
    table = found.table.set_index("customers")
    assert list(table.index) == [10, 40, len(ranked)]
    # Past promotions brought fewer than predicted, and all lists are corrected alike.
    factor = table["expected"] / [ranked[:n].sum() for n in table.index]
    np.testing.assert_allclose(factor, factor.iloc[0])
    assert factor.iloc[0] == pytest.approx(np.exp(launched.backtest.ratio_spread.mean))
    assert (table["ci_high"] <= table.index).all() and table["inside"].between(0, 1).all()
    assert "If the 40 likeliest are contacted" in found.summary()
    assert found.plot().get_title(loc="left")


def test_the_list_is_as_long_as_asked(shop, launched):
    assert launch(shop, "2017-W44", list_size=25).outlooks[0].usual == 25
    pairs = launched.pairs
    alike = pairs[pairs["promotion_type"] == "Type A"].groupby("promotion_id")["customer_id"]
    assert launched.outlooks[0].usual == int(alike.nunique().median())


def test_a_week_in_which_nothing_starts_has_a_model_all_the_same(shop):
    quiet = launch(shop, "2017-W45")
    assert quiet.model is not None and quiet.scores.empty and quiet.to_frame().empty
    assert quiet.summary().startswith("No promotion starts this week")


def test_labels_of_one_class_leave_a_reason(shop):
    responses = shop.responses.filter(shop.responses.ts > Week.parse("2017-W44").start(shop.zone))
    silent = launch(shop.with_tables({**shop.tables, "responses": responses}), "2017-W44")
    assert silent.model is None and silent.scores.empty
    assert silent.summary().startswith("No response model yet: ")


def test_without_promotions_the_reason_is_given(shop):
    alone = shop.with_tables({"events": shop.events, "customers": shop.customers})
    nothing = launch(alone, "2017-W44")
    assert nothing.summary().startswith("No response model: ") and nothing.pairs.empty


def test_few_past_promotions_give_no_interval_and_say_so(shop):
    early = launch(shop, "2017-W19")
    (outlook,) = early.outlooks
    assert outlook.promotions < 3 and outlook.table["ci_low"].isna().all()
    assert outlook.interval_note().startswith("No intervals: ")
    assert "nan" not in outlook.summary().lower()
