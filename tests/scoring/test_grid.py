"""Every customer with every promotion, against the crossed frame."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.model.response import ResponseModel
from promolab.scoring.grid import score_grid
from tests.refused import refused

PROMOTIONS = pd.DataFrame(
    {
        "promotion_id": [1, 2, 3, 9],
        "discount": [0.1, 0.3, np.nan, 0.2],
        "kind": ["coupon", "price", "price", "new"],
    }
)


def customers(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": np.where(rng.uniform(size=n) < 0.1, np.nan, np.exp(rng.normal(3, 1, n))),
            "orders": rng.poisson(4, n),
            "city": pd.Categorical(rng.choice(["a", "b", "c"], n)),
        }
    )


def training(n: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    offers = PROMOTIONS.iloc[rng.integers(0, 3, n)].reset_index(drop=True)
    rows = pd.concat([customers(n, seed=2), offers], axis=1)
    z = 0.3 * rows["orders"] * (rows["promotion_id"] - 1) - 1 - (rows["city"] == "a")
    return rows, (rng.uniform(size=n) < 1 / (1 + np.exp(-z))).astype(int)


def crossed(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    return left.merge(right, how="cross")


FEATURES = ["amount", "orders", "city", "discount", "kind"]
MODELS = {
    "shared": {"columns": FEATURES},
    "sparse": {"columns": FEATURES, "l1": 3.0, "l2": 1.0},
    "calibrated": {"columns": FEATURES, "calibration": "platt"},
    "tree": {"kind": "tree", "columns": FEATURES},
}


@pytest.mark.parametrize("which", MODELS)
def test_as_the_crossed_frame(which: str) -> None:
    rows, y = training()
    model = ResponseModel(**MODELS[which]).fit(rows, y, group=rows["promotion_id"])
    people = customers(101)
    batches = list(score_grid(model, people, PROMOTIONS, batch=25))
    assert [len(b) for b in batches] == [25, 25, 25, 25, 1]
    found = np.vstack(batches)
    expected = model.probability(crossed(people, PROMOTIONS)).reshape(101, 4)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.std(axis=0).min() > 0


def test_one_of_the_outcomes() -> None:
    rows, y = training()
    both = pd.DataFrame({"click": y, "purchase": 1 - y})
    model = ResponseModel(columns=FEATURES).fit(rows, both)
    people = customers(7)
    expected = model.probability(crossed(people, PROMOTIONS))["purchase"].to_numpy()
    found = next(score_grid(model, people, PROMOTIONS, outcome="purchase"))
    np.testing.assert_allclose(found, expected.reshape(7, 4), atol=1e-12)
    refused("give outcome= one of", score_grid, model, people, PROMOTIONS)
    with pytest.raises(InputError, match=r"no outcome 'purchases'.*'purchase'"):
        score_grid(model, people, PROMOTIONS, outcome="purchases")


def test_memory_is_that_of_a_batch_also_from_batches_of_a_file(tmp_path: Path) -> None:
    import tracemalloc

    rows, y = training()
    model = ResponseModel(columns=FEATURES).fit(rows, y)
    people = customers(100_000)
    tracemalloc.start()
    for scores in score_grid(model, people, PROMOTIONS, batch=1000):
        assert scores.shape == (1000, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6  # the scores alone would take 3.2 MB, the encoded customers 4.8
    people = customers(60)
    frames = (people.iloc[i : i + 20] for i in (0, 20, 40))
    out = np.vstack(list(score_grid(model, frames, PROMOTIONS, batch=13)))
    expected = model.probability(crossed(people, PROMOTIONS)).reshape(60, 4)
    np.testing.assert_allclose(out, expected, atol=1e-7)


def test_bad_frames() -> None:
    for people, offers, message in [
        (customers(3).drop(columns="orders"), PROMOTIONS, "neither .* have 'orders': a feature of"),
        (customers(3).assign(kind="x"), PROMOTIONS, "'kind' stands with the customers and with"),
        (customers(3), PROMOTIONS.iloc[:0], "promotions has no rows"),
    ]:
        rows, y = training()
        model = ResponseModel(columns=FEATURES).fit(rows, y)
        with pytest.raises(InputError, match=message):
            list(score_grid(model, people, offers))
        refused("batch = 0", score_grid, model, people, offers, batch=0)
