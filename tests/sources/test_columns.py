"""Their columns and the contract's: what is matched, what is kept, what is missed."""

from typing import Any

import ibis
import pandas as pd
import pytest

from promolab.contract import Settings
from promolab.errors import DataError
from promolab.sources.columns import conform
from promolab.sources.mapping import read_mapping
from tests.refused import spoilt


def conformed(sections: dict[str, Any], frame: pd.DataFrame, name: str = "events"):
    table = ibis.duckdb.connect().create_table("t", frame)
    (part,) = read_mapping({name: sections})[name]
    return conform(part, table, Settings(zone="UTC"), "export.csv")


FRAME = pd.DataFrame(
    {"CustomerID": ["A", "A"], "TS": "2021-03-01", "Kind": "view", "Colour": ["red", "blue"]}
)


def test_columns_called_alike_need_no_line_and_missing_ones_name_the_nearest():
    made = conformed({"customer_id": "customerid"}, FRAME)
    assert made.columns == ("customer_id", "ts", "kind", "Colour")
    with pytest.raises(
        DataError, match=r"\[events\] customer_id: export\.csv has no column 'Cust'"
    ):
        conformed({"customer_id": "Cust"}, FRAME)
    spoilt("did you mean 'CustomerID'", conformed, {"customer_id": "CustomrID"}, FRAME)
    with pytest.raises(DataError, match=r"currency: export\.csv has no column 'Cur'"):
        conformed({"customer_id": "CustomerID", "currency": "Cur"}, FRAME)
    with pytest.raises(
        DataError, match=r"lacks the required column 'customer_id'; did you mean 'CustomerID'.*"
        r'if export\.csv calls it otherwise, shop\.toml says so: \[events\] customer_id = "…"'
    ):  # fmt: skip
        conformed({}, FRAME)


def test_columns_of_the_contracts_names_distinct_rows_and_attributes_keep_their_own():
    frame = FRAME.assign(amount=["x", "y"], paid=[1.5, 2.5])
    made = conformed({"customer_id": "CustomerID", "amount": "paid"}, frame)
    got = made.order_by("Colour").execute()
    assert got["amount"].tolist() == [2.5, 1.5] and got["source_amount"].tolist() == ["y", "x"]
    lines = pd.DataFrame({"sku": ["1", "1", "2"], "group": ["a", "a", "b"], "price": [1, 2, 3]})
    made = conformed(
        {"product_id": "sku", "category": "group", "distinct": True}, lines, "products"
    )
    assert made.columns == ("product_id", "category") and made.count().execute() == 2
    frame = pd.DataFrame({"id": ["A"], "Alter": [44], "Stadt": ["Ulm"]})
    made = conformed({"customer_id": "id", "attributes": {"age": "Alter"}}, frame, "customers")
    assert made.execute().to_dict("records") == [{"customer_id": "A", "age": 44, "Stadt": "Ulm"}]
