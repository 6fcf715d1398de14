"""A running experiment day by day: the same from rows and moments, and how often it is wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from benchmarks.experiments_sequential import HELD_BACK, alarms_of_a_cohort, watched
from promolab.abtest import confidence_sequence, monitor_experiment
from promolab.errors import InputError
from tests.refused import refused
from tests.wording_lint import nonsense

DAYS = 30
DATES = pd.date_range("2026-03-02", periods=DAYS)


def rows(seed=0, lift=0.0, kind="mean"):
    """Two thousand customers per arm, one row each, some days apart."""
    rng = np.random.default_rng(seed)
    n = 4000
    arm = rng.permutation(np.repeat(["control", "coupon"], n // 2))
    y = rng.gamma(1, 20, n) + lift * (arm == "coupon")
    y = y if kind == "mean" else (y > 30).astype(float)
    return pd.DataFrame({"date": rng.choice(DATES, n), "arm": arm, "spend": y})


def moments(table):
    by = table.assign(customers=1, squares=table["spend"] ** 2).groupby(["date", "arm"])
    return by.agg(
        customers=("customers", "sum"), total=("spend", "sum"), squares=("squares", "sum")
    ).reset_index()


@pytest.mark.parametrize("kind", ["mean", "share"])
def test_rows_daily_and_cumulative_moments_say_the_same(kind):
    table = rows(lift=3.0, kind=kind)
    daily = moments(table)
    running = daily.copy()
    running[["customers", "total", "squares"]] = running.groupby("arm")[
        ["customers", "total", "squares"]
    ].cumsum()
    found = [
        monitor_experiment(table, "spend", days=60),
        monitor_experiment(daily.sample(frac=1, random_state=0), days=60),
        monitor_experiment(running, days=60, cumulative=True),
    ]
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0].frame, other.frame)
    assert found[0].kind == kind
    y1, y0 = (table.loc[table["arm"] == arm, "spend"] for arm in ("coupon", "control"))
    last = found[0].frame.iloc[-1]
    assert last.difference == pytest.approx(y1.mean() - y0.mean(), rel=1e-12)
    error = np.sqrt(y1.var() / len(y1) + y0.var() / len(y0))
    assert (last.naive_high - last.naive_low) / 2 == pytest.approx(1.959964 * error, rel=1e-3)


def test_the_band_is_the_confidence_sequence_and_what_is_decided_stays_so():
    daily = moments(rows())
    found = monitor_experiment(daily, days=DAYS, tuned_for=4000, burn_in=3)
    last = found.frame.iloc[-1]
    low, high = confidence_sequence(
        4000,
        last.difference,
        4000 * ((last.naive_high - last.difference) / 1.959963985) ** 2,
        tuned_for=4000,
    )
    assert (last.low, last.high) == pytest.approx((low[0], high[0]), rel=1e-3)
    assert found.first_look == 4 and found.frame["low"].isna().sum() == 3
    found = monitor_experiment(moments(rows(1, lift=4.0)), days=60)
    assert found.better == "coupon" and found.naive_first <= found.decided_on
    decided = found.frame.set_index("day")["decided"]
    assert not decided[: found.decided_on - 1].any() and decided[found.decided_on :].all()
    f = found.frame.dropna(subset=["low"])
    outside = ((f["naive_low"] > 0) | (f["naive_high"] < 0)).to_numpy().astype(int)
    assert found.naive_calls == np.count_nonzero(np.diff(outside, prepend=0))


def test_rare_buyers_and_outcomes_that_grow_are_not_called_too_often():
    found = watched(HELD_BACK, 60)
    assert sum(one.decided_on is not None for one in found) <= binom.ppf(0.995, 60, 0.05)
    assert alarms_of_a_cohort(40, customers=1500).ok is not False


@pytest.mark.parametrize("days", [4, 12, DAYS, 90])
@pytest.mark.parametrize("kind", ["mean", "share"])
def test_sentences_table_and_figure(days, kind):
    for lift in (0.0, 5.0, -5.0):
        found = monitor_experiment(rows(3, lift, kind), "spend", days=days)
        assert nonsense(found.summary()) == []
        assert found.plot().get_title(loc="left") and "single look" in found.to_table().text
    early = monitor_experiment(rows(3).head(50), "spend", days=60)
    assert early.first_look is None
    assert early.plot() is not None


def test_wrong_calls_say_what_is_wrong():
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"arm": "other"}, {}, "None of other is called so"),
        ({}, {"control": "cuopon"}, "did you mean"),
        ({}, {"days": 1}, "days = 1; expected"),
        ({}, {"level": 95}, "level"),
        ({"total": np.nan}, {}, "missing or infinite"),
        ({"customers": -1}, {}, "fewer than 0 customers"),
        ({}, {"kind": "share"}, "not 0 and 1"),
        ({}, {"outcome": "sales"}, "there is no column 'sales'"),
        ({}, {"burn_in": -1}, "burn_in = -1; expected"),
    ]
    for change, more, message in cases:
        refused(
            message, monitor_experiment, moments(rows()).assign(**change), **{"days": 60, **more}
        )
    daily = moments(rows())
    with pytest.raises(InputError, match="different days"):
        monitor_experiment(daily.assign(customers=900).iloc[1:], days=60, cumulative=True)
    refused("only grow", monitor_experiment, daily, days=60, cumulative=True)
    refused("data is a list", monitor_experiment, [1], days=60)
    three = pd.concat([daily, daily[daily["arm"] == "coupon"].assign(arm="mail")])
    refused("name the arm to compare", monitor_experiment, three, days=60)
    assert monitor_experiment(three, days=60, treated="mail", comparisons=2).treated == "mail"


def test_a_small_arm_without_its_large_outcomes_yet_has_the_errors_of_both():
    """Of 9,000 one in 900 bought for 300; of 1,000 that were held back one bought for 2."""
    n, total, squares = np.array([1_000, 9_000]), np.array([2.0, 3_000]), np.array([4.0, 900_000])
    day = {"date": DATES[0], "arm": ["holdout", "send"], "customers": n}
    table = pd.DataFrame(day | {"total": total, "squares": squares})
    last = monitor_experiment(table, days=60, kind="mean").frame.iloc[-1]
    within = squares - total**2 / n
    apart = np.sqrt((within / (n - 1) / n).sum())
    pooled = np.sqrt(within.sum() / (n.sum() - 2) * (1 / n).sum())
    assert pooled > 2 * apart
    assert (last.naive_high - last.naive_low) / 2 == pytest.approx(1.959964 * pooled, rel=1e-5)
