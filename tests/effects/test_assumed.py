"""Covariates that nobody named: listed where they are harmless, refused where they are results."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from promolab import UpliftModel, load_experiment
from promolab.contract import Experiment
from promolab.effects.checks import check_experiment
from promolab.effects.identification import Refused
from promolab.metrics.leakage import auc_alone, r_squared_alone
from tests.refused import refused

TRUTH = -0.2
CALL = {"arm": "coupon", "outcomes": "revenue_after", "propensity": 0.5}


def coupon_trial(n: int = 1500, seed: int = 0, lift: float = 0.07) -> pd.DataFrame:
    """Return a trial whose coupon makes customers come more often, and buy less each time.

    Who comes a time more spends 20 more, whatever brought him: given the number of times after it,
    the coupon seems to take away what it really adds.
    """
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"card": rng.permutation(n) * 3 + 70_001})
    rows["age"], rows["trans_before"] = rng.integers(18, 80, n), rng.poisson(3, n)
    coupon = rng.integers(0, 2, n)
    times = rng.poisson(1.2 * np.exp(0.1 * (rows["trans_before"] - 3)) * (1 + lift * coupon))
    usual = 1.2 * np.exp(0.1 * (rows["trans_before"] - 3)).mean()
    basket = np.where(coupon == 1, (20 * usual + TRUTH) / (usual * (1 + lift)), 20.0)
    spent = basket * rng.gamma(np.maximum(4 * times, 1e-9)) / 4
    return rows.assign(coupon=coupon, trans_after=times, revenue_after=spent.round(2))


def covariates(checks):
    return next(check for check in checks.checks if check.name == "covariates")


def test_a_result_taken_for_a_covariate_is_refused_and_how_to_declare_it_is_said():
    rows = coupon_trial()
    trial = load_experiment(rows, **CALL)
    said = refused("trans_after, which is named like something measured", UpliftModel().fit, trial)
    assert "nearly determines revenue_after" in said
    assert "(covariates=['age', 'trans_before'])" in said
    assert "say so: covariates=['age', 'trans_before', 'trans_after']" in said
    assert "card" not in trial.covariates and "ids: card" in trial.notes[-1]
    # It is refused for good reason: with it, what is told is sure of itself and wrong.
    wrong = UpliftModel().fit(trial, despite=["covariates"]).average().to_frame().iloc[0]
    assert wrong["ci_high"] < TRUTH - 0.5
    right = UpliftModel().fit(load_experiment(rows, **CALL, covariates=["age", "trans_before"]))
    told = right.average().to_frame().iloc[0]
    assert told["ci_low"] < TRUTH < told["ci_high"] and str(right.identification_) == "randomised"


def test_under_whatever_name_it_nearly_determines_the_outcome():
    rows = coupon_trial(seed=1).rename(columns={"trans_after": "receipts"})
    with pytest.raises(Refused, match=r"receipts, which nearly determines revenue_after\."):
        UpliftModel().fit(load_experiment(rows, **CALL))
    # So does a category that is there where there is an outcome, and a value that is missing else.
    day = ("day " + (rows["age"] % 7).astype(str)).where(rows["revenue_after"] > 0)
    rows = rows.drop(columns="receipts").assign(last_seen=day)
    with pytest.raises(Refused, match="last_seen, which nearly determines revenue_after"):
        UpliftModel().fit(load_experiment(rows, **CALL))


def test_what_differs_between_arms_that_chance_drew_is_refused_and_told_when_it_may():
    rows = coupon_trial(seed=2).drop(columns="trans_after")
    rng = np.random.default_rng(3)
    for shift, verdict in ((0.3, "refused"), (0.175, "warning")):
        visits = rng.normal(size=len(rows))
        visits += shift * rows["coupon"] - visits[rows["coupon"] == 1].mean()
        visits -= np.where(rows["coupon"] == 0, visits[rows["coupon"] == 0].mean(), 0.0)
        trial = load_experiment(rows.assign(visits=visits), **CALL)
        check = covariates(check_experiment(trial))
        assert check.verdict == verdict and "visits" in check.sentence, shift
    assert "differs between the arms more than is likely (p = 0.00" in check.sentence
    # Where nobody says that chance assigned the arms, they may well differ.
    seen = load_experiment(rows.assign(visits=visits), arm="coupon", outcomes="revenue_after")
    assert covariates(check_experiment(seen)).verdict == "passed"


def test_harmless_ones_are_named_in_the_checks_and_are_covariates():
    trial = load_experiment(coupon_trial(seed=4).drop(columns="trans_after"), **CALL)
    told = check_experiment(trial)
    check = covariates(told)
    assert check.verdict == "passed" and check.sentence.endswith("covariates: age, trans_before.")
    assert check.sentence in told.summary()
    assert "2 covariates, named by nobody: age, trans_before." in trial.summary()
    assert trial.take(np.arange(800)).assumed == ("age", "trans_before")
    stated = load_experiment(coupon_trial(seed=4), **CALL, covariates=["age"])
    assert stated.assumed == () and "covariates" not in check_experiment(stated).to_frame()["name"]
    how = {"propensity": [[0.5, 0.5]] * 100, "customer_id": "card", "assumed": ["trans_before"]}
    given = coupon_trial(100), "coupon", 0, ["age"], ["revenue_after"]
    refused("'trans_before', which is not among the covariates", Experiment, *given, **how)


def test_sound_trials_are_hardly_ever_refused():
    times = 0
    for seed in range(15):
        rows = coupon_trial(300, seed + 100).drop(columns="trans_after")
        noise = np.random.default_rng(seed).normal(size=(300, 10))
        rows = rows.join(pd.DataFrame(noise).add_prefix("x"))
        times += covariates(check_experiment(load_experiment(rows, **CALL))).verdict == "refused"
    assert times <= 1, "one in a thousand is what is stated"


def test_a_column_alone_ranks_as_scikit_learn_says():
    rng = np.random.default_rng(5)
    y = (rng.random(4_000) < 0.2).astype(float)
    x = rng.normal(size=4_000) - y
    assert auc_alone(pd.Series(x), y) == pytest.approx(roc_auc_score(y, -x))
    missing = pd.Series(np.where(y == 1, np.nan, x))
    assert auc_alone(missing, y) == 1.0
    noise = pd.Series(rng.choice([f"level {k}" for k in range(1_000)], 4_000))
    assert abs(auc_alone(noise, y) - 0.5) < 0.04, "levels are not judged by the rows they rank"
    assert r_squared_alone(pd.Series(x), y) == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, abs=0.02)
    assert r_squared_alone(noise, rng.normal(size=4_000)) < 0.05
    assert np.isnan(auc_alone(pd.Series(x), np.zeros(4_000)))
