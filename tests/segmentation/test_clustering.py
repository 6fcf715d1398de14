import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import skew
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.proportion import proportion_confint

from promolab.segmentation.groups import measures as clustering
from promolab.segmentation.groups.density import dbscan, distance_knee
from promolab.segmentation.groups.measures import grouped_mean, grouped_ratio
from promolab.segmentation.groups.preparation import has_history, prepare, standardise


def test_the_silhouette_is_that_of_scikit_learn_noise_left_out(planted, monkeypatch):
    matrix = prepare(planted[0]).matrix
    codes = KMeans(4, n_init=5, random_state=2).fit(matrix).labels_
    mean, low, high = clustering.silhouette(matrix, codes, seed=0)
    assert mean == pytest.approx(silhouette_score(matrix, codes), abs=1e-9)
    assert low < mean < high
    assert np.isnan(clustering.silhouette(matrix, np.zeros(len(matrix), int), 0)).all()
    codes[:10] = -1
    whole = clustering.silhouette(matrix, codes, 0)[0]
    assert whole == pytest.approx(silhouette_score(matrix[10:], codes[10:]))
    monkeypatch.setattr(clustering, "SILHOUETTE_ROWS", 200)  # a large frame is sampled
    sampled, again = (clustering.silhouette(matrix, codes, 0)[0] for _ in range(2))
    assert whole != sampled == again == pytest.approx(whole, abs=0.03)


def test_the_knee_is_where_distances_shoot_up() -> None:
    rng = np.random.default_rng(0)
    matrix = np.vstack([rng.normal(0, 0.1, (300, 2)), rng.uniform(-20, 20, (15, 2))])
    curve, eps = distance_knee(matrix, 5)
    neighbours = NearestNeighbors(n_neighbors=5).fit(matrix).kneighbors(matrix)[0][:, -1]
    np.testing.assert_allclose(curve, np.sort(neighbours))
    codes = dbscan(matrix, eps, 5)
    assert (codes[:300] == 0).mean() > 0.9 and (codes[300:] == -1).all()


def test_ratio_covers_the_truth_when_customers_differ() -> None:
    rng, shape = np.random.default_rng(4), (150, 4_000)  # a draw is a column
    contacts = rng.integers(1, 9, shape)
    # Some customers answer everything they get: rows of one customer are alike.
    answers = rng.binomial(contacts, rng.beta(0.5, 1.5, shape))
    customers = np.full(shape[1], 150.0)
    _, low, high = grouped_ratio(answers.astype(float), contacts.astype(float), customers)
    assert 0.935 <= ((low <= 0.25) & (high >= 0.25)).mean() <= 0.965


def test_means_are_those_of_scipy_and_one_contact_each_is_nearly_wilson() -> None:
    rng = np.random.default_rng(0)
    values, group = rng.normal(40, 10, 90), rng.integers(0, 3, 90)
    values[::9] = np.nan
    groups = (group[:, None] == np.arange(3)) * 1.0
    for g, ends in enumerate(zip(*grouped_mean(values, groups), strict=True)):
        sample = values[(group == g) & ~np.isnan(values)]
        expected = stats.t.interval(0.95, len(sample) - 1, sample.mean(), stats.sem(sample))
        np.testing.assert_allclose(ends, [sample.mean(), *expected])
    one, low, high = grouped_mean(np.array([3.0]), np.ones((1, 1)))
    assert one[0] == 3.0 and np.isnan([low[0], high[0]]).all()
    hits = (np.arange(500) < 60)[:, None] * 1.0
    ratio, low, high = grouped_ratio(hits, np.ones((500, 1)), np.array([500.0]))
    expected = (0.12, *proportion_confint(60, 500, method="wilson"))
    np.testing.assert_allclose(np.ravel([ratio, low, high]), expected, 2e-3)
    contacts, answers = np.tile([1.0, 1.0, 0.0], (20, 1)), np.tile([0.0, 1.0, 0.0], (20, 1))
    ratio, low, high = grouped_ratio(answers, contacts, np.array([20.0, 20.0, 0.0]))
    assert ratio[:2].tolist() == [0, 1] and high[0] > 0.1 and low[1] < 0.9
    assert np.isnan([ratio[2], low[2], high[2]]).all()


def test_columns_are_what_scikit_learn_makes_of_them_and_what_says_nothing_left_out(features):
    rng = np.random.default_rng(0)
    values = rng.normal(5, 2, 400).clip(1, 9)
    expected = StandardScaler().fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(standardise(values), expected)
    values = np.array([1e9, *rng.lognormal(3, 1.5, 499)])
    result = standardise(values)
    assert result.max() == 3.0 and abs(skew(result)) < 0.5 < 1 < skew(values)
    assert (np.argsort(result[1:]) == np.argsort(values[1:])).all()
    gap = standardise(np.array([1.0, 2.0, 3.0, np.nan]))
    assert gap[3] == gap[1]
    assert not standardise(np.full(4, 7.0)).any() and not standardise(np.full(4, np.nan)).any()
    frame = features.assign(price_level=None, coupon_order_share=0.0).drop(columns="discount_share")
    prepared = prepare(frame)
    assert prepared.left_out == ("price_level", "coupon_order_share")
    assert "discount_share" not in prepared.columns
    assert prepared.matrix.shape == (len(frame), len(prepared.columns))
    assert np.isfinite(prepared.matrix).all()
    frame = pd.DataFrame({"orders": [1, 0, None, 2], "recency_days": [3.0, 1.0, 1.0, np.nan]})
    assert has_history(frame).tolist() == [True, False, False, False]
    assert has_history(frame[[]]).tolist() == [True] * 4
