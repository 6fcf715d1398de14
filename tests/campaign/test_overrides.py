"""What is changed of a plan by hand: lists, decisions, chances and counts go together."""

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.plan import Overrides, override_plan, plan_week
from tests.campaign.made_up import AS_OF, check_whole, coupons
from tests.campaign.test_plan import CHANCES, allocation_of
from tests.refused import refused

N = 60


def drafted(allocated=False):
    """A plan of two coupons; and what contacts are predicted to add, where chance drew them."""
    shop, scores = coupons(N, (7, 8))
    rng = np.random.default_rng(5)
    scores["p_redeemed"] = rng.random(len(scores))
    values = allocation_of(rng.choice(list(CHANCES), N, p=list(CHANCES.values())))
    values["value"] = rng.normal(size=len(values))
    sizes = {"holdout": 0.2, "standing_holdout": 0.1, "list_size": 25}
    allocation = values if allocated else None
    return plan_week(shop, scores, AS_OF, [7, 8], allocation=allocation, **sizes), values


def chances_of(propensities: pd.DataFrame) -> pd.Series:
    return propensities.set_index(["decision_id", "action"])["propensity"].sort_index()


@pytest.mark.parametrize("allocated", [False, True])
def test_who_is_forced_out_is_not_eligible_and_in_no_comparison(allocated):
    plan, _ = drafted(allocated)
    held = plan.held_out["customer_id"].iloc[0]
    other = plan.to_contact["customer_id"].iloc[0]
    done = override_plan(plan, Overrides(forced_out={held: "asked", str(other): " staff "}))
    check_whole(done.plan, N)
    gone = [held, other]
    assert not done.plan.planned["customer_id"].isin(gone).any()
    steps = done.plan.steps[done.plan.steps["customer_id"].isin(gone)]
    assert set(steps["step"]) <= {"by_hand", "excluded"}
    assert done.plan.funnel["by_hand"].sum() >= 2
    kept = plan.decisions[~plan.decisions["customer_id"].isin(gone)].reset_index(drop=True)
    pd.testing.assert_frame_equal(done.plan.decisions, kept)
    told = done.frame[["customer_id", "reason", "planned"]].to_numpy().tolist()
    assert told == [[str(held), "asked", 1], [str(other), "staff", 1]]


@pytest.mark.parametrize("allocated", [False, True])
def test_a_promotion_taken_out_is_an_action_of_nobody(allocated):
    plan, _ = drafted(allocated)
    done = override_plan(plan, Overrides(without=("7",)))
    check_whole(done.plan, N)
    assert not (done.plan.propensities["action"] == "7").any()
    row = done.plan.funnel.set_index("promotion_id").loc[7]
    assert row["planned"] == 0 and row["by_hand"] == plan.funnel["planned"].iloc[0]
    # What else was possible keeps its chance; that of the promotion goes to nothing.
    was, now = (p.propensities.query("action == '8'") for p in (plan, done.plan))
    assert chances_of(now).equals(chances_of(was))
    standing = plan.decisions["holdout"].eq("standing")
    assert done.plan.decisions["holdout"].eq("standing").equals(standing)


@pytest.mark.parametrize("allocated", [False, True])
@pytest.mark.parametrize("most", [0, 1, 9, 24, 500])
def test_a_cap_keeps_the_best_whoever_is_held_out(allocated, most):
    plan, values = drafted(allocated)
    done = override_plan(plan, Overrides(caps={"7": most}), values)
    check_whole(done.plan, N)
    before, kept = (p.planned.query("promotion_id == 7") for p in (plan, done.plan))
    assert len(kept) == min(most, len(before))
    score = values[values["action"] == "7"].set_index("customer_id")["value"]
    if not allocated:
        score = before.set_index("customer_id")["p_redeemed"]
    ranked = before.assign(score=before["customer_id"].map(score).to_numpy())
    best = ranked.sort_values("score", ascending=False)["customer_id"].head(most)
    assert set(kept["customer_id"]) == set(best)
    # Given the cap, whoever ranks below the last on the list has no chance of it, drawn or not.
    chances = done.plan.propensities.merge(done.plan.decisions, on="decision_id")
    able = chances.loc[chances["action_x"] == "7", "customer_id"]
    if 0 < most < len(before):
        assert (score[able] >= score[best].min()).all()
        mine = chances_of(done.plan.propensities.query("action != 'none'"))
        assert mine.equals(chances_of(plan.propensities)[mine.index])
    left, other = (p.planned.query("promotion_id == 8") for p in (done.plan, plan))
    pd.testing.assert_frame_equal(left.reset_index(drop=True), other.reset_index(drop=True))


def test_all_at_once_nothing_at_all_and_what_is_not_in_the_plan():
    plan, _ = drafted()
    assert override_plan(plan, Overrides()).plan.decisions.equals(plan.decisions)
    everybody = dict.fromkeys(range(N), "closed")
    done = override_plan(plan, Overrides(("8",), {"7": 3}, everybody))
    check_whole(done.plan, N)
    assert done.plan.planned.empty and done.plan.propensities.empty
    assert len(done.frame) == N + 2 and done.frame["number"].tolist() == [*range(1, N + 3)]
    some = override_plan(plan, Overrides(("8",), {"7": 3}, {0: "closed"}))
    check_whole(some.plan, N)
    assert len(some.plan.planned) == 3
    for wrong, said in [
        (Overrides(without=("9",)), "promotion '9' is none of the plan's; these are: 7, 8"),
        (Overrides(caps={"9": 1}), "promotion '9' is none"),
        (Overrides(caps={"7": -1}), "cap"),
        (Overrides(forced_out={"999": "x"}), "customer '999' is none of the plan's active"),
        (Overrides(forced_out={"ann": "x"}), "customer 'ann' is none of the plan's active"),
        (Overrides(forced_out={1: "  "}), "customer 1 is forced out without a reason"),
    ]:
        refused(said, override_plan, plan, wrong)


def test_a_file_says_who_is_forced_out_and_why(tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("customer_id,reason\n007,staff\n8,asked\n")
    assert Overrides.read(file) == {"007": "staff", "8": "asked"}
    file.write_text("customer_id\n1\n")
    refused("reason", Overrides.read, file)
    file.write_text("customer_id,reason\n1,a\n1,b\n")
    refused("customer 1 stands there twice", Overrides.read, file)
    refused("there is no file", Overrides.read, tmp_path / "none.csv")
