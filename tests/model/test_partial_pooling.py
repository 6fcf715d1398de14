"""A model per promotion, drawn towards a shared one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from promolab.errors import InputError
from promolab.model.response import ResponseModel
from promolab.model.solvers.logistic import fit_logistic, sandwich
from promolab.model.solvers.partial_pooling import PooledFit, fit_pooled, pooled_covariance
from tests.model.threads import on_threads
from tests.refused import refused


def simulate(
    n: int = 1200, p: int = 3, groups: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X, group = rng.normal(size=(n, p)), rng.integers(0, groups, n)
    own = rng.normal(0, 0.7, (groups, p)) + rng.normal(size=p)
    z = (X * own[group]).sum(axis=1) + rng.normal(-1, 1, groups)[group]
    return X, (rng.uniform(size=n) < expit(z)).astype(float), group


def objective(
    X: np.ndarray, y: np.ndarray, group: np.ndarray, fit: PooledFit, l2: float, pooling: float
) -> float:
    """Return the objective as it is written, without any of the package's sums."""
    total = 0.0
    for i in range(len(y)):
        w = fit.weights + fit.own_weights[group[i]]
        z = X[i] @ w + fit.intercept + fit.own_intercepts[group[i]]
        total += np.logaddexp(0, -z if y[i] else z)
    own = (fit.own_weights**2).sum() + (fit.own_intercepts**2).sum()
    return float(total + 0.5 * l2 * fit.weights @ fit.weights + 0.5 * pooling * own)


def test_same_optimum_as_an_explicit_interaction_design() -> None:
    # Columns for every (promotion, feature), scaled so that one ridge penalty stands for both:
    # γ = u · √(pooling / l2) has penalty ½ · l2 · γ² where u has ½ · pooling · u².
    X, y, group = simulate()
    l2, pooling = 2.0, 7.0
    ratio = np.sqrt(l2 / pooling)
    with_one = np.column_stack([X, np.ones(len(y))])
    member = (group[:, None] == np.arange(5)).astype(float)
    crossed = (member[:, :, None] * with_one[:, None, :]).reshape(len(y), -1) * ratio
    w, b, reference = fit_logistic(np.hstack([X, crossed]), y, l2)
    own = w[3:].reshape(5, 4) * ratio
    fit = fit_pooled(X, y, group, l2, pooling)
    assert fit.info.converged and fit.info.excess <= 1e-13
    np.testing.assert_allclose(fit.weights, w[:3], atol=1e-8)
    np.testing.assert_allclose(fit.own_weights, own[:, :3], atol=1e-8)
    np.testing.assert_allclose(fit.own_intercepts, own[:, 3], atol=1e-8)
    assert fit.intercept == pytest.approx(b, abs=1e-8)
    assert fit.info.objective == pytest.approx(reference.objective, rel=1e-12)
    assert fit.info.objective == pytest.approx(objective(X, y, group, fit, l2, pooling), rel=1e-12)


def test_much_pooling_is_the_shared_model_and_none_a_model_of_its_own() -> None:
    X, y, group = simulate()
    fit = fit_pooled(X, y, group, 3.0, 1e12)
    w, b, _ = fit_logistic(X, y, 3.0)
    np.testing.assert_allclose(fit.weights, w, atol=1e-8)
    assert fit.intercept == pytest.approx(b, abs=1e-8)
    assert np.abs(fit.own_weights).max() < 1e-9 and np.abs(fit.own_intercepts).max() < 1e-9
    np.testing.assert_allclose(
        pooled_covariance(X, y, group, fit, 3.0, 1e12), sandwich(X, y, w, b, 3.0, None), rtol=1e-6
    )
    X, y, group = simulate()
    fit = fit_pooled(X, y, group, 1.0, 1e-4)
    for j in range(5):
        w, b, _ = fit_logistic(X[group == j], y[group == j], 1e-6)
        np.testing.assert_allclose(fit.weights + fit.own_weights[j], w, atol=1e-4)
        assert fit.intercept + fit.own_intercepts[j] == pytest.approx(b, abs=1e-4)


def test_a_single_outcome_will_do_weights_are_repetitions_and_order_is_nothing() -> None:
    X, y, group = simulate()
    y[group == 2] = 0.0
    fit = fit_pooled(X, y, group, 1.0, 0.5)
    assert fit.info.converged and np.isfinite(fit.own_weights).all()
    assert fit.own_intercepts[2] == fit.own_intercepts.min()
    X, y, group = simulate(n=400)
    rng = np.random.default_rng(1)
    times = rng.integers(1, 4, len(y))
    fit = fit_pooled(X, y, group, 1.0, 2.0, sample_weight=times)
    order = rng.permutation(times.sum())
    rows, labels, groups = (np.repeat(a, times, axis=0)[order] for a in (X, y, group))
    again = fit_pooled(rows, labels, groups, l2=1.0, pooling=2.0)
    np.testing.assert_allclose(again.own_weights, fit.own_weights, atol=1e-8)
    np.testing.assert_allclose(again.weights, fit.weights, atol=1e-8)


def test_same_bits_on_any_number_of_threads() -> None:
    X, y, group = simulate(n=20_000, p=12)
    one, two = on_threads(lambda: fit_pooled(X, y, group, 1.0, 10.0), 1, 2)
    np.testing.assert_array_equal(one.own_weights, two.own_weights)
    np.testing.assert_array_equal(one.weights, two.weights)


def test_shared_covariance_is_the_corner_of_the_whole() -> None:
    X, y, group = simulate(n=500, groups=3)
    cluster = np.random.default_rng(2).integers(0, 80, len(y))
    l2, pooling = 2.0, 5.0
    fit = fit_pooled(X, y, group, l2, pooling)
    with_one = np.column_stack([X, np.ones(len(y))])
    member = (group[:, None] == np.arange(3)).astype(float)
    design = np.hstack([with_one, (member[:, :, None] * with_one[:, None, :]).reshape(len(y), -1)])
    own = np.column_stack([fit.own_weights, fit.own_intercepts])
    theta = np.concatenate([fit.weights, [fit.intercept], own.ravel()])
    p = expit(design @ theta)
    penalty = np.diag(np.r_[np.full(3, l2), 0.0, np.full(12, pooling)])
    inverse = np.linalg.inv(design.T @ ((p * (1 - p))[:, None] * design) + penalty)
    scores = np.zeros((80, 16))
    np.add.at(scores, cluster, (p - y)[:, None] * design)
    clusters = len(np.unique(cluster))
    factor = clusters / (clusters - 1) * (len(y) - 1) / (len(y) - 4)
    whole = factor * inverse @ scores.T @ scores @ inverse
    found = pooled_covariance(X, y, group, fit, l2, pooling, cluster)
    np.testing.assert_allclose(found, whole[:4, :4], rtol=1e-7, atol=1e-12)
    assert np.isnan(pooled_covariance(X, y, group, fit, l2, pooling, np.zeros(500))).all()


def test_bad_input() -> None:
    for change, message in [
        ({"group": [0, 2, 0, 2]}, "must number the 4 rows' groups"),
        ({"group": [0, 1]}, "must number the 4 rows' groups"),
        ({"pooling": 0.0}, "pooling = 0.0; expected a number above 0"),
        ({"l2": -1.0}, "l2 = -1.0; expected a number above 0"),
    ]:
        call = {"X": np.eye(4), "y": [0, 1, 0, 1], "group": [0, 1, 0, 1], "l2": 1.0, "pooling": 1.0}
        refused(message, fit_pooled, **call | change)
    for options, message in [
        ({"by": "promotion"}, "lack column 'promotion'.*'promotion_id'"),
        ({"by": 3}, "by = 3; give the name of a column"),
        ({"by": "promotion_id", "l1": 1.0}, "cannot be had together"),
        ({"by": "promotion_id", "pooling": 0}, "pooling = 0; expected a number from"),
        ({"by": "a", "columns": ["a", "b"]}, "'a' is the group of by="),
    ]:
        with pytest.raises(InputError, match=message):
            ResponseModel(**options).fit(*frame(100))
    rows, y = frame(100)
    rows.loc[3, "promotion_id"] = None
    refused("missing in 1 training rows", ResponseModel(by="promotion_id").fit, rows, y)


def frame(n: int = 900) -> tuple[pd.DataFrame, np.ndarray]:
    X, y, group = simulate(n=n)
    rows = pd.DataFrame(X, columns=["a", "b", "c"])
    return rows.assign(promotion_id=np.array(["p", "q", "r", "s", "t"])[group]), y.astype(int)


def test_behind_the_door_a_new_promotion_has_the_shared_weights() -> None:
    rows, y = frame()
    model = ResponseModel(by="promotion_id", pooling=5.0, l2=1.0).fit(rows, y)
    shared = ResponseModel(columns=["a", "b", "c"], l2=1.0).fit(rows, y)
    gain = [np.mean((m.probability(rows) - y) ** 2) for m in (model, shared)]
    assert gain[0] < gain[1] - 0.01
    # The group is no feature, and its own intercept is its part.
    parts = model.explain(rows)
    assert parts.columns.tolist() == ["a", "b", "c", "promotion_id"]
    total = parts.sum(axis=1) + parts.attrs["base"]
    np.testing.assert_allclose(total, model.logit(rows), atol=1e-12)
    assert parts["promotion_id"].nunique() == 5
    table = model.coefficients()
    assert sorted(table["feature"]) == ["a", "b", "c"]
    assert (table["ci_low"] < table["ci_high"]).all()
    assert model.info_ is not None and model.info_.converged
    model = ResponseModel(by="promotion_id", pooling=5.0).fit(rows, y)
    new = rows.assign(promotion_id="unseen")
    expected = model.encoder_.transform(rows) @ model.weights_ + model.intercept_
    np.testing.assert_allclose(model.logit(new), expected, atol=1e-12)
    np.testing.assert_array_equal(model.logit(rows.assign(promotion_id=np.nan)), model.logit(new))
    refused("lack column 'promotion_id'", model.probability, rows.drop(columns="promotion_id"))
    rows, y = frame(300)
    rows["promotion_id"] = rows["promotion_id"].map(dict(zip("pqrst", range(5), strict=True)))
    model = ResponseModel(by="promotion_id", pooling=3.0).fit(rows, y)
    for kind in (float, str, "category", "Int64"):
        again = rows.assign(promotion_id=rows["promotion_id"].astype(kind))
        np.testing.assert_array_equal(model.logit(again), model.logit(rows))


@pytest.mark.parametrize("names", [list("pqrst"), [1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_saved_and_loaded_bit_for_bit(tmp_path: Path, names: list[Any]) -> None:
    rows, y = frame(300)
    rows["promotion_id"] = rows["promotion_id"].map(dict(zip("pqrst", names, strict=True)))
    model = ResponseModel(by="promotion_id", pooling=3.0).fit(rows, y)
    loaded = ResponseModel.load(model.save(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(loaded.logit(rows), model.logit(rows))
    assert loaded.get_params() == model.get_params()
    pieces = [loaded.logit(rows.iloc[i : i + 7]) for i in range(0, 300, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), model.logit(rows))
