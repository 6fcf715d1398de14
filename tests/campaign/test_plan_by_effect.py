"""A plan whose customers an allocation chose: whom it takes, and the chances written down."""

import numpy as np
import pandas as pd

from promolab.campaign.past.assignment import doubtful_ratio, obstacle, read_decisions
from promolab.campaign.plan.planning import plan_week
from tests.campaign.made_up import AS_OF, DAY, coupons
from tests.refused import refused

N = 40
CHANCES = {"7": 0.55, "8": 0.15, "none": 0.3}
"""What the allocation draws from, for everybody."""


def allocation_of(choices: np.ndarray, chances: dict[str, float] | None = None) -> pd.DataFrame:
    """A row per customer and action; ``choices`` says which was drawn."""
    rows = pd.DataFrame([*(chances or CHANCES).items()], columns=["action", "propensity"])
    rows = pd.DataFrame({"customer_id": range(len(choices))}).merge(rows, how="cross")
    return rows.assign(chosen=rows["action"] == choices[rows["customer_id"]])


def test_an_allocation_says_who_is_planned_how_likely_each_action_was_and_must_fit():
    shop, scores = coupons(N, (7, 8))
    rows = allocation_of(np.repeat(["7", "8", "none"], [20, 5, 15]))
    shares = {"holdout": 0.2, "standing_holdout": 0.1}
    plan = plan_week(shop, scores, AS_OF, [7, 8], allocation=rows, **shares)
    assert plan.planned.groupby("promotion_id").size().to_dict() == {7: 20, 8: 5}
    assert plan.promotions["list_size"].tolist() == [20, 5] and plan.by_effect
    told = plan.propensities.groupby("decision_id")["propensity"]
    assert np.allclose(told.sum(), 1) and (told.size() == 3).all()
    # Sent with q (1 − 0.1) (1 − 0.2); nothing is all that is left, whoever is held out.
    every = plan.propensities.groupby("action")["propensity"].first()
    assert every.round(6).to_dict() == {"7": 0.396, "8": 0.108, "none": 0.496}
    done = plan.decisions.merge(plan.propensities, on=["decision_id", "action"])
    assert len(done) == N and (done["propensity_x"] == done["propensity_y"]).all()
    assert (plan.funnel[["not_planned"]].to_numpy() == 15).all()
    assert "not worth it, or outside the budget" in plan.to_table().text
    assert "not among the likeliest" not in plan.to_table().text
    for change, message in [
        (lambda a: a.assign(propensity=0.5), "must add up to 1"),
        (lambda a: a.assign(chosen=True), "one action of each customer must be the chosen one"),
        (lambda a: a.assign(action=a["action"].replace("7", "9")), "action '9' is none"),
        (lambda a: pd.concat([a, a]), "more than once"),
        (lambda a: a.drop(columns="chosen"), "no column 'chosen' in allocation"),
    ]:
        rows = change(allocation_of(np.full(N, "8")))
        refused(message, plan_week, shop, scores, AS_OF, [7, 8], allocation=rows)


def test_what_is_not_measured_stays_ranked_and_who_may_not_be_contacted_keeps_nothing():
    shop, scores = coupons(N, (7, 8))
    rows = allocation_of(np.full(N, "7"), {"7": 0.9, "none": 0.1})
    plan = plan_week(shop, scores, AS_OF, [7, 8], allocation=rows, list_size={8: 10})
    assert plan.planned.groupby("promotion_id").size().to_dict() == {7: 30, 8: 10}
    ranked = plan.decisions["planned_action"] == "8"
    told = plan.decisions[ranked].merge(plan.propensities, on="decision_id")
    assert set(told["action_y"]) == {"8", "none"}  # their list is no draw: 7 was not possible
    rights = pd.DataFrame({"customer_id": [0, 1], "channel": "email", "allowed": [True, False]})
    shop, scores = coupons(2, (7, 8), contact_rights=rights)
    rows = allocation_of(np.full(2, "7"))
    plan = plan_week(shop, scores, AS_OF, [7, 8], allocation=rows)
    assert plan.planned["customer_id"].tolist() == [0]
    assert "1 customer of the allocation may not be contacted." in plan.notes


def test_a_readout_takes_an_allocations_chances_as_they_are():
    n, rng = 300, np.random.default_rng(5)
    chance = np.where(rng.random(n) < 0.5, 0.8, 0.1)
    drawn = rng.random(n) < chance
    rows = allocation_of(np.where(drawn, "7", "none"), {"7": 0.0, "none": 0.0})
    rows["propensity"] = np.column_stack([chance, 1 - chance]).ravel()
    shop, scores = coupons(n)
    plan = plan_week(shop, scores, AS_OF, [7], allocation=rows)
    tables = {"decisions": plan.decisions, "decision_propensities": plan.propensities}
    found = read_decisions(coupons(n, **tables)[0], ["7"], AS_OF + 30 * DAY)
    assert obstacle(found) == "" and doubtful_ratio(found) == ""
    assert np.allclose(found["chance"], 0.855 * chance[found["customer_id"].to_numpy(int)])
