"""The checks on tiny shops: faults counted by hand, and what is not said."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd

from promolab.contract import Settings, Shop
from promolab.contract.checks import check
from tests.made_up import shop_of

NOW = datetime(2018, 1, 1)


def corner(**tables: pd.DataFrame) -> Shop:
    return shop_of(tables, name="Corner")


def events(n: int = 3, **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": [f"C{i}" for i in range(n)], "kind": "purchase"})
    frame = frame.assign(ts=pd.date_range("2017-03-01", periods=n), product_id="A", amount=1.0)
    return frame.assign(**columns)


PROMOTIONS = pd.DataFrame({"promotion_id": ["P1", "P2"], "kind": "coupon"}).assign(
    starts_at=pd.to_datetime(["2017-03-01", "2017-05-01"]),
    ends_at=pd.to_datetime(["2017-04-01", "2017-06-01"]),
)


def found(shop: Shop) -> dict[tuple[str, str], tuple[str, int]]:
    return {(f.table, f.check): (f.level, f.rows) for f in check(shop, NOW).findings}


def test_a_sound_shop_has_no_finding_and_negative_amounts_are_said():
    checks = check(corner(events=events(), promotions=PROMOTIONS), NOW)
    assert checks.usable and checks.findings == () and "can be used" in checks.summary()
    assert checks.counts == {"events": 3, "promotions": 2} and "events" in checks.to_text()
    checks = check(corner(events=events(4, amount=[1.0, -1.0, -2.0, 0.0])), NOW)
    assert checks.usable and checks.to_frame()["sentence"].tolist() == [
        'events.amount has 2 negative values of kind "purchase"; '
        'returns belong in kind "return" (see data/README.md)'
    ]


def test_ids_as_floats_a_wrong_type_and_a_missing_column_stop():
    for columns, words in [
        ({"customer_id": [1.0, 2.0, 3.0]}, "of type float64; expected text or a whole number"),
        ({"ts": "2017-03-01"}, "expected a timestamp"),
        ({"ts": pd.Timestamp("2017-03-01", tz="UTC")}, "UTC without a zone"),
        ({"amount": "much"}, "expected a number"),
        ({"kind": 3}, "expected text"),
    ]:
        checks = check(corner(events=events(**columns)), NOW)
        assert [(f.check, f.level) for f in checks.findings] == [("wrong_type", "stop")]
        assert words in checks.findings[0].sentence and not checks.usable
    findings = check(corner(events=events().rename(columns={"ts": "tss"})), NOW).findings
    assert findings[0].level == "stop" and "did you mean 'tss'" in findings[0].sentence


def test_no_events_no_zone_all_rows_bad_and_ids_of_two_types_stop():
    shop = shop_of({"events": events(1).head(0), "promotions": PROMOTIONS.head(0)}, zone=None)
    expected = {("events", "empty_table"): ("stop", 0), ("shop.toml", "zone"): ("stop", 0)}
    expected |= {("promotions", "empty_table"): ("warn", 0)}
    assert found(shop) == expected
    assert found(corner(promotions=PROMOTIONS))["events", "missing_table"] == ("stop", 0)
    assert 'zone = "' in check(shop, NOW).to_text()
    bad = events(kind=["purchase", "buy", "purchase"], amount=[-1.0, 1.0, -1.0])
    assert found(corner(events=bad))["events", "all_rows_bad"] == ("stop", 3)
    assert ("events", "all_rows_bad") not in found(corner(events=events(amount=[1.0, -1, -1])))
    products = pd.DataFrame({"product_id": [1], "category": "X"})
    checks = check(corner(events=events(), products=products), NOW)
    assert [f.check for f in checks.findings] == ["id_types_differ"]
    assert not checks.usable


def test_unknown_keys_times_kinds_ranges_and_duplicates_are_counted_and_nulls_are_not():
    sent = pd.DataFrame({"promotion_id": ["P1", "P9"], "customer_id": "C0"})
    shop = corner(
        events=events(product_id=["A", "B", None]),
        products=pd.DataFrame({"product_id": ["A", None], "category": "X"}),
        customers=pd.DataFrame({"customer_id": ["C0"]}),
        promotions=PROMOTIONS,
        exposures=sent.assign(ts=pd.Timestamp("2017-03-01")),
    )
    assert found(shop) == {
        ("products", "missing_key"): ("warn", 1),
        ("events", "unknown_product"): ("warn", 1),
        ("events", "unknown_customer"): ("note", 2),
        ("exposures", "unknown_promotion"): ("warn", 1),
    }
    twice = pd.concat([events(5), events(5).tail(1)], ignore_index=True)
    twice.loc[3, "ts"] = pd.Timestamp("2019-01-01")
    twice.loc[2, "kind"] = "Purchase"
    ends = pd.to_datetime(["2017-02-01", "2017-06-01"])
    promotions = PROMOTIONS.assign(ends_at=ends, discount_rate=[0.5, 40.0])
    repeated = pd.concat([promotions, promotions.head(1).assign(discount_rate=0.1)])
    shop = shop_of({"events": twice, "promotions": repeated}, opened="2017-03-02")
    expected = {("events", "outside_life"): ("warn", 2), ("events", "unknown_kind"): ("warn", 1)}
    expected |= {("events", "duplicate"): ("warn", 1)}
    expected |= {("promotions", "ends_before_start"): ("warn", 2)}
    expected |= {("promotions", "out_of_range"): ("warn", 1)}
    expected |= {("promotions", "repeated_key"): ("warn", 1)}
    assert found(shop) == expected


def test_money_not_finite_is_counted():
    frame = events(4, amount=[1.0, np.nan, np.inf, np.nan], kind=["purchase"] * 3 + ["view"])
    con = ibis.duckdb.connect()
    # pandas' NaN would become null on its way in; a parquet file may hold it all the same.
    con.create_table("base", frame.fillna({"amount": -1.0}))
    nan = "CASE WHEN amount = -1 THEN 'nan'::DOUBLE ELSE amount END"
    table = con.sql(f"SELECT * REPLACE ({nan} AS amount) FROM base")
    shop = Shop({"events": table}, Settings(zone="UTC"))
    assert found(shop) == {("events", "not_finite"): ("warn", 2)}


def test_events_without_amount_or_product_are_said_and_an_amount_always_empty():
    bare = corner(events=events().drop(columns=["amount", "product_id"]))
    levels = {name: level for (_, name), (level, _) in found(bare).items()}
    assert levels == {"no_amount": "warn", "no_product": "note"}
    assert "events has no amount: no sales, and no money in profiles" in check(bare, NOW).to_text()
    never = corner(events=events(amount=pd.Series([None] * 3, dtype="float64")))
    assert found(never)["events", "no_amount"][0] == "warn"
    assert not found(corner(events=events(amount=[None, 1, 2])))


def test_unknown_kinds_are_named_with_their_rows_personal_ones_only_counted():
    for kinds, ends in [
        (
            ["buy", "buy", "ad", "a@b.org", "no 1234"],
            "'buy' (2 rows), 'ad' (1 row), and 2 words more",
        ),
        (["a@b.org", "c@d.org"], "; it holds 2 other words"),
    ]:
        shop = corner(events=events(len(kinds) + 1, kind=["purchase", *kinds]))
        (finding,) = check(shop, NOW).findings
        assert (finding.check, finding.level) == ("unknown_kind", "warn")
        assert finding.sentence.endswith(ends)
        assert "b.org" not in finding.sentence and "1234" not in finding.sentence
