"""What changed since last week: three lines, by the shop's own days."""

import json
from datetime import date
from typing import Any

import pandas as pd
import pytest

from promolab.campaign.readout.running_promotions import Running
from promolab.folder.run_folder import RunFolder
from promolab.report.pages.campaign_report import since_last_week
from promolab.results import Estimate
from promolab.sales import WeeklySales
from promolab.weeks import Week
from tests.report.test_campaign_blocks import running_row, text_of

ZONE = "America/New_York"
NOW = pd.Timestamp("2017-11-06 05:00").to_pydatetime()  # Monday 0:00; clocks went back on Sunday


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


def test_three_lines_by_the_shops_own_days(run) -> None:
    running = Running(NOW, (running_row(),))
    block = since_last_week(run, sales(), promotions(), running, NOW, ZONE)
    assert block.text.count("<p>") == 3
    text = text_of(block)
    assert "110 USD, +10 % on the week before; 5 orders by 3 customers" in text
    # 18 began on the Monday before, which was 7 days and an hour ago.
    assert "Promotions: Coupons 18 started; Coupons 16 ended; in what runs" in text
    assert "Customers to contact: 0, in the report of 2017-W44 925." in text
    assert "Of 2,400 customers 10 % moved to another segment." in text


def test_without_a_report_or_a_promotion_that_is_said(run) -> None:
    alone = RunFolder(run.path.parent / "2017-W49", Week.parse("2017-W49"))
    text = text_of(
        since_last_week(alone, sales(), promotions().head(0), Running(NOW, ()), NOW, ZONE)
    )
    assert "nothing started or ended" in text
    assert "No report of 2017-W48 lies in this folder" in text
