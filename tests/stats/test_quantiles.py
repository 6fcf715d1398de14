"""The statistics of every room, against statsmodels and SciPy."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import norm, t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from promolab import stats
from tests.refused import refused

P = np.array([0.2, 0.001, 0.03, 0.04, 0.04, 1.0])


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_quantiles(level):
    assert stats.normal_quantile(level) == pytest.approx(norm.ppf((1 + level) / 2), rel=1e-13)
    degrees = np.array([1.0, 2.5, 30, np.inf])
    np.testing.assert_allclose(stats.t_quantile(level, degrees), t.ppf(0.5 + level / 2, degrees))
    for quantile in (stats.normal_quantile, partial(stats.t_quantile, degrees=3)):
        refused("level = 1; expected a share between 0 and 1", quantile, 1)


def test_p_values_alone_and_of_many_tests():
    value, error = np.array([1.0, -2.0, 0.0, 0.0, 1.0, 1.0]), np.array([1, 1, 1, np.nan, 0, np.nan])
    expected = [*2 * t.sf([1.0, 2.0], 4), 1.0, 1.0, np.nan, np.nan]
    np.testing.assert_allclose(stats.two_sided(value, error, 4), expected)
    assert stats.two_sided(9.0, 1.0) == pytest.approx(2 * norm.sf(9.0), rel=1e-12)
    np.testing.assert_allclose(stats.holm(P), multipletests(P, method="holm")[1])
    np.testing.assert_allclose(stats.benjamini_hochberg(P), multipletests(P, method="fdr_bh")[1])
    assert np.isnan(stats.holm([np.nan]))[0] and len(stats.benjamini_hochberg([])) == 0
    gaps = stats.benjamini_hochberg(np.insert(P, [0, 4], np.nan))
    np.testing.assert_allclose(gaps[~np.isnan(gaps)], stats.benjamini_hochberg(P), rtol=1e-12)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_and_shares_of_clusters(level):
    hits, n = np.array([0, 1, 7, 50, 99, 100, 12]), np.array([9, 10, 20, 100, 100, 100, 12])
    low, high = stats.wilson(hits, n, level)
    expected = proportion_confint(hits, n, alpha=1 - level, method="wilson")
    np.testing.assert_allclose((low, high), expected, atol=1e-12)
    share, some = hits / n, slice(1, 5)
    np.testing.assert_allclose(stats.share_interval(share, 0.0, n, level), expected, atol=1e-12)
    found = stats.share_interval(share[some], (share * (1 - share) / n)[some], 7, level)
    np.testing.assert_allclose(found, np.array(expected)[:, some])
    np.testing.assert_array_equal(stats.wilson(0, 0), [0, 1])
    refused("1 of 2 pairs have successes below 0 or above n", stats.wilson, [3, 1], [2, 2])
    refused("level = 1; expected a share", stats.wilson, 1, 2, level=1)
    ends = stats.share_interval([0.0, np.nan], [0.0, 0.0], 12.0)
    np.testing.assert_allclose(ends, [[0.0, np.nan], [float(stats.wilson(0, 12)[1]), np.nan]])


def test_units_are_dealt_whole_whatever_their_order():
    units = np.random.default_rng(3).integers(0, 40, 300)
    fold, n = stats.dealt(units, 5, seed=1)
    assert n == len(set(units)) and set(fold) == set(range(5))
    assert all(len(set(fold[units == unit])) == 1 for unit in units)
    order = np.random.default_rng(4).permutation(300)
    assert (stats.dealt(units[order], 5, seed=1)[0] == fold[order]).all()
    assert (stats.dealt(units, 5, seed=2)[0] != fold).any()
    assert set(stats.dealt(["a", "b"], 9, seed=0)[0]) == {0, 1}
