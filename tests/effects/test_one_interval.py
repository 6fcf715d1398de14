"""One difference has one interval, whichever function is asked; one row does not take it away."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Experiment
from promolab.effects.differences import compare_arms
from promolab.effects.means import group_means, mean_of
from promolab.effects.model import UpliftModel
from promolab.metrics.uplift import effect_calibration, qini, rate

CHECKS = ["sample ratio", "balance", "overlap"]


def plain_trial(kind: str, n: int = 300, arms=("holdout", "send"), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"customer_id": np.arange(n) // (2 if kind == "clustered" else 1)})
    rows["arm"] = rng.choice(list(arms), n)
    level = rng.normal(size=n)[rows["customer_id"]]
    money = np.exp(rng.normal(size=n) + level) + (rows["arm"] == "send")
    rows["y"] = (rng.random(n) < 0.1).astype(float) if kind == "share" else money
    return rows


@pytest.mark.parametrize("kind", ["money", "share", "clustered"])
@pytest.mark.parametrize("design", ["known", "constant"])
def test_average_curves_and_compare_arms_agree_on_a_plain_trial(kind, design):
    rows = plain_trial(kind)
    n, y, treated = len(rows), rows["y"], rows["arm"] == "send"
    how = {"propensity": [[0.5, 0.5]] * n} if design == "known" else {"design": design}
    model = UpliftModel().fit(Experiment(rows, "arm", "holdout", [], ["y"], **how), despite=CHECKS)
    customer, order = rows["customer_id"], np.arange(n) * 1.0
    compared = compare_arms(y, rows["arm"], cluster=customer).estimate
    curve, area = (one(y, treated, order, cluster=customer) for one in (qini, rate))
    bins = effect_calibration(y, treated, order, bins=1, cluster=customer).bins
    found = {
        "average": tuple(model.average().rows.loc[0, ["effect", "ci_low", "ci_high"]]),
        "qini": curve.effect.ends,
        "curve's end": curve.at(1.0).ends,
        "rate": area.effect.ends,
        "bin": tuple(bins.loc[0, ["observed", "ci_low", "ci_high"]]),
    }
    for name, figures in found.items():
        assert figures == pytest.approx(compared.ends, rel=1e-9, abs=1e-12), name
    # The scores' mean is the same difference, to the digit.
    assert model.scores_["send"].mean() == pytest.approx(compared.value, rel=1e-9)


def test_of_several_arms_each_is_compared_with_the_control_alone():
    rows = plain_trial("money", arms=("holdout", "mail", "send"))
    trial = Experiment(rows, "arm", "holdout", [], ["y"], design="constant")
    table = UpliftModel().fit(trial).average().rows.set_index("arm")
    for arm in ("mail", "send"):
        expected = compare_arms(rows["y"], rows["arm"], treated=arm).estimate.ends
        assert tuple(table.loc[arm, ["effect", "ci_low", "ci_high"]]) == pytest.approx(expected)


def test_one_row_does_not_take_all_certainty_and_is_named():
    rows = plain_trial("money")
    rows.loc[3, "y"] = 1e6
    trial = Experiment(rows, "arm", "holdout", [], ["y"], design="constant")
    model = UpliftModel().fit(trial)
    scores = model.scores_["send"].to_numpy()
    by_scores = mean_of(scores, np.arange(300), 0.95)
    assert by_scores.degrees > 20  # Kish's effective number less one was 1
    assert group_means(scores, np.zeros(300, int), 1, np.arange(300)).degrees[0] > 20
    compared, rest = compare_arms(rows["y"], rows["arm"]), rows.drop(index=3)
    alone = compare_arms(rest["y"], rest["arm"])
    assert compared.dominant.without.ends == pytest.approx(alone.estimate.ends)
    for said in (model.average(), compared):
        assert "ne customer makes up 99 % of the variance; without" in said.summary()
    assert alone.dominant is None and "makes up" not in alone.summary()
    rare = (np.arange(300) == 3).astype(float)  # of a rare share nobody is singled out
    assert compare_arms(rare, rows["arm"]).dominant is None
