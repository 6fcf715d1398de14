"""Monthly files whose columns drift: said with the rows concerned, and read as one if told so."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract.checks import check
from promolab.sources import load_shop
from tests.refused import spoilt

HEAD = "customer_id,ts,kind,product_id"
MAY = f"{HEAD},revenue\nA,2023-05-01,purchase,P,7\nB,2023-05-02,purchase,P,8\n"
JUNE = f"{HEAD},amount\nA,2023-06-01,purchase,P,1\n"
TOML = 'zone = "UTC"\n[events]\nfiles = "*.csv"\n'


@pytest.fixture
def months(tmp_path):
    def write(toml: str = TOML, **files: str):
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text)
        (tmp_path / "shop.toml").write_text(toml)
        return load_shop(tmp_path)

    return write


@pytest.mark.parametrize("said", ['["amount", "revenue"]', '{ any = ["amount", "revenue"] }'])
def test_a_column_under_several_names_is_one(months, said):
    shop = months(f"{TOML}amount = {said}\n", may=MAY, june=JUNE)
    assert sorted(shop.events.amount.execute()) == [1, 7, 8]
    assert not shop.gaps and not {"revenue", "source_amount"} & set(shop.events.columns)


def test_the_first_name_that_is_not_empty_counts(tmp_path):
    frame = pd.DataFrame({"customer_id": ["A", "B"], "ts": "2023-05-01", "kind": "purchase"})
    frame = frame.assign(total=[np.nan, 2.5], paid=[3, 4])
    frame.to_parquet(tmp_path / "events.parquet")
    toml = 'zone = "UTC"\n[events]\namount = ["total", "paid", "not_there"]\n'
    (tmp_path / "shop.toml").write_text(toml)
    assert load_shop(tmp_path).events.order_by("customer_id").amount.execute().tolist() == [3, 2.5]
    (tmp_path / "shop.toml").write_text('zone = "UTC"\n[events]\namount = ["a", "b"]\n')
    spoilt("has no column 'a' or 'b'", load_shop, tmp_path)


def test_a_column_that_some_files_lack_is_a_warning_by_the_contracts_name(months):
    june = JUNE.replace("amount", "Betrag")
    shop = months(f'{TOML}amount = "Betrag"\n', may=MAY, june=june)
    assert [(gap.column, gap.rows) for gap in shop.gaps] == [("amount", 2)]
    assert 'amount = ["Betrag", "revenue"]' in shop.gaps[0].sentence
    shop = months(may=MAY, june=JUNE, july=JUNE.replace("-06-", "-07-"))
    warned = [f for f in check(shop).findings if f.check == "missing_in_files"]
    assert [(f.table, f.level, f.rows) for f in warned] == [("events", "warn", 2)]
    assert warned[0].sentence == (
        "events.amount is missing in 1 of 3 files (may.csv): 2 rows without it; only there: "
        'revenue. If that is it, shop.toml can say both: [events] amount = ["amount", "revenue"]'
    )
    assert warned[0].sentence in check(shop).to_text()


def test_names_that_differ_in_case_from_file_to_file_are_one_column(months, tmp_path):
    shop = months(may=MAY.replace("revenue", "Amount"), june=JUNE)
    assert sorted(shop.events.amount.execute()) == [1, 7, 8] and not shop.gaps
    told = "events: the column 'amount' is spelled 'Amount' in may.csv; they are read as one."
    assert told in shop.left_out
    frame = pd.DataFrame({"customer_id": ["A"], "ts": "2023-05-01", "kind": "purchase"})
    (tmp_path / "events").mkdir()
    frame.assign(amount=1.0).to_parquet(tmp_path / "events" / "1.parquet")
    frame.assign(AMOUNT=2.0).to_parquet(tmp_path / "events" / "2.parquet")
    (tmp_path / "shop.toml").write_text('zone = "UTC"\n')
    assert sorted(load_shop(tmp_path).events.amount.execute()) == [1, 2]
