"""What cannot be read as an experiment is refused in a sentence."""

import re

import numpy as np
import pytest

from promolab.abtest.analysis import Metric, measure_arms
from promolab.errors import InputError
from tests.abtest.analysis.made_up import shop
from tests.refused import refused

THIRDS = {"control": 1 / 3, "mail": 1 / 3, "coupon": 1 / 3}


@pytest.fixture(scope="module")
def frame():
    return shop(600)


def test_wrong_calls_say_what_is_wrong(frame, tmp_path):
    for how, words in [
        ({"shares": {"control": 0.5, "mail": 0.4, "coupon": 0.2}}, "adds up to 1.1"),
        ({"shares": {"control": 0.5, "mail": 0.5}}, "shares says nothing of the arm 'coupon'"),
        (
            {"shares": {"control": 0.3, "mail": 0.3, "coupon": 0.3, "call": 0.1}},
            "'call' is an arm with nobody",
        ),
        ({"control": "nothing"}, "control = 'nothing' is an arm with nobody"),
        ({"level": 95}, "level = 95; expected a share between 0 and 1"),
        ({"level": 1.0}, "level = 1.0"),
        ({"cluster": "family"}, "there is no column 'family' in data"),
        ({"arm": "arms"}, "there is no column 'arms' in data; did you mean 'arm'?"),
        ({"segments": "kind"}, "there is no column 'kind' in data"),
        ({"sequential": 0}, "sequential = 0"),
        ({"earlier": {"n": "before"}}, "a metric of earlier = 'n' is unknown"),
    ]:
        refused(re.escape(words), measure_arms, frame, {"m": Metric("spend")}, **how)
    for change, words in [
        (lambda f: f.assign(spend=np.nan), "'m' is all missing"),
        (lambda f: f.assign(spend=f["spend"].where(f["arm"] != "mail")), "'m' is all missing"),
        (lambda f: f.assign(spend=np.inf), "holds infinity"),
        (lambda f: f.assign(spend="much"), "expected numbers"),
        (lambda f: f.assign(arm=f["arm"].where(f.index > 3)), "4 rows without an arm"),
        (lambda f: f.assign(arm="control"), "there is nothing to compare"),
        (lambda f: f.assign(arm=f["arm"].replace("control", "a")), "which arm is the control?"),
        (lambda f: f.assign(customer_id=f.index // 2), "found in more than one arm"),
        (lambda f: f.assign(customer_id=f["customer_id"].where(f.index > 0)), "without a customer"),
        (
            lambda f: f[(f["arm"] != "mail") | (f.index == f.index[f["arm"] == "mail"][0])],
            "arm 'mail' has 1 independent unit",
        ),
        (lambda f: f.head(0), "data has no rows"),
    ]:
        refused(re.escape(words), measure_arms, change(frame), {"m": Metric("spend")})
    for metric, words in [
        (lambda: Metric("spend", "share"), "a share is made of 0 and 1"),
        (lambda: Metric("spend", "ratio"), "a ratio needs the column of its denominator"),
        (lambda: Metric("spend", "mean", per="orders"), "a ratio needs the column"),
        (lambda: Metric("bought", "share", earlier="before"), "earlier figures adjust means"),
        (lambda: Metric("spend", winsorise=99), "winsorise = 99"),
        (lambda: Metric("spend", per="orders", winsorise=0.9), "only means have outcomes to cut"),
        (lambda: Metric("spend", good="high"), "good = 'high' is unknown"),
        (lambda: Metric("spend", margin=-1), "margin = -1"),
        (lambda: Metric("spent"), "there is no column 'spent' in data; did you mean 'spend'?"),
        (lambda: Metric("spend", per="nothing"), "adds up to 0 in arm"),
    ]:
        with pytest.raises(InputError) as caught:
            measure_arms(frame.assign(nothing=0), {"m": metric()})
        assert words in str(caught.value)
    even = frame.assign(e=0.5)
    refused(r"add up to 1\.5", measure_arms, even, {"m": "spend"}, propensity="e")
    with pytest.raises(InputError, match="a chance of it above 0"):
        measure_arms(frame.assign(e=0.0), {"m": "spend"}, propensity="e")
    with pytest.raises(InputError, match="propensity names no column of 'coupon'"):
        measure_arms(even, {"m": "spend"}, propensity={"control": "e", "mail": "e"})
    refused("there is no file", measure_arms, tmp_path / "nothing.parquet", {"m": "spend"})
    (tmp_path / "wrong.parquet").write_text("no parquet")
    refused("cannot be read as a table", measure_arms, tmp_path / "wrong.parquet", {"m": "spend"})
    with pytest.raises(InputError, match="expected parquet or csv"):
        (tmp_path / "rows.txt").write_text("a")
        measure_arms(tmp_path / "rows.txt", {"m": "spend"})
    refused("data is a dict; expected a DataFrame", measure_arms, {"arm": []}, {"m": "spend"})


def test_outcomes_of_the_never_assigned_are_refused_and_silence_counts_as_nothing(frame):
    plan = frame[["customer_id", "arm"]]
    outcomes = frame[["customer_id", "spend", "bought"]]
    metrics = {"spend": "spend", "bought": "bought"}
    refused("outcomes of 100 customers", measure_arms, outcomes, metrics, assigned=plan.iloc[100:])
    found = measure_arms(outcomes.iloc[100:], metrics, assigned=plan)
    silent = frame.assign(
        spend=frame["spend"].where(frame.index >= 100, 0.0),
        bought=frame["bought"].where(frame.index >= 100, False),
    )
    same = measure_arms(silent, metrics)
    assert [r.difference for r in found.rows] == [r.difference for r in same.rows]
    assert found.n == frame["arm"].value_counts().to_dict()
    assert "100 customers assigned without a row of outcomes count with 0." in found.notes
    late = outcomes.assign(before=frame["before"])
    with pytest.raises(InputError, match="give it as a column of assigned"):
        measure_arms(late[100:], {"m": Metric("spend", earlier="before")}, assigned=plan)
    moved = frame.copy()
    moved.loc[7, "arm"] = "coupon" if plan.loc[7, "arm"] != "coupon" else "mail"
    refused("1 customer found in more than one arm", measure_arms, moved, metrics, assigned=plan)


def test_a_mismatch_stops_the_readout_and_no_part_is_told_of_what_may_be_nothing(frame):
    lost = frame[(frame["arm"] != "mail") | (frame.index % 3 > 0)]
    found = measure_arms(lost, {"m": "spend"}, shares=THIRDS)
    assert found.stopped and not found.rows
    assert "The arms do not come as often as their chances say (p < 0.001)" in found.summary()
    assert measure_arms(frame, {"m": "spend"}, shares=THIRDS).sample_ratio.verdict == "passed"
    around = frame.assign(spend=frame["spend"] - frame["spend"].mean())
    row = measure_arms(around, {"m": "spend"}).rows[0]
    assert np.isnan(row.relative.ci_low) and np.isfinite(row.difference.ci_low)
    assert "too near 0: no percentage" in row.why
    losses = frame.assign(spend=-1 - frame["spend"])
    row = measure_arms(losses, {"m": "spend"}).rows[0]
    assert np.isnan(row.relative.ci_low) and "below 0: no percentage" in row.why


def test_what_is_left_out_is_counted_and_said(frame):
    gaps = frame.assign(
        spend=frame["spend"].where(frame.index % 10 > 0),
        before=frame["before"].where(frame.index > 4),
    )
    found = measure_arms(gaps, {"m": Metric("spend", earlier="before")})
    left = gaps[gaps["spend"].notna()]
    same = measure_arms(left, {"m": "spend"}).rows[0]
    row = found.rows[0]
    assert row.unadjusted.ends == pytest.approx(same.difference.ends, rel=1e-12)
    assert sum(row.missing) == int(gaps["spend"].isna()[gaps["arm"] != "mail"].sum())
    assert "m is missing in 60 rows" in found.notes[0]
    assert "before is missing in 5 rows" in found.notes[1]
    kinds = np.where(frame.index < 3, "few", np.where(frame.index < 300, "one", "two"))
    segmented = frame.assign(kind=kinds)
    segmented.loc[500:, "kind"] = None
    found = measure_arms(segmented, {"m": "spend"}, segments="kind")
    assert {row.segment for row in found.segments} == {"one", "two"}
    assert found.notes == (
        "100 rows without kind are in no segment.",
        "Too few in an arm to compare within kind few.",
    )
    rare = frame.assign(spend=frame["spend"].where(frame.index % 50 == 0, 0.0))
    found = measure_arms(rare, {"m": Metric("spend", winsorise=0.95)})
    assert found.rows[0].winsorised is None
    assert found.notes == (
        "m is not winsorised: 95 % of spend is 0 or less, and nothing would be left.",
    )
