"""The cluster-robust covariance, against statsmodels."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from scipy.stats import t

from promolab.model.solvers.logistic import fit_logistic, sandwich
from tests.draws import check_cover, draws


def simulate(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    return X, (rng.uniform(size=n) < expit(X @ rng.normal(size=p) - 1)).astype(float)


@pytest.mark.parametrize("clustered", [True, False])
def test_sandwich_agrees_with_statsmodels(clustered: bool) -> None:
    X, y = simulate(n=900, p=3)
    cluster = np.random.default_rng(2).integers(0, 120, len(y)) if clustered else np.arange(len(y))
    l2 = 1e-9
    w, b, _ = fit_logistic(X, y, l2)
    reference = sm.Logit(y, sm.add_constant(X, prepend=False)).fit(
        disp=0, tol=1e-14, cov_type="cluster", cov_kwds={"groups": cluster}
    )
    np.testing.assert_allclose(np.append(w, b), reference.params, atol=1e-6)
    mine = sandwich(X, y, w, b, l2, cluster if clustered else None)
    np.testing.assert_allclose(mine, reference.cov_params(), rtol=1e-5)


@pytest.mark.parametrize("clustered", [True, False])
def test_many_clusters_are_taken_block_by_block(clustered: bool, monkeypatch) -> None:
    X, y = simulate(n=900, p=3)
    cluster = np.random.default_rng(2).integers(0, 120, len(y)) if clustered else None
    w, b, _ = fit_logistic(X, y, 1.0)
    whole = sandwich(X, y, w, b, 1.0, cluster)
    monkeypatch.setattr("promolab.model.solvers.logistic.BLOCK", 50)
    np.testing.assert_allclose(sandwich(X, y, w, b, 1.0, cluster), whole, rtol=1e-12)


def test_clustered_intervals_cover_the_truth() -> None:
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


def test_sandwich_needs_two_clusters() -> None:
    X, y = simulate(n=50, p=2)
    w, b, _ = fit_logistic(X, y, 1.0)
    assert np.isnan(sandwich(X, y, w, b, 1.0, np.zeros(50))).all()
