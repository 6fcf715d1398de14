"""What a holdout can show agrees with statsmodels, and its inverse with a search by hand."""

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep, proportion_effectsize

from promolab.abtest import share_to_see, smallest_effect

SIZES = [(1080, 120), (600, 600), (9500, 500), (50, 50), (100, 900)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.3, 0.5])
def test_shares_agree_with_statsmodels(sizes, rate):
    treated, control = sizes
    effect = smallest_effect(treated, control, rate=rate).effect
    # One side of 5 %: the other side is never what shows.
    how = {"alpha": 0.025, "alternative": "larger", "return_results": False}
    power = power_proportions_2indep(effect, rate, treated, ratio=control / treated, **how)
    assert 0 < effect < 1 and power == pytest.approx(0.8, abs=1e-9)
    # Cohen's arcsine formula is another approximation: near where no share is rare.
    if rate >= 0.3:
        cohen = NormalIndPower().power(
            proportion_effectsize(rate + effect, rate), treated, 0.05, ratio=control / treated
        )
        assert cohen == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("power", "alpha"), [(0.8, 0.05), (0.9, 0.01)])
def test_means_agree_with_statsmodels(sizes, power, alpha):
    treated, control = sizes
    found = smallest_effect(treated, control, sd=20, power=power, alpha=alpha)
    theirs = NormalIndPower().power(found.effect / 20, treated, alpha, control / treated)
    assert theirs == pytest.approx(power, abs=1e-5)


@pytest.mark.parametrize("customers", [60, 1201, 40_000])
@pytest.mark.parametrize("outcome", [{"rate": 0.05}, {"rate": 0.4}, {"sd": 0.3}])
def test_the_share_needed_is_the_smallest_one_that_does(customers, outcome):
    for wanted in (0.02, 0.07, 0.3):
        found = share_to_see(customers, wanted, **outcome)
        sizes = np.unique(np.r_[1 : min(customers // 2, 1500) + 1, customers // 2])
        if found.control is None:
            assert found.share is None
            sizes = sizes[:: max(1, len(sizes) // 50)]
            assert not any(shows(customers, int(size), wanted, outcome) for size in sizes)
        else:
            assert found.share == found.control / customers
            assert shows(customers, found.control, wanted, outcome)
            assert found.control == 1 or not shows(customers, found.control - 1, wanted, outcome)


def shows(customers, control, wanted, outcome):
    return smallest_effect(customers - control, control, **outcome).effect <= wanted * (1 + 1e-9)


def test_what_never_shows_is_no_figure():
    held = smallest_effect(1080, 120, rate=0.03)
    assert f"{100 * held.effect:.1f} points" in held.summary()
    nothing = smallest_effect(2, 1, rate=0.05)
    assert np.isnan(nothing.effect) and nothing.to_dict()["effect"] is None and nothing.summary()
    half = share_to_see(1200, 0.02, rate=0.03)
    assert half.to_dict()["share"] is None and len(half.to_frame()) == 1 and half.summary()
