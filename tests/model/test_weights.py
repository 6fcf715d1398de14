"""Rows that count for more than one: a weight is as many copies of a row, wherever it enters."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from promolab import ResponseModel
from promolab.model.calibration import Calibrator
from promolab.model.learners import Tree
from promolab.model.solvers.logistic import fit_logistic, sandwich, small_sample_factor

SMALL = {
    "logistic": {},
    "tree": {"min_leaf": 20},
    "forest": {"trees": 5},
    "boosting": {"iterations": 20},
    "mlp": {"epochs": 3, "hidden": (8,)},
    "multitask": {"epochs": 3, "hidden": (8,)},
}


def data(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"orders": rng.poisson(4, n), "city": rng.choice(["a", "b"], n)})
    y = (rng.random(n) < 1 / (1 + np.exp(2 - 0.4 * X["orders"]))).astype(int).to_numpy()
    return X, y, rng.integers(1, 4, n), rng.integers(0, n // 3, n)


def test_models_are_scikit_learns_with_the_same_weights() -> None:
    X, y, weight, _ = data()
    model = ResponseModel(l2=2.0).fit(X, y, sample_weight=weight)
    reference = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    matrix = model.encoder_.transform(X)
    expected = reference.fit(matrix, y, sample_weight=weight).predict_proba(matrix)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    plain = ResponseModel(l2=2.0).fit(X, y)
    assert np.abs(plain.predict_proba(X) - expected).max() > 0.01, "the weights matter here"
    model = ResponseModel("tree", depth=3, min_leaf=20).fit(X, y, sample_weight=weight)
    learner = model.learners_[0]
    assert isinstance(learner, Tree)
    matrix = learner.encoder.transform(X)
    reference = DecisionTreeClassifier(
        max_depth=3, min_samples_leaf=20, criterion="log_loss", random_state=0
    ).fit(matrix, y, sample_weight=weight)
    rate = reference.predict_proba(matrix)[:, 1]
    size = np.bincount(reference.apply(matrix), weights=weight)[reference.apply(matrix)]
    # As if one more row had been seen that responds like the average one.
    expected = (rate * size + weight @ y / weight.sum()) / (size + 1)
    np.testing.assert_allclose(model.probability(X), expected, rtol=1e-9)


def test_intervals_are_those_of_copies_in_the_same_cluster() -> None:
    X, y, weight, who = data()
    matrix = ResponseModel().fit(X, y).encoder_.transform(X)
    copies = np.repeat(np.arange(len(y)), weight)
    w, b, _ = fit_logistic(matrix, y, 2.0, weight)
    again, intercept, _ = fit_logistic(matrix[copies], y[copies], 2.0)
    np.testing.assert_allclose([*w, b], [*again, intercept], atol=1e-7)
    one = sandwich(matrix, y, w, b, 2.0, who, weight)
    other = sandwich(matrix[copies], y[copies], w, b, 2.0, who[copies])
    size = [small_sample_factor(200, n, len(w) + 1) for n in (len(y), len(copies))]
    np.testing.assert_allclose(one / size[0], other / size[1], rtol=1e-8)


def test_twice_the_weight_is_half_the_penalty_and_calibration_is_that_of_copies() -> None:
    X, y, _, who = data()
    one = ResponseModel(l2=30.0).fit(X, y)
    two = ResponseModel(l2=60.0).fit(X, y, sample_weight=np.full(len(y), 2.0))
    np.testing.assert_allclose(one.weights_, two.weights_, rtol=1e-8)
    far = X.assign(orders=X["orders"] * 1_000, city="nowhere")
    both = pd.concat([X, far], ignore_index=True)
    weight = pd.Series(np.repeat([1.0, 0.0], len(X)))
    labels, clusters = np.concatenate([y, 1 - y]), np.concatenate([who, who])
    model = ResponseModel(calibration="platt").fit(
        both, labels, clusters, sample_weight=weight.sample(frac=1, random_state=1)
    )
    alone = ResponseModel(calibration="platt").fit(X, y, who)
    np.testing.assert_allclose(model.logit(X), alone.logit(X), rtol=1e-10)
    assert (model.n_, model.clusters_) == (alone.n_, alone.clusters_)
    rng = np.random.default_rng(2)
    says = rng.normal(size=400)
    came = (rng.random(400) < 1 / (1 + np.exp(-0.5 * says + 1))).astype(float)
    times, at = rng.integers(1, 4, 400), np.linspace(-2, 2, 9)
    copies = np.repeat(np.arange(400), times)
    mended = Calibrator.fit(says, came, times.astype(float)).apply(at)
    of_copies = Calibrator.fit(says[copies], came[copies]).apply(at)
    np.testing.assert_allclose(mended, of_copies, atol=1e-8)
    assert np.abs(mended - Calibrator.fit(says, came).apply(at)).max() > 0.01


@pytest.mark.parametrize("kind", list(SMALL))
def test_every_kind_takes_weights(kind: str) -> None:
    X, y, _, who = data()
    # Where orders are even nobody counts whose outcome is 1: their chance falls.
    even = X["orders"].to_numpy() % 2 == 0
    weight = np.where(even & (y == 1), 0.05, 1.0)
    plain = ResponseModel(kind, **SMALL[kind]).fit(X, y, cluster=who)
    model = ResponseModel(kind, **SMALL[kind]).fit(X, y, cluster=who, sample_weight=weight)
    assert model.probability(X)[even].mean() < plain.probability(X)[even].mean() - 0.03
    assert (model.n_, model.positives_) == (len(y), y.sum())
    if kind != "forest":  # a forest draws its rows by their weights
        same = ResponseModel(kind, **SMALL[kind]).fit(X, y, who, sample_weight=np.ones(len(y)))
        np.testing.assert_array_equal(same.logit(X), plain.logit(X))
