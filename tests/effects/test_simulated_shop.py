"""The simulated shop, whose truth is known: who survives a broken part; its own rounds."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.dummy import DummyRegressor

from promolab.contract import Experiment
from promolab.effects.model import UpliftModel
from promolab.features import decisions_experiment
from promolab.simulated.truth import Truth
from promolab.simulated.world import World
from promolab.sources.opening import simulated

CHECKS = ["balance", "overlap", "sample ratio"]


@pytest.fixture(scope="module")
def targeted():
    """Who buys anyway gets the coupon more often: chances as they were, and chances that lie."""
    truth = Truth(World(customers=12_000, weeks=12)).effects("W07-coupon")
    rng = np.random.default_rng(0)
    habit = truth["purchase_without"]
    coupon = expit(1.2 * (habit - habit.mean()) / habit.std()).to_numpy()
    got = rng.random(len(truth)) < coupon
    y = np.where(got, truth["purchase_with"], habit) + 0.1 * rng.normal(size=len(truth))
    rows = pd.DataFrame({"customer_id": truth["customer_id"], "habit": habit, "arm": got, "y": y})
    chances = np.column_stack([1 - coupon, coupon])
    right, wrong = (
        Experiment(rows, "arm", False, ["habit"], ["y"], propensity=e)
        for e in (chances, np.full_like(chances, 0.5))
    )
    return right, wrong, truth["purchase_effect"].mean()


def average(model, experiment):
    model.fit(experiment, despite=CHECKS)
    return float(model.predict(experiment, calibrated=False).mean())


def test_dr_alone_survives_either_broken_part(targeted):
    right, wrong, truth = targeted
    nothing = DummyRegressor()
    off = {
        # S and T are nothing but outcome models: theirs is the learner.
        "s": [average(UpliftModel("s", nothing), right), average(UpliftModel("s"), wrong)],
        "t": [average(UpliftModel("t", nothing), right), average(UpliftModel("t"), wrong)],
    }
    for kind in ("x", "r", "dr"):
        without_outcomes = UpliftModel(kind, outcome_learner=nothing)
        off[kind] = [average(without_outcomes, right), average(UpliftModel(kind), wrong)]
    off = {kind: np.abs(np.array(found) - truth) / truth for kind, found in off.items()}
    # In shares of the true effect; the errors of 12,000 customers are 0.3 and 0.05 of it.
    assert off["dr"][0] < 0.6 and off["dr"][1] < 0.15
    assert off["s"][0] > 0.9 and off["t"][0] > 3 and off["x"][0] > 1.5
    assert off["r"][1] > 0.15 and off["r"][1] > 2 * off["dr"][1]


def test_the_shops_own_rounds_give_the_true_average():
    shop = simulated(customers=1_500, weeks=17, kinds="coupon", exploration=1.0)
    experiment = decisions_experiment(shop)
    model = UpliftModel("dr", "ridge").fit(experiment)
    row = model.average().rows.iloc[0]
    rounds = shop.truth.promotions[:-1]
    truth = np.mean([shop.truth.effects(p)["margin_effect"].mean() for p in rounds])
    assert str(model.identification_) == "randomised" and row["customers"] < row["n"]
    assert abs(row["effect"] - truth) < 3.5 * row["std_error"]
    purchases = UpliftModel().fit(experiment, "purchases").average().rows.iloc[0]
    bought = np.mean([shop.truth.effects(p)["purchase_effect"].mean() for p in rounds])
    assert abs(purchases["effect"] - bought) < 3.5 * purchases["std_error"]
