"""Least squares against statsmodels, ridge against scikit-learn and the definition of its score."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from promolab.effects.learners.linear import PENALTIES, least_squares, ridge

sm = pytest.importorskip("statsmodels.api")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 60, 240)
    Z = rng.normal(size=(240, 3)) + rng.normal(size=(60, 1))[cluster]
    y = 1 + Z @ [0.5, 0, -1] + (1 + np.abs(Z[:, 0])) * rng.normal(size=240)
    return Z, y + rng.normal(size=60)[cluster], cluster, rng.uniform(0.1, 2, 240)


@pytest.mark.parametrize("clustered", [False, True])
def test_values_and_errors_are_those_of_statsmodels(data, clustered):
    Z, y, cluster, weight = data
    how = (
        {"cov_type": "cluster", "cov_kwds": {"groups": cluster}}
        if clustered
        else {"cov_type": "HC1"}
    )
    weight = weight if clustered else np.ones(240)
    fit = least_squares(Z, y, weight, cluster) if clustered else least_squares(Z, y)
    other = sm.WLS(y, sm.add_constant(Z), weights=weight).fit(**how)
    new = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0]])
    frame = other.get_prediction(sm.add_constant(new, has_constant="add")).summary_frame()
    assert fit.predict(new) == pytest.approx(frame["mean"].to_numpy(), rel=1e-9)
    assert fit.std_error(new) == pytest.approx(frame["mean_se"].to_numpy(), rel=1e-6)


def test_a_repeated_column_changes_nothing_and_with_nothing_to_learn_it_is_the_mean(data):
    Z, y, _, _ = data
    twice = np.column_stack([Z, Z[:, 0]])
    one, two = least_squares(Z, y), least_squares(twice, y)
    assert two.predict(twice) == pytest.approx(one.predict(Z), abs=1e-9)
    assert two.std_error(twice) == pytest.approx(one.std_error(Z), rel=1e-6)
    empty = np.empty((4, 0))
    y = np.array([1.0, 2.0, 3.0, 6.0])
    assert ridge(empty, y).predict(empty).tolist() == [3.0] * 4
    fit = least_squares(empty, y)
    assert fit.predict(empty[:1]) == pytest.approx([3.0])
    assert fit.std_error(empty[:1]) == pytest.approx([y.std(ddof=1) / 2])


def test_ridge_has_the_least_generalised_cross_validation_score(data):
    Z, y, _, _ = data
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
