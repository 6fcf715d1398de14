"""Which policy's weeks added more, and what a log of decisions is worth."""

import numpy as np
import pandas as pd
import pytest

from promolab.folder import write_json
from promolab.language import speaking
from promolab.loop.monitoring import policy_weeks, weeks_by_policy
from promolab.loop.promises import ComparedForecasts
from tests.loop.monitoring.test_drift import week_of
from tests.made_up import shop_of


def weeks_of(shift: float = 0.0, *, apart: int = 0, n: int = 12) -> pd.DataFrame:
    """Two policies in weeks that differ more from each other than policies do."""
    rng = np.random.default_rng(0)
    season, noise = rng.normal(0, 90, n), rng.normal(0, 5, 2 * n)
    week = np.concatenate([np.arange(n), apart + np.arange(n)])
    added = 400 + np.tile(season, 2) + noise + np.repeat([0, shift], n)
    return pd.DataFrame({"policy": ["greedy"] * n + ["ucb"] * n, "week": week, "added": added})


def test_the_same_weeks_tell_policies_apart_that_other_weeks_do_not():
    same, others = (weeks_by_policy(weeks_of(30.0, apart=each), currency="CNY") for each in (0, 99))
    for found in (same, others):
        row = found.frame.set_index("policy").loc["ucb"]
        assert row["gap_low"] < 30 < row["gap_high"] and row["weeks"] == 12
    row = same.frame.set_index("policy").loc["ucb"]
    half = 2.2 * 5 * np.sqrt(2 / 12)  # Student's, of weeks' differences
    assert row["gap_high"] - row["gap_low"] == pytest.approx(2 * half, rel=0.4)
    assert same.frame["gap_low"].iloc[1] > 0 > others.frame["gap_low"].iloc[1]
    assert "Worth it here: UCB added" in same.summary()
    assert others.summary().startswith("Greedy suffices: no other policy")
    assert "CNY" in str(same.to_table())
    with speaking("zh"):
        assert "贪心足矣" in others.summary()


def test_one_policy_alone_or_none_is_said_and_no_interval_is_made_of_a_week():
    alone = weeks_by_policy(weeks_of(n=1).head(1))
    assert alone.summary().startswith("Greedy suffices until another policy shows more")
    assert alone.frame[["added_low", "gap"]].isna().all(axis=None)
    none = weeks_by_policy(weeks_of().head(0))
    assert not none and "no policy can be told from another" in none.summary()


def test_a_week_counts_for_the_policy_that_decided_it_and_the_log_for_its_chances(tmp_path):
    rng, told = np.random.default_rng(1), []
    for number in range(10, 19):
        run = week_of(tmp_path, number, None)
        if number != 10:  # a week before policies were named: greedy
            named = {"policy": "ucb" if number > 14 else "greedy"}
            write_json(run.path / "metrics.json", {"policy": named})
        told.append({"week": f"2024-W{number}", "came": rng.normal(900 if number > 14 else 500, 9)})
    rows = pd.DataFrame(told).assign(
        promotion_id="", segment="", measure="added_profit", state="settled"
    )
    rows.loc[8, "state"] = "provisional"
    n = 400
    sent = np.arange(n) < 100
    decisions = pd.DataFrame(
        {
            "decision_id": np.arange(n),
            "customer_id": np.arange(n),
            "ts": pd.Timestamp("2024-05-01"),
            "action": np.where(sent, "P1", "none"),
            "propensity": np.where(sent, np.where(np.arange(n) < 50, 0.5, 0.05), 0.8),
        }
    )
    late = decisions.assign(decision_id=n + np.arange(n), ts=pd.Timestamp("2025-01-01"))
    events = pd.DataFrame({"customer_id": [1], "ts": [pd.Timestamp("2024-01-01")]})
    tables = {"events": events.assign(kind="purchase"), "decisions": pd.concat([decisions, late])}
    tables["promotions"] = pd.DataFrame({"promotion_id": ["P1"], "kind": ["coupon"]})
    run = week_of(tmp_path, 30, None)
    found = policy_weeks(run, ComparedForecasts(rows, "CNY"), shop_of(tables))
    assert found.frame["weeks"].tolist() == [5, 3] and found.facts()["verdict"] == "worth"
    weights = np.repeat([2.0, 20.0], 50)
    assert found.worth["coupon"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.worth["none"] == pytest.approx(300)
    assert "worth 60 decisions of coupon" in found.summary()
