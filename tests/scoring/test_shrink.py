"""A smaller model is really smaller, near enough on rows it never saw, or not given out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from promolab.model.learners import Mlp
from promolab.model.learners.neural import Multitask
from promolab.model.response import ResponseModel
from promolab.scoring.shrinking import _Check, shrink
from tests.refused import refused


def data(n: int = 1200, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    logit = X["a"] + np.abs(X["b"]) - 1
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()
    return X, y, rng.integers(0, n // 3, n)


@pytest.fixture(scope="module")
def network() -> ResponseModel:
    X, y, who = data()
    options = {"hidden": (32, 16), "epochs": 8, "device": "cpu"}
    return ResponseModel("mlp", **options).fit(X, y, cluster=who)


@pytest.fixture(scope="module")
def forest() -> ResponseModel:
    X, y, who = data()
    forest = ResponseModel("forest", trees=40, min_leaf=10, calibration="platt")
    return forest.fit(X, y, cluster=who)


def network_in(model: ResponseModel) -> Mlp:
    learner = model.learners_[0]
    assert isinstance(learner, Mlp)
    return learner


def test_a_pruned_network_is_smaller_and_near_enough_and_says_so(network, tmp_path):
    X, y, who = data(2000, seed=1)
    result = shrink(network, X, y, cluster=who, most_loss=0.02)
    assert result.met and result.how.endswith("of the units") and result.rise.ci_high <= 0.02
    small = result.model
    rows = result.frame.set_index("what")
    before, after = rows.loc["original"], rows.loc[result.how]
    assert after["bytes"] < before["bytes"] and after["numbers"] < before["numbers"] / 2
    # The units are gone from the matrices, not set to zero.
    shapes = [weight.shape for weight in network_in(small).weights]
    assert shapes[0][1] == shapes[1][0] == small.get_params()["hidden"][0] < 32
    fresh, truth, _ = data(3000, seed=2)
    was, now = (log_loss(truth, m.probability(fresh)) for m in (network, small))
    assert now - was < 0.02
    loaded = ResponseModel.load(small.save(tmp_path / "small"))
    np.testing.assert_array_equal(loaded.probability(fresh), small.probability(fresh))
    assert network.get_params()["hidden"] == (32, 16)  # the original is as it was
    assert [w.shape[1] for w in network_in(network).weights] == [32, 16, 1]
    assert "times smaller" in result.summary() and result.to_dict()["met"] is True
    assert result.times_faster > 0


def test_several_outcomes_are_pruned_together() -> None:
    X, y, who = data(800)
    both = pd.DataFrame({"click": y, "purchase": np.where(X["c"] > 0, y, 0)})
    both.loc[:200, "purchase"] = np.nan
    options = {"hidden": (16, 8), "epochs": 6, "device": "cpu"}
    model = ResponseModel("multitask", **options).fit(X, both, cluster=who)
    result = shrink(model, X, both, cluster=who, most_loss=0.05)
    assert result.met
    for one in (result.model, model):
        (learner,) = one.learners_
        assert isinstance(learner, Multitask) and learner.pair == (0, 1)
    apart = np.asarray(result.model.probability(X)) - np.asarray(model.probability(X))
    assert np.abs(apart).mean() < 0.05


def test_a_forest_becomes_a_network(forest: ResponseModel, tmp_path: Path) -> None:
    X, y, who = data(1000, seed=1)
    result = shrink(forest, X, y, cluster=who, most_loss=0.03)
    assert result.met and result.model.kind == "mlp" and result.times_smaller > 10
    loaded = ResponseModel.load(result.model.save(tmp_path / "small"))
    np.testing.assert_array_equal(loaded.probability(X), result.model.probability(X))


def test_if_nothing_will_do_the_original_is_returned_and_intervals_are_clustered(forest, network):
    X, y, who = data(400, seed=1)
    result = shrink(network, X, y, cluster=who, most_loss=0.0)
    assert not result.met and result.model is network
    assert result.summary().startswith("The model stays as it is: none of 4 smaller ones")
    assert (result.frame["rise_high"].iloc[1:] > 0).all()
    for model, labels, how, said in [
        (ResponseModel().fit(X, y), y, {}, "a logistic model is small already"),
        (network, y, {"most_loss": -1}, "most_loss = -1"),
        (network, pd.DataFrame({"click": y}), {}, "y has the outcomes click"),
        (ResponseModel("mlp"), y, {}, "not fitted"),
    ]:
        refused(said, shrink, model, X, labels, **how)
    once, four = np.arange(400), np.repeat(np.arange(400), 4)
    plain, copied = (
        _Check(forest, X.iloc[rows], y[rows][:, None].astype(float), rows) for rows in (once, four)
    )
    assert copied.n == 4 * plain.n and copied.clusters == plain.clusters
    row, alone = copied.row("network", network), plain.row("network", network)
    assert row["rise_high"] == pytest.approx(alone["rise_high"], abs=1e-8)  # float32
    assert row["rise_low"] < row["rise"] < row["rise_high"]
