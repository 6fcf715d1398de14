"""The figure of the largest weights."""

import numpy as np
import pandas as pd

from promolab import ResponseModel
from promolab.explain.coefficients import Coefficients, weights_or_rules


def names_in(ax) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_features_that_are_missing_together_are_one_row():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 4)), columns=["orders", "amount", "hour", "age"])
    X.loc[:99, ["orders", "amount"]] = np.nan
    X.loc[50:199, "age"] = np.nan
    y = (rng.random(400) < 0.2 + 0.4 * X["orders"].isna()).astype(int)
    ax = weights_or_rules(ResponseModel(l2=1.0).fit(X, y)).plot()
    names = names_in(ax)
    assert "not known: 2 features, each" in names
    assert "age: not known" in names
    assert len(names) == 6  # four features, and what is not known of two together and of one
    assert ax.get_title(loc="left").startswith("Not known: 2 features, each weighs most")


def test_only_the_largest_are_drawn():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(300, 5)), columns=list("abcde"))
    y = (rng.random(300) < 1 / (1 + np.exp(-2 * X["c"]))).astype(int)
    found = weights_or_rules(ResponseModel(l2=1.0).fit(X, y))
    assert isinstance(found, Coefficients)
    ax = found.plot(most=2)
    assert len(names_in(ax)) == 2
    assert ax.get_title(loc="left") == "C weighs most"
