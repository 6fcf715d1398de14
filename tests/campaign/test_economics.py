"""What planned promotions may cost and must bring: figures, words, and a table that reads back."""

import math
from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab.abtest import smallest_effect
from promolab.campaign.outlook.economics import (
    LaunchEconomics,
    PromotionEconomics,
    launch_economics,
)
from promolab.campaign.outlook.forecasts import expected_of
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
    events["coupon_discount"] = 1.0 + 0.2 * p
    redeemed = events[["customer_id", "ts"]].assign(promotion_id=[f"P{i}" for i in p]).iloc[::2]
    frames = {
        "events": events.assign(kind="purchase", product_id="p"),
        "promotions": promotions,
        "promotion_products": promotions[["promotion_id"]].assign(product_id="p"),
        "exposures": redeemed,
        "responses": redeemed.assign(kind="redeem"),
    }
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
def found() -> PromotionEconomics:
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
    week = LaunchEconomics((near,))
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
    assert week.opening().endswith(f"of extra sales (in part assumed). {near.say('sees')}")


def test_what_is_assumed_is_marked_wherever_it_enters(found) -> None:
    assert "margin 25 % (assumed)" in found.say("rates_line")
    week = LaunchEconomics((found,))
    assert week.say("bring_note").startswith("assumed: margin 25 %, contact cost 0.00 USD")
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
    assert "takes nothing off" in told
    assert "purchases" in told and "redee" not in told and "coupon" not in told.lower()
    # There is no coupon to handle.
    assert tip.cost.value == tip.discount.value == tip.break_even.value == 0.0
    # Nothing is called worth sending.
    opening = LaunchEconomics((found,)).opening()
    assert opening.startswith("Contact 7 customers about Coupons N. Expect ")
    unknown = LaunchEconomics((replace(found, discount=Estimate(math.nan)),)).opening()
    assert "threshold and reduction, in [promotions] of shop.toml would tell" in unknown
    for text in (opening, unknown, found.say("basis")):
        assert "should receive" not in text and "nan" not in text.lower()


def test_the_table_reads_back(found) -> None:
    found = replace(found, anyway_redeemers=Estimate(0.5, 0.4, 0.6, 7))
    week = LaunchEconomics(
        (found, replace(found, promotion_id="M", name="Coupons M", visible=math.nan))
    )
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
    many = tuple(replace(found, promotion_id=f"P{i}", name=f"Offer {i}") for i in range(4))
    assert LaunchEconomics(many).say("named") == "4 promotions"
    assert "Offer 0" in LaunchEconomics(many[:3]).say("named")


def test_nobody_to_contact_nothing_planned_and_a_wrong_table() -> None:
    nobody = weigh(planned(standing=[f"c{c}" for c in range(10)]))
    assert nobody.opening() == "Nobody is to be contacted this week."
    assert "Coupons N" in nobody.to_table().text
    nothing = weigh(planned().head(0))
    assert len(nothing) == 0 and nothing.opening() == nobody.opening()
    assert nothing.to_frame().empty
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
    assert "was never recorded" in of_none.say("basis")
    for name in ("redemptions", "discount", "cost"):
        assert week.total(name) == getattr(known, name)
    assert week.break_even.ends == pytest.approx(known.break_even.ends)
    assert f"without {of_none.name}, whose kind has no answers" in week.opening()
    assert week.tiles()[1].value == known.redemptions.value and of_none.name in week.tiles()[1].note
    alone = LaunchEconomics((of_none,))
    assert "cannot be predicted" in alone.opening() and alone.tiles()[1].value is None
    for text in (week.opening(), alone.opening(), of_none.say("basis")):
        assert "nan" not in text.lower()
