"""Random effects over promotions, against a plain implementation and on simulations."""

import math

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from promolab.metrics.pooling import Spread, random_effects
from tests.refused import refused


def test_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    values, variances = rng.normal(0.8, 0.1, 12), rng.uniform(1e-3, 2e-2, 12)
    reference = combine_effects(values, variances, method_re="dl")
    mine = random_effects(values, variances)
    assert mine.mean == pytest.approx(reference.mean_effect_re, rel=1e-10)
    assert mine.sd**2 == pytest.approx(reference.tau2, rel=1e-10)
    assert mine.se == pytest.approx(reference.sd_eff_w_re, rel=1e-10)


def test_without_spread_it_is_zero_and_few_or_unusable_promotions_are_said() -> None:
    mine = random_effects([1.0, 1.0, 1.0], [0.1, 0.2, 0.1])
    assert mine.sd == 0 and mine.mean == pytest.approx(1)
    mine = random_effects([0.7, 0.8, 0.9], [0.01, 0.02, 0.01])
    assert Spread.from_dict(mine.to_dict()) == mine
    one = Spread.from_dict(random_effects([0.7], [0.01]).to_dict())
    assert one.k == 1 and math.isnan(one.sd) and one.mean == 0.7
    assert random_effects([], []).k == 0
    one = random_effects([0.7, np.nan, 0.5], [0.01, 0.01, 0.0])
    assert (one.mean, one.k) == (0.7, 1) and math.isnan(one.ci_low) and math.isnan(one.sd)
    two = random_effects([0.7, 0.8], [0.01, 0.01])
    assert all(math.isnan(x) for x in two.prediction())
    assert "no promotion" in random_effects([], []).summary()
    refused(r"expected \(k,\) both", random_effects, [1, 2], [1])


# Without spread the estimate of it is above 0 half of the time: the interval is a little wide.
@pytest.mark.parametrize(("sd", "least", "most"), [(0.0, 0.97, 0.995), (0.5, 0.925, 0.965)])
def test_prediction_covers_a_new_promotion(sd: float, least: float, most: float) -> None:
    rng = np.random.default_rng(4)
    runs, k, hits = 2000, 12, 0
    for _ in range(runs):
        variances = rng.uniform(0.01, 0.1, k)
        seen = rng.normal(0, sd, k) + rng.normal(0, np.sqrt(variances))
        low, high = random_effects(seen, variances).prediction(0.02)
        hits += low <= rng.normal(0, math.hypot(sd, math.sqrt(0.02))) <= high
    assert least <= hits / runs <= most
