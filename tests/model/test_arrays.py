"""A model that reads arrays says what the one that reads frames says, whatever its kind."""

import warnings

import numpy as np
import pandas as pd
import pytest

from promolab.model import ArrayModel, ResponseModel
from promolab.model.learners import KINDS
from tests.refused import refused

SMALL = {"forest": {"trees": 5}, "boosting": {"iterations": 5}}
SMALL |= {kind: {"epochs": 1} for kind in ("mlp", "multitask")}


def rows(n, seed):
    rng = np.random.default_rng(seed)
    spent = rng.lognormal(3, 2, n)
    spent[rng.random(n) < 0.2] = np.nan
    frame = pd.DataFrame({"orders": rng.integers(0, 9, n), "spent": spent, "same": 1.0})
    frame["kind"] = rng.choice(["coupon", "app", "new" if seed else "app", None], n)
    frame["level"] = pd.Series(rng.choice([1.0, 2.0, np.nan], n)).astype("Int64").astype("category")
    return frame


def arrays_of(frame):
    told = {name: frame[name].to_numpy(float) for name in ("orders", "spent", "same")}
    for name in ("kind", "level"):
        values = frame[name].astype(object)
        told[name] = values.where(values.notna(), None).to_numpy(dtype=object)
    return told


@pytest.mark.parametrize(
    ("kind", "calibration"), [*((kind, None) for kind in KINDS), ("logistic", "platt")]
)
def test_arrays_and_frames_have_the_same_chances(kind, calibration):
    known, later = rows(400, 0), rows(60, 1)
    labels = (np.random.default_rng(2).random(400) < 0.3).astype(int)
    model = ResponseModel(kind, calibration=calibration, **SMALL.get(kind, {})).fit(known, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.probability(later), model.probability(later.iloc[:1])
    served = ArrayModel(model)
    found = served.probability(arrays_of(later))
    np.testing.assert_array_equal(found, expected[0])
    np.testing.assert_array_equal(served.probability(arrays_of(later.iloc[:1])), expected[1])
    assert found.std() > 0
    for made in (list, pd.Series):  # a list is no value that all rows share
        told = {name: made(values) for name, values in arrays_of(later).items()}
        np.testing.assert_array_equal(served.probability(told), found)
    refused("expected as many of each", served.probability, arrays_of(later) | {"spent": [1.0]})


def test_several_outcomes_are_refused():
    known, labels = rows(400, 0), np.arange(400) % 2
    several = pd.DataFrame({"click": labels, "purchase": labels[::-1]})
    model = ResponseModel("tree").fit(known[["orders", "spent"]], several)
    refused("2 outcomes; expected one", ArrayModel, model)
