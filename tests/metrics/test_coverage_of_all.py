"""Intervals of precision, probabilities, lists and differences cover a known truth, no wider."""

import numpy as np
import pytest

from promolab.metrics import calibration, compare, lift, log_loss, measure, precision_recall
from tests.draws import check_cover, draws

DRAWS, CUSTOMERS = draws(), 250


def measures(rows: dict[str, np.ndarray], clustered: bool = True) -> dict[str, tuple[float, ...]]:
    y, p = rows["y"], rows["p"]
    cluster = rows["cluster"] if clustered else None
    area = precision_recall(y, rows["score"], cluster)
    loss = log_loss(y, p, cluster)
    top = lift(y, rows["score"], [0.1], cluster=cluster).at(0.1)
    bins = calibration(y, p, 1, cluster)
    pair = {"p": p, "other": 1 / (1 + np.exp(1.0 - rows["other"]))}
    apart = compare(y, pair, "brier", cluster=cluster)
    found = {
        "Brier": measure(y, p, "brier", cluster),
        "difference in Brier": apart.against("other"),
        "intercept": bins.intercept,
        "slope": bins.slope,
        "in the large": bins.in_the_large,
        "average precision": area.estimate,
        "log-loss": loss.estimate,
        "log-loss skill": loss.skill,
        "lift": top.lift,
        "precision": top.rate,
    }
    at = np.searchsorted(area.recall, 0.5 - 1e-9)
    place = np.searchsorted(area.band_recall, 0.5 - 1e-9)
    ends = {name: (x.value, x.ci_low, x.ci_high) for name, x in found.items()}
    band = float(area.precision[at]), area.band_low[place], area.band_high[place]
    return {**ends, "precision at half the recall": band}


@pytest.fixture(scope="module")
def truth_and_draws(simulated):
    big = measures(simulated(np.random.default_rng(99), 100_000), clustered=False)
    truth = {name: found[0] for name, found in big.items()}
    rng = np.random.default_rng(17)
    found = [measures(simulated(rng, CUSTOMERS)) for _ in range(DRAWS)]
    return truth, {name: np.array([draw[name] for draw in found]) for name in truth}


NAMES = [
    *("average precision", "log-loss", "log-loss skill", "lift", "precision"),
    *("precision at half the recall", "Brier", "difference in Brier"),
    *("intercept", "slope", "in the large"),
]


@pytest.mark.parametrize("name", NAMES)
def test_intervals_cover(truth_and_draws, name):
    truth, found = truth_and_draws
    check_cover(found[name], truth[name], biased=True)
