"""The factorization machine: the fast formula, planted interactions, levels of any number."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from promolab.errors import InputError
from promolab.model.learners.factorization import Factorization
from promolab.model.neural.networks import FactorNetwork
from promolab.model.neural.training import SparseAdagrad
from promolab.model.response import ResponseModel
from tests.refused import refused

FIELDS = ("customer_id", "category")
Fitted = tuple[ResponseModel, pd.DataFrame]


def crosses(n: int, seed: int, customers: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers who like some categories and not others; neither says anything alone."""
    taste = np.random.default_rng(7)
    like, kind = taste.normal(size=(customers, 2)), taste.normal(size=(12, 2))
    rng = np.random.default_rng(seed)
    who, what = rng.integers(0, customers, n), rng.integers(0, 12, n)
    logit = 1.5 * (like[who] * kind[what]).sum(axis=1)
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int)
    frame = pd.DataFrame({"customer_id": who, "category": [f"c{k}" for k in what]})
    return frame.assign(noise=rng.normal(size=n)), y


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    X, y = crosses(6000, 0)
    X.loc[::50, "category"] = None
    options = {"fields": FIELDS, "rank": 4, "l2_fields": 1.0, "batch": 128, "epochs": 10}
    return ResponseModel("factorization", device="cpu", **options).fit(X, y), X


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(np.log(np.where(y == 1, p, 1 - p))))


def test_recovers_an_interaction_that_no_weighted_sum_has(fitted: Fitted) -> None:
    model, X = fitted
    fresh, truth = crosses(3000, 1)
    _, y = crosses(6000, 0)
    as_text = {"customer": X["customer_id"].astype(str)}
    linear = ResponseModel(l2=1.0).fit(X.drop(columns="customer_id").assign(**as_text), y)
    rows = fresh.assign(customer=fresh["customer_id"].astype(str))
    assert (
        log_loss(truth, model.probability(fresh)) < log_loss(truth, linear.probability(rows)) - 0.1
    )


def test_the_fast_formula_is_the_sum_over_pairs(fitted: Fitted) -> None:
    model, X = fitted
    learner = model.learners_[0]
    assert isinstance(learner, Factorization)
    rows = X.iloc[:60]
    dense = learner.encoder.transform(rows)
    codes = learner._codes(rows)
    table = learner.arrays["table"].astype(float)
    weights = learner.arrays["linear"].astype(float)
    vectors = learner.arrays["factors"].astype(float)
    for i in range(len(rows)):
        x = np.concatenate([dense[i], np.ones(codes.shape[1])])
        w = np.concatenate([weights, table[codes[i], 0]])
        v = np.vstack([vectors, table[codes[i], 1:]])
        expected = float(learner.arrays["bias"][0]) + w @ x
        for a in range(len(x)):
            for b in range(a + 1, len(x)):
                expected += v[a] @ v[b] * x[a] * x[b]
        assert learner.logit(rows.iloc[[i]])[0, 0] == pytest.approx(expected, abs=1e-12)


def test_training_and_scoring_use_the_same_formula(fitted: Fitted) -> None:
    model, X = fitted
    learner = model.learners_[0]
    assert isinstance(learner, Factorization)
    arrays = learner.arrays
    counts, generator = torch.ones(len(arrays["table"]), dtype=torch.int64), torch.Generator()
    network = FactorNetwork(len(arrays["linear"]), counts, 4, 0.0, 1.0, 1.0, 10, generator)
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(network, name).copy_(torch.from_numpy(array))
        dense = torch.from_numpy(learner.encoder.transform(X).astype(np.float32))
        found = network(dense, torch.from_numpy(learner._codes(X))).numpy()
    np.testing.assert_allclose(found, learner.logit(X), atol=1e-5)


def test_what_was_never_seen_counts_as_nothing(fitted: Fitted) -> None:
    model, X = fitted
    learner = model.learners_[0]
    assert isinstance(learner, Factorization)
    assert not learner.arrays["table"][0].any()
    rows = X.iloc[:3]
    unseen = model.logit(rows.assign(customer_id=10**9, category="new"))
    missing = model.logit(rows.assign(customer_id=np.nan, category=None))
    np.testing.assert_array_equal(unseen, missing)
    # An id that became a float because others are missing is the same id.
    np.testing.assert_array_equal(
        model.logit(rows.assign(customer_id=rows["customer_id"].astype(float))), model.logit(rows)
    )
    assert not np.array_equal(unseen, model.logit(rows))


def test_saved_rows_alone_and_again(fitted: Fitted, tmp_path: Path) -> None:
    model, X = fitted
    whole = model.probability(X)
    loaded = ResponseModel.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.probability(X), whole)
    pieces = [model.probability(X.iloc[i : i + 7]) for i in range(0, 700, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole[:700])
    few, y = crosses(500, 3)
    short = {"fields": FIELDS, "epochs": 2, "device": "cpu"}
    first, second = (ResponseModel("factorization", **short).fit(few, y) for _ in range(2))
    np.testing.assert_array_equal(first.probability(few), second.probability(few))


def test_a_step_touches_only_the_levels_in_its_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    network = FactorNetwork(2, torch.ones(1001, dtype=torch.int64), 3, 0.0, 1.0, 1.0, 9, generator)
    before = network.table.detach().clone()
    codes = torch.tensor([[5, 900], [0, 5]])
    (network(torch.randn(2, 2), codes).sum() + network.penalty(codes)).backward()
    SparseAdagrad(network.table, 0.1).step()
    moved = (network.table != before).any(dim=1).nonzero().ravel().tolist()
    assert moved == [5, 900]


def test_the_penalty_of_a_batch_is_unbiased() -> None:
    codes = torch.from_numpy(np.random.default_rng(0).integers(1, 30, (500, 2)))
    counts = torch.bincount(codes.ravel(), minlength=31)
    network = FactorNetwork(4, counts, 3, 0.0, 2.0, 5.0, 500, torch.Generator().manual_seed(0))
    parts = [float(network.penalty(part).detach()) for part in codes.split(100)]
    used = network.table.detach()[counts > 0]
    expected = (2.5 * used.square().sum() + 2 * network.factors.square().sum()) / 500
    assert np.mean(parts) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_fields_alone_will_do_and_mistakes_are_told() -> None:
    X, y = crosses(400, 0)
    short = {"epochs": 2, "device": "cpu"}
    alone = X[list(FIELDS)]
    found = ResponseModel("factorization", fields=FIELDS, **short).fit(alone, y).probability(alone)
    assert np.isfinite(found).all() and len(set(found)) > 50
    named = ResponseModel("factorization", columns=["noise"], fields=FIELDS, **short).fit(X, y)
    assert named.learners_[0].columns == ["category", "customer_id", "noise"]
    refused("column 'customer_id' is an id", ResponseModel("factorization", **short).fit, X, y)
    with pytest.raises(InputError, match="lack column 'categroy'; did you mean 'category'"):
        ResponseModel("factorization", fields=("categroy",), **short).fit(X, y)
    refused("give a list of column names", ResponseModel, "factorization", fields="category")
    refused("names a column twice", ResponseModel, "factorization", fields=("category", "category"))
