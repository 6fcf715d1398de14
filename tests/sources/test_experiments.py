"""load_experiment on anyone's table."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from promolab import load_experiment
from promolab.contract import Experiment
from tests.refused import refused, spoilt


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    i = np.arange(90)
    frame = pd.DataFrame({"member": [f"M{k % 30:02d}" for k in i], "p_mail": 0.25})
    return frame.assign(
        sent=np.array(["none", "mail", "app"])[i % 3],
        p_app=np.linspace(0.2, 0.4, 90),
        age=rng.integers(18, 80, 90),
        zip=[f"0{k % 7}123" for k in i],
        mailed_at=pd.Timestamp("2024-03-01") + pd.to_timedelta(i, unit="h"),
        note=[f"text {k}" for k in i],
        spend=rng.gamma(1, 10, 90).round(2),
        visit=rng.random(90) < 0.4,
    )


CALL = {"arm": "sent", "outcomes": ["spend", "visit"], "customer_id": "member"}
CHANCES = {"mail": "p_mail", "app": "p_app"}


def test_a_frame_a_csv_and_a_parquet_file_say_the_same(table, tmp_path):
    table.to_csv(tmp_path / "trial.csv", index=False)
    table.astype({"mailed_at": "datetime64[us]"}).to_parquet(tmp_path / "trial.parquet")
    for source in (table, tmp_path / "trial.csv", tmp_path / "trial.parquet"):
        trial = load_experiment(source, **CALL, propensity=CHANCES)
        assert (trial.arms, trial.customers) == (("none", "app", "mail"), 30)
        assert trial.name == getattr(source, "name", trial.name)
        np.testing.assert_allclose(trial.propensity[:, 1], table["p_app"])
        np.testing.assert_allclose(trial.propensity[:, 0], 0.75 - table["p_app"])
        for name in ("spend", "visit"):
            np.testing.assert_allclose(trial.y(name), table[name].astype(float))
        assert trial.X["age"].tolist() == table["age"].tolist()
        assert trial.X["zip"].tolist() == table["zip"].tolist()  # leading zeros stay


def test_covariates_chances_and_customers_are_what_is_left_or_stated(table):
    trial = load_experiment(table, **CALL, propensity=CHANCES)
    assert trial.covariates == ("age", "zip")
    assert "mailed_at, note" in trial.notes[-1]
    for stated in (["zip"], "zip"):
        trial = load_experiment(table, **CALL, covariates=stated)
        assert (trial.covariates, trial.design) == (("zip",), "unknown")
    shares = load_experiment(table, **CALL, propensity="constant")
    assert shares.design == "constant"
    np.testing.assert_allclose(shares.propensity[0], [1 / 3] * 3)
    two = table[table["sent"] != "app"].reset_index(drop=True)
    assert load_experiment(two, **CALL, propensity=0.4).propensity[0].tolist() == [0.6, 0.4]
    two["own"] = np.where(two["sent"] == "mail", 0.3, 0.7)
    own = load_experiment(two, **CALL, propensity="own")
    np.testing.assert_allclose(own.propensity, [[0.7, 0.3]] * len(two))
    assert "own" not in own.covariates
    table["row"] = 5  # a column of the file's own stays what it is
    trial = load_experiment(table, arm="sent", outcomes="spend", covariates="row")
    assert trial.customers == len(table) and set(trial.X["row"]) == {5}
    assert "every row counts as one of its own" in trial.notes[0]


def test_numbers_that_tell_rows_or_customers_apart_are_ids_unless_they_are_named(table):
    rng = np.random.default_rng(8)
    table["ticket"] = rng.permutation(90) + 5_000  # one per row
    table["card_no"] = table["member"].str[1:].astype(int) * 7 + 300  # one per customer
    table["store_id"] = rng.integers(1, 4, 90)
    table["campaign"] = rng.integers(1, 4, 90)
    table["income"] = rng.integers(20, 60, 90) * 1_000
    table["score"] = rng.normal(size=90)  # ids are whole
    left = load_experiment(table, **CALL, propensity=CHANCES)
    assert left.covariates == left.assumed == ("age", "zip", "income", "score")
    assert "keys or ids: mailed_at, note, ticket, card_no, store_id, campaign." in left.notes[-1]
    stated = load_experiment(table, **CALL, kinds={"campaign": "number", "store_id": "category"})
    assert {"campaign", "store_id"} < set(stated.covariates)
    named = load_experiment(table, **CALL, covariates=["ticket", "age"])
    assert named.covariates == ("ticket", "age") and named.assumed == ()


def test_what_does_not_fit_is_said_in_a_sentence(table):
    for changes, message in [
        ({"arm": "sentt"}, "no column 'sentt' in the table; did you mean 'sent'"),
        ({"arm": None}, "say which columns are the arm and the outcomes"),
        ({"covariates": ["copy"]}, "covariate 'copy' equals the outcome 'spend'"),
        ({"propensity": 0.5}, "give the chance of the one arm beside the control"),
        ({"propensity": [0.5, 0.3]}, "propensity is a list for the arms"),
        ({"propensity": {"mail": None, "app": 0.2}}, "of the arm 'mail' is None; give a number"),
        ({"propensity": "p_mail"}, "says the chance of one arm, and there are 3"),
        ({"propensity": {"mail": 0.3}}, "propensity lacks the arms none, app"),
        ({"propensity": {"male": 0.3, "app": 0.2}}, "names the arm 'male'; did you mean 'mail'"),
        ({"propensity": {"mail": "age", "app": 0.4}}, "'age' has 90 of 90 values outside 0 to 1"),
        ({"path": "x.csv"}, "path is for 'hillstrom' alone"),
    ]:
        table["copy"] = table["spend"]
        refused(message, load_experiment, table, **CALL | {"covariates": ["age"]} | changes)


def test_an_unclear_control_a_missing_outcome_and_a_missing_file_are_named(table, tmp_path):
    unclear = table.replace({"sent": {"none": "letter"}})
    refused("which arm of 'sent' got nothing.*app, letter, mail", load_experiment, unclear, **CALL)
    refused("there is no file", load_experiment, tmp_path / "none.csv", **CALL)
    refused("the table is a NoneType", load_experiment, None, **CALL)
    table.loc[[3, 4], "spend"] = np.nan
    spoilt(r"'spend' has 2 missing values of 90, first in row 4", load_experiment, table, **CALL)


def test_arms_stored_as_floats_are_whole_and_a_control_of_0_is_found(table, tmp_path):
    arm = table["sent"] != "none"
    for kind, control in product((int, float), (0.0, 0, "0", False, None)):  # 1.0 is whole
        table["sent"] = arm.astype(kind)
        trial = load_experiment(table, **CALL, propensity={1: 0.5}, control=control)
        assert (trial.control, trial.arms) == (0, (0, 1))
    assert load_experiment(table, **CALL, control=1).control == 1
    table.to_csv(tmp_path / "trial.csv", index=False)
    made = Experiment(table, "sent", 0, ["age"], ["spend"], customer_id="member")
    for one in (trial, load_experiment(tmp_path / "trial.csv", **CALL), made):
        assert [type(arm) for arm in one.arms] == [int, int]
        assert "(arm 0 30, arm 1 60; arm 0 is the control)" in one.summary()
