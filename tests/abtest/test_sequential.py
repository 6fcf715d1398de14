"""Confidence sequences: the paper's formula by hand, and how often they are wrong at any look."""

import math

import numpy as np
import pytest
from scipy.special import lambertw
from scipy.stats import binom

from promolab.abtest import confidence_sequence
from promolab.abtest.sequential import multiplier

DAYS, TESTS, N = 60, 1000, 500


def by_the_paper(n, sd, alpha, tuned_for):
    """Waudby-Smith et al., theorem 2.2: with ρ for one time, in their own form."""
    rho = math.sqrt((-lambertw(-(alpha**2) * math.exp(-1), -1).real - 1) / tuned_for)
    grown = n * rho**2 + 1
    return sd * math.sqrt(2 * grown / (n**2 * rho**2) * math.log(math.sqrt(grown) / alpha))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_width_is_that_of_the_paper(level):
    n = np.array([150.0, 900.0, 2000.0, 9000.0])
    low, high = confidence_sequence(n, n * 0 + 1, n * 0 + 9, level=level, tuned_for=2000)
    for at, one, other in zip(n, low, high, strict=True):
        assert (other - one) / 2 == pytest.approx(by_the_paper(at, 3, 1 - level, 2000), rel=1e-12)
        assert (one + other) / 2 == pytest.approx(1, abs=1e-12)


def test_it_is_narrowest_where_it_is_tuned_and_says_nothing_before_the_burn_in():
    fractions = np.geomspace(0.05, 20, 400)
    best = fractions[np.argmin(multiplier(fractions, 0.05))]
    assert best == pytest.approx(1, abs=0.02)
    assert multiplier(1.0, 0.05) / 1.959964 == pytest.approx(1.5485, abs=1e-4)
    low, high = confidence_sequence([99, 100], [1, 1], [1, 1], tuned_for=1000)
    assert np.isinf(low[0]) and np.isinf(high[0]) and np.isfinite([low[1], high[1]]).all()
    low, high = confidence_sequence([0, 5], [math.nan, 1], [1, 0], tuned_for=10, burn_in=0)
    assert low[0] == -math.inf and low[1] == high[1] == 1


def revenue(rng, lift=1.0):
    """Daily totals and squares of N customers, of whom 2 % buy: shapes (tests, days)."""
    buyers = rng.binomial(N, 0.02 * lift, (TESTS, DAYS))
    amounts = rng.lognormal(3, 1, buyers.sum())
    at = np.repeat(np.arange(buyers.size), buyers.ravel())
    return [np.bincount(at, a, buyers.size).reshape(TESTS, DAYS) for a in (amounts, amounts**2)]


def conversion(rng, lift=1.0):
    bought = rng.binomial(N, 0.05 * lift, (TESTS, DAYS)).astype(float)
    return [bought, bought]


def paths(draw, lift=1.0, seed=0):
    rng, n = np.random.default_rng(seed), N * np.arange(1, DAYS + 1)
    means, variances = [], []
    for times in (lift, 1.0):
        total, squares = (np.cumsum(part, axis=1) for part in draw(rng, times))
        means.append(total / n)
        variances.append((squares / n - (total / n) ** 2) / n)
    return means[0] - means[1], np.sqrt(sum(variances)), 2 * n


@pytest.mark.parametrize("draw", [conversion, revenue])
def test_an_a_a_test_that_is_looked_at_every_day_is_called_in_5_of_100_at_most(draw):
    difference, error, n = paths(draw)
    alarms = 0
    for d, e in zip(difference, error, strict=True):
        low, high = confidence_sequence(n, d, e**2 * n, tuned_for=n[-1])
        alarms += int(((low > 0) | (high < 0)).any())
    assert alarms <= binom.ppf(0.99, TESTS, 0.05)
    naive = (np.abs(difference) > 1.96 * error)[:, 3:].any(axis=1).mean()
    assert naive > 0.2  # the same data, looked at with an interval made for one look


def test_the_truth_is_seldom_outside_and_an_effect_of_14_tenths_found_in_8_of_10():
    difference, error, n = paths(revenue, 1.2, seed=2)
    half, truth = error * multiplier(n / n[-1], 0.05), 0.2 * 0.02 * math.exp(3.5)
    missed = (np.abs(difference - truth) > half)[:, 3:].any(axis=1).sum()
    assert missed <= binom.ppf(0.99, TESTS, 0.05)
    # Of conversion; of revenue, where it takes more customers, in benchmarks.
    _, error, _ = paths(conversion)
    effect = 1.4 * (1.96 + 0.8416) * np.median(error[:, -1])
    difference, error, n = paths(conversion, 1 + effect / 0.05, seed=1)
    called = difference > error * multiplier(n / n[-1], 0.05)
    assert called[:, 3:].any(axis=1).mean() >= 0.8
    assert called[:, -1].mean() >= 0.75  # most of it at the end already
