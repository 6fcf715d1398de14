"""The money answer on the first page: its sentence, and four headline numbers."""

from dataclasses import replace
from typing import Any

import pytest

from promolab.campaign.spending.views import SameForAll
from promolab.report.pages.money_headline import MoneyHeadline
from promolab.results import Estimate

ANSWER = {
    "profit": {"value": 18_300.0, "ci_low": 11_200.0, "ci_high": 25_400.0, "n": 90_000},
    "spend": 42_000.0,
    "loss": 0.02,
    "step": 1_000.0,
    "next": {"value": 310.0, "ci_low": 100.0, "ci_high": 500.0, "n": 90_000},
}
OPENING = (
    "42,000 CNY of discounts and contacts; adds 18,300 [11,200, 25,400] of margin; 2 % chance of a "
    "loss; the next 1,000 would add 310 [100, 500]"
)


def headline(**answer: Any) -> MoneyHeadline:
    told = {"by_effect": True, "customers": 31_500, "budget": 42_000.0, "opening": OPENING}
    return MoneyHeadline(told | {"answer": ANSWER | answer}, 8_210, "CNY")


def test_the_page_opens_with_the_money_answer_and_four_tiles_say_it_in_figures():
    assert headline().sentence() == (
        "Contact 8,210 of 31,500; 42,000 CNY of discounts and contacts; adds 18,300 [11,200, "
        "25,400] of margin; 2 % chance of a loss; the next 1,000 would add 310 [100, 500]."
    )
    tiles = headline().tiles()
    told = ["8,210", "18,000 CNY [11,000, 25,000]", "42,000 CNY", "2 %"]
    assert [tile.text for tile in tiles] == told
    assert tiles[2].note == "of a budget of 42,000 CNY"
    assert tiles[3].note == "the next 1,000 CNY would add 310 CNY [100, 500]"
    assert not MoneyHeadline({}, 0, "CNY")
    assert not MoneyHeadline({"by_effect": False}, 0, "CNY")


def test_the_same_offer_for_all_stands_beside_the_plan():
    found = Estimate(18e3, 11e3, 25e3), Estimate(300, -2e3, 3e3)
    same = SameForAll("C", "Coupons C", 9_000.0, *found)
    told = headline().policy | {"same_for_all": same.to_dict()}
    assert MoneyHeadline(told, 8_210, "CNY").sentence().endswith("simpler. It is recommended.")
    assert same.as_good and "Coupons C, would cost 9,000" in same.summary()
    odd = replace(same, spend=1634.8, error=435.0)
    assert "would cost 1,630 USD and add" in replace(odd, currency="USD").summary()
    worse = replace(same, ahead=Estimate(3e3, 1e3, 5e3))
    assert not worse.as_good and "the plan adds 3,000 [1,000, 5,000] more." in worse.summary()


@pytest.mark.parametrize(("loss", "text"), [(0.001, "less than 1 %"), (0.0, "0 %"), (1.0, "99 %")])
def test_no_loss_is_called_certain_or_impossible_that_is_not(loss, text):
    assert headline(loss=loss).tiles()[3].text == text
