"""What a reader must know stands first: on the page, in the mail and in the picture."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.economics import LaunchEconomics
from promolab.folder.run_folder import RunFolder
from promolab.language import speaking
from promolab.report.pages.first_screen import CampaignReport, how_tested, what_data_allow
from promolab.report.pages.one_page import one_page
from promolab.sales import weekly_sales
from promolab.weeks import Week
from promolab.wording import answer_to
from tests.made_up import shop_of
from tests.report.test_launches import ROW

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


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("earlier", ["en", "zh"])
def test_tiles_tell_the_change_on_a_week_that_was_reported_in_another_language(
    screen, lang, earlier
):
    before = screen.run.path.parent / "2021-W08"
    before.mkdir()
    kept = {"label": "Customers to contact", "text": "900", "value": 900.0, "of": ""}
    spoken = kept | {"label": "待触达客户"}
    for name, one in (("metrics.json", kept), ("spoken.json", spoken)):
        if earlier == "zh" or one is kept:
            (before / name).write_text(json.dumps({"headlines": [one]}), encoding="utf-8")
    with speaking(lang):
        assert "+25" in screen.tiles().text


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
