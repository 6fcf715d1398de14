"""Promotions that ended: a small shop counted by plain pandas, and the rule of verdicts."""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from promolab.campaign.past.schedule import LISTS, list_of, timeline
from promolab.campaign.readout.ended_promotions import read_out
from promolab.campaign.readout.promotion_readout import VERDICTS, PaysFrom, judge, pays_from, rule
from promolab.contract.operations import StatedRate as Rate
from promolab.effects.differences import Difference, not_identified
from promolab.promotions import Costs
from promolab.results import Estimate
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
    promotions["kind"] = ["coupon", "limited_time_discount", *["coupon"] * 3]
    starts = ["2017-10-10", "2017-10-30 04:00", "2017-11-06 05:00", "2017-12-05"]
    promotions["starts_at"] = [start, *times(*starts)]
    promotions["ends_at"] = [end, *times("2017-11-05", "2017-11-20", "2017-12-01", "2017-12-20")]
    sent = customers[contacted]
    exposures = pd.DataFrame({"customer_id": [*sent, *sent[:3], *sent[:20]]})
    exposures["promotion_id"] = np.repeat(["P1", "P2"], [len(sent) + 3, 20])
    exposures = exposures.merge(promotions[["promotion_id", "starts_at"]])
    exposures = exposures.rename(columns={"starts_at": "ts"})
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


def corner(tables, **sections):
    said = {"name": "Corner", "currency": "EUR", "zone": "America/New_York"}
    return shop_of(tables, **said, operations=sections)


def read(tables, now=NOW, **sections):
    return read_out(corner(tables, **sections), now)


@pytest.fixture(scope="module")
def readout(tables):
    return read(tables)


def window(tables):
    """The events of the first promotion's window, what came back below 0."""
    events, promotion = tables["events"].copy(), tables["promotions"].iloc[0]
    money = ["amount", "discount", "coupon_discount"]
    events[money] = events[money].where(events.kind == "purchase", -events[money])
    return events[(events.ts >= promotion.starts_at) & (events.ts < promotion.ends_at)]


def test_counts_and_money_are_those_of_plain_pandas(readout, tables):
    row, events = readout["P1"], window(tables)
    contacted = tables["exposures"].query("promotion_id == 'P1'").customer_id.unique()
    redeemers = contacted[::7]
    assert len(readout) == 1 and row.contacts == len(contacted)
    assert row.redeemers == len(redeemers) and row.redemptions == 2 * row.redeemers
    ends = proportion_confint(row.redeemers, row.contacts, method="wilson")
    assert row.redemption_rate.ends[1:] == pytest.approx(ends)
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
    assert abs(e.value - 0.96 * EFFECT) < 3 * (e.ci_high - e.value) / 1.96 and e.ci_low > 0
    assert found.contacted_mean == pytest.approx(readout["P1"].sales.value)
    assert found.similar_mean == pytest.approx(found.contacted_mean - found.estimate.value)
    assert "Coupons P1: Repeat (adjusted, provisional, margin assumed): " in readout.summary()
    frame = readout.to_frame()
    assert np.isnan(frame.unsubscribed[0]) and frame.provisional[0]
    entry = json.loads(json.dumps(readout.to_dict()["P1"], allow_nan=False))
    assert {"value", "ci_low", "ci_high", "n", "identification", "why"} <= set(entry["difference"])
    refused("these promotions: P1", readout.__getitem__, "P9")


def test_nothing_after_the_date_is_read(tables, readout):
    late = {
        name: pd.concat([frame, frame.head(50).assign(ts=pd.Timestamp(NOW))], ignore_index=True)
        for name, frame in tables.items()
        if "ts" in frame
    }
    assert read(tables | late).to_dict() == readout.to_dict()


def test_a_quiet_time_is_said(tables):
    quiet = read(tables, now=datetime(2017, 9, 15))
    # At midnight UTC it is still the 14th in New York.
    assert quiet.summary() == "No promotion ended in the 8 weeks before 14 Sep 2017."
    assert quiet.to_frame().empty and quiet.to_dict() == {}


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
    events = window(tables)
    contacted = tables["exposures"].query("promotion_id == 'P1'").customer_id
    own = events.customer_id.isin(contacted) & events["product_id"].isin(["A", "B"])
    assert row.discount_cost.value == pytest.approx(events.discount[own].sum())
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
    rows = pd.DataFrame(events, columns=["customer_id", "ts", "kind", "order_id", "amount"])
    answers = pd.DataFrame(responses, columns=["promotion_id", "customer_id", "ts", "kind"])
    found = {"events": rows, "responses": answers}
    found = {name: frame.astype({"ts": "datetime64[us]"}) for name, frame in found.items()}
    return found | {"promotions": promotions, "exposures": exposures}


@pytest.fixture(scope="module")
def of_four():
    return read(small())


def test_answers_are_counted_and_what_is_never_recorded_is_not_0(of_four):
    row = of_four["1"]
    assert (row.contacts, row.delivered, row.redeemers) == (3, 2, 1)
    assert (row.unsubscribed, row.complained, of_four["2"].unsubscribed) == (1, None, 0)
    assert row.harm.value == pytest.approx(1 / 3) and row.harm.n == 3


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
    # Of one that the shop records, nobody is 0.
    late = bought.assign(promotion_id=2, ts=pd.Timestamp("2017-10-20"))
    row = read(tables | {"responses": pd.concat([tables["responses"], late])})["2"]
    assert row.redeemers == 0 and row.redemption_rate.ci_low == 0 < row.redemption_rate.ci_high


def test_windows_per_response_count_from_the_start():
    # The 31st day begins on 1 October, 0:00 in New York: 4:00 UTC.
    for days, unsubscribed in ((31, 2), (2, 1)):
        windows = {"redeem": 35, "unsubscribe": days}
        row = read(small(), attribution={"windows": windows})["1"]
        assert (row.redeemers, row.unsubscribed) == (2, unsubscribed)


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
    for now, provisional in ((datetime(2017, 10, 29, 3, 59), True), (settles, False)):
        row = read(small(), now=now)["1"]
        assert row.settles_at == settles and row.provisional is provisional
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
    monday = datetime(2017, 11, 6, 5)
    table = timeline(corner(tables), datetime(2017, 11, 3, 4), week=monday)
    # P2 ends before the week begins, but is not over when the plan is made.
    status = {"P4": "launching", "P3": "running", "P1": "ended", "P5": "coming", "P2": "running"}
    assert table.set_index("promotion_id").status.to_dict() == status
    refused("after the week", timeline, corner(tables), monday, week=datetime(2017, 11, 1))
    promotions = tables["promotions"].assign(kind="coupon", reduction=5.0, threshold=20.0)
    stated = timeline(corner(tables | {"promotions": promotions}), NOW)
    assert set(stated["terms"]) == {"coupon of 5 EUR from 20 EUR"}


def test_each_of_the_four_lists_has_a_sentence_when_it_is_empty(tables):
    table = timeline(corner(tables), NOW)
    none = {k: tables[k].head(0) for k in ("promotions", "exposures", "responses")}
    empty = timeline(corner(tables | none), NOW)
    for status in LISTS:
        assert len(list_of(table, status)[0]) == 1 and not list_of(table, status)[1]
        assert list_of(empty, status)[1].startswith("No promotion")
    refused("running", list_of, table, "runing")


PAYS_FROM = PaysFrom(2.5, 2.0, 0.5, 0.25, (), "EUR")
CALM, ANNOYED = Estimate(0.003, 0.001, 0.009, 900), Estimate(0.05, 0.04, 0.07, 900)
UNSURE, UNRECORDED = Estimate(0.01, 0.002, 0.05, 60), Estimate(np.nan, np.nan, np.nan, 900)


def sells(low: float, high: float, identification: str = "randomised") -> Difference:
    return Difference(Estimate((low + high) / 2, low, high, 900), identification, "", 900, 100)


def test_each_verdict_and_without_a_break_even_only_a_loss_can_be_told():
    for low, high, harm, word, why in [
        (2.5, 5.0, CALM, "repeat", "pay from 2.00 EUR on"),
        (2.5, 5.0, UNRECORDED, "repeat", "whether it annoys is not recorded"),
        (2.5, 5.0, UNSURE, "cannot tell", "may be over 2 %"),
        (2.5, 5.0, ANNOYED, "change", "over 2 %"),
        (0.5, 1.5, CALM, "change", "do not pay"),
        (-1.0, 1.5, CALM, "stop", "do not pay"),
        (-3.0, -1.0, CALM, "stop", "do not pay"),
        (0.5, 1.5, ANNOYED, "stop", "over 2 %"),
        (-1.0, 5.0, ANNOYED, "stop", "over 2 %"),
        (1.0, 5.0, CALM, "cannot tell", "may or may not reach"),
        (-1.0, 5.0, CALM, "cannot tell", "may or may not reach"),
    ]:
        found = judge(sells(low, high), harm, PAYS_FROM)
        assert found.word == word in VERDICTS and why in found.why and found.rule == rule()
        json.dumps(found.to_dict(), allow_nan=False)
    found = judge(not_identified("nobody was alike", 900), CALM, PAYS_FROM)
    assert (found.word, found.text) == ("cannot tell", "cannot tell")
    for low, high, word in [(2.5, 5.0, "cannot tell"), (-2, 5, "cannot tell"), (-5, -0.5, "stop")]:
        assert judge(sells(low, high), CALM, None).word == word


def test_what_pays_is_that_by_hand_and_the_words_say_what_a_verdict_rests_on():
    costs = Costs(Rate(0.4, False), Rate(0.5, False), Rate(0.1, False), funder_share=0.2)
    found = pays_from(100, 30, 150.0, costs, "EUR")
    assert found.cost == pytest.approx(150 * 0.8 / 100 + 30 * 0.1 / 100 + 0.5)
    assert found.sales == pytest.approx(found.cost / 0.4) and found.assumed == ()
    # With just these sales the margin of what is sold, less discounts and costs, is 0.
    assert found.net == pytest.approx(found.sales - 1.5)
    assert (found.net + 1.5) * 0.4 - found.cost == pytest.approx(0)
    costs = Costs(Rate(0.25, True), Rate(0.5, False), Rate(0.0, True))
    found = pays_from(10, 1, 10.0, costs, "EUR")
    assert found.assumed == ("margin_rate", "coupon_cost")
    assert pays_from(10, 1, np.nan, costs, "EUR") is pays_from(0, 1, 10.0, costs, "EUR") is None
    assumed = PaysFrom(2.5, 2.0, 0.5, 0.25, ("margin_rate",), "EUR")
    told = judge(sells(2.5, 5.0, "adjusted"), CALM, assumed, provisional=True)
    assert told.text == "repeat (adjusted, provisional, margin assumed)"
    # Of 60 contacts 1 %, from 0.2 to 5 %.
    lost = "cannot tell (pays, may annoy: 1 [0, 3] would unsubscribe or complain if repeated)"
    assert judge(sells(2.5, 5.0), UNSURE, PAYS_FROM).text == lost
