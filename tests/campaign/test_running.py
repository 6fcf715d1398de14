"""Promotions that run or still count, and the standing holdout: counts, and how wide bands are."""

import dataclasses
import json
from datetime import datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab.campaign.readout import cumulative
from promolab.campaign.readout.cumulative import cumulated, standing_holdout, watch_promotions
from promolab.campaign.readout.running_promotions import expected_by, follow_running
from promolab.contract import Shop
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
    assert "0 of 400" not in found.block().text


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


BEGAN = pd.Timestamp("2021-03-01")
WEEK = pd.Timedelta(weeks=1)
N, WEEKS = 600, 6


def tables() -> dict[str, pd.DataFrame]:
    """Return a shop whose customers, a fifth of them held out, buy once a week, the others 6 more.

    A promotion is planned for the first half alone; the others are eligible all the same.
    """
    rng = np.random.default_rng(5)
    who, weeks = np.arange(N), np.arange(-8, WEEKS)
    held = rng.permutation(N) < N // 5
    amount = rng.gamma(2.0, 10.0, N) + rng.gamma(2.0, 2.0, (len(weeks), N))
    amount += 6.0 * (~held & (weeks[:, None] >= 0))
    events = pd.DataFrame({"customer_id": np.tile(who, len(weeks)), "amount": amount.ravel()})
    events["ts"] = BEGAN + pd.to_timedelta(np.repeat(7 * weeks + 2, N), unit="D")
    events = events.round({"amount": 2}).assign(kind="purchase", discount=1.0)
    events["order_id"] = np.arange(len(events))
    rows = pd.DataFrame({"customer_id": np.tile(who, 3), "decision_id": np.arange(3 * N)})
    rows["ts"] = BEGAN + pd.to_timedelta(np.repeat([0, 7, 14], N), unit="D")
    mine, out = rows["customer_id"] < N // 2, np.tile(held, 3)
    rows["planned_action"], rows["action"] = np.where([mine, mine & ~out], "P", "none")
    rows["holdout"] = np.where(out, "standing", "none")
    rows["propensity"] = np.where(mine, np.where(out, 0.2, 0.8), 1.0)
    sent = rows[rows["action"] == "P"].head(100)
    exposures = sent[["customer_id", "ts"]].assign(promotion_id="P")
    promotions = pd.DataFrame({"promotion_id": ["P"], "kind": "coupon", "contact_cost": 2.0})
    promotions = promotions.assign(starts_at=BEGAN, ends_at=BEGAN + 4 * WEEK)
    found = {"events": events, "decisions": rows}
    return found | {"exposures": exposures, "promotions": promotions}


def read(frames: dict[str, pd.DataFrame], as_of: pd.Timestamp = BEGAN + WEEKS * WEEK, **said):
    shop = shop_of(frames, currency="EUR", **{"margin_rate": 0.5, **said})
    return standing_holdout(shop, as_of.to_pydatetime())


@pytest.fixture(scope="module")
def readout():
    return read(tables())


def test_everybody_eligible_counts_planned_for_or_not_and_it_tells_what_it_found(readout):
    assert (readout.standing, readout.others, readout.weeks) == (N // 5, N - N // 5, WEEKS)
    assert readout.began == BEGAN
    for k, row in enumerate(readout.frame.itertuples(), 1):
        assert 0 < row.sales_low < 6.0 * k < row.sales_high
    assert readout.in_total().value == pytest.approx(readout.so_far().value * readout.others)
    told = json.loads(json.dumps(readout.to_dict(), allow_nan=False))
    assert told["total_sales"]["value"] == pytest.approx(readout.in_total().value)


def test_figures_are_those_of_pandas_and_profit_is_the_margin_less_contacts(readout):
    """CUPED by hand: the slope within the groups, the means moved by it."""
    frames = tables()
    events, decided = frames["events"], frames["decisions"]
    held = decided.groupby("customer_id")["holdout"].first() == "standing"
    after, before = (
        events[side].groupby("customer_id")["amount"].sum()
        for side in (events["ts"] >= BEGAN, events["ts"] < BEGAN)
    )
    inner = pd.DataFrame({"x": before, "y": after, "held": held})
    centred = inner[["x", "y"]] - inner.groupby("held")[["x", "y"]].transform("mean")
    slope = (centred["x"] @ centred["y"]) / (centred["x"] @ centred["x"])
    means = (inner["y"] - slope * inner["x"]).groupby(inner["held"]).mean()
    assert readout.so_far().value == pytest.approx(means[False] - means[True])
    free = frames | {"promotions": frames["promotions"].assign(contact_cost=0.0)}
    profit = read(free).so_far("profit").value
    # Allowing for earlier sales moves what contacts cost by a little.
    costs = pytest.approx(2.0 * len(frames["exposures"]) / readout.others, rel=0.02)
    assert profit - readout.so_far("profit").value == costs
    # Half of (amount + discount) less the discount: of 6 more sales a week 3 are left.
    assert profit == pytest.approx(readout.so_far().value / 2, rel=1e-9)


def test_nothing_at_or_after_any_moment_is_read_and_only_whole_weeks(readout):
    early, values = read(tables(), BEGAN + 2 * WEEK + pd.Timedelta(days=3)), ["sales", "profit"]
    assert early.weeks == 2 and early.frame[values].equals(readout.frame[values].head(2))
    assert readout.frame["until"].iloc[-1] == datetime(2021, 4, 12)


def test_who_was_not_told_is_left_out_and_without_margins_or_holdout_it_is_said():
    frames = tables()
    decided = frames["decisions"]
    unplanned = decided["planned_action"] == "none"
    frames["decisions"] = decided.assign(holdout=decided["holdout"].mask(unplanned, "none"))
    found = read(frames)
    assert found.standing + found.others == N // 2
    frames["decisions"] = decided
    found = read(frames, margin_rate=None)
    assert "profit" not in found.frame
    nobody = frames | {"decisions": decided.assign(holdout="none")}
    no_table = {name: frames[name] for name in ("events", "promotions", "exposures")}
    few = frames | {"decisions": decided.query("holdout == 'none' or customer_id < 60")}
    for shop, why in [
        (nobody, "nobody is in a standing holdout yet"),
        (no_table, "has no decisions that say who is held out"),
        (few, "20 are needed"),
    ]:
        found = read(shop)
        assert why in found.summary() and found.summary().count(".") == 1
        assert found.to_table().text and json.dumps(found.to_dict(), allow_nan=False)
    assert "not a week old" in read(frames, BEGAN + WEEK / 2).summary()


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_the_band_holds_in_all_weeks_at_once(alike):
    """Half a year of nothing, 1,000 times: customers who differ for good, or from week to week."""
    rng = np.random.default_rng(11)
    weeks, sides = 26, (60, 240)
    draws = []
    for n in sides:
        each = np.sqrt(alike) * rng.exponential(size=(1000, n, 1))
        each = each + np.sqrt(1 - alike) * rng.exponential(size=(1000, n, weeks))
        draws.append(np.cumsum(each, axis=2, dtype=np.float32))
    value = draws[1].mean(axis=1) - draws[0].mean(axis=1)
    variance = sum(d.var(axis=1, ddof=1) / d.shape[1] for d in draws)
    tuned = cumulative.TUNED_WEEKS
    bands = [cumulative.band_of(v, s, tuned) for v, s in zip(value, variance, strict=True)]
    missed = np.mean([np.any((low > 0) | (high < 0)) for low, high in bands])
    assert missed <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / 1000)
    width = np.mean([high[-1] - low[-1] for low, high in bands])
    once = 2 * 1.96 * np.sqrt(variance[:, -1]).mean()
    assert width / once < 1.65


START = pd.Timestamp("2024-03-04")


def sales_of(n: int, lift: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers who differ in how often they buy; a third is held back."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < 2 / 3
    often = rng.gamma(0.8, 0.15, (n, 1))
    bought = rng.poisson(often * np.ones(DAYS + 28))
    bought[:, 28:] += rng.poisson(lift * often * treated[:, None] * np.ones(DAYS))
    place, day = np.nonzero(bought)
    amount = bought[place, day] * rng.gamma(2, 10, len(place))
    sales = pd.DataFrame({"place": place, "step": np.maximum(day - 28, -1), "amount": amount})
    return sales.groupby(["place", "step"], as_index=False).sum(), treated


def decided(n: int, lift: float, seed: int) -> int | None:
    """Return the first day at which the band of a watched promotion leaves 0 out."""
    sales, treated = sales_of(n, lift, seed)
    given = {"weight": np.ones(n), "fewest": cumulative.FEWEST_BUYERS}
    rows = cumulated(sales, "amount", treated, np.arange(n), DAYS, DAYS, **given)
    return cumulative.decided_on(rows.rename(columns={"step": "day"}))


def test_looking_every_day_raises_few_false_alarms_and_an_effect_is_seen():
    false = [decided(600, 0.0, seed) for seed in range(120)]
    assert sum(day is not None for day in false) <= 11  # 5 % of 120, and what chance adds
    assert None not in [decided(3_000, 0.5, seed) for seed in range(5)]


def watched_shop() -> Shop:
    sales, treated = sales_of(900, 0.4, 1)
    ids, moment = np.arange(len(treated)), START - pd.Timedelta(hours=2)
    decisions = pd.DataFrame({"decision_id": ids, "customer_id": ids, "ts": moment})
    decisions["planned_action"], decisions["action"] = "7", np.where(treated, "7", "none")
    decisions["holdout"] = np.where(treated, "none", "promotion")
    decisions["propensity"] = np.where(treated, 2 / 3, 1 / 3)
    day = sales["step"].replace(-1, -10)
    events = sales.rename(columns={"place": "customer_id"})[["customer_id", "amount"]].round(2)
    events["ts"], events["order_id"] = START + pd.to_timedelta(day * 24 + 5, "h"), events.index
    events = events.assign(kind="purchase", product_id=1, quantity=1.0)
    promotions = pd.DataFrame({"promotion_id": [7, 8], "kind": ["coupon", "recommendation"]})
    promotions = promotions.assign(starts_at=START, ends_at=START + timedelta(days=7))
    tables = {"events": events, "decisions": decisions, "promotions": promotions}
    return shop_of(tables, name="Corner shop", currency="EUR")


def test_the_figures_are_those_of_the_rows_and_nothing_later_is_read() -> None:
    shop, now = watched_shop(), START + timedelta(days=20)
    found = watch_promotions(shop, now)
    one, other = found.rows.to_dict("records")
    assert (one["name"], one["day"], one["days"]) == ("Coupons 7", 20, 35)
    assert other["why"] == "no decision for it is recorded"
    # Without the sales before (CUPED) it is the plain difference of the means: not far from it.
    events, decisions = shop.events.execute(), shop.decisions.execute()
    events = events[(events["ts"] >= START) & (events["ts"] < now)]
    sums = events.groupby("customer_id")["amount"].sum()
    spent = sums.reindex(decisions["customer_id"]).fillna(0)
    treated = (decisions["action"] == "7").to_numpy()
    plain = spent[treated].mean() - spent[~treated].mean()
    assert abs(one["gap"] - plain) < 0.5 * (one["gap_high"] - one["gap_low"])
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["Coupons 7"]["difference"]["value"] == one["gap"]
    assert told["Recommendation 8"]["day"] is None
    early = watch_promotions(shop, START + timedelta(days=9)).frame["difference"]
    assert early.tolist() == pytest.approx(found.frame["difference"].head(len(early)).tolist())
    for hours, why in [(40 * 24, "No promotion that still counts"), (20, "can be watched. Cou")]:
        assert why in watch_promotions(shop, START + timedelta(hours=hours)).summary()
    tables = shop.tables | {"promotions": shop.promotions.mutate(name=ibis.literal("Sale"))}
    named = watch_promotions(shop.with_tables(tables), now)
    assert set(named.to_dict()) == {"Sale (7)", "Sale (8)"}  # of one title
    bare = Shop({"events": shop.events}, shop.settings)
    assert "records no decisions" in watch_promotions(bare, START).summary()
