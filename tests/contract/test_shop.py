"""A shop: its tables by name, what it lacks in words, and its clock."""

from dataclasses import replace
from datetime import datetime

import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.contract.shop import NEEDS
from promolab.contract.tables import TABLES
from promolab.engines import to_utc
from tests.made_up import shop_of
from tests.refused import spoilt

TIMES = ["2021-03-28 00:59", "2021-03-28 01:01", "2021-10-31 00:30", "2021-10-31 01:30"]


@pytest.fixture(scope="module")
def shop() -> Shop:
    events = pd.DataFrame({"customer_id": "A", "ts": pd.to_datetime(TIMES), "kind": "view"})
    return shop_of({"events": events}, name="Corner", zone="Europe/Rome")


def test_tables_are_attributes_a_missing_one_is_said_and_others_keep_the_settings(shop):
    assert shop.events.equals(shop["events"])
    assert shop.has("events") and shop.has("events", "ts") and not shop.has("events", "amount")
    assert not shop.has("products")
    spoilt(r"Corner has no table 'products'; see data/README\.md", getattr, shop, "products")
    spoilt("'evnts' is no table of the contract; did you mean 'events'", shop.__getitem__, "evnts")
    with pytest.raises(AttributeError, match="no attribute 'evnts'"):
        _ = shop.evnts
    other = shop.with_tables({"events": shop.events.head(1)}, cleaned=True)
    assert other.settings == shop.settings and other.cleaned and not shop.cleaned


def test_what_is_made_once_of_the_same_tables_is_shared_unless_settings_differ(shop):
    made = shop.once("rows", ("events",), lambda: [1])
    same = shop.with_tables(shop.tables)
    less = shop.with_tables({"events": shop.events.head(1)})
    later = shop.with_tables(shop.tables, settings=replace(shop.settings, evening_from=20))
    assert same.once("rows", ("events",), lambda: [2]) is made
    assert less.once("rows", ("events",), lambda: [3]) == [3]
    assert later.once("rows", ("events",), lambda: [4]) == [4]


def test_abilities_name_tables_of_the_contract_and_what_lacks_is_said(shop):
    for need in {need for needs in NEEDS.values() for need in needs}:
        table, _, column = need.partition(".")
        assert table in TABLES and (not column or column in TABLES[table])
    assert shop.lacks("profiles and segments") is None
    assert "need the table 'products', which Corner" in shop.lacks("interests and price level")
    assert "need the column 'events.amount'" in shop.lacks("orders and sales")
    spoilt("response models need the table 'promotions'", shop.require, "response models")


def test_the_clock_has_summer_time_back_to_utc_and_the_span_is_of_events(shop):
    events = shop.events
    got = events.select("ts", local=shop.local(events.ts)).order_by("ts").execute()
    wanted = got.ts.dt.tz_localize("UTC").dt.tz_convert("Europe/Rome").dt.tz_localize(None)
    assert got.local.tolist() == wanted.tolist() and got.local.dt.hour.tolist() == [1, 3, 2, 2]
    back = shop.events.select(ts=to_utc(shop.local(shop.events.ts), "Europe/Rome")).execute()
    # The hour that comes twice in autumn has one answer only.
    assert back.ts.tolist()[:2] == [pd.Timestamp(t) for t in TIMES[:2]]
    assert shop.span() == (datetime(2021, 3, 28, 0, 59), datetime(2021, 10, 31, 1, 30))
    empty = shop.with_tables({"events": shop.events.limit(0)})
    spoilt("events has no row with a time", empty.span)
