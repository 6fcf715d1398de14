import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

from promolab.segmentation import Segmenter
from promolab.segmentation.groups import by_number
from promolab.segmentation.groups import measures as clustering
from promolab.segmentation.groups.density_choice import dbscan, distance_knee
from promolab.segmentation.groups.method import Request, Task
from promolab.segmentation.groups.number import Fit, choose
from promolab.segmentation.groups.preparation import prepare


@pytest.fixture(scope="module")
def matrix(planted: tuple[pd.DataFrame, np.ndarray]) -> np.ndarray:
    return prepare(planted[0]).matrix


def kmeans(matrix: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    frame = pd.DataFrame({"customer_id": range(len(matrix))})
    columns = tuple(map(str, range(matrix.shape[1])))
    return by_number.KMeans(Task(frame, matrix, columns, Request(seed=seed))).fit(k, weights)


def test_kmeans_and_silhouette_are_those_of_scikit_learn_noise_left_out(matrix: np.ndarray) -> None:
    codes = kmeans(matrix, 4, seed=2)
    model = KMeans(4, n_init=5, random_state=2).fit(matrix)
    assert adjusted_rand_score(codes, model.labels_) > 0.99
    mean, low, high = clustering.silhouette(matrix, codes, seed=0)
    assert mean == pytest.approx(silhouette_score(matrix, codes), abs=1e-9)
    assert low < mean < high
    assert np.isnan(clustering.silhouette(matrix, np.zeros(len(matrix), int), 0)).all()
    codes = kmeans(matrix, 3, seed=0)
    codes[:10] = -1
    expected = silhouette_score(matrix[10:], codes[10:])
    assert clustering.silhouette(matrix, codes, 0)[0] == pytest.approx(expected)


def test_a_large_frame_is_sampled(monkeypatch: pytest.MonkeyPatch, matrix: np.ndarray) -> None:
    codes = kmeans(matrix, 3, seed=0)
    whole = clustering.silhouette(matrix, codes, 0)[0]
    monkeypatch.setattr(clustering, "SILHOUETTE_ROWS", 200)
    sampled = clustering.silhouette(matrix, codes, 0)[0]
    assert sampled != whole
    assert sampled == pytest.approx(whole, abs=0.03)
    assert sampled == clustering.silhouette(matrix, codes, 0)[0]


def fitting(matrix: np.ndarray) -> Fit:
    return lambda k, drawn: kmeans(matrix, k, seed=0, weights=drawn)


def test_planted_k_is_chosen_by_the_stated_rule(matrix, planted):
    counts = clustering.bootstrap_counts(len(matrix), 12, seed=0)
    found = choose(matrix, [2, 3, 4, 5], fitting(matrix), counts, seed=0)
    choice, labels, indices = found.frame, found.labels, found.indices
    assert choice.loc[choice["chosen"], "k"].tolist() == [3]
    assert adjusted_rand_score(labels[3], planted[1]) > 0.98
    fits = choice[(choice["stability"] >= 0.6) & (choice["smallest_share"] >= 0.02)]
    assert choice["fits"].tolist() == choice["k"].isin(fits["k"]).tolist()
    assert choice.loc[choice["chosen"], "silhouette"].item() == fits["silhouette"].max()
    for name in ("silhouette", "stability"):
        assert (choice[f"{name}_low"] <= choice[name]).all()
        assert (choice[name] <= choice[f"{name}_high"]).all()
    assert choice.set_index("k").loc[3, "stability"] == pytest.approx(indices[3].mean())
    assert indices[3].mean() > 0.95 > indices[5].mean()


def test_the_most_stable_is_chosen_and_the_knee_where_distances_shoot_up() -> None:
    noise = np.random.default_rng(0).normal(size=(120, 6))
    counts = clustering.bootstrap_counts(120, 10, seed=0)
    choice = choose(noise, [4, 5, 6], fitting(noise), counts, seed=0).frame
    assert not choice["fits"].any()
    assert choice.loc[choice["chosen"], "stability"].item() == choice["stability"].max()
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.1, (300, 2))
    far = rng.uniform(-20, 20, (15, 2))
    matrix = np.vstack([dense, far])
    curve, eps = distance_knee(matrix, 5)
    neighbours = NearestNeighbors(n_neighbors=5).fit(matrix).kneighbors(matrix)[0][:, -1]
    np.testing.assert_allclose(curve, np.sort(neighbours))
    codes = dbscan(matrix, eps, 5)
    assert (codes[:300] == 0).mean() > 0.9
    assert (codes[300:] == -1).all()


def test_many_customers_are_resampled_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n = 900
    features = pd.DataFrame(
        {
            "customer_id": range(n),
            "orders": np.repeat([2, 30, 8], n // 3) + rng.integers(0, 2, n),
            "amount": np.repeat([20.0, 3_000.0, 240.0], n // 3) * rng.uniform(0.9, 1.1, n),
            "recency_days": np.repeat([200, 4, 40], n // 3) + rng.integers(0, 4, n),
        }
    )
    whole = Segmenter("kmeans", bootstraps=5).fit(features)
    dense = Segmenter("dbscan", bootstraps=5).fit(features)
    monkeypatch.setattr(clustering, "SAMPLE_ROWS", 300)
    sampled = Segmenter("kmeans", bootstraps=5).fit(features)
    assert (sampled.labels_ == whole.labels_).all()
    assert sampled.stability().value > 0.95 and sampled.stability().resampled == 300
    assert "5 bootstrap refits of 300 customers drawn at random" in sampled.choice_.summary()
    assert "drawn at random" not in whole.choice_.summary()
    groups = Segmenter("dbscan", bootstraps=5).fit(features)
    assert adjusted_rand_score(groups.labels_, dense.labels_) > 0.9
    assert "among 300 customers drawn at random" in groups.note_ and dense.note_ == ""
    assert groups.stability().value > 0.9
    again = Segmenter("dbscan", bootstraps=5).fit(features)
    assert (again.labels_ == groups.labels_).all()
