"""What planned promotions may cost and must bring, lists of several sizes, and what would tell."""

import math
from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab.abtest import smallest_effect
from promolab.campaign.outlook.economics import LaunchEconomics, launch_economics
from promolab.campaign.outlook.forecasts import expected_of
from promolab.campaign.outlook.lists import list_steps
from promolab.campaign.plan.planning import plan_week
from promolab.campaign.spending.experiment import propose_experiment
from promolab.contract.operations import StatedRate as Rate
from promolab.metrics.pooling import past_ratios
from promolab.results import Estimate
from tests.made_up import cut, shop_of
from tests.refused import refused

DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")
RATIOS = past_ratios([17, 20, 9, 30, 22, 20, 28, 9], [20.0, 30, 10, 40, 25, 20, 35, 12])


def shop(**settings):
    """Return five past promotions of one type, and two that start: coupons and a suggestion."""
    promotions = pd.DataFrame({"promotion_id": [*(f"P{i}" for i in range(5)), "N", "T"]})
    promotions["kind"] = [*["coupon"] * 6, "recommendation"]
    promotions["starts_at"] = NOW - pd.to_timedelta([60, 50, 40, 30, 20, -2, -2], unit="D")
    promotions["ends_at"] = promotions["starts_at"] + 10 * DAY
    c, p = np.tile(np.arange(10), 5), np.repeat(np.arange(5), 10)
    events = pd.DataFrame({"customer_id": [f"c{i}" for i in c], "amount": 20.0 + 9 * c})
    events["ts"] = promotions["starts_at"].to_numpy()[p] + pd.to_timedelta(c * 20, unit="h")
    redeemed = events[["customer_id", "ts"]].assign(promotion_id=[f"P{i}" for i in p]).iloc[::2]
    events = events.assign(coupon_discount=1.0 + 0.2 * p, kind="purchase", product_id="p")
    products = promotions[["promotion_id"]].assign(product_id="p")
    frames = {"events": events, "promotions": promotions, "promotion_products": products}
    frames |= {"exposures": redeemed, "responses": redeemed.assign(kind="redeem")}
    return shop_of(frames, **settings)


def planned(**held: list[str]) -> pd.DataFrame:
    rows = pd.DataFrame({"customer_id": [f"c{c}" for c in range(10)], "promotion_id": "N"})
    rows = rows.assign(p_redeemed=[0.05 * (c + 1) for c in range(10)], holdout="none")
    for kind, who in held.items():
        rows.loc[rows["customer_id"].isin(who), "holdout"] = kind
    return rows


def weigh(frame: pd.DataFrame, **settings) -> LaunchEconomics:
    return launch_economics(shop(**settings), NOW, frame, RATIOS)


@pytest.fixture(scope="module")
def found():
    return weigh(planned(promotion=["c3", "c7"], standing=["c1"])).promotions[0]


def test_only_those_to_contact_are_counted(found) -> None:
    assert (found.contacts, found.held, found.name) == (7, 2, "Coupons N")
    sent = planned()["p_redeemed"].drop([1, 3, 7])
    assert found.redemptions == expected_of(sent, RATIOS)
    # 1.0, 1.2 … 1.8 a redeemer in the five past ones.
    assert 1.2 < found.discount.value / found.redemptions.value < 1.5
    assert found.discount.ci_low < found.discount.value < found.discount.ci_high
    assert found.cost == found.discount  # contact and coupon cost nothing, as is assumed
    assert found.break_even.value == pytest.approx(found.discount.value / (0.25 * 7))
    assert found.visible == smallest_effect(7, 2, sd=found.adjusted_sd)
    # Everybody spent 20 + 9c in two of the last three windows of ten days, nothing in the third.
    # c = 0, 2, 3 … 9 (1 is in the standing holdout): variance 81 · (284 − 44²/9)/8 = 697.5, of the
    # three windows 2/3 · 697.5 = 465. Without those held back, 3 and 7, it would be 594.
    assert found.sales_sd == pytest.approx(465**0.5)


def test_what_the_holdout_can_see_of_the_break_even(found) -> None:
    large = replace(found, held=40)
    near = replace(large, visible=3 * large.break_even.value)
    for row, shows, sentence in [
        (found, "few", "too few to be read (20 are needed)"),
        (near, "pooled", "3 times the break-even: 9 such holdouts of different weeks, read"),
        (replace(large, break_even=Estimate(0.0, 0.0, 0.0, 7)), "sees", "can see"),
        (replace(large, visible=0.1), "enough", "enough to tell"),
        (replace(large, visible=math.nan), "unknown", "is not known"),
        (replace(found, held=0), "none", "will not be known"),
    ]:
        assert row.shows == shows and sentence in row.say("sees")
        assert math.isnan(row.weeks_needed) == (shows in ("sees", "unknown"))
        assert "nan" not in LaunchEconomics((row,)).opening()


def test_what_is_assumed_is_marked_wherever_it_enters(found) -> None:
    assert "margin 25 % (assumed)" in found.say("rates_line")
    assert LaunchEconomics((found,)).say("bring_note").startswith("assumed: margin 25 %, contact")
    stated = {"margin_rate": 0.4, "contact_cost": 0.1, "coupon_cost": 0.05}
    sure = weigh(planned(), operations={"economics": stated}).promotions[0]
    assert sure.assumed() == [] and "assumed" not in sure.say("basis")
    assert sure.cost.value == pytest.approx(
        sure.discount.value + 0.05 * sure.redemptions.value + 0.1 * 10
    )
    assert found.to_dict()["margin_rate"] == {"value": 0.25, "assumed": True}


def test_a_recommendation_is_not_spoken_of_as_a_coupon_and_nothing_as_worth_sending(found) -> None:
    frame = planned().assign(promotion_id="T")
    (tip,) = weigh(frame, operations={"economics": {"coupon_cost": 3.0}}).promotions
    told = " ".join([tip.say("basis"), LaunchEconomics((tip,)).opening()])
    assert "purchases" in told and "redee" not in told and "coupon" not in told.lower()
    # There is no coupon to handle.
    assert tip.cost.value == tip.discount.value == tip.break_even.value == 0.0
    unknown = LaunchEconomics((replace(found, discount=Estimate(math.nan)),)).opening()
    assert "threshold and reduction, in [promotions] of shop.toml would tell" in unknown
    assert "nan" not in unknown.lower()


def test_the_table_reads_back(found) -> None:
    found = replace(found, anyway_redeemers=Estimate(0.5, 0.4, 0.6, 7))
    week = LaunchEconomics((found, replace(found, promotion_id="M", visible=math.nan)))
    again = LaunchEconomics.from_frame(week.to_frame())
    assert again.to_frame().equals(week.to_frame()) and again.of("N") == found
    assert isinstance(again.promotions[0].margin_rate, Rate) and again.of("Z") is None
    assert LaunchEconomics.from_frame(LaunchEconomics(()).to_frame()) == LaunchEconomics(())
    refused("no column 'held'", LaunchEconomics.from_frame, week.to_frame().drop(columns="held"))


def test_several_promotions_add_up_and_of_many_the_number_is_said(found) -> None:
    found = replace(found, held=40)
    other = replace(found, promotion_id="M", contacts=3, break_even=Estimate(10.0, 5.0, 20.0, 3))
    week = LaunchEconomics((found, other))
    assert week.contacts == 10 and week.total("discount").value == 2 * found.discount.value
    assert week.total("discount").ci_high == 2 * found.discount.ci_high
    assert week.break_even.value == pytest.approx((7 * found.break_even.value + 30) / 10)
    assert "Coupons N: The holdout of 40 can see" in week.opening()
    assert week.opening(customers=8).startswith("Contact 8 customers")
    many = LaunchEconomics((found,) * 4)
    assert many.say("named") == "4 promotions" and "Coupons N" in week.say("named")


def test_nobody_to_contact_nothing_planned_and_a_wrong_table() -> None:
    nobody, nothing = weigh(planned(standing=[f"c{c}" for c in range(10)])), weigh(planned()[:0])
    assert nobody.opening() == nothing.opening() == "Nobody is to be contacted this week."
    assert len(nobody) == 1 and nothing.to_frame().empty
    refused("no column 'holdout' in planned", weigh, planned().drop(columns="holdout"))
    refused("'X', which the shop does not have", weigh, planned().assign(promotion_id="X"))


def test_nothing_later_is_read() -> None:
    then, frame = NOW - 12 * DAY, planned(promotion=["c3", "c7"])
    whole = shop()
    found, again = (
        launch_economics(each, then, frame, RATIOS).promotions[0]
        for each in (whole, cut(whole, then))
    )
    assert found == again and found.sales_sd > 0 and found.redemptions.value > 0


def test_of_a_kind_whose_answers_were_never_recorded_there_is_no_number_in_no_sum(found) -> None:
    base = shop()
    offers = base.promotions.execute().replace("recommendation", "full_reduction")
    silent = base.with_tables(base.tables | {"promotions": ibis.memtable(offers)})
    frame = pd.concat([planned(), planned().assign(promotion_id="T")])
    week = launch_economics(silent, NOW, frame, RATIOS)
    known, of_none = week.promotions
    assert math.isnan(of_none.redemptions.value) and math.isnan(of_none.cost.value)
    for name in ("redemptions", "discount", "cost"):
        assert week.total(name) == getattr(known, name)
    assert week.break_even.ends == pytest.approx(known.break_even.ends)
    assert f"without {of_none.name}, whose kind has no answers" in week.opening()
    assert week.tiles()[1].value == known.redemptions.value and of_none.name in week.tiles()[1].note
    alone = LaunchEconomics((of_none,))
    assert "cannot be predicted" in alone.opening() and alone.tiles()[1].value is None
    assert "nan" not in f"{week.opening()}{alone.opening()}{of_none.say('basis')}".lower()


def test_the_planned_size_is_the_plans_and_each_step_adds_the_next_likeliest():
    rng = np.random.default_rng(0)
    n = 400
    scores = pd.DataFrame({"customer_id": [f"c{i}" for i in range(n)], "promotion_id": "N"})
    scores["p_redeemed"] = rng.uniform(0.01, 0.6, n)
    scores["support"] = np.where(np.arange(n) % 4 == 0, "new_customer", "inside")
    keen = np.where(scores["p_redeemed"] > 0.35, "Keen", "Slow")
    segments = scores[["customer_id"]].assign(segment=keen)
    own = shop()
    plan = plan_week(own, scores, NOW, ["N"], list_size=120, holdout=0.2, standing_holdout=0.0)
    economics = launch_economics(own, NOW, plan.planned, RATIOS)
    found = list_steps(own, plan, economics, scores, segments, RATIOS)
    table = found.frame
    (row,) = economics.promotions
    (planned,) = table[table["planned"]].to_dict("records")
    assert planned["contacts"] == row.contacts
    for name in ("redemptions", "cost", "break_even"):
        told = [planned[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert told == pytest.approx(getattr(row, name).ends)
    n, held = len(plan.to_contact), len(plan.held_out)
    assert table["contacts"].tolist() == [n // 2, n, 2 * n, 400 - held]
    assert table["added"].tolist() == table["contacts"].diff().fillna(n // 2).tolist()
    assert table["redemptions"].is_monotonic_increasing
    assert table["whom"].iloc[0] == "100 % Keen" and table["whom"].iloc[-1].endswith("Slow")
    assert table["never"].between(0, 1).all() and 0.15 < table["never"].mean() < 0.35
    ranked = scores[~scores["customer_id"].isin(plan.held_out["customer_id"])]
    # Everything in a row is of the whole list, not of what the step adds to it.
    lists = (ranked.nlargest(size, "p_redeemed") for size in table["contacts"])
    whole = [rows["support"].eq("new_customer").mean() for rows in lists]
    assert table["never"].tolist() == pytest.approx(whole)
    first, best = (ranked["p_redeemed"].nlargest(size).sum() for size in (n, 2 * n))
    once, double = table["redemptions"].iloc[1:3]
    assert double / once == pytest.approx(best / first)
    assert found.of("other").frame.empty and found.to_table().text.count("class=marked") == 1
    quiet = plan_week(own, scores.head(0), NOW, [])
    none = list_steps(own, quiet, LaunchEconomics(()), scores, segments, RATIOS)
    assert none.frame.empty and none.summary() == "Nobody is to be contacted."


def test_half_of_all_are_contacted_or_shared_and_a_budget_not_kept_to_is_said():
    scores = planned().drop(columns="holdout")
    trial = propose_experiment(shop(), NOW, scores, RATIOS, budget=500.0)
    assert "The budget of 500 USD was not kept to" in trial.to_dict()["not_kept"]
    one = trial.promotions[0]
    assert (one.contacts, one.held) == (5, 5)
    assert one.visible == smallest_effect(5, 5, sd=one.adjusted_sd)
    assert trial.to_dict()["experiment"]["N"]["weeks_needed"] == one.weeks_needed
    both = pd.concat([scores, scores.assign(promotion_id="T")])
    trial = propose_experiment(shop(), NOW, both, RATIOS)
    assert [(p.contacts, p.held) for p in trial.promotions] == [(4, 3), (3, 3)]
    quiet = propose_experiment(shop(), NOW, scores.head(0), RATIOS)
    assert not quiet.promotions and quiet.summary().startswith("Nothing starts this week")
    expected = {"by_effect": False, "experiment": {}, "summary": quiet.summary(), "not_kept": ""}
    assert quiet.to_dict() == expected
