"""Tree, forest and boosting behind the door: features as they are, same bits, trees that read."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from promolab.explain import weights_or_rules
from promolab.model.inputs.encoding import NativeEncoder
from promolab.model.learners import trees
from promolab.model.response import ResponseModel
from tests.refused import refused

KINDS = {"tree": {"min_leaf": 20}, "forest": {"trees": 12}, "boosting": {"iterations": 25}}


def data(n: int = 1500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"orders": rng.poisson(4, n)})
    X["share"] = np.where(rng.uniform(size=n) < 0.2, np.nan, rng.uniform(size=n))
    X["city"], X["noise"] = rng.choice(["a", "b", "c", "d"], n), rng.normal(size=n)
    # No line through these features tells them apart: a step, missingness, two cities of four.
    logit = -3 + 2 * (X["orders"] > 4) + 2 * X["share"].isna() + 2 * X["city"].isin(["a", "d"])
    return X, (rng.uniform(size=n) < 1 / (1 + np.exp(-logit.to_numpy()))).astype(int)


def fitted(kind: str, **more: object) -> ResponseModel:
    return ResponseModel(kind, **{**KINDS[kind], **more}).fit(*data())


@pytest.mark.parametrize("kind", KINDS)
def test_finds_what_no_line_can_row_by_row(kind: str) -> None:
    X, y = data(3000, seed=1)
    model = fitted(kind)
    p = model.probability(X)
    assert roc_auc_score(y, p) > 0.78
    assert abs(p.mean() - y.mean()) < 0.03
    assert ((p > 0) & (p < 1)).all()
    pieces = np.concatenate([model.probability(X.iloc[i : i + 401]) for i in range(0, 3000, 401)])
    np.testing.assert_array_equal(p, pieces)
    assert model.probability(X.head(0)).shape == (0,)


def test_a_forest_scores_in_batches_and_threads_change_no_digit_of_boosting(monkeypatch) -> None:
    X, _ = data(3000)
    model = fitted("forest", trees=2)
    many = pd.concat([X] * 8, ignore_index=True)  # more than a batch
    np.testing.assert_array_equal(model.probability(many)[:3000], model.probability(X))
    alone = fitted("boosting", iterations=2).probability(X)
    monkeypatch.setattr(trees, "WORTH_THREADS", 0)
    np.testing.assert_array_equal(fitted("boosting", iterations=2).probability(X), alone)


def test_boosting_takes_missing_and_levels_natively() -> None:
    X, y = data()
    own = fitted("boosting", learning_rate=0.1, leaves=6, l2=1.0, min_leaf=15)
    matrix = X[["city", "noise", "orders", "share"]].assign(
        city=X["city"].map({"a": 0, "b": 1, "c": 2, "d": 3})
    )
    options = {"max_iter": 25, "learning_rate": 0.1, "max_leaf_nodes": 6, "min_samples_leaf": 15}
    options |= {"l2_regularization": 1.0, "early_stopping": False}
    reference = HistGradientBoostingClassifier(categorical_features=[0], **options)
    with threadpool_limits(1):
        expected = reference.fit(matrix.to_numpy(), y).decision_function(matrix.to_numpy())
    np.testing.assert_allclose(own.logit(X), expected)


@pytest.mark.filterwarnings("ignore::promolab.model.inputs.encoding.UnseenLevels")
def test_levels_that_are_new_or_rare_share_a_code() -> None:
    X, y = data()
    X.loc[:4, "city"] = "rare"
    encoder = NativeEncoder.fit(X, labels=y)
    codes = encoder.transform(X.head(3).assign(city=["rare", "never seen", np.nan]))[:, 0]
    assert codes[0] == codes[1] and np.isnan(codes[2])
    # Without rare levels in training a new one is missing: there is nothing to call it.
    plain = NativeEncoder.fit(data()[0])
    assert np.isnan(plain.transform(X.head(1))[0, 0])
    for kind in KINDS:
        model = ResponseModel(kind, **KINDS[kind]).fit(X, y)
        new = X.head(2).assign(city=["nowhere", np.nan], share=[np.nan, 1e300])
        assert np.isfinite(model.logit(new)).all()


def test_levels_are_numbered_by_rate_and_constant_and_repeated_columns_dropped() -> None:
    X = pd.DataFrame({"city": ["a", "b", "c"] * 40, "x": range(120)})
    y = np.array([0, 0, 1, *[1, 0, 1] * 39])
    assert NativeEncoder.fit(X, labels=y).codes[0].levels_by_code() == ["b", "a", "c"]
    assert NativeEncoder.fit(X).codes[0].levels_by_code() == ["a", "b", "c"]
    level = [*[f"level {k:03d}" for k in range(300)] * 20, "level 007"]
    encoder = NativeEncoder.fit(pd.DataFrame({"level": level}))
    (column,) = encoder.codes
    assert len(column.levels) == 200 and column.pooled == 100
    assert "level 007" in column.levels and "level 299" not in column.levels
    codes = encoder.transform(pd.DataFrame({"level": level}))
    assert np.unique(codes).tolist() == list(range(201))
    X, y = data()
    X = X.assign(one=1.0, again=X["orders"], town=X["city"])
    encoder = NativeEncoder.fit(X)
    said = {column.name: column.dropped for column in encoder.codes if column.dropped}
    assert said == {"one": "constant", "orders": "same as again", "town": "same as city"}
    refused("none of the 1 columns varies", NativeEncoder.fit, X, ["one"])
    refused("values too large for a tree", NativeEncoder.fit, pd.DataFrame({"x": [1.0, 1e300]}))


def test_a_tree_reads_and_is_drawn_as_its_rows_say_and_no_leaf_is_impossible() -> None:
    X, y = data()
    rules = weights_or_rules(fitted("tree", depth=3))
    table = rules.to_frame()
    assert table["n"].sum() == rules.n == 1500 and table["responses"].sum() == y.sum()
    assert table["rate"].is_monotonic_decreasing
    assert ((table["ci_low"] < table["rate"]) & (table["rate"] < table["ci_high"])).all()
    # The rule in words, applied by hand, finds the rows that the tree counts.
    best = table.iloc[0]
    assert best["rule"] == "city = a / d · orders ≥ 5 · share > 0.981 / –"
    rows = X["city"].isin(["a", "d"]) & (X["orders"] >= 5) & ~(X["share"] <= 0.981)
    assert best["n"] == rows.sum() and best["responses"] == y[rows].sum()
    ax = rules.plot()
    lines = [line.get_text().strip() for line in ax.get_yticklabels()]
    assert lines == ["all", *rules.nodes["answer"][1:]]
    assert f"of {best['n']:,}" in "\n".join(text.get_text() for text in ax.texts)
    X = pd.DataFrame({"x": np.arange(200.0)})
    p = ResponseModel("tree").fit(X, (X["x"] >= 100).astype(int)).probability(X)
    assert p[0] == pytest.approx(0.5 / 101) and p[-1] == pytest.approx(100.5 / 101)
    gaps = pd.DataFrame({"orders": np.where(np.arange(600) % 3, np.arange(600) % 7, np.nan)})
    y = (np.arange(600) % 3 == 0) & (np.arange(600) % 5 > 0)
    rules = weights_or_rules(ResponseModel("tree", depth=1).fit(gaps, y.astype(int), known=True))
    assert rules.to_frame()["rule"].tolist() == ["orders = –", "orders ≠ –"]
    refused("The method forest has no weights", weights_or_rules, fitted("forest"))
