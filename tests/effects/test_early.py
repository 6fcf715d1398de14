"""Differences between customers learned from an outcome that is known sooner."""

import numpy as np
import pandas as pd
import pytest

from promolab import UpliftModel
from promolab.contract import Experiment
from promolab.errors import InputError
from promolab.features import decisions_experiment
from promolab.sources import simulated


def _trial(*, early: bool, n: int = 4_000, lost: float = 0.3) -> tuple[Experiment, np.ndarray]:
    """Return decisions of which the window tells much and the whole time, being noisy, little."""
    rng = np.random.default_rng(3)
    age, mail = rng.normal(size=n), rng.integers(0, 2, n)
    window = mail * (1 + age) + rng.normal(size=n)
    rows = pd.DataFrame({"customer_id": range(n), "age": age, "mail": mail, "window": window})
    rows["margin"] = window - lost * mail * (1 + age) + 60 * rng.normal(size=n)
    how = {"propensity": np.full((n, 2), 0.5), "early": ["window"] if early else []}
    return Experiment(rows, "mail", 0, ["age"], ["margin"], **how), (1 - lost) * (1 + age)


def test_the_window_tells_customers_apart_where_the_whole_time_cannot() -> None:
    plain, effect = _trial(early=False)
    assert not UpliftModel().fit(plain).calibrated_.told_apart
    trial, _ = _trial(early=True)
    model = UpliftModel().fit(trial)
    assert model.calibrated_.told_apart
    assert np.corrcoef(model.predict(trial)[:, 0], effect)[0, 1] > 0.99
    told = model.targeting()
    assert told.found and told.by_effect.ci_low < 0
    assert "margin in the window per decision" in told.verdict()
    # Two Qinis stand on one page: each says of which time.
    assert "over the whole time, which the curves show" in told.verdict()
    curves = told.plot().get_legend_handles_labels()[1][:2]
    assert curves and all(label.endswith("over the whole time") for label in curves)


def test_averages_are_the_outcomes_what_is_lost_again_not_believed_and_no_feature() -> None:
    (plain, _), (trial, _) = _trial(early=False), _trial(early=True)
    one, other = UpliftModel("dr", "ridge").fit(plain), UpliftModel("dr", "ridge").fit(trial)
    pd.testing.assert_frame_equal(one.average().rows, other.average().rows)
    pd.testing.assert_frame_equal(one.scores_, other.scores_)
    trial, _ = _trial(early=True, n=40_000, lost=0.9)
    slope = UpliftModel("dr", "ridge").fit(trial).calibrated_.rows["slope"].iloc[0]
    assert slope < 0.7  # 0.1 is left, and noise
    trial, _ = _trial(early=False, n=100)
    with pytest.raises(InputError, match="is an outcome and cannot be a covariate"):
        Experiment(trial.frame, "mail", 0, ["window"], ["margin"], early=["window"])


def test_decisions_count_margin_and_discount_in_the_window() -> None:
    shop = simulated(customers=60, weeks=11)
    early = decisions_experiment(shop, by="kind", early=True)
    within = decisions_experiment(shop, by="kind", horizon_days=0)
    assert early.early == ("margin_in_window", "discount_in_window") and within.early == ()
    assert early.covariates == within.covariates and early.outcomes == within.outcomes
    both = early.frame.merge(within.frame, on="decision_id", suffixes=("", "_there"))
    np.testing.assert_allclose(both["margin_in_window"], both["margin_there"])
    assert (early.frame["discount_in_window"][early.codes == 0] == 0).all()
    assert early.frame["discount_in_window"].sum() > 0
