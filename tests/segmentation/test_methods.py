"""Every method behind the one door: planted groups, noise, choice shown, size floor, files."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.metrics import adjusted_rand_score

from promolab.segmentation import Segmenter
from promolab.segmentation.groups import measures as clustering
from promolab.segmentation.groups.measures import NumberOfSegments, mark_chosen
from promolab.segmentation.segmenter import METHODS
from tests.refused import refused

QUICK = {"bootstraps": 3, "k_range": (2, 4)}


@pytest.mark.parametrize("method", METHODS)
def test_few_or_no_buyers_are_one_segment(method: str, features: pd.DataFrame) -> None:
    for rows in (1, 2):
        found = Segmenter(method).fit(features.head(rows))
        assert found.map().to_frame().shape == (rows, 4) and len(found.labels_) == rows
        if method != "rfm":  # its grid has a place for each customer
            assert found.labels_.tolist() == ["All customers"] * rows
            assert "single" in found.note_
            assert np.isnan([found.silhouette_, found.stability().value]).all()
    nobody = Segmenter(method).fit(pd.DataFrame({"customer_id": [1, 2], "orders": [0, 0]}))
    assert nobody.labels_.tolist() == ["No purchases yet"] * 2 and nobody.k_ == 0
    assert nobody.names_ == ["No purchases yet"] and nobody.profile().customers == 2
    assert np.isnan(nobody.stability().value)
    refused("none of 2 customers has bought", nobody.grid)


def test_noise_is_a_named_group_everywhere(features: pd.DataFrame) -> None:
    found = Segmenter("hdbscan", **QUICK).fit(features)  # one cloud: no two dense groups in it
    assert found.names_ == ["Unlike any group"] and found.k_ == 0
    assert "No dense group of 12 customers was found" in found.note_
    assert np.isnan(found.stability().value) and np.isnan(found.silhouette_)
    assert found.advice().frame["so_do_this"].str.startswith("No advice").all()
    found.map().plot()
    refused("no centres", found.predict, features)


def test_groups_by_density_are_those_of_scikit_learn(planted) -> None:
    found = Segmenter("hdbscan", min_samples=7, min_share=0.05, bootstraps=0).fit(planted[0])
    model = HDBSCAN(min_cluster_size=23, min_samples=7, copy=True).fit(found._matrix)
    assert adjusted_rand_score(found._codes, model.labels_) == 1.0
    grouped = found.labels_ != "Unlike any group"
    assert found.k_ == 3 and grouped.mean() > 0.9
    assert adjusted_rand_score(found.labels_[grouped], planted[1][grouped]) > 0.97
    found = Segmenter("dbscan", bootstraps=2).fit(planted[0])
    model = DBSCAN(eps=found.choice_.eps, min_samples=2 * len(found.columns_)).fit(found._matrix)
    assert adjusted_rand_score(found._codes, model.labels_) == 1.0
    gaps = np.sort(squareform(pdist(found._matrix)), axis=1)  # the first is to themselves
    near = (gaps[:, found.choice_.others] <= found.choice_.eps).mean()
    told = f"{near:.0%} of 450 customers have {found.choice_.others} neighbours".replace("%", " %")
    assert told in found.choice_.summary()
    asked = Segmenter("dbscan", eps=1.0, bootstraps=0).fit(planted[0]).choice_
    assert "as asked" in asked.summary()


def test_a_k_with_a_tiny_segment_is_not_chosen_and_the_choice_says_so(planted) -> None:
    table = pd.DataFrame({"k": [2, 3, 4], "silhouette": [0.3, 0.9, 0.4], "stability": 0.9})
    table["smallest_share"] = [0.3, 0.019, 0.02]
    table[["silhouette_low", "silhouette_high", "stability_low", "stability_high"]] = 0.5
    for changed in ({}, {"stability": np.nan}, {"stability": [0.2, 0.9, 0.3]}):
        marked = mark_chosen(table.assign(**changed), 0.02)
        assert marked["large_enough"].tolist() == [True, False, True]
        assert marked.loc[marked["chosen"], "k"].item() == 4
    told = NumberOfSegments(mark_chosen(table.assign(stability=np.nan), 0.02), 100, 0).summary()
    assert "the best separated of those that have no tiny segment" in told
    told = NumberOfSegments(mark_chosen(table.assign(smallest_share=0.01), 0.02), 100, 10).summary()
    assert told.startswith("2 segments, the most stable; none reached")
    assert "fewer than 2 % of customers: 3, 4." in told  # and not the one that was chosen
    fitted = Segmenter(min_share=0.2, k_range=(2, 5), bootstraps=3).fit(planted[0])
    assert fitted.k_ == 3
    told = fitted.choice_.summary()
    assert "Not chosen for a segment of fewer than 20 % of customers: 4, 5." in told
    for one in (fitted, Segmenter(k=3, bootstraps=2).fit(planted[0])):
        assert one.choice_.plot().get_title(loc="left")


@pytest.mark.parametrize("method", ["kmeans", "dbscan", "hdbscan"])
def test_many_customers_are_chosen_on_a_sample(method, planted, monkeypatch):
    whole = Segmenter(method, **QUICK).fit(planted[0])
    monkeypatch.setattr(clustering, "SAMPLE_ROWS", 200)
    sampled = Segmenter(method, **QUICK).fit(planted[0])
    assert adjusted_rand_score(sampled.labels_, whole.labels_) > 0.9
    assert "drawn at random" in sampled.note_ and not whole.note_
    assert sampled.stability().resampled == 200 and sampled.stability().value > 0.8
    again = Segmenter(method, **QUICK).fit(planted[0])
    assert (again.labels_ == sampled.labels_).all()
