"""Nominal 95 % intervals cover a known truth 95 % of the time, and are no wider than that takes."""

import numpy as np
import pytest

from promolab.metrics import (
    auc_within,
    calibration,
    compare,
    compare_auc,
    lift,
    measure,
    precision_recall,
    roc,
)
from tests.draws import check_cover, draws, ends_of
from tests.metrics.conftest import simulated

DRAWS, CUSTOMERS = draws(), 250
NAMES = ["auc", "within", "difference", "capture", "rate", "capture by group", "observed/expected"]


def measures(rows: dict[str, np.ndarray], clustered: bool) -> dict[str, tuple[float, ...]]:
    y, score, group = rows["y"], rows["score"], rows["group"]
    cluster = rows["cluster"] if clustered else None
    area, within = roc(y, score, cluster), auc_within(y, score, group, cluster)
    better = compare_auc(y, score, rows["other"], cluster)
    top = lift(y, score, [0.2], cluster=cluster).at(0.2)
    each = lift(y, score, [0.4], group=group, cluster=cluster).at(0.4)
    ratio = calibration(y, rows["p"], 1, cluster).observed_expected
    found: dict[str, tuple[float, ...]] = {
        "auc": (area.auc, area.ci_low, area.ci_high),
        "within": (within.auc, within.ci_low, within.ci_high),
        "difference": (better.difference, better.ci_low, better.ci_high),
    }
    rest = (top.capture, top.rate, each.capture, ratio)
    return found | dict(zip(NAMES[3:], map(tuple, ends_of(rest)), strict=True))


def collect(drawn: list[dict[str, tuple[float, ...]]]) -> dict[str, np.ndarray]:
    return {name: np.array([draw[name] for draw in drawn]) for name in drawn[0]}


@pytest.fixture(scope="module")
def experiments():
    """Truth (of customers beyond number), clustered draws, and draws of one row per customer."""
    big = simulated(np.random.default_rng(99), 100_000)
    truth = {name: found[0] for name, found in measures(big, clustered=False).items()}
    rng = np.random.default_rng(7)
    clustered, naive, single = [], [], []
    for _ in range(DRAWS):
        rows = simulated(rng, CUSTOMERS)
        clustered.append(measures(rows, clustered=True))
        naive.append(measures(rows, clustered=False))
        rows = simulated(rng, 2 * CUSTOMERS)
        # A customer's first row: the truth of one row each is that of all rows.
        first = np.unique(rows["cluster"], return_index=True)[1]
        single.append(measures({k: v[first] for k, v in rows.items()}, clustered=False))
    return truth, collect(clustered), collect(naive), collect(single)


def coverage(found: np.ndarray, truth: float) -> float:
    return float(((found[:, 1] <= truth) & (truth <= found[:, 2])).mean())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["clustered", "single"])
def test_intervals_cover(experiments, name, kind):
    found = experiments[1 if kind == "clustered" else 3][name]
    check_cover(found, experiments[0][name], biased=True)


def test_clusters_matter_and_few_positives_still_cover(experiments):
    # Where customers repeat, taking rows for independent covers too seldom.
    truth, clustered, naive, _ = experiments
    for name in ("auc", "within", "rate", "observed/expected"):
        assert coverage(naive[name], truth[name]) < 0.925
        narrow = (naive[name][:, 2] - naive[name][:, 1]).mean()
        assert narrow < 0.92 * (clustered[name][:, 2] - clustered[name][:, 1]).mean()
    # 10 positives of 210 rows, normal scores; the true AUC is Φ(1/√2).
    rng, y = np.random.default_rng(11), np.arange(210) < 10
    found = [roc(y, rng.normal(size=210) + y) for _ in range(DRAWS)]
    check_cover(ends_of(found), 0.7602499, slack=0.02)


def test_bins_cover_their_true_share():
    rng, inside, widths, needed = np.random.default_rng(13), [], [], []
    for _ in range(DRAWS):
        p = rng.beta(1, 6, 600)
        y = rng.random(600) < p
        bins = calibration(y, p, bins=5).bins
        edges = np.quantile(p, [0.2, 0.4, 0.6, 0.8])
        truth = np.array([p[np.searchsorted(edges, p) == k].mean() for k in range(5)])
        inside.append((bins["ci_low"] <= truth) & (truth <= bins["ci_high"]))
        widths.append(bins["ci_high"] - bins["ci_low"])
        needed.append(2 * 1.96 * np.sqrt(truth * (1 - truth) / 120))
    # Conditional on p they are a little wide.
    assert 0.93 <= np.mean(inside) <= 0.985
    assert 0.9 <= np.mean(widths) / np.mean(needed) <= 1.15


def others(rows: dict[str, np.ndarray], clustered: bool = True) -> dict[str, tuple[float, ...]]:
    y, p = rows["y"], rows["p"]
    cluster = rows["cluster"] if clustered else None
    area = precision_recall(y, rows["score"], cluster)
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
        "log-loss": measure(y, p, "log_loss", cluster),
        "lift": top.lift,
        "precision": top.rate,
    }
    at = np.searchsorted(area.recall, 0.5 - 1e-9)
    place = np.searchsorted(area.band_recall, 0.5 - 1e-9)
    ends = {name: (x.value, x.ci_low, x.ci_high) for name, x in found.items()}
    band = float(area.precision[at]), area.band_low[place], area.band_high[place]
    return {**ends, "precision at half the recall": band}


OTHERS = [
    *("average precision", "log-loss", "lift", "precision"),
    *("precision at half the recall", "Brier", "difference in Brier"),
    *("intercept", "slope", "in the large"),
]


@pytest.fixture(scope="module")
def truth_and_draws():
    big = others(simulated(np.random.default_rng(99), 100_000), clustered=False)
    rng = np.random.default_rng(17)
    found = collect([others(simulated(rng, CUSTOMERS)) for _ in range(DRAWS)])
    return {name: one[0] for name, one in big.items()}, found


@pytest.mark.parametrize("name", OTHERS)
def test_intervals_of_the_others_cover(truth_and_draws, name):
    truth, found = truth_and_draws
    check_cover(found[name], truth[name], biased=True)
