"""The encoding: learned on training rows only, indifferent to order, sane beyond the range."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from promolab.model.inputs.encoding import Encoder
from promolab.model.response import ResponseModel
from tests.refused import refused


def frame(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"amount": np.exp(rng.normal(4, 1.2, n)), "share": rng.uniform(size=n)})
    X["share"] = X["share"].where(rng.uniform(size=n) >= 0.2)
    X["age"], X["is_member"] = rng.normal(50, 10, n), rng.uniform(size=n) < 0.3
    return X.assign(city=rng.choice(["a", "b", "c"], n, p=[0.6, 0.38, 0.02]))


def test_columns_are_named_and_centred() -> None:
    X = frame()
    X.loc[:9, "city"] = None
    encoder = Encoder.fit(X)
    cities = ["city = a", "city = b", "city = (other)", "city = (missing)"]
    assert encoder.names == ["age", "amount", *cities, "is_member", "share", "share = missing"]
    assert encoder.sources.count("city") == 4
    matrix = encoder.transform(X)
    one_hot = [encoder.names.index(n) for n in encoder.names if " = " in n]
    np.testing.assert_allclose(matrix[:, one_hot].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.ptp(matrix[:, one_hot], axis=0), 1)


def test_columns_are_bent_where_skewed_standardised_and_clipped() -> None:
    X = frame()
    codes = {code.name: code for code in Encoder.fit(X).codes}
    assert codes["amount"].bend > 0
    assert codes["age"].bend == codes["is_member"].bend == 0
    cents = X.assign(amount=X["amount"] * 100)
    one, other = (Encoder.fit(rows).transform(rows) for rows in (X, cents))
    np.testing.assert_allclose(one, other, atol=1e-9)
    encoder = Encoder.fit(X, ["age", "amount"])
    expected = (X["age"] - X["age"].mean()) / X["age"].std(ddof=0)
    np.testing.assert_allclose(encoder.transform(X)[:, 0], expected, atol=1e-12)
    gap = encoder.transform(pd.DataFrame({"age": [np.nan, X["age"].median()], "amount": 1.0}))
    assert gap[0, 0] == gap[1, 0]
    known, far = encoder.transform(X), X.head(2).assign(age=[1e9, -1e9], amount=[1e12, -1e12])
    beyond = encoder.transform(far)
    np.testing.assert_allclose(beyond[0], known.max(axis=0))
    np.testing.assert_allclose(beyond[1], known.min(axis=0))
    outlier = X.assign(age=[1e6, *X["age"].iloc[1:]])
    assert np.abs(Encoder.fit(outlier).transform(outlier)).max() <= 5


def test_order_changes_nothing_and_transform_learns_nothing() -> None:
    X, encoder = frame(), Encoder.fit(frame())
    order = np.random.default_rng(1).permutation(len(X))
    shuffled = X.iloc[order][["city", "share", "age", "is_member", "amount"]]
    assert Encoder.fit(shuffled) == encoder
    np.testing.assert_array_equal(encoder.transform(shuffled), encoder.transform(X)[order])
    np.testing.assert_array_equal(encoder.transform(X.iloc[[7]]), encoder.transform(X)[[7]])


def test_of_many_rows_each_counts_and_their_order_changes_nothing(monkeypatch) -> None:
    # Every third customer has done nothing yet: many rows are equal in every column.
    rng = np.random.default_rng(2)
    n = 60_000
    active = rng.random(n) > 1 / 3
    X = pd.DataFrame({"orders": np.where(active, rng.poisson(3, n), 0)})
    X["amount"] = np.where(active, np.exp(rng.normal(3, 1, n)), 0)
    X["recency"] = np.where(active, rng.uniform(0, 300, n), np.nan)
    encoder = Encoder.fit(X)
    order = rng.permutation(n)
    assert Encoder.fit(X.iloc[order]) == encoder
    codes = {code.name: code for code in encoder.codes}
    for name, values in X.items():
        assert codes[name].median == values.median()
    filled, spent = X["recency"].fillna(X["recency"].median()), X.loc[X["amount"] > 0, "amount"]
    np.testing.assert_allclose(codes["recency"].mean, filled.mean())
    np.testing.assert_allclose(codes["amount"].bend, spent.quantile(0.25))
    matrix = encoder.transform(X)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=0.02)
    monkeypatch.setattr("promolab.model.inputs.encoding.WORTH_THREADS", 10 * n)  # all on one thread
    assert Encoder.fit(X) == encoder
    np.testing.assert_array_equal(encoder.transform(X), matrix)


@pytest.mark.filterwarnings("ignore::promolab.model.inputs.encoding.UnseenLevels")
def test_unseen_levels_are_the_others_and_extra_columns_ignored() -> None:
    X = frame()
    encoder = Encoder.fit(X)
    new = X.head(3).assign(city=["c", "nowhere", np.nan], extra=1)
    matrix = encoder.transform(new)
    np.testing.assert_array_equal(matrix[0], encoder.transform(X.head(1).assign(city="zz"))[0])
    other = encoder.names.index("city = (other)")
    assert matrix[0, other] == matrix[1, other] > 0 > matrix[2, other]


def test_every_type_of_numbers_and_of_texts_gives_the_same_matrix() -> None:
    reference = pd.DataFrame({"x": [1.0, 2.0, np.nan, 4.0] * 10})
    expected = Encoder.fit(reference).transform(reference)
    for values in [
        pd.Series([1, 2, None, 4] * 10, dtype="Int64"),
        pd.Series([Decimal(1), Decimal(2), None, Decimal(4)] * 10, dtype=object),
        pd.Series([1, 2, None, 4] * 10, dtype="int64[pyarrow]"),
        pd.Series([1, 2, pd.NA, 4] * 10, dtype=object),
    ]:
        X = pd.DataFrame({"x": values})
        encoder = Encoder.fit(X)
        assert encoder.names == ["x", "x = missing"]
        np.testing.assert_array_equal(encoder.transform(X), expected)
    for dtype in ("object", "string", "category"):
        X = pd.DataFrame({"x": pd.Series(["u", "v", None, "u"] * 20, dtype=dtype)})
        encoder = Encoder.fit(X)
        assert encoder.names == ["x = u", "x = v", "x = (missing)"]
        assert (encoder.transform(X)[:, 0] > 0).tolist() == [True, False, False, True] * 20
    store = pd.DataFrame({"store": [1, 2, 3] * 20}, dtype="category")  # numbers that are names
    assert Encoder.fit(store).names == ["store = 1", "store = 2", "store = 3"]


def test_constant_columns_and_the_later_of_two_equal_ones_are_dropped() -> None:
    X = pd.DataFrame({"one": [1.0] * 40, "known": [5.0, np.nan] * 20, "x": range(40), "t": "a"})
    assert Encoder.fit(X).names == ["known = missing", "x"]
    refused("none of the 2 columns varies over the 40 training rows", Encoder.fit, X[["one", "t"]])
    X = frame()
    X = X.assign(town=X["city"], zage=X["age"].astype("Float64"), near=X["age"] + 1e-9)
    encoder = Encoder.fit(X)
    same = {c.name: c.dropped for c in encoder.codes if c.dropped.startswith("same as")}
    assert same == {"town": "same as city", "zage": "same as age"}
    assert "near" in encoder.names and encoder.transform(X).shape == (400, len(encoder.names))
    # Of the same shares, but not the same rows: both say something.
    other = frame().assign(turned=frame()["city"].iloc[::-1].to_numpy())
    assert not any(code.dropped for code in Encoder.fit(other).codes)


def test_columns_that_cannot_be_features() -> None:
    X, ids = frame(), ("household_id", "customerId", "ID", "Order ID")
    for name, values, message in [
        *[(name, [1.5, 2], f"column '{name}' is an id") for name in ids],
        ("as_of", [1, 2], "column 'as_of' is a time"),
        ("when", pd.to_datetime(["2017-01-01", "2017-01-02"]), "column 'when' is a time"),
        ("wait", pd.to_timedelta([1, 2], unit="D"), "column 'wait' has type timedelta64"),
        ("x", [1.0, np.inf], "column 'x' has 1 infinite value;"),
        ("x", [1.0, 1e300], "too large or too close"),
        ("x", [[1.0], [2.0]], "column 'x' holds a list; a feature is a number"),
    ]:
        refused(message, Encoder.fit, pd.DataFrame({name: values}))
    fine = X.assign(paid=X["age"] + 1, is_valid=X["age"] ** 2, bid=-X["amount"])
    assert {"paid", "is_valid", "bid"} <= set(Encoder.fit(fine).names)
    refused("lack column 'amuont'; did you mean 'amount'", Encoder.fit, X, ["amuont"])
    refused("lack column 'amount'", Encoder.fit(X).transform, X.drop(columns="amount"))
    refused("no rows", Encoder.fit, X.head(0))
    refused("columns given twice: age", Encoder.fit, pd.concat([X, X[["age"]]], axis=1))
    refused("'age' holds something else", Encoder.fit(X).transform, X.assign(age="old"))


def data(n: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"amount": rng.normal(50, 9, n), "constant": 3.0})
    X["city"] = ["a", "b"] * (n // 2 - 5) + ["rare", "rarer"] * 5
    X["gap"] = np.where(rng.uniform(size=n) < 0.25, np.nan, rng.uniform(size=n))
    X["counter"], X["spent"] = rng.permutation(n), X["amount"]
    X["name"], X["zone"] = [f"person {k}" for k in range(n)], ["x", "y"] * (n // 2)
    return X, (rng.uniform(size=n) < 0.3).astype(int)


def table(kind: str, **options: object) -> pd.DataFrame:
    return ResponseModel(kind, **options).fit(*data()).preparation().to_frame().set_index("column")


@pytest.mark.parametrize("kind", ["logistic", "boosting"])
def test_each_column_has_a_row_that_says_what_it_is(kind: str) -> None:
    X, _ = data()
    rows = table(kind)
    assert rows.index.tolist() == sorted(X.columns)
    assert rows["what"]["city"] == "category" and rows["what"]["gap"] == "number"
    used = rows["used"]
    assert (used[["amount", "city", "gap", "zone"]] == "yes").all()
    assert used["counter"] == "yes, but every row has another whole number, as running ids do"
    assert used["name"] == "no: each of its 400 levels is too rare to learn from"
    assert used[["constant", "spent"]].tolist() == ["no: constant", "no: same as amount"]
    assert rows.loc["gap", "missing"] == pytest.approx(X["gap"].isna().mean())
    assert rows.loc["city", "levels"] == 2
    assert rows.loc["city", "in_other"] == pytest.approx(10 / 400)
    assert rows.loc["city", "unseen_becomes"] == "(other)"


def test_gaps_are_told_as_they_happen() -> None:
    linear, native = table("logistic"), table("boosting")
    middle = data()[0]["gap"].median()
    assert linear.loc["gap", "missing_becomes"] == f"the median, {middle:.2f}, and an indicator"
    assert native.loc["gap", "missing_becomes"].startswith("it stays missing")
    assert linear.loc["zone", "unseen_becomes"] == "none of the levels"
    assert native.loc["zone", "unseen_becomes"] == "it goes where most training rows went"
    X, y = data()
    encoder, new = ResponseModel().fit(X, y).encoder_, X.head(1)
    column = encoder.names.index("gap")
    filled, own = (encoder.transform(new.assign(gap=gap))[0, column] for gap in (np.nan, middle))
    assert filled == own
    for kind in ("logistic", "boosting", "tree"):
        model = ResponseModel(kind).fit(X, y)
        for dropped in ("constant", "name", "spent"):
            changed = model.probability(X.assign(**{dropped: X[dropped].iloc[::-1].to_numpy()}))
            np.testing.assert_array_equal(changed, model.probability(X))
        other = [model.probability(new.assign(city=level)) for level in ("rare", "nowhere")]
        np.testing.assert_array_equal(*other)


def test_said_in_sentences_and_plain_values_of_each_outcome() -> None:
    X, y = data()
    assert "5 columns of 8 are used" in ResponseModel().fit(X, y).preparation().summary()
    known = np.arange(len(X)) < 200
    Y = pd.DataFrame({"click": y, "share": np.where(known, y, np.nan)})
    model = ResponseModel("tree").fit(X.assign(late=np.where(known, 1, 2)), Y)
    used = {name: model.preparation(name).to_frame().set_index("column") for name in Y.columns}
    assert used["click"].loc["late", "used"] == "yes"
    assert used["share"].loc["late", "used"] == "no: constant"
