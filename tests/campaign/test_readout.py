"""Promotions that ended: a small shop counted by plain pandas, and the real one."""

from __future__ import annotations

import json
from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from promolab.campaign import promotion_name, read_out, timeline
from promolab.contract import Settings, Shop
from promolab.errors import DataError, InputError
from promolab.sources import load_shop

NOW = datetime(2017, 10, 30, 4)
EFFECT = 20.0


def times(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), format="ISO8601"))


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables(0)


def make_tables(seed: int) -> dict[str, pd.DataFrame]:
    """Return 800 customers, half of them contacted for P1 by how much they buy; P1 adds 20."""
    rng = np.random.default_rng(seed)
    n = 800
    customers = np.array([f"C{i:03d}" for i in range(n)])
    taste = rng.normal(size=n)
    orders = 12 + rng.poisson(np.exp(2.2 + 0.3 * taste))
    who = np.repeat(np.arange(n), orders)
    start, end = pd.Timestamp("2017-09-01 04:00"), pd.Timestamp("2017-10-01 04:00")
    ts = pd.Timestamp("2017-05-01") + pd.to_timedelta(rng.integers(0, 170 * 86_400, len(who)), "s")
    events = pd.DataFrame(
        {"customer_id": customers[who], "ts": ts, "kind": "purchase"}
        | {"product_id": rng.choice(["A", "B", "C"], len(who)), "order_id": np.arange(len(who))}
        | {"quantity": 1.0, "amount": rng.gamma(4, 3, len(who)).round(2)}
        | {"discount": rng.integers(0, 3, len(who)) / 2, "coupon_discount": 0.0}
    )
    # Chosen by what is on record before the placebo's 28 days, as the comparison assumes.
    spent = events[events.ts < start - pd.Timedelta(days=28)].groupby("customer_id")["amount"].sum()
    spent = spent.reindex(customers, fill_value=0.0).to_numpy()
    score = (spent - spent.mean()) / spent.std()
    contacted = rng.random(n) < 1 / (1 + np.exp(-0.6 * score))
    inside = (events.ts >= start) & (events.ts < end)
    bonus = events[inside & contacted[who]].groupby("customer_id").head(1).index
    events.loc[bonus, "amount"] += EFFECT
    events.loc[inside & (events.index % 11 == 0), "coupon_discount"] = 0.5
    events.loc[events.index[inside][::50], "kind"] = "return"
    promotions = pd.DataFrame(
        {"promotion_id": ["P1", "P2", "P3", "P4", "P5"], "kind": "coupon", "type": "A"}
        | {"starts_at": times("2017-09-01 04:00", "2017-10-10", "2017-10-30 04:00",
                              "2017-11-06 05:00", "2017-12-05")}
        | {"ends_at": times("2017-10-01 04:00", "2017-11-05", "2017-11-20", "2017-12-01",
                            "2017-12-20")}
    )  # fmt: skip
    promotions.loc[1, "kind"] = "limited_time_discount"
    exposures = pd.DataFrame({"promotion_id": "P1", "customer_id": customers[contacted]})
    exposures = pd.concat(
        [exposures, exposures.head(3), exposures.head(20).assign(promotion_id="P2")]
    )
    exposures["ts"] = exposures["promotion_id"].map(
        promotions.set_index("promotion_id")["starts_at"]
    )
    some = customers[contacted][::7]
    responses = pd.DataFrame({"promotion_id": "P1", "customer_id": np.tile(some, 2)})
    responses = responses.assign(ts=pd.Timestamp("2017-09-10"), kind="redeem")
    odd = responses.head(1)
    outsiders = customers[~contacted][:5]
    responses = pd.concat(
        [responses]
        + [odd.assign(customer_id=c) for c in outsiders]
        + [odd.assign(customer_id=customers[contacted][1], ts=end)]
        + [odd.assign(customer_id=customers[contacted][2], kind="claim")]
    )
    offers = pd.DataFrame({"promotion_id": ["P1"] * 3, "product_id": ["A", "A", "B"]})
    offers["coupon_id"] = ["K1", "K2", "K1"]
    return {
        "events": events,
        "promotions": promotions,
        "exposures": exposures,
        "responses": responses,
        "promotion_products": offers,
    }


def shop_of(tables: dict[str, pd.DataFrame]) -> Shop:
    con = ibis.duckdb.connect()
    made = {name: con.create_table(name, frame) for name, frame in tables.items()}
    return Shop(made, Settings(name="Corner", currency="EUR", zone="America/New_York"))


@pytest.fixture(scope="module")
def readout(tables):
    return read_out(shop_of(tables), NOW)


def test_counts_are_those_of_plain_pandas(readout, tables):
    row = readout["P1"]
    contacted = set(tables["exposures"].query("promotion_id == 'P1'").customer_id)
    assert len(readout) == 1 and row.contacts == len(contacted)
    assert row.redeemers == len(range(0, len(contacted), 7))  # not outsiders, late ones, claims
    assert row.redemptions == 2 * row.redeemers
    low, high = proportion_confint(row.redeemers, row.contacts, method="wilson")
    assert row.redemption_rate.ci_low == pytest.approx(low)
    assert row.redemption_rate.ci_high == pytest.approx(high)


def window(tables):
    events = tables["events"]
    sign = np.where(events.kind == "purchase", 1, -1)
    events = events.assign(
        amount=events.amount * sign, coupon_discount=events.coupon_discount * sign
    )
    promotion = tables["promotions"].iloc[0]
    return events[(events.ts >= promotion.starts_at) & (events.ts < promotion.ends_at)]


def test_money_is_that_of_plain_pandas(readout, tables):
    row, events = readout["P1"], window(tables)
    contacted = tables["exposures"].query("promotion_id == 'P1'").customer_id.unique()
    redeemers = contacted[::7]
    own = events[events.customer_id.isin(redeemers) & events["product_id"].isin(["A", "B"])]
    assert row.discount_cost.value == pytest.approx(own.coupon_discount.sum())
    assert 0 <= row.discount_cost.ci_low < row.discount_cost.value < row.discount_cost.ci_high
    sales = events.groupby("customer_id").amount.sum().reindex(contacted).fillna(0)
    error = sales.std() / np.sqrt(len(sales))
    assert row.sales.value == pytest.approx(sales.mean())
    assert row.sales.ci_high - row.sales.value == pytest.approx(1.959964 * error, rel=1e-5)


def test_the_planted_difference_is_found(readout):
    found = readout["P1"].difference
    assert found.identification == "adjusted" and found.placebo is not None
    e = found.estimate
    # One draw, so three standard errors; some of what was planted came back as returns.
    assert abs(e.value - 0.96 * EFFECT) < 3 * (e.ci_high - e.value) / 1.96
    assert e.ci_low > 0
    assert found.contacted_mean == pytest.approx(readout["P1"].sales.value)
    assert found.similar_mean == pytest.approx(found.contacted_mean - found.estimate.value)


def test_nothing_after_the_date_is_read(tables, readout):
    late = {}
    for name, frame in tables.items():
        if "ts" in frame:
            extra = frame.head(50).assign(ts=pd.Timestamp("2017-10-30 04:00"))
            frame = pd.concat([frame, extra], ignore_index=True)
        late[name] = frame
    assert read_out(shop_of(late), NOW).to_dict() == readout.to_dict()


def test_forms_of_the_result(readout):
    text = readout.summary()
    assert "1 promotion ended in the 8 weeks before 2017-10-30." in text
    assert "Coupons P1 · " in text and "EUR" in text and text.endswith("adjusted")
    frame = readout.to_frame()
    assert len(frame) == 1 and frame.identification[0] == "adjusted"
    entry = readout.to_dict()["P1"]
    assert set(entry["redemption_rate"]) == {"value", "ci_low", "ci_high", "n"}
    assert {"value", "ci_low", "ci_high", "n", "identification", "why"} <= set(entry["difference"])
    json.dumps(entry, allow_nan=False)
    assert "Coupons P1" in [t.get_text() for t in readout.plot().get_yticklabels()]
    with pytest.raises(InputError, match="these are: P1"):
        readout["P9"]


def test_a_quiet_time_is_said(tables):
    quiet = read_out(shop_of(tables), datetime(2017, 9, 15))
    assert quiet.summary() == "No promotion ended in the 8 weeks before 2017-09-15."
    assert len(quiet.to_frame()) == 0 and "difference" in quiet.to_frame() and quiet.to_dict() == {}
    quiet.plot()


def test_a_shop_with_less_says_what_it_cannot_tell(tables):
    poor = {k: v for k, v in tables.items() if k != "promotion_products"}
    poor["events"] = poor["events"].drop(columns=["amount", "discount", "coupon_discount"])
    poor["promotions"] = poor["promotions"].drop(columns="type")
    row = read_out(shop_of(poor), NOW)["P1"]
    assert np.isnan(row.discount_cost.value) and np.isnan(row.sales.value)
    assert "no amounts" in row.difference.why and "discounts" not in row.summary()
    with pytest.raises(DataError, match="exposures"):
        read_out(shop_of({k: v for k, v in tables.items() if k != "exposures"}), NOW)


def test_few_customers_give_counts_and_no_difference(tables):
    few = tables["exposures"].query("promotion_id == 'P1'").head(10)
    row = read_out(shop_of(tables | {"exposures": few}), NOW)["P1"]
    assert row.contacts == 10 and row.difference.identification == "not identified"
    assert "only 10 contacted" in row.difference.why


def test_a_promotion_that_is_no_coupon_costs_all_discounts(tables):
    other = tables["promotions"].assign(kind="full_reduction")
    row = read_out(shop_of(tables | {"promotions": other}), NOW)["P1"]
    events, sign = window(tables), np.where(window(tables).kind == "purchase", 1, -1)
    contacted = tables["exposures"].query("promotion_id == 'P1'").customer_id
    own = events.customer_id.isin(contacted) & events["product_id"].isin(["A", "B"])
    assert row.discount_cost.value == pytest.approx((events.discount * sign)[own].sum())
    assert row.name == "Spend-and-save P1"


@pytest.mark.parametrize("weeks", [0, 1.5, True])
def test_weeks_is_a_whole_number(tables, weeks):
    with pytest.raises(InputError, match="weeks"):
        read_out(shop_of(tables), NOW, weeks=weeks)


def test_timeline_by_local_days(tables):
    table = timeline(shop_of(tables), NOW).set_index("promotion_id")
    # P4 starts on the Monday after the clocks changed: coming, not launching.
    assert table.status.to_dict() == {
        "P3": "launching",
        "P2": "running",
        "P1": "ended",
        "P4": "coming",
    }
    assert (table.day["P1"], table.days["P1"]) == (30, 30)
    assert (table.day["P2"], table.days["P2"]) == (21, 26)  # from 9 Oct, 20:00 in New York
    assert (table.day["P3"], table.day["P4"]) == (1, 0)
    assert table.contacts["P2"] == 20 and table.contacts["P3"] == 0
    assert table["products"]["P1"] == 2 and pd.isna(table["products"]["P2"])
    assert promotion_name("flash_sale", 3) == "Flash sale 3"


def test_complete_journey_promotion_13():
    shop = load_shop("complete_journey")
    row = read_out(shop, NOW)["13"]
    assert (row.contacts, row.redeemers, row.name) == (1077, 196, "Coupons 13")
    assert row.discount_cost.value == pytest.approx(951.88)
    # Who was contacted had spent three times as much: hardly anybody else is like them.
    assert row.difference.identification == "not identified"
    assert row.difference.effective_others < 108
    # A small one sent to few: others like them are plenty.
    small = read_out(shop, datetime(2017, 12, 18, 5), weeks=1)["19"]
    assert (small.contacts, small.redeemers) == (130, 15)
    assert small.difference.identification == "adjusted"
    assert small.difference.estimate.ci_low < 0 < small.difference.estimate.ci_high
