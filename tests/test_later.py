"""What was known by a moment: rows dated later are counted, and everything else stays."""

from datetime import datetime, timedelta, timezone

import pandas as pd

from promolab.cleaning import clean, known_by
from promolab.contract import TABLES
from promolab.sources import load_shop
from tests.made_up import shop_of

NOW = pd.Timestamp("2017-03-01")
BEFORE, LATER = NOW - pd.Timedelta(1, "us"), NOW
WHEN = [BEFORE, LATER, None]


def rows(n: int = 3, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": list("ABCDEF"[:n])} | columns)


def ids(table, column="customer_id") -> list[str]:
    return sorted(table[column].execute())


def test_a_row_at_the_moment_is_later_in_every_table_and_one_without_a_date_or_a_plan_stays():
    dated = {name for name, spec in TABLES.items() if {"ts", "since"} & {c.name for c in spec}}
    frames = {name: rows(**{("ts" if "ts" in TABLES[name] else "since"): WHEN}) for name in dated}
    frames["promotions"] = pd.DataFrame(
        {"promotion_id": ["P"], "starts_at": [LATER], "ends_at": [LATER]}
    )
    known = known_by(shop_of(frames), NOW)
    assert {*map(tuple, (ids(known[name]) for name in dated))} == {("A", "C")}
    assert known.later == dict.fromkeys(dated, 1)
    assert int(known.promotions.count().execute()) == 1


def test_customers_who_join_later_and_chances_of_later_decisions_are_not_known():
    decisions = rows(ts=[BEFORE, LATER, LATER], decision_id=["1", "2", "1"])
    shop = shop_of(
        {
            "events": rows(3, ts=[BEFORE, LATER, LATER], kind="view"),
            # Who bought before has been there, whatever is said of them.
            "customers": rows(4, since=[LATER, LATER, BEFORE, None]),
            "decisions": decisions,
            "decision_propensities": pd.DataFrame({"decision_id": ["1", "1", "2", "9"]}),
        }
    )
    known = known_by(shop, NOW)
    assert ids(known.customers) == ["A", "C", "D"]
    assert ids(known.decision_propensities, "decision_id") == ["1", "1", "9"]
    later = {"events": 2, "customers": 1, "decisions": 2, "decision_propensities": 1}
    assert known.later == later


def test_derived_customers_are_those_seen_by_then(tmp_path):
    frame = rows(4, ts=[BEFORE, LATER, LATER, BEFORE], kind="view")
    frame = pd.concat([frame, rows(2, ts=LATER + pd.Timedelta(days=1), kind="view")])
    frame.to_parquet(tmp_path / "events.parquet")
    shop = load_shop(tmp_path)
    assert ids(shop.customers) == ["A", "B", "C", "D"]
    known = known_by(shop, NOW)
    assert ids(known.customers) == ["A", "D"] and known.later == {"customers": 2, "events": 4}


def test_a_second_cut_adds_up_and_cleaning_says_which_rows_were_dated_later():
    shop = shop_of({"events": rows(ts=[BEFORE, LATER, LATER + timedelta(hours=3)])})
    zone = timezone(timedelta(hours=2))
    first = known_by(shop, datetime(2017, 3, 1, 4, tzinfo=zone))
    assert first.later == {"events": 1}
    assert known_by(first, NOW).later == {"events": 2}
    frame = rows(ts=[BEFORE, LATER, None], kind="purchase", amount=1.0)
    _, report = clean(known_by(shop_of({"events": frame}), NOW))
    counts = {"rows_in": 3, "rows_dated_later": 1, "rows_kept": 1, "rows_quarantined": 1}
    assert report.to_dict() == {"events": counts}
    assert report.by_then["rows"].tolist() == [2]
    assert report.summary().startswith("Of 2 rows in 1 table, 1 (50.0 %) was quarantined")
    assert report.notes == ("Dated later, and not read: 1 row of events.",)
