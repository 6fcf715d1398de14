"""Running promotions: days, redemptions so far, and what past ones let expect by now."""

import dataclasses
import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.readout.running_promotions import expected_by, follow_running
from promolab.results import Estimate
from tests.draws import bounds, draws
from tests.made_up import shop_of
from tests.refused import refused, spoilt

ZONE = "America/New_York"
NOW = datetime(2017, 11, 6, 5)  # a Monday, 0:00 in New York, the day after the clocks changed
PAST, RATE, DAYS = 8, 0.2, 28


def frames(own_rate=RATE):
    """Return eight past promotions and one on its 15th day; each day 1 of 28 redeems alike."""
    rng, names = np.random.default_rng(1), [*(f"P{k}" for k in range(PAST)), "NOW"]
    promotions = pd.DataFrame({"promotion_id": names, "kind": "coupon", "type": "A"})
    starts = pd.date_range("2017-01-02 05:00", periods=PAST, freq="7D")
    promotions["starts_at"] = [*starts, pd.Timestamp("2017-10-23 04:00")]
    promotions["ends_at"] = promotions["starts_at"] + pd.Timedelta(days=DAYS)
    promotions.loc[PAST, "ends_at"] = pd.Timestamp("2017-11-20 05:00")
    sent = promotions.loc[np.repeat(np.arange(PAST + 1), 400), ["promotion_id", "starts_at"]]
    sent = sent.assign(customer_id=np.tile(np.arange(400), PAST + 1)).reset_index(drop=True)
    rate = np.where(sent["promotion_id"] == "NOW", own_rate, RATE)
    who = sent[rng.random(len(sent)) < rate]
    after = pd.to_timedelta(rng.integers(0, DAYS * 86_400, len(who)), "s")
    responses = who.assign(ts=who["starts_at"] + after, kind="redeem").drop(columns="starts_at")
    responses = pd.concat([responses, responses.head(9)], ignore_index=True)  # redeemed twice
    events = pd.DataFrame({"customer_id": [1], "ts": [pd.Timestamp("2017-01-01")]})
    given = {"promotions": promotions, "exposures": sent.rename(columns={"starts_at": "ts"})}
    return given | {"responses": responses, "events": events.assign(kind="purchase", amount=5.0)}


def follow(**changed):
    return follow_running(shop_of(frames() | changed, zone=ZONE), NOW)


@pytest.fixture(scope="module")
def running():
    return follow()


def test_day_n_of_m_by_local_days_the_counts_and_half_of_the_total_expected(running):
    row, tables = running["NOW"], frames()
    assert (row.day, row.days, row.contacts) == (15, 28, 400)
    own = tables["responses"].query("promotion_id == 'NOW' and ts < @NOW")
    assert row.observed == own.customer_id.nunique() == row.observed_by(NOW)
    assert row.expected.n == PAST and "of its type (A)" in row.source
    assert row.expected_total.value == pytest.approx(400 * RATE, rel=0.1)
    assert row.expected.value == pytest.approx(200 * RATE, rel=0.15)
    assert row.expected.ci_low < 200 * RATE < row.expected.ci_high
    # Half of the window is over, and half of what is expected came.
    course = row.course(NOW)
    assert len(course) == 7 and list(course) == sorted(course) and course[-1] in "▄▅"


def test_from_a_recommendation_customers_buy(running):
    tables = frames()
    kinds = {"promotions": tables["promotions"].assign(kind="recommendation")}
    bought = {"responses": tables["responses"].assign(kind="purchase")}
    row = follow(**kinds, **bought)["NOW"]
    assert (row.observed, row.expected) == (running["NOW"].observed, running["NOW"].expected)
    # Where no response tells, purchases of the products do; redemptions are none of it.
    offers = kinds["promotions"][["promotion_id"]].assign(product_id="A")
    lines = bought["responses"][["customer_id", "ts"]].assign(kind="purchase", product_id="A")
    said = {"promotion_products": offers[offers["promotion_id"] == "NOW"], "events": lines}
    row = follow(**kinds, **said)["NOW"]
    inside = lines[(lines["ts"] >= row.starts_at) & (lines["ts"] < NOW)]
    assert row.observed == inside["customer_id"].nunique() > 0


def test_of_what_is_never_recorded_nothing_is_expected_and_nothing_is_0():
    tables = frames()
    mine = tables["promotions"]["promotion_id"] == "NOW"
    kinds = tables["promotions"]["kind"].mask(mine, "full_reduction")
    others = tables["responses"].query("promotion_id != 'NOW'")
    found = follow(promotions=tables["promotions"].assign(kind=kinds), responses=others)
    assert found["NOW"].word == "not recorded" and np.isnan(found["NOW"].expected.ends).all()
    block = found.block().text
    assert "0 of 400" not in block and "▁" not in block and ">not recorded<" in block


@pytest.mark.parametrize(("rate", "word"), [(0.5, "above its band"), (0.02, "below its band")])
def test_far_off_is_called_so(rate, word):
    row = follow_running(shop_of(frames(own_rate=rate), zone=ZONE), NOW)["NOW"]
    assert row.word == word
    assert row.course(NOW).count("█") == (rate > RATE) * 3  # full from the expected total on


@pytest.mark.parametrize(
    ("low", "value", "high", "observed", "word"),
    [
        (0.2, 2.0, 9.0, 3, "too little known"),  # none, and four times as many, lie in it
        (0.2, 9.0, 20.0, 12, "too little known"),  # none, and everybody of 20
        (0.2, 9.0, 19.0, 12, "inside its band"),
        (1.2, 2.0, 9.0, 3, "inside its band"),
        (0.2, 2.0, 9.0, 11, "above its band"),
    ],
)
def test_a_band_that_excludes_nothing_is_no_finding(running, low, value, high, observed, word):
    told = {"contacts": 20, "observed": observed, "expected": Estimate(value, low, high, 9)}
    assert dataclasses.replace(running["NOW"], **told).word == word


def expected(rng, parts, n, redeemers):
    """Return what is expected by past promotions of a day, n contacts and so many redeemers."""
    start = pd.Timestamp("2017-01-01")
    past = pd.DataFrame({"promotion_id": range(len(redeemers)), "contacts": n, "type": ""})
    past = past.assign(starts_at=start, high=start + pd.Timedelta(days=1))
    first = pd.DataFrame({"promotion_id": np.repeat(np.arange(len(redeemers)), redeemers)})
    done = rng.random(len(first))
    first["first_ts"] = start + pd.to_timedelta(done * 86_400, "s")
    counts = [[sum(done[first["promotion_id"] == k] < part) for part in parts] for k in past.index]
    return expected_by(parts, n, past, first), counts


def test_nine_bands_in_ten_hold_what_comes_where_promotions_differ():
    rng, n, past, rounds = np.random.default_rng(0), 300, 9, draws()
    parts, held = np.array([0.15, 0.5, 1.0]), np.zeros(3)
    for _ in range(rounds):
        rates = 0.15 * np.exp(0.4 * rng.normal(size=past + 1))
        redeemers = rng.binomial(n, rates.clip(0, 0.9))
        band, counts = expected(rng, parts, n, redeemers[:past])
        assert band["expected"].to_numpy() == pytest.approx(np.mean(counts, axis=0))
        assert (np.diff(band, axis=0) >= 0).all()
        came = (rng.random(redeemers[past])[:, None] < parts).sum(axis=0)
        held += (np.floor(band["ci_low"]) <= came) & (came <= np.ceil(band["ci_high"]))
    low, high = bounds(0.92, rounds, 0.01)  # whole numbers make bands wider than 90 %
    assert ((low <= held / rounds) & (held / rounds <= high)).all(), held / rounds


def test_nothing_after_the_date_is_read(running):
    late = {
        name: pd.concat([frame, frame.head(60).assign(ts=pd.Timestamp(NOW), promotion_id="NOW")])
        for name, frame in frames().items()
        if name in ("exposures", "responses")
    }
    assert follow(**late).to_dict() == running.to_dict()


def test_too_few_past_promotions_give_no_band_and_those_before_the_data_are_no_measure():
    tables = frames()
    row = follow(promotions=tables["promotions"].iloc[[0, 1, PAST]])["NOW"]
    assert row.word == "no band yet" and np.isfinite(row.expected.value)
    none = follow(promotions=tables["promotions"].tail(1))["NOW"]
    assert np.isnan(none.expected.value)
    assert none.course(NOW) == "" and row.course(NOW)  # blocks are parts of what is expected
    json.dumps(none.to_dict(), allow_nan=False)
    late = tables["events"].assign(ts=pd.Timestamp("2017-01-20"))
    assert follow(events=late)["NOW"].expected.n == PAST - 3


def test_a_type_that_ended_twice_is_expected_at_its_own_rate():
    promotions, responses = (frames()[name] for name in ("promotions", "responses"))
    other = [f"P{k}" for k in range(6)]  # answered by one in fifty
    promotions.loc[promotions["promotion_id"].isin(other), "type"] = "B"
    rare = responses["promotion_id"].isin(other) & (responses["customer_id"] % 10 > 0)
    row = follow(promotions=promotions, responses=responses[~rare])["NOW"]
    assert 32 < row.expected.value < 48 and row.expected.n == PAST  # 40 half-way, by all types 13
    assert row.source == "what 8 past promotions of its kind brought per contact"


def test_forms_and_a_quiet_time(running):
    assert running.to_frame().loc[0, "word"] == "inside its band"
    quiet = follow_running(shop_of(frames(), zone=ZONE), datetime(2017, 6, 1))
    assert quiet.summary() == "No promotion is running." and quiet.to_frame().empty
    refused("these promotions: NOW", running.__getitem__, "P1")
    unsent = {name: frame for name, frame in frames().items() if name != "exposures"}
    spoilt("exposures", follow_running, shop_of(unsent), NOW)
