"""The few features that a response model is given."""

from datetime import datetime

import pandas as pd

from promolab.compare.cross_validation import pair_features
from promolab.features import build_candidates, build_pairs, response_features
from promolab.features.customers import RESPONSE_FEATURES


def test_they_are_features_of_pairs_and_of_candidates_alike(small_shop):
    now = datetime(2021, 8, 1)
    pairs = build_pairs(small_shop, now).execute()
    chosen = response_features(pairs)
    assert set(RESPONSE_FEATURES) <= set(chosen) <= set(pair_features(pairs))
    candidates = build_candidates(small_shop, now, ["P6"]).execute()
    assert set(chosen) <= set(candidates.columns)
    # The small shop has two kinds of promotions, and discounts that differ.
    assert chosen[len(RESPONSE_FEATURES) :] == ["promotion_kind", "promotion_discount_rate"]


def test_terms_the_same_for_all_are_left_out_and_where_one_lacks_all_features_count():
    pairs = pd.DataFrame({name: [0.0, 1.0] for name in RESPONSE_FEATURES})
    assert response_features(pairs.assign(promotion_kind="coupon")) == list(RESPONSE_FEATURES)
    assert response_features(pairs.drop(columns="answers")) is None
