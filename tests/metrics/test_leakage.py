"""A column that tells the outcome too well is named at every door; one that may be known is not."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.compare import compare_models
from promolab.contract import known_beforehand
from promolab.metrics import columns_too_good
from promolab.model import ResponseModel
from promolab.sources import load_labelled
from tests.refused import refused

N = 3000
BANK = Path(os.environ.get("PROMOLAB_DATA", "")) / "bank_marketing.csv.gz"


def contacts(leak: float = 1.2, seed: int = 0) -> pd.DataFrame:
    """Return contacts of which three columns tell a little each, and the seconds of the answer."""
    rng = np.random.default_rng(seed)
    orders, visits = rng.poisson(3.0, N), rng.exponential(2.0, N)
    town = rng.choice(["north", "south"], N)
    logit = -2.0 + 0.25 * orders + 0.2 * visits + 0.4 * (town == "south")
    answered = rng.random(N) < 1 / (1 + np.exp(-logit))
    frame = pd.DataFrame({"orders": orders, "visits": visits, "town": town})
    frame["seconds"] = np.exp(rng.normal(4.0, 1.0, N) + leak * answered)
    return frame.assign(answered=answered.astype(float))


def doubted(frame: pd.DataFrame) -> dict[str, str]:
    features = [name for name in frame.columns if name != "answered"]
    return columns_too_good(frame, features, frame["answered"].to_numpy())


def test_a_column_that_beats_all_others_together_is_named_and_honest_ones_are_not():
    frame = contacts()
    told = doubted(frame)
    assert list(told) == ["seconds"] and "all others together" in told["seconds"]
    assert 0.75 < float(told["seconds"].split()[1]) < 0.90  # the alarm of 0.90 alone is silent
    for seed in range(8):
        assert doubted(contacts(leak=0.0, seed=seed)) == {}
    for known in (True, False):
        assert doubted(known_beforehand(frame, {"seconds": known})) == {}
    assert doubted(frame.sort_values("answered", ignore_index=True))  # no order of time at all
    rng = np.random.default_rng(1)  # the only column that tells something is not too good
    noise = pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N)})
    assert doubted(noise.assign(seconds=frame["seconds"], answered=frame["answered"])) == {}


def test_a_model_warns_and_refuses_an_outcome_among_its_features():
    frame = contacts()
    X, y = frame.drop(columns="answered"), frame["answered"]
    with pytest.warns(UserWarning, match=r"seconds \(AUC .*known=\{'seconds': False\}") as told:
        ResponseModel().fit(X, y)
    assert told[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        ResponseModel().fit(X, y, known={"seconds": True})
        without = ResponseModel().fit(X, y, known={"seconds": False})
    assert "seconds" not in set(without.encoder_.sources)
    assert without.predict_proba(X).shape == (N, 2)
    refused("'answered' is among the features", ResponseModel().fit, frame, y)
    named = load_labelled(frame.assign(member=range(N)), id="member", label="answered", known=True)
    refused("'answered' is among", compare_models, named, ["logistic"], columns=["answered"])
    refused("no column 'secnds' in the table .known=.; did you", known_beforehand, X, {"secnds": 1})


@pytest.mark.skipif(not BANK.is_file(), reason="bank marketing's file is not here")
def test_how_long_the_call_took_is_named_and_nothing_is_recommended_with_it():
    calls = pd.read_csv(BANK).assign(member=range(41188))[::8]
    call = {"id": "member", "label": "y", "kinds": {"campaign": "number"}}
    with pytest.warns(UserWarning, match=r"duration \(AUC 0.80 on later rows, all others"):
        frame = load_labelled(calls, **call)
    board = compare_models(frame, ["logistic"], folds=2)
    assert "duration (AUC 0.80" in board.leakage and board.recommended == ""
    assert board.summary().endswith("Nothing is recommended while that stands.")
    with warnings.catch_warnings(action="error"):
        taken_out = load_labelled(calls, **call, known={"duration": False})
    assert "duration" not in taken_out
    for there in (False, True):
        told = compare_models(frame, ["logistic"], folds=2, known={"duration": there})
        assert told.leakage == "" and told.recommended == "logistic"
        assert ("duration" in told.features) == there
