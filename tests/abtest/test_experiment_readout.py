"""An experiment read out from rows: Hillstrom's e-mails, money, guardrails, a broken ratio."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.abtest import Metric, analyze_experiment
from tests.refused import refused
from tests.wording_lint import nonsense

N = 4000
SHARES = {"none": 0.5, "letter": 0.25, "coupon": 0.25}
MONEY = {"margin": "margin", "discount": "discount", "contact_cost": 0.1, "currency": "EUR"}
GUARD = {"unsubscribed": Metric("unsubscribed", good="down", margin=0.01)}
HILLSTROM = Path(os.environ.get("PROMOLAB_DATA", "")) / "hillstrom.csv.gz"


def rows(effect: float = 2.0, seed: int = 0) -> pd.DataFrame:
    """Return customers in three arms: the letter sells more, the coupon too, at a price."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(["none", "letter", "coupon"], [N // 2, N // 4, N // 4])
    frame = pd.DataFrame({"customer_id": np.arange(N), "arm": arm})
    frame["before"] = rng.gamma(2.0, 10.0, N)
    treated = arm != "none"
    frame["sales"] = 0.5 * frame["before"] + rng.gamma(2.0, 4.0, N) + effect * treated
    frame["discount"] = np.where(arm == "coupon", rng.gamma(2.0, 1.0, N), 0.0)
    frame["margin"] = 0.5 * frame["sales"] - frame["discount"]
    frame["unsubscribed"] = rng.random(N) < np.where(arm == "coupon", 0.03, 0.002)
    frame["town"] = rng.choice(["north", "south"], N)
    return frame


@pytest.fixture(scope="module")
def readout():
    metrics = {"sales": Metric("sales", "mean", earlier="before", winsorise=0.99)}
    how = {"guardrails": GUARD, "money": MONEY, "segments": "town", "weeks": 4}
    return read(rows(), metrics, **how)


def read(data, metrics, **how):
    return analyze_experiment(data, metrics, control="none", **{"shares": SHARES} | how)


def test_the_arm_that_pays_is_shipped_and_the_one_that_annoys_is_not(readout):
    assert (readout.verdict.word, readout.verdict.arm) == ("ship", "letter")
    assert readout.deciding == ("profit",) and "profit" in readout.verdict.why
    states = {one.arm: one.state for one in readout.guardrails}
    assert states == {"letter": "kept", "coupon": "broken"}
    assert [r.metric for r in readout.rows] == ["sales"] * 2 + ["unsubscribed"] * 2 + ["profit"] * 2


def test_money_is_that_of_plain_pandas_and_a_file_is_read_as_its_rows_are(readout, tmp_path):
    frame = rows()
    means = frame.groupby("arm")[["margin", "discount"]].mean()
    extra = means.loc["coupon"] - means.loc["none"]
    coupon = next(one for one in readout.money if one.arm == "coupon")
    assert coupon.profit.value == pytest.approx(extra["margin"] - 0.1, abs=1e-9)
    assert coupon.spent.value == pytest.approx(extra["discount"] + 0.1, abs=1e-9)
    told = (extra["margin"] - 0.1) / (extra["discount"] + 0.1)
    assert coupon.returned.value == pytest.approx(told, abs=1e-9)
    assert coupon.returned.ci_low < told < coupon.returned.ci_high
    frame.assign(cost=0.1 * (frame["arm"] != "none")).to_parquet(tmp_path / "spring.parquet")
    paid = read(tmp_path / "spring.parquet", "sales", money=MONEY | {"contact_cost": "cost"}).money
    for same, one in zip(paid, readout.money, strict=True):
        assert same.profit.ends == pytest.approx(one.profit.ends, rel=1e-9)
        assert same.returned.ends == pytest.approx(one.returned.ends, rel=1e-6)


def test_it_is_told_in_words_a_table_a_figure_and_json(readout):
    assert readout.summary().startswith("Ship letter: ")
    table = readout.to_table().text
    assert "guardrail broken" in table and "cut off at" in table
    labels = [label.get_text() for label in readout.plot().get_yticklabels()]
    assert "Sales · letter" in labels and any("cut off at" in label for label in labels)
    told = json.loads(json.dumps(readout.to_dict(), allow_nan=False))
    assert told["metrics"]["sales"]["letter"]["difference"]["ci_low"] > 0
    assert told["money"]["letter"]["in_total"]["value"] > 0 and told["by_segment"]
    parts = *readout.money, *readout.guardrails, readout.by_segment, readout.verdict, readout
    assert nonsense(" ".join(one.summary() for one in parts)) == []


def test_a_broken_sample_ratio_is_all_that_is_said():
    found = read(rows(), "sales", shares={"none": 0.6, "letter": 0.2, "coupon": 0.2})
    assert found.verdict.word == "no verdict" and found.rows == () and not found.guardrails
    assert found.summary() == "No verdict: t" + found.sample_ratio.sentence[1:]
    assert "ship" not in found.summary().lower() and nonsense(found.summary()) == []
    assert found.to_table().text and json.dumps(found.to_dict(), allow_nan=False)
    refused("nothing is compared", found.plot)


@pytest.mark.parametrize(
    ("held", "shares", "word", "begins"),
    [
        (667, None, "no verdict", "No verdict: no shares are stated (shares=), and equal ones"),
        (880, None, "ship", "No shares are stated (shares=), and equal ones are assumed. The arms"),
        (960, None, "ship", "Ship letter: "),
        (330, None, "ship", "The sample ratio was not checked: no planned shares are stated"),
        (667, "unknown", "ship", "The sample ratio was not checked"),
    ],
)
def test_without_stated_shares_equal_ones_are_tested_before_the_verdict(held, shares, word, begins):
    """The largest buyers of the control are lost on the way, and nobody said how many it had."""
    arm = np.repeat(["none", "letter"], [held, 1000])
    frame = pd.DataFrame({"customer_id": np.arange(held + 1000), "arm": arm})
    frame["sales"] = np.r_[np.arange(held) % 97, np.arange(1000) % 97 + 20]
    found = read(frame, "sales", shares=shares)
    assert found.verdict.word == word and found.summary().startswith(begins)
    assert bool(found.rows) == (word != "no verdict") and nonsense(found.summary()) == []


def test_one_primary_metric_is_adjusted_for_arms_alone_and_looking_every_day_costs():
    both = {"sales": "sales", "discount": "discount"}
    one, every = read(rows(), both, primary="sales"), read(rows(), both)
    assert one.deciding == ("sales",) and every.deciding == ("sales", "discount")
    least = min(row.p for row in one.rows if row.metric == "sales")
    assert min(row.p_adjusted for row in one.rows if row.metric == "sales") == 2 * least
    once, always = read(rows(0.6), "sales"), read(rows(0.6), "sales", sequential=N)
    for a, b in zip(once.rows, always.rows, strict=True):
        assert b.p_adjusted > a.p_adjusted and b.difference.ci_high > a.difference.ci_high


@pytest.mark.skipif(not HILLSTROM.is_file(), reason="Hillstrom's file is not here")
def test_hillstroms_three_arms_and_three_metrics():
    trial = promolab.load_experiment("hillstrom")
    metrics = {"visits": Metric("visit"), "conversions": Metric("conversion")}
    metrics["spend"] = Metric("spend", winsorise=0.999)
    how = {"arm": "segment", "control": "No E-Mail", "shares": dict.fromkeys(trial.arms, 1 / 3)}
    found = analyze_experiment(trial.frame.assign(customer_id=np.arange(trial.n)), metrics, **how)
    rows = {(row.metric, row.arm): row for row in found.rows}
    assert rows["visits", "Womens E-Mail"].difference.value == pytest.approx(0.045, abs=5e-4)
    assert len(rows) == 6 and all(r.p_adjusted < 0.01 for r in found.rows)
    assert (found.verdict.word, found.verdict.arm) == ("ship", "Mens E-Mail")
    spend = rows["spend", "Mens E-Mail"]
    assert spend.difference.value == pytest.approx(0.77, abs=0.01)
    assert spend.winsorised.difference.value < spend.difference.value
