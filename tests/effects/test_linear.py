"""Least squares against statsmodels, ridge against scikit-learn and the definition of its score."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from promolab.effects.learners.linear import PENALTIES, ridge

sm = pytest.importorskip("statsmodels.api")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(240, 3))
    return Z, 1 + Z @ [0.5, 0, -1] + rng.normal(size=240), rng.uniform(0.1, 2, 240)


def test_without_a_penalty_it_is_least_squares_and_a_repeated_column_changes_nothing(data):
    Z, y, weight = data
    other = sm.WLS(y, sm.add_constant(Z), weights=weight).fit().predict()
    assert ridge(Z, y, weight, penalty=0.0).predict(Z) == pytest.approx(other, rel=1e-9)
    twice = np.column_stack([Z, Z[:, 0]])
    fit = ridge(twice, y, weight, penalty=0.0)
    assert fit.predict(twice) == pytest.approx(other, rel=1e-9)
    empty = np.empty((4, 0))  # with nothing to learn it is the mean
    assert ridge(empty, np.array([1.0, 2.0, 3.0, 6.0])).predict(empty).tolist() == [3.0] * 4


def test_ridge_has_the_least_generalised_cross_validation_score(data):
    Z, y, _ = data
    Z = np.column_stack([Z, np.random.default_rng(1).normal(size=(len(y), 30))])
    n, scores, fits = len(y), [], []
    centred = Z - Z.mean(axis=0)
    for penalty in PENALTIES * n:
        model = Ridge(alpha=penalty).fit(Z, y)
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(33), centred.T)
        scores.append(((y - model.predict(Z)) ** 2).sum() / (n - 1 - np.trace(hat)) ** 2)
        fits.append(model.predict(Z))
    best = int(np.argmin(scores))
    assert 0 < best < len(PENALTIES) - 1
    assert ridge(Z, y).predict(Z) == pytest.approx(fits[best], abs=1e-8)
