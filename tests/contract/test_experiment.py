"""Experiment: its roles, arms and chances, and what it refuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Experiment
from tests.refused import refused, spoilt


def rows(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    columns: dict[str, Any] = {"customer_id": np.arange(n) % 20}
    columns |= {"mail": np.array(["none", "b", "a"])[np.arange(n) % 3]}
    columns |= {"round": np.where(np.arange(n) < n // 2, "r1", "r2")}
    columns |= {"age": rng.integers(18, 80, n), "city": rng.choice(["x", "y"], n)}
    columns |= {"spend": rng.gamma(1, 10, n), "visit": rng.integers(0, 2, n).astype(bool)}
    columns |= {"before": np.where(np.arange(n) < 5, np.nan, 1.0)}
    return pd.DataFrame(columns, index=np.arange(n) + 100)


def made(frame: pd.DataFrame | None = None, **changes: Any) -> Experiment:
    fields: dict[str, Any] = {"frame": rows() if frame is None else frame, "arm": "mail"}
    fields |= {"control": "none", "covariates": ["age", "city"], "outcomes": ["spend", "visit"]}
    fields |= {"placebo": ["before"], "propensity": [[0.5, 0.3, 0.2]] * 60}
    return Experiment(**(fields | changes))


def test_the_control_is_the_first_arm_and_outcomes_and_covariates_are_as_they_are():
    trial = made()
    assert trial.arms == ("none", "a", "b") and trial.treatments == ("a", "b")
    assert trial.codes[:3].tolist() == [0, 2, 1]
    assert (trial.n, trial.K, trial.customers) == (60, 3, 20)
    assert np.array_equal(trial.cluster[:20], trial.cluster[20:40])
    assert made(arms=["b", "none", "a"]).arms == ("none", "b", "a")
    assert trial.y().tolist() == rows()["spend"].tolist() and trial.y("visit").dtype == float
    assert np.isnan(trial.y("before")).sum() == 5 and list(trial.X) == ["age", "city"]
    refused(r"no outcome 'spent'; did you mean 'spend'", trial.y, "spent")


def test_a_subset_and_rows_taken_keep_arms_and_chances_in_line():
    trial = made().subset("a")
    assert trial.arms == ("none", "a") and trial.n == 40
    np.testing.assert_allclose(trial.propensity, [[0.5 / 0.8, 0.3 / 0.8]] * 40)
    assert set(trial.frame["mail"]) == {"none", "a"}
    refused("no arm 'c'", made().subset, ["a", "c"])
    chances = np.tile([0.5, 0.3, 0.2], (60, 1))
    chances[0] = [0.8, 0.0, 0.2]  # a control that could not get "a"
    trial = made(propensity=chances).subset("a")
    assert trial.n == 39 and "1 decision with only one possible arm" in trial.notes[-1]
    assert made(propensity=chances).n == 60
    trial = made(propensity=np.random.default_rng(0).dirichlet([1, 1, 1], 60))
    part = trial.take(trial.codes == 1)
    assert part.arms == trial.arms
    np.testing.assert_allclose(part.propensity, trial.propensity[trial.codes == 1])
    same = trial.take([5, 3])
    assert same.frame["spend"].tolist() == trial.frame["spend"].iloc[[5, 3]].tolist()
    assert same.frame.index.tolist() == [0, 1]


def test_constant_chances_are_the_shares_of_each_block():
    frame = rows()
    frame.loc[frame["round"] == "r2", "mail"] = "none"
    frame.iloc[-10:, frame.columns.get_loc("mail")] = "a"
    trial = made(frame, propensity=None, design="constant", block="round")
    first, last = trial.propensity[0], trial.propensity[-1]
    np.testing.assert_allclose(first, [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(last, [2 / 3, 1 / 3, 0])
    assert trial.randomised
    assert not made(propensity=None).randomised


def test_arms_are_described_and_chances_are_not_written_over():
    table = made().describe().set_index("arm")
    by_arm = rows().groupby("mail")
    assert table["n"].to_dict() == {"none": 20, "a": 20, "b": 20}
    assert table["spend"].to_dict() == pytest.approx(by_arm["spend"].mean().to_dict())
    assert table["customers"].to_dict() == by_arm["customer_id"].nunique().to_dict()
    assert table["propensity"].tolist() == pytest.approx([0.5, 0.3, 0.2])
    assert "60 decisions on 20 customers (none 20, a 20, b 20" in made().summary()
    assert "&lt;b&gt;" in made(notes=["<b>"])._repr_html_()
    with pytest.raises(ValueError, match="read-only"):
        made().propensity[0, 0] = 1.0


def test_what_does_not_fit_is_said_in_a_sentence():
    for changes, message in [
        ({"covariates": ["age", "spend"]}, "'spend' is an outcome and cannot be a covariate"),
        ({"covariates": ["age", "before"]}, "'before' is an outcome and cannot be a covariate"),
        ({"covariates": ["mail"]}, "'mail' is named as arm and among covariates"),
        ({"covariates": ["agee"]}, "covariates: there is no column 'agee'; did you mean 'age'"),
        ({"outcomes": []}, "outcomes names no column"),
        ({"outcomes": ["spend", "spend"]}, "outcomes names 'spend' twice"),
        ({"outcomes": ["city"], "covariates": []}, "the outcome 'city' holds"),
        ({"control": "nothing"}, "control is 'nothing', which no row of 'mail' has"),
        ({"arms": ["none", "a"]}, "holds the arm 'b'"),
        ({"design": "guessed"}, "design is 'guessed'"),
        ({"design": "unknown"}, "although the propensity is given"),
        ({"design": "known", "propensity": None}, "no propensity is given"),
        ({"propensity": [[0.5, 0.5]] * 60}, r"shape \(60, 2\); expected \(60, 3\)"),
        ({"propensity": [[0.5, 0.4, 0.2]] * 60}, "do not sum to 1, first in row 1"),
        ({"propensity": [[0.5, 0.5, 0.0]] * 60}, "got an arm whose propensity is 0"),
        ({"propensity": [[0.5, 0.6, -0.1]] * 60}, "no chance between 0 and 1"),
        ({"arm": "age", "control": 0, "covariates": []}, "control is 0"),
    ]:
        refused(message, made, **changes)


def test_missing_values_are_counted_and_a_column_of_many_values_or_one_is_no_arm():
    for column in ("mail", "customer_id", "spend"):
        frame = rows().astype({"customer_id": object, "mail": object})
        frame.iloc[[4, 9], frame.columns.get_loc(column)] = None
        spoilt(rf"'{column}' has 2 missing values of 60, first in row 5", made, frame)
    frame = rows(200).assign(mail=np.arange(200))
    spoilt("200 arms; expected at most 50", made, frame, control=0, propensity=None)
    refused("nothing to compare", made, rows().assign(mail="none"), propensity=None)
