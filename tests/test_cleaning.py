"""Cleaning: each rule by hand, conservation on any rows, and what was known by a moment."""

import json
from datetime import datetime, timedelta, timezone

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promolab.cleaning import FLAGS, QUARANTINE_RULES, clean, known_by
from promolab.contract import TABLES, Settings, Shop
from promolab.sources import load_shop
from tests.draws import draws
from tests.made_up import shop_of
from tests.refused import refused, spoilt

NOW = datetime(2018, 1, 1)
DAY = pd.Timestamp("2017-03-01")


def raw_shop(settings: Settings | None = None, **tables: pd.DataFrame) -> Shop:
    """Return a shop where -999 is a NaN, as a file may hold it: pandas' becomes null on its way."""
    shop, nan, made = shop_of(tables), ibis.literal(float("nan")), {}
    for name, table in shop.tables.items():
        floats = [c for c, kind in table.schema().items() if kind.is_floating()]
        made[name] = table.mutate(**{c: (table[c] == -999).ifelse(nan, table[c]) for c in floats})
    return Shop(made, settings or shop.settings)


def events(n: int, **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": [f"C{i}" for i in range(n)]}).assign(
        ts=DAY, kind="purchase", product_id="A", order_id=[f"O{i}" for i in range(n)]
    )
    return frame.assign(quantity=1.0, amount=1.0, discount=0.0).assign(**columns)


def rules(report, action="quarantined") -> dict[tuple[str, str], int]:
    frame = report.rules[report.rules["action"] == action]
    return {(r["table"], r["rule"]): int(r["rows"]) for _, r in frame.iterrows()}


BREAKING: list[tuple[dict[str, list[object]], str]] = [
    ({"customer_id": [None, " "]}, "missing_key"),
    ({"ts": [None, None], "kind": ["purchase", "buy"], "amount": [1, -999]}, "missing_key"),
    ({"kind": [None, None]}, "missing_key"),
    ({"kind": ["Purchase", "buy"]}, "unknown_kind"),
    ({"amount": [np.inf, -999]}, "not_finite"),
    ({"quantity": [-np.inf, -999]}, "not_finite"),
    ({"amount": [-0.01, -5]}, "negative_amount"),
    ({"quantity": [-1, -2]}, "negative_quantity"),
    ({"discount": [-1, -2]}, "negative_discount"),
    ({"ts": [pd.Timestamp("2018-01-02"), pd.Timestamp("2016-01-01")]}, "outside_life"),
]
"""Values of a column in each of two rows, and the rule that both break first."""


def test_each_row_breaks_its_rule():
    told = [
        events(2, order_id=f"B{k}", product_id="<b>A</b>", **columns)
        for k, (columns, _) in enumerate(BREAKING)
    ]
    sound = events(1, amount=0.0, quantity=0.0)
    frame = pd.concat([sound, *told], ignore_index=True)
    shop = raw_shop(Settings(zone="UTC", opened="2017-01-01"), events=frame)
    cleaned, report = clean(shop, NOW)
    assert cleaned.cleaned and cleaned.events.customer_id.execute().tolist() == ["C0"]
    broken = [rule for _, rule in BREAKING for _ in range(2)]
    assert rules(report) == {("events", rule): broken.count(rule) for rule in broken}
    n = len(broken)
    counts = {"rows_in": n + 1, "rows_dated_later": 0, "rows_kept": 1, "rows_quarantined": n}
    assert report.to_dict() == {"events": counts}
    quarantine = report.quarantine.execute()
    rows = [json.loads(row) for row in quarantine["row"]]
    assert all(set(row) == set(events(1)) and row["product_id"] == "<b>A</b>" for row in rows)
    assert "inf" in [row["amount"] for row in rows] and "<b>A" not in report._repr_html_()
    found = sorted(zip((row["order_id"] for row in rows), quarantine["rule"], strict=True))
    assert found == [(f"B{k}", rule) for k, (_, rule) in enumerate(BREAKING) for _ in range(2)]
    assert f"{n} of {n + 1} rows quarantined" in report.plot().get_title(loc="left")


def test_returns_are_brought_to_one_sign_and_views_left_alone():
    frame = events(4, kind=["purchase", "return", "cancel", "view"], amount=[5.0, -5, 5, -1])
    frame = frame.assign(quantity=[1.0, -2, 3, -1], discount=[0.0, -1, 1, 0])
    kept = clean(raw_shop(events=frame), NOW)[0].events.order_by("customer_id").execute()
    told = kept[["amount", "quantity", "discount"]].to_dict("list")
    assert told == {"amount": [5, 5, 5, -1], "quantity": [1, 2, 3, -1], "discount": [0, 1, 1, 0]}


def promotion_tables() -> dict[str, pd.DataFrame]:
    promotions = pd.DataFrame({"promotion_id": ["P1", "P2", "P3", "P1"], "kind": "coupon"}).assign(
        starts_at=pd.to_datetime(["2017-03-01", "2017-05-01", "2017-09-01", "2017-03-01"]),
        ends_at=pd.to_datetime(["2017-04-01", "2017-04-01", "2019-06-01", "2017-04-02"]),
    )
    exposures = pd.DataFrame({"promotion_id": ["P1", "P2", "P3", "P9"], "customer_id": "C0"})
    products = pd.DataFrame({"promotion_id": ["P1", "P2"], "product_id": "A"})
    tables = {"exposures": exposures.assign(ts=DAY), "promotion_products": products}
    return tables | {"promotions": promotions}


def test_what_belongs_to_a_promotion_goes_with_it():
    cleaned, report = clean(raw_shop(events=events(1), **promotion_tables()), NOW)
    assert rules(report) == {
        ("promotions", "ends_before_start"): 1,
        ("promotions", "repeated_key"): 1,
        ("exposures", "unknown_promotion"): 2,
        ("promotion_products", "unknown_promotion"): 1,
    }
    assert list(cleaned.tables) == ["events", "exposures", "promotion_products", "promotions"]
    assert sorted(cleaned.exposures.promotion_id.execute()) == ["P1", "P3"]
    first = cleaned.promotions.filter(cleaned.promotions.promotion_id == "P1").execute()
    assert first["ends_at"].tolist() == [pd.Timestamp("2017-04-01")]


def test_without_promotions_or_with_empty_tables_nothing_breaks():
    tables = promotion_tables()
    assert rules(clean(raw_shop(events=events(1), exposures=tables["exposures"]), NOW)[1]) == {}
    empty = {name: df.head(0) for name, df in tables.items()}
    _, report = clean(raw_shop(events=events(1), **empty), NOW)
    assert set(report.rows["rows_kept"]) == {0, 1} and len(report.quarantine.execute()) == 0
    refused("no rule is broken", report.plot)


def test_flags_are_joined_and_counted():
    frame = events(5, quantity=[101.0, 0, 100, 0, 1], amount=[1.0, 0, 0, 0, 1])
    frame["product_id"], frame.loc[3, "kind"] = ["A", "A", None, "A", "B"], "view"
    products = pd.DataFrame({"product_id": ["A"], "category": ["X"]})
    customers = pd.DataFrame({"customer_id": ["C0", "C1", "C2"]})
    known = {"products": products, "customers": customers}
    stated = Settings(zone="UTC", odd_quantity=100)
    cleaned, report = clean(raw_shop(stated, events=frame, **known), NOW)
    kept = cleaned.events.order_by("customer_id").execute()
    expected = ["odd_unit", "zero_quantity;zero_amount", "zero_amount", "", "unknown_product"]
    assert kept["flags"].tolist() == expected
    told = {"odd_unit": 1, "zero_quantity": 1, "zero_amount": 2, "unknown_product": 1}
    assert rules(report, "flagged") == {("events", flag): rows for flag, rows in told.items()}
    assert "2 rows of events kept, of customers that customers lacks" in report.summary()
    assert set(report.rules["rule"]) <= set(QUARANTINE_RULES) | {flag.name for flag in FLAGS}


def odd_lines(quantity, **columns):
    """Return the places of the lines whose unit is odd."""
    frame = events(len(quantity), quantity=quantity, **columns).dropna(axis="columns", how="all")
    frame["customer_id"] = range(len(frame))
    kept = clean(raw_shop(events=frame), NOW)[0].events.order_by("customer_id").execute()
    return kept.index[kept["flags"].str.contains("odd_unit")].tolist()


def test_hundreds_on_a_line_are_usual_in_wholesale_and_a_unit_like_no_other_is_odd():
    quantity = np.random.default_rng(0).choice([144.0, 288.0, 500.0, 1_000.0, 6.0], 400)
    product = [f"P{i % 20}" for i in range(400)]
    slip = np.append(quantity, 144_000.0)
    assert odd_lines(slip, product_id=[*product, "P3"]) == [400]
    groceries = [float(1 + i % 3) for i in range(60)]
    product = [f"P{i % 12}" for i in range(60)]
    fuel = [9_000.0, 12_000.0, 700.0, 15_000.0, 80.0]
    # A little fuel is no more than many of something else could be; and one line alone of a
    # product never sold before.
    lines = [*groceries, *fuel, 99_999.0]
    assert odd_lines(lines, product_id=[*product, *["FUEL"] * 5, "NEW"]) == [60, 61, 62, 63, 65]
    # Without a product all lines are of one.
    assert odd_lines([*groceries, 99_999.0, 2.0], product_id=None) == [60]


def test_purchases_without_a_time_of_day_are_said_so():
    days = pd.to_datetime([f"2017-03-{d:02}" for d in range(1, 11)])
    zone = Settings(zone="America/New_York")
    local = days + pd.Timedelta(hours=5)
    said = clean(raw_shop(zone, events=events(10, ts=local)), NOW)[1].notes
    assert said[0].startswith("100 % of purchases have a date and no time of day")
    as_utc = clean(raw_shop(zone, events=events(10, ts=days)), NOW)[1].notes
    assert as_utc[0].startswith(said[0]) and 'naive_times = "local"' in as_utc[0]
    for dated, notes in ((3, ["30 %"]), (0, [])):
        mixed = local.where(np.arange(10) < dated, local + pd.Timedelta("3h 1s"))
        some = clean(raw_shop(zone, events=events(10, ts=mixed)), NOW)[1].notes
        assert [note[:4] for note in some] == notes


def test_an_extreme_customer_is_flagged_by_orders_per_local_day():
    # 12 orders around midnight UTC are one evening in New York; over two UTC days they are 6 a day.
    times = pd.date_range("2017-03-01T21:00", periods=12, freq="30min")
    robot = events(12, customer_id="R", ts=times)
    frame = pd.concat([robot, events(3)], ignore_index=True)
    kept = clean(raw_shop(Settings(zone="America/New_York"), events=frame), NOW)[0].events.execute()
    assert (kept["flags"] == np.where(kept["customer_id"] == "R", "extreme_customer", "")).all()
    calm = clean(raw_shop(events=frame), NOW)[0].events.execute()
    assert set(calm["flags"]) == {""}


def test_what_cannot_be_read_is_refused():
    for frame, said in [
        (events(2, customer_id=[1.0, 2.0]), "floats lose digits"),
        (events(2).drop(columns="kind"), "lacks the required column 'kind'"),
        (events(1).head(0), "events is empty"),
        (events(2, amount=-1.0), r"no row of events is left.*negative_amount: 2"),
    ]:
        spoilt(said, clean, raw_shop(events=frame), NOW)


def test_times_that_stand_for_none_go_by_default_and_stay_where_the_opening_says_so():
    times = ["0001-01-01", "1900-01-01", "1970-01-01", "1971-01-01", "2017-03-01", "9999-12-31"]
    frame = events(6, ts=pd.Series(np.array(times, dtype="datetime64[us]")))
    shop, old = (
        raw_shop(Settings(zone="UTC", opened=opened), events=frame)
        for opened in (None, "1850-01-01")
    )
    assert clean(shop, NOW)[0].events.customer_id.execute().tolist() == ["C3", "C4"]
    assert shop.span() == (datetime(1971, 1, 1), datetime(2017, 3, 1))
    assert rules(clean(old, NOW)[1]) == {("events", "outside_life"): 2}
    assert old.span()[0] == datetime(1900, 1, 1)
    # Now may carry a zone.
    shop = raw_shop(events=events(2, ts=[DAY, DAY + timedelta(hours=1)]))
    ahead = datetime(2017, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=9)))
    assert rules(clean(shop, ahead)[1]) == {("events", "outside_life"): 1}


ROW = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["C1", "C2", None, ""]),
        "ts": st.sampled_from([DAY, pd.Timestamp("2019-01-01"), pd.NaT]),
        "kind": st.sampled_from(["purchase", "return", "view", "buy", None]),
        "amount": st.sampled_from([1.0, 0.0, -1.0, float("inf"), -999.0, None]),
        "quantity": st.sampled_from([1.0, -1.0, 101.0]),
    }
)


@settings(max_examples=draws(2, most=100))  # of more rows: what takes time is the same for each
@given(st.lists(ROW, max_size=60))
def test_rows_in_are_rows_kept_and_rows_quarantined_and_what_is_kept_breaks_no_rule(rows):
    sound = {"customer_id": "C1", "ts": DAY, "kind": "purchase", "amount": 9.0, "quantity": 1.0}
    frame = pd.DataFrame([*rows, sound]).astype({"ts": "datetime64[us]", "amount": float})
    cleaned, report = clean(raw_shop(events=frame), NOW)
    kept, quarantined = int(cleaned.events.count().execute()), len(report.quarantine.execute())
    assert kept + quarantined == len(frame)
    assert [*report.to_dict()["events"].values()] == [len(frame), 0, kept, quarantined]
    again, nothing = clean(cleaned, NOW)
    assert rules(nothing) == {} and int(again.events.count().execute()) == kept


def test_equal_lines_of_an_order_are_pieces_and_an_order_that_stands_twice_is_one():
    orders: dict[str | None, tuple[str, str]] = {  # what stands there, and what stays
        "pieces": ("milk milk bread", "bread milk milk"),
        "twice": ("milk bread milk bread", "bread milk"),
        "alone": ("milk milk", "milk"),
        "pieces, twice": ("milk milk milk milk bread bread", "bread milk milk"),
        None: ("milk milk", "milk"),
    }
    rows = [(order, product) for order, told in orders.items() for product in told[0].split()]
    ids, products = zip(*rows, strict=True)
    shop = raw_shop(events=events(len(rows), customer_id="C", order_id=ids, product_id=products))
    cleaned, report = clean(shop, NOW)
    frame = cleaned.events.execute()
    kept = frame.groupby(frame["order_id"].fillna("none"))["product_id"].apply(sorted)
    assert kept.to_dict() == {order or "none": told[1].split() for order, told in orders.items()}
    assert rules(report) == {("events", "duplicate"): 7}
    assert [f.rows for f in shop.check().findings if f.check == "duplicate"] == [7]


def test_orders_that_did_not_count_go_in_a_line_of_their_own():
    status = ["completed", "Cancelled", None, "refunded", "on its way", "unpaid"]
    shop = raw_shop(events=events(6, order_status=status, amount=[10.0, 30, 20, 15, 20, 5]))
    cleaned, report = clean(shop, NOW)
    assert rules(report) == {("events", "not_counted"): 3}
    assert sorted(cleaned.events.customer_id.execute()) == ["C0", "C2", "C4"]
    (said,) = report.left_out(cleaned).sentences()
    assert said.endswith("refunded or not paid): 50 USD, 50.0 % of sales.")
    (found,) = [f for f in shop.check().findings if f.check == "not_counted"]
    assert found.rows == 3 and "says in 3 rows that the order did not count" in found.sentence


def test_what_is_left_out_has_its_money_beside_it():
    who, amount = ["A", None, "", None, "B", "B", "C", "C"], [60.0, 25, 5, None, 8, -7, 2, 2]
    frame = events(8, customer_id=who, amount=amount, kind=["purchase"] * 3 + ["view"] * 5)
    frame.loc[4:, "kind"], frame.loc[4, "ts"] = "purchase", pd.NaT
    shop = raw_shop(events=frame.drop(columns="order_id"))
    cleaned, report = clean(shop, NOW)
    found = report.left_out(cleaned)
    table = found.table.set_index("reason")
    # 60 + 2 were kept; 30 + 8 − 7 + 2 were left out.
    told = table.loc["without customer", ["rows", "sales", "share"]].tolist()
    assert told == [3, 30.0, pytest.approx(30 / 95)]
    assert found.table["rows"].sum() == report.rows["rows_quarantined"].sum()
    assert found.sentences()[0] == "3 rows of events, without customer: 30 USD, 31.6 % of sales."
    bare = raw_shop(events=frame.filter(["customer_id", "ts", "kind"]).head(4))
    cleaned, report = clean(bare, NOW)
    assert report.left_out(cleaned).summary() == "3 rows of events, without customer."
    assert clean(cleaned, NOW)[1].left_out(cleaned).summary() == "No row was left out."


MOMENT = pd.Timestamp("2017-03-01")
BEFORE, LATER = MOMENT - pd.Timedelta(1, "us"), MOMENT
WHEN = [BEFORE, LATER, None]


def rows(n=3, **columns):
    return pd.DataFrame({"customer_id": list("ABCDEF"[:n])} | columns)


def ids(table, column="customer_id"):
    return sorted(table[column].execute())


def test_a_row_at_the_moment_is_later_in_every_table_and_one_without_a_date_or_a_plan_stays():
    dated = {name for name, spec in TABLES.items() if {"ts", "since"} & {c.name for c in spec}}
    frames = {name: rows(**{("ts" if "ts" in TABLES[name] else "since"): WHEN}) for name in dated}
    planned = {"promotion_id": ["P"], "starts_at": [LATER], "ends_at": [LATER]}
    frames["promotions"] = pd.DataFrame(planned)
    known = known_by(shop_of(frames), MOMENT)
    assert {*map(tuple, (ids(known[name]) for name in dated))} == {("A", "C")}
    assert known.later == dict.fromkeys(dated, 1)
    assert int(known.promotions.count().execute()) == 1


def test_customers_who_join_later_and_chances_of_later_decisions_are_not_known():
    frames = {
        "events": rows(3, ts=[BEFORE, LATER, LATER], kind="view"),
        # Who bought before has been there, whatever is said of them.
        "customers": rows(4, since=[LATER, LATER, BEFORE, None]),
        "decisions": rows(ts=[BEFORE, LATER, LATER], decision_id=["1", "2", "1"]),
        "decision_propensities": pd.DataFrame({"decision_id": ["1", "1", "2", "9"]}),
    }
    known = known_by(shop_of(frames), MOMENT)
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
    known = known_by(shop, MOMENT)
    assert ids(known.customers) == ["A", "D"] and known.later == {"customers": 2, "events": 4}


def test_a_second_cut_adds_up_and_cleaning_says_which_rows_were_dated_later():
    shop = shop_of({"events": rows(ts=[BEFORE, LATER, LATER + timedelta(hours=3)])})
    zone = timezone(timedelta(hours=2))
    first = known_by(shop, datetime(2017, 3, 1, 4, tzinfo=zone))
    assert first.later == {"events": 1}
    assert known_by(first, MOMENT).later == {"events": 2}
    frame = rows(ts=[BEFORE, LATER, None], kind="purchase", amount=1.0)
    _, report = clean(known_by(shop_of({"events": frame}), MOMENT))
    counts = {"rows_in": 3, "rows_dated_later": 1, "rows_kept": 1, "rows_quarantined": 1}
    assert report.to_dict() == {"events": counts}
    assert report.by_then["rows"].tolist() == [2]
    assert report.notes == ("Dated later, and not read: 1 row of events.",)
