"""The optimum, against scikit-learn."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit, xlogy
from scipy.stats import t
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from promolab.model.calibration import Calibrator
from promolab.model.learners import Tree
from promolab.model.response import ResponseModel
from promolab.model.solvers import logistic, newton
from promolab.model.solvers.logistic import (
    fit_elastic_net,
    fit_logistic,
    largest_l1,
    sandwich,
    small_sample_factor,
)
from tests.draws import check_cover, draws
from tests.model.threads import on_threads
from tests.refused import refused

NETWORK = {"epochs": 3, "hidden": (8,)}
SMALL: dict[str, Any] = {"logistic": {}, "mlp": NETWORK, "multitask": NETWORK}
SMALL |= {"tree": {"min_leaf": 20}, "forest": {"trees": 5}, "boosting": {"iterations": 20}}


def simulate(n=1500, p=8, seed=0, intercept=-1.0, correlation=0.5) -> tuple[Any, Any]:
    """Return correlated columns, of which three in five matter, and the labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.sqrt(1 - correlation)
    X += rng.normal(size=(n, 1)) * np.sqrt(correlation)
    w = rng.normal(size=p) * (np.arange(p) % 5 < 3)
    return X, (rng.uniform(size=n) < expit(X @ w + intercept)).astype(float)


def objective(X, y, w: np.ndarray, b: float, l2: float, l1: float = 0.0) -> float:
    loss = np.logaddexp(0, (1 - 2 * y) * (X @ w + b)).sum()
    return float(loss + 0.5 * l2 * w @ w + l1 * np.abs(w).sum())


@pytest.mark.filterwarnings("ignore:The inner solver")
@pytest.mark.parametrize("l2", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("data", ["usual", "rare", "unscaled"])
def test_same_optimum_as_scikit_learn(l2: float, data: str) -> None:
    X, y = simulate(n=4000, p=4, intercept=-6.0 if data == "rare" else -1.0)
    scale = np.array([1e-4, 1.0, 1e3, 1e6]) if data == "unscaled" else np.ones(4)
    X = (X + 5 * (data == "unscaled")) * scale
    w, b, info = fit_logistic(X, y, l2)
    model = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=100_000, solver="newton-cholesky")
    model.fit(X, y)
    theirs = objective(X, y, model.coef_[0], float(model.intercept_[0]), l2)
    assert info.converged and info.excess <= 1e-10
    assert info.objective == pytest.approx(objective(X, y, w, b, l2), rel=1e-12)
    assert info.objective / len(y) <= theirs / len(y) + 1e-9
    if data != "unscaled":
        np.testing.assert_allclose(w, model.coef_[0], atol=1e-5)


def test_the_start_on_a_share_of_rows_changes_nothing(monkeypatch):
    X, y = simulate(n=5000)
    w, b, _ = fit_logistic(X, y, 1.0)
    monkeypatch.setattr(logistic, "SUBSAMPLE", 500)
    monkeypatch.setattr(newton, "PIECE", 700)
    shared, shared_b, info = fit_logistic(X, y, 1.0, tol=1e-15)
    np.testing.assert_allclose([*shared, shared_b], [*w, b], atol=1e-9)
    assert info.iterations <= 4


def test_odd_columns_converge() -> None:
    x = np.linspace(-3, 3, 200)[:, None]
    y = (x[:, 0] > 0).astype(float)
    for l2 in (1.0, 1e-4, 1e-8):
        w, b, info = fit_logistic(x, y, l2)
        assert info.converged and np.isfinite(w).all()
        assert abs(b) < 1e-6 * max(1, w[0])
        residual = y - expit(x[:, 0] * w[0] + b)
        assert l2 * w[0] == pytest.approx(float(residual @ x[:, 0]), rel=1e-3)
    X, y = simulate(p=3)
    doubled = np.column_stack([X, X[:, 0], np.zeros(len(X))])
    w, _, info = fit_logistic(doubled, y, l2=1e-6)
    assert info.converged
    assert w[0] == pytest.approx(w[3], rel=1e-3) and w[4] == 0


def test_same_bits_again_and_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton, "PIECE", 2000)  # enough pieces that threads share them out
    X, y = simulate(n=10_000)
    X = X.astype(np.float32)  # single precision loses nothing
    for array in (X, y):  # writing to them would be an error
        array.setflags(write=False)
    one, *others = on_threads(lambda: fit_logistic(X, y, 1.0), 1, 2, 2)
    for w, b, _ in (*others, fit_logistic(X.astype(float), y, 1.0)):
        np.testing.assert_array_equal([*w, b], [*one[0], one[1]])


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
def test_the_certificate_bounds_the_excess(tol: float) -> None:
    # A step whose Hessian is from an earlier point claims no more than is true.
    for seed in range(5):
        X, y = simulate(n=800, p=5, seed=seed, intercept=-3.0)
        best = fit_logistic(X, y, 1.0)[2].objective
        w, b, info = fit_logistic(X, y, 1.0, tol=tol)
        excess = (objective(X, y, w, b, 1.0) - best) / len(y)
        assert -1e-13 <= excess <= info.excess + 1e-13 <= tol + 1e-12


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_bad_input_and_a_fit_that_does_not_converge_are_said(monkeypatch) -> None:
    for change, message in [
        ({"y": [0, 0, 0]}, "y has a single class in its 3 rows"),
        ({"y": [0, 1, 2]}, "values other than 0 and 1"),
        ({"y": [0, 1]}, r"X has shape \(3, 1\) and y \(2,\)"),
        ({"X": [[1.0], [np.nan], [2.0]]}, "missing or infinite"),
        ({"l2": 0.0}, "l2 = 0.0; expected a number above 0"),
        ({"X": [[1e200], [2.0], [3.0]]}, "did not reach its optimum"),  # too large to square
        ({"sample_weight": [1, -1, 1]}, "none below 0"),
    ]:
        call = {"X": [[1.0], [2.0], [3.0]], "y": [0, 1, 0], "l2": 1.0} | change
        refused(message, fit_logistic, **call)
    monkeypatch.setattr(newton, "MAX_ITERATIONS", 1)
    refused("did not reach its optimum in 1 steps", fit_logistic, *simulate(n=200), 1e-3)


@pytest.mark.parametrize("clustered", [True, False])
def test_sandwich_agrees_with_statsmodels_also_block_by_block(clustered: bool, monkeypatch) -> None:
    X, y = simulate(n=900, p=3)
    cluster = np.random.default_rng(2).integers(0, 120, len(y)) if clustered else np.arange(len(y))
    l2 = 1e-9
    w, b, _ = fit_logistic(X, y, l2)
    reference = sm.Logit(y, sm.add_constant(X, prepend=False)).fit(
        disp=0, tol=1e-14, cov_type="cluster", cov_kwds={"groups": cluster}
    )
    np.testing.assert_allclose(np.append(w, b), reference.params, atol=1e-6)
    told = cluster if clustered else None
    whole = sandwich(X, y, w, b, l2, told)
    np.testing.assert_allclose(whole, reference.cov_params(), rtol=1e-5)
    monkeypatch.setattr("promolab.model.solvers.logistic.BLOCK", 50)
    np.testing.assert_allclose(sandwich(X, y, w, b, l2, told), whole, rtol=1e-12)


def test_clustered_intervals_cover_the_truth_and_need_two_clusters() -> None:
    # Every customer stands in four rows that share a feature and a random effect: rows are far from
    # independent, and intervals that ignore it cover much less.
    rng = np.random.default_rng(0)
    customers, truth = 150, 0.5
    # The random effect shrinks the population-averaged slope (Zeger, Liang & Albert 1988).
    marginal = truth / np.sqrt(1 + (16 * np.sqrt(3) / (15 * np.pi)) ** 2)
    customer = np.repeat(np.arange(customers), 4)
    clustered: list[Any] = []
    by_row: list[Any] = []
    for _ in range(draws()):
        x = rng.normal(size=customers)
        logit = np.repeat(truth * x + rng.normal(size=customers), 4)
        X, y = np.repeat(x, 4)[:, None], (rng.uniform(size=len(logit)) < expit(logit)).astype(float)
        w, b, _ = fit_logistic(X, y, 1e-3)
        for found, cluster in ((clustered, customer), (by_row, None)):
            half = t.ppf(0.975, customers - 1) * sandwich(X, y, w, b, 1e-3, cluster)[0, 0] ** 0.5
            found.append((w[0], w[0] - half, w[0] + half))
    check_cover(clustered, marginal, biased=True)
    _, low, high = np.array(by_row).T
    assert np.mean((low <= marginal) & (marginal <= high)) < 0.91
    X, y = simulate(n=50, p=2)
    w, b, _ = fit_logistic(X, y, 1.0)
    assert np.isnan(sandwich(X, y, w, b, 1.0, np.zeros(50))).all()


def dual(X: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, l1: float, l2: float) -> float:
    """Return a lower bound of the minimum (Fenchel): the entropy of p, less what Xᵀ(y − p) costs.

    Any p in (0, 1) with Σ p = Σ y, as the free intercept asks, gives one.
    """
    p = expit(X @ w + b)
    p *= y.sum() / p.sum()
    entropy = -(xlogy(p, p) + xlogy(1 - p, 1 - p)).sum()
    over = np.maximum(np.abs(X.T @ (y - p)) - l1, 0.0)
    return float(entropy - (over**2).sum() / (2 * l2))


@pytest.mark.parametrize("l2", [1.0, 1e-4])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.03])
def test_the_dual_certifies_the_optimum(l2: float, share: float) -> None:
    X, y = simulate(400, 60, correlation=0.9)
    l1 = share * largest_l1(X, y)
    w, b, info = fit_elastic_net(X, y, l1, l2)
    gap = objective(X, y, w, b, l2, l1) - dual(X, y, w, b, l1, l2)
    assert -1e-9 <= gap <= 1e-6 * len(y)
    assert info.converged and info.gradient_norm < 1e-6 and info.excess <= 1e-13
    assert info.objective == pytest.approx(objective(X, y, w, b, l2, l1), rel=1e-12)
    # Karush, Kuhn and Tucker: where a weight is 0 the slope is within ±l1, elsewhere it is ±l1.
    slope = X.T @ (expit(X @ w + b) - y) + l2 * w
    assert (np.abs(slope[w == 0]) <= l1 * (1 + 1e-9)).all()
    np.testing.assert_allclose(slope[w != 0], -l1 * np.sign(w[w != 0]), rtol=1e-7)


def test_without_l1_it_is_the_ridge_with_the_largest_all_are_0_twins_share_and_weights_repeat():
    X, y = simulate(500, 12)
    (w, b, _), (ridge, ridge_b, _) = fit_elastic_net(X, y, 0.0, 2.0), fit_logistic(X, y, 2.0)
    np.testing.assert_allclose([*w, b], [*ridge, ridge_b], atol=1e-7)
    limit = largest_l1(X, y)
    w, b, _ = fit_elastic_net(X, y, limit * (1 + 1e-9), 1.0)
    assert (w == 0).all() and expit(b) == pytest.approx(y.mean(), rel=1e-9)
    assert (fit_elastic_net(X, y, limit * 0.999, 1.0)[0] != 0).sum() == 1
    X, y = simulate(p=3)
    w, _, info = fit_elastic_net(np.column_stack([X, X[:, 0], np.zeros(len(y))]), y, 1.0, 1e-3)
    assert info.converged and w[4] == 0
    assert w[0] == pytest.approx(w[3], rel=1e-6)
    X, y = simulate(n=200)
    times = np.random.default_rng(1).integers(0, 4, len(y))
    w, b, _ = fit_elastic_net(X, y, 2.0, 0.1, sample_weight=times)
    same, same_b, _ = fit_elastic_net(X.repeat(times, axis=0), y.repeat(times), 2.0, 0.1)
    np.testing.assert_allclose([*w, b], [*same, same_b], atol=1e-8)


def test_another_start_and_other_threads_end_at_the_same_optimum() -> None:
    X, y = simulate(500, 12)
    begin = fit_elastic_net(X, y, largest_l1(X, y) / 2, 0.5)[:2]
    (w, b, info), (alone, intercept, _) = (
        fit_elastic_net(X, y, 0.1, 0.5, start=start) for start in (begin, None)
    )
    np.testing.assert_allclose([*w, b], [*alone, intercept], atol=1e-6)
    assert info.converged
    X, y = simulate(n=3000, p=200)
    np.testing.assert_array_equal(*on_threads(lambda: fit_elastic_net(X, y, 5.0, 0.1)[0], 1, 2))


def test_behind_the_door() -> None:
    X, y = simulate(500, 12)
    rows = pd.DataFrame(X).rename(columns=lambda i: f"x{i}")
    model = ResponseModel(l1=15.0, l2=0.1).fit(rows, y.astype(int))
    w, b, _ = fit_elastic_net(model.encoder_.transform(rows), y, 15.0, 0.1)
    np.testing.assert_array_equal(model.weights_, w)
    assert model.intercept_ == b and 0 < (w == 0).sum() < 12
    # No interval is better than a false one.
    assert np.isnan(model.standard_errors_).all()
    assert model.coefficients()["ci_low"].isna().all()


def weighted(
    n: int = 600, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"orders": rng.poisson(4, n), "city": rng.choice(["a", "b"], n)})
    y = (rng.random(n) < 1 / (1 + np.exp(2 - 0.4 * X["orders"]))).astype(int).to_numpy()
    return X, y, rng.integers(1, 4, n), rng.integers(0, n // 3, n)


def test_models_are_scikit_learns_with_the_same_weights() -> None:
    X, y, weight, _ = weighted()
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
    X, y, weight, who = weighted()
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
    X, y, _, who = weighted()
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
    X, y, _, who = weighted()
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
