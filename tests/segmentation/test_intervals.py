import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from promolab.segmentation.intervals import grouped_mean, grouped_ratio, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (3, 12), (12, 12), (210, 900)])
def test_wilson_is_that_of_statsmodels(hits: int, n: int) -> None:
    low, high = wilson(np.array([hits / n]), np.array([float(n)]))
    expected = proportion_confint(hits, n, method="wilson")
    np.testing.assert_allclose([low[0], high[0]], expected, atol=1e-12)


def test_one_contact_each_is_nearly_wilson() -> None:
    hits = np.zeros((500, 1))
    hits[:60] = 1.0
    ratio, low, high = grouped_ratio(hits, np.ones((500, 1)), np.array([500.0]))
    assert ratio[0] == 0.12
    np.testing.assert_allclose(
        [low[0], high[0]], proportion_confint(60, 500, method="wilson"), 2e-3
    )


def test_ratio_covers_the_truth_when_customers_differ() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        contacts = rng.integers(1, 9, 150).astype(float)
        # Some customers answer everything they get: rows of one customer are alike.
        answers = rng.binomial(contacts.astype(int), rng.beta(0.5, 1.5, 150))
        _, low, high = grouped_ratio(answers[:, None] * 1.0, contacts[:, None], np.array([150.0]))
        covered += low[0] <= 0.25 <= high[0]
    assert 0.92 <= covered / 400 <= 0.98


def test_extremes_have_a_width_and_nothing_is_nan() -> None:
    contacts = np.column_stack([np.ones(20), np.ones(20), np.zeros(20)])
    answers = np.column_stack([np.zeros(20), np.ones(20), np.zeros(20)])
    ratio, low, high = grouped_ratio(answers, contacts, np.array([20.0, 20.0, 0.0]))
    assert ratio[:2].tolist() == [0, 1]
    assert high[0] > 0.1 and low[1] < 0.9
    assert np.isnan([ratio[2], low[2], high[2]]).all()


def test_means_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(40, 10, 90)
    values[::9] = np.nan
    group = rng.integers(0, 3, 90)
    mean, low, high = grouped_mean(values, (group[:, None] == np.arange(3)) * 1.0)
    for g in range(3):
        sample = values[(group == g) & ~np.isnan(values)]
        expected = stats.t.interval(0.95, len(sample) - 1, sample.mean(), stats.sem(sample))
        np.testing.assert_allclose([mean[g], low[g], high[g]], [sample.mean(), *expected])


def test_one_value_has_a_mean_and_no_interval() -> None:
    mean, low, high = grouped_mean(np.array([3.0]), np.ones((1, 1)))
    assert mean[0] == 3.0
    assert np.isnan([low[0], high[0]]).all()
