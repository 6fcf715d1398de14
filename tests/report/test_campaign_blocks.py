"""The blocks on promotions that run, come and ended: what they say, and when nothing does."""

import re
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.coverage import earlier_forecasts
from promolab.campaign.outlook.expected import expected_of
from promolab.campaign.readout.holdout import HoldoutComparison
from promolab.campaign.readout.promotion_readout import PromotionReadout, Readout
from promolab.campaign.readout.running_promotions import Running, RunningPromotion
from promolab.campaign.readout.verdict import PaysFrom, judge
from promolab.contract import Settings, Shop
from promolab.display import say
from promolab.effects.differences import Difference, not_identified
from promolab.folder import RunFolder, write_json
from promolab.metrics.pooling import past_ratios
from promolab.report.pages.campaign_report import coming, together
from promolab.results import Estimate
from promolab.weeks import Week

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
    readout = Readout(AS_OF, 8, rows, "each in full", "7 contacts; these do not add up.", ZONE)
    text = text_of(readout.block())
    assert "repeat (provisional)" in text and "cannot tell" in text
    assert "Coupons 13: Repeat (provisional): extra net sales of 4 EUR [2, 6]" in text
    assert "not recorded" in text and "these do not add up" in text
    assert "until 31 Oct 2017" in text and "nobody was alike" in text
    assert "Repeat: the whole interval" in text and "Change" not in text
    first, second = re.findall(
        r"Coupons 1[13] · 01 Sep – 30 Sep 900 (?:880|not recorded) 90 .*?(?:settled|provisional)",
        text,
    )
    assert "880" in first and "not recorded" in second and second.endswith("settled")
    alone = Readout(AS_OF, 8, (ended("13", randomised, recorded=True, provisional=False),))
    text = text_of(alone.block())
    assert "not proven by a test" not in text and "Provisional" not in text


def running_row() -> RunningPromotion:
    day = np.arange(34.0)
    at = pd.Timestamp("2017-10-04 04:00") + day * pd.Timedelta("1D")
    curve = pd.DataFrame({"day": day, "at": at})
    curve["observed"] = np.where(day <= 26, np.floor(day * 0.7), np.nan)
    curve = curve.assign(expected=day * 0.6, ci_low=day * 0.3, ci_high=day * 1.2)
    return RunningPromotion(
        "16", "Coupons 16", datetime(2017, 10, 4, 4), datetime(2017, 11, 6, 5), 27, 33, 188, 18,
        Estimate(15.6, 7.8, 31.2, 9), Estimate(20.0, 10.0, 40.0, 9), "week 2017-W40", 0.9, curve,
    )  # fmt: skip


def test_a_running_promotion_with_its_figure():
    text = text_of(block := Running(AS_OF, (running_row(),), ZONE).block())
    assert "inside its band" in text and "day 27 of 33" in text
    assert "18 of 188" in text and "16 [8, 31]" in text and "week 2017-W40" in text
    assert block.text.count("<svg") == 1
    assert "<title>Coupons 16 · day 27 of 33" in block.text


def test_promotions_that_come_are_listed_by_start():
    row = {"promotion_id": "18", "name": "Coupons 18", "status": "coming", "days": 56}
    row |= {"products": None, "starts_at": pd.Timestamp("2017-11-15 05:00")}
    row |= {"ends_at": pd.Timestamp("2017-12-18 05:00")}
    text = text_of(coming(pd.DataFrame([row]), ZONE))
    assert "Coupons 18" in text and "15 Nov – 17 Dec" in text and "–" in text


@pytest.fixture
def reports(tmp_path):
    """Two weeks beside each other; the earlier one scored customers 0 to 99 for P."""
    import ibis

    for name in ("2017-W40", "2017-W44"):
        (tmp_path / name / "tables").mkdir(parents=True)
    ratios = past_ratios([22, 30, 9, 41, 25], [20.0, 30.0, 10.0, 40.0, 25.0])
    told = {"response": {"past_ratios": ratios.to_dict()}}
    write_json(tmp_path / "2017-W40" / "metrics.json", told)
    early = RunFolder(tmp_path / "2017-W40", Week.parse("2017-W40"))
    scores = pd.DataFrame({"customer_id": range(100), "promotion_id": "P", "p_redeemed": 0.2})
    early.write_table("scores", scores, by="customer_id")
    promotions = pd.DataFrame({"promotion_id": ["P"], "kind": "coupon"})
    promotions["starts_at"] = pd.Timestamp("2017-10-04 04:00")
    promotions["ends_at"] = pd.Timestamp("2017-11-06 05:00")
    sent = pd.DataFrame({"promotion_id": "P", "customer_id": range(50, 100)})
    sent["ts"] = pd.Timestamp("2017-10-04 04:00")
    con = ibis.duckdb.connect()
    tables = {"promotions": promotions, "exposures": sent}
    shop = Shop({k: con.create_table(k, v) for k, v in tables.items()}, Settings(zone=ZONE))
    run = RunFolder(tmp_path / "2017-W44", Week.parse("2017-W44"))
    return run, shop, promotions, sent, ratios


def test_what_an_earlier_week_expected_of_those_contacted_where_it_scored_enough_of_them(reports):
    run, shop, promotions, sent, ratios = reports
    found = earlier_forecasts(run, shop, AS_OF)
    assert found == {"P": ("2017-W40", expected_of(pd.Series([0.2] * 50), ratios))}
    con = shop["exposures"].get_backend()
    others = con.create_table("others", sent.assign(customer_id=sent["customer_id"] + 25))
    changed = shop.with_tables(shop.tables | {"exposures": others})
    assert earlier_forecasts(run, changed, AS_OF) == {}
    again = RunFolder(run.path.parent / "2017-W40", Week.parse("2017-W40"))
    assert earlier_forecasts(again, shop, AS_OF) == {}
    moved = promotions.assign(starts_at=pd.Timestamp("2017-09-01"))
    changed = shop.with_tables(shop.tables | {"promotions": con.create_table("moved", moved)})
    assert earlier_forecasts(run, changed, AS_OF) == {}


def test_blocks_that_are_empty_are_one_line_after_the_others():
    nothing = coming(pd.DataFrame({"promotion_id": [], "status": []}), ZONE)
    full = say("Ended (1)", "h2") + say("Coupons <13>")
    found = together(nothing, full, Running(AS_OF, (), ZONE).block())
    assert found.text.startswith(full.text) and found.text.count("<p") == 2
    assert found.text.endswith("No promotion that started earlier is still running.</p>")
    assert "four weeks after this one. No promotion that" in found.text
    assert together().text == "" and together(full) == full
