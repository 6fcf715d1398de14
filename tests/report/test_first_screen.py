"""The first screen: what a reader must know first, the week's money, the acts to choose from."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.abtest import smallest_effect
from promolab.campaign.outlook.economics import LaunchEconomics
from promolab.contract import Settings
from promolab.folder.run_folder import RunFolder
from promolab.language import speaking
from promolab.report.pages.choice import SAME, SEND, SKIP, TEST, Choice, MoneyHeadline
from promolab.report.pages.first_screen import CampaignReport, how_tested, what_data_allow
from promolab.report.pages.one_page import one_page
from promolab.results import Estimate
from promolab.sales import weekly_sales
from promolab.weeks import Week
from promolab.wording import answer_to, money
from tests.made_up import shop_of
from tests.page_policy import text_of
from tests.report.test_launches import MONDAY, ROW

WORDS = answer_to("coupon")
NOW = pd.Timestamp("2021-03-01")
CONSENT = "Consent was not checked: Shop has no table of contact rights."


def backtest(n: int = 600, *, skill: float = 2.0, rate: float = 0.2) -> pd.DataFrame:
    """Past contacts of three promotions, ranked as well as ``skill`` says."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < rate).astype(int)
    p = 1 / (1 + np.exp(1.5 - skill * y - rng.normal(size=n)))
    return pd.DataFrame({"customer_id": range(n), "promotion_id": np.arange(n) % 3, "y": y, "p": p})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (backtest(), "was tested on 3 past promotions: the top 40 % of their lists held"),
        (backtest(skill=0.0), "cannot be told: on 3 past promotions the ranking is not shown"),
        (backtest(skill=-2.0), "cannot be told"),
        (backtest(20, rate=0.1), "has hardly been tested"),
        (backtest(60, rate=0.0), "tested: on 3 past promotions 0 of 60 contacts redeemed"),
        (backtest().head(0), "has not been tested: no past promotion could be predicted"),
    ],
)
def test_what_is_said_of_tests_follows_from_them(rows, words) -> None:
    told = how_tested(rows, WORDS)
    assert words in told and "nan" not in told
    assert ("tested on" in told) == ("was tested" in words)


def test_that_nobody_was_held_back_is_never_said_for_want_of_a_record() -> None:
    told = what_data_allow(backtest(), WORDS, decisions=False)
    assert "nothing states who was held back by chance" in told
    assert "nobody" not in told.lower() and told.endswith("does not mean worth sending to.")
    assert "held back at random" in what_data_allow(backtest(), WORDS, decisions=True)
    assert "It adds 3." in what_data_allow(backtest(), WORDS, decisions=True, measured="It adds 3.")


@pytest.fixture
def screen(tmp_path) -> CampaignReport:
    """The first screen of a week with a plan whose consent was not checked, on stale data."""
    week = Week.parse("2021-W09")
    folder = tmp_path / str(week)
    (folder / "tables").mkdir(parents=True)
    plan = {"customers_to_contact": 925, "unchecked": [CONSENT]}
    known = {"plan": plan, "customers": {"active_28d": 5, "customers": 9}}
    (folder / "metrics.json").write_text(json.dumps(known), encoding="utf-8")
    run = RunFolder(folder, week)
    funnel = {"promotion_id": "18", "channel": "mail", "active": 1000, "to_contact": 925}
    steps = ("no_right", "status", "over_limit", "excluded", "not_planned")
    held = ("held_out_standing", "held_out_promotion")
    frame = pd.DataFrame([funnel | dict.fromkeys([*steps, *held], 0)])
    run.write_table("funnel", frame, by="promotion_id")
    run.write_table("backtest", backtest(), by="customer_id")
    events = pd.DataFrame({"customer_id": ["A"], "ts": [NOW - pd.Timedelta(days=90)]})
    shop = shop_of({"events": events.assign(kind="purchase")})
    return CampaignReport(
        run=run,
        shop=shop,
        as_of=NOW.to_pydatetime(),
        promotions=pd.DataFrame({"status": ["launching"], "name": ["Coupons 18"]}),
        economics=LaunchEconomics((ROW,)),
        sales=weekly_sales(shop, NOW.to_pydatetime()),
    )


def test_caveats_stand_first_in_the_mail_and_above_the_tiles_and_are_never_cut(screen):
    text = screen.mail()
    places = [text.index(part) for part in ("Degraded", CONSENT, "was tested on", "Contact 925")]
    assert places == sorted(places)
    assert "- Customers to contact: 925" in text and len(text.split()) <= 220
    text = screen.opening().text
    assert text.index("Contact 925") < text.index(CONSENT) < text.index("was tested on")


def test_tiles_tell_the_change_on_a_week_that_was_reported_in_another_language(screen):
    before = screen.run.path.parent / "2021-W08"
    before.mkdir()
    kept = {"label": "Customers to contact", "text": "900", "value": 900.0, "of": ""}
    spoken = kept | {"label": "待触达客户"}
    for name, one in (("metrics.json", kept), ("spoken.json", spoken)):  # English, then Chinese
        (before / name).write_text(json.dumps({"headlines": [one]}), encoding="utf-8")
        for lang in ("en", "zh"):
            with speaking(lang):
                assert "+25" in replace(screen).tiles().text


def test_what_the_data_are_called_is_no_markup_in_the_mail(screen) -> None:
    shop = screen.shop
    settings = replace(shop.settings, name="Corner <b>\n# *shop* [x](y) _z_ a_b")
    text = replace(screen, shop=replace(shop, settings=settings)).mail()
    assert r"Corner \<b> # \*shop\* [x\](y) \_z\_ a_b, week" in text
    assert "<b>" not in text.replace(r"\<b>", "")


def test_owner_deadline_and_state_of_the_release_stand_at_the_top(screen) -> None:
    assert screen.status().startswith("Draft · data to")
    told = {"release": {"owner": "Ana", "deadline": "Monday 12:00"}}
    shop = replace(screen.shop, settings=replace(screen.shop.settings, operations=told))
    path = screen.run.path / "manifest.json"
    path.write_text(json.dumps({"state": "released"}), encoding="utf-8")
    status = replace(screen, shop=shop).status()
    assert status.startswith("Released · owner: Ana · release by Monday 12:00 · data to")
    # The levels of all intervals of the page are said here, and nowhere else.
    assert status.endswith("in brackets: 90 % intervals of what is to come, 95 % of what came")
    tiles = LaunchEconomics((ROW,)).tiles()
    assert not [tile for tile in tiles if "interval" in tile.note]


def test_caveats_stand_first_in_the_picture(screen) -> None:
    drawn = sorted(one_page(screen).texts, key=lambda text: -text.get_position()[1])
    words = " ".join(" ".join(text.get_text().split()) for text in drawn)
    places = [words.index(part) for part in ("Degraded", CONSENT, "was tested on", "Contact 925")]
    assert places == sorted(places)
    # Nothing is written over anything else: the answer ends above the tiles.
    figure = one_page(screen)
    figure.canvas.draw()
    low = min(t.get_window_extent().y0 for t in figure.texts if "Contact 925" in t.get_text())
    assert low > figure.bbox.height * (0.54 + 0.145)


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
    assert replace(choice(), customers=0).block().text == ""
    # One cost is one figure wherever the page says it.
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
    assert headline().sentence() == f"Contact 8,210 of 31,500; {OPENING}."
    tiles = headline().tiles()
    told = ["8,210", "18,000 CNY [11,000, 25,000]", "42,000 CNY", "2 %"]
    assert [tile.text for tile in tiles] == told
    assert tiles[2].note == "of a budget of 42,000 CNY"
    counted, more = tiles[3].note.split("; ")
    assert more == "the next 1,000 CNY would add 310 CNY [100, 500]" and "do nothing" in counted
    # No loss is called certain or impossible that is not.
    for loss, text in ((0.001, "less than 1 %"), (0.0, "0 %"), (1.0, "99 %")):
        assert headline(loss=loss).tiles()[3].text == text
    assert not MoneyHeadline({}, 0, "CNY")
    assert not MoneyHeadline({"by_effect": False}, 0, "CNY")
