"""Live pairs against `build_candidates` of a shop that has the events by then."""

import re

import numpy as np
import pandas as pd

from promolab.features import build_candidates
from promolab.serve.events import microseconds
from promolab.serve.pairs import BY_KIND, LivePairs
from tests.serve.conftest import BEGIN
from tests.serve.test_live import WEEK, replayed

LATE = ["promotion_lines_28d", "promotion_coupon_lines_84d", "promotion_category_amount_84d"]


def found_of(live, pairs, customers, moment):
    places, parts = np.arange(len(pairs.offers.ids)), []
    for customer in customers:
        columns = pairs.columns(customer, places, microseconds(moment))
        keys = {"promotion_id": pairs.offers.ids, "customer_id": customer}
        parts.append(pd.DataFrame(keys | columns))
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
            found = found_of(live, pairs, known["customer_id"].unique(), end)
            told = ["promotion_id", *(columns or filter(mine.match, known))]
            assert len(told) > 3 and set(told) <= set(found)
            near = {"rtol": 1e-9, "atol": 1e-9, "check_dtype": False}
            pd.testing.assert_frame_equal(found[told], known[told], **near)
        assert "promotion_lines_28d" not in found  # of the last: nothing of products is worked out
