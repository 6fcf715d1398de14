"""Parts of totals, means and shares: by hand, covered, and against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from promolab.stats import compare_means, intervals_of, part_of_total, share_interval, spread_of
from tests.draws import check_cover, draws


def returns(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return net sales, some negative, and who of them brings back more than was bought."""
    back = rng.random(n) < 0.2
    sales = rng.gamma(2.0, 20.0, n) * np.where(back, -0.6, 1.0) + rng.normal(0, 5, n)
    return sales, np.column_stack([back, ~back]).astype(float)


def test_a_negative_part_of_net_sales_lies_in_its_own_interval_and_is_covered():
    rng = np.random.default_rng(0)
    sales, member = returns(rng, 400_000)
    truth = float(sales @ member[:, 0] / sales.sum())
    assert truth < -0.1
    ends = []
    for _ in range(draws()):
        sales, member = returns(rng, 400)
        part, low, high = part_of_total(sales, member)
        assert (low < part).all() and (part < high).all() and part.sum() == pytest.approx(1)
        ends.append((part[0], low[0], high[0]))
    check_cover(ends, truth)
    # More than all: the others sold less than nothing.
    assert part[1] > 1 and high[1] > part[1]


def test_ratios_are_those_of_least_squares_and_parts_stay_within_0_and_1():
    sales, member = returns(np.random.default_rng(1), 300)
    part, low, high = part_of_total(sales, member)
    residual = (member[:, 0] - part[0]) * sales / sales.mean()
    fit = sm.OLS(residual, np.ones(300)).fit()
    assert (high[0] - low[0]) / 2 == pytest.approx(fit.bse[0] * 1.968, rel=2e-3)
    sales = np.array([5.0, 3.0, 0.0, 0.0, 900.0])
    part, low, high = part_of_total(sales, np.eye(5)[:, [0, 2, 4]])
    assert low[0] >= 0 and high[2] <= 1 and part[1] == 0 and np.isnan([low[1], high[1]]).all()
    assert np.isnan(part_of_total(-sales, np.eye(5))[0]).all()


def test_one_row_takes_not_all_degrees_and_without_variance_units_are_trials():
    ordinary = np.random.default_rng(0).normal(size=400)
    for largest in (1e3, 1e9):
        one = np.append(ordinary, largest)
        assert spread_of(one - one.mean(), None).degrees > 200  # 1 by Kish's effective number
    # Where few rows of many say anything, few degrees are left.
    few = np.zeros(400)
    few[:12] = ordinary[:12]
    assert spread_of(few - few.mean(), None).degrees < 20
    share = np.array([0.0, 0.3, 1.0, 1.0, 0.5])
    variance = [0.0, 0.0, 0.0, 0.01, 0.25 / 8]
    low, high = share_interval(share, variance, [10, 10, 10, 10, 99], 0.95)
    # z² = 3.8415: none of 10 has the upper end z²/(10 + z²); a variance of p(1 − p)/8 is 8 trials.
    # Of all 10 the share is as flat, whatever variance it is said to have.
    expected = proportion_confint([0, 3, 10, 10, 4], [10, 10, 10, 10, 8], method="wilson")
    assert high[0] == pytest.approx(3.8415 / 13.8415, abs=1e-5) and low[0] == 0 and high[2] == 1
    np.testing.assert_allclose([low, high], expected, atol=1e-12)


def test_with_few_units_a_variance_is_a_samples_and_newcombes_has_the_covariance():
    """G/(G − 1), Student's quantile with one degree less than units, weighted ones by Kish."""
    y = np.array([1.0, 2.0, 3.0, 4.0, 8.0])
    treated = np.arange(5) < 3
    arms = compare_means(y, treated)
    # 1, 2, 3: 2 ± 4.3027 · √(1/3); 4 and 8: 6 ± 12.706 · √(8/2).
    one, other, _ = intervals_of(arms, 0.95, share=False)
    assert one.ends == pytest.approx((2, -0.4841, 4.4841), abs=1e-4)
    assert other.ends == pytest.approx((6, -19.412, 31.412), abs=1e-3)
    assert arms.variance == pytest.approx(1 / 3 + 4)
    # Two of three units are one customer: means of clusters 1.5 · 2 and 3, G = 2.
    grouped = compare_means(y, treated, np.array([0, 0, 1, 2, 3]))
    assert grouped.treated.variance == pytest.approx(2 * 2 * (1 / 3) ** 2)
    # Weights 1, 1, 2 are worth (1 + 1 + 2)² ÷ (1 + 1 + 4) = 8/3 rows: 5/3 degrees of freedom.
    weighted = compare_means(y, treated, weight=np.array([1.0, 1.0, 2.0, 1.0, 1.0]))
    assert weighted.treated.value == 2.25 and weighted.treated.worth == pytest.approx(8 / 3)
    variance = (1.25**2 + 0.25**2 + 4 * 0.75**2) / 16 * 3 / 2
    alone = intervals_of(weighted, 0.95, share=False)[0]
    assert alone.ci_high - 2.25 == pytest.approx(t.ppf(0.975, 5 / 3) * variance**0.5)
    # Customers 0 to 3, each treated once and once not; who buys untreated also buys treated.
    y = np.array([1.0, 1, 0, 0, 1, 0, 0, 0])
    arms = compare_means(y, np.arange(8) < 4, np.tile(np.arange(4), 2))
    # Influence ±1/8 against 3/16, −1/16 thrice: covariance 1/32 · 4/3, variances 1/12 and 1/16.
    assert arms.covariance == pytest.approx(1 / 24)
    assert arms.variance == pytest.approx((y[:4] - y[4:]).var(ddof=1) / 4)  # as of pairs
    assert (arms.treated.variance, arms.control.variance) == pytest.approx((1 / 12, 1 / 16))
    together = (1 / 24) / (1 / 12 / 16) ** 0.5  # 0.577
    (low1, high1), (low0, high0) = (proportion_confint(k, 4, method="wilson") for k in (2, 1))
    down = (0.5 - low1) ** 2 + (high0 - 0.25) ** 2 - 2 * together * (0.5 - low1) * (high0 - 0.25)
    up = (high1 - 0.5) ** 2 + (0.25 - low0) ** 2 - 2 * together * (high1 - 0.5) * (0.25 - low0)
    low, high = intervals_of(arms, 0.95, share=True)[2]
    assert (low, high) == pytest.approx((0.25 - down**0.5, 0.25 + up**0.5))  # apart: −0.32, 0.66
