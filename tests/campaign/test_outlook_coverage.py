"""How forecasts of past promotions did: each from those over before it, and no others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.coverage import (
    RECOMPUTED,
    OutlookCoverage,
    roll_outlook,
    track_record,
)
from promolab.compare.backtest import expected_responses, response_ratios, run_backtest
from promolab.promotions import PREDICTION_LEVEL
from promolab.results import Estimate
from promolab.wording import promotion_name
from tests.refused import refused

START, WEEK = pd.Timestamp("2017-01-02"), pd.Timedelta(weeks=1)


def made(counts: list[int], expected: list[float]):
    """Return a backtest of promotions two weeks long, one every three weeks, and its pairs."""
    k = len(counts)
    starts = [START + 3 * i * WEEK for i in range(k)]
    ids = [f"p{i}" for i in range(k)]
    table = pd.DataFrame(
        {"promotion_id": ids, "starts_at": starts, "n": 400, "positives": counts}
        | {"expected": expected}
    )
    pairs = pd.DataFrame(
        {"promotion_id": ids, "starts_at": starts, "ends_at": [s + 2 * WEEK for s in starts]}
    )
    empty = pd.DataFrame(columns=["customer_id", *pairs.columns, "label_complete", "redeemed"])
    return replace(run_backtest(empty), by_promotion=table), pairs


def test_each_is_forecast_from_those_over_before_it() -> None:
    backtest, pairs = made([20, 35, 28, 40, 90, 31], [30.0, 30.0, 30.0, 30.0, 30.0, 30.0])
    found = roll_outlook(backtest, pairs)
    table = found.rows
    assert table["known"].tolist() == [0, 1, 2, 3, 4, 5]
    assert table["inside"].isna().tolist() == [True] * 3 + [False] * 3
    known = response_ratios(backtest.by_promotion.head(4))
    expected = expected_responses(30.0, known, PREDICTION_LEVEL)
    row = table.iloc[4]
    assert (row["expected"], row["ci_low"], row["ci_high"]) == (
        expected.value,
        expected.ci_low,
        expected.ci_high,
    )
    # What came later changes no forecast.
    later = backtest.by_promotion.assign(positives=[20, 35, 28, 40, 3, 300])
    again = roll_outlook(replace(backtest, by_promotion=later), pairs).rows
    columns = ["known", "expected", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(again[columns].head(5), table[columns].head(5))


def test_starts_are_days_of_the_shop() -> None:
    backtest, pairs = made([20, 35, 28, 40, 90, 31], [30.0] * 6)
    sunday = backtest.by_promotion.assign(starts_at=START - pd.Timedelta(hours=8))
    eve = replace(backtest, by_promotion=sunday)
    assert "02 Jan 2017" in roll_outlook(eve, pairs, "Asia/Shanghai").to_table().text
    assert "01 Jan 2017" in roll_outlook(eve, pairs).to_table().text


def test_a_forecast_made_ahead_knows_less() -> None:
    backtest, pairs = made([20, 35, 28, 40, 90, 31], [30.0] * 6)
    ahead = pairs.assign(as_of=pairs["starts_at"] - 2 * WEEK)
    assert roll_outlook(backtest, ahead).rows["known"].tolist() == [0, 0, 1, 2, 3, 4]


def test_words_share_and_figure() -> None:
    backtest, pairs = made([20, 35, 28, 40, 300, 31], [30.0] * 6)
    found = roll_outlook(backtest, pairs)
    share = found.share
    assert share.n == 3 and share.value == pytest.approx(2 / 3)
    assert share.ci_low < share.value < share.ci_high
    told = found.rows.tail(3)
    assert found.bias == pytest.approx(told["expected"].sum() / 371)
    assert "together 371 did where" in found.summary() and found.to_dict()["bias"] == found.bias
    assert "Of 3 past promotions" in found.summary() and "90 % interval" in found.summary()
    assert found.to_dict()["level"] == 0.9
    axes = found.plot()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["p5", "p4", "p3"]


def test_without_forecasts_it_says_so() -> None:
    backtest, pairs = made([20], [30.0])
    few = roll_outlook(backtest, pairs)
    assert few.share.n == 0 and "cannot" not in few.summary() and "No past" in few.summary()
    refused("nothing to draw", few.plot)
    nothing, pairs = made([], [])
    assert roll_outlook(nothing, pairs).rows.empty
    assert OutlookCoverage(few.rows).to_frame() is few.rows


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(40):
        expected = rng.uniform(10, 80, 14)
        counts = rng.poisson(expected * np.exp(rng.normal(-0.3, 0.4, 14)))
        backtest, pairs = made(counts.tolist(), expected.tolist())
        inside += roll_outlook(backtest, pairs).rows["inside"].dropna().tolist()
    assert 0.86 <= np.mean(inside) <= 0.96


def test_the_benchmark_row_shouts_where_too_few_are_covered() -> None:
    from benchmarks.outlook import forecasts_hold

    row = forecasts_hold(*made([20, 35, 28, 40, 300, 31], [30.0] * 6))
    assert not row.ok and "67 % [21, 94] of 3; missed p4" in row.measured
    assert forecasts_hold(*made([20, 35, 28, 30, 31, 29], [30.0] * 6)).ok
    assert not forecasts_hold(*made([20], [30.0])).ok


def test_the_costs_of_past_promotions_are_forecast_from_those_before_them() -> None:
    from benchmarks.outlook import rolling_costs

    starts = pd.Series([START + 3 * i * WEEK for i in range(6)], index=[f"p{i}" for i in range(6)])
    past = pd.DataFrame(
        {"promotion_id": starts.index, "kind": "coupon", "type": "", "starts_at": starts.to_numpy()}
        | {"redeemers": 40, "discount": [80.0, 100, 90, 85, 400, 95], "squares": 300.0}
    )
    past["per_redeemer"] = past["discount"] / past["redeemers"]
    found = rolling_costs(past, starts + 2 * WEEK).set_index("promotion_id")
    assert found.index.tolist() == ["p3", "p4", "p5"]
    assert found["inside"].tolist() == [True, False, True]
    assert found.loc["p4", "expected"] == pytest.approx((80 + 100 + 90 + 85) / 4)


def test_a_promotion_has_the_name_of_the_other_pages() -> None:
    backtest, pairs = made([20, 35, 28, 40, 300, 31], [30.0] * 6)
    called = {p: promotion_name("coupon", p) for p in pairs["promotion_id"]}
    found = roll_outlook(replace(backtest, names=called), pairs)
    assert [t.get_text() for t in found.plot().get_yticklabels()][:2] == [
        "Coupons p5",
        "Coupons p4",
    ]
    assert "Coupons p5</td>" in found.to_table().text and ">p5<" not in found.to_table().text
    assert replace(backtest, names=called).name_of("p5") == "Coupons p5"


NAN = float("nan")


def told_and_came() -> pd.DataFrame:
    rows = [
        (1, "2017-03-01", 0, 80, 9.0, NAN, NAN, 6, pd.NA),
        (2, "2017-04-01", 3, 90, 10.0, 4.0, 20.0, 12, True),
        (3, "2017-05-01", 4, 100, 20.0, 10.0, 30.0, 45, False),
    ]
    names = ["promotion_id", "starts_at", "known", "contacts", "expected", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=[*names, "observed", "inside"])
    return table.assign(starts_at=pd.to_datetime(table["starts_at"]))


KINDS = dict.fromkeys((1, 2, 3), "coupon")


def test_an_earlier_report_counts_first_and_misses_are_counted_without_any() -> None:
    told = {"3": ("2017-W18", Estimate(40.0, 30.0, 55.0, 4))}
    found = track_record(told_and_came(), KINDS, told)
    assert found.rows["name"].tolist() == ["Coupons 3", "Coupons 2", "Coupons 1"]
    assert found.rows["source"].tolist() == ["2017-W18", RECOMPUTED, RECOMPUTED]
    assert found.rows["expected"].tolist() == [40.0, 10.0, 9.0]
    assert bool(found.rows["inside"].iloc[0])
    text = found.summary()
    assert "2 of 2 forecasts held" in text and "in all 50 redemptions" in text and "57 came" in text
    assert "1 of them by earlier reports" in text
    assert "Forecasts are chances corrected by earlier promotions; bare chances: page 09." in text
    text = track_record(told_and_came(), KINDS).summary()
    assert text.startswith("1 of 2 forecasts held in the 90 % interval")
    assert "No earlier report of this folder made one" in text
    every = {i: ("2017-W10", Estimate(9.0, 1.0, 60.0, 3)) for i in (1, 2, 3)}
    assert "Each was in the report" in track_record(told_and_came(), KINDS, every).summary()
    for table in (told_and_came().head(1), told_and_came().head(0)):
        found = track_record(table, KINDS)
        assert "No forecast of redemptions with an interval" in found.summary()
        assert len(found.rows) == len(table)
