"""How segments answered: by what was known then, the same as `build_pairs`, never later."""

from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab import Segmenter, build_features, build_pairs, load_shop
from promolab.campaign.past import past_answers
from promolab.segmentation import sample_customers, segment_history
from promolab.segmentation.response_rates import SegmentHistory

AS_OF = pd.Timestamp("2017-10-30 04:00")


@pytest.fixture(scope="module")
def shop(small_shop: Path):
    return load_shop(small_shop)


@pytest.fixture(scope="module")
def features(shop) -> pd.DataFrame:
    made: pd.DataFrame = build_features(shop, AS_OF).execute()
    return made


@pytest.fixture(scope="module")
def segmenter(features) -> Segmenter:
    return Segmenter(k=3, bootstraps=2).fit(features)


def looked_back(shop, segmenter, customers) -> SegmentHistory:
    past = past_answers(shop, AS_OF.to_pydatetime(), customers)
    return segment_history(shop, segmenter, customers, past.frame, outcome=past.outcome)


@pytest.fixture(scope="module")
def before(shop, segmenter) -> SegmentHistory:
    return looked_back(shop, segmenter, shop.customers.customer_id.execute())


def test_answers_are_those_of_build_pairs_and_clicks_are_none(shop, segmenter, before) -> None:
    pairs = build_pairs(shop, as_of=AS_OF).execute()
    # Of what started before the data do, answers are known in part only.
    pairs = pairs[pairs["label_complete"] & (pairs["starts_at"] >= shop.span()[0])]
    known = pairs["orders"].notna()
    pairs["segment"] = np.where(known, segmenter.predict(pairs), "No history")
    expected = pairs.groupby(["segment", "promotion_id"])["redeemed"].agg(["size", "sum"])
    found = before.response.to_frame().set_index(["segment", "promotion_id"])
    assert found["contacts"].to_dict() == expected["size"].to_dict()
    assert found["responses"].to_dict() == expected["sum"].to_dict()
    assert before.clicks is None and before.rates().empty
    clicks = shop.exposures.select("promotion_id", "customer_id", "ts", kind=ibis.literal("click"))
    answers = shop.responses.select(*clicks.columns).union(clicks)
    changed = shop.with_tables(shop.tables | {"responses": answers})
    found = looked_back(changed, segmenter, shop.customers.customer_id.execute())
    pd.testing.assert_frame_equal(found.response.frame, before.response.frame)
    assert found.response.outcome == "redeemed"
    # Of nearly all a click, as written; those contacted before a promotion's start have none in it.
    assert found.clicks.overall.value > 0.9 > found.response.overall.value
    assert found.rates()["segment"].tolist() == found.clicks.segments["segment"].tolist()
    running = shop.promotions.filter(shop.promotions.ends_at > AS_OF.to_pydatetime())
    ids = set(running.promotion_id.execute())
    contacted = set(shop.exposures.filter(shop.exposures.ts < AS_OF).promotion_id.execute())
    assert ids & contacted and not ids & set(before.response.frame["promotion_id"])


def test_many_customers_are_drawn_and_what_is_lacking_is_said(shop, segmenter, features) -> None:
    ids = sample_customers(shop.customers.customer_id.execute(), most=60)
    found = looked_back(shop, segmenter, ids)
    assert found.response.frame["contacts"].sum() == len(past_answers(shop, AS_OF, ids).frame)
    assert "60 customers drawn at random" in found.summary()
    single = Segmenter(bootstraps=0).fit(features.head(2))
    nothing = looked_back(shop, single, features["customer_id"])
    assert nothing.response is None and nothing.to_frame().empty
    assert "no two segments" in nothing.summary() and not nothing.to_table().text
    early = past_answers(shop, shop.span()[0])
    assert early.frame.empty and "No promotion is over yet" in early.why
