"""The statistics of every room, against statsmodels and SciPy."""

import numpy as np
import pytest
from scipy import stats as reference
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from promolab.stats import (
    benjamini_hochberg,
    dealt,
    holm,
    normal_quantile,
    share_interval,
    t_quantile,
    two_sided,
    wilson,
)
from tests.refused import refused

P = np.array([0.2, 0.001, 0.03, 0.04, 0.04, 1.0])


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_quantiles(level):
    assert normal_quantile(level) == pytest.approx(reference.norm.ppf((1 + level) / 2), rel=1e-13)
    degrees = np.array([1.0, 2.5, 30, np.inf])
    np.testing.assert_allclose(
        t_quantile(level, degrees), reference.t.ppf(0.5 + level / 2, degrees)
    )
    assert isinstance(t_quantile(level, 3), float)


@pytest.mark.parametrize("quantile", [normal_quantile, lambda level: t_quantile(level, 3)])
def test_a_level_is_a_share(quantile):
    refused("level = 1; expected a share between 0 and 1", quantile, 1)


def test_p_values():
    value, error = np.array([1.0, -2.0, 0.0, 0.0, 1.0, 1.0]), np.array([1, 1, 1, np.nan, 0, np.nan])
    expected = [*2 * reference.t.sf([1.0, 2.0], 4), 1.0, 1.0, np.nan, np.nan]
    np.testing.assert_allclose(two_sided(value, error, 4), expected)
    assert two_sided(9.0, 1.0) == pytest.approx(2 * reference.norm.sf(9.0), rel=1e-12)


def test_many_tests():
    np.testing.assert_allclose(holm(P), multipletests(P, method="holm")[1])
    np.testing.assert_allclose(benjamini_hochberg(P), multipletests(P, method="fdr_bh")[1])
    assert np.isnan(holm([np.nan]))[0] and len(benjamini_hochberg([])) == 0


def test_wilson_and_shares_of_clusters():
    hits, n = np.array([1, 5, 9]), np.array([10, 20, 30])
    low, high = wilson(hits, n, 0.9)
    expected = proportion_confint(hits, n, alpha=0.1, method="wilson")
    np.testing.assert_allclose((low, high), expected)
    share = hits / n
    np.testing.assert_allclose(share_interval(share, share * (1 - share) / n, 7, 0.9), expected)
    ends = share_interval([0.0, np.nan], [0.0, 0.0], 12.0)
    np.testing.assert_allclose(ends, [[0.0, np.nan], [float(wilson(0, 12)[1]), np.nan]])


def test_units_are_dealt_whole_whatever_their_order():
    units = np.random.default_rng(3).integers(0, 40, 300)
    fold, n = dealt(units, 5, seed=1)
    assert n == len(set(units)) and set(fold) == set(range(5))
    assert all(len(set(fold[units == unit])) == 1 for unit in units)
    order = np.random.default_rng(4).permutation(300)
    assert (dealt(units[order], 5, seed=1)[0] == fold[order]).all()
    assert (dealt(units, 5, seed=2)[0] != fold).any()
    assert set(dealt(["a", "b"], 9, seed=0)[0]) == {0, 1}
