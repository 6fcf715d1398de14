"""Wilson's interval against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from promolab.errors import InputError
from promolab.metrics.intervals import part_of_total
from promolab.metrics.within import spread_of
from promolab.stats import wilson


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_statsmodels(level):
    successes, n = np.array([0, 1, 7, 50, 99, 100]), np.array([9, 10, 20, 100, 100, 100])
    low, high = wilson(successes, n, level)
    expected = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    np.testing.assert_allclose(high, expected[1], atol=1e-12)
    assert low[0] == 0 and high[-1] == 1


def test_wilson_of_nothing_is_everything():
    assert [float(end) for end in wilson(0, 0)] == [0, 1]


def test_wilson_names_bad_counts():
    with pytest.raises(InputError, match="1 of 2 pairs have successes below 0 or above n"):
        wilson([3, 1], [2, 2])
    with pytest.raises(InputError, match="level = 1; expected a share"):
        wilson(1, 2, level=1)


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
    inside, widths, values = 0, [], []
    for _ in range(1_000):
        sales, member = returns(rng, 400)
        part, low, high = part_of_total(sales, member)
        assert (low < part).all() and (part < high).all() and part.sum() == pytest.approx(1)
        inside += low[0] <= truth <= high[0]
        widths.append(high[0] - low[0])
        values.append(part[0])
    assert 0.93 <= inside / 1_000 <= 0.97
    assert np.mean(widths) <= 1.1 * 2 * 1.96 * np.std(values)
    # More than all: the others sold less than nothing.
    assert part[1] > 1 and high[1] > part[1]


def test_the_ratio_interval_is_that_of_least_squares_on_the_shares_residuals():
    """The delta method by hand, and against a clustered ratio of statsmodels' mean of residuals."""
    import statsmodels.api as sm

    sales, member = returns(np.random.default_rng(1), 300)
    part, low, high = part_of_total(sales, member)
    residual = (member[:, 0] - part[0]) * sales / sales.mean()
    fit = sm.OLS(residual, np.ones(300)).fit()
    assert (high[0] - low[0]) / 2 == pytest.approx(fit.bse[0] * 1.968, rel=2e-3)


def test_without_a_negative_amount_a_part_stays_within_0_and_1_and_nothing_has_no_interval():
    sales = np.array([5.0, 3.0, 0.0, 0.0, 900.0])
    part, low, high = part_of_total(sales, np.eye(5)[:, [0, 2, 4]])
    assert low[0] >= 0 and high[2] <= 1
    assert part[1] == 0 and np.isnan(low[1]) and np.isnan(high[1])
    assert np.isnan(part_of_total(-sales, np.eye(5))[0]).all()


def test_one_row_does_not_take_all_degrees_of_freedom():
    ordinary = np.random.default_rng(0).normal(size=400)
    for largest in (1e3, 1e9):
        one = np.append(ordinary, largest)
        assert spread_of(one - one.mean(), None).degrees > 200  # 1 by Kish's effective number
    # Where few rows of many say anything, few degrees are left.
    few = np.zeros(400)
    few[:12] = ordinary[:12]
    assert spread_of(few - few.mean(), None).degrees < 20
