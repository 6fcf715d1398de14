"""The simulated shop's own rounds, whose truth is known."""

import numpy as np

from promolab.effects.model import UpliftModel
from promolab.features import decisions_experiment
from promolab.sources.opening import simulated


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
