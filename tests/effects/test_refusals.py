"""What is wrong with a call is said in a sentence, whatever was asked."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from promolab.effects.differences import adjusted_difference, compare_arms
from promolab.effects.model import UpliftModel
from tests.effects.made_up import trial
from tests.refused import refused

FOUR = {"outcome": [1, 0, 0, 1], "arm": ["send", "send", "holdout", "holdout"]}
AMOUNTS = FOUR | {"outcome": [1.5, 2, 3, 4]}
PAIR = {"outcome": [0.0, 1.0], "contacted": [True, False], "covariates": np.zeros((2, 1))}
ARMS = [
    ({"outcome": [1, 0, None, 1]}, "1 missing or infinite values of 4"),
    ({"outcome": ["yes", "no", "no", "no"]}, "outcome holds 'yes'"),
    ({"arm": ["a", "holdout"]}, "arm has 2 rows and outcome 4"),
    ({"arm": ["a", None, "holdout", "a"]}, "arm has 1 missing"),
    ({"arm": ["holdout"] * 4}, "no other"),
    ({"arm": ["a", "b", "holdout", "holdout"]}, "a, b; name it as treated="),
    ({"control": "hold-out"}, "did you mean 'holdout'"),
    ({"treated": "sent"}, "arm has no 'sent' besides: did you mean 'send'"),
    ({"cluster": ["x", "x", "y", "z"]}, "arm 'send' has 1 independent unit"),
    ({"cluster": ["x"]}, "cluster has 1 rows"),
    ({"kind": "ratio"}, "kind = 'ratio' is unknown"),
    ({"outcome": [1, 2, 3, 4], "kind": "share"}, "outcome holds 2"),
    ({"earlier": [1, 2, 3, 4]}, "earlier figures adjust means"),
    (AMOUNTS | {"weight": [1, 1, 0, 1]}, "weights are above 0"),
    (AMOUNTS | {"weight": [1, 1]}, "weight has 2 rows and outcome 4"),
    (AMOUNTS | {"earlier": [1, None, 2, 3]}, "earlier has 1 missing"),
    (AMOUNTS | {"earlier": ["a"] * 4}, "earlier holds 'a'"),
]
COMPARED = [
    ({"outcome": [np.nan, 1.0]}, "missing or infinite"),
    ({"covariates": np.zeros((3, 1))}, "shapes"),
    ({"balance": np.zeros(2)}, "shapes"),
]
MODEL = [
    (lambda: UpliftModel("drr"), "kind = 'drr' is unknown; did you mean 'dr'"),
    (lambda: UpliftModel(folds=1), "folds = 1; expected a whole number from 2 on"),
    (lambda: UpliftModel(learner="boost"), "did you mean 'boosting'"),
    (lambda: UpliftModel(learner=3), "learner is 3; expected 'linear'"),
    (lambda: UpliftModel(clip=0.7), "clip = 0.7"),
    (lambda: UpliftModel(trim="crump"), "trim = 'crump'"),
    (lambda: UpliftModel().average(), r"call fit\(experiment\) first"),
    (lambda: UpliftModel().fit(pd.DataFrame()), "fit takes an Experiment, and got a DataFrame"),
    (lambda: UpliftModel().fit(trial(300), "spend"), "there is no outcome 'spend'"),
    (lambda: UpliftModel().fit(trial(300)).predict(pd.DataFrame({"age": [1]})), "lack column"),
]
CALLS = [
    *((partial(compare_arms, **FOUR | change), said) for change, said in ARMS),
    *((partial(adjusted_difference, customers=[1, 2], **PAIR | c), said) for c, said in COMPARED),
    *MODEL,
]


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_wrong_calls_say_what_is_wrong(call, message):
    refused(message, call)


def test_a_fitted_model_says_what_is_wrong(model):
    refused("'y' is no column known before", model.by_group, "y")
    refused("groups has 3 values and the experiment 3000", model.by_group, ["a", "b", "c"])
    refused("groups = 1; expected 2 or more", model.by_group, 1)
    refused("there is no arm 'male'; did you mean 'mail'", model.by_group(4).of, "male")
