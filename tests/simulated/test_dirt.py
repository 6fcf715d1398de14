"""Soiled rows are listed, and found by the rules that cover them."""

import pandas as pd
import pytest

from promolab.cleaning import FLAGS, QUARANTINE_RULES, clean
from promolab.sources import load_shop, simulated
from tests.soiled import STAINS, soil

WORLD = {"customers": 2_500, "weeks": 16, "seed": 2}


@pytest.fixture(scope="module")
def clean_one():
    return simulated(**WORLD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dirty") / "shop"


@pytest.fixture(scope="module")
def soiled(folder):
    simulated(**WORLD, folder=folder)
    return soil(folder, 0.02)


@pytest.fixture(scope="module")
def dirty(folder, soiled):
    return load_shop(folder)


@pytest.fixture(scope="module")
def cleaned(dirty):
    return clean(dirty)


def by_rule(report, action):
    rules = report.rules[report.rules.action == action]
    return rules.set_index(["table", "rule"])["rows"].to_dict()


def test_without_dirt_nothing_is_found_and_rows_not_soiled_stay_so(clean_one, soiled, cleaned):
    shop, report = clean(clean_one)
    assert report.rows.rows_quarantined.sum() == 0
    assert shop.events.count().execute() == clean_one.events.count().execute()
    shop, _ = cleaned
    for name in ("events", "exposures", "responses"):
        kept, whole = shop[name].count().execute(), clean_one[name].count().execute()
        gone = soiled[soiled.table == name].rule.isin(set(QUARANTINE_RULES) - {"duplicate"}).sum()
        assert kept == whole - gone
    for name in ("decisions", "decision_propensities", "promotions"):
        assert shop[name].count().execute() == clean_one[name].count().execute()


def test_the_share_asked_for_is_soiled_by_rules_that_exist_and_listed(folder, dirty, soiled):
    for name, rows in soiled.groupby("table"):
        share = len(rows) / dirty[name].count().execute()
        assert 0.018 < share < 0.022, name
    ways = set(zip(soiled["table"], soiled["what"], strict=True))
    assert ways == {(table, what) for what, table, *_ in STAINS}
    assert not soiled.duplicated(["table", "row"]).any()
    flags = {flag.name for flag in FLAGS}
    assert set(soiled.rule) - {""} <= set(QUARANTINE_RULES) | flags
    table = pd.read_parquet(folder / "events")
    rows = soiled[soiled.table == "events"].set_index("what")["row"]
    at = {what: table.iloc[rows[[what]]] for what in rows.index.unique()}
    assert at["no customer"].customer_id.isna().all() and at["no time"].ts.isna().all()
    assert (at["unknown kind"].kind == "wishlist").all()
    below = at["amount below 0"]
    assert (below.amount < 0).all() and (below.kind == "purchase").all()
    assert (at["absurd units"].quantity == 99_999).all()
    assert table.duplicated(keep="first").to_numpy()[rows[["twice"]]].all()


def test_each_rule_finds_what_falls_under_it_and_flags_mark_what_they_should(soiled, cleaned):
    _, report = cleaned
    expected = soiled.groupby(["table", "rule"]).size()
    wanted = {key: n for key, n in expected.items() if key[1] in QUARANTINE_RULES}
    assert by_rule(report, "quarantined") == wanted
    flagged = by_rule(report, "flagged")
    for name in ("odd_unit", "zero_quantity", "unknown_product"):
        assert flagged["events", name] == expected["events", name]
