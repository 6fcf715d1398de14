import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import skew
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.proportion import proportion_confint

from promolab.segmentation.groups import measures as clustering
from promolab.segmentation.groups.density import dbscan, distance_knee
from promolab.segmentation.groups.measures import Fit, choose, grouped_mean, grouped_ratio
from promolab.segmentation.groups.methods import KMeans as ByKMeans
from promolab.segmentation.groups.methods import Request, Task
from promolab.segmentation.groups.preparation import has_history, prepare, standardise
from promolab.stats import share_interval
from tests.refused import refused


@pytest.fixture(scope="module")
def matrix(planted: tuple[pd.DataFrame, np.ndarray]) -> np.ndarray:
    return prepare(planted[0]).matrix


def kmeans(matrix: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    frame = pd.DataFrame({"customer_id": range(len(matrix))})
    columns = tuple(map(str, range(matrix.shape[1])))
    return ByKMeans(Task(frame, matrix, columns, Request(seed=seed))).fit(k, weights)


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


def test_ratio_covers_the_truth_when_customers_differ() -> None:
    rng, shape = np.random.default_rng(4), (150, 4_000)  # a draw is a column
    contacts = rng.integers(1, 9, shape)
    # Some customers answer everything they get: rows of one customer are alike.
    answers = rng.binomial(contacts, rng.beta(0.5, 1.5, shape))
    customers = np.full(shape[1], 150.0)
    _, low, high = grouped_ratio(answers.astype(float), contacts.astype(float), customers)
    assert 0.935 <= ((low <= 0.25) & (high >= 0.25)).mean() <= 0.965
    sums = answers.sum(axis=0), contacts.sum(axis=0).astype(float)
    # As if each contact were another customer's.
    low, high = share_interval(sums[0] / sums[1], 0.0, sums[1])
    assert ((low <= 0.25) & (high >= 0.25)).mean() < 0.8


def test_means_are_those_of_scipy_and_one_contact_each_is_nearly_wilson() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(40, 10, 90)
    values[::9] = np.nan
    group = rng.integers(0, 3, 90)
    mean, low, high = grouped_mean(values, (group[:, None] == np.arange(3)) * 1.0)
    for g in range(3):
        sample = values[(group == g) & ~np.isnan(values)]
        expected = stats.t.interval(0.95, len(sample) - 1, sample.mean(), stats.sem(sample))
        np.testing.assert_allclose([mean[g], low[g], high[g]], [sample.mean(), *expected])
    mean, low, high = grouped_mean(np.array([3.0]), np.ones((1, 1)))
    assert mean[0] == 3.0
    assert np.isnan([low[0], high[0]]).all()
    hits = np.zeros((500, 1))
    hits[:60] = 1.0
    ratio, low, high = grouped_ratio(hits, np.ones((500, 1)), np.array([500.0]))
    assert ratio[0] == 0.12
    expected = proportion_confint(60, 500, method="wilson")
    np.testing.assert_allclose([low[0], high[0]], expected, 2e-3)
    contacts = np.column_stack([np.ones(20), np.ones(20), np.zeros(20)])
    answers = np.column_stack([np.zeros(20), np.ones(20), np.zeros(20)])
    ratio, low, high = grouped_ratio(answers, contacts, np.array([20.0, 20.0, 0.0]))
    assert ratio[:2].tolist() == [0, 1]
    assert high[0] > 0.1 and low[1] < 0.9
    assert np.isnan([ratio[2], low[2], high[2]]).all()


def test_columns_are_what_scikit_learn_makes_of_them_and_what_says_nothing_left_out(features):
    values = np.random.default_rng(0).normal(5, 2, 400).clip(1, 9)
    expected = StandardScaler().fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(standardise(values), expected)
    values = np.random.default_rng(0).lognormal(3, 1.5, 500)
    values[0] = 1e9
    result = standardise(values)
    assert result.max() == 3.0
    assert abs(skew(result)) < 0.5 < 1 < skew(values)
    assert (np.argsort(result[1:]) == np.argsort(values[1:])).all()
    result = standardise(np.array([1.0, 2.0, 3.0, np.nan]))
    assert result[3] == result[1]
    assert not standardise(np.full(4, 7.0)).any()
    assert not standardise(np.full(4, np.nan)).any()
    frame = features.assign(price_level=None, coupon_order_share=0.0).drop(columns="discount_share")
    prepared = prepare(frame)
    assert prepared.left_out == ("price_level", "coupon_order_share")
    assert "discount_share" not in prepared.columns
    assert prepared.matrix.shape == (len(frame), len(prepared.columns))
    assert np.isfinite(prepared.matrix).all()
    refused("did you mean 'recency_days'", prepare, features, ["recency_day"])
    frame = pd.DataFrame({"orders": [1, 0, None, 2], "recency_days": [3.0, 1.0, 1.0, np.nan]})
    assert has_history(frame).tolist() == [True, False, False, False]
    assert has_history(frame[[]]).tolist() == [True] * 4
