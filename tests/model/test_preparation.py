"""What becomes of each column, told in one place and true of what the models do."""

import numpy as np
import pandas as pd
import pytest

from promolab.model.response import ResponseModel


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
    assert rows["used"].to_dict() == {
        "amount": "yes",
        "city": "yes",
        "constant": "no: constant",
        "counter": "yes, but every row has another whole number, as running ids do",
        "gap": "yes",
        "name": "no: each of its 400 levels is too rare to learn from",
        "spent": "no: same as amount",
        "zone": "yes",
    }
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
    text = ResponseModel().fit(X, y).preparation().summary()
    assert text.startswith("5 columns of 8 are used") and "counter may be an id" in text
    assert "gap most (" in text
    known = np.arange(len(X)) < 200
    Y = pd.DataFrame({"click": y, "share": np.where(known, y, np.nan)})
    model = ResponseModel("tree").fit(X.assign(late=np.where(known, 1, 2)), Y)
    used = {name: model.preparation(name).to_frame().set_index("column") for name in Y.columns}
    assert used["click"].loc["late", "used"] == "yes"
    assert used["share"].loc["late", "used"] == "no: constant"
