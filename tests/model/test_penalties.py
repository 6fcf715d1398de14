"""The optimum with an L1 penalty, against scikit-learn and against its dual."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, xlogy

from promolab.model.response import ResponseModel
from promolab.model.solvers.logistic import fit_elastic_net, fit_logistic, largest_l1
from tests.model.test_logistic import objective as ridge_objective
from tests.model.test_logistic import simulate
from tests.model.threads import on_threads


def objective(X: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, l1: float, l2: float) -> float:
    return ridge_objective(X, y, w, b, l2) + l1 * float(np.abs(w).sum())


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
    gap = objective(X, y, w, b, l1, l2) - dual(X, y, w, b, l1, l2)
    assert -1e-9 <= gap <= 1e-6 * len(y)
    assert info.converged and info.gradient_norm < 1e-6 and info.excess <= 1e-13
    assert info.objective == pytest.approx(objective(X, y, w, b, l1, l2), rel=1e-12)
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
