"""Example rows: those that the check counts, and no others."""

from datetime import datetime

import ibis
import pandas as pd
import pytest

from promolab.contract import Settings, Shop
from promolab.contract.checks import Finding, check, example_rows

NOW = datetime(2018, 1, 1)


@pytest.fixture(scope="module")
def dirty() -> Shop:
    """A shop in which each faulty row says in its order_id what is wrong with it."""
    day = pd.Timestamp("2017-03-01")
    rows = [
        ("A", day, "purchase", "P1", "sound", 1.0, 1.0),
        (None, day, "purchase", "P1", "missing_key", 1.0, 1.0),
        ("A", day, "buy", "P1", "unknown_kind", 1.0, 1.0),
        ("A", day, "purchase", "P1", "negative_amount", 1.0, -1.0),
        ("A", day, "purchase", "P1", "negative_quantity", -1.0, 1.0),
        ("A", pd.Timestamp("2099-01-01"), "purchase", "P1", "outside_life", 1.0, 1.0),
        ("A", day, "purchase", "P9", "unknown_product", 1.0, 1.0),
        ("Z", day, "purchase", "P1", "unknown_customer", 1.0, 1.0),
        ("A", day, "purchase", "P1", "duplicate", 1.0, 1.0),
        ("A", day, "purchase", "P1", "duplicate", 1.0, 1.0),
    ]
    names = ["customer_id", "ts", "kind", "product_id", "order_id", "quantity", "amount"]
    tables = {
        "customers": pd.DataFrame({"customer_id": ["A", "B", "B"], "age": [1, 2, 3]}),
        "products": pd.DataFrame({"product_id": ["P1"], "category": ["TEA"]}),
        "events": pd.DataFrame(rows, columns=names).assign(extra="kept, not used"),
        "promotions": pd.DataFrame(
            {"promotion_id": ["X"], "kind": "coupon", "starts_at": day, "ends_at": day}
        ),
        "exposures": pd.DataFrame({"promotion_id": "X", "customer_id": "A", "ts": [day]}),
        "responses": pd.DataFrame(
            {
                "promotion_id": "X",
                "customer_id": "A",
                "ts": [day - pd.Timedelta(days=1)],
                "kind": "redeem",
            }
        ),
    }
    con = ibis.duckdb.connect()
    made = {name: con.create_table(name, frame) for name, frame in tables.items()}
    return Shop(made, Settings(name="Corner", zone="UTC"))


def test_each_check_shows_the_rows_that_it_counts_of_other_tables_too(dirty):
    findings = [f for f in check(dirty, NOW).findings if f.table == "events"]
    assert len(findings) == 8
    for finding in findings:
        rows = example_rows(dirty, finding, now=NOW)
        assert {row["order_id"] for row in rows} == {finding.check}
        assert len(rows) == finding.rows + (finding.check == "duplicate")
        assert "extra" not in rows[0]
    found = {
        (f.table, f.check): example_rows(dirty, f, now=NOW)
        for f in check(dirty, NOW).findings
        if f.table != "events"
    }
    assert [row["customer_id"] for row in found["customers", "repeated_key"]] == ["B", "B"]
    assert list(found["exposures", "exposed_after_response"][0]) == [
        "promotion_id",
        "customer_id",
        "ts",
    ]
    assert len(found["promotions", "ends_before_start"]) == 1
    assert all(found.values())


def test_no_more_than_asked_for_and_in_order(dirty):
    events = pd.DataFrame(
        {"customer_id": list("CABD"), "ts": pd.Timestamp("2017-03-01"), "kind": "buy"}
    )
    con = ibis.duckdb.connect()
    shop = Shop({"events": con.create_table("events", events)}, Settings(zone="UTC"))
    unknown = next(f for f in check(shop, NOW).findings if f.check == "unknown_kind")
    assert [r["customer_id"] for r in example_rows(shop, unknown, 2, NOW)] == ["A", "B"]
    # All rows are bad: the check that stops has examples as well.
    all_bad = next(f for f in check(shop, NOW).findings if f.check == "all_rows_bad")
    assert len(example_rows(shop, all_bad, now=NOW)) == 4


@pytest.mark.parametrize(
    "finding",
    [
        Finding("shop.toml", "zone", "stop", 0, "no zone"),
        Finding("events", "wrong_type", "stop", 0, "events.ts is text"),
        Finding("events", "unknown_kind", "warn", 7, "of another shop"),
    ],
)
def test_what_is_not_about_rows_has_none(dirty, finding):
    assert example_rows(dirty, finding, now=NOW) == []
