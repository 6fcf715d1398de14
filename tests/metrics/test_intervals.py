"""Wilson's interval against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from promolab.errors import InputError
from promolab.metrics import wilson


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
    with pytest.raises(InputError, match="level is 1"):
        wilson(1, 2, level=1)
