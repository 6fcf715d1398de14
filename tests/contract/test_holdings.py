"""What a table holds, counted by hand on tiny tables."""

from datetime import date, datetime
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab.contract import Settings, Shop
from promolab.report.data import table_holdings as module
from promolab.report.data.table_holdings import Gap, holdings, numbers_of
from tests.made_up import shop_of

NOW = datetime(2018, 1, 1)


def corner(zone: str = "UTC", **tables: pd.DataFrame) -> Shop:
    return shop_of(tables, name="Corner", zone=zone, opened="2016-01-01")


def events(times: list[str | None], **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": "A", "ts": pd.to_datetime(times), "kind": "view"})
    return frame.assign(**columns)


def held(shop: Shop, name: str = "events"):
    return next(each for each in holdings(shop, now=NOW) if each.name == name)


def column(shop: Shop, name: str, table: str = "events"):
    return next(each for each in held(shop, table).columns if each.name == name)


def test_days_are_local_also_by_half_hours_and_gaps_are_named_longest_first():
    # 04:30 UTC is still the day before in New York in winter, and 03:30 is in summer.
    times = ["2017-01-02 04:30", "2017-01-02 05:30", "2017-01-04 12:00", "2017-07-02 03:30"]
    found = held(corner("America/New_York", events=events(times)))
    expected = {date(2017, 1, 1): 1, date(2017, 1, 2): 1, date(2017, 1, 4): 1, date(2017, 7, 1): 1}
    assert dict(found.days) == expected and (found.span, found.missing_days) == (182, 178)
    long = Gap(date(2017, 1, 5), date(2017, 6, 30), 177)
    assert found.gaps() == [long, Gap(date(2017, 1, 3), date(2017, 1, 3), 1)]
    assert sum(gap.days for gap in found.gaps()) == found.missing_days
    assert found.gaps(1) == found.gaps()[:1]
    shop = corner("Asia/Kolkata", events=events(["2017-01-01 18:29", "2017-01-01 18:31"]))
    assert list(held(shop).days) == [date(2017, 1, 1), date(2017, 1, 2)]
    shop = corner(events=events(["1969-12-31 23:59"]))
    shop = Shop(shop.tables, Settings(zone="UTC", opened="1960-01-01"))
    assert list(held(shop).days) == [date(1969, 12, 31)]


def test_times_out_of_range_are_no_days_and_an_empty_table_has_none():
    times = ["2017-03-01", "0001-01-01", "1900-01-01", "1970-01-01", "9999-12-31 23:59"]
    frame = events([None] * 5).assign(ts=[datetime.fromisoformat(t) for t in times])
    frame["ts"] = frame["ts"].astype("datetime64[us]")
    shop = corner(events=frame)
    found = held(Shop(shop.tables, Settings(zone="Asia/Tokyo")))
    assert list(found.days) == [date(2017, 3, 1)] and found.outside == 4
    # Of another table, whose times may lie ahead, no day is told at the ends either.
    reviews = frame.drop(columns="kind").assign(product_id="P", rating=5)
    found = held(Shop(corner(reviews=reviews).tables, Settings(zone="Asia/Tokyo")), "reviews")
    assert list(found.days) == [date(1900, 1, 1), date(1970, 1, 1), date(2017, 3, 1)]
    moments = ["2017-03-01", "2017-03-02", "2099-01-01", "1900-01-01", None]
    found = held(corner(events=events(moments)))
    assert (found.rows, found.span, found.missing_days, found.outside) == (5, 2, 0, 2)
    # A promotion may well start tomorrow; it has no ts, and so no days.
    starts = pd.DataFrame({"promotion_id": [1], "kind": "coupon", "starts_at": [pd.Timestamp(NOW)]})
    assert held(corner(promotions=starts), "promotions").span == 0
    found = held(corner(events=events([]).astype({"customer_id": str, "kind": str})))
    assert (found.rows, found.span, found.kinds) == (0, 0, ())
    assert all(c.filled == 0 and c.frequent == () and c.numbers is None for c in found.columns)


def test_kinds_have_all_rows_and_values_that_look_personal_are_never_told():
    frame = events(["2017-03-01"] * 4, kind=["buy", "view", "view", None])
    assert held(corner(events=frame)).kinds == (("view", 2), ("buy", 1), (None, 1))
    kinds = ["view", "ana@example.org", "bo@example.org", "+49 171 1234567"] + ["click"] * 2
    frame = events(["2017-03-01"] * 6, kind=kinds)
    goods = pd.DataFrame({"product_id": range(6), "category": ["TEA", "cy@example.org"] * 3})
    shop = corner(events=frame, products=goods)
    mail, phone = (f"a value that looks like a{it}" for it in ("n e-mail address", " phone number"))
    assert held(shop).kinds == ((mail, 2), ("click", 2), (phone, 1), ("view", 1))
    assert column(shop, "category", "products").frequent == (("TEA", 3), (mail, 3))


def test_columns_of_each_role_words_of_most_rows_and_dozens_of_columns():
    table: dict[str, Any] = {"product_id": ["A", "B", "C", None]}
    table |= {"category": ["TEA", "TEA", "MUGS", None], "private_label": [True, False, True, None]}
    table |= {"margin_rate": [0.1, 0.2, np.nan, None]}
    table |= {"since": pd.to_datetime(["2017-01-01", "2017-01-03", None, "2017-01-02"])}
    table |= {"shelf_id": [1, 2, 3, 4], "supplier": ["a@b.org", "c@d.org", None, None]}
    frame = pd.DataFrame(table)
    shop = corner(products=frame)
    columns = {each.name: each for each in held(shop, "products").columns}
    expected = {"product_id": "id", "category": "text", "private_label": "flag"}
    expected |= {"margin_rate": "number", "since": "time", "shelf_id": "id", "supplier": "personal"}
    assert {n: c.role for n, c in columns.items()} == expected
    assert [c.filled for c in columns.values()] == [3, 3, 3, 2, 3, 4, 2]
    assert columns["category"].frequent == (("TEA", 2), ("MUGS", 1))
    assert columns["private_label"].true == 2 and columns["since"].first == datetime(2017, 1, 1)
    assert columns["since"].last == datetime(2017, 1, 3)
    assert [columns[n].distinct for n in ("product_id", "category", "shelf_id")] == [3, 2, 4]
    assert columns["supplier"].frequent == () and columns["product_id"].frequent == ()
    assert [n for n, c in columns.items() if not c.used] == ["since", "shelf_id", "supplier"]
    texts = [f"remark {n}" for n in range(30)]
    frame = events(["2017-03-01"] * 30, note=texts, device=["web"] * 30)
    shop = corner(events=frame)
    assert column(shop, "note").frequent == () and column(shop, "note").distinct == 30
    assert column(shop, "device").frequent == (("web", 30),)
    wide = pd.DataFrame(np.zeros((2, 60), dtype="int8"), columns=[f"x{n}" for n in range(60)])
    frame = pd.concat([pd.DataFrame({"product_id": ["A", "B"], "category": "TEA"}), wide], axis=1)
    found = held(corner(products=frame), "products")
    assert len(found.columns) == module.MOST_COLUMNS
    assert [c.name for c in found.columns[:2]] == ["product_id", "category"]
    assert len(found.columns) + found.not_shown == 62


def test_large_tables_count_different_values_in_one_sketch(monkeypatch):
    shop = corner(events=events(["2017-03-01"] * 50, product_id=[f"P{n}" for n in range(50)]))
    assert column(shop, "product_id").exact
    monkeypatch.setattr(module, "EXACT_ROWS", 49)
    about = column(shop, "product_id")
    assert not about.exact and 35 <= about.distinct <= 50


def table_of(values: object):
    return ibis.duckdb.connect().create_table("t", pd.DataFrame({"x": values}))


@pytest.mark.parametrize("seed", [0, 1])
def test_numbers_agree_with_numpy_to_half_a_percent(seed):
    draw = np.random.default_rng(seed)
    values = np.round(draw.lognormal(3, 1.5, 5_001) * draw.choice([1, 1, 1, -1], 5_001), 2)
    found = numbers_of(table_of(values), "x")
    assert found is not None and (found.least, found.most) == (values.min(), values.max())
    assert found.middle == pytest.approx(np.median(values), rel=0.005)
    assert found.low == pytest.approx(np.quantile(values, 0.01, method="inverted_cdf"), rel=0.01)
    assert found.high == pytest.approx(np.quantile(values, 0.99, method="inverted_cdf"), rel=0.01)
    inside = ((values >= found.low) & (values <= found.high)).sum()
    assert sum(found.bars) == pytest.approx(inside, abs=5)
    counts, _ = np.histogram(values, len(found.bars), (found.low, found.high))
    # A class may straddle the edge of a bar.
    assert np.abs(counts - np.array(found.bars)).sum() < 0.06 * len(values)


def test_whole_numbers_have_a_bar_each_and_what_is_not_finite_is_left_out():
    found = numbers_of(table_of([1, 1, 1, 2, 2, 5]), "x")
    assert found is not None
    assert (found.middle, found.exact, found.bars) == (1.0, True, (3, 2, 0, 0, 1))
    found = numbers_of(table_of([np.nan, np.inf, -np.inf, 2.5]), "x")
    assert found is not None and (found.least, found.most, sum(found.bars)) == (2.5, 2.5, 1)
    assert numbers_of(table_of([np.nan, np.inf]), "x") is None
