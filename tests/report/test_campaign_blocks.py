"""What comes, what changed since last week, and who of a segment is tested next."""

import json
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.readout.running_promotions import Running, RunningPromotion
from promolab.display import say
from promolab.folder import RunFolder
from promolab.report.pages.campaign_report import coming, segments_table, since_last_week, together
from promolab.results import Estimate
from promolab.sales import WeeklySales
from promolab.weeks import Week
from promolab.wording import answer_to
from tests.page_policy import text_of

ZONE = "America/New_York"
NOW = pd.Timestamp("2017-11-06 05:00").to_pydatetime()  # Monday 0:00; clocks went back on Sunday


def test_promotions_that_come_are_listed_and_blocks_that_are_empty_are_one_line_at_the_end():
    row = {"promotion_id": "18", "name": "Coupons 18", "status": "coming", "days": 56}
    row |= {"products": None, "starts_at": pd.Timestamp("2017-11-15 05:00")}
    row |= {"ends_at": pd.Timestamp("2017-12-18 05:00")}
    text = text_of(coming(pd.DataFrame([row]), ZONE).text)
    assert "Coupons 18" in text and "15 Nov – 17 Dec" in text and "–" in text
    nothing = coming(pd.DataFrame({"promotion_id": [], "status": []}), ZONE)
    full = say("Ended (1)", "h2") + say("Coupons <13>")
    found = together(nothing, full, Running(NOW, (), ZONE).block())
    assert found.text.startswith(full.text) and found.text.count("<p") == 2
    assert found.text.endswith("No promotion that started earlier is still running.</p>")
    assert "four weeks after this one. No promotion that" in found.text
    assert together().text == "" and together(full) == full


@pytest.fixture
def run(tmp_path) -> RunFolder:
    for week, contacts in (("2017-W45", 0), ("2017-W44", 925)):
        (tmp_path / week).mkdir()
        known: dict[str, Any] = {"plan": {"customers_to_contact": contacts}}
        if week == "2017-W45":
            stayed = {"value": 0.9, "ci_low": 0.8, "ci_high": 0.95, "n": 2400}
            known["segments"] = {"migration": {"stayed": stayed, "same_fit": True}}
        (tmp_path / week / "metrics.json").write_text(json.dumps(known), encoding="utf-8")
    return RunFolder(tmp_path / "2017-W45", Week.parse("2017-W45"))


def sales() -> WeeklySales:
    days = [(date(2017, 10, 30), date(2017, 11, 5)), (date(2017, 10, 23), date(2017, 10, 29))]
    table = pd.DataFrame(days, columns=["first_day", "last_day"]).assign(ago=[0, 1])
    table = table.assign(sales=[110.0, 100.0], orders=[5, 4], customers=[3, 2], repeat_customers=1)
    nothing = Estimate(22.0, 20.0, 24.0, 5)
    return WeeklySales(table, nothing, nothing, "USD")


def promotions() -> pd.DataFrame:
    rows = [
        ("Coupons 18", "running", "2017-10-30 04:00", "2017-12-25 05:00"),
        ("Coupons 17", "running", "2017-10-18 04:00", "2017-11-20 05:00"),
        ("Coupons 16", "ended", "2017-10-04 04:00", "2017-11-06 05:00"),
        ("Coupons 13", "ended", "2017-08-08 04:00", "2017-09-25 04:00"),
    ]
    table = pd.DataFrame(rows, columns=["name", "status", "starts_at", "ends_at"])
    return table.assign(**{c: pd.to_datetime(table[c]) for c in ("starts_at", "ends_at")})


def test_three_lines_on_last_week_by_the_shops_own_days(run) -> None:
    when = pd.date_range("2017-10-04 12:00", periods=18, freq="32h").to_numpy()
    row = RunningPromotion(
        "17", "Coupons 17", datetime(2017, 10, 4, 4), datetime(2017, 11, 6, 5), 27, 33, 188, 18,
        Estimate(15.6, 7.8, 31.2, 9), Estimate(20.0, 10.0, 40.0, 9), "past ones", 0.9, when,
    )  # fmt: skip
    block = since_last_week(run, sales(), promotions(), Running(NOW, (row,)), NOW, ZONE)
    assert block.text.count("<p>") == 3
    text = text_of(block.text)
    assert "110 USD, +10 % on the week before; 5 orders by 3 customers" in text
    # 18 began on the Monday before, which was 7 days and an hour ago.
    assert "Promotions: Coupons 18 started; Coupons 16 ended; in what runs" in text
    assert "Customers to contact: 0, in the report of 2017-W44 925." in text
    assert "Of 2,400 customers 10 % moved to another segment." in text
    alone = RunFolder(run.path.parent / "2017-W49", Week.parse("2017-W49"))
    none = since_last_week(alone, sales(), promotions().head(0), Running(NOW, ()), NOW, ZONE)
    assert "nothing started or ended" in none.text
    assert "No report of 2017-W48 lies in this folder" in none.text


RULE = "They come more often than others: test asking nothing of them."


def test_the_next_test_of_who_is_on_the_list_is_made_from_the_plan(run) -> None:
    sizes = [*"ABCD"]  # segments of 100 customers each
    (run.path / "tables").mkdir()
    figures = ("share_customers", "share_sales", "response_rate", "click_rate")
    told = dict.fromkeys([f"{n}{end}" for n in figures for end in ("", "_low", "_high")], 0.25)
    rows = pd.DataFrame({"segment": sizes, "customers": 100, "contacts": 0, **told})
    run.write_table("segment_profile", rows, by="segment")
    advice = rows[["segment"]].assign(so_do_this=RULE)
    run.write_table("segment_advice", advice, by="segment")
    ids = pd.DataFrame({"customer_id": np.arange(400), "segment": np.repeat(sizes, 100)})
    run.write_table("segments", ids, by="customer_id")
    holdout = ["none"] * 60 + ["promotion"] * 20  # of the first; 5 held back of the second
    holdout += [*["none"] * 50, *["promotion"] * 5, *["none"] * 10]
    who = [*range(80), *range(100, 155), *range(200, 210)]
    planned = pd.DataFrame({"customer_id": who, "promotion_id": "P", "holdout": holdout})
    twice = planned.assign(promotion_id="Q")  # a customer of two promotions counts once
    planned = pd.concat([planned, twice], ignore_index=True)
    run.write_table("planned", planned, by=["customer_id", "promotion_id"])
    text = text_of(segments_table(run, answer_to("coupon")).text)
    lines = [text.split(f" {name} 100 ")[1] for name in sizes]
    assert "60 of 100 Runs: 20 held back by chance." in lines[0]
    assert "50 of 100 Hold back 15 more by chance: too few are to tell." in lines[1]
    # Hardly anybody is on the list: what fixed rules say contradicts no plan.
    assert f"10 of 100 {RULE}" in lines[2] and f"0 of 100 {RULE}" in lines[3]
    assert text.count(RULE) == 2
