"""Nominal 95 % intervals cover a known truth 95 % of the time, and are no wider than that takes."""

import numpy as np
import pytest

from promolab import metrics
from promolab.results import Estimate
from tests.draws import check_cover, draws, ends_of
from tests.metrics.conftest import simulated

DRAWS, CUSTOMERS = draws(), 250
NAMES = ["auc", "within", "difference", "capture", "rate", "capture by group", "observed/expected"]
OTHERS = ["average precision", "log-loss", "Brier", "difference in Brier", "lift", "precision"]
OTHERS += ["intercept", "slope", "in the large"]


def measures(rows: dict[str, np.ndarray], clustered: bool = True) -> dict[str, Estimate]:
    y, score, group = rows["y"], rows["score"], rows["group"]
    cluster = rows["cluster"] if clustered else None
    top = metrics.lift(y, score, [0.2], cluster=cluster).at(0.2)
    found = [
        metrics.roc(y, score, cluster).estimate,
        metrics.auc_within(y, score, group, cluster).estimate,
        metrics.compare_auc(y, score, rows["other"], cluster).estimate,
        *(top.capture, top.rate),
        metrics.lift(y, score, [0.4], group=group, cluster=cluster).at(0.4).capture,
        metrics.calibration(y, rows["p"], 1, cluster).observed_expected,
    ]
    return dict(zip(NAMES, found, strict=True))


def others(rows: dict[str, np.ndarray], clustered: bool = True) -> dict[str, Estimate]:
    y, p, score = rows["y"], rows["p"], rows["score"]
    cluster = rows["cluster"] if clustered else None
    pair = {"p": p, "other": 1 / (1 + np.exp(1.0 - rows["other"]))}
    top = metrics.lift(y, score, [0.1], cluster=cluster).at(0.1)
    bins = metrics.calibration(y, p, 1, cluster)
    found = [
        metrics.precision_recall(y, score, cluster).estimate,
        *(metrics.measure(y, p, name, cluster) for name in ("log_loss", "brier")),
        metrics.compare(y, pair, "brier", cluster=cluster).against("other"),
        *(top.lift, top.rate, bins.intercept, bins.slope, bins.in_the_large),
    ]
    return dict(zip(OTHERS, found, strict=True))


def collect(drawn: list[dict[str, Estimate]]) -> dict[str, np.ndarray]:
    return {name: ends_of(draw[name] for draw in drawn) for name in drawn[0]}


@pytest.fixture(scope="module")
def experiments():
    """Truth (of customers beyond number), clustered draws, and draws of one row per customer."""
    big, rng = simulated(np.random.default_rng(99), 40_000), np.random.default_rng(7)
    all_rows = measures(big, clustered=False) | others(big, clustered=False)
    clustered, naive, single = [], [], []
    for _ in range(DRAWS):
        rows = simulated(rng, CUSTOMERS)
        clustered.append(measures(rows) | others(rows))
        naive.append(measures(rows, clustered=False))
        rows = simulated(rng, 2 * CUSTOMERS)
        # A customer's first row: the truth of one row each is that of all rows.
        first = np.unique(rows["cluster"], return_index=True)[1]
        single.append(measures({k: v[first] for k, v in rows.items()}, clustered=False))
    truth = {name: estimate.value for name, estimate in all_rows.items()}
    return truth, {"clustered": collect(clustered), "single": collect(single)}, collect(naive)


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("clustered", name) for name in NAMES + OTHERS), *(("single", name) for name in NAMES)],
)
def test_intervals_cover(experiments, kind, name):
    truth, found, _ = experiments
    check_cover(found[kind][name], truth[name], biased=True)


def test_clusters_matter_and_few_positives_still_cover(experiments):
    # Where customers repeat, taking rows for independent covers too seldom.
    truth, found, naive = experiments
    for name in ("auc", "within", "rate", "observed/expected"):
        (_, low, high), (_, least, most) = naive[name].T, found["clustered"][name].T
        assert ((low <= truth[name]) & (truth[name] <= high)).mean() < 0.925
        assert (high - low).mean() < 0.92 * (most - least).mean()
    # 10 positives of 210 rows, normal scores; the true AUC is Φ(1/√2).
    rng, y = np.random.default_rng(11), np.arange(210) < 10
    few = [metrics.roc(y, rng.normal(size=210) + y) for _ in range(DRAWS)]
    check_cover(ends_of(few), 0.7602499, slack=0.02)
