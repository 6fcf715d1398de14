"""Example rows: those that the check counts, and no others."""

from datetime import datetime

import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.contract.checks import Finding, check, example_rows
from tests.made_up import shop_of

NOW = datetime(2018, 1, 1)


@pytest.fixture(scope="module")
def dirty() -> Shop:
    """A shop in which each faulty row says in its order_id what is wrong with it."""
    day = pd.Timestamp("2017-03-01")
    good = {"customer_id": "A", "ts": day, "kind": "purchase", "product_id": "P1"}
    good |= {"order_id": "sound", "quantity": 1.0, "amount": 1.0, "extra": "kept, not used"}
    wrong = {"missing_key": {"customer_id": None}, "unknown_kind": {"kind": "buy"}}
    wrong |= {"negative_amount": {"amount": -1.0}, "negative_quantity": {"quantity": -1.0}}
    wrong |= {"outside_life": {"ts": pd.Timestamp("2099-01-01")}, "duplicate": {}}
    wrong |= {"unknown_product": {"product_id": "P9"}, "unknown_customer": {"customer_id": "Z"}}
    rows = [good, *(good | change | {"order_id": name} for name, change in wrong.items())]
    rows.append(good | {"order_id": "duplicate"})
    sent = pd.DataFrame({"promotion_id": "X", "customer_id": "A", "ts": [day]})
    answered = sent.assign(ts=day - pd.Timedelta(days=1), kind="redeem")
    offers = pd.DataFrame({"promotion_id": ["X"], "kind": "coupon"})
    tables = {
        "customers": pd.DataFrame({"customer_id": ["A", "B", "B"], "age": [1, 2, 3]}),
        "products": pd.DataFrame({"product_id": ["P1"], "category": ["TEA"]}),
        "events": pd.DataFrame(rows),
        "promotions": offers.assign(starts_at=day, ends_at=day),
        "exposures": sent,
        "responses": answered,
    }
    return shop_of(tables, name="Corner")


def test_each_check_shows_the_rows_that_it_counts_of_other_tables_too(dirty):
    findings = [f for f in check(dirty, NOW).findings if f.table == "events"]
    assert len(findings) == 8
    for finding in findings:
        rows = example_rows(dirty, finding, now=NOW)
        assert {row["order_id"] for row in rows} == {finding.check}
        assert len(rows) == finding.rows + (finding.check == "duplicate")
        assert "extra" not in rows[0]
    others = [f for f in check(dirty, NOW).findings if f.table != "events"]
    found = {(f.table, f.check): example_rows(dirty, f, now=NOW) for f in others}
    assert [row["customer_id"] for row in found["customers", "repeated_key"]] == ["B", "B"]
    shown = list(found["exposures", "exposed_after_response"][0])
    assert shown == ["promotion_id", "customer_id", "ts"]
    assert len(found["promotions", "ends_before_start"]) == 1 and all(found.values())


def test_no_more_than_asked_for_in_order_and_none_of_what_is_not_about_rows(dirty):
    events = pd.DataFrame({"customer_id": list("CABD"), "ts": pd.Timestamp("2017-03-01")})
    shop = shop_of({"events": events.assign(kind="buy")})
    unknown = next(f for f in check(shop, NOW).findings if f.check == "unknown_kind")
    assert [r["customer_id"] for r in example_rows(shop, unknown, 2, NOW)] == ["A", "B"]
    # All rows are bad: the check that stops has examples as well.
    all_bad = next(f for f in check(shop, NOW).findings if f.check == "all_rows_bad")
    assert len(example_rows(shop, all_bad, now=NOW)) == 4
    for finding in [
        Finding("shop.toml", "zone", "stop", 0, "no zone"),
        Finding("events", "wrong_type", "stop", 0, "events.ts is text"),
        Finding("events", "unknown_kind", "warn", 7, "of another shop"),
    ]:
        assert example_rows(dirty, finding, now=NOW) == []
