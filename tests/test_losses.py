"""What is left out has its money beside it."""

import pandas as pd
import pytest

from promolab import clean
from tests.made_up import shop_of

DAY = pd.Timestamp("2021-02-01")


def test_rows_without_customer_and_others_with_their_sales() -> None:
    rows = [
        ("A", DAY, "purchase", 60.0),
        (None, DAY, "purchase", 25.0),
        ("", DAY, "purchase", 5.0),
        (None, DAY, "view", None),
        ("B", None, "purchase", 8.0),
        ("B", DAY, "purchase", -7.0),
        ("B", DAY, "purchase", float("nan")),
        ("C", DAY, "purchase", 2.0),
        ("C", DAY, "purchase", 2.0),
    ]
    events = pd.DataFrame(rows, columns=["customer_id", "ts", "kind", "amount"])
    shop, report = clean(shop_of({"events": events}, currency="GBP"))
    found = report.left_out(shop)
    table = found.table.set_index("reason")
    assert table.loc["without customer", ["rows", "sales"]].tolist() == [3, 30.0]
    # 60 + 2 were kept; 30 + 8 − 7 + 2 were left out.
    assert table.loc["without customer", "share"] == pytest.approx(30 / 95)
    assert found.table["rows"].sum() == report.rows["rows_quarantined"].sum()
    assert found.sentences()[0] == "3 rows of events, without customer: 30 GBP, 31.6 % of sales."


def test_a_clean_shop_and_one_without_amounts_say_so() -> None:
    events = pd.DataFrame({"customer_id": ["A"], "ts": [DAY], "kind": ["purchase"]})
    shop, report = clean(shop_of({"events": events}))
    assert report.left_out(shop).summary() == "No row was left out."
    twice = pd.concat([events, events, events.assign(customer_id=None)])
    shop, report = clean(shop_of({"events": twice}))
    assert "of sales" not in report.left_out(shop).summary()
    assert "1 row of events, without customer." in report.left_out(shop).summary()
