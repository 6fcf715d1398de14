"""The response model as its users call it: fit, predict, explain, save, load."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.model.response import ResponseModel


def data(n: int = 800, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, n // 4, n)
    X = pd.DataFrame(
        {
            "amount": np.exp(rng.normal(3, 1, n)),
            "orders": rng.poisson(4, n),
            "share": np.where(rng.uniform(size=n) < 0.1, np.nan, rng.uniform(size=n)),
            "city": rng.choice(["a", "b", "c"], n),
        }
    )
    logit = -2 + 0.7 * np.log(X["amount"]) - 0.2 * X["orders"] + (X["city"] == "a")
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()
    return X, y, customer


def test_probabilities_agree_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    X, y, _ = data()
    model = ResponseModel(l2=2.0).fit(X, y)
    matrix = model.encoder_.transform(X)
    reference = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    expected = reference.fit(matrix, y).predict_proba(matrix)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    np.testing.assert_array_equal(model.predict_proba(X)[:, 1], model.probability(X))
    assert model.info_ is not None and model.info_.converged
    assert (model.n_, model.positives_) == (800, y.sum())


def test_order_of_rows_and_columns_changes_nothing() -> None:
    X, y, customer = data()
    order = np.random.default_rng(1).permutation(len(X))
    model = ResponseModel().fit(X, y, cluster=customer)
    shuffled = X.iloc[order][["city", "share", "orders", "amount"]]
    again = ResponseModel().fit(shuffled, y[order], cluster=customer[order])
    np.testing.assert_allclose(again.probability(X), model.probability(X), atol=1e-10)
    pd.testing.assert_frame_equal(again.coefficients(), model.coefficients(), rtol=1e-8)


def test_a_score_depends_on_its_row_alone() -> None:
    X, y, _ = data()
    model = ResponseModel().fit(X, y)
    whole = model.probability(X)
    pieces = np.concatenate([model.probability(X.iloc[i : i + 7]) for i in range(0, len(X), 7)])
    np.testing.assert_array_equal(whole, pieces)


def test_same_bits_again() -> None:
    X, y, customer = data()
    first, second = (ResponseModel(l2="cv").fit(X, y, cluster=customer) for _ in range(2))
    np.testing.assert_array_equal(first.probability(X), second.probability(X))
    assert first.l2_ == second.l2_


def test_labels_may_be_bool_or_nullable() -> None:
    X, y, _ = data()
    expected = ResponseModel().fit(X, y).probability(X)
    for labels in (
        y.astype(bool),
        pd.Series(y, dtype="boolean"),
        pd.Series(y, dtype="Int8"),
        list(y),
    ):
        np.testing.assert_array_equal(ResponseModel().fit(X, labels).probability(X), expected)


def test_explanations_add_up() -> None:
    X, y, _ = data()
    model = ResponseModel().fit(X, y)
    parts = model.explain(X.set_index(np.arange(len(X)) + 5))
    assert parts.columns.tolist() == ["amount", "city", "orders", "share"]
    assert parts.index[0] == 5
    np.testing.assert_allclose(parts.sum(axis=1) + model.intercept_, model.logit(X), atol=1e-12)
    np.testing.assert_allclose(parts["city"].mean(), 0, atol=1e-12)


def test_coefficients_are_sorted_and_have_intervals() -> None:
    X, y, customer = data()
    table = ResponseModel().fit(X, y, cluster=customer).coefficients()
    assert table.columns.tolist() == ["feature", "source", "weight", "ci_low", "ci_high"]
    assert table["weight"].abs().is_monotonic_decreasing
    assert (table["ci_low"] < table["weight"]).all() and (table["weight"] < table["ci_high"]).all()
    top = table.iloc[0]
    assert top["feature"] == "city = a" and top["ci_low"] > 0
    # Equal weights are ordered by name.
    twins = X[["amount", "orders"]].rename(columns={"orders": "zebra"}).assign(alpha=X["orders"])
    assert ResponseModel().fit(twins, y).coefficients()["feature"].tolist() == [
        "amount",
        "alpha",
        "zebra",
    ]


def test_clustered_intervals_cover_the_truth() -> None:
    # Every customer stands in four rows that share features and a random effect: rows are far from
    # independent, and intervals that ignore it cover much less.
    truth, inside = 0.5, {"clustered": 0, "by row": 0}
    rng = np.random.default_rng(0)
    runs, customers = 120, 150
    # The random effect shrinks the population-averaged slope (Zeger, Liang & Albert 1988).
    effect_sd = 1.0
    marginal = truth / np.sqrt(1 + (16 * np.sqrt(3) / (15 * np.pi)) ** 2 * effect_sd**2)
    for _ in range(runs):
        x = rng.normal(size=customers)
        logit = np.repeat(truth * x + effect_sd * rng.normal(size=customers), 4)
        y = rng.uniform(size=4 * customers) < 1 / (1 + np.exp(-logit))
        X, customer = pd.DataFrame({"x": np.repeat(x, 4)}), np.repeat(np.arange(customers), 4)
        for name, cluster in (("clustered", customer), ("by row", None)):
            row = ResponseModel(l2=1e-3).fit(X, y, cluster=cluster).coefficients().iloc[0]
            inside[name] += row["ci_low"] <= marginal * x.std() <= row["ci_high"]
    assert 0.90 <= inside["clustered"] / runs <= 0.99
    assert inside["by row"] < inside["clustered"] - 0.05 * runs


def test_unseen_city_and_missing_column() -> None:
    X, y, _ = data()
    model = ResponseModel().fit(X, y)
    assert np.isfinite(model.probability(X.assign(city="new"))).all()
    with pytest.raises(InputError, match="lack column 'orders'"):
        model.probability(X.drop(columns="orders"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 0], r"y has a single class \(all 3 are 0\)"),
        ([0, 1], "y has 2 values and X 3 rows"),
        ([0, 1, np.nan], "y has 1 missing values"),
        ([0, 1, 3], "y must be 0 or 1"),
    ],
)
def test_bad_labels(labels: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ResponseModel().fit(pd.DataFrame({"x": [1, 2, 3]}), labels)


def test_torch_is_loaded_by_the_first_fit_only() -> None:
    code = "import sys; from promolab.model import ResponseModel; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bad_calls() -> None:
    X, y, _ = data()
    with pytest.raises(InputError, match="did you mean 'logistic'"):
        ResponseModel("logistc")
    with pytest.raises(InputError, match="must be a number above 0 or 'cv'"):
        ResponseModel(l2=-1)
    with pytest.raises(InputError, match="not fitted yet"):
        ResponseModel().probability(X)
    with pytest.raises(InputError, match="cluster has shape"):
        ResponseModel().fit(X, y, cluster=[1, 2])
    with pytest.raises(InputError, match="leaves out whole groups: give group="):
        ResponseModel(l2="cv").fit(X, y)


def test_saved_and_loaded_predicts_the_same_bits(tmp_path: Path) -> None:
    X, y, customer = data()
    model = ResponseModel(columns=["amount", "city"], l2=3.0).fit(X, y, cluster=customer)
    path = model.save(tmp_path / "response.safetensors")
    again = ResponseModel.load(path)
    np.testing.assert_array_equal(again.probability(X), model.probability(X))
    pd.testing.assert_frame_equal(again.coefficients(), model.coefficients(), check_exact=True)
    assert again.columns == ["amount", "city"] and again.l2_ == 3.0
    assert again.save(tmp_path / "copy").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "response.safetensors"]


def test_changed_files_are_refused(tmp_path: Path) -> None:
    X, y, _ = data()
    path = ResponseModel().fit(X, y).save(tmp_path / "model")
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in [*rng.integers(0, len(good), 60).tolist(), len(good) - 1]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        with pytest.raises(InputError, match="model"):
            ResponseModel.load(path)
    for cut in (0, 5, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(InputError, match="damaged or no model file"):
            ResponseModel.load(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "model"
    with pytest.raises(InputError, match="there is no model file"):
        ResponseModel.load(path)
    path.write_text("not a model")
    with pytest.raises(InputError, match="damaged or no model file"):
        ResponseModel.load(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(InputError, match="holds tensors, but no model of promolab"):
        ResponseModel.load(path)
    header = json.dumps({"format": "promolab.response/99", "sha256": "", "state": {}})
    save_file({"weights": np.zeros(3)}, path, metadata={"promolab": header})
    with pytest.raises(InputError, match=r"has format 'promolab\.response/99'"):
        ResponseModel.load(path)
    with pytest.raises(InputError, match="is a folder"):
        ResponseModel().fit(*data()[:2]).save(tmp_path)
    with pytest.raises(InputError, match="cannot be saved"):
        ResponseModel().fit(*data()[:2]).save(tmp_path / "nowhere" / "model")
