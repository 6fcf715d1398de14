"""Ways of grouping side by side."""

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation import Segmenter, compare_methods
from promolab.segmentation.groups.measures import silhouettes
from promolab.segmentation.groups.preparation import prepare
from tests.refused import refused


def test_what_cannot_be_compared_is_refused(features: pd.DataFrame, ways) -> None:
    refused("no segmenter", compare_methods, [])
    refused("different customers", compare_methods, [ways[0], Segmenter("rfm").fit(features)])
    refused("not fitted", compare_methods, [Segmenter()])


@pytest.fixture(scope="module")
def ways(planted: tuple[pd.DataFrame, np.ndarray]) -> list[Segmenter]:
    frame, _ = planted
    quick = {"bootstraps": 4}
    return [
        Segmenter("dbscan", **quick).fit(frame),
        Segmenter("rfm", **quick).fit(frame),
        Segmenter(k=3, **quick).fit(frame),
        Segmenter("hdbscan", **quick).fit(frame),
    ]


def test_methods_are_judged_by_the_same_features_the_simplest_within_noise_is_best(ways, planted):
    found = compare_methods(ways)
    table = found.to_frame().set_index("method")
    assert table.index.tolist() == ["rfm", "kmeans", "dbscan", "hdbscan"]
    matrix = prepare(ways[0]._active).matrix
    for way in ways:
        apart = silhouettes(matrix, way._codes)
        assert table.loc[way.method, "separation"] == pytest.approx(apart.mean())
    paired = silhouettes(matrix, ways[3]._codes) - silhouettes(matrix, ways[1]._codes)
    row = table.loc["hdbscan"]
    half = 1.959964 * paired.std(ddof=1) / np.sqrt(len(paired))
    assert row["difference"] == pytest.approx(paired.mean())
    assert row["difference_high"] - row["difference"] == pytest.approx(half)
    assert table.loc["rfm", "difference"] == 0
    assert found.recommended == "kmeans"  # no worse than those by density, and simpler
    assert found.summary().startswith("K-means is recommended, the simplest within noise")
    assert found.plot().get_title(loc="left") == "K-means is recommended"
    alone = compare_methods(ways[:2][::-1])
    assert "RFM grid" in alone.summary()


def test_noise_counts_nothing_and_what_no_shared_feature_tells_has_no_separation(features) -> None:
    quick = {"bootstraps": 2}
    ways = [Segmenter("hdbscan", **quick), Segmenter("dbscan", **quick)]
    found = compare_methods([way.fit(features) for way in ways])
    assert found.recommended == "" and "HDBSCAN finds no group" in found.summary()
    assert found.summary().startswith("No method is fit for use.")
    found.plot()
    matrix = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    assert silhouettes(matrix, np.array([0, 0, 1, 1, -1]))[-1] == 0
    frame = features[["customer_id", "orders", "amount"]].assign(recency_days=9.0)
    table = compare_methods([Segmenter("rfm", bootstraps=2).fit(frame)]).to_frame()
    assert table["k"].item() > 1 and np.isnan(table["separation"].item())


def test_methods_that_are_there_are_not_fitted_again() -> None:
    rng = np.random.default_rng(0)
    orders = rng.poisson(8, 200) + 1
    told = {"customer_id": range(200), "orders": orders, "recency_days": rng.integers(1, 90, 200)}
    bought = pd.DataFrame(told).assign(amount=orders * rng.lognormal(3, 0.5, 200))
    columns = ["orders", "recency_days", "amount"]
    three = Segmenter(k=3, bootstraps=2, columns=columns).fit(bought)
    rfm = Segmenter("rfm", bootstraps=2).fit(bought)
    found = compare_methods([three, rfm, three.regrouped("dbscan")], "rfm, hdbscan")
    assert found.to_frame()["method"].tolist() == ["rfm", "kmeans", "hdbscan"]
    same = three.stability()
    assert found.frame.loc[1, "stability"] == same.value and found.frame.loc[1, "k"] == 3
    text = found.to_table().text
    assert "RFM grid" in text and "HDBSCAN" in text and " [" in text
    refused("did you mean 'kmeans'", compare_methods, [three], "rfm, kmean")
