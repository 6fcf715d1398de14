"""Partial dependence is the average prediction, with what sampling customers adds to it."""

import numpy as np
import pandas as pd
import pytest

from promolab.explain.dependence import _Averages, partial_dependence
from promolab.model.response import ResponseModel
from tests.refused import refused


def data(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"amount": np.exp(rng.normal(size=n)), "orders": rng.poisson(3.0, n) * 1.0})
    X["city"] = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    X.loc[::8, "orders"] = np.nan
    logit = -1 + 0.5 * X["orders"].fillna(0) - (X["city"] == "b")
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()
    return X, y, rng.integers(0, n // 3, n)


@pytest.mark.parametrize("kind", ["logistic", "tree"])
def test_it_is_the_average_prediction(kind: str) -> None:
    X, y, customer = data()
    model = ResponseModel(kind).fit(X, y)
    found = partial_dependence(model, X, "orders", customer, grid=[0, 2, 5])
    assert found.frame["value"].isna().tolist() == [False, False, False, True]
    for _, row in found.frame.iterrows():
        expected = model.probability(X.assign(orders=row["value"])).mean()
        assert row["probability"] == pytest.approx(expected, abs=1e-10)
        assert row["ci_low"] <= row["probability"] <= row["ci_high"]
    assert found.frame["share"].iloc[-1] == pytest.approx(1 / 8)
    city = partial_dependence(model, X, "city", customer)
    assert city.frame["value"].tolist() == ["a", "b", "c"]
    expected = model.probability(X.assign(city="b")).mean()
    assert city.frame["probability"].iloc[1] == pytest.approx(expected, abs=1e-10)
    assert city.frame["value"].iloc[city.low] == "b"
    both = ResponseModel(kind, calibration="platt")
    both = both.fit(X, pd.DataFrame({"click": y, "purchase": 1 - y}), cluster=customer)
    found = partial_dependence(both, X, "orders", grid=[1], outcome="purchase")
    expected = both.probability(X.assign(orders=1.0))["purchase"].mean()
    assert found.frame["probability"].iloc[0] == pytest.approx(expected)


def test_the_interval_covers_the_average_over_other_customers() -> None:
    # Customers of three rows alike: rows as independent would make it too narrow.
    X, y, _ = data(2000)
    model = ResponseModel().fit(X, y)
    many, customer = data(20_000, 1)[0], np.repeat(np.arange(100), 3)
    p = model.probability(many.assign(orders=3.0))
    drawn = np.random.default_rng(0).integers(0, len(p), (100, 2000))
    rows = np.repeat(p[drawn], 3, axis=0)  # a column per draw of a hundred customers
    for unit, least, most in ((customer, 0.93, 0.96), (np.arange(300), 0.68, 0.78)):
        _, low, high = _Averages(rows, unit, 0.95).each().T
        assert least <= np.mean((low < p.mean()) & (p.mean() < high)) <= most
    first = many.iloc[drawn[:, 0]].iloc[customer]
    table = partial_dependence(model, first, "orders", customer, grid=[3]).frame
    expected = _Averages(rows[:, :1], customer, 0.95).each()[0]
    np.testing.assert_allclose(
        table.loc[0, ["probability", "ci_low", "ci_high"]].astype(float), expected, rtol=1e-9
    )


def test_words_and_figures_and_what_cannot_be_is_said() -> None:
    X, y, customer = data()
    model = ResponseModel(columns=["orders", "city"]).fit(X, y)
    found = partial_dependence(model, X, "orders", customer)
    assert found.change.ci_low > 0
    assert found.summary().startswith("P(response) goes from")
    assert "missing (12 %)" in found.plot().texts[-1].get_text().replace("\n", " ")
    city = partial_dependence(model, X, "city", customer)
    assert [t.get_text() for t in city.plot().get_yticklabels()][-1] == "b"
    for message, rows, feature, grid in [
        ("does not read 'amount'; it reads city, orders", X, "amount", [1]),
        ("did you mean 'orders'", X, "order", [1]),
        ("no rows", X.iloc[:0], "orders", [1]),
        ("at least one", X, "orders", []),
    ]:
        refused(message, partial_dependence, model, rows, feature, grid=grid)


def test_a_feature_nearly_always_0_is_told_by_its_ends_and_some_rows_stand_for_all() -> None:
    X, y, _ = data()
    rare = X.assign(orders=np.where(np.arange(len(X)) % 20 == 0, X["orders"].fillna(0), 0.0))
    found = partial_dependence(ResponseModel().fit(X, y), rare, "orders")
    ends = found.frame["value"].iloc[[found.low, found.high]]
    assert ends.tolist() == [0.0, found.frame["value"].max()] and found.change.ci_low > 0
    model = ResponseModel("tree").fit(X, y)
    many = pd.concat([X] * 8, ignore_index=True)
    found = partial_dependence(model, many, "orders", grid=[2])
    assert found.n == 2000
    expected = model.probability(X.assign(orders=2.0)).mean()
    assert found.frame["ci_low"].iloc[0] < expected < found.frame["ci_high"].iloc[0]


def test_few_customers_count_as_a_sample():
    p = np.array([[0.2], [0.4], [0.3], [0.5], [0.1], [0.3]])
    mean, low, high = _Averages(p, np.repeat(np.arange(3), 2), 0.95).each()[0]
    # Less the mean of 0.3 the customers have 0, 0.2 and −0.2: an error of √(0.08 · 3/2) ÷ 6.
    half = 1.959964 * (0.08 * 3 / 2) ** 0.5 / 6 / (0.3 * 0.7)
    ends = 1 / (1 + np.exp(-np.log(0.3 / 0.7) + np.array([half, -half])))
    assert mean == pytest.approx(0.3) and (low, high) == pytest.approx(tuple(ends), rel=1e-6)
