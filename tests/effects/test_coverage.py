"""Intervals hold the truth as often as they say, and are no wider than they need to be."""

import numpy as np
import pytest

from benchmarks.uplift import COVERED, coverage
from promolab.effects.model import UpliftModel
from promolab.metrics.uplift import aipw_scores
from tests.draws import bounds, noise
from tests.effects.made_up import trial

DRAWS = 200  # `make bench` takes 2,000


@pytest.fixture(scope="module")
def drawn():
    return coverage(draws=DRAWS, n=5_000, seed=0)


def test_averages_and_groups_are_covered_by_intervals_no_wider_than_needed(drawn):
    assert set(drawn["what"]) == {"average", "group"}
    for name, share in (("covered_95", 0.95), ("covered_90", 0.9)):
        assert drawn[name].between(*bounds(share, DRAWS)).all(), drawn
    assert (drawn["bias_over_sd"].abs() < 4 / np.sqrt(DRAWS)).all(), drawn
    least, most = COVERED["error_over_sd"]
    assert drawn["error_over_sd"].between(least - noise(DRAWS), most + noise(DRAWS)).all(), drawn


def test_an_average_is_as_certain_as_with_the_true_expectations():
    # Robins, Rotnitzky & Zhao (1994): the least variance is that of the scores with the true mu.
    experiment = trial(5_000, seed=21)
    rows = experiment.frame
    base = (2 + rows["orders"] + 0.5 * rows["visits"]).to_numpy()
    effects = np.column_stack([np.zeros(5_000), rows["effect_coupon"], rows["effect_mail"]])
    scores = aipw_scores(
        experiment.y(), experiment.codes, experiment.propensity, base[:, None] + effects
    )
    least = scores.std(axis=0, ddof=1) / np.sqrt(5_000)
    found = UpliftModel().fit(experiment).average().rows["std_error"].to_numpy()
    assert found == pytest.approx(least, rel=0.02)
