"""Calibration mends a model that is too sure, leaves a good one alone, and never reverses ranks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut

from promolab.compare.backtest import run_backtest
from promolab.metrics import roc
from promolab.model.calibration import Calibrator, cross_fitted_calibrators, deal
from promolab.model.learners import Training
from promolab.model.response import ResponseModel
from tests.compare.made_up import START, WEEK
from tests.compare.test_backtest import make_pairs
from tests.refused import refused


def frame(n: int = 1500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    against = (1 - X["a"] - 0.5 * X["b"]).to_numpy()
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(against))).astype(int)
    return X, y, rng.integers(0, 300, n), rng.integers(0, 12, n)


def test_a_model_that_is_too_sure_is_mended_and_one_that_ranks_backwards_flattened() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(-1.5, 1.2, 4000)
    p = 1 / (1 + np.exp(-truth))
    y = (rng.uniform(size=4000) < p).astype(float)
    says = 3 * truth + 1  # three times too sure, and too high
    found = Calibrator.fit(says, y)
    before = np.abs(1 / (1 + np.exp(-says)) - p).mean()
    after = np.abs(1 / (1 + np.exp(-found.apply(says))) - p).mean()
    assert after < 0.02 < 0.12 < before and found.slope == pytest.approx(1 / 3, rel=0.1)
    mended = Calibrator.fit(-truth, y)
    assert mended.slope == 0.01
    p = 1 / (1 + np.exp(-mended.apply(-truth)))
    assert p.mean() == pytest.approx(y.mean(), abs=0.001)


class Linear:
    """scikit-learn's line, as a learner."""

    def __init__(self, part: Training) -> None:
        self.inner = LogisticRegression(C=0.5).fit(part.X.to_numpy(), part.labels[:, 0])

    def logit(self, rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.inner.decision_function(rows.to_numpy()))[:, None]


class Memory:
    """Remembers its rows: out of fold it knows nothing."""

    def __init__(self, part: Training) -> None:
        self.known = dict(zip(part.X["a"], part.labels[:, 0], strict=True))

    def logit(self, rows: pd.DataFrame) -> np.ndarray:
        return np.array([[20 * self.known.get(r, 0.5) - 10] for r in rows["a"]])


def test_platt_agrees_with_scikit_learn_and_flattens_what_only_remembers() -> None:
    X, y, _, group = frame()
    training = Training(X, y[:, None].astype(float), ("response",), group=group)
    matrix = X.to_numpy()
    splits = list(LeaveOneGroupOut().split(matrix, y, deal(training)))
    base = LogisticRegression(C=0.5)
    theirs = CalibratedClassifierCV(base, method="sigmoid", cv=splits, ensemble=False)
    expected = theirs.fit(matrix, y).predict_proba(matrix)[:, 1]
    (found,) = cross_fitted_calibrators(training, lambda part: [Linear(part)])  # type: ignore[list-item]
    says = found.apply(Linear(training).logit(X)[:, 0])
    np.testing.assert_allclose(1 / (1 + np.exp(-says)), expected, atol=1e-5)
    (found,) = cross_fitted_calibrators(training, lambda part: [Memory(part)])  # type: ignore[list-item]
    assert found.slope == 0.01


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=4, max_size=40))
def test_ranks_are_never_reversed(rows) -> None:
    logits = np.array([z for z, _ in rows])
    labels = np.array([1.0, 0.0, *[float(v) for _, v in rows][2:]])
    grid = np.sort(np.concatenate([logits, np.linspace(-40, 40, 50)]))
    says = Calibrator.fit(logits, labels).apply(grid)
    assert np.isfinite(says).all() and (np.diff(says) >= 0).all()


def test_whole_promotions_are_left_out_so_that_models_have_not_seen_them() -> None:
    X, y, customer, group = frame()
    labels = y[:, None].astype(float)
    fold = deal(Training(X, labels, ("response",), cluster=customer, group=group))
    assert pd.Series(fold).groupby(group).nunique().max() == 1 and set(fold) == set(range(5))
    alone = deal(Training(X, labels, ("response",), cluster=customer))
    assert pd.Series(alone).groupby(customer).nunique().max() == 1
    assert len(set(deal(Training(X, labels, ("response",))))) == 5
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = deal(Training(X.iloc[order], labels[order], ("response",), group=group[order]))
    np.testing.assert_array_equal(shuffled, fold[order])


def test_calibration_behind_the_door_of_one_outcome_and_several() -> None:
    X, y, customer, group = frame()
    plain = ResponseModel(l2=1.0).fit(X, y, cluster=customer, group=group)
    model = ResponseModel(l2=1.0, calibration="platt").fit(X, y, cluster=customer, group=group)
    assert roc(y, model.probability(X)).auc == pytest.approx(roc(y, plain.probability(X)).auc)
    both = pd.DataFrame({"click": y.astype(float), "purchase": (X["b"] > 0.3).astype(float)})
    both.loc[::7, "purchase"] = np.nan
    model = ResponseModel(calibration="platt").fit(X, both, cluster=customer, group=group)
    assert len(model.calibrators_) == 2 and model.calibrators_[0] != model.calibrators_[1]


def test_what_cannot_be_is_said() -> None:
    X, y, customer, _ = frame(200)
    one, two, model = np.zeros(200), np.arange(200) % 2, ResponseModel(calibration="platt")
    for group, came, sentence in [
        (one, y, "1 promotion cannot be parted so"),
        (two, y * two, "both classes of 'response', beside others that do: 2 promotions cannot"),
    ]:
        refused(sentence, model.fit, X, came, group=group)
        # Customers can be left out where promotions cannot.
        assert len(model.fit(X, came, cluster=customer, group=group).calibrators_) == 1


def test_calibrators_know_no_more_than_the_backtest_does() -> None:
    pairs = make_pairs()
    later = pairs["starts_at"] > START + 4 * WEEK
    changed = pairs.assign(redeemed=pairs["redeemed"].where(~later, 1 - pairs["redeemed"]))
    early, again = (
        run_backtest(p, model=lambda: ResponseModel(calibration="platt")).rows
        for p in (pairs, changed)
    )
    before = early["promotion_id"].isin(["p3", "p4"])
    np.testing.assert_array_equal(early.loc[before, "p"], again.loc[before, "p"])
    assert before.any() and not np.allclose(early["p"], again["p"])
