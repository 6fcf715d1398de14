"""Whatever it is read from, and on however many threads, the figures are the same."""

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from benchmarks.experiments_sequential import HELD_BACK, watched
from promolab.abtest.comparison import Metric
from promolab.abtest.measured import measure_arms, variance_of_both
from promolab.contract import Experiment
from promolab.effects import compare_arms
from promolab.engines import connect
from promolab.stats import ArmMean, TwoArms
from tests.abtest.made_up import shop

METRICS = {
    "spend": Metric("spend", earlier="before", winsorise=0.95),
    "basket": Metric("spend", per="orders"),
    "bought": Metric("bought"),
}


@pytest.fixture(scope="module")
def frame():
    return shop(4000)


@pytest.fixture(scope="module")
def rows(frame):
    return measure_arms(frame, METRICS).rows


def figures(rows):
    return [(row.difference, row.relative, row.p, row.cap) for row in rows]


def test_any_input_gives_the_same_figures(frame, rows, tmp_path):
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for part, half in enumerate((frame[::2], frame[1::2])):
        half.to_parquet(tmp_path / f"part-{part}.parquet")
    con = connect()
    for data in (
        frame.sample(frac=1, random_state=1),
        tmp_path / "rows.csv",
        str(tmp_path / "part-*.parquet"),
        con.create_table("rows", frame),
        ibis.memtable(frame),
    ):
        assert figures(measure_arms(data, METRICS).rows) == figures(rows)


@pytest.mark.parametrize("how", [{}, {"cluster": "home"}, {"propensity": "chance"}])
def test_threads_and_order_change_no_bit(frame, tmp_path, how):
    rng = np.random.default_rng(2)
    many = shop(40_000).assign(chance=1 / 3)
    if "propensity" in how:
        many["chance"] *= rng.choice([0.98, 1.02], len(many))
    many.to_parquet(tmp_path / "rows.parquet", row_group_size=2048)
    found = []
    for threads in (1, 4):
        table = connect(threads=threads).read_parquet(tmp_path / "rows.parquet")
        read = measure_arms(table, METRICS, **how)
        found.append((read.sample_ratio, figures(read.rows)))
    assert found[0] == found[1]


def test_large_numbers_lose_nothing_and_an_experiment_is_read_with_its_chances(frame):
    """Amounts around a thousand million whose spread is some tens."""
    away = frame.assign(spend=frame["spend"] + 2**30)
    near, far = (measure_arms(data, "spend").rows for data in (frame, away))
    for one, other in zip(near, far, strict=True):
        assert other.difference.value == pytest.approx(one.difference.value, abs=1e-6)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-6)
    twice = frame.assign(customer_id=frame.index // 2)
    how = {"propensity": [[1 / 3] * 3] * len(frame), "arms": ["control", "coupon", "mail"]}
    trial = Experiment(twice, "arm", "control", ["before"], ["spend"], **how)
    found = measure_arms(trial, {"m": "spend"})
    assert found.sample_ratio.verdict == "passed" and found.shares["mail"] == pytest.approx(1 / 3)
    known = {"control": "control", "cluster": twice["customer_id"]}
    for row in found.rows:
        same = compare_arms(twice["spend"], twice["arm"], treated=row.arm, **known)
        assert row.difference.ends == pytest.approx(same.estimate.ends, rel=1e-9)


def test_a_sequence_is_wider_agrees_with_its_p_value_and_waits_for_ten_of_each_arm(frame, rows):
    """Tuned for half of the customers or all of them; before the burn-in nothing is said."""
    for tuned in (2000, 4000):
        every = measure_arms(frame, METRICS, sequential=tuned).rows
        for row, fixed in zip(every, rows, strict=True):
            e, usual = row.difference, fixed.difference
            assert 1.4 < (e.ci_high - e.ci_low) / (usual.ci_high - usual.ci_low) < 1.7
            assert (row.p < 0.05) == (not e.ci_low <= 0 <= e.ci_high)
            assert row.p >= fixed.p
    early = measure_arms(frame, METRICS, sequential=10**6).rows[0]
    assert early.p == 1 and early.difference.ci_low == -np.inf
    # However large the other arm is.
    who, shares = np.arange(4000), {"control": 0.125, "mail": 0.875}
    for buyers, told in ((9, False), (10, True)):
        rows = pd.DataFrame({"customer_id": who, "arm": np.where(who < 500, "control", "mail")})
        rows["bought"] = np.where(who < 500, who < buyers, who % 10 == 0) * 1.0
        (row,) = measure_arms(rows, "bought", sequential=4000, shares=shares).rows
        assert np.isfinite(row.difference.ci_high) == told and (row.p < 1) == told


def test_a_small_arm_without_its_large_outcomes_yet_has_the_error_of_both():
    """Of 9,000 one in 900 bought for 300; of 1,000 that were held back one bought for 2."""
    n, total, squares = np.array([9_000, 1_000]), np.array([3_000.0, 2.0]), np.array([9e5, 4.0])
    within = squares - total**2 / n
    variances = within / (n - 1) / n
    arms = [ArmMean(t / m, v, v, m, m, m) for t, m, v in zip(total, n, variances, strict=True)]
    pooled = within.sum() / (n.sum() - 2) * (1 / n).sum()
    assert pooled > 4 * variances.sum()
    assert variance_of_both(TwoArms(*arms)) == pytest.approx(pooled, rel=1e-3)


def test_a_rare_outcome_of_a_small_arm_is_not_called_too_often():
    found = watched(HELD_BACK, 200)
    assert found.decided.any(axis=1).sum() <= binom.ppf(0.99, 200, 0.05)
