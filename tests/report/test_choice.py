"""The week's money: what the plan adds and costs, and the acts that may be chosen."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from promolab.abtest import smallest_effect
from promolab.campaign.outlook.economics import LaunchEconomics
from promolab.contract import Settings
from promolab.report.pages.choice import SAME, SEND, SKIP, TEST, Choice, MoneyHeadline
from promolab.results import Estimate
from promolab.wording import money
from tests.made_up import shop_of
from tests.page_policy import text_of
from tests.report.test_launches import ROW

MONDAY = pd.Timestamp("2017-10-30 04:00")
ONE = replace(
    ROW, promotion_id="18", contacts=900, held=100, cost=Estimate(800.0, 300.0, 1500.0, 9)
)
PROMOTIONS = pd.DataFrame(
    {"promotion_id": ["18"], "starts_at": [MONDAY], "ends_at": [MONDAY + pd.Timedelta(days=28)]}
)


def choice(row=ONE, policy=None, **economics) -> Choice:
    events = pd.DataFrame({"customer_id": ["A"], "ts": [MONDAY], "kind": ["purchase"]})
    shop = shop_of({"events": events})
    shop = replace(shop, settings=Settings("Corner", "USD", operations={"economics": economics}))
    headline = MoneyHeadline(policy or {}, 900, "USD")
    return Choice(shop, LaunchEconomics((row,)), PROMOTIONS, headline, 900)


def test_half_of_the_list_costs_half_sees_more_and_says_when():
    sent, test, skip = choice().rows()
    assert [each["act"] for each in (sent, test, skip)] == [SEND, TEST, SKIP]
    assert sent["cost"] == "800 USD [300, 1,500]" and sent["contacts"] == "900"
    assert sent["brings"].startswith("Redemptions expected: 160 [80, 320];")
    # 500 of the 1,000 planned get it: 500/900 of the cost, and as many are held back.
    ends = (end * 500 / 900 for end in (800, 300, 1500))
    assert test["cost"] == money(*ends, currency="USD") and test["contacts"].startswith("500, as")
    sees = smallest_effect(500, 500, sd=ONE.adjusted_sd)
    assert f"{sees:.1f} USD a customer or more, by 500 held back" in test["tells"]
    # Four weeks, and thirty days in which purchases may come back.
    assert test["tells"].startswith("from 27 Dec 2017") and skip["cost"] == "0 USD"


def test_the_figures_speak_for_a_test_where_half_of_the_list_would_tell():
    sees = smallest_effect(500, 500, sd=ONE.adjusted_sd)
    dear = replace(ONE, break_even=Estimate(sees, sees, sees, 9))
    assert choice(dear).advice()[0] == TEST and "marked" in choice(dear).block().text
    cheap = replace(ONE, break_even=Estimate(sees * 0.99, 0.0, sees, 9))
    assert choice(cheap).advice()[0] == ""
    assert "the choice is yours" in text_of(choice(cheap).block().text)


@pytest.mark.parametrize(
    ("ends", "pays", "act"),
    [
        ((18_300.0, 11_200.0), True, SEND),
        ((-5.0, -1.0), True, SKIP),
        ((-5.0, 9.0), True, ""),  # within noise
        ((5.0, 9.0), False, ""),  # for what chance draws alone
    ],
)
def test_where_effects_are_known_they_decide(ends, pays, act):
    profit = dict(zip(("value", "ci_high"), ends, strict=True))
    answer = ANSWER | {"profit": ANSWER["profit"] | profit}
    made = choice(policy={"by_effect": True, "pays": pays, "answer": answer})
    assert made.advice()[0] == act and made.block().text.count("marked") == bool(act)


def test_one_offer_for_all_that_is_as_good_is_advised_and_stands_beside_the_plan():
    same = {"name": "Coupons <18>", "spend": 30_000.0, "profit": ANSWER["profit"], "as_good": True}
    made = choice(policy={"by_effect": True, "answer": ANSWER, "same_for_all": same})
    act, why = made.advice()
    assert act == SAME and "take the simpler one" in why
    row = next(row for row in made.rows() if row["act"] == SAME)
    assert row["cost"] == "30,000 USD" and row["brings"].startswith("18,000 USD [11,000, 25,000]")
    assert "Coupons &lt;18&gt;" in made.block().text


def test_the_budget_is_said_with_what_is_used_and_left():
    assert "No budget" in choice().budget_words()
    words = choice(budget=1000).budget_words()
    assert words == "Of the week's budget of 1,000 USD, 800 USD is used and 200 USD is left."
    assert "300 USD too much" in choice(budget=500).budget_words()
    known = choice(policy={"by_effect": True, "budget": 50_000.0, "answer": ANSWER})
    assert "42,000 USD is used and 8,000 USD is left" in known.budget_words()
    nobody = replace(choice(), customers=0)
    assert nobody.block().text == ""


def test_one_cost_is_one_figure_wherever_the_page_says_it():
    cost = {"value": 1634.8, "ci_low": 1210.0, "ci_high": 2080.0}
    told = {"by_effect": True, "customers": 9_000, "budget": 1995.0, "cost": cost}
    told["answer"] = ANSWER | {"spend": 1634.8}
    told["same_for_all"] = {"name": "Coupons 18", "spend": 1634.8, "error": 435.0}
    told["same_for_all"] |= {"profit": ANSWER["profit"], "as_good": False}
    found = choice(replace(ONE, cost=Estimate(**cost, n=9)), told)
    assert found.headline.tiles()[2].text == "1,630 USD [1,210, 2,080]"
    sent, one = found.rows()[:2]
    assert sent["cost"] == "1,630 USD [1,210, 2,080]" and one["cost"] == "1,630 USD"
    words = "Of the week's budget of 1,995 USD, 1,630 USD is used and 360 USD is left."
    assert found.budget_words() == words


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
    counted, more = tiles[3].note.split("; ")
    assert more == "the next 1,000 CNY would add 310 CNY [100, 500]" and "do nothing" in counted
    assert not MoneyHeadline({}, 0, "CNY")
    assert not MoneyHeadline({"by_effect": False}, 0, "CNY")


@pytest.mark.parametrize(("loss", "text"), [(0.001, "less than 1 %"), (0.0, "0 %"), (1.0, "99 %")])
def test_no_loss_is_called_certain_or_impossible_that_is_not(loss, text):
    assert headline(loss=loss).tiles()[3].text == text
