"""Live features and pairs against those of a shop that has the events by then."""

import json
import re
from copy import deepcopy
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from promolab import LiveFeatures
from promolab.features import build_candidates, build_features
from promolab.serve.events import microseconds
from promolab.serve.pairs import BY_KIND, LivePairs
from promolab.sources import load_shop
from tests.features.conftest import as_shop, small_frames
from tests.refused import refused
from tests.serve.conftest import WEEK as MADE

BEGIN = datetime(2021, 4, 5, 13, 30)
WEEK = timedelta(days=7)
LATE = ["promotion_lines_28d", "promotion_coupon_lines_84d", "promotion_category_amount_84d"]


@pytest.fixture(scope="module")
def begun() -> SimpleNamespace:
    frames = small_frames()
    shop = as_shop(frames)
    known, live = build_features(shop, BEGIN).execute(), LiveFeatures(shop, BEGIN)
    return SimpleNamespace(frames=frames, shop=shop, known=known, live=live)


@pytest.fixture
def small(begun):
    """The features' small shop, its features as of a moment, and those to be brought along."""
    return SimpleNamespace(**vars(begun) | {"live": deepcopy(begun.live)})


def replayed(frames, begin, end, seed=0):
    """Return what happened between two moments, shuffled, with copies and rows of before."""
    parts = []
    for name in ("events", "exposures", "responses"):
        rows = frames[name].assign(table=name)
        rows["event_id"] = [f"{name}-{i}" for i in range(len(rows))]
        early = rows[rows["ts"] < begin].tail(40)
        rows = rows[(rows["ts"] >= begin) & (rows["ts"] < end)]
        parts += [rows, rows.iloc[::3], early]
    return pd.concat(parts).sample(frac=1, random_state=seed).astype(object)


def assert_same(live, known, moment):
    found = live.to_frame(moment).drop(
        columns=["price_level", "price_level_as_of"], errors="ignore"
    )
    known = known.drop(columns="price_level", errors="ignore")
    pd.testing.assert_frame_equal(found, known, check_dtype=False, rtol=1e-9, atol=1e-9)


def test_a_replay_equals_the_features_of_the_shop_by_then(small):
    live, end = small.live, BEGIN + 20 * WEEK
    assert_same(live, small.known, BEGIN)
    rows = replayed(small.frames, BEGIN, end)
    live.update(rows)
    assert_same(live, build_features(small.shop, end).execute(), end)
    assert live.taken["repeated"] > 0 and live.taken["late"] > 0
    assert sum(live.taken.values()) == len(rows)
    # What needs everybody stays, and says as of when.
    then = small.known.set_index("customer_id")["price_level"]
    found = live.to_frame(end).set_index("customer_id")
    pd.testing.assert_series_equal(found["price_level"].reindex(then.index), then)
    assert (found["price_level_as_of"] == BEGIN).all()


def test_rows_without_an_id_are_one_if_they_say_the_same(released_once):
    shop = load_shop(released_once / "reports" / MADE / "shop")
    last = shop.span()[1]
    live = LiveFeatures(shop, last - 6 * WEEK)
    for name in ("events", "exposures", "responses"):
        rows = shop[name].filter(shop[name].ts >= last - 6 * WEEK).execute()
        told = json.loads(rows.to_json(orient="records", date_format="iso", date_unit="us"))
        live.update(row | {"customer_id": str(row["customer_id"])} for row in told)
        live.update(rows)
    assert live.taken["repeated"] == live.taken["new"] > 100
    end = last + timedelta(microseconds=1)
    assert_same(live, build_features(shop, end).execute(), end)


def test_rows_that_cannot_be_read_and_a_clock_that_runs_back_are_refused(small):
    live = small.live
    for row, sentence in [
        ({"customer_id": "A", "kind": "view"}, "ts is missing; a row of events needs"),
        ({"customer_id": "A", "ts": "2021-05-01", "kind": "vieuw"}, "did you mean 'view'"),
        ({"customer_id": "A", "ts": "yesterday", "kind": "view"}, "a time is not written as"),
        ({"customer_id": 1.5, "ts": "2021-05-01", "kind": "view"}, "customer_id is no id"),
        ({"table": "orders", "customer_id": "A"}, "table is none that events may be of"),
        ({"customer_id": "A", "ts": "2021-05-01", "kind": "cart", "amount": "3"}, "is a str"),
        (["A"], "an event is a list; expected names and values"),
    ]:
        refused(sentence, live.update, [row])
        assert sum(live.taken.values()) == 0
    live.update({"customer_id": "C01", "ts": "2021-05-01T00:00:00Z", "kind": "view"})
    refused("a clock must not run back", live.to_frame, "2021-05-01")
    several = pd.DataFrame({"customer_id": ["C01"], "as_of": [BEGIN]})
    refused("one moment for everybody", LiveFeatures, small.shop, several)


def found_of(pairs, customers, moment):
    places, parts = np.arange(len(pairs.offers.ids)), []
    for customer in customers:
        keys = {"promotion_id": pairs.offers.ids, "customer_id": customer}
        parts.append(pd.DataFrame(keys | pairs.columns(customer, places, microseconds(moment))))
    return pd.concat(parts).sort_values(["promotion_id", "customer_id"], ignore_index=True)


def test_pairs_after_a_replay_equal_the_candidates_of_the_shop_by_then(small):
    live = small.live
    whole, lately = LivePairs(small.shop, live), LivePairs(small.shop, live, LATE)
    by_kind = LivePairs(small.shop, live, BY_KIND)  # of a model that knows nothing of products
    mine = re.compile("(kind|type|other_promotions|promotion)_(?!id)")
    for weeks in (0, 20):
        end = BEGIN + weeks * WEEK
        for row in replayed(small.frames, BEGIN, end).to_dict("records"):
            event = live.reader.read(row)
            if live.take(event) == "new":
                for pairs in (whole, lately, by_kind):
                    pairs.take(event)
        known = build_candidates(small.shop, end, list(live.promotions)).execute()
        known = known.sort_values(["promotion_id", "customer_id"], ignore_index=True)
        for pairs, columns in ((whole, ()), (lately, LATE), (by_kind, BY_KIND)):
            found = found_of(pairs, known["customer_id"].unique(), end)
            told = ["promotion_id", *(columns or filter(mine.match, known))]
            assert len(told) > 3 and set(told) <= set(found)
            near = {"rtol": 1e-9, "atol": 1e-9, "check_dtype": False}
            pd.testing.assert_frame_equal(found[told], known[told], **near)
        assert "promotion_lines_28d" not in found  # of the last: nothing of products is worked out
