"""Cleaning: each rule on rows counted by hand, and conservation on any rows."""

import json
from datetime import datetime, timedelta, timezone

import ibis
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from promolab.cleaning import FLAGS, QUARANTINE_RULES, clean
from promolab.contract import Settings, Shop
from tests.draws import draws
from tests.made_up import shop_of
from tests.refused import refused, spoilt

NOW = datetime(2018, 1, 1)
DAY = pd.Timestamp("2017-03-01")


def raw_shop(settings: Settings | None = None, **tables: pd.DataFrame) -> Shop:
    """Return a shop where -999 is a NaN, as a file may hold it: pandas' becomes null on its way."""
    shop = shop_of(tables)
    nan, made = ibis.literal(float("nan")), {}
    for name, table in shop.tables.items():
        marks = [c for c in table.columns if table[c].type().is_floating()]
        made[name] = table.mutate(
            **{c: ibis.ifelse(table[c] == -999, nan, table[c]) for c in marks}
        )
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
    told = [events(2, order_id=f"B{k}", **columns) for k, (columns, _) in enumerate(BREAKING)]
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
    assert all(set(row) == set(events(1)) for row in rows)
    found = sorted(zip((row["order_id"] for row in rows), quarantine["rule"], strict=True))
    assert found == [(f"B{k}", rule) for k, (_, rule) in enumerate(BREAKING) for _ in range(2)]
    figure = report.plot()
    assert f"{n} of {n + 1} rows" in figure.get_title(loc="left")
    plt.close(figure.figure)


def test_returns_are_brought_to_one_sign_and_views_left_alone():
    frame = events(
        4,
        kind=["purchase", "return", "cancel", "view"],
        amount=[5.0, -5.0, 5.0, -1.0],
        quantity=[1.0, -2.0, 3.0, -1.0],
        discount=[0.0, -1.0, 1.0, 0.0],
    )
    kept = clean(raw_shop(events=frame), NOW)[0].events.order_by("customer_id").execute()
    assert kept["amount"].tolist() == [5, 5, 5, -1]
    assert kept["quantity"].tolist() == [1, 2, 3, -1]
    assert kept["discount"].tolist() == [0, 1, 1, 0]


def test_duplicates_with_nulls_leave_one_each():
    one = events(2, product_id=["A", None], amount=[1.0, None])
    frame = pd.concat(
        [one, one, one.tail(1), one.head(1).assign(amount=1.5, order_id="O9")], ignore_index=True
    )
    cleaned, report = clean(raw_shop(events=frame), NOW)
    assert rules(report) == {("events", "duplicate"): 3}
    expected = frame.drop_duplicates().sort_values(["customer_id", "amount"])
    kept = cleaned.events.drop("flags").execute().sort_values(["customer_id", "amount"])
    pd.testing.assert_frame_equal(
        kept.reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False
    )


def promotion_tables() -> dict[str, pd.DataFrame]:
    promotions = pd.DataFrame(
        {
            "promotion_id": ["P1", "P2", "P3", "P1"],
            "kind": "coupon",
            "starts_at": pd.to_datetime(["2017-03-01", "2017-05-01", "2017-09-01", "2017-03-01"]),
            "ends_at": pd.to_datetime(["2017-04-01", "2017-04-01", "2019-06-01", "2017-04-02"]),
        }
    )
    exposures = pd.DataFrame({"promotion_id": ["P1", "P2", "P3", "P9"], "customer_id": "C0"})
    exposures["ts"] = DAY
    products = pd.DataFrame({"promotion_id": ["P1", "P2"], "product_id": "A"})
    return {"exposures": exposures, "promotion_products": products, "promotions": promotions}


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
    cleaned, report = clean(raw_shop(events=events(1), **empty), NOW)
    assert set(report.rows["rows_in"]) == {0, 1} and len(report.quarantine.execute()) == 0
    assert int(cleaned.exposures.count().execute()) == 0
    refused("no rule is broken", report.plot)


def test_flags_are_joined_and_counted():
    frame = events(
        5,
        quantity=[101.0, 0.0, 100.0, 0.0, 1.0],
        amount=[1.0, 0.0, 0.0, 0.0, 1.0],
        product_id=["A", "A", None, "A", "B"],
        kind=["purchase"] * 3 + ["view", "purchase"],
    )
    known = {
        "products": pd.DataFrame({"product_id": ["A"], "category": ["X"]}),
        "customers": pd.DataFrame({"customer_id": ["C0", "C1", "C2"]}),
    }
    stated = Settings(zone="UTC", odd_quantity=100)
    cleaned, report = clean(raw_shop(stated, events=frame, **known), NOW)
    kept = cleaned.events.order_by("customer_id").execute()
    expected = ["odd_unit", "zero_quantity;zero_amount", "zero_amount", "", "unknown_product"]
    assert kept["flags"].tolist() == expected
    told = {"odd_unit": 1, "zero_quantity": 1, "zero_amount": 2, "unknown_product": 1}
    assert rules(report, "flagged") == {("events", flag): rows for flag, rows in told.items()}
    assert rules(report) == {}
    assert "2 rows of events kept, of customers that customers lacks" in report.summary()
    assert set(report.rules["rule"]) <= set(QUARANTINE_RULES) | {flag.name for flag in FLAGS}


def odd_lines(**columns: object) -> list[int]:
    """Return the places of the lines whose unit is odd."""
    frame = events(len(columns["quantity"]), **columns)  # type: ignore[arg-type]
    frame["customer_id"] = [f"C{i:05}" for i in range(len(frame))]
    kept = clean(raw_shop(events=frame), NOW)[0].events.order_by("customer_id").execute()
    odd: list[int] = kept.index[kept["flags"].str.contains("odd_unit")].tolist()
    return odd


def test_hundreds_on_a_line_are_usual_in_wholesale():
    rng = np.random.default_rng(0)
    quantity = rng.choice([144.0, 288.0, 500.0, 1_000.0, 6.0], 400)
    product = [f"P{i % 20}" for i in range(400)]
    assert odd_lines(quantity=quantity, product_id=product) == []
    slip = np.append(quantity, 144_000.0)
    assert odd_lines(quantity=slip, product_id=[*product, "P3"]) == [400]


def test_a_product_that_is_sold_in_a_unit_like_no_other_is_odd():
    groceries = [float(1 + i % 3) for i in range(60)]
    product = [f"P{i % 12}" for i in range(60)]
    fuel = [9_000.0, 12_000.0, 700.0, 15_000.0, 80.0]
    places = odd_lines(quantity=groceries + fuel, product_id=product + ["FUEL"] * 5)
    # A little fuel is no more than many of something else could be.
    assert places == [60, 61, 62, 63]
    # One line alone of a product never sold before.
    assert odd_lines(quantity=[*groceries, 99_999.0], product_id=[*product, "NEW"]) == [60]
    # Without a product all lines are of one.
    frame = events(62, quantity=[*groceries, 99_999.0, 2.0]).drop(columns="product_id")
    flags = clean(raw_shop(events=frame), NOW)[0].events.execute()["flags"]
    assert flags.tolist().count("odd_unit") == 1


def test_the_grocer_states_its_limit_and_its_fuel_stays_what_it_was():
    from promolab.cleaning.quarantine import with_flags
    from promolab.sources import load_shop

    shop = load_shop("complete_journey")
    assert shop.settings.odd_quantity == 100
    flagged = with_flags(shop.events.select("customer_id", "ts", "kind", "quantity"), shop)
    assert int(flagged.filter(flagged.flags.contains("odd_unit")).count().execute()) == 13_510


def test_purchases_without_a_time_of_day_are_said_so():
    days = pd.to_datetime([f"2017-03-{d:02}" for d in range(1, 11)])
    zone = Settings(zone="America/New_York")
    local = days + pd.Timedelta(hours=5)
    said = clean(raw_shop(zone, events=events(10, ts=local)), NOW)[1].notes
    assert said == ("Purchases have a date and no time of day: the hours of orders are not known.",)
    as_utc = clean(raw_shop(zone, events=events(10, ts=days)), NOW)[1].notes
    assert as_utc[0].startswith(said[0]) and 'naive_times = "local"' in as_utc[0]
    mixed = local.where(np.arange(10) < 3, local + pd.Timedelta("3h 1s"))
    some = clean(raw_shop(zone, events=events(10, ts=mixed)), NOW)[1].notes[0]
    assert some.startswith("30 % of purchases have a date and no time of day")
    timed = local + pd.Timedelta("3h")
    assert clean(raw_shop(zone, events=events(10, ts=timed)), NOW)[1].notes == ()


def test_an_extreme_customer_is_flagged_by_orders_per_local_day():
    # 12 orders around midnight UTC are one evening in New York; over two UTC days they are 6 a day.
    times = pd.date_range("2017-03-01T21:00", periods=12, freq="30min")
    robot = events(12, customer_id="R", ts=times)
    frame = pd.concat([robot, events(3)], ignore_index=True)
    kept = clean(raw_shop(Settings(zone="America/New_York"), events=frame), NOW)[0].events.execute()
    assert set(kept.loc[kept["customer_id"] == "R", "flags"]) == {"extreme_customer"}
    assert set(kept.loc[kept["customer_id"] != "R", "flags"]) == {""}
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
    cleaned, report = clean(raw_shop(events=frame), NOW)
    assert rules(report) == {("events", "outside_life"): 4}
    assert cleaned.events.customer_id.execute().tolist() == ["C3", "C4"]
    assert raw_shop(events=frame).span() == (datetime(1971, 1, 1), datetime(2017, 3, 1))
    old = raw_shop(Settings(zone="UTC", opened="1850-01-01"), events=frame)
    assert rules(clean(old, NOW)[1]) == {("events", "outside_life"): 2}
    assert old.span()[0] == datetime(1900, 1, 1)
    # Now may carry a zone.
    shop = raw_shop(events=events(2, ts=[DAY, DAY + timedelta(hours=1)]))
    ahead = datetime(2017, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=9)))
    assert rules(clean(shop, ahead)[1]) == {("events", "outside_life"): 1}


def test_markup_and_not_finite_values_survive_as_json():
    frame = events(3, product_id='<script>alert("x")</script>', amount=[1.0, np.inf, 1.0])
    frame.loc[2, "kind"] = "buy"
    cleaned, report = clean(raw_shop(events=frame), NOW)
    rows = [json.loads(row) for row in report.quarantine.execute()["row"]]
    assert [row["amount"] for row in rows] == ["inf", 1.0]
    products = {row["product_id"] for row in rows} | set(cleaned.events.product_id.execute())
    assert products == {'<script>alert("x")</script>'}
    assert "<script>" not in report._repr_html_()


ROW = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["C1", "C2", None, ""]),
        "ts": st.sampled_from([DAY, pd.Timestamp("2019-01-01"), pd.NaT]),
        "kind": st.sampled_from(["purchase", "return", "view", "buy", None]),
        "amount": st.sampled_from([1.0, 0.0, -1.0, float("inf"), -999.0, None]),
        "quantity": st.sampled_from([1.0, -1.0, 101.0]),
    }
)
SOUND = {"customer_id": "C1", "ts": DAY, "kind": "purchase", "amount": 9.0, "quantity": 1.0}


def plain_verdict(row: pd.Series) -> str:
    """Say which rule a row breaks first, in plain Python."""
    if row["customer_id"] == "" or row[["customer_id", "ts", "kind"]].isna().any():
        return "missing_key"
    if row["kind"] == "buy":
        return "unknown_kind"
    if row["kind"] != "view" and row["amount"] in (float("inf"), -999.0):
        return "not_finite"
    if row["kind"] == "purchase" and row["amount"] < 0:
        return "negative_amount"
    if row["kind"] == "purchase" and row["quantity"] < 0:
        return "negative_quantity"
    return "outside_life" if row["ts"] > NOW else ""


@settings(max_examples=draws(4, most=100))  # of more rows: what takes time is the same for each
@given(st.lists(ROW, max_size=60))
def test_rows_in_are_rows_kept_and_rows_quarantined(rows):
    frame = pd.DataFrame([*rows, SOUND])
    frame["ts"] = pd.to_datetime(frame["ts"])
    frame["amount"] = frame["amount"].astype(float)
    cleaned, report = clean(raw_shop(events=frame), NOW)
    verdict = frame.apply(plain_verdict, axis=1)
    good = frame[verdict == ""]
    expected = verdict[verdict != ""].value_counts().to_dict()
    twins = int(good.duplicated().sum())
    expected |= {"duplicate": twins} if twins else {}
    assert {rule: n for (_, rule), n in rules(report).items()} == expected
    kept, quarantined = int(cleaned.events.count().execute()), len(report.quarantine.execute())
    assert kept == len(good) - twins and kept + quarantined == len(frame)
    told = report.to_dict()["events"]
    assert [*told.values()] == [len(frame), 0, kept, quarantined]


def test_equal_lines_of_an_order_are_pieces_and_an_order_that_stands_twice_is_one():
    lines = {
        "pieces": ["milk", "milk", "bread"],  # three lines, and all of them stay
        "twice": ["milk", "bread", "milk", "bread"],
        "alone": ["milk", "milk"],
        "pieces, twice": ["milk", "milk", "milk", "milk", "bread", "bread"],
        None: ["milk", "milk"],
    }
    rows = [(order, product) for order, products in lines.items() for product in products]
    ids, products = zip(*rows, strict=True)
    frame = events(len(rows), customer_id="C", order_id=ids, product_id=products)
    shop = raw_shop(events=frame)
    cleaned, report = clean(shop, NOW)
    kept = cleaned.events.execute().groupby("order_id", dropna=False)["product_id"].apply(sorted)
    assert kept.to_dict() == {
        "pieces": ["bread", "milk", "milk"],
        "twice": ["bread", "milk"],
        "alone": ["milk"],
        "pieces, twice": ["bread", "milk", "milk"],
        np.nan: ["milk"],
    }
    assert rules(report) == {("events", "duplicate"): 7}
    assert [f.rows for f in shop.check().findings if f.check == "duplicate"] == [7]


def test_orders_that_did_not_count_go_in_a_line_of_their_own():
    status = ["completed", "Cancelled", None, "refunded", "on its way", "unpaid"]
    shop = raw_shop(events=events(6, order_status=status, amount=[10.0, 30, 20, 15, 20, 5]))
    cleaned, report = clean(shop, NOW)
    assert rules(report) == {("events", "not_counted"): 3}
    assert sorted(cleaned.events.customer_id.execute()) == ["C0", "C2", "C4"]
    assert report.left_out(cleaned).sentences() == [
        "3 rows of events, an order that did not count (cancelled, refunded or not paid): 50 USD, "
        "50.0 % of sales."
    ]
    (found,) = [f for f in shop.check().findings if f.check == "not_counted"]
    assert found.rows == 3 and "says in 3 rows that the order did not count" in found.sentence
