"""Nominal 95 % intervals cover a known truth 95 % of the time, and are no wider than that takes."""

import numpy as np
import pytest

from promolab import metrics
from promolab.results import Estimate
from tests.draws import check_cover, draws, ends_of
from tests.metrics.conftest import simulated

DRAWS, CUSTOMERS = draws(), 250
LOSSES = ["log_loss", "brier"]
NAMES = ["auc", "within", "difference", "average precision", "capture", "rate", "capture by group"]
NAMES += ["lift", *LOSSES, "difference in Brier", "intercept", "slope", "in the large", "ratio"]


def measures(rows: dict[str, np.ndarray], clustered: bool = True) -> dict[str, Estimate]:
    y, p, score, group = rows["y"], rows["p"], rows["score"], rows["group"]
    cluster = rows["cluster"] if clustered else None
    pair = {"p": p, "other": 1 / (1 + np.exp(1.0 - rows["other"]))}
    top = metrics.lift(y, score, [0.1, 0.2], cluster=cluster)
    bins = metrics.calibration(y, p, 1, cluster)
    found = [
        metrics.roc(y, score, cluster).estimate,
        metrics.auc_within(y, score, group, cluster).estimate,
        metrics.compare_auc(y, score, rows["other"], cluster).estimate,
        metrics.precision_recall(y, score, cluster).estimate,
        *(top.at(0.2).capture, top.at(0.2).rate),
        metrics.lift(y, score, [0.4], group=group, cluster=cluster).at(0.4).capture,
        top.at(0.1).lift,
        *(metrics.measure(y, p, name, cluster) for name in LOSSES),
        metrics.compare(y, pair, "brier", cluster=cluster).against("other"),
        *(bins.intercept, bins.slope, bins.in_the_large, bins.observed_expected),
    ]
    return dict(zip(NAMES, found, strict=True))


def of_rows(rows: dict[str, np.ndarray]) -> dict[str, Estimate]:
    """Some of them, as if each row were a customer."""
    y, score = rows["y"], rows["score"]
    return {
        "auc": metrics.roc(y, score).estimate,
        "within": metrics.auc_within(y, score, rows["group"]).estimate,
        "rate": metrics.lift(y, score, [0.2]).at(0.2).rate,
        "ratio": metrics.calibration(y, rows["p"], 1).observed_expected,
    }


@pytest.fixture(scope="module")
def experiments():
    """Truth (of customers beyond number), and draws with customers and with rows taken as such."""
    truth = measures(simulated(np.random.default_rng(99), 40_000), clustered=False)
    rng = np.random.default_rng(7)
    drawn = [simulated(rng, CUSTOMERS) for _ in range(DRAWS)]
    clustered, naive = ([call(rows) for rows in drawn] for call in (measures, of_rows))
    return {name: estimate.value for name, estimate in truth.items()}, *(
        {name: ends_of(draw[name] for draw in told) for name in told[0]}
        for told in (clustered, naive)
    )


@pytest.mark.parametrize("name", NAMES)
def test_intervals_cover(experiments, name):
    truth, found, _ = experiments
    check_cover(found[name], truth[name], biased=True)


def test_clusters_matter_and_few_positives_still_cover(experiments):
    # Where customers repeat, taking rows for independent covers too seldom.
    truth, found, naive = experiments
    for name, ends in naive.items():
        (_, low, high), (_, least, most) = ends.T, found[name].T
        assert ((low <= truth[name]) & (truth[name] <= high)).mean() < 0.925
        assert (high - low).mean() < 0.92 * (most - least).mean()
    # 10 positives of 210 rows, normal scores; the true AUC is Φ(1/√2).
    rng, y = np.random.default_rng(11), np.arange(210) < 10
    few = [metrics.roc(y, rng.normal(size=210) + y) for _ in range(DRAWS)]
    check_cover(ends_of(few), 0.7602499, slack=0.02)
