"""Segments kept: other customers and features, drift, and a file that holds nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation import Segmenter
from promolab.segmentation.groups.fitted import FittedSegments
from tests.refused import refused


@pytest.fixture(scope="module")
def fitted(features: pd.DataFrame) -> Segmenter:
    return Segmenter(k_range=(3, 4), bootstraps=3).fit(features, customers=range(990, 1600))


@pytest.fixture(scope="module")
def saved(fitted: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.save(tmp_path_factory.mktemp("segments") / "model.json", made_in="2017-W43")


def test_the_same_customers_do_not_drift_and_assigning_changes_nothing(fitted, features) -> None:
    before, drift = fitted.assignments(), fitted.assign(features).drift()
    assert drift.far.value == pytest.approx(0.01, abs=0.005)
    assert (drift.frame["customers"] == drift.frame["customers_then"]).all()
    assert not drift.is_large and drift.summary().endswith("They still fit.")
    refused("was fitted on these customers", fitted.drift)
    late = features.assign(recency_days=features["recency_days"] + 300, orders_84d=0, amount_84d=0)
    drift = fitted.assign(late).drift()
    assert drift.is_large and "time to make the segments anew" in drift.summary()
    assert drift.frame["customers"].sum() == len(features)
    pd.testing.assert_frame_equal(fitted.assignments(), before)


def test_missing_and_new_features_are_named_and_who_bought_nothing_stays_apart(fitted, features):
    there = fitted.assign(features.drop(columns="price_level").assign(coupon_order_share=np.nan))
    assert there.note_.startswith("Price level, share of orders with a coupon are missing now and")
    assert 0.7 < (there.labels_ == fitted.labels_).mean() <= 1
    early = Segmenter(k=3, bootstraps=0).fit(features.drop(columns="category_entropy"))
    assert early.assign(features).note_.startswith("Spread over categories is known now but not")
    two = features[["customer_id", "orders", "recency_days"]]
    refused("8 of the 9 that the segments look at; fit them anew", fitted.assign, two)
    some = features[fitted.labels_ == fitted.names_[0]].copy()
    some.loc[some.index[:2], "orders"] = 0
    there = fitted.assign(some, customers=[*some["customer_id"], 1])
    found = there.profile().frame.set_index("segment")["customers"].to_dict()
    expected = {fitted.names_[0]: len(some) - 2, "No purchases yet": 2, "No history": 1}
    assert found == expected
    nobody = fitted.assign(features.assign(orders=0))
    assert nobody.names_ == ["No purchases yet"]
    assert "nothing to compare" in nobody.drift().summary()


def test_customers_are_where_they_were_with_their_evidence(fitted, saved, features) -> None:
    loaded = Segmenter.load(saved)
    shuffled = features.sample(frac=1, random_state=3)
    again = loaded.assign(shuffled, customers=range(990, 1600))
    pd.testing.assert_frame_equal(again.assignments(), fitted.assignments())
    assert again.names_ == fitted.names_ and again.made_in == "2017-W43"
    assert again.silhouette_ == fitted.silhouette_
    # Of pairs, a customer at several times; nothing is known of who has not bought yet.
    unknown = features.head(2).assign(orders=np.nan, recency_days=np.nan)
    told = loaded.predict(pd.concat([features, features.head(5), unknown]))
    assert told.tolist() == [*fitted.labels_, *fitted.labels_[:5], *["No purchases yet"] * 2]
    # A customer alone is standardised as among all.
    assert loaded.predict(features.iloc[[17]]).tolist() == [fitted.labels_[17]]
    pd.testing.assert_frame_equal(again.choice_.to_frame(), fitted.choice_.to_frame())
    assert again.choice_.summary() == fitted.choice_.summary()
    assert again.stability().summary() == fitted.stability().summary()
    assert "made in 2017-W43" in again.profile().summary()


def test_saving_again_gives_the_same_bytes_also_of_one_segment(saved, features, tmp_path, fitted):
    again = Segmenter.load(saved).assign(features).save(tmp_path / "b.json", made_in="2018-W01")
    assert again.read_bytes() == saved.read_bytes()
    # What there is one of per customer is not in it.
    assert b"customer_id" not in saved.read_bytes()
    assert FittedSegments.load(saved).centres.shape == (fitted.k_, len(fitted.columns_))
    same = pd.DataFrame({"customer_id": range(6), "orders": 1, "recency_days": 4.0})
    single = Segmenter(bootstraps=0).fit(same)
    loaded = Segmenter.load(single.save(tmp_path / "one.json"))
    assert loaded.predict(same).tolist() == ["All customers"] * 6
    assert np.isnan(loaded.assign(same).stability().value)


@pytest.mark.parametrize("part", ["names", "centres", "reach", "sizes", "scalings"])
def test_a_forged_file_is_refused(saved, part: str) -> None:
    right = FittedSegments.load(saved)
    wrong = {"names": ("a", "a", "b"), "centres": np.ones((1, 1)), "reach": np.nan, "sizes": (1,)}
    wrong["scalings"] = tuple(replace(s, curve="__import__") for s in right.scalings)
    refused("are not those of segments", replace, right, **{part: wrong[part]})


@pytest.mark.parametrize("method", ["rfm", "dbscan"])
def test_what_has_no_centres_is_not_saved(method, features, tmp_path) -> None:
    other = Segmenter(method, bootstraps=0).fit(features)
    refused("no centres", other.save, tmp_path / "x.json")
    refused("no centres", other.assign, features)
    refused("not fitted", Segmenter().predict, features)
