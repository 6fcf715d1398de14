"""Whatever it is read from, and on however many threads, the figures are the same."""

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chisquare

from benchmarks.experiments_sequential import HELD_BACK, watched
from promolab.abtest.comparison import Metric
from promolab.abtest.measured import measure_arms, variance_of_both
from promolab.contract import Experiment
from promolab.effects import check_experiment, compare_arms
from promolab.engines import connect
from promolab.stats import ArmMean, TwoArms
from tests.abtest.made_up import TRUE_SPEND, experiments, shop
from tests.draws import check_cover, draws

METRICS = {
    "spend": Metric("spend", earlier="before", winsorise=0.95),
    "basket": Metric("spend", per="orders"),
    "bought": Metric("bought"),
}
THIRDS = {"control": 1 / 3, "mail": 1 / 3, "coupon": 1 / 3}
DRAWS, CUSTOMERS = draws(), 300
COVERED = {
    "mean": Metric("spend", "mean"),
    "adjusted": Metric("spend", earlier="before"),
    "ratio": Metric("revenue", per="orders"),
    "share": Metric("bought", "share"),
}
LIFT = {"mean": 0.1, "adjusted": 0.1, "ratio": 0.0, "share": 0.1}
TRUTH = {(name, "relative"): lift for name, lift in LIFT.items()}
LEVEL = {"mean": TRUE_SPEND, "adjusted": TRUE_SPEND, "ratio": 20.0, "share": 0.2}
ARMS = np.array(["none", "a", "b"])


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


def test_a_mismatch_stops_the_readout_and_no_part_is_told_of_what_may_be_nothing():
    frame = shop(600)
    lost = frame[(frame["arm"] != "mail") | (frame.index % 3 > 0)]
    found = measure_arms(lost, {"m": "spend"}, shares=THIRDS)
    assert found.stopped and not found.rows
    assert "not come as often as their chances say (p < 0.001)" in found.sample_ratio.sentence
    for spend, why in (
        (frame["spend"] - frame["spend"].mean(), "too near 0: no percentage"),
        (-1 - frame["spend"], "below 0: no percentage"),
    ):
        row = measure_arms(frame.assign(spend=spend), {"m": "spend"}).rows[0]
        assert np.isnan(row.relative.ci_low) and np.isfinite(row.difference.ci_low)
        assert why in row.why


def test_what_is_left_out_is_counted_and_said():
    frame = shop(600)
    adjusted, spend = {"m": Metric("spend", earlier="before")}, frame["spend"]
    gaps = frame.assign(spend=spend.where(frame.index % 10 > 0))
    gaps["before"] = frame["before"].where(frame.index > 4)
    found, left = measure_arms(gaps, adjusted), gaps[gaps["spend"].notna()]
    filled = left.assign(before=left["before"].fillna(left["before"].min()))
    row, same = found.rows[0], measure_arms(filled, adjusted).rows[0]
    assert row.difference.ends == pytest.approx(same.difference.ends, rel=1e-9)
    assert sum(row.missing) == int(gaps["spend"].isna()[gaps["arm"] != "mail"].sum())
    assert "m is missing in 60 rows" in found.notes[0]
    assert "before is missing in 5 rows" in found.notes[1]
    kinds = np.where(frame.index < 3, "few", np.where(frame.index < 300, "one", "two"))
    segmented = frame.assign(kind=pd.Series(kinds).where(frame.index < 500))
    found = measure_arms(segmented, {"m": "spend"}, segments="kind")
    assert {row.segment for row in found.segments} == {"one", "two"}
    told = ["100 rows without kind are in", "Too few in an arm to compare within kind few."]
    assert all(note.startswith(said) for note, said in zip(found.notes, told, strict=True))
    rare = frame.assign(spend=spend.where(frame.index % 50 == 0, 0.0))
    found = measure_arms(rare, {"m": Metric("spend", winsorise=0.95)})
    assert found.rows[0].winsorised is None and "m is not winsorised: 95 %" in found.notes[0]


TRUTH |= {(name, "difference"): LIFT[name] * level for name, level in LEVEL.items()}


@pytest.fixture(scope="module")
def found():
    rows = measure_arms(experiments(DRAWS, CUSTOMERS), COVERED, segments="draw").segments
    mine = [row for row in rows if row.arm == "mail"]
    return {name: [row for row in mine if row.metric == name] for name in COVERED}


@pytest.mark.parametrize(("metric", "figure"), TRUTH)
def test_intervals_hold_the_truth(found, metric, figure):
    ends = [getattr(row, figure).ends for row in found[metric]]
    # A ratio's mean lies a little above its truth.
    check_cover(ends, TRUTH[metric, figure], slack=0.005, biased=figure == "relative")


@pytest.fixture(scope="module")
def logged():
    rng = np.random.default_rng(3)
    n = 4000
    chances = rng.dirichlet([4, 4, 4], n).clip(0.05)
    chances /= chances.sum(axis=1, keepdims=True)
    code = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    frame = pd.DataFrame(chances, columns=["e_none", "e_a", "e_b"])
    return frame.assign(
        customer_id=range(n),
        arm=ARMS[code],
        own=chances[np.arange(n), code],
        wrong=np.roll(chances, 1, axis=1)[np.arange(n), code],
        y=rng.gamma(1.0, 2.0, n),
        home=np.arange(n) // 2,
    )


def test_planned_shares_are_pearsons_and_chances_checked_as_an_experiments_are(logged):
    frame = pd.DataFrame({"customer_id": range(900), "arm": ["none"] * 500 + ["a"] * 400})
    frame["y"] = frame.index % 7
    found = measure_arms(frame, {"m": "y"}, shares={"none": 0.5, "a": 0.5}).sample_ratio
    assert found.p_value == pytest.approx(chisquare([500, 400]).pvalue, rel=1e-9)
    assert found.verdict == "refused"
    columns = {arm: f"e_{arm}" for arm in ARMS}
    found = measure_arms(logged, {"m": "y"}, propensity=columns).sample_ratio
    how = {"propensity": logged[[*columns.values()]].to_numpy(), "arms": list(ARMS)}
    trial = Experiment(logged, "arm", "none", [], ["y"], **how)
    same = next(c for c in check_experiment(trial).checks if c.name == "sample ratio")
    assert found.p_value == pytest.approx(same.p_value, rel=1e-9)
    assert found.sentence == same.sentence.replace("decisions", "customers")
    lost = logged[(logged["arm"] != "a") | (logged.index % 4 > 0)]
    assert measure_arms(lost, {"m": "y"}, propensity=columns).stopped


@pytest.mark.parametrize("how", [{}, {"cluster": "home"}])
def test_the_chance_of_the_arm_got_is_checked_by_its_inverse_with_few_false_alarms(logged, how):
    assert measure_arms(logged, {"m": "y"}, propensity="wrong", **how).stopped
    # Over redraws of the arms p is even between 0 and 1.
    rng, some, p = np.random.default_rng(4), logged.head(400), []
    chances = some[["e_none", "e_a", "e_b"]].to_numpy()
    for _ in range(10):
        code = (rng.random(400)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
        drawn = some.assign(arm=ARMS[code], own=chances[np.arange(400), code])
        p.append(measure_arms(drawn, {"m": "y"}, propensity="own", **how).sample_ratio.p_value)
    assert 0.25 < np.mean(p) < 0.75 and np.mean(np.array(p) < 0.1) <= 0.3
