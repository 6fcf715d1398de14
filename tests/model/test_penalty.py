"""The choice of the penalty leaves out whole groups."""

import numpy as np
import pandas as pd

from promolab.model.learners import Logistic
from promolab.model.response import ResponseModel
from promolab.model.solvers.penalty import choose_l2, choose_pooling
from tests.refused import refused


def test_the_penalty_and_the_pooling_are_chosen() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 30))).rename(columns=lambda i: f"x{i}")
    group = rng.integers(0, 6, 400)
    noise = (rng.uniform(size=400) < 0.3).astype(int)
    signal = (X["x0"] * 3 + X["x1"] * 3 > rng.logistic(size=400)).astype(int)
    grid = [0.1, 1.0, 10.0, 1000.0]
    assert choose_l2(X, noise, group, grid)[0] == 1000.0
    l2, table = choose_l2(X, signal, group, grid)
    assert l2 < 1000.0
    assert table.loc[table["log_loss"].idxmin(), "l2"] == l2
    # The order of rows changes nothing; one group cannot be left out.
    order = rng.permutation(400)
    again = choose_l2(X.iloc[order], signal.iloc[order], group[order], grid)[1]
    np.testing.assert_allclose(again, table, rtol=1e-9)
    refused("there is 1 group only", choose_l2, X, signal, np.zeros(400), grid)
    rng = np.random.default_rng(2)
    X, group = pd.DataFrame(rng.normal(size=(900, 2)), columns=["a", "b"]), rng.integers(0, 6, 900)
    slopes = rng.normal(0, 2, 6)
    grid = [3.0, 1e6]
    apart = (X["a"] * slopes[group] > rng.logistic(size=900)).astype(int)
    alike = (X["a"] > rng.logistic(size=900)).astype(int)
    customer = rng.integers(0, 200, 900)
    assert choose_pooling(X, apart, group, customer, 1.0, grid)[0] == 3.0
    pooling, table = choose_pooling(X, alike, group, customer, 1.0, grid)
    assert pooling == 1e6 and table["pooling"].tolist() == grid
    # What is left out is predicted by the shared weights where its promotion is new.
    order = rng.permutation(900)
    again = choose_pooling(X.iloc[order], alike[order], group[order], customer[order], 1.0, grid)[1]
    np.testing.assert_allclose(again, table, rtol=1e-8)
    model = ResponseModel(by="g", pooling="cv").fit(X.assign(g=group), apart, cluster=customer)
    learner = model.learners_[0]
    assert isinstance(learner, Logistic)
    assert learner.pooling == choose_pooling(X, apart, group, customer, 30.0)[0]


def test_groups_are_left_out_whole() -> None:
    # A feature that names the group is worthless for new groups; leaving out rows would like it.
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(10), 60)
    effect = rng.normal(0, 2, 10)[group]
    y = (rng.uniform(size=600) < 1 / (1 + np.exp(-effect))).astype(int)
    X = pd.DataFrame({"name": np.array([f"g{i}" for i in group])})
    grid = [0.1, 1000.0]
    assert choose_l2(X, y, group, grid)[0] == 1000.0
    assert choose_l2(X, y, np.tile(np.arange(10), 60), grid)[0] == 0.1
