"""Contributions add up, agree with what can be worked out by hand, and say how exact they are."""

from itertools import permutations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from promolab.explain.explanation import explain_row
from promolab.explain.rules import weights_or_rules
from promolab.model.explanation import shapley_parts
from promolab.model.response import ResponseModel
from tests.draws import noise
from tests.refused import refused


def data(n: int = 500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"amount": rng.normal(size=n), "orders": rng.poisson(4, n) * 1.0})
    X["city"] = rng.choice(["a", "b", "c"], n)
    X.loc[::17, "orders"] = np.nan
    logit = X["amount"] * np.where(X["city"] == "a", 2, -1) + 0.3 * (X["orders"].fillna(4) - 4)
    return X, (rng.uniform(size=n) < 1 / (1 + np.exp(-logit.to_numpy()))).astype(int)


def by_hand(model: ResponseModel, row: pd.DataFrame, background: pd.DataFrame) -> pd.Series:
    """Shapley values over all orders and all background rows."""
    names = sorted(row.columns)
    total = dict.fromkeys(names, 0.0)
    for order in permutations(names):
        now = background.copy()
        before = model.logit(now)
        for name in order:
            now[name] = row[name].iloc[0]
            after = model.logit(now)
            total[name] += float(np.mean(after - before))
            before = after
    return pd.Series(total) / factorial(len(names))


def test_parts_agree_with_all_orders_worked_out() -> None:
    X, y = data()
    model = ResponseModel("forest", trees=10, depth=4, min_leaf=10).fit(X, y)
    background, row = X.iloc[:6], X.iloc[[40]]
    parts = shapley_parts(model, row, background, permutations=3000)
    truth = by_hand(model, row, background)
    error = pd.Series({c: e[0] for c, e in parts.attrs["std_error"].items()})
    assert (error > 0).all() and error.max() < 0.05
    assert ((parts.iloc[0] - truth).abs() < 4 * error).all()
    assert parts.attrs["base"] == pytest.approx(float(np.mean(model.logit(background))), abs=1e-9)


@pytest.mark.parametrize("kind", ["tree", "boosting", "logistic"])
def test_parts_add_up_to_the_score(kind: str) -> None:
    X, y = data()
    model = ResponseModel(kind).fit(X, y)
    rows = X.iloc[100:120].set_index(np.arange(20) + 5)
    parts = shapley_parts(model, rows, X.iloc[:30], permutations=10)
    adds_up(parts, model.logit(rows))
    assert parts.index.tolist() == rows.index.tolist()
    # A row's parts are its own, whatever else is explained beside it.
    alone = shapley_parts(model, rows.iloc[[3]], X.iloc[:30], permutations=10)
    np.testing.assert_allclose(alone.iloc[0], parts.iloc[3], atol=1e-12)


def test_parts_of_a_sum_are_its_terms_and_the_error_said_is_the_error_made() -> None:
    # Whatever the order, a linear feature changes the log odds by the same: only the background
    # rows matter, and with each used once there is no error left.
    X, y = data()
    model = ResponseModel().fit(X, y)
    rows, background = X.iloc[:5], X.iloc[50:90]
    parts = shapley_parts(model, rows, background, permutations=2 * len(background))
    exact = model.explain(rows)
    expected = exact - model.explain(background).mean()
    np.testing.assert_allclose(parts[exact.columns], expected, atol=1e-9)
    model = ResponseModel("forest", trees=10, depth=4, min_leaf=10).fit(X, y)
    runs = [
        shapley_parts(model, X.iloc[[40]], X.iloc[:200], permutations=40, seed=s) for s in range(60)
    ]
    spread = pd.concat([run.assign() for run in runs]).std()
    said = pd.DataFrame([{c: e[0] for c, e in r.attrs["std_error"].items()} for r in runs]).mean()
    assert (spread / said).between(1 - noise(60), 1 + noise(60)).all()


def adds_up(parts: pd.DataFrame, says: pd.Series) -> None:
    np.testing.assert_allclose(parts.sum(axis=1) + parts.attrs["base"], says, atol=1e-9)


def test_without_a_background_and_of_one_of_several_outcomes() -> None:
    X, y = data()
    group = np.arange(len(X)) % 7
    platt = ResponseModel(calibration="platt").fit(X, y, group=group)
    for rows, background in ((X, None), (X.iloc[:3], X.iloc[:10])):
        adds_up(shapley_parts(platt, rows, background, permutations=6), platt.logit(rows))
    both = pd.DataFrame({"click": y, "purchase": (X["amount"] > 0.5).astype(int)})
    model = ResponseModel("tree").fit(X, both)
    parts = shapley_parts(model, X.iloc[:4], X.iloc[:9], outcome="purchase")
    adds_up(parts, model.logit(X.iloc[:4])["purchase"])
    pd.testing.assert_frame_equal(model.explain(X.iloc[:4], X.iloc[:9], "purchase"), parts)
    linear = ResponseModel().fit(X, both)
    adds_up(linear.explain(X, outcome="purchase"), linear.logit(X)["purchase"])
    refused("give background=", shapley_parts, model, X, None, outcome="purchase")
    refused("give outcome=", shapley_parts, model, X, X)
    refused("purchase", shapley_parts, model, X, X, outcome="purchas")


def test_one_row_as_a_table_a_sentence_and_a_figure(monkeypatch) -> None:
    X, y = data()
    model = ResponseModel("boosting").fit(X, y)
    row = X.iloc[[17]]
    found = explain_row(model, row, X.iloc[:50], who="C-1")
    table = found.to_frame()
    assert table["contribution"].abs().is_monotonic_decreasing
    assert table["contribution"].sum() + found.base == pytest.approx(found.logit, abs=1e-9)
    assert found.probability == pytest.approx(float(model.probability(row)[0]))
    assert set(table["feature"]) == {"sales", "city", "orders"}
    assert table.set_index("feature").loc["orders", "value"] == "–"
    assert "the average of 50 others" in found.summary()
    monkeypatch.setattr("promolab.explain.explanation.MOST_DRAWN", 2)
    ax = found.plot()
    assert [t.get_text() for t in ax.get_yticklabels()][-1] == "1 other"
    assert "error of the calculation" in ax.texts[-1].get_text().replace("\n", " ")
    refused("explains one", explain_row, model, X.iloc[:2], X)


def test_features_that_are_missing_together_are_one_row():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 4)), columns=["orders", "amount", "hour", "age"])
    X.loc[:99, ["orders", "amount"]] = np.nan
    X.loc[50:199, "age"] = np.nan
    y = (rng.random(400) < 0.2 + 0.4 * X["orders"].isna()).astype(int)
    ax = weights_or_rules(ResponseModel(l2=1.0).fit(X, y)).plot()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert {"not known: 2 features, each", "age: not known"} < set(names)
    assert len(names) == 6  # four features, and what is not known of two together and of one
    assert ax.get_title(loc="left").startswith("Not known: 2 features, each weighs most")
