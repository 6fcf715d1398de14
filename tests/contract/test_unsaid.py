"""What a shop does not say: no amount, no product, words that are no kind."""

from datetime import datetime

import ibis
import pandas as pd

from promolab.contract import Settings, Shop
from promolab.contract.checks import check

NOW = datetime(2018, 1, 1)


def findings(**columns: object) -> dict[str, tuple[str, str]]:
    ids = [f"C{i}" for i in range(6)]
    frame = pd.DataFrame({"customer_id": ids, "ts": pd.Timestamp("2017-03-01")})
    frame = frame.assign(**{"kind": "purchase", "product_id": "A", "amount": 1.0} | columns)
    frame = frame.dropna(axis="columns", how="all") if "keep" not in frame else frame
    table = ibis.duckdb.connect().create_table("events", frame)
    shop = Shop({"events": table}, Settings(zone="UTC"))
    return {f.check: (f.level, f.sentence) for f in check(shop, NOW).findings}


def test_events_without_amount_or_product_are_said_and_an_amount_always_empty():
    found = findings(amount=None, product_id=None)
    said = "events has no amount: no sales, and no money in profiles"
    assert found["no_amount"] == ("warn", said)
    assert found["no_product"][0] == "note" and set(found) == {"no_amount", "no_product"}
    found = findings(amount=pd.Series([None] * 6, dtype="float64"), keep=1)
    assert found["no_amount"][0] == "warn"
    assert "no_amount" not in findings(amount=[None, 1, 2, 3, 4, 5])


def test_unknown_kinds_are_named_with_their_rows_personal_ones_only_counted():
    found = findings(kind=["purchase", "buy", "buy", "adjust", "a@b.org", "order 1234"])
    level, said = found["unknown_kind"]
    assert level == "warn"
    assert said.endswith("'buy' (2 rows), 'adjust' (1 row), and 2 words more")
    assert "b.org" not in said and "1234" not in said
    said = findings(kind=["purchase"] * 4 + ["a@b.org", "c@d.org"])["unknown_kind"][1]
    assert said.endswith("; it holds 2 other words")
