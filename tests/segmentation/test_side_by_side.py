"""Ways of grouping side by side."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation import Segmenter, compare_methods
from promolab.segmentation.groups.measures import silhouettes
from promolab.segmentation.groups.preparation import prepare
from tests.refused import refused


@pytest.fixture(scope="module")
def ways(planted: tuple[pd.DataFrame, np.ndarray]) -> list[Segmenter]:
    methods: list[dict[str, Any]] = [{"method": m} for m in ("dbscan", "rfm", "kmeans", "hdbscan")]
    methods[2]["k"] = 3
    return [Segmenter(**how, bootstraps=4).fit(planted[0]) for how in methods]


def test_methods_are_judged_by_the_same_features_the_simplest_within_noise_is_best(ways):
    found = compare_methods(ways)
    table = found.to_frame().set_index("method")
    assert table.index.tolist() == ["rfm", "kmeans", "dbscan", "hdbscan"]
    matrix = prepare(ways[0]._active).matrix
    apart = {way.method: silhouettes(matrix, way._codes) for way in ways}
    for method, values in apart.items():
        assert table.loc[method, "separation"] == pytest.approx(values.mean())
    paired, row = apart["hdbscan"] - apart["rfm"], table.loc["hdbscan"]
    half = 1.959964 * paired.std(ddof=1) / np.sqrt(len(paired))
    assert row["difference"] == pytest.approx(paired.mean())
    assert row["difference_high"] - row["difference"] == pytest.approx(half)
    assert table.loc["rfm", "difference"] == 0
    assert found.recommended == "kmeans"  # no worse than those by density, and simpler
    assert found.summary().startswith("K-means is recommended, the simplest within noise")


def test_noise_counts_nothing_and_what_no_shared_feature_tells_has_no_separation(features) -> None:
    quick = {"bootstraps": 2}
    ways = [Segmenter("hdbscan", **quick), Segmenter("dbscan", **quick)]
    found = compare_methods([way.fit(features) for way in ways])
    assert found.recommended == "" and "HDBSCAN finds 0 groups" in found.summary()
    assert found.summary().startswith("No method is fit for use.")
    matrix = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    assert silhouettes(matrix, np.array([0, 0, 1, 1, -1]))[-1] == 0
    frame = features[["customer_id", "orders", "amount"]].assign(recency_days=9.0)
    table = compare_methods([Segmenter("rfm", bootstraps=2).fit(frame)]).to_frame()
    assert table["k"].item() > 1 and np.isnan(table["separation"].item())


def test_methods_that_are_there_are_not_fitted_again(features, ways) -> None:
    columns = ["orders", "recency_days", "amount"]
    three = Segmenter(k=3, bootstraps=2, columns=columns).fit(features)
    rfm = Segmenter("rfm", bootstraps=2).fit(features)
    found = compare_methods([three, rfm, three.regrouped("dbscan")], "rfm, hdbscan")
    assert found.to_frame()["method"].tolist() == ["rfm", "kmeans", "hdbscan"]
    assert found.frame.loc[1, ["stability", "k"]].tolist() == [three.stability().value, 3]
    refused("did you mean 'kmeans'", compare_methods, [three], "rfm, kmean")
    refused("no segmenter", compare_methods, [])
    refused("different customers", compare_methods, [ways[0], rfm])
    refused("not fitted", compare_methods, [Segmenter()])
