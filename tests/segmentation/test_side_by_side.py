"""Two segments side by side, and methods side by side."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from promolab.segmentation import Segmenter, compare_methods, describe_segments
from promolab.segmentation.description import shares_against
from promolab.segmentation.groups.measures import difference_interval, silhouettes
from promolab.segmentation.groups.preparation import prepare
from promolab.stats import share_interval
from tests.refused import refused


def test_differences_of_two_segments(features: pd.DataFrame) -> None:
    segment = np.where(features["orders"] > 12, "many", "few")
    profile = describe_segments(features, segment)
    pair = profile.compare("many", "few")
    table = pair.to_frame().set_index("figure")
    amounts = [features.loc[segment == name, "amount"] for name in ("many", "few")]
    welch = ttest_ind(*amounts, equal_var=False).confidence_interval()
    row = table.loc["sales_per_customer"]
    assert row["difference"] == pytest.approx(amounts[0].mean() - amounts[1].mean())
    assert row["difference_low"] == pytest.approx(welch.low, rel=0.02)
    assert row["difference_high"] == pytest.approx(welch.high, rel=0.02)
    assert table.loc["sales_per_customer", "apart"] and table.loc["interests", "apart"]
    back = profile.compare("few", "many").to_frame().set_index("figure")
    np.testing.assert_allclose(back["difference_low"], -table["difference_high"])
    assert "many against few" in pair.summary() and "Descriptive" in pair.summary()
    assert pair.plot().get_title(loc="left").startswith("many and few differ most in")


def test_difference_of_two_shares_of_one_whole_covers_it() -> None:
    """More customers in one segment are fewer in the other."""
    p, q, _ = np.random.default_rng(0).multinomial(200, [0.5, 0.3, 0.2], size=4_000).T / 200
    n = np.full(len(p), 200.0)
    low, high = difference_interval(
        (p, *share_interval(p, 0.0, n)), (q, *share_interval(q, 0.0, n)), shares_against(p, q)
    )
    assert 0.935 <= ((low <= 0.2) & (high >= 0.2)).mean() <= 0.965
    low, high = difference_interval(
        (p, *share_interval(p, 0.0, n)), (q, *share_interval(q, 0.0, n))
    )
    assert ((low <= 0.2) & (high >= 0.2)).mean() < 0.9  # as if they were of different customers


def test_what_cannot_be_compared_is_refused(features: pd.DataFrame, ways) -> None:
    profile = describe_segments(features, ["alpha"] * 300 + ["beta"] * 300)
    refused("did you mean 'alpha'", profile.compare, "alpa", "beta")
    refused("given twice", profile.compare, "beta", "beta")
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


@pytest.fixture(scope="module")
def bought() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    orders = rng.poisson(8, 200) + 1
    told = {"customer_id": range(200), "orders": orders, "recency_days": rng.integers(1, 90, 200)}
    return pd.DataFrame(told).assign(amount=orders * rng.lognormal(3, 0.5, 200))


@pytest.fixture(scope="module")
def three(bought) -> Segmenter:
    columns = ["orders", "recency_days", "amount"]
    return Segmenter(k=3, bootstraps=2, columns=columns).fit(bought)


def test_the_two_largest_are_compared_and_methods_that_are_there_not_fitted_again(three, bought):
    pair = three.profile().compare()
    assert pair is not None and [pair.first, pair.second] == three.names_[:2]
    assert Segmenter(bootstraps=0).fit(bought.head(2)).profile().compare() is None
    rfm = Segmenter("rfm", bootstraps=2).fit(bought)
    found = compare_methods([three, rfm, three.regrouped("dbscan")], "rfm, hdbscan")
    assert found.to_frame()["method"].tolist() == ["rfm", "kmeans", "hdbscan"]
    same = three.stability()
    assert found.frame.loc[1, "stability"] == same.value and found.frame.loc[1, "k"] == 3
    text = found.to_table().text
    assert "RFM grid" in text and "HDBSCAN" in text and " [" in text
    refused("did you mean 'kmeans'", compare_methods, [three], "rfm, kmean")
