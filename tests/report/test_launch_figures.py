"""Tiles, tables and blocks on what starts: what they show, and what they never say."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from promolab.campaign.outlook.economics import LaunchEconomics, PromotionEconomics
from promolab.campaign.outlook.forecasts import OutlookCoverage
from promolab.contract.operations import StatedRate as Rate
from promolab.display import say
from promolab.results import Estimate

NAN = float("nan")
ROW = PromotionEconomics(
    promotion_id=18,
    name="Coupons 18",
    contacts=925,
    held=107,
    redemptions=Estimate(158.0, 77.0, 322.0, 10),
    discount=Estimate(507.0, 190.0, 1353.0, 10),
    cost=Estimate(507.0, 190.0, 1353.0, 10),
    break_even=Estimate(2.19, 0.82, 5.85, 925),
    margin_rate=Rate(0.25, True),
    contact_cost=Rate(0.0, True),
    coupon_cost=Rate(0.0, False),
    funder_share=0.0,
    sales_sd=403.0,
    sales_correlation=0.0,
    visible=115.3,
    anyway_list=Estimate(0.94, 0.92, 0.95, 925),
    anyway_redeemers=Estimate(0.97, 0.96, 0.98, 925),
    days=56.0,
    discount_basis="A redeemer took 3.21 off in 3 past promotions (coupons of <b>A</b>).",
    currency="USD",
)


def test_four_tiles_above_the_fold_in_the_words_of_the_kind() -> None:
    tiles = LaunchEconomics((ROW,)).tiles()
    labels = "Customers to contact, Expected redemptions, Expected discount cost, "
    labels += "Break-even extra sales per contact"
    assert [t.label for t in tiles] == labels.split(", ")
    assert [t.text for t in tiles[:3]] == ["925", "160 [80, 320]", "500 USD [200, 1,400]"]
    assert tiles[3].text == "2.2 USD [0.8, 5.8]" and tiles[3].note.startswith("assumed: margin")
    assert all(t.of == "18" for t in tiles[1:])
    assert LaunchEconomics((ROW,)).tiles(900)[0].value == 900.0
    discount = replace(ROW, promotion_id=19, name="Discount 19", kind="limited_time_discount")
    both = LaunchEconomics((ROW, discount)).tiles()
    assert both[1].label == "Expected responses" and "coupon" not in both[2].note
    shown = replace(discount, discount_basis="").say("basis")
    assert "redee" not in shown and "coupon" not in shown


def test_a_quiet_week_has_one_tile_and_it_is_said_what_figures_rest_on() -> None:
    (only,) = LaunchEconomics(()).tiles()
    assert (only.text, only.value, only.note) == ("0", 0.0, "nothing starts")
    unknown = Estimate(NAN, NAN, NAN, 0)
    dark = replace(ROW, discount=unknown, cost=unknown, break_even=unknown)
    tiles = LaunchEconomics((dark,)).tiles()
    assert tiles[2].value is None and tiles[3].value is None
    assert not any("nan" in f"{t.text}{t.note}".lower() for t in tiles)
    text = say(ROW.say("basis")).text
    assert "margin 25 % (assumed)" in text and "coupon cost 0.00 USD (assumed)" not in text
    assert "A guess" in text and "in 4 of 5 such trials" in ROW.summary()
    assert "<b>A</b>" not in text and "&lt;b&gt;A&lt;/b&gt;" in text
    assert "should receive" not in text
    dark = replace(ROW, visible=NAN, anyway_list=Estimate(NAN, NAN, NAN, 0))
    assert "nan" not in f"{dark.say('basis')}{dark.summary()}".lower()


@pytest.fixture
def coverage() -> OutlookCoverage:
    names = "promotion_id known contacts expected ci_low ci_high observed".split()
    rows = [(4, 0, 81, 11.8, NAN, NAN, 6), (8, 3, 1076, 74.5, 30.0, 190.0, 158)]
    table = pd.DataFrame([*rows, (9, 4, 176, 6.0, 1.6, 21.9, 40)], columns=names)
    table["starts_at"] = pd.to_datetime(["2017-03-01", "2017-05-01", "2017-06-01"])
    return OutlookCoverage(table.assign(inside=pd.array([pd.NA, True, False], dtype="boolean")))


def test_forecasts_beside_what_came(coverage) -> None:
    text = coverage.to_table().text
    assert "Of 2 past promotions" in coverage.summary()
    assert ">inside<" in text and ">outside<" in text and ">no interval<" in text
    assert text.index(">9<") < text.index(">4<") and not math.isnan(coverage.share.value)
    few = OutlookCoverage(coverage.frame.head(1))
    assert "<table" not in few.to_table().text
