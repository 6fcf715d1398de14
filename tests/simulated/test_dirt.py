"""Soiled rows are listed, and found by the rules that cover them."""

import shutil

import pytest

from promolab.cleaning import FLAGS, QUARANTINE_RULES, clean
from promolab.sources import load_shop, simulated
from tests.soiled import STAINS, soil


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """A shop, the list of what was done to a copy of it, and that copy cleaned."""
    root = tmp_path_factory.mktemp("dirty")
    shop = simulated(customers=800, weeks=16, seed=2, folder=root / "clean")
    soiled = soil(shutil.copytree(root / "clean", root / "shop"), 0.02)
    return shop, soiled, clean(load_shop(root / "shop"))


def test_without_dirt_nothing_is_found_and_rows_not_soiled_stay_so(shops):
    whole, soiled, (kept, _) = shops
    shop, report = clean(whole)
    assert report.rows.rows_quarantined.sum() == 0
    assert shop.events.count().execute() == whole.events.count().execute()
    rules = set(QUARANTINE_RULES) - {"duplicate"}
    tables = ("events", "exposures", "responses", "decisions", "decision_propensities")
    for name in (*tables, "promotions"):
        gone = soiled[soiled.table == name].rule.isin(rules).sum()
        assert kept[name].count().execute() == whole[name].count().execute() - gone


def test_each_rule_finds_what_falls_under_it_and_flags_mark_what_they_should(shops):
    _, soiled, (_, report) = shops
    ways = set(zip(soiled["table"], soiled["what"], strict=True))
    assert ways == {(table, what) for what, table, *_ in STAINS}
    assert set(soiled.rule) - {""} <= set(QUARANTINE_RULES) | {flag.name for flag in FLAGS}
    found = report.rules.set_index(["action", "table", "rule"])["rows"]
    expected = soiled.groupby(["table", "rule"]).size()
    wanted = {key: n for key, n in expected.items() if key[1] in QUARANTINE_RULES}
    assert found["quarantined"].to_dict() == wanted
    for name in ("odd_unit", "zero_quantity", "unknown_product"):
        assert found["flagged", "events", name] == expected["events", name]
