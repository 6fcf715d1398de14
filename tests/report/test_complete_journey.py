"""The report of real data: what it predicts, and what it records."""

import html
import json
import re
from datetime import datetime

import pandas as pd
import pytest

from tests.wording_lint import nonsense_of

LAUNCHED = 18
PLAIN_BASELINE = 0.845  # of recency, frequency and money alone, on the same rows
ALARM = 0.90


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
    assert sorted(tables["scores"]["customer_id"]) == sorted(tables["features"]["customer_id"])
    outlook = tables["outlook"]  # the interval held what then happened: 214 of 1,133 redeemed
    usual = outlook.iloc[(outlook["customers"] - 1133).abs().argmin()]
    assert usual["ci_low"] < redeemed.sum() == 214 < usual["ci_high"]


def test_the_recorded_auc_is_that_of_the_rows_and_none_is_too_good_to_be_true(metrics, tables):
    assert metrics["response"]["auc"]["value"] <= ALARM
    large = [p for p in metrics["response"]["by_promotion"].values() if p["positives"] >= 100]
    assert len(large) == 2 and all(p["value"] <= ALARM for p in large)
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


def test_what_is_predicted_was_over_and_features_of_a_pair_are_of_its_start(tables):
    over = tables["pairs"].groupby("promotion_id")[["starts_at", "ends_at"]].first()
    as_of = tables["features"]["as_of"].iloc[0]
    rows = tables["backtest"]
    assert (rows["promotion_id"].map(over["ends_at"]) <= as_of).all()
    assert LAUNCHED not in set(rows["promotion_id"])
    # The first promotions have nothing before them that was over, and are not predicted.
    for promotion in rows["promotion_id"].unique():
        assert (over["ends_at"] <= over.loc[promotion, "starts_at"]).any()
    pairs = tables["pairs"]
    assert (pairs["as_of"] == pairs["starts_at"]).all()
    assert (pairs["starts_at"] < tables["features"]["as_of"].iloc[0]).all()
    assert not pairs.duplicated(["customer_id", "promotion_id"]).any()
    labelled = pairs["ends_at"] <= tables["features"]["as_of"].iloc[0]
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


def test_no_page_says_nonsense(journey_report):
    pages = sorted(journey_report.glob("*.html"))
    assert len(pages) == 10 and [wrong for page in pages for wrong in nonsense_of(page)] == []
    assert "<img" in (journey_report / "05_uplift.html").read_text("utf-8")  # of its effects


def test_the_first_tutorial_quotes_the_page_in_its_order(repository, journey_report):
    tutorial = (repository / "docs" / "tutorial" / "first_report.md").read_text("utf-8")
    first = (journey_report / "index.html").read_text("utf-8")
    shown = " ".join(html.unescape(re.sub(r"<[^>]+>", "", first)).split())
    quoted = [
        " ".join(q.replace("> ", " ").split()) for q in re.findall(r"(?m)(?:^> .+\n)+", tutorial)
    ]
    assert len(quoted) == 2
    places = [shown.index(sentence) for sentence in quoted]
    assert places == sorted(places)
    assert "90 % intervals of what is to come, 95 % of what came" in shown
