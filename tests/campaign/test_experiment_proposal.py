"""What would tell what a promotion adds: size, cost and what it shows, against hand work."""

import numpy as np
import pandas as pd

from promolab.abtest import smallest_effect
from promolab.campaign.spending.experiment import propose_experiment
from tests.campaign.test_economics import NOW, RATIOS, shop


def scores(*ids: str, n: int = 10) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame({"customer_id": [f"c{c}" for c in range(n)], "promotion_id": i}).assign(
            p_redeemed=np.linspace(0.05, 0.5, n)
        )
        for i in ids
    )


def test_half_of_all_are_contacted_or_shared_and_a_budget_not_kept_to_is_said():
    trial = propose_experiment(shop(), NOW, scores("N"), RATIOS, budget=500.0)
    assert "The budget of 500 USD was not kept to" in trial.to_dict()["not_kept"]
    one = trial.promotions[0]
    assert (one.contacts, one.held) == (5, 5)
    assert one.visible == smallest_effect(5, 5, sd=one.adjusted_sd)
    assert "of the 10 active customers contact half about Coupons N" in trial.summary()
    assert trial.to_dict()["experiment"]["N"]["weeks_needed"] == one.weeks_needed
    trial = propose_experiment(shop(), NOW, scores("N", "T"), RATIOS)
    assert [(p.contacts, p.held) for p in trial.promotions] == [(4, 3), (3, 3)]
    assert "contact 4 each about Coupons N or Recommendation T" in trial.say("would")
    quiet = propose_experiment(shop(), NOW, scores("N").head(0), RATIOS)
    assert not quiet.promotions and quiet.summary().startswith("Nothing starts this week")
    expected = {"by_effect": False, "experiment": {}, "summary": quiet.summary(), "not_kept": ""}
    assert quiet.to_dict() == expected
