"""The response model as its users call it: fit, predict, explain, save, load."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from promolab.model.inputs.reading import check_time
from promolab.model.response import ResponseModel
from promolab.model.solvers.logistic import sandwich
from tests.refused import refused


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


def test_probabilities_are_those_of_scikit_learn_in_any_order() -> None:
    X, y, _ = data()
    model = ResponseModel(l2=2.0).fit(X, y)
    matrix = model.encoder_.transform(X)
    reference = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    expected = reference.fit(matrix, y).predict_proba(matrix)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    np.testing.assert_array_equal(model.predict_proba(X)[:, 1], model.probability(X))
    assert model.info_ is not None and model.info_.converged
    assert (model.n_, model.positives_) == (800, y.sum())
    X, y, customer = data()
    order = np.random.default_rng(1).permutation(len(X))
    model = ResponseModel().fit(X, y, cluster=customer)
    shuffled = X.iloc[order][["city", "share", "orders", "amount"]]
    again = ResponseModel().fit(shuffled, y[order], cluster=customer[order])
    np.testing.assert_allclose(again.probability(X), model.probability(X), atol=1e-10)
    pd.testing.assert_frame_equal(again.coefficients(), model.coefficients(), rtol=1e-8)


def test_a_score_depends_on_its_row_alone(monkeypatch) -> None:
    X, y, _ = data()
    model = ResponseModel().fit(X, y)
    whole = model.probability(X)
    pieces = np.concatenate([model.probability(X.iloc[i : i + 7]) for i in range(0, len(X), 7)])
    np.testing.assert_array_equal(whole, pieces)
    monkeypatch.setattr("promolab.model.inputs.encoding.ROWS", 7)
    monkeypatch.setattr("promolab.model.inputs.encoding.WORTH_THREADS", 0)
    np.testing.assert_array_equal(model.probability(X), whole)


def test_without_intervals_all_but_the_standard_errors_is_the_same() -> None:
    X, y, customer = data()
    model = ResponseModel().fit(X, y, cluster=customer)
    quick = ResponseModel(intervals=False).fit(X, y, cluster=customer)
    np.testing.assert_array_equal(quick.predict_proba(X), model.predict_proba(X))
    weights = quick.coefficients()
    assert weights[["ci_low", "ci_high"]].isna().all(axis=None) and weights["weight"].notna().all()
    assert model.coefficients().notna().all(axis=None)
    refused("intervals = 'no'; expected True or False", ResponseModel, intervals="no")
    refused("tree has no option 'intervals'", ResponseModel, "tree", intervals=False)


@pytest.mark.parametrize("kind", ["tree", "boosting", "forest"])
def test_order_of_rows_matters_to_random_draws_alone(kind: str) -> None:
    X, y, _ = data()
    order = np.random.default_rng(1).permutation(len(X))
    found = [
        ResponseModel(kind, **SMALL[kind]).fit(X.iloc[rows], y[rows]).probability(X)
        for rows in (np.arange(len(X)), order)
    ]
    apart = np.abs(found[0] - found[1]).max()
    assert apart > 1e-3 if kind == "forest" else apart < 1e-10


def test_explanations_add_up_and_coefficients_are_sorted() -> None:
    X, y, _ = data()
    model = ResponseModel().fit(X, y)
    parts = model.explain(X.set_index(np.arange(len(X)) + 5))
    assert parts.columns.tolist() == ["amount", "city", "orders", "share"]
    assert parts.index[0] == 5
    np.testing.assert_allclose(parts.sum(axis=1) + model.intercept_, model.logit(X), atol=1e-12)
    np.testing.assert_allclose(parts["city"].mean(), 0, atol=1e-12)
    X, y, customer = data()
    table = ResponseModel().fit(X, y, cluster=customer).coefficients()
    assert table.columns.tolist() == ["feature", "source", "weight", "ci_low", "ci_high"]
    assert table["weight"].abs().is_monotonic_decreasing
    assert (table["ci_low"] < table["weight"]).all() and (table["weight"] < table["ci_high"]).all()
    top = table.iloc[0]
    assert top["feature"] == "city = a" and top["ci_low"] > 0
    # Equal weights are ordered by name: two columns that mirror each other, and an equal effect.
    mirror = pd.DataFrame({"zebra": [0, 1, 0, 1] * 50, "alpha": [0, 0, 1, 1] * 50})
    table = ResponseModel().fit(mirror, [0, 1, 1, 1] * 50).coefficients()
    assert len(set(table["weight"])) == 1 and table["feature"].tolist() == ["alpha", "zebra"]


def test_a_repeated_column_takes_no_weight_and_intervals_are_clustered() -> None:
    X, y, _ = data()
    twice = X.assign(zebra=X["orders"], town=X["city"])
    model, plain = ResponseModel().fit(twice, y), ResponseModel().fit(X, y)
    np.testing.assert_array_equal(model.probability(twice), plain.probability(X))
    pd.testing.assert_frame_equal(model.coefficients(), plain.coefficients())
    parts = model.explain(twice)
    assert (parts[["town", "zebra"]] == 0).all(axis=None)
    X, y, customer = data()
    model = ResponseModel(l2=3.0).fit(X, y, cluster=customer)
    matrix = model.encoder_.transform(X)
    covariance = sandwich(matrix, y, model.weights_, model.intercept_, 3.0, customer)
    half = t.ppf(0.95, len(np.unique(customer)) - 1) * np.sqrt(np.diag(covariance)[:-1])
    table = model.coefficients(level=0.9).set_index("feature").loc[model.encoder_.names]
    np.testing.assert_allclose(table["ci_high"] - table["weight"], half, rtol=1e-9)
    np.testing.assert_allclose(table["weight"] - table["ci_low"], half, rtol=1e-9)


def test_bad_calls_and_what_no_model_can_be_made_of_are_refused() -> None:
    X, y, _ = data()
    refused("did you mean 'logistic'", ResponseModel, "logistc")
    refused("l2 = -1; expected a number above 0", ResponseModel, l2=-1)
    refused("not fitted yet", ResponseModel().probability, X)
    refused("cluster has shape", ResponseModel().fit, X, y, cluster=[1, 2])
    for labels, message in [
        ([0, 0, 0], r"y has a single class \(all 3 are 0\)"),
        ([0, 1], "y has 2 values and X 3 rows"),
        ([0, 1, np.nan], "y has 1 missing values"),
        ([0, 1, 3], "y must be 0 or 1"),
    ]:
        refused(message, ResponseModel().fit, pd.DataFrame({"x": [1, 2, 3]}), labels)
    X, y, customer = data(100)
    far = pd.Series(y, index=np.arange(100) + 40)
    refused(r"40 of X's 100 rows \(such as 0\).* give y.to_numpy", ResponseModel().fit, X, far)
    other = pd.Series(customer, index=far.index)
    refused("as many rows as X, but another index", ResponseModel().fit, X, y, cluster=other)
    twice = X.set_axis(np.arange(100) // 2)
    turned = pd.Series(y, index=twice.index[::-1])
    refused("indexes that repeat and are not equal", ResponseModel().fit, twice, turned)
    ResponseModel().fit(twice, pd.Series(y, index=twice.index))
    ResponseModel().fit(X, far.to_numpy())
    for made, sentence in [
        ({"kind": ["tree"]}, r"kind=\['tree'\] is not a response model"),
        ({"kind": "forest", "seed": -1}, "seed = -1; expected a whole number from 0"),
        ({"kind": "mlp", "seed": 2**70}, "expected a whole number from 0"),
        ({"kind": "tree", "seed": None}, "seed = None; expected a whole number"),
        ({"kind": "boosting", "l2": np.inf}, "l2 = inf; expected a number from 0 on"),
        ({"kind": "logistic", "l2": True}, "l2 = True; expected a number above 0"),
        ({"kind": "logistic", "columns": "orders"}, "columns is the text 'orders'; give a list"),
        ({"kind": "tree", "columns": 3}, "columns is 3; give a list"),
    ]:
        refused(sentence, lambda **made: ResponseModel(**made).fit(X, y), **made)


def test_parameters_options_and_errors_are_scikit_learns_and_a_grid_search_tunes_them() -> None:
    model = ResponseModel("forest", trees=7, seed=3)
    none = dict.fromkeys("columns calibration track positive kinds".split())
    assert model.get_params() == {"kind": "forest", "seed": 3, "trees": 7, **none}
    assert model.trees == 7
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(depth=2, trees=9)._options() == {"trees": 9, "depth": 2}
    # An option that the new kind has too stays; the others are forgotten.
    assert model.set_params(kind="tree")._options() == {"depth": 2}
    assert repr(model) == "ResponseModel('tree', depth=2)"
    refused("a tree model has no parameter 'tress'", model.set_params, tress=1)
    refused("depth = 0", model.set_params, depth=0)
    assert model.depth == 2
    with pytest.raises(AttributeError, match="no attribute 'trees'"):
        _ = model.trees
    X, y, _ = data()
    found = GridSearchCV(
        ResponseModel("tree"), {"depth": [1, 4], "min_leaf": [20]}, scoring="roc_auc", cv=2
    ).fit(X, y)
    assert found.best_params_ == {"depth": 4, "min_leaf": 20}
    refused("not fitted yet", ResponseModel().preparation)


def test_arrays_are_taken_by_position_frames_by_name() -> None:
    X, y, _ = data()
    numbers = X[["amount", "orders"]]
    by_name = ResponseModel().fit(numbers, y)
    by_place = ResponseModel().fit(numbers.to_numpy(), y)
    assert by_name.feature_names_in_.tolist() == ["amount", "orders"]
    assert not hasattr(by_place, "feature_names_in_") and by_place.n_features_in_ == 2
    np.testing.assert_array_equal(by_place.probability(numbers.to_numpy()), by_name.probability(X))
    refused("fitted with feature names; give a DataFrame", by_name.probability, numbers.to_numpy())


def test_of_any_two_classes_the_last_is_the_response() -> None:
    X, y, _ = data()
    texts = np.array(["no", "yes"])[y]
    model = ResponseModel(positive="last").fit(X, texts)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(model.probability(X), ResponseModel().fit(X, y).probability(X))
    assert set(model.predict(X)) == {"no", "yes"}
    refused("y must be 0 or 1", ResponseModel().fit, X, texts)
    three = np.arange(len(X)) % 3
    refused("Only binary classification", ResponseModel(positive="last").fit, X, three)
    refused("positive = 'yes'; expected None", ResponseModel(positive="yes").fit, X, texts)


def test_ids_are_no_quantities_and_time_is_dates_or_numbers() -> None:
    X, y, _ = data()
    for name in ("household_id", "customerId", "ID", "Order ID"):
        refused(f"column '{name}' is an id", ResponseModel().fit, X.assign(**{name: 1.5}), y)
    for fine in ("paid", "is_valid", "bid"):
        ResponseModel().fit(X.assign(**{fine: X["orders"] + 1}), y)
    refused("say which customer it is", ResponseModel().fit, X.assign(customer=range(len(X))), y)
    store = pd.Series(np.arange(len(X)) % 4, dtype="category")
    model = ResponseModel().fit(X.assign(store=store, member=X["orders"] > 3), y)
    assert "store = 3" in model.encoder_.names and "member" in model.encoder_.names
    day = pd.date_range("2017-10-25", periods=len(X), freq="h", tz="Europe/Berlin")
    moments = check_time(pd.Series(day), len(X))
    assert moments is not None and moments.dtype == "datetime64[us]"
    assert (np.diff(moments) == np.timedelta64(1, "h")).all()  # across the end of summer time
    assert check_time(np.arange(3), 3).tolist() == [0, 1, 2]  # type: ignore[union-attr]
    refused("time holds 'soon'; expected dates", ResponseModel().fit, X, y, time=["soon"] * len(X))
    refused("time has 1 missing values", ResponseModel().fit, X, y, time=[None, *day[1:]])


def outcomes() -> tuple[pd.DataFrame, pd.DataFrame]:
    X, y, _ = data()
    known = np.arange(len(X)) % 3 > 0
    share = (X["orders"] > 4).to_numpy()
    return X, pd.DataFrame(
        {"click": pd.array(y, dtype="boolean"), "share": np.where(known, share, np.nan)}
    )


@pytest.mark.parametrize("kind", ["logistic", "tree"])
def test_several_outcomes_each_from_the_rows_that_know_it(kind: str) -> None:
    X, Y = outcomes()
    model = ResponseModel(kind).fit(X, Y)
    p = model.probability(X.set_index(np.arange(len(X)) + 7))
    assert p.columns.tolist() == ["click", "share"] and p.index[0] == 7
    known = Y["share"].notna().to_numpy()
    alone = ResponseModel(kind).fit(X[known], Y.loc[known, "share"])
    np.testing.assert_array_equal(p["share"], alone.probability(X))
    np.testing.assert_array_equal(p["click"], ResponseModel(kind).fit(X, Y["click"]).probability(X))
    assert model.predict(X)["share"].isin([0, 1]).all()
    pd.testing.assert_frame_equal(model.predict_proba(X), model.probability(X))
    # A single column is an outcome with a name, whatever its name.
    one = ResponseModel(kind).fit(X, Y[["click"]].set_axis(["response"], axis=1)).probability(X)
    assert isinstance(one, pd.DataFrame) and one.columns.tolist() == ["response"]


def test_errors_name_the_outcome() -> None:
    X, Y = outcomes()
    fixed = X.assign(fixed=Y["share"].isna())
    for rows, outcome, options, said in [
        (X, Y.assign(share=np.where(Y["share"] == 1, 1, np.nan)), {}, "'share': y has a single"),
        (X, Y.assign(share=2), {}, "outcome 'share': y must be 0 or 1"),
        (fixed, Y, {"columns": ["fixed"]}, "outcome 'share': none of the 1 columns varies over"),
        (X, pd.concat([Y, Y[["click"]]], axis=1), {}, "outcomes given twice"),
        (X, Y.iloc[:, :0], {}, "give a column per outcome"),
        (X, Y, {"positive": "last"}, "is for a single outcome"),
    ]:
        refused(said, ResponseModel(**options).fit, rows, outcome)


SMALL: dict[str, dict[str, object]] = {
    "tree": {"depth": 2, "min_leaf": 5},
    "forest": {"trees": 2},
    "boosting": {"iterations": 2},
}


def test_labels_may_be_of_any_type_penalties_numpys_and_moments_are_no_numbers() -> None:
    X = pd.DataFrame({"orders": range(40)})
    y = np.array([0, 1] * 10 + [1] * 20)
    model, expected = ResponseModel(l2=np.int64(3)), ResponseModel(l2=3).fit(X, y).probability(X)
    nullable = pd.Series(y, dtype="boolean"), pd.Series(y, dtype="Int8")
    for labels in (y[:, None], y.astype(bool), *nullable, list(y)):
        np.testing.assert_array_equal(model.fit(X, labels).probability(X), expected)
    refused("give one outcome per row", ResponseModel().fit, X, np.column_stack([y, y]))
    refused(r"y must be 0 or 1 .or bool., and has -1", ResponseModel().fit, X, 2 * y - 1)
    refused("level = 2; expected a share", model.coefficients, level=2)
    days = pd.Series(pd.period_range("2024-01-01", periods=40, freq="D"))
    refused("has type period", ResponseModel().fit, X.assign(day=days), y)
    later = pd.DataFrame({"orders": days.dt.to_timestamp()})
    refused("has type datetime64.*it was numeric in training", model.probability, later)


def test_a_whole_number_under_the_name_of_a_thing_may_be_a_quantity(tmp_path: Path) -> None:
    X, y, _ = data(400)
    X = X.assign(campaign=np.arange(400) % 7 + 1)
    refused(r"say so: kinds=\{'campaign': 'number'\}", ResponseModel().fit, X, y)
    for kind, count in (("number", 1), ("category", 7)):
        for learner in ("logistic", "tree"):
            model = ResponseModel(learner, kinds={"campaign": kind}).fit(X, y)
            what = model.preparation().to_frame().set_index("column").loc["campaign"]
            assert (what["what"], what["levels"]) == (kind, 0 if count == 1 else 7)
        model = ResponseModel(kinds={"campaign": kind}).fit(X, y)
        assert sum(source == "campaign" for source in model.encoder_.sources) == count
        again = ResponseModel.load(model.save(tmp_path / "model"))
        assert again.kinds == {"campaign": kind}
        np.testing.assert_array_equal(again.logit(X), model.logit(X))
    refused("kinds: there is no column", ResponseModel(kinds={"campain": "number"}).fit, X, y)


def test_rows_are_matched_by_index_where_both_have_one() -> None:
    X, y, customer = data()
    X.index = [f"row {k}" for k in range(len(X))]
    beside = pd.DataFrame({"y": y, "customer": customer}, index=X.index)
    there = ResponseModel().fit(X, y, cluster=customer)
    other = beside.sample(frac=1, random_state=3)
    for cluster in (other["customer"], beside["customer"], customer):
        again = ResponseModel().fit(X, other["y"], cluster=cluster)
        np.testing.assert_array_equal(again.logit(X), there.logit(X))
        np.testing.assert_array_equal(again.standard_errors_, there.standard_errors_)
    both = ResponseModel("tree").fit(X, other[["y"]])
    np.testing.assert_array_equal(
        both.logit(X), ResponseModel("tree").fit(X, beside[["y"]]).logit(X)
    )
    # Shuffled rows beside an outcome that nobody shuffled: the usual slip.
    plain = X.reset_index(drop=True)
    shuffled = plain.sample(frac=1, random_state=4)
    slip = ResponseModel().fit(shuffled, pd.Series(y))
    np.testing.assert_allclose(slip.logit(X), there.logit(X), rtol=1e-8)
    # Without an index of its own it is in X's order.
    np.testing.assert_array_equal(ResponseModel().fit(plain, pd.Series(y)).logit(X), there.logit(X))


def test_a_gap_makes_no_other_level() -> None:
    zone = pd.Series([1, 2, 3, 2] * 30)
    X = pd.DataFrame({"zone": zone.astype("category"), "orders": range(120)})
    for kind in ("logistic", "tree"):
        model = ResponseModel(kind).fit(X, (zone == 2).astype(int))
        as_floats = X.assign(zone=zone.astype(float))
        np.testing.assert_array_equal(model.probability(as_floats), model.probability(X))


@pytest.mark.parametrize("kind", ["logistic", "boosting"])
def test_a_column_without_any_known_category_is_warned_of(kind: str) -> None:
    X, y, _ = data()
    model = ResponseModel(kind).fit(X, y)
    upper = X.assign(city=X["city"].str.upper())
    said = (
        r"none of the values of 'city' \(.*'A'.*\) is one the model learned from \('a', 'b', 'c'\)"
    )
    with pytest.warns(UserWarning, match=said) as told:
        model.predict_proba(upper)
    assert {warning.filename for warning in told} == {__file__}
    warnings.simplefilter("error")
    for fine in (X, upper.head(1), X.head(3).assign(city=None), X.assign(city=["a", *["Z"] * 799])):
        model.predict_proba(fine)
    # Rare levels are none that the model knows, and no slip.
    rare = X.assign(city=np.where(np.arange(800) % 2, "a", np.arange(800).astype(str)))
    ResponseModel(kind).fit(rare, y).predict_proba(rare.assign(city=["801", "803"] * 400).head(6))
