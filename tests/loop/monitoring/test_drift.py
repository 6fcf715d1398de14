"""Drift: found where the distribution moved far, and nowhere else, however many rows there are."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.loop.monitoring import feature_drift
from promolab.loop.monitoring.drift import stability_index
from tests.draws import check_cover, draws
from tests.refused import refused
from tests.wording_lint import nonsense


def customers(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    orders = rng.poisson(3, n).astype(float)
    columns: dict[str, Any] = {"customer_id": np.arange(n) + n * seed}
    columns |= {"amount_84d": rng.lognormal(3 + shift, 1, n)}
    columns |= {"orders_84d": np.where(rng.random(n) < 0.3, np.nan, orders)}
    columns |= {"evening_share": rng.integers(0, 5, n) / 4}
    columns |= {"top_category": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]), "carts_28d": 0}
    columns |= {"tenure_days": rng.uniform(0, 100, n) + 50 * shift}
    return pd.DataFrame(columns)


def test_draws_of_the_same_customers_do_not_drift_nor_do_small_differences_of_many_rows():
    for n in (100, 3_000):
        alike = [feature_drift(customers(n, k), customers(n, k + 50)) for k in range(20)]
        assert [one.drifted for one in alike] == [[]] * 20
    assert "drifted since then" in alike[0].summary() and nonsense(alike[0].summary()) == []
    found = feature_drift(customers(50_000, 1), customers(50_000, 2, shift=0.05))
    row = found.frame.set_index("column").loc["amount_84d"]
    assert row["p_holm"] < 1e-9 and row["drift"] == "no" and found.drifted == []
    then, now = customers(3_000, 1), customers(3_000, 2)
    rare = np.random.default_rng(0).random(3_000) < 0.4
    for frame, rate in ((then, 0.120), (now, 0.119)):
        frame["response_rate"] = np.where(rare, np.linspace(0, 1, 3_000), rate)
    found = feature_drift(then, now)
    row = found.frame.set_index("column").loc["response_rate"]
    assert row["psi"] > 0.25 and row["moved"] < 0.1 and found.drifted == []


def test_a_shift_is_found_as_are_columns_without_a_value_a_new_kind_and_a_constant_that_moves():
    for n in (100, 5_000):
        found = feature_drift(customers(n, 1), customers(n, 2, shift=1.0))
        rows = found.frame.set_index("column")
        row, grows = rows.loc["amount_84d"], rows.loc["tenure_days"]
        assert found.drifted == ["amount_84d"] and nonsense(found.summary()) == []
        assert row["drift"] == "much" and row["psi_low"] < row["psi"] < row["psi_high"]
        # What grows by itself moved as far, and is not called drift.
        assert grows["grows"] and grows["drift"] == "no"
    then = pd.DataFrame({"x": [np.nan] * 40, "kind": ["a", None] * 20})
    found = feature_drift(then, then.assign(x=1.0))
    assert found.drifted == ["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one row at each time
        assert feature_drift(then.assign(x=1.0).head(1), then.assign(x=2.0).head(1)).drifted == []
    then, now = customers(2_000, 1), customers(2_000, 2)
    now["orders_84d"] = now["orders_84d"].where(np.arange(2_000) % 2 == 0)
    now["top_category"] = np.where(np.arange(2_000) % 3 == 0, "new", now["top_category"])
    now["carts_28d"] = 1
    found = feature_drift(then, now)
    assert set(found.drifted) == {"orders_84d", "top_category", "carts_28d"}


def test_the_index_is_that_of_the_book_covers_the_truth_and_is_fair_by_chance():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    truth = float(((p - q) * np.log(p / q)).sum())
    many = np.array([p, q]) * 10**7
    assert stability_index(many)[0] == pytest.approx(truth, abs=1e-5)
    rng, n = np.random.default_rng(3), draws(400)
    pairs = zip(rng.multinomial(1_000, p, n), rng.multinomial(800, q, n), strict=True)
    found = np.array([stability_index(np.array(pair)) for pair in pairs])
    check_cover(found[:, :3], truth)
    alike = np.full(10, 0.1)
    found = np.array([stability_index(rng.multinomial(m, alike, 2)) for m in [200, 2_000] * 500])
    assert 0.03 <= (found[:, 3] < 0.05).mean() <= 0.07 and (found[:, 1] == 0).mean() > 0.95


def test_what_cannot_be_compared_is_refused():
    then = customers(50, 1)
    refused("now has no row", feature_drift, then, then.head(0))
    refused("must both have orders", feature_drift, then, then, ["orders"])
    refused("no column in common", feature_drift, then[["customer_id"]], then[["customer_id"]])
