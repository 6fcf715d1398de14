"""Arms that do not come as often as planned stop the readout; those that do, do not."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from promolab.abtest.measured import measure_arms
from promolab.contract import Experiment
from promolab.effects import check_experiment

ARMS = np.array(["none", "a", "b"])


@pytest.fixture(scope="module")
def rows():
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


def test_planned_shares_are_pearsons_and_chances_checked_as_an_experiments_are(rows):
    frame = pd.DataFrame({"customer_id": range(900), "arm": ["none"] * 500 + ["a"] * 400})
    frame["y"] = frame.index % 7
    found = measure_arms(frame, {"m": "y"}, shares={"none": 0.5, "a": 0.5}).sample_ratio
    assert found.p_value == pytest.approx(chisquare([500, 400]).pvalue, rel=1e-9)
    assert found.verdict == "refused"
    columns = {arm: f"e_{arm}" for arm in ARMS}
    found = measure_arms(rows, {"m": "y"}, propensity=columns).sample_ratio
    how = {"propensity": rows[[*columns.values()]].to_numpy(), "arms": list(ARMS)}
    trial = Experiment(rows, "arm", "none", [], ["y"], **how)
    same = next(c for c in check_experiment(trial).checks if c.name == "sample ratio")
    assert found.p_value == pytest.approx(same.p_value, rel=1e-9)
    assert found.sentence == same.sentence.replace("decisions", "customers")
    lost = rows[(rows["arm"] != "a") | (rows.index % 4 > 0)]
    assert measure_arms(lost, {"m": "y"}, propensity=columns).stopped


@pytest.mark.parametrize("how", [{}, {"cluster": "home"}])
def test_the_chance_of_the_arm_got_is_checked_by_its_inverse_with_few_false_alarms(rows, how):
    assert measure_arms(rows, {"m": "y"}, propensity="wrong", **how).stopped
    # Over redraws of the arms p is even between 0 and 1.
    rng, some, p = np.random.default_rng(4), rows.head(400), []
    chances = some[["e_none", "e_a", "e_b"]].to_numpy()
    for _ in range(10):
        code = (rng.random(400)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
        drawn = some.assign(arm=ARMS[code], own=chances[np.arange(400), code])
        p.append(measure_arms(drawn, {"m": "y"}, propensity="own", **how).sample_ratio.p_value)
    assert 0.25 < np.mean(p) < 0.75 and np.mean(np.array(p) < 0.1) <= 0.3
