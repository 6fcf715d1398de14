"""Heavy-tailed money: buying is learned apart from baskets; whether there is any effect at all."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from benchmarks.heavy import customers, made_up, true_effects
from promolab import UpliftModel
from promolab.contract import Experiment
from promolab.effects import EffectEvidence, effect_evidence
from promolab.effects.learners import linear, two_part
from promolab.effects.learners.aipw import Design, folds_of, rows_of
from tests.refused import refused

N = 600


def trial(y, arm, **columns):
    frame = pd.DataFrame({"customer_id": range(len(y)), "arm": arm, "y": y, **columns})
    return Experiment(frame, "arm", 0, [*columns], ["y"], propensity=np.full((len(y), 2), 0.5))


def test_a_basket_without_its_luck_has_the_same_mean_and_less_noise() -> None:
    trial = made_up(0, 12_000)
    fold = folds_of(trial.frame["customer_id"], 5, 0)
    rows = rows_of(trial, None, fold, 5, 0)
    found = two_part.smoothed(rows, Design.learn(trial.X, "encoded").matrix(trial.X)).y
    np.testing.assert_array_equal(found > 0, rows.y > 0)
    for mine in (rows.codes == arm for arm in range(trial.K)):
        y = rows.y[mine]
        assert abs(found[mine].mean() - y.mean()) < 3 * y.std() / np.sqrt(len(y))
    assert found.std() < 0.7 * rows.y.std()


def test_of_many_rows_the_curvature_that_is_held_changes_next_to_nothing(monkeypatch) -> None:
    trial = made_up(0, two_part.MANY)
    Z = Design.learn(trial.X, "encoded").matrix(trial.X)
    asked = two_part.arms_of(Z, trial.y() > 0, trial.codes, trial.K), *two_part.SLABS[0]
    beta, covariance, evidence = two_part.buying(*asked)
    monkeypatch.setattr(two_part, "HELD", 1)
    exact = two_part.buying(*asked)
    assert not np.array_equal(beta, exact[0])
    np.testing.assert_allclose(beta, exact[0], atol=1e-3 * np.sqrt(np.diag(covariance)).min())
    np.testing.assert_allclose(covariance, exact[1], atol=1e-4 * np.diag(covariance).min())
    assert abs(evidence - exact[2]) < 1e-2


def test_sums_of_many_rows_are_added_up_in_pieces(monkeypatch) -> None:
    trial = made_up(0, 3_000)
    Z, y = Design.learn(trial.X, "encoded").matrix(trial.X), trial.y()

    def found() -> list[np.ndarray]:
        parts = two_part.arms_of(Z, y > 0, trial.codes, trial.K)
        return [*two_part.buying(parts, *two_part.SLABS[0])[:2], linear.ridge(Z, y).coefficients]

    whole = found()
    monkeypatch.setattr(linear, "PIECE", 400)
    for one, other in zip(whole, found(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-10)


def test_what_arms_do_to_baskets_is_kept_and_what_chance_does_is_drawn_together() -> None:
    rng = np.random.default_rng(0)
    codes, y = np.arange(40_000) % 4, np.exp(rng.normal(size=40_000))
    same = np.ones(len(y))
    apart = two_part.arm_factors(np.where(codes == 3, 0.5 * y, y), same, codes, 4)
    np.testing.assert_allclose(apart / apart[0], [1, 1, 1, 0.5], atol=0.05)
    few = slice(0, 400)
    luck = np.r_[300.0, y[1:400]]
    plain = [luck[codes[few] == k].mean() for k in range(4)]
    drawn = two_part.arm_factors(luck, same[few], codes[few], 4)
    assert np.ptp(drawn) < np.ptp(plain)
    np.testing.assert_array_equal(two_part.arm_factors(luck[:0], luck[:0], codes[:0], 3), [1, 1, 1])


@pytest.mark.parametrize(
    ("y", "heavy"),
    [
        ([0.0, 1.0] * 50, False),  # responses
        ([0.0, 3.0, 4.0, 5.0] * 25, False),  # baskets are alike
        ([0.0, *[1.0] * 8, 90.0] * 10, True),
        ([0.0, *[1.0] * 18, 90.0] * 10, False),  # hardly anybody bought nothing
        ([-1.0, 0.0, *[1.0] * 7, 90.0] * 10, False),  # returns
    ],
)
def test_which_outcomes_are_heavy_tailed_money(y: list[float], heavy: bool) -> None:
    assert two_part.heavy_tailed(np.array(y)) is heavy


def test_differences_follow_the_truth_and_vanish_where_there_are_none() -> None:
    others = customers(np.random.default_rng(9), 4_000)
    true = true_effects(others)
    found = UpliftModel("dr", "two_part").fit(made_up(2)).predict(others)
    for k in range(4):
        assert np.corrcoef(found[:, k], true[:, k])[0, 1] > 0.5
    nothing = UpliftModel().fit(made_up(2, strength=0.0)).predict(others)
    assert nothing.std(axis=0).max() < 0.25 * true.std(axis=0).min() + 0.25
    assert np.abs(nothing.mean(axis=0)).max() < 0.4


def test_averages_stay_those_of_the_money_and_a_saved_one_predicts_the_same(tmp_path) -> None:
    trial = made_up(1, 6_000)
    model = UpliftModel().fit(trial)
    np.testing.assert_allclose(model.average().rows["effect"], model.scores_.mean())
    rows = model.calibrated_.rows
    assert (rows["learner"] == "two_part").all() and (rows["slope"] == 1.0).all()
    again = UpliftModel.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(trial.X), model.predict(trial.X))
    # Slopes of other learners are drawn to nothing by their error, not cut.
    rows = UpliftModel("dr", "ridge").fit(trial).calibrated_.rows
    known = rows[rows["learner"] != "constant"]
    assert len(known) and known["slope"].between(0, 1, inclusive="neither").all()


def test_it_is_not_offered_elsewhere() -> None:
    yes, arm = np.random.default_rng(0).integers(0, 2, (2, N))
    bought = trial(yes, arm, age=np.arange(float(N)))
    refused("heavy-tailed money, and y is none.*another", UpliftModel("dr", "two_part").fit, bought)
    refused('"two_part" is of kind "dr"', UpliftModel("t", "two_part").fit, made_up(0, 2_000))


def told(seed=0, n=N, adds=0.1, **columns):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    y = (rng.random(n) < 0.25 + adds * arm) * np.exp(rng.normal(2, 1, n))
    return trial(y, arm, **(columns or {"customer": np.ones(n)})), y, arm


def test_the_factor_is_that_of_the_models_integrated_out():
    made, y, arm = told()
    found = effect_evidence(made)
    bought, base = y > 0, np.linspace(-2.5, 0.5, 400)
    adds = np.linspace(-1.5, 1.5, 401)

    def of_buying(base, adds):
        lines = enumerate((base, base + adds))
        n = np.bincount(arm), np.bincount(arm, bought)
        return sum(n[1][k] * line - n[0][k] * np.logaddexp(0, line) for k, line in lines)

    both, alone = of_buying(base[:, None], adds), of_buying(base, 0.0)
    top, step = both.max(), adds[1] - adds[0]
    slabs = zip(two_part.SLABS, two_part.LIKELY, strict=True)
    mixed = sum(likely * norm.pdf(adds, 0, spread) for (spread, _), likely in slabs)
    of_buyers = np.log((np.exp(both - top) * mixed).sum() * step / np.exp(alone - top).sum())
    logs, given = np.log(y[bought]), arm[bought] - arm[bought].mean()
    logs = logs - logs.mean()
    plain = np.eye(len(logs)) * (logs @ logs / (len(logs) - 1))
    spread = plain + two_part.SHIFT_SPREAD**2 * np.outer(given, given)
    changed = multivariate_normal.logpdf(logs, cov=spread)
    changed -= multivariate_normal.logpdf(logs, cov=plain)
    log_factor = of_buyers + np.log((1 + np.exp(changed)) / 2)
    assert found.log_factor == pytest.approx(log_factor, abs=0.02)
    odds = 1 / 3 * np.exp(-found.log_factor)
    assert found.nothing(0.25) == pytest.approx(odds / (1 + odds))


def test_effects_and_their_error_are_those_of_draws_of_the_parameters():
    rng = np.random.default_rng(4)
    made, _, _ = told(n=3_000, age=rng.normal(size=3_000))
    found = effect_evidence(made)
    X, choice = made.X.iloc[:500], np.where(np.arange(500) % 3, 0, -1)
    adds = found.effects(X)[choice == 0, 0].sum()
    totals = []
    for _ in range(400):
        buying = rng.multivariate_normal(found.buying.ravel(), found.covariance)
        drawn = EffectEvidence(
            found.design, buying.reshape(found.buying.shape), found.covariance, found.basket,
            rng.multivariate_normal(found.shift, found.shift_covariance), found.shift_covariance,
            found.smearing * (1 + found.smearing_error * rng.normal()), 0.0, 0.0,
        )  # fmt: skip
        totals.append(drawn.effects(X)[choice == 0, 0].sum())
    assert np.mean(totals) == pytest.approx(adds, abs=3.5 * np.std(totals) / 20)
    assert found.error(X, choice) == pytest.approx(np.std(totals), rel=0.12)


def test_skewed_columns_and_far_customers_do_not_run_away():
    rng = np.random.default_rng(2)
    spend = np.exp(2 * rng.normal(size=3_000))
    made, y, _ = told(n=3_000, spend=spend)
    found = effect_evidence(made)
    far = found.effects(pd.DataFrame({"spend": [1e9]}))[0, 0]
    assert abs(far) < y.mean() * 5


def test_what_does_not_fall_into_buying_and_baskets_has_none():
    rng = np.random.default_rng(1)
    y, arm = rng.exponential(size=N), np.arange(N) % 2
    some = trial(y * (rng.random(N) < 0.3), arm, age=np.arange(float(N)))
    assert effect_evidence(some) is not None
    for all_bought_or_some_below_0 in (y, y - 0.5):
        assert effect_evidence(trial(all_bought_or_some_below_0, arm)) is None
    chosen = replace(some, propensity=np.linspace([0.3, 0.7], [0.7, 0.3], N))
    assert effect_evidence(chosen) is None  # who got it may be taken for what it did
