"""Lists of several sizes: the planned one is the plan's, longer ones add the next likeliest."""

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.economics import LaunchEconomics, launch_economics
from promolab.campaign.outlook.lists import list_steps
from promolab.campaign.plan.planning import plan_week
from tests.campaign.test_economics import NOW, RATIOS, shop


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    n = 400
    scores = pd.DataFrame({"customer_id": [f"c{i}" for i in range(n)], "promotion_id": "N"})
    scores["p_redeemed"] = rng.uniform(0.01, 0.6, n)
    scores["support"] = np.where(np.arange(n) % 4 == 0, "new_customer", "inside")
    keen = np.where(scores["p_redeemed"] > 0.35, "Keen", "Slow")
    segments = scores[["customer_id"]].assign(segment=keen)
    own = shop()
    plan = plan_week(own, scores, NOW, ["N"], list_size=120, holdout=0.2, standing_holdout=0.0)
    return own, plan, launch_economics(own, NOW, plan.planned, RATIOS), scores, segments


def test_the_planned_size_is_the_plans_and_each_step_adds_the_next_likeliest(made) -> None:
    own, plan, economics, scores, segments = made
    table = list_steps(own, plan, economics, scores, segments, RATIOS).frame
    (row,) = economics.promotions
    (planned,) = table[table["planned"]].to_dict("records")
    assert planned["contacts"] == row.contacts
    for name in ("redemptions", "cost", "break_even"):
        e = getattr(row, name)
        found = [planned[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert found == pytest.approx([e.value, e.ci_low, e.ci_high])
    n, held = len(plan.to_contact), len(plan.held_out)
    assert table["contacts"].tolist() == [n // 2, n, 2 * n, 400 - held]
    assert table["added"].sum() == 400 - held and table["added"].tolist()[0] == n // 2
    assert table["redemptions"].is_monotonic_increasing
    assert table["whom"].iloc[0] == "100 % Keen" and table["whom"].iloc[-1].endswith("Slow")
    assert table["never"].between(0, 1).all() and 0.15 < table["never"].mean() < 0.35
    ranked = scores[~scores["customer_id"].isin(plan.held_out["customer_id"])]
    # Everything in a row is of the whole list, not of what the step adds to it.
    lists = (ranked.nlargest(size, "p_redeemed") for size in table["contacts"])
    whole = [rows["support"].eq("new_customer").mean() for rows in lists]
    assert table["never"].tolist() == pytest.approx(whole)
    best = ranked.nlargest(2 * n, "p_redeemed")["p_redeemed"].sum()
    double = table.loc[table["contacts"] == 2 * n, "redemptions"].iloc[0]
    first = ranked.nlargest(n, "p_redeemed")["p_redeemed"].sum()
    once = table.loc[table["planned"], "redemptions"].iloc[0]
    assert double / once == pytest.approx(best / first)


def test_the_table_marks_the_planned_list_and_a_quiet_week_has_none(made) -> None:
    own, plan, economics, scores, segments = made
    found = list_steps(own, plan, economics, scores, segments, RATIOS)
    text = found.to_table().text
    assert "Coupons N: shortest list first" in text and text.count("class=marked") == 1
    assert " · planned" in text and ">promotion<" not in text and found.of("other").frame.empty
    plan, nothing = plan_week(own, scores.head(0), NOW, []), LaunchEconomics(())
    found = list_steps(own, plan, nothing, scores, segments, RATIOS)
    assert found.frame.empty and found.summary() == "Nobody is to be contacted."
