"""What a holdout can show agrees with statsmodels, and its inverse with a search by hand."""

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from promolab.abtest import share_to_see, smallest_effect
from promolab.abtest.power import smallest_rise

SIZES = [(1080, 120), (9500, 500), (50, 50), (100, 900)]


@pytest.mark.parametrize(("treated", "control"), SIZES)
def test_means_agree_with_statsmodels(treated, control):
    for power, alpha in ((0.8, 0.05), (0.9, 0.01)):
        effect = smallest_effect(treated, control, sd=20, power=power, alpha=alpha)
        theirs = NormalIndPower().power(effect / 20, treated, alpha, control / treated)
        assert theirs == pytest.approx(power, abs=1e-5)
    assert np.isnan(smallest_rise(2, 1, 0.05, 0.8, 0.05))  # not even a rise to 1 would show


@pytest.mark.parametrize("customers", [60, 1201, 40_000])
def test_the_share_needed_is_the_smallest_one_that_does(customers):
    def shows(control, wanted):
        return smallest_effect(customers - control, control, sd=0.3) <= wanted * (1 + 1e-9)

    for wanted in (0.005, 0.02, 0.07, 0.3):
        found = share_to_see(customers, wanted, sd=0.3)
        if found.control is None:
            assert found.share is None and not shows(customers // 2, wanted) and found.summary()
        else:
            assert found.share == found.control / customers and shows(found.control, wanted)
            assert found.control == 1 or not shows(found.control - 1, wanted)
