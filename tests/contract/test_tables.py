"""The contract itself: every table and column says what it is."""

from promolab.contract.tables import HAPPENED, TABLES
from promolab.sources import load_shop


def test_each_table_is_described():
    assert all("ts" in TABLES[name].required for name in HAPPENED)
    for name, spec in TABLES.items():
        assert spec.name == name and spec.row and spec.unlocks and "no such column" not in spec
        names = [column.name for column in spec]
        assert len({n.lower() for n in names}) == len(names) and set(spec.key) <= set(names)
        for column in spec:
            example = column.example
            assert column.meaning and example is not None and "|" not in column.meaning
            assert spec[column.name] is column and (not column.values or example in column.values)
            if column.references:
                other = TABLES[column.references]
                assert other.key and other[other.key[0]].type == column.type == "id"
            assert column.low is None or isinstance(example, str) or column.low <= example
            assert column.high is None or example <= column.high


def test_examples_make_a_shop_that_can_be_used(tmp_path):
    import pandas as pd

    for name, spec in TABLES.items():
        pd.DataFrame({c.name: [c.example] for c in spec}).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "shop.toml").write_text('zone = "America/New_York"\n')
    shop = load_shop(tmp_path)
    assert set(shop.tables) == set(TABLES) and shop.check().usable, shop.check().to_text()
