"""Soiled rows are listed, and found by the rules that cover them."""

import shutil

import pytest

from promolab.cleaning import FLAGS, QUARANTINE_RULES, clean
from promolab.sources import load_shop, simulated
from tests.soiled import STAINS, soil

WORLD = {"customers": 800, "weeks": 16, "seed": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("dirty")


@pytest.fixture(scope="module")
def clean_one(root):
    return simulated(**WORLD, folder=root / "clean")


@pytest.fixture(scope="module")
def soiled(root, clean_one):
    return soil(shutil.copytree(root / "clean", root / "shop"), 0.02)


@pytest.fixture(scope="module")
def cleaned(root, soiled):
    return clean(load_shop(root / "shop"))


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


def test_each_rule_finds_what_falls_under_it_and_flags_mark_what_they_should(soiled, cleaned):
    _, report = cleaned
    ways = set(zip(soiled["table"], soiled["what"], strict=True))
    assert ways == {(table, what) for what, table, *_ in STAINS}
    assert set(soiled.rule) - {""} <= set(QUARANTINE_RULES) | {flag.name for flag in FLAGS}
    expected = soiled.groupby(["table", "rule"]).size()
    wanted = {key: n for key, n in expected.items() if key[1] in QUARANTINE_RULES}
    assert by_rule(report, "quarantined") == wanted
    flagged = by_rule(report, "flagged")
    for name in ("odd_unit", "zero_quantity", "unknown_product"):
        assert flagged["events", name] == expected["events", name]
