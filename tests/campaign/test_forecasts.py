"""What a list brings, how such forecasts did, and what a holdout sees beside earlier sales."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.abtest import smallest_effect
from promolab.campaign.outlook.forecasts import (
    OutlookCoverage,
    expected_of,
    list_outlook,
    roll_outlook,
)
from promolab.campaign.past.outcomes import earlier_span, sales_spread, visible_effect
from promolab.compare.backtest import expected_responses, response_ratios, run_backtest
from promolab.folder.run_folder import open_run
from promolab.metrics.pooling import PastRatios, past_ratios
from promolab.promotions import PREDICTION_LEVEL
from tests.made_up import shop_of

RATIOS = past_ratios([24, 20, 9, 30, 20, 6], [30.0, 40.0, 25.0, 40.0, 40.0, 20.0])
START, WEEK = pd.Timestamp("2017-01-02"), pd.Timedelta(weeks=1)
CAME = [20, 35, 28, 40, 300, 31]


def test_a_list_brings_its_chances_times_what_past_ones_brought() -> None:
    p = np.random.default_rng(0).beta(1, 6, 200)
    scores = pd.DataFrame({"customer_id": range(200), "promotion_id": "P", "p_redeemed": p})
    scores["support"] = np.where(np.arange(200) % 4, "inside", "new_customer")
    ranked = scores["p_redeemed"].sort_values(ascending=False).to_numpy()
    table = list_outlook(scores, RATIOS, 40)
    assert table["customers"].tolist() == [10, 20, 40, 80, 200] and set(table["usual"]) == {40}
    sums = [ranked[:n].sum() for n in table["customers"]]
    np.testing.assert_allclose(table["expected"], np.array(sums) * 109 / 195)
    assert (table["ci_high"] <= table["customers"]).all() and table["inside"].iloc[-1] == 0.75
    assert (table["ci_low"] < table["expected"]).all()


def test_one_level_never_more_than_the_list_and_no_interval_without_past_promotions() -> None:
    chances = pd.Series([0.2] * 100)
    found = expected_of(chances, RATIOS)
    same = expected_responses(20.0, RATIOS, 0.9)
    assert (found.value, found.ci_low, found.n) == (same.value, same.ci_low, 6)
    more = past_ratios([30, 45, 60, 50], [20.0, 30.0, 40.0, 30.0])
    sure = expected_of(pd.Series([0.99] * 5), more)
    assert sure.value == sure.ci_high == 5.0
    assert expected_of(chances.sample(frac=1, random_state=1), RATIOS) == found
    assert expected_of(chances.head(0), RATIOS).ends == (0.0, 0.0, 0.0)
    found = expected_of(pd.Series([0.5, 0.5]), PastRatios.of(None))
    assert found.value == 1.0 and math.isnan(found.ci_low) and found.n == 0


def made(counts):
    """Return a backtest of promotions two weeks long, one every three weeks, and its pairs."""
    starts = [START + 3 * i * WEEK for i in range(len(counts))]
    ids = [f"p{i}" for i in range(len(counts))]
    table = pd.DataFrame({"promotion_id": ids, "starts_at": starts, "n": 400, "positives": counts})
    pairs = table[["promotion_id", "starts_at"]]
    pairs = pairs.assign(ends_at=[start + 2 * WEEK for start in starts])
    table["expected"] = 30.0
    empty = pd.DataFrame(columns=["customer_id", *pairs.columns, "label_complete", "redeemed"])
    return replace(run_backtest(empty), by_promotion=table), pairs


def test_each_is_forecast_from_those_over_before_it_and_ahead_from_fewer() -> None:
    backtest, pairs = made([20, 35, 28, 40, 90, 31])
    table = roll_outlook(backtest, pairs).frame
    assert table["known"].tolist() == [*range(6)]
    assert table["inside"].isna().tolist() == [True] * 3 + [False] * 3
    known = response_ratios(backtest.by_promotion.head(4))
    expected = expected_responses(30.0, known, PREDICTION_LEVEL)
    assert tuple(table.iloc[4][["expected", "ci_low", "ci_high"]]) == expected.ends
    # What came later changes no forecast.
    later = backtest.by_promotion.assign(positives=[20, 35, 28, 40, 3, 300])
    again = roll_outlook(replace(backtest, by_promotion=later), pairs).frame
    columns = ["known", "expected", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(again[columns].head(5), table[columns].head(5))
    ahead = pairs.assign(as_of=pairs["starts_at"] - 2 * WEEK)
    assert roll_outlook(backtest, ahead).frame["known"].tolist() == [0, 0, 1, 2, 3, 4]
    assert roll_outlook(*made([])).frame.empty


def test_share_bias_and_figure_and_what_the_first_page_reads_back(tmp_path) -> None:
    backtest, pairs = made(CAME)
    names = {p: f"Coupons {p}" for p in pairs["promotion_id"]}
    found = roll_outlook(replace(backtest, names=names), pairs)
    share = found.share
    assert share.n == 3 and share.value == pytest.approx(2 / 3)
    assert share.ci_low < share.value < share.ci_high
    assert found.bias == pytest.approx(found.frame.tail(3)["expected"].sum() / 371)
    assert found.to_dict()["bias"] == found.bias and found.to_dict()["level"] == 0.9
    run = open_run(tmp_path, week="2017-W20")
    run.write_table("outlook_coverage", found.frame, by=["starts_at", "promotion_id"])
    again = OutlookCoverage.read(run, shop_of({"promotions": pairs.assign(kind="coupon")}))
    assert again.kinds == ("coupon",) and dict(again.names) == names
    assert "Of 3 past promotions" in again.block().text


def test_starts_are_days_of_the_shop_and_without_forecasts_it_says_so() -> None:
    backtest, pairs = made(CAME)
    sunday = backtest.by_promotion.assign(starts_at=START - pd.Timedelta(hours=8))
    eve = replace(backtest, by_promotion=sunday)
    assert "02 Jan 2017" in roll_outlook(eve, pairs, "Asia/Shanghai").to_table().text
    assert "01 Jan 2017" in roll_outlook(eve, pairs).to_table().text
    few = roll_outlook(*made([20]))
    assert few.share.n == 0 and "No past" in few.summary()


DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")
ROW = {"starts_at": NOW + 3 * DAY, "ends_at": NOW + 59 * DAY}


def shop(windows: np.ndarray):
    """Return a shop whose customers spent so much in each window of 56 days, the latest first."""
    k, n = windows.shape
    rows = [
        pd.DataFrame({"customer_id": range(n), "amount": window, "ts": NOW - (56 * i + 10) * DAY})
        for i, window in enumerate(windows)
    ]
    events = pd.concat([*rows, rows[0].assign(amount=9e6, ts=NOW + DAY)]).assign(kind="purchase")
    first = events.head(1).assign(customer_id=-1, amount=0.0, ts=NOW - 56 * k * DAY)
    return shop_of({"events": pd.concat([events, first])})


def spent(k=4):
    rng = np.random.default_rng(0)
    return (rng.gamma(1.2, 150.0, 400) * rng.gamma(9.0, 1 / 9, (k, 400))).round(2)


def test_the_spread_and_what_earlier_sales_leave_of_it_by_hand_and_without_them() -> None:
    windows = spent()
    found = sales_spread(shop(windows), NOW.to_pydatetime(), ROW, pd.Series(range(400)))
    assert found.sd == pytest.approx(math.sqrt(np.mean([w.var(ddof=1) for w in windows[:3]])))
    r = [np.corrcoef(windows[i], windows[i + 1])[0, 1] for i in range(3)]
    left = [(1 - r[i] ** 2) * windows[i].var(ddof=1) * 399 / 398 for i in range(3)]
    assert found.adjusted == pytest.approx(math.sqrt(np.mean(left))) and found.correlation > 0.7
    known, now = shop(spent(1)), NOW.to_pydatetime()
    found = sales_spread(known, now, ROW, pd.Series(range(400)))
    assert found.correlation == 0 and found.adjusted == found.sd > 0
    long = {"starts_at": NOW, "ends_at": NOW + 999 * DAY}
    assert math.isnan(sales_spread(known, now, long, pd.Series([1, 2, 3])).sd)
    assert math.isnan(sales_spread(known, now, ROW, pd.Series([1])).sd)
    same = sales_spread(shop(np.ones((4, 50))), NOW.to_pydatetime(), ROW, pd.Series(range(50)))
    assert same.sd == same.adjusted == 0


def test_eight_weeks_at_least_are_allowed_for_and_what_is_seen_is_the_tests_own_formula() -> None:
    low, high = earlier_span(NOW.to_pydatetime(), 7 * DAY.to_pytimedelta())
    assert high == NOW and (high - low).days == 56
    assert (high - earlier_span(NOW.to_pydatetime(), 70 * DAY.to_pytimedelta())[0]).days == 70
    assert visible_effect(900, 100, 50.0) == smallest_effect(900, 100, sd=50.0)
    for contacts, held, sd in [(0, 5, 1.0), (5, 0, 1.0), (5, 5, 0.0), (5, 5, math.nan)]:
        assert math.isnan(visible_effect(contacts, held, sd))
