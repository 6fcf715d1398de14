"""The response model as its users call it: fit, predict, explain, save, load."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from promolab.model.inputs.reading import check_time, feature_columns
from promolab.model.learners import KINDS
from promolab.model.response import ArrayModel, ResponseModel
from promolab.model.solvers.logistic import sandwich
from tests.refused import refused

TREES = {"tree": {"depth": 2, "min_leaf": 5}, "forest": {"trees": 2}, "boosting": {"iterations": 2}}
SMALL: dict[str, Any] = {"logistic": {}, **TREES, "mlp": {"epochs": 1}, "multitask": {"epochs": 1}}


def data(n: int = 800, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, n // 4, n)
    X = pd.DataFrame({"amount": np.exp(rng.normal(3, 1, n)), "orders": rng.poisson(4, n)})
    X["share"] = np.where(rng.uniform(size=n) < 0.1, np.nan, rng.uniform(size=n))
    X["city"] = rng.choice(["a", "b", "c"], n)
    logit = -2 + 0.7 * np.log(X["amount"]) - 0.2 * X["orders"] + (X["city"] == "a")
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()
    return X, y, customer


@pytest.mark.filterwarnings("ignore::promolab.model.inputs.encoding.UnseenLevels")
@pytest.mark.parametrize("kind", [*KINDS, "calibrated"])
def test_arrays_and_frames_have_the_same_chances(kind: str) -> None:
    X, y, _ = data(400)
    X["level"] = pd.Series([1.0, 2.0, np.nan, 2.0] * 100).astype("Int64").astype("category")
    options = SMALL.get(kind, {"kind": "logistic", "calibration": "platt"})
    model = ResponseModel(**{"kind": kind} | options).fit(X.assign(same=1.0), y)
    later = X.head(60).assign(same=1.0, city=np.array(["a", "new", None] * 20, dtype=object))
    arrays = {name: later[name].to_numpy(float) for name in ("amount", "orders", "share", "same")}
    for name in ("city", "level"):
        arrays[name] = later[name].astype(object).where(later[name].notna(), None).to_numpy()
    served, expected = ArrayModel(model), model.probability(later)
    for made in (np.asarray, list, pd.Series):  # a list is no value that all rows share
        told = {name: made(values) for name, values in arrays.items()}
        np.testing.assert_array_equal(served.probability(told), expected)
    first = {name: values[:1] for name, values in arrays.items()}
    np.testing.assert_array_equal(served.probability(first), expected[:1])
    assert expected.std() > 0
    refused("expected as many of each", served.probability, arrays | {"share": [1.0]})


@pytest.mark.parametrize("kind", ["logistic", "tree", "forest", "boosting"])
def test_order_of_rows_matters_to_random_draws_alone_and_that_of_columns_to_none(kind: str) -> None:
    X, y, customer = data()
    order = np.random.default_rng(1).permutation(len(X))
    model, again, turned, other = (
        ResponseModel(kind, seed=seed, **SMALL[kind]).fit(X[columns].iloc[at], y[at], customer[at])
        for seed, columns, at in (
            (0, X.columns, slice(None)),
            (0, X.columns, order),
            (0, X.columns[::-1], slice(None)),
            (1, X.columns, slice(None)),
        )
    )
    expected = model.probability(X)
    np.testing.assert_array_equal(turned.probability(X), expected)
    apart = np.abs(again.probability(X) - expected).max()
    assert apart > 1e-3 if kind == "forest" else apart < 1e-10
    assert np.array_equal(other.probability(X), expected) == (kind != "forest")
    if kind == "logistic":
        pd.testing.assert_frame_equal(again.coefficients(), model.coefficients(), rtol=1e-8)


def test_a_score_depends_on_its_row_alone_and_intervals_leave_it_as_it_is(monkeypatch) -> None:
    X, y, customer = data()
    model, quick = (
        ResponseModel(intervals=told).fit(X, y, cluster=customer) for told in (True, False)
    )
    whole, weights = model.probability(X), quick.coefficients()
    np.testing.assert_array_equal(quick.probability(X), whole)
    assert weights[["ci_low", "ci_high"]].isna().all(axis=None) and weights["weight"].notna().all()
    assert model.coefficients().notna().all(axis=None)
    monkeypatch.setattr("promolab.model.inputs.encoding.ROWS", 7)
    monkeypatch.setattr("promolab.model.inputs.encoding.WORTH_THREADS", 0)
    np.testing.assert_array_equal(model.probability(X), whole)


def test_coefficients_are_sorted_clustered_and_add_up_and_a_repeated_column_has_none() -> None:
    X, y, customer = data()
    model = ResponseModel(l2=3.0).fit(X, y, cluster=customer)
    table = model.coefficients(level=0.9)
    assert table["weight"].abs().is_monotonic_decreasing
    assert table.iloc[0]["feature"] == "city = a" and table.iloc[0]["ci_low"] > 0
    matrix = model.encoder_.transform(X)
    covariance = sandwich(matrix, y, model.weights_, model.intercept_, 3.0, customer)
    half = t.ppf(0.95, len(np.unique(customer)) - 1) * np.sqrt(np.diag(covariance)[:-1])
    named = table.set_index("feature").loc[model.encoder_.names]
    np.testing.assert_allclose(named["ci_high"] - named["weight"], half, rtol=1e-9)
    np.testing.assert_allclose(named["weight"] - named["ci_low"], half, rtol=1e-9)
    twice = X.assign(zebra=X["orders"], town=X["city"])
    again = ResponseModel(l2=3.0).fit(twice, y, cluster=customer)
    pd.testing.assert_frame_equal(again.coefficients(level=0.9), table)
    parts = again.explain(twice)
    assert (parts[["town", "zebra"]] == 0).all(axis=None)
    np.testing.assert_allclose(parts.sum(axis=1) + again.intercept_, model.logit(X), atol=1e-12)
    # Equal weights are ordered by name: two columns that mirror each other, and an equal effect.
    mirror = pd.DataFrame({"zebra": [0, 1, 0, 1] * 50, "alpha": [0, 0, 1, 1] * 50})
    table = ResponseModel().fit(mirror, [0, 1, 1, 1] * 50).coefficients()
    assert len(set(table["weight"])) == 1 and table["feature"].tolist() == ["alpha", "zebra"]


def test_parameters_options_and_errors_are_scikit_learns() -> None:
    model = ResponseModel("forest", trees=7, seed=3)
    none = dict.fromkeys("columns calibration track positive kinds".split())
    assert model.get_params() == {"kind": "forest", "seed": 3, "trees": 7, **none}
    assert model.set_params(depth=2, trees=9)._options() == {"trees": 9, "depth": 2}
    # An option that the new kind has too stays; the others are forgotten.
    assert model.set_params(kind="tree")._options() == {"depth": 2}
    assert repr(model) == "ResponseModel('tree', depth=2)"
    refused("a tree model has no parameter 'tress'", model.set_params, tress=1)
    refused("depth = 0", model.set_params, depth=0)
    assert model.depth == 2
    with pytest.raises(AttributeError, match="no attribute 'trees'"):
        _ = model.trees


def test_arrays_are_taken_by_position_and_of_any_two_classes_the_last_is_the_response() -> None:
    X, y, _ = data()
    numbers, texts = X[["amount", "orders"]], np.array(["no", "yes"])[y]
    by_name = ResponseModel().fit(numbers, y).probability(X)
    by_place = ResponseModel(positive="last").fit(numbers.to_numpy(), texts)
    np.testing.assert_array_equal(by_place.probability(numbers.to_numpy()), by_name)
    assert set(by_place.predict(numbers.to_numpy())) == {"no", "yes"}
    refused("y must be 0 or 1", ResponseModel().fit, X, texts)
    refused("the features are a list", feature_columns, [[1.0]])


def test_time_is_dates_or_numbers() -> None:
    day = pd.date_range("2017-10-25", periods=200, freq="h", tz="Europe/Berlin")
    moments = check_time(pd.Series(day), 200)
    assert moments is not None and moments.dtype == "datetime64[us]"
    assert (np.diff(moments) == np.timedelta64(1, "h")).all()  # across the end of summer time
    assert check_time(np.arange(3), 3).tolist() == [0, 1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["logistic", "tree"])
def test_several_outcomes_each_from_the_rows_that_know_it(kind: str) -> None:
    X, y, _ = data()
    share = np.where(np.arange(len(X)) % 3 > 0, X["orders"] > 4, np.nan)
    Y = pd.DataFrame({"click": pd.array(y, dtype="boolean"), "share": share})
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


def test_labels_may_be_of_any_type_and_a_penalty_numpys() -> None:
    X = pd.DataFrame({"orders": range(40)})
    y = np.array([0, 1] * 10 + [1] * 20)
    model, expected = ResponseModel(l2=np.int64(3)), ResponseModel(l2=3).fit(X, y).probability(X)
    nullable = pd.Series(y, dtype="boolean"), pd.Series(y, dtype="Int8")
    for labels in (y[:, None], y.astype(bool), *nullable, list(y)):
        np.testing.assert_array_equal(model.fit(X, labels).probability(X), expected)


def test_a_whole_number_under_the_name_of_a_thing_may_be_a_quantity(tmp_path: Path) -> None:
    X, y, _ = data(400)
    X = X.assign(campaign=np.arange(400) % 7 + 1)
    for kind, levels in (("number", 0), ("category", 7)):
        for learner in ("tree", "logistic"):
            model = ResponseModel(learner, kinds={"campaign": kind}).fit(X, y)
            what = model.preparation().to_frame().set_index("column").loc["campaign"]
            assert (what["what"], what["levels"]) == (kind, levels)
        assert model.encoder_.sources.count("campaign") == (levels or 1)
        again = ResponseModel.load(model.save(tmp_path / "model"))
        assert again.kinds == {"campaign": kind}
        np.testing.assert_array_equal(again.logit(X), model.logit(X))


def test_rows_are_matched_by_index_where_both_have_one() -> None:
    plain, y, customer = data()
    X = plain.set_axis([f"row {k}" for k in range(len(plain))])
    beside = pd.DataFrame({"y": y, "customer": customer}, index=X.index)
    there = ResponseModel().fit(X, y, cluster=customer)
    other = beside.sample(frac=1, random_state=3)
    for cluster in (other["customer"], beside["customer"], customer):
        again = ResponseModel().fit(X, other["y"], cluster=cluster)
        np.testing.assert_array_equal(again.logit(X), there.logit(X))
        np.testing.assert_array_equal(again.standard_errors_, there.standard_errors_)
    # Shuffled rows beside an outcome that nobody shuffled: the usual slip.
    for rows in (plain, plain.sample(frac=1, random_state=4)):
        slip = ResponseModel().fit(rows, pd.Series(y))
        np.testing.assert_allclose(slip.logit(X), there.logit(X), rtol=1e-8)


@pytest.mark.parametrize("kind", ["logistic", "boosting"])
def test_a_column_without_any_known_category_is_warned_of_and_a_gap_is_no_level(kind: str) -> None:
    X, y, _ = data()
    model = ResponseModel(kind).fit(X, y)
    upper = X.assign(city=X["city"].str.upper())
    said = r"none of the values of 'city' \(.*'A'.*\) is one the model learned from \('a', 'b'"
    with pytest.warns(UserWarning, match=said) as told:
        model.predict_proba(upper)
    assert {warning.filename for warning in told} == {__file__}
    warnings.simplefilter("error")
    for fine in (X, upper.head(1), X.head(3).assign(city=None), X.assign(city=["a", *["Z"] * 799])):
        model.predict_proba(fine)
    # Rare levels are none that the model knows, and no slip.
    rare = X.assign(city=np.where(np.arange(800) % 2, "a", np.arange(800).astype(str)))
    ResponseModel(kind).fit(rare, y).predict_proba(rare.assign(city=["801", "803"] * 400).head(6))
    # A number that stands for a level is it as a float, too, as a gap makes it.
    zoned = X.assign(zone=pd.Categorical([1, 2, 3, 2] * 200))
    model, floats = ResponseModel(kind).fit(zoned, y), zoned.assign(zone=[1.0, 2.0, 3.0, 2.0] * 200)
    np.testing.assert_array_equal(model.probability(floats), model.probability(zoned))
