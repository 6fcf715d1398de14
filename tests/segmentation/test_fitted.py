"""Segments given other customers: missing and new features, drift."""

import pandas as pd
import pytest

from promolab.segmentation import Segmenter
from tests.refused import refused


@pytest.fixture(scope="module")
def fitted(features: pd.DataFrame) -> Segmenter:
    return Segmenter(k=4, bootstraps=2).fit(features)


def test_the_same_customers_do_not_drift_and_assigning_changes_nothing(fitted, features) -> None:
    drift = fitted.assign(features).drift()
    assert drift.far.value == pytest.approx(0.01, abs=0.005)
    assert (drift.frame["customers"] == drift.frame["customers_then"]).all()
    assert not drift.is_large and drift.summary().endswith("They still fit.")
    refused("was fitted on these customers", fitted.drift)
    late = features.assign(recency_days=features["recency_days"] + 300, orders_84d=0, amount_84d=0)
    drift = fitted.assign(late).drift()
    assert drift.is_large and "time to make the segments anew" in drift.summary()
    assert drift.frame["customers"].sum() == len(features)
    before = fitted.assignments()
    fitted.assign(features.head(50))
    pd.testing.assert_frame_equal(fitted.assignments(), before)
    assert fitted.labels_.shape == (len(features),)


def test_missing_and_new_features_are_named_and_who_bought_nothing_stays_apart(fitted, features):
    without = features.drop(columns="price_level").assign(coupon_order_share=float("nan"))
    there = fitted.assign(without)
    assert there.note_ == (
        "Price level, share of orders with a coupon are missing now and left out of account."
    )
    same = (there.labels_ == fitted.labels_).mean()
    assert 0.7 < same <= 1
    early = Segmenter(k=3, bootstraps=0).fit(features.drop(columns="category_entropy"))
    assert early.assign(features).note_.startswith("Spread over categories is known now but not")
    two = features[["customer_id", "orders", "recency_days"]]
    refused("8 of the 9 that the segments look at; fit them anew", fitted.assign, two)
    some = features[fitted.labels_ == fitted.names_[0]].copy()
    some.loc[some.index[:2], "orders"] = 0
    there = fitted.assign(some, customers=[*some["customer_id"], 1])
    assert there.names_ == [fitted.names_[0], "No purchases yet"]
    found = there.profile().frame.set_index("segment")["customers"].to_dict()
    assert [*found.items()][1:] == [("No purchases yet", 2), ("No history", 1)]
    assert found[fitted.names_[0]] == len(some) - 2
    nobody = fitted.assign(features.assign(orders=0))
    assert nobody.names_ == ["No purchases yet"]
    assert "nothing to compare" in nobody.drift().summary()
