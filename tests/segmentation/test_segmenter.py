import ibis
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from promolab.segmentation import Segmenter
from promolab.segmentation.segmenter import METHODS
from tests.refused import refused


@pytest.fixture(scope="module")
def fitted(planted) -> Segmenter:
    return Segmenter(bootstraps=10).fit(planted[0])


def test_planted_groups_are_found_and_named_and_the_choice_shows_both_measures(planted, fitted):
    _, group = planted
    assert fitted.k_ == 3
    assert adjusted_rand_score(fitted.labels_, group) > 0.98
    of_group = [pd.Series(fitted.labels_[group == g]).mode()[0] for g in range(3)]
    assert of_group[0] == "Lapsed bargain hunters" and "ig-basket" in of_group[2]
    assert len(set(of_group)) == 3 and fitted.silhouette_ > 0.6
    stability = fitted.stability()
    assert stability.value > 0.95 and stability.n == 10
    assert stability.value == pytest.approx(stability.indices.mean())
    choice = fitted.choice_.to_frame()
    assert choice["k"].tolist() == [3, 4, 5, 6, 7, 8]
    assert choice.loc[choice["chosen"], "k"].tolist() == [fitted.k_]
    for name in ("silhouette", "stability"):
        assert choice[name].between(choice[f"{name}_low"], choice[f"{name}_high"]).all()
    fitted.choice_.plot()


@pytest.mark.parametrize("method", METHODS)
def test_row_order_changes_nothing(method: str, features: pd.DataFrame) -> None:
    first = Segmenter(method, k=4, bootstraps=3).fit(features)
    shuffled = features.sample(frac=1, random_state=1)
    second = Segmenter(method, k=4, bootstraps=3).fit(shuffled)
    pd.testing.assert_frame_equal(first.assignments(), second.assignments())
    assert first.names_ == second.names_
    by_row = pd.Series(second.labels_, index=shuffled["customer_id"])
    assert by_row[features["customer_id"]].tolist() == first.labels_.tolist()


def test_an_ibis_table_gives_the_same_segments_the_largest_first(planted, fitted, features):
    again = Segmenter(bootstraps=10).fit(ibis.memtable(planted[0]))
    pd.testing.assert_frame_equal(again.assignments(), fitted.assignments())
    segmenter = Segmenter(k=5, bootstraps=0).fit(features)
    assert pd.Series(segmenter.labels_).value_counts()[segmenter.names_].is_monotonic_decreasing
    assert segmenter.profile().frame["segment"].tolist() == segmenter.names_
    assert len(set(segmenter.names_)) == 5


def test_nulls_everywhere_are_survived(features):
    frame = features.head(200).assign(private_label_share=None)
    for column in ("category_entropy", "amount_84d", "coupon_order_share"):
        frame.loc[frame.sample(frac=0.4, random_state=1).index, column] = np.nan
    segmenter = Segmenter(k=4, bootstraps=0).fit(frame)
    assert segmenter.k_ == 4 and "private_label_share" not in segmenter.columns_


def test_customers_without_purchases_or_history_are_named(features: pd.DataFrame) -> None:
    browsers = features.head(3).assign(customer_id=[1, 2, 3], orders=[0, np.nan, 4])
    browsers.loc[browsers.index[2], "recency_days"] = np.nan
    frame, quick = pd.concat([features, browsers], ignore_index=True), {"k": 3, "bootstraps": 0}
    segmenter = Segmenter(**quick).fit(frame, customers=[*frame["customer_id"], 9001, 9002])
    assert segmenter.labels_[-3:].tolist() == ["No purchases yet"] * 3
    assert segmenter.names_[-1] == "No purchases yet" and segmenter.k_ == 3
    assert segmenter.labels_[:-3].tolist() == Segmenter(**quick).fit(features).labels_.tolist()
    table = segmenter.assignments()
    assert table["customer_id"].is_monotonic_increasing
    unknown = table["customer_id"].isin([9001, 9002])
    assert table.loc[unknown, "segment"].tolist() == ["No history"] * 2
    profile = segmenter.profile()
    assert profile.customers == len(frame) + 2
    assert profile.frame["segment"].tolist()[-2:] == ["No purchases yet", "No history"]
    segmenter.map().plot()


def test_dbscan_leaves_out_those_unlike_any_group(planted) -> None:
    frame, _ = planted
    strange = frame.head(2).assign(customer_id=["x1", "x2"], discount_share=[0.9, 0.0])
    strange["recency_days"], strange["average_order_amount"] = [1.0, 400.0], [900.0, 800.0]
    segmenter = Segmenter("dbscan", bootstraps=5).fit(pd.concat([frame, strange]))
    assert segmenter.labels_[-2:].tolist() == ["Unlike any group"] * 2
    assert (segmenter.labels_[:-2] != "Unlike any group").mean() > 0.8
    choice = segmenter.choice_.to_frame()
    assert choice["distance"].is_monotonic_increasing and choice["chosen"].sum() == 1
    assert segmenter.stability().value > 0.8
    nothing = Segmenter("dbscan", eps=1e-6).fit(frame)
    assert set(nothing.labels_) == {"Unlike any group"} and "try a larger eps" in nothing.note_


def test_equal_rows_and_useless_columns_form_one_segment(features: pd.DataFrame) -> None:
    same = pd.DataFrame({"customer_id": range(30), "orders": 4, "recency_days": 9, "amount": 5.0})
    for segmenter in (Segmenter(), Segmenter("dbscan"), Segmenter(k=4)):
        assert set(segmenter.fit(same).labels_) == {"All customers"}
        assert segmenter.note_ and segmenter.choice_ is None
    assert set(Segmenter("rfm").fit(same).labels_) == {"Needs attention"}
    assert set(Segmenter().fit(features[["customer_id"]]).labels_) == {"All customers"}


def test_bad_parameters_and_what_is_called_otherwise_are_refused(features: pd.DataFrame) -> None:
    for arguments, message in [
        ({"method": "kmean"}, "did you mean 'kmeans'"),
        ({"k": 0}, "k = 0; expected at least 1"),
        ({"k_range": (5, 3)}, r"k_range = \(5, 3\)"),
        ({"bootstraps": -1}, "bootstraps = -1"),
        ({"eps": 0.0}, "eps = 0.0"),
        ({"min_samples": 0}, "min_samples = 0"),
        ({"min_share": 0.7}, "min_share = 0.7"),
        ({"method": "gaussian"}, "'gaussian' is unknown; known: dbscan, hdbscan, kmeans, rfm"),
        ({"references": 5}, "Segmenter knows no references; known: bootstraps, columns"),
        ({"segments": 5}, r"knows no segments; k says how many: Segmenter\(k=5\)"),
        ({"colums": ["orders"]}, "knows no colums; did you mean 'columns'"),
    ]:
        refused(message, Segmenter, **arguments)
    refused("did you mean 'orders_84d'", Segmenter(columns=["orders_84"]).fit, features)
    refused("did you mean 'orders_84d'", Segmenter(columns="recency_days, orders_84").fit, features)
    refused("no rows", Segmenter().fit, features.head(0))
    refused("not fitted", Segmenter().profile)


def test_map_keeps_the_distances_of_two_features(planted) -> None:
    columns = ["recency_days", "discount_share"]
    plane = Segmenter(k=3, columns=columns, bootstraps=0).fit(planted[0]).map()
    points = plane.to_frame()
    assert sum(plane.shares) == pytest.approx(1) and points["x"].var() >= points["y"].var()
    assert np.corrcoef(points["x"], points["y"])[0, 1] == pytest.approx(0, abs=1e-9)
    assert "days since the last order" in " ".join(plane.axis_words)
    plane.plot()
