"""The contract itself: every table and column says what it is."""

import pytest

from promolab.contract.tables import HAPPENED, TABLES, dictionary
from promolab.sources import load_shop

REQUIRED = {
    "customers": ["customer_id"],
    "products": ["product_id", "category"],
    "events": ["customer_id", "ts", "kind"],
    "promotions": ["promotion_id", "kind", "starts_at", "ends_at"],
    "promotion_products": ["promotion_id", "product_id"],
    "exposures": ["promotion_id", "customer_id", "ts"],
    "responses": ["promotion_id", "customer_id", "ts", "kind"],
    "decisions": ["decision_id", "customer_id", "ts", "action", "propensity"],
    "decision_propensities": ["decision_id", "action", "propensity"],
    "contact_rights": ["customer_id", "channel", "allowed"],
    "reviews": ["customer_id", "product_id", "ts"],
    "calendar": ["name", "starts_at", "ends_at"],
}


def test_tables_say_what_they_require_in_a_dictionary_with_a_line_per_column():
    assert {name: list(spec.required) for name, spec in TABLES.items()} == REQUIRED
    assert HAPPENED
    for name in HAPPENED:
        assert "ts" in TABLES[name] and TABLES[name]["ts"].required
    text = dictionary()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    columns = sum(len(spec.columns) for spec in TABLES.values())
    assert len(rows) == columns + len(TABLES)
    assert all(line.count("|") == 6 for line in rows)
    assert text.count("★") == sum(len(names) for names in REQUIRED.values())
    assert "None" not in text


@pytest.mark.parametrize("name", TABLES)
def test_table_is_described(name):
    spec = TABLES[name]
    assert spec.name == name and spec.row and spec.unlocks
    names = [column.name for column in spec]
    assert len({n.lower() for n in names}) == len(names)
    assert set(spec.key) <= set(names)
    for column in spec:
        assert column.meaning and column.example is not None
        assert column.name in spec and spec[column.name] is column
        if column.references:
            other = TABLES[column.references]
            assert other.key and other[other.key[0]].type == column.type == "id"
        allowed = column.values
        if allowed:
            assert column.example in allowed
        if column.low is not None and not isinstance(column.example, str):
            assert column.low <= column.example
        if column.high is not None:
            assert column.example <= column.high
        assert "|" not in column.meaning
    assert "no such column" not in spec


def test_examples_make_a_shop_that_can_be_used(tmp_path):
    import pandas as pd

    for name, spec in TABLES.items():
        pd.DataFrame({c.name: [c.example] for c in spec}).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "shop.toml").write_text('zone = "America/New_York"\n')
    shop = load_shop(tmp_path)
    assert set(shop.tables) == set(TABLES)
    checks = shop.check()
    assert checks.usable, checks.to_text()
