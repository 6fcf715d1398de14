"""Promotions that ended: a small shop counted by plain pandas, and the real one."""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from promolab.campaign.past.schedule import LISTS, list_of, timeline
from promolab.campaign.readout.ended_promotions import read_out
from promolab.contract import Shop
from tests.made_up import shop_of
from tests.refused import refused, spoilt

NOW = datetime(2017, 10, 30, 4)
EFFECT = 20.0


def times(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), format="ISO8601"))


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Return 800 customers, half of them contacted for P1 by how much they buy; P1 adds 20."""
    rng = np.random.default_rng(0)
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
    before = events[events.ts < start - pd.Timedelta(days=28)]
    sums = before.groupby("customer_id")["amount"].sum()
    spent = sums.reindex(customers, fill_value=0.0).to_numpy()
    score = (spent - spent.mean()) / spent.std()
    contacted = rng.random(n) < 1 / (1 + np.exp(-0.6 * score))
    inside = (events.ts >= start) & (events.ts < end)
    bonus = events[inside & contacted[who]].groupby("customer_id").head(1).index
    events.loc[bonus, "amount"] += EFFECT
    events.loc[inside & (events.index % 11 == 0), "coupon_discount"] = 0.5
    events.loc[events.index[inside][::50], "kind"] = "return"
    promotions = pd.DataFrame({"promotion_id": ["P1", "P2", "P3", "P4", "P5"], "type": "A"})
    promotions["kind"] = promotions["promotion_id"].map({"P2": "limited_time_discount"})
    promotions["kind"] = promotions["kind"].fillna("coupon")
    starts = ["2017-10-10", "2017-10-30 04:00", "2017-11-06 05:00", "2017-12-05"]
    promotions["starts_at"] = [start, *times(*starts)]
    promotions["ends_at"] = [end, *times("2017-11-05", "2017-11-20", "2017-12-01", "2017-12-20")]
    sent = customers[contacted]
    exposures = pd.DataFrame({"customer_id": [*sent, *sent[:3], *sent[:20]]})
    exposures["promotion_id"] = np.repeat(["P1", "P2"], [len(sent) + 3, 20])
    began = promotions.set_index("promotion_id")["starts_at"]
    exposures["ts"] = exposures["promotion_id"].map(began)
    answers = pd.DataFrame({"customer_id": np.tile(sent[::7], 2)})
    answers = answers.assign(promotion_id="P1", ts=pd.Timestamp("2017-09-10"), kind="redeem")
    # None of these counts: of outsiders, of one too late, a claim.
    odd = [answers.head(1).assign(customer_id=c) for c in customers[~contacted][:5]]
    odd += [answers.head(1).assign(customer_id=sent[1], ts=end)]
    odd += [answers.head(1).assign(customer_id=sent[2], kind="claim")]
    offers = pd.DataFrame({"promotion_id": ["P1"] * 3, "product_id": ["A", "A", "B"]})
    found = {"events": events, "promotions": promotions, "exposures": exposures}
    found |= {"responses": pd.concat([answers, *odd])}
    return found | {"promotion_products": offers.assign(coupon_id=["K1", "K2", "K1"])}


def corner(tables: dict[str, pd.DataFrame], **sections: dict[str, object]) -> Shop:
    said = {"name": "Corner", "currency": "EUR", "zone": "America/New_York"}
    return shop_of(tables, **said, operations=sections)


def read(tables: dict[str, pd.DataFrame], now: datetime = NOW, **sections: dict[str, object]):
    return read_out(corner(tables, **sections), now)


@pytest.fixture(scope="module")
def readout(tables):
    return read(tables)


def test_counts_are_those_of_plain_pandas(readout, tables):
    row = readout["P1"]
    contacted = set(tables["exposures"].query("promotion_id == 'P1'").customer_id)
    assert len(readout) == 1 and row.contacts == len(contacted)
    assert row.redeemers == len(range(0, len(contacted), 7))
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


def test_the_planted_difference_is_found_and_told(readout):
    found = readout["P1"].difference
    assert found.identification == "adjusted" and found.placebo is not None
    e = found.estimate
    # One draw, so three standard errors; some of what was planted came back as returns.
    assert abs(e.value - 0.96 * EFFECT) < 3 * (e.ci_high - e.value) / 1.96
    assert e.ci_low > 0
    assert found.contacted_mean == pytest.approx(readout["P1"].sales.value)
    assert found.similar_mean == pytest.approx(found.contacted_mean - found.estimate.value)
    assert "Coupons P1: Repeat (adjusted, provisional, margin assumed): " in readout.summary()
    frame = readout.to_frame()
    assert len(frame) == 1 and frame.identification[0] == "adjusted"
    assert np.isnan(frame.unsubscribed[0]) and frame.provisional[0]
    entry = json.loads(json.dumps(readout.to_dict()["P1"], allow_nan=False))
    assert {"value", "ci_low", "ci_high", "n", "identification", "why"} <= set(entry["difference"])
    refused("these promotions: P1", readout.__getitem__, "P9")


def test_nothing_after_the_date_is_read(tables, readout):
    late = {}
    for name, frame in tables.items():
        if "ts" in frame:
            extra = frame.head(50).assign(ts=pd.Timestamp("2017-10-30 04:00"))
            frame = pd.concat([frame, extra], ignore_index=True)
        late[name] = frame
    assert read(late).to_dict() == readout.to_dict()


def test_a_quiet_time_is_said(tables):
    quiet = read(tables, now=datetime(2017, 9, 15))
    # At midnight UTC it is still the 14th in New York.
    assert quiet.summary() == "No promotion ended in the 8 weeks before 14 Sep 2017."
    assert len(quiet.to_frame()) == 0 and "difference" in quiet.to_frame() and quiet.to_dict() == {}


def test_a_shop_with_less_and_few_customers_say_what_they_cannot_tell(tables):
    poor = {k: v for k, v in tables.items() if k != "promotion_products"}
    poor["events"] = poor["events"].drop(columns=["amount", "discount", "coupon_discount"])
    poor["promotions"] = poor["promotions"].drop(columns="type")
    row = read(poor)["P1"]
    assert np.isnan(row.discount_cost.value) and np.isnan(row.sales.value)
    assert "no amounts" in row.difference.why
    unsent = {k: v for k, v in tables.items() if k != "exposures"}
    spoilt("exposures", read_out, corner(unsent), NOW)
    few = tables["exposures"].query("promotion_id == 'P1'").head(10)
    row = read(tables | {"exposures": few})["P1"]
    assert row.contacts == 10 and row.difference.identification == "not identified"
    assert "only 10 contacted" in row.difference.why
    for weeks in (0, 1.5, True):
        refused("weeks", read_out, corner(tables), NOW, weeks=weeks)


def test_a_promotion_that_is_no_coupon_costs_all_discounts(tables):
    other = tables["promotions"].assign(kind="full_reduction")
    row = read(tables | {"promotions": other})["P1"]
    events, sign = window(tables), np.where(window(tables).kind == "purchase", 1, -1)
    contacted = tables["exposures"].query("promotion_id == 'P1'").customer_id
    own = events.customer_id.isin(contacted) & events["product_id"].isin(["A", "B"])
    assert row.discount_cost.value == pytest.approx((events.discount * sign)[own].sum())
    assert row.name == "Spend-and-save P1"


def small() -> dict[str, pd.DataFrame]:
    """Return four customers, two promotions that overlap for two weeks, and all kinds of answer."""
    promotions = pd.DataFrame({"promotion_id": [1, 2], "kind": "coupon"})
    promotions["contact_cost"] = [0.2, None]
    promotions["starts_at"] = times("2017-09-01 04:00", "2017-09-15 04:00")
    promotions["ends_at"] = times("2017-09-29 04:00", "2017-10-13 04:00")
    events = [
        ("a", "2017-09-05", "purchase", 1, 10.0),
        ("a", "2017-09-20", "purchase", 2, 40.0),  # in both windows
        ("a", "2017-10-10", "return", 2, 15.0),  # … part of it comes back in return days
        ("a", "2017-10-30", "return", 1, 10.0),  # after the return days of promotion 1
        ("b", "2017-09-20", "purchase", 3, 8.0),  # contacted for 1 alone
        ("b", "2017-10-05", "return", 4, 3.0),  # of an order before the data
    ]
    exposures = pd.DataFrame({"promotion_id": [1, 1, 1, 2, 2], "customer_id": [*"abcac"]})
    exposures["ts"] = times(*["2017-09-01 04:00"] * 3, *["2017-09-15 04:00"] * 2)
    responses = [
        (1, "a", "2017-09-02", "delivered"),
        (1, "b", "2017-09-02", "delivered"),
        (1, "b", "2017-09-03", "unsubscribe"),
        (1, "a", "2017-10-01", "unsubscribe"),  # after the end
        (1, "c", "2017-09-30", "redeem"),  # after the end
        (1, "a", "2017-09-05", "redeem"),
    ]
    columns = {"events": ["customer_id", "ts", "kind", "order_id", "amount"]}
    columns["responses"] = ["promotion_id", "customer_id", "ts", "kind"]
    found = {
        name: pd.DataFrame(rows, columns=columns[name]).astype({"ts": "datetime64[us]"})
        for name, rows in (("events", events), ("responses", responses))
    }
    return found | {"promotions": promotions, "exposures": exposures}


@pytest.fixture(scope="module")
def of_four():
    return read(small())


def test_answers_are_counted_and_what_is_never_recorded_is_not_0(of_four):
    row = of_four["1"]
    assert (row.contacts, row.delivered, row.redeemers) == (3, 2, 1)
    assert (row.unsubscribed, row.complained) == (1, None)
    assert row.harm.value == pytest.approx(1 / 3) and row.harm.n == 3
    assert of_four["2"].unsubscribed == 0


def test_answers_to_a_kind_of_promotion_that_are_never_recorded_are_unknown_and_not_0():
    tables = small()
    tables["promotions"]["kind"] = ["coupon", "recommendation"]
    # Purchases are recorded of coupons alone.
    bought = tables["responses"].tail(1).assign(kind="purchase")
    tables["responses"] = pd.concat([tables["responses"], bought])
    found = read(tables)
    row = found["2"]
    assert (row.redeemers, row.redemptions) == (None, None)
    assert np.isnan(row.redemption_rate.ends).all() and row.to_dict()["redeemers"] is None
    assert row.say("part") == "not recorded" and found["1"].redeemers == 1
    cells = found.to_table().text.partition("Recommendation 2")[2].partition("</tr>")[0]
    assert ">not recorded<" in cells and "0.0 %" not in cells
    assert "33 % [6, 79] unsubscribed or complained." in found["1"].say("reason")
    # Of one that the shop records, nobody is 0.
    tables["responses"] = pd.concat(
        [tables["responses"], bought.assign(promotion_id=2, ts=pd.Timestamp("2017-10-20"))]
    )
    row = read(tables)["2"]
    assert row.redeemers == 0 and row.redemption_rate.ci_low == 0 < row.redemption_rate.ci_high


def test_windows_per_response_count_from_the_start():
    windows = {"redeem": 35, "unsubscribe": 31}
    row = read(small(), attribution={"windows": windows})["1"]
    assert (row.redeemers, row.unsubscribed) == (2, 2)
    # The 31st day begins on 1 October, 0:00 in New York: 4:00 UTC.
    short = {"redeem": 35, "unsubscribe": 2}
    assert read(small(), attribution={"windows": short})["1"].unsubscribed == 1


def test_sales_are_net_of_what_comes_back_within_the_return_days(of_four):
    # a: 10 + 40 − 15 (the return of 30 October is too late), b: 8, c: nothing.
    assert of_four["1"].sales.value == pytest.approx(43 / 3)
    longer = read(small(), attribution={"return_days": 40}, now=datetime(2017, 11, 8))
    assert longer["1"].sales.value == pytest.approx(33 / 3)
    # As of 9 October the return of the 10th is not known.
    early = read(small(), now=datetime(2017, 10, 9))["1"]
    assert early.sales.value == pytest.approx(58 / 3)


def test_provisional_until_the_return_days_are_over():
    settles = datetime(2017, 10, 29, 4)  # 29 September and 30 local days
    early = read(small(), now=datetime(2017, 10, 29, 3, 59))["1"]
    settled = read(small(), now=settles)["1"]
    assert early.settles_at == settled.settles_at == settles
    assert (early.provisional, settled.provisional) == (True, False)
    long = read(small(), attribution={"windows": {"complaint": 90}}, now=settles)["1"]
    assert long.provisional  # a complaint may still come


def test_overlapping_promotions_count_sales_in_full_and_nobody_may_be_contacted(of_four):
    assert of_four["2"].sales.value == pytest.approx(25 / 2)
    # a and c were contacted for both.
    assert of_four.overlap.startswith("4 contacts fell") and "do not add up" in of_four.overlap
    found = read(small() | {"exposures": small()["exposures"].head(0)})
    assert (found["1"].contacts, found["1"].verdict.word) == (0, "cannot tell")
    assert found.overlap == "No customer was contacted for two promotions at a time."
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_promotions_own_contact_cost_enters_what_pays(tables):
    own = tables["promotions"].assign(contact_cost=0.2)
    said = {"margin_rate": 0.5, "coupon_cost": 0.1, "contact_cost": 9.0}
    row = read(tables | {"promotions": own}, economics=said)["P1"]
    cost = (row.discount_cost.value + 0.1 * row.redemptions) / row.contacts + 0.2
    assert row.pays_from.sales == pytest.approx(cost / 0.5) and row.pays_from.assumed == ()
    assert row.verdict.word == "repeat" and "adjusted" in row.verdict.text


def test_timeline_by_local_days_also_of_a_plan_made_ahead_of_the_week(tables):
    table = timeline(corner(tables), NOW).set_index("promotion_id")
    # P4 starts on the Monday after the clocks changed: coming, not launching.
    assert dict(zip(table.status, table.index, strict=True)) == dict(
        zip(LISTS, ["P3", "P2", "P1", "P4"], strict=True)
    )
    assert (table.day["P1"], table.days["P1"]) == (30, 30)
    assert (table.day["P2"], table.days["P2"]) == (21, 26)  # from 9 Oct, 20:00 in New York
    assert (table.day["P3"], table.day["P4"]) == (1, 0)
    assert table.contacts["P2"] == 20 and table.contacts["P3"] == 0
    assert table["products"]["P1"] == 2 and pd.isna(table["products"]["P2"])
    assert set(table["terms"]) == {""}  # no face value is stated
    monday = datetime(2017, 11, 6, 5)
    table = timeline(corner(tables), datetime(2017, 11, 3, 4), week=monday)
    status = {"P4": "launching", "P3": "running", "P1": "ended", "P5": "coming"}
    # P2 ends before the week begins, but is not over when the plan is made.
    assert table.set_index("promotion_id").status.to_dict() == status | {"P2": "running"}
    refused("after the week", timeline, corner(tables), monday, week=datetime(2017, 11, 1))
    promotions = tables["promotions"].assign(kind="coupon", reduction=5.0, threshold=20.0)
    stated = timeline(corner(tables | {"promotions": promotions}), NOW)
    assert set(stated["terms"]) == {"coupon of 5 EUR from 20 EUR"}


def test_each_of_the_four_lists_has_a_sentence_when_it_is_empty(tables):
    table = timeline(corner(tables), NOW)
    for status in LISTS:
        rows, sentence = list_of(table, status)
        assert (len(rows), sentence) == (1, "")
        rows, sentence = list_of(table.head(0), status)
        assert rows.empty and sentence.startswith("No promotion")
    refused("running", list_of, table, "runing")
    none = {k: tables[k].head(0) for k in ("promotions", "exposures", "responses")}
    assert timeline(corner(tables | none), NOW).empty
