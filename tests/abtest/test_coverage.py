"""Intervals hold the truth as often as they say, and are no wider than they need to be."""

import pytest

from promolab.abtest.comparison import Metric
from promolab.abtest.measured import measure_arms
from tests.abtest.made_up import TRUE_SPEND, experiments
from tests.draws import check_cover, draws

DRAWS, CUSTOMERS = draws(), 300
METRICS = {
    "mean": Metric("spend", "mean"),
    "adjusted": Metric("spend", earlier="before"),
    "ratio": Metric("revenue", per="orders"),
    "share": Metric("bought", "share"),
}
LIFT = {"mean": 0.1, "adjusted": 0.1, "ratio": 0.0, "share": 0.1}
TRUTH = {(name, "relative"): lift for name, lift in LIFT.items()}
LEVEL = {"mean": TRUE_SPEND, "adjusted": TRUE_SPEND, "ratio": 20.0, "share": 0.2}
TRUTH |= {(name, "difference"): LIFT[name] * level for name, level in LEVEL.items()}


@pytest.fixture(scope="module")
def found():
    rows = measure_arms(experiments(DRAWS, CUSTOMERS), METRICS, segments="draw").segments
    mine = [row for row in rows if row.arm == "mail"]
    return {name: [row for row in mine if row.metric == name] for name in METRICS}


@pytest.mark.parametrize(("metric", "figure"), TRUTH)
def test_intervals_hold_the_truth(found, metric, figure):
    ends = [getattr(row, figure).ends for row in found[metric]]
    # A ratio's mean lies a little above its truth.
    check_cover(ends, TRUTH[metric, figure], slack=0.005, biased=figure == "relative")


def test_a_known_past_takes_its_share_of_the_variance():
    """True +10 % reads +10 %; the variance falls by the square of the correlation."""
    metrics = {name: METRICS[name] for name in ("adjusted", "mean")}
    rows = measure_arms(experiments(1, 20_000), metrics).rows
    row, plain = (row for row in rows if row.arm == "mail")
    fall = 1 - row.std_error**2 / plain.std_error**2
    assert fall == pytest.approx(row.correlation**2, rel=0.05)
    assert row.relative.ci_low < 0.1 < row.relative.ci_high
