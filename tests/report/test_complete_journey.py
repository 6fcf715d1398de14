"""The report of real data: what it predicts, what it records, what its pages hold."""

from __future__ import annotations

import json
import re
from datetime import datetime
from html.parser import HTMLParser

import nbformat
import numpy as np
import pandas as pd
import pytest

from tests.page_policy import but_its_own_script

LAUNCHED = 18
PLAIN_BASELINE = 0.845  # of recency, frequency and money alone, on the same rows
ALARM = 0.90
PAGES = [
    "index",
    "01_data",
    "02_customers",
    "03_segments",
    "04_response",
    "05_uplift",
    "06_offers",
    "07_policy",
    "08_plan",
    "09_learning",
]
VOID = {"img", "br", "hr", "meta", "link", "input", "col", "wbr"}


class Page(HTMLParser):
    """What of a page the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while tag in self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" in self.open or "script" in self.open:
            return
        self.words.append(data)
        if self.rows and self.rows[-1] and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def pages(journey_report):
    return {name: (journey_report / f"{name}.html").read_text("utf-8") for name in PAGES}


@pytest.fixture(scope="module")
def tables(journey_report):
    return {
        path.stem: pd.read_parquet(path) for path in (journey_report / "tables").glob("*.parquet")
    }


@pytest.fixture(scope="module")
def metrics(journey_report):
    return json.loads((journey_report / "metrics.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def shop():
    from promolab.sources import load_shop

    return load_shop("complete_journey")


# The bar: as good on what came later as the data allow, and not better.


def test_scores_of_the_week_tell_who_redeemed_afterwards(tables, shop):
    from promolab.metrics import roc

    contacted = shop.exposures.filter(shop.exposures.promotion_id == LAUNCHED).execute()
    answered = shop.responses.filter(shop.responses.promotion_id == LAUNCHED).execute()
    found = contacted[["customer_id", "promotion_id"]].merge(
        tables["scores"], on=["customer_id", "promotion_id"], validate="one_to_one"
    )
    assert len(found) == len(contacted) == 1133
    redeemed = found["customer_id"].isin(answered["customer_id"])
    auc = roc(redeemed.to_numpy(), found["p_redeemed"].to_numpy())
    assert 0.855 <= auc.auc <= ALARM
    assert auc.ci_high >= PLAIN_BASELINE


def test_no_past_auc_is_too_good_to_be_true(metrics):
    assert metrics["response"]["auc"]["value"] <= ALARM
    large = [p for p in metrics["response"]["by_promotion"].values() if p["positives"] >= 100]
    assert len(large) == 2 and all(p["value"] <= ALARM for p in large)


def test_the_recorded_auc_is_that_of_the_rows(metrics, tables):
    from sklearn.metrics import roc_auc_score

    rows = tables["backtest"]
    auc = metrics["response"]["auc"]
    assert auc["value"] == pytest.approx(roc_auc_score(rows["y"], rows["p"]), abs=1e-9)
    assert auc["ci_low"] < auc["value"] < auc["ci_high"]
    assert (auc["n"], auc["positives"]) == (len(rows), rows["y"].sum())
    by_promotion = metrics["response"]["by_promotion"]
    assert set(by_promotion) == set(rows["promotion_id"].astype(str))
    for promotion, part in rows.groupby("promotion_id"):
        expected = roc_auc_score(part["y"], part["p"])
        assert by_promotion[str(promotion)]["value"] == pytest.approx(expected, abs=1e-9)
    within = metrics["response"]["auc_within"]
    assert within["ci_low"] < within["value"] < within["ci_high"]


def test_what_is_predicted_was_over_before_the_week(tables):
    over = tables["pairs"].groupby("promotion_id")[["starts_at", "ends_at"]].first()
    as_of = tables["features"]["as_of"].iloc[0]
    rows = tables["backtest"]
    assert (rows["promotion_id"].map(over["ends_at"]) <= as_of).all()
    assert LAUNCHED not in set(rows["promotion_id"])
    # The first promotions have nothing before them that was over, and are not predicted.
    for promotion in rows["promotion_id"].unique():
        assert (over["ends_at"] <= over.loc[promotion, "starts_at"]).any()


def test_features_of_a_pair_are_of_its_promotions_start(tables):
    pairs = tables["pairs"]
    assert (pairs["as_of"] == pairs["starts_at"]).all()
    assert (pairs["starts_at"] < tables["features"]["as_of"].iloc[0]).all()
    assert not pairs.duplicated(["customer_id", "promotion_id"]).any()
    labelled = pairs["ends_at"] <= tables["features"]["as_of"].iloc[0]
    assert (pairs["label_complete"].astype(bool) == labelled).all()


# What is recorded.


def test_every_customer_with_history_is_scored_once(tables):
    scores = tables["scores"]
    assert list(scores) == ["customer_id", "promotion_id", "p_redeemed", "support"]
    assert set(scores["promotion_id"]) == {LAUNCHED}
    assert sorted(scores["customer_id"]) == sorted(tables["features"]["customer_id"])
    assert scores["p_redeemed"].between(0, 1, inclusive="neither").all()
    assert set(scores["support"]) <= {"inside", "new_customer", "new_promotion"}


def test_new_customers_are_those_never_contacted(tables):
    joined = tables["scores"].merge(tables["features"], on="customer_id")
    rarely = joined.groupby("support")["contacts"].mean()
    assert rarely["new_customer"] < rarely["inside"]


def test_the_tables_hold_what_the_readme_promises(tables):
    assert set(tables) >= {"features", "profiles", "segments", "pairs", "scores", "quarantine"}
    asked = """
        customer_id recency_days orders amount discount discount_share items products categories
        stores tenure_days days_between_orders orders_28d amount_28d orders_84d amount_84d
        amount_trend average_order_amount average_item_price price_level private_label_share
        category_entropy top_category weekend_share evening_share hour_of_day coupon_orders
        coupon_order_share contacts contacts_28d responses response_rate days_since_response
    """.split()
    assert set(asked) <= set(tables["features"])
    assert {"redeemed", "purchased", "label_complete"} <= set(tables["pairs"])
    assert {"interests", "purchasing_power", "loyalty", "habits"} <= set(tables["profiles"])
    assert {"table", "rule", "row"} <= set(tables["quarantine"])
    for row in tables["quarantine"]["row"].head(20):
        assert isinstance(json.loads(row), dict)


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


def test_segments_and_campaigns_are_recorded(metrics, tables):
    segments = metrics["segments"]
    assert segments["k"] >= 2 and -1 <= segments["silhouette"] <= 1
    assert 0 <= segments["stability"] <= 1
    assert set(segments["names"]) <= set(tables["segments"]["segment"])
    assert tables["segments"]["customer_id"].is_unique and len(tables["segments"]) == 2453
    campaign = metrics["campaigns"]["13"]
    rate = campaign["redemption_rate"]
    assert rate["value"] == campaign["redeemers"] / campaign["contacts"] == 196 / 1077
    assert rate["ci_low"] < rate["value"] < rate["ci_high"]
    assert campaign["difference"]["identification"] in ("adjusted", "not identified")


def test_the_expected_redemptions_are_sums_of_chances(metrics, tables):
    outlook = tables["outlook"]
    ranked = tables["scores"]["p_redeemed"].sort_values(ascending=False)
    assert (
        outlook["customers"].is_monotonic_increasing and outlook["expected"].is_monotonic_increasing
    )
    assert outlook["customers"].max() == len(ranked)
    assert (outlook["ci_low"] < outlook["expected"]).all()
    assert (outlook["expected"] < outlook["ci_high"]).all()
    assert (outlook["ci_high"] <= outlook["customers"]).all()
    np.testing.assert_allclose(outlook["rate"], outlook["expected"] / outlook["customers"])
    # The interval held what then happened: 214 of the 1,133 contacted redeemed.
    usual = outlook.iloc[(outlook["customers"] - 1133).abs().argmin()]
    assert usual["ci_low"] < 214 < usual["ci_high"]


# What the pages hold.


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_and_every_picture_has_its_text(pages, name):
    page = Page(but_its_own_script(pages[name]))
    for tag, attrs in page.tags:
        for attribute in ("src", "href", "srcset", "data", "poster", "action"):
            link = attrs.get(attribute) or ""
            assert not re.match(r"\s*(https?:)?//", link), (tag, link)
            if attribute == "src" and attribute in attrs:
                assert link.startswith("data:"), link[:60]
    assert "@import" not in pages[name] and not re.search(
        r"url\(\s*['\"]?(https?:)?//", pages[name]
    )
    assert not page.all("script") and not page.all("iframe") and not page.all("link")
    pictures = page.all("img")
    assert all((picture.get("alt") or "").strip() for picture in pictures)
    # Without effects the page Policy has figures to say, and none to draw.
    assert len(pictures) >= (0 if name in ("01_data", "07_policy") else 1)
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_no_noise_and_no_path(pages, name, journey_report):
    text = Page(pages[name]).text
    for noise in (
        "FloatProgress",
        "widget",
        "Warning:",
        "Traceback",
        "<Figure",
        "<Axes",
        "DataFrame",
    ):
        assert noise not in text, noise
    assert not re.search(r"\b(NaN|nan|None|NaT|inf)\b", Page(visible(pages[name])).text)
    assert str(journey_report.parent) not in pages[name]
    assert "/tmp/" not in pages[name] and "site-packages" not in pages[name]


def visible(page: str) -> str:
    """Return a page without the code that is one click away."""
    return re.sub(r"<details class=\"code\".*?</details>", "", page, flags=re.S)


def test_the_report_shows_no_code_and_no_names_of_columns(pages):
    page = Page(pages["index"])
    assert not page.all("pre") and not page.all("code")
    assert not any("code" in (found.get("class") or "") for found in page.all("details"))
    assert not re.findall(r"\w*[a-z0-9]_[a-z0-9]\w*", page.text)


def test_the_report_has_its_parts(pages, metrics):
    text = Page(pages["index"]).text
    parts = ("Since last week", "Track record", "Launching (1)", "Coming (2)", "Running (4)")
    places = [text.index(part) for part in (*parts, "Ended (1)", "Segments:", "What was left out")]
    assert places == sorted(places)
    for tile in metrics["headlines"]:
        assert tile["label"] in text and tile["text"].split(" [")[0] in text
    assert 4 <= len(metrics["headlines"]) <= 5
    assert "top 40 %" in text and "likely to redeem" in text.lower()
    assert "Consent was not checked" in text and "· planned" in text


def test_what_left_the_first_page_stands_on_its_step_page(pages):
    plan, response = Page(pages["08_plan"]).text, Page(pages["04_response"]).text
    for part in ("customers that it takes out", "First 10 of", "over-represented", "break-even"):
        assert part in plan, part
    for part in ("Gain chart", "ROC curve", "AUC", "came"):
        assert part in response + pages["04_response"], part
    assert "Returning" in Page(pages["02_customers"]).text
    assert "because" in Page(pages["03_segments"]).text


def test_words_are_explained_where_they_first_stand(pages):
    # The header of every page explains what the data allow, whatever stands below.
    abbreviations = Page(pages["index"].split("</header>", 1)[1]).all("abbr")
    assert len(abbreviations) >= 5
    assert all((a["title"] or "").endswith(".") and a["tabindex"] == "0" for a in abbreviations)
    assert len({a["title"] for a in abbreviations}) == len(abbreviations)


def test_no_table_is_too_wide_to_read(pages):
    rows = Page(pages["index"]).rows
    assert len(rows) > 20 and max(map(len, rows)) <= 8


def test_customers_stand_under_pseudonyms(pages, tables):
    ranked = tables["scores"].sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    # Below 1,000 an id may stand as a figure somewhere; above, a figure has a comma.
    top = {str(i) for i in ranked["customer_id"].head(10) if i >= 1000}
    assert len(top) >= 3
    rows = Page(pages["08_plan"]).rows
    head = next(i for i, row in enumerate(rows) if "customer" in row and "rank" in row)
    column = rows[head].index("customer")
    codes = [row[column] for row in rows[head + 1 : head + 11]]
    assert len(set(codes)) == 10 and all(re.fullmatch(r"C-[A-Z0-9]+", code) for code in codes)
    for name in PAGES:
        cells = {cell for row in Page(visible(pages[name])).rows for cell in row}
        assert not (cells & top)


def test_the_executed_notebooks_are_clean(journey_report):
    found = sorted((journey_report / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in found] == [
        "01_data",
        "02_customers",
        "03_segments",
        "04_response",
        "05_uplift",
        "06_offers",
        "07_policy",
        "08_plan",
        "09_learning",
        "10_campaign_report",
    ]
    for path in found:
        notebook = nbformat.read(path, 4)
        outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
        assert outputs and {o.output_type for o in outputs} <= {"display_data", "execute_result"}
        assert str(journey_report.parent) not in path.read_text("utf-8")


def test_links_between_files_of_the_week_lead_somewhere(pages, journey_report):
    links = [
        (name, (a["href"] or "").partition("#")[0])
        for name in PAGES for a in Page(pages[name]).all("a") if "href" in a
    ]  # fmt: skip
    assert any(target for _, target in links)
    assert [(name, to) for name, to in links if to and not (journey_report / to).exists()] == []
