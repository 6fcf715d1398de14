import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from promolab.segmentation.groups.measures import grouped_mean, grouped_ratio
from promolab.stats import share_interval


def test_one_contact_each_is_nearly_wilson_and_extremes_have_a_width() -> None:
    hits = np.zeros((500, 1))
    hits[:60] = 1.0
    ratio, low, high = grouped_ratio(hits, np.ones((500, 1)), np.array([500.0]))
    assert ratio[0] == 0.12
    np.testing.assert_allclose(
        [low[0], high[0]], proportion_confint(60, 500, method="wilson"), 2e-3
    )
    contacts = np.column_stack([np.ones(20), np.ones(20), np.zeros(20)])
    answers = np.column_stack([np.zeros(20), np.ones(20), np.zeros(20)])
    ratio, low, high = grouped_ratio(answers, contacts, np.array([20.0, 20.0, 0.0]))
    assert ratio[:2].tolist() == [0, 1]
    assert high[0] > 0.1 and low[1] < 0.9
    assert np.isnan([ratio[2], low[2], high[2]]).all()


def test_ratio_covers_the_truth_when_customers_differ() -> None:
    rng, shape = np.random.default_rng(4), (150, 4_000)  # a draw is a column
    contacts = rng.integers(1, 9, shape)
    # Some customers answer everything they get: rows of one customer are alike.
    answers = rng.binomial(contacts, rng.beta(0.5, 1.5, shape))
    customers = np.full(shape[1], 150.0)
    _, low, high = grouped_ratio(answers.astype(float), contacts.astype(float), customers)
    assert 0.935 <= ((low <= 0.25) & (high >= 0.25)).mean() <= 0.965
    sums = answers.sum(axis=0), contacts.sum(axis=0).astype(float)
    low, high = share_interval(
        sums[0] / sums[1], 0.0, sums[1]
    )  # as if each contact were another customer's
    assert ((low <= 0.25) & (high >= 0.25)).mean() < 0.8


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
    mean, low, high = grouped_mean(np.array([3.0]), np.ones((1, 1)))
    assert mean[0] == 3.0
    assert np.isnan([low[0], high[0]]).all()
