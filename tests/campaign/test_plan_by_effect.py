"""A plan whose customers an allocation chose: whom it takes, and the chances written down."""

from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.past.assignment import doubtful_ratio, obstacle, read_decisions
from promolab.campaign.plan.planning import plan_week
from promolab.campaign.plan.result import Plan
from promolab.campaign.readout.holdout import compare_with_holdout
from tests.campaign.made_up import AS_OF, DAY, typed
from tests.made_up import shop_of
from tests.refused import refused

N = 40
CHANCES = {"7": 0.55, "8": 0.15, "none": 0.3}
"""What the allocation draws from, for everybody."""


def shop_and_scores(n: int = N, ids: tuple[int, ...] = (7, 8), **frames: pd.DataFrame) -> Any:
    events = pd.DataFrame({"customer_id": np.arange(n), "ts": AS_OF - DAY, "kind": "purchase"})
    table = pd.DataFrame({"promotion_id": [*ids], "kind": "coupon", "channel": "email"})
    table = table.assign(starts_at=AS_OF + DAY, ends_at=AS_OF + 11 * DAY)
    scores = pd.concat(
        pd.DataFrame({"customer_id": np.arange(n), "promotion_id": i, "p_redeemed": 0.01 * i})
        for i in ids
    )
    return shop_of(typed({"events": events, "promotions": table} | frames)), scores


def allocation_of(choices: np.ndarray, chances: dict[str, float] | None = None) -> pd.DataFrame:
    """A row per customer and action; ``choices`` says which was drawn."""
    chances = CHANCES if chances is None else chances
    drawn = [(c, a, q) for c in range(len(choices)) for a, q in chances.items()]
    rows = pd.DataFrame(drawn, columns=["customer_id", "action", "propensity"])
    return rows.assign(chosen=rows["action"] == choices[rows["customer_id"]])


def plan_by(choices: np.ndarray, **options: Any) -> Plan:
    shop, scores = shop_and_scores(len(choices))
    return plan_week(shop, scores, AS_OF, [7, 8], allocation=allocation_of(choices), **options)


def test_an_allocation_says_who_is_planned_how_likely_each_action_was_and_must_fit():
    plan = plan_by(np.repeat(["7", "8", "none"], [20, 5, 15]), holdout=0.2, standing_holdout=0.1)
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
        shop, scores = shop_and_scores(3)
        rows = change(allocation_of(np.full(3, "8")))
        refused(message, plan_week, shop, scores, AS_OF, [7, 8], allocation=rows)


def test_what_is_not_measured_stays_ranked_and_who_may_not_be_contacted_keeps_nothing():
    shop, scores = shop_and_scores(ids=(7, 8))
    rows = allocation_of(np.full(N, "7"), {"7": 0.9, "none": 0.1})
    plan = plan_week(shop, scores, AS_OF, [7, 8], allocation=rows, list_size={8: 10})
    assert plan.planned.groupby("promotion_id").size().to_dict() == {7: 30, 8: 10}
    ranked = plan.decisions["planned_action"] == "8"
    told = plan.decisions[ranked].merge(plan.propensities, on="decision_id")
    assert set(told["action_y"]) == {"8", "none"}  # their list is no draw: 7 was not possible
    rights = pd.DataFrame({"customer_id": [0, 1], "channel": "email", "allowed": [True, False]})
    shop, scores = shop_and_scores(2, contact_rights=rights)
    rows = allocation_of(np.array(["7", "7"]))
    plan = plan_week(shop, scores, AS_OF, [7, 8], allocation=rows)
    assert plan.planned["customer_id"].tolist() == [0]
    assert "1 customer of the allocation may not be contacted." in plan.notes


def test_a_readout_takes_an_allocations_chances_as_they_are():
    """Chances differ between customers, so those who got nothing stand for those who got it."""
    n, rng = 3000, np.random.default_rng(5)
    eager = rng.random(n) < 0.5  # whom the allocation prefers, and who spend more anyway
    chance = np.where(eager, 0.8, 0.1)
    drawn = rng.random(n) < chance
    rows = pd.DataFrame({"customer_id": np.repeat(np.arange(n), 2), "action": ["7", "none"] * n})
    rows["propensity"] = np.column_stack([chance, 1 - chance]).ravel()
    rows["chosen"] = np.column_stack([drawn, ~drawn]).ravel()
    shop, scores = shop_and_scores(n, ids=(7,))
    plan = plan_week(shop, scores, AS_OF, [7], allocation=rows)
    tables = {"decisions": plan.decisions, "decision_propensities": plan.propensities}
    later, _ = shop_and_scores(n, ids=(7,), **tables)
    found = read_decisions(later, ["7"], AS_OF + 30 * DAY)
    assert obstacle(found) == "" and doubtful_ratio(found) == ""
    got = found["arm"] == "assigned"
    assert np.allclose(found["chance"], 0.855 * chance[found["customer_id"].to_numpy(int)])
    sales = pd.Series(10.0 + 20.0 * eager, index=np.arange(n))
    sales[found.loc[got, "customer_id"]] += 3.0
    buyers = pd.Series([], dtype=int)
    compared = compare_with_holdout(7, found, sales, buyers, buyers)
    assert compared.sales is not None and compared.holdout == "chance"
    assert compared.sales.estimate.ci_low < 3.0 < compared.sales.estimate.ci_high
    spent = [sales[found.loc[which, "customer_id"]].mean() for which in (got, ~got)]
    assert spent[0] - spent[1] > 8
