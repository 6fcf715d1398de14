"""Live features against `build_features` of a shop that has the events by then."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from promolab import LiveFeatures
from promolab.errors import InputError
from promolab.features import build_features
from promolab.sources import load_shop
from tests.refused import refused
from tests.serve.conftest import BEGIN
from tests.serve.conftest import WEEK as MADE

WEEK = timedelta(days=7)


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
    found = live.to_frame(moment)
    kept = [c for c in found.columns if not c.startswith("price_level")]
    assert kept == [c for c in known if c != "price_level"]
    assert found["customer_id"].tolist() == known["customer_id"].tolist()
    for name in kept:
        if found[name].dtype.kind in "fiu":
            pair = found[name].astype(float), known[name].astype(float)
            np.testing.assert_allclose(*pair, rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            assert found[name].fillna("-").tolist() == known[name].fillna("-").tolist(), name


@pytest.mark.parametrize("weeks", [1, 20])
def test_a_replay_equals_the_features_of_the_shop_by_then(small, weeks):
    live = small.live
    assert_same(live, small.known, BEGIN)
    end = BEGIN + weeks * WEEK
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


def test_one_who_is_new_has_the_row_of_one_who_did_nothing_yet(small):
    live = small.live
    bought = {"customer_id": "X", "ts": "2021-04-06T10:00:00Z", "kind": "purchase", "amount": 3}
    assert not live.knows("X") and live.row("X", live._moment("2021-04-06"))["orders"] == 0
    live.update([bought, bought])
    assert live.knows("X")
    row = live.row("X", live._moment("2021-04-06T12:00:00Z"))
    assert (row["orders"], row["amount"], row["tenure_days"]) == (1, 3.0, 1 / 12)


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
    with pytest.raises(InputError, match="one moment for everybody"):
        LiveFeatures(small.shop, pd.DataFrame({"customer_id": ["C01"], "as_of": [BEGIN]}))
