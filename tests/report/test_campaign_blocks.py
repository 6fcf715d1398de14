"""The blocks on promotions that run, come and ended: what they say, and when nothing does."""

import re
from datetime import datetime

import numpy as np
import pandas as pd

from promolab.campaign.readout.holdout import HoldoutComparison
from promolab.campaign.readout.promotion_readout import PaysFrom, PromotionReadout, Readout, judge
from promolab.campaign.readout.running_promotions import Running, RunningPromotion
from promolab.display import say
from promolab.effects.differences import Difference, not_identified
from promolab.report.pages.campaign_report import coming, together
from promolab.results import Estimate

ZONE = "America/New_York"
NOTHING = Estimate(np.nan, np.nan, np.nan, 0)
AS_OF = datetime(2017, 10, 30, 4)


def ended(name: str, difference: Difference, *, recorded: bool, provisional: bool):
    harm = Estimate(0.004, 0.002, 0.01, 900) if recorded else NOTHING
    needed = PaysFrom(2.5, 2.0, 0.5, 0.25, (), "EUR")
    return PromotionReadout(
        promotion_id=name,
        name=f"Coupons {name}",
        type="A",
        starts_at=datetime(2017, 9, 1, 4),
        ends_at=datetime(2017, 10, 1, 4),
        contacts=900,
        delivered=880 if recorded else None,
        redeemers=90,
        redemptions=95,
        redemption_rate=Estimate(0.1, 0.08, 0.12, 900),
        unsubscribed=3 if recorded else None,
        complained=0 if recorded else None,
        harm=harm,
        discount_cost=Estimate(450.0, 380.0, 520.0, 900),
        sales=Estimate(40.0, 37.0, 43.0, 900),
        difference=difference,
        holdout=HoldoutComparison(name, 900, 100, "promotion", 0.1, None, None, None, ""),
        pays_from=needed,
        settles_at=datetime(2017, 10, 31, 4),
        provisional=provisional,
        verdict=judge(difference, harm, needed, provisional=provisional),
        currency="EUR",
    )


def text_of(html) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.text))


def test_ended_promotions_with_their_verdicts():
    randomised = Difference(Estimate(4.0, 2.5, 5.5, 900), "randomised", "100 held back", 900, 100)
    rows = (
        ended("13", randomised, recorded=True, provisional=True),
        ended("11", not_identified("nobody was alike", 900), recorded=False, provisional=False),
    )
    readout = Readout(AS_OF, 8, rows, "7 contacts; these do not add up.", ZONE)
    text = text_of(readout.block())
    assert "repeat (provisional)" in text and "cannot tell" in text
    assert "Coupons 13: Repeat (provisional): extra net sales of 4 EUR [2, 6]" in text
    assert "these do not add up" in text
    assert "until 31 Oct 2017" in text and "nobody was alike" in text
    assert "Repeat: the whole interval" in text and "Change" not in text
    annoyed = re.findall(r"Of 900 contacts \S+ % \S+ \S+ unsubscribed or complained\.", text)
    assert len(annoyed) == 1  # what is not recorded is not 0
    alone = Readout(AS_OF, 8, (ended("13", randomised, recorded=True, provisional=False),))
    text = text_of(alone.block())
    assert "not proven by a test" not in text and "Provisional" not in text


def running_row() -> RunningPromotion:
    when = pd.date_range("2017-10-04 12:00", periods=18, freq="32h").to_numpy()
    return RunningPromotion(
        "16", "Coupons 16", datetime(2017, 10, 4, 4), datetime(2017, 11, 6, 5), 27, 33, 188, 18,
        Estimate(15.6, 7.8, 31.2, 9), Estimate(20.0, 10.0, 40.0, 9), "past ones", 0.9, when,
    )  # fmt: skip


def test_a_running_promotion_with_its_course():
    text = text_of(Running(AS_OF, (running_row(),), ZONE).block())
    assert "inside its band" in text and "day 27 of 33" in text
    assert "18 of 188" in text and "16 [8, 31]" in text and "past ones" in text
    assert re.search("[▁▂▃▄▅▆▇█]{10}", text)


def test_promotions_that_come_are_listed_by_start():
    row = {"promotion_id": "18", "name": "Coupons 18", "status": "coming", "days": 56}
    row |= {"products": None, "starts_at": pd.Timestamp("2017-11-15 05:00")}
    row |= {"ends_at": pd.Timestamp("2017-12-18 05:00")}
    text = text_of(coming(pd.DataFrame([row]), ZONE))
    assert "Coupons 18" in text and "15 Nov – 17 Dec" in text and "–" in text


def test_blocks_that_are_empty_are_one_line_after_the_others():
    nothing = coming(pd.DataFrame({"promotion_id": [], "status": []}), ZONE)
    full = say("Ended (1)", "h2") + say("Coupons <13>")
    found = together(nothing, full, Running(AS_OF, (), ZONE).block())
    assert found.text.startswith(full.text) and found.text.count("<p") == 2
    assert found.text.endswith("No promotion that started earlier is still running.</p>")
    assert "four weeks after this one. No promotion that" in found.text
    assert together().text == "" and together(full) == full
