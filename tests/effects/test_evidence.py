"""Whether promotions do anything at all: the two fits' evidence, against sums over a grid."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from promolab.contract import Experiment
from promolab.effects import EffectEvidence, effect_evidence
from promolab.effects.learners.two_part import LIKELY, SHIFT_SPREAD, SLABS

N = 600


def trial(y, arm, chances=(0.5, 0.5), **columns):
    frame = pd.DataFrame({"customer_id": range(len(y)), "arm": arm, "y": y, **columns})
    given = np.tile(chances, (len(y), 1))
    return Experiment(frame, "arm", 0, list(columns) or ["customer"], ["y"], propensity=given)


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
        lines = [base, base + adds]
        return sum(
            bought[arm == k].sum() * line - (arm == k).sum() * np.logaddexp(0, line)
            for k, line in enumerate(lines)
        )

    both, alone = of_buying(base[:, None], adds), of_buying(base, 0.0)
    top, step = both.max(), adds[1] - adds[0]
    mixed = sum(
        likely * norm.pdf(adds, 0, spread)
        for (spread, _), likely in zip(SLABS, LIKELY, strict=True)
    )
    of_buyers = np.log((np.exp(both - top) * mixed).sum() * step) - np.log(
        np.exp(alone - top).sum()
    )
    logs, given = np.log(y[bought]), arm[bought] - arm[bought].mean()
    logs = logs - logs.mean()
    plain = np.eye(len(logs)) * (logs @ logs / (len(logs) - 1))
    spread = plain + SHIFT_SPREAD**2 * np.outer(given, given)
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
    even = np.arange(float(N))
    assert effect_evidence(trial(y, arm, age=even)) is None  # everybody bought
    assert effect_evidence(trial(y - 0.5, arm, age=even)) is None  # some below 0
    y = y * (rng.random(N) < 0.3)
    assert effect_evidence(trial(y, arm, age=even)) is not None
    chance = np.column_stack([np.linspace(0.3, 0.7, N), np.linspace(0.7, 0.3, N)])
    frame = pd.DataFrame({"customer_id": range(N), "arm": arm, "y": y, "age": even})
    chosen = Experiment(frame, "arm", 0, ["age"], ["y"], propensity=chance)
    assert effect_evidence(chosen) is None  # who got it may be taken for what it did
