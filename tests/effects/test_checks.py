"""Checks let a sound experiment pass, and refuse each kind of unsound one, in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, norm
from sklearn.metrics import roc_auc_score

from promolab import UpliftModel, load_experiment
from promolab.contract import Experiment
from promolab.effects.checks import arm_contrast, check_experiment, check_overlap
from promolab.effects.identification import Refused
from promolab.metrics.leakage import auc_alone, r_squared_alone
from promolab.wording import p_value
from tests.draws import bounds, draws
from tests.effects.made_up import assign, frame, of, targeted_chances, trial
from tests.refused import refused

TRUTH = -0.2
CALL = {"arm": "coupon", "outcomes": "revenue_after", "propensity": 0.5}


def verdict(checks, name):
    return next(check for check in checks.checks if check.name == name)


def test_a_sound_experiment_passes_and_is_randomised():
    checks = check_experiment(trial(3_000, household="customer_id"))
    assert checks.refused == () and str(checks.identification) == "randomised"
    assert {check.verdict for check in checks.checks} == {"passed"} and len(checks.checks) == 6
    assert "differ by at most" in checks.plot().get_title(loc="left")
    assert checks.to_dict()["checks"]["balance"]["verdict"] == "passed"


def test_checks_refuse_sound_experiments_as_seldom_as_they_say():
    names, p = ["sample ratio", "balance", "placebo"], []
    for seed in range(50):
        chances = targeted_chances(frame(400, seed), 0.5) * 0.7 + [0, 0, 0.3]
        checks = check_experiment(trial(400, seed, chances=chances, rounds=1 + seed % 2))
        p.append([verdict(checks, name).p_value for name in names])
    # Of two arms the smaller p is doubled: at most as small as a uniform one.
    low = (np.array(p) < 0.1).mean(axis=0)
    assert (low >= 0.01).all() and (low < 0.2).all(), dict(zip(names, low, strict=True))


def test_many_covariates_of_few_customers_are_refused_as_seldom():
    p = []
    for seed in range(draws(100)):
        rng = np.random.default_rng(seed)
        rows = pd.DataFrame(rng.normal(size=(240, 41))).add_prefix("x")
        rows = rows.rename(columns={"x40": "y"}).assign(customer_id=range(240))
        rows["arm"] = rng.choice(["none", "coupon"], 240)
        experiment = of(rows, *(f"x{j}" for j in range(40)), propensity=0.5)
        p.append(verdict(check_experiment(experiment), "balance").p_value)
    assert np.mean(np.array(p) < 0.1) <= bounds(0.1, len(p))[1]  # chi-squared: 0.4


def test_arms_that_do_not_come_as_often_as_stated_are_refused_by_pearsons_test():
    experiment = trial(6_000, seed=1)
    lost = (experiment.codes == 1) & (np.arange(6_000) % 6 == 0)
    with pytest.raises(Refused, match=r"do not come as often as their chances say.*coupon came to"):
        UpliftModel().fit(experiment.take(~lost))
    experiment = trial(900, seed=2)
    other = chisquare(np.bincount(experiment.codes), experiment.propensity.sum(axis=0))
    check = verdict(check_experiment(experiment), "sample ratio")
    assert (check.value, check.p_value) == pytest.approx((other.statistic, other.pvalue))


def test_an_unlikely_sample_ratio_is_a_warning_and_its_p_value_is_said():
    # 5,145 of 10,000 where half are expected: chi-squared 8.41, p = 0.0037.
    rows = frame(10_000).assign(y=1.0)
    expected = ((5_100, 0.046, "passed"), (5_145, 0.0037, "warning"), (5_170, 0.0007, "refused"))
    for coupons, p, passes in expected:
        rows["arm"] = np.where(np.arange(10_000) < coupons, "coupon", "none")
        check = verdict(check_experiment(of(rows, propensity=0.5)), "sample ratio")
        assert check.verdict == passes and check.p_value == pytest.approx(p, rel=0.06)
        assert f"({p_value(check.p_value)})" in check.sentence


def test_a_customer_whose_rounds_go_together_counts_once():
    # Everyone has ten rounds and the same arm in all: rows alone would cry alarm.
    p = []
    for seed in range(40):
        rows = frame(1_500, seed, rounds=10)
        got = np.random.default_rng(seed).integers(0, 2, 150)[rows["customer_id"]]
        rows = rows.assign(arm=np.array(["none", "coupon"])[got], y=rows["y_none"])
        made = of(rows, "orders", propensity=0.5)
        p.append(verdict(check_experiment(made), "sample ratio").p_value)
    assert np.mean(np.array(p) < 0.05) < 0.15


def test_arms_that_differed_before_are_refused_and_overruled_it_is_no_effect():
    rows = assign(frame(3_000), targeted_chances(frame(3_000), 0.5))
    experiment = of(rows, "orders", "town", propensity=0.5, placebo=["before"])
    with pytest.raises(Refused, match=r"despite=\['balance', 'placebo'\]"):
        UpliftModel().fit(experiment)
    model = UpliftModel().fit(experiment, despite=["balance", "placebo"])
    checks = model.checks_
    assert checks.refused == ("balance", "placebo")
    assert "orders differs most" in verdict(checks, "balance").sentence
    assert "before differs most, by +0." in verdict(checks, "placebo").sentence
    words = model.average().summary()
    assert words.startswith("Coupon and none differ by") and "adds" not in words
    assert "This is not an effect: the arms" in words
    assert set(model.average().to_frame()["identification"]) == {"not identified"}
    assert "This is not an effect" in model.by_group("town").summary()


def test_arms_too_small_are_refused_small_ones_rare_outcomes_and_gaps_told():
    experiment = trial(2_000)

    def with_mails(n):
        some = np.flatnonzero(experiment.codes == 2)[:n]
        kept = np.union1d(np.flatnonzero(experiment.codes != 2), some)
        return replace(experiment.take(kept), design="constant", propensity=None)

    small = with_mails(29)
    with pytest.raises(Refused, match="the arm mail has 29 customers, and 30 are the least"):
        UpliftModel().fit(small)
    assert verdict(check_experiment(small.subset("coupon")), "arm sizes").verdict == "passed"
    rare, same = replace(experiment), experiment.frame.assign(before=1.0, age=np.nan)
    rare.frame["y"] = (np.arange(2_000) % 500 == 0).astype(float)
    rare.frame.loc[:500, "before"] = np.nan
    for told, name, said in (
        (with_mails(60), "arm sizes", "warning"),
        (with_mails(60), "sample ratio", "not possible"),
        (rare, "arm sizes", "warning"),
        (rare, "placebo", "passed"),
        (replace(experiment, frame=same), "placebo", "not possible"),
    ):
        assert verdict(check_experiment(told), name).verdict == said


def test_arms_that_hardly_overlap_are_refused():
    rows = frame(3_000)
    chances = targeted_chances(rows, 25.0)
    known = of(assign(rows, chances), propensity=chances[:, :2], arms=["none", "coupon"])
    checks = check_experiment(known)
    check, table = verdict(checks, "overlap"), checks.overlap
    assert check.verdict == "refused" and "could have got coupon as well as none" in check.sentence
    possible = chances[:, :2].min(axis=1) > 0
    either, weight = chances[possible, :2], 1 / chances[possible & (known.codes == 1), 1]
    assert table["even_n"][1] == pytest.approx(4 * len(either) ** 2 / (1 / either).sum(), rel=1e-6)
    assert table["effective_n"][1] == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), rel=1e-6)


def test_households_with_several_arms_are_told_too_many_refused_rounds_are_no_split():
    experiment = trial(3_000, household="household")
    check = verdict(check_experiment(experiment), "spillover")
    assert check.verdict == "refused" and "Assign households" in check.sentence
    rows = experiment.frame
    rows["household"] = np.where(rows["household"] % 5 == 0, rows["household"], -rows.index)
    check = verdict(check_experiment(experiment), "spillover")
    mixed = rows.groupby("household")["arm"].transform("nunique") > 1
    assert check.verdict == "warning" and check.value == pytest.approx(mixed.mean())
    # The same customers get different arms in different rounds: nobody shares anything.
    rows, part = frame(2_000, rounds=2), np.arange(2_000) % 2
    rows = rows.assign(round=part, arm=np.where(part == 0, "none", "coupon"), y=rows["age"])
    experiment = of(rows, "orders", propensity=0.5, household="household", block="round")
    assert verdict(check_experiment(experiment), "spillover").verdict == "passed"


def test_an_observed_shop_is_adjusted_or_refused_for_what_weighting_cannot_mend():
    rows = assign(frame(4_000), targeted_chances(frame(4_000), 1.0))
    how = {"arms": ["none", "coupon"], "placebo": ["before"]}
    seen = of(rows, "orders", "age", "visits", **how)
    checks = check_experiment(seen)
    assert str(checks.identification) == "adjusted" and checks.refused == ()
    assert "not stated (propensity=)" in checks.identification.because
    # Rows left out are a warning; that what is left tells next to nothing comes before it.
    thin = checks.overlap.assign(kept=0.5, effective_n=80.0)
    assert check_overlap(seen, thin).verdict == "warning"
    assert check_overlap(seen, thin.assign(even_n=[np.nan, 60.0])).verdict == "refused"
    assert check_experiment(of(rows, "age", "visits", **how)).refused == ("placebo",)


def test_with_few_customers_a_difference_is_told_by_the_variance_of_a_sample():
    values = np.array([[3.0], [-1.0], [-1.0], [-1.0]])
    raw, weighted, p, _ = arm_contrast(
        values, np.array([1, 0, 1, 0]), np.full((4, 2), 0.5), 1, np.arange(4), np.full(4, True)
    )
    # Each adds 3/2, 1/2, −1/2 and 1/2: together 2, and around their mean 1, 0, −1, 0; · 4/3.
    assert (raw[0], weighted[0]) == (2.0, 2.0)
    assert p[0] == pytest.approx(2 * norm.sf(2 / (2 * 4 / 3) ** 0.5))


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


def test_a_result_taken_for_a_covariate_is_refused_and_how_to_declare_it_is_said():
    rows = coupon_trial()
    trial = load_experiment(rows, **CALL)
    said = refused("trans_after, which is named like something measured", UpliftModel().fit, trial)
    assert "nearly determines revenue_after" in said
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
    for shift, said in ((0.3, "refused"), (0.175, "warning")):
        visits = rng.normal(size=len(rows))
        visits += shift * rows["coupon"] - visits[rows["coupon"] == 1].mean()
        visits -= np.where(rows["coupon"] == 0, visits[rows["coupon"] == 0].mean(), 0.0)
        trial = load_experiment(rows.assign(visits=visits), **CALL)
        check = verdict(check_experiment(trial), "covariates")
        assert check.verdict == said and "visits" in check.sentence, shift
    assert "differs between the arms more than is likely (p = 0.00" in check.sentence
    # Where nobody says that chance assigned the arms, they may well differ.
    seen = load_experiment(rows.assign(visits=visits), arm="coupon", outcomes="revenue_after")
    assert verdict(check_experiment(seen), "covariates").verdict == "passed"


def test_harmless_ones_are_named_in_the_checks_and_are_covariates():
    trial = load_experiment(coupon_trial(seed=4).drop(columns="trans_after"), **CALL)
    told = check_experiment(trial)
    check = verdict(told, "covariates")
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
    for seed in range(12):
        rows = coupon_trial(300, seed + 100).drop(columns="trans_after")
        noise = np.random.default_rng(seed).normal(size=(300, 10))
        rows = rows.join(pd.DataFrame(noise).add_prefix("x"))
        checks = check_experiment(load_experiment(rows, **CALL))
        times += verdict(checks, "covariates").verdict == "refused"
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
