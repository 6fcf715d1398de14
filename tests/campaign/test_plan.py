"""The weekly plan: worked out by hand for any shop, as an allocation chose, changed by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promolab.campaign.past.assignment import doubtful_ratio, obstacle, read_decisions
from promolab.campaign.plan import Overrides, override_plan
from promolab.campaign.plan.contact_records import quarantined_customers
from promolab.campaign.plan.planning import plan_week
from promolab.campaign.plan.result import LEFT, Plan
from promolab.contract.operations import ContactLimit, ContactRules
from tests.campaign.made_up import AS_OF, DAY, SEEDS, by_hand, case_of, check_whole, coupons
from tests.drawn import bars_of
from tests.draws import draws
from tests.refused import refused

SEED = st.integers(0, 2**32 - 1)


def steps_of(plan: Plan) -> dict[tuple[Any, str], str]:
    """Where each customer leaves each promotion's funnel; ``planned`` if nowhere."""
    held = ["held_out_standing", "held_out_promotion", "to_contact"]
    step = plan.steps["step"].astype(str)
    found = step.where(~step.isin(held), "planned")
    keys = zip(plan.steps["customer_id"], plan.steps["promotion_id"].astype(str), strict=True)
    return dict(zip(keys, found, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_rule_decides_in_a_plan_worked_out_by_hand(seed):
    case = case_of(seed)
    assert steps_of(case.plan()) == by_hand(case)


@settings(max_examples=draws(4, most=100))
@given(SEED)
def test_any_plan_is_the_one_worked_out_by_hand_and_adds_up(seed):
    case = case_of(seed)
    plan = case.plan()
    assert steps_of(plan) == by_hand(case)
    check_whole(plan, case.scores["customer_id"].nunique())
    assert not plan.planned.duplicated(["customer_id", "promotion_id"]).any()
    decisions = plan.decisions
    left = set(plan.steps.loc[~plan.steps["step"].isin(LEFT), "customer_id"])
    assert left <= set(decisions["customer_id"])
    sent = (1 - plan.holdout) * (1 - plan.standing_holdout)
    assert (decisions.loc[decisions["action"] != "none", "propensity"] == sent).all()
    assert (decisions["ts"] == AS_OF).all()
    if "customers" in case.frames:  # households are held out as one
        homes = case.frames["customers"].dropna(subset="cluster_id")
        rows = plan.planned.merge(homes, on="customer_id")
        kinds = rows[["action", "cluster_id", "holdout"]].drop_duplicates()
        assert not kinds.duplicated(["action", "cluster_id"]).any()


@settings(max_examples=draws(2, most=50))
@given(SEED, SEED)
def test_the_order_of_rows_and_what_comes_later_change_nothing(seed, other):
    case = case_of(seed)
    plan, again = case.plan(), case.shuffled(np.random.default_rng(other)).plan()
    earlier = {
        name: frame[frame["ts"] < AS_OF] if name in ("exposures", "responses") else frame
        for name, frame in case.frames.items()
    }
    past = replace(case, frames=earlier).plan()
    for name in ("funnel", "steps", "planned", "decisions", "propensities"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(plan, name))
        pd.testing.assert_frame_equal(getattr(past, name), getattr(plan, name))
    assert again.notes == plan.notes


def test_propensities_match_the_shares_drawn_of_whole_households():
    n = 6_000
    homes = pd.DataFrame({"customer_id": np.arange(n), "cluster_id": np.arange(n) // 3})
    shop, scores = coupons(n, customers=homes)
    sizes = {"holdout": 0.2, "standing_holdout": 0.1, "list_size": 4_800}
    plan = plan_week(shop, scores, AS_OF, [7], seed=3, **sizes)
    assert plan.funnel["not_planned"].tolist() == [1_200] and len(plan.decisions) == n
    rows = plan.decisions[plan.decisions["planned_action"] == "7"]
    assert rows["customer_id"].tolist() == list(range(4_800))
    for holdout, chance in {"none": 0.72, "standing": 0.1, "promotion": 0.18}.items():
        noise = np.sqrt(chance * (1 - chance) / (4_800 / 3))
        assert abs((rows["holdout"] == holdout).mean() - chance) < 4 * noise
    assert rows["propensity"].round(12).unique().tolist() in ([0.72, 0.28], [0.28, 0.72])


def test_the_standing_holdout_is_the_same_every_week_and_for_those_planned_for_nothing():
    shop, scores = coupons(500)

    def held(plan: Plan, why: str) -> set[int]:
        return set(plan.decisions.query("holdout == @why")["customer_id"])

    first = plan_week(shop, scores, AS_OF, [7], list_size=400, standing_holdout=0.3)
    options = {"list_size": 300, "standing_holdout": 0.3, "seed": 9}
    later = plan_week(shop, scores.head(300), AS_OF + 7 * DAY, [7], **options)
    out = (first.planned["holdout"] != "none").sum()
    assert f"{out} of the 400 planned are held back" in first.summary() and out > 0
    widths = [bar.get_width() for bar in bars_of(first.plot())]
    assert [widths[0], widths[-1]] == [500, 400 - out]
    early = {c for c in held(first, "standing") if c < 300}
    assert held(later, "standing") == early and len(early) > 50
    assert held(later, "promotion") != {c for c in held(first, "promotion") if c < 300}
    few, many = (
        plan_week(shop, scores, AS_OF, [7], list_size=n, standing_holdout=0.3) for n in (100, 500)
    )
    assert held(few, "standing") == held(many, "standing") and len(few.planned) == 100
    rows = few.decisions[few.decisions["planned_action"] == "none"]
    assert set(rows["holdout"]) == {"none", "standing"} and set(rows["propensity"]) == {1.0}


def test_days_are_counted_by_the_shops_clocks_and_a_released_contact_once():
    # Rome's clocks go forward on 28 March 2021, between the contact and the sending.
    made = pd.DataFrame({"promotion_id": 7, "customer_id": [0, 1], "channel": "email"})
    made["ts"] = pd.to_datetime(["2021-03-23 23:00", "2021-03-23 23:01"])
    shop, scores = coupons(3, exposures=made)
    rules = ContactRules(limits=(ContactLimit(1, 7, "email"),))
    zone = shop.with_tables(shop.tables, settings=type(shop.settings)(zone="Europe/Rome"))
    monday = pd.Timestamp("2021-03-28 22:00")  # as_of; the plan is sent two days later
    plan = plan_week(zone, scores, monday, [7], rules=rules, list_size=3, lead_days=2)
    over = plan.steps.query("step == 'over_limit'")["customer_id"].tolist()
    assert over == [1]  # exactly seven days before is seven days before
    made = pd.DataFrame({"promotion_id": 6, "customer_id": [0, 1], "ts": AS_OF - DAY})
    others = pd.DataFrame({"promotion_id": [5, 6, 7], "kind": "coupon", "channel": "email"})
    others = others.assign(starts_at=AS_OF - 9 * DAY, ends_at=AS_OF + np.array([0, 2, 9]) * DAY)
    shop, scores = coupons(4, exposures=made, promotions=others)
    owed = pd.DataFrame({"promotion_id": [6, 6], "customer_id": [1, 2], "ts": AS_OF})
    rival = ContactRules(exclusive=(("6", "7"),))
    for rules, lead, barred in [
        (ContactRules(limits=(ContactLimit(2, 9),)), 1, {}),
        (ContactRules(limits=(ContactLimit(1, 9),)), 1, {"over_limit": [0, 1, 2]}),
        (rival, 1, {"excluded": [0, 1, 2]}),
        (rival, 2, {}),  # 6 ends at the moment of the sending
    ]:
        sizes = {"list_size": 4, "lead_days": lead}
        plan = plan_week(shop, scores, AS_OF, [7], rules=rules, planned=owed, **sizes)
        rows = plan.steps[plan.steps["step"].isin(LEFT)]
        found = rows.groupby(rows["step"].astype(str))["customer_id"].apply(list)
        assert found.to_dict() == barred


def test_consent_is_checked_or_not_and_the_quarantined_are_out():
    shop, scores = coupons(4)
    plan = plan_week(shop, scores, AS_OF, [7], list_size=4)
    assert "Consent was not checked: Shop has no table of contact rights." in plan.notes
    assert "(not checked)" in plan.to_table().text
    rights = pd.DataFrame({"customer_id": [0, 0, 1, 2], "allowed": [True, False, True, True]})
    rights["channel"] = ["email", "EMAIL", "email", "sms"]
    shop, scores = coupons(4, contact_rights=rights)
    plan = plan_week(shop, scores, AS_OF, [7], list_size=4)
    assert plan.planned["customer_id"].tolist() == [1]
    assert "Contact rights of 1 active customer contradict each other" in plan.summary()
    assert "2 active customers without a contact right on email" in plan.summary()
    assert "not checked" not in f"{plan.summary()}{plan.to_table().text}"
    homes = pd.DataFrame({"customer_id": [1, 0], "status": "ok"})
    shop, scores = coupons(3, customers=homes)
    rows = ['{"customer_id": 2}', '{"customer_id": 0}', '{"customer_id": null}']
    table = pd.DataFrame({"table": "customers", "rule": "missing_key", "row": rows})
    assert quarantined_customers(coupons(3)[0], table) == ["0", "2"]
    found = quarantined_customers(shop, table)
    assert found == ["2"]  # a row of customer 0 is still there
    plan = plan_week(shop, scores, AS_OF, [7], list_size=3, quarantined=found)
    assert plan.steps.query("step == 'status'")["customer_id"].tolist() == [2]
    assert 2 not in plan.decisions["customer_id"].tolist()


def test_a_bundle_not_whole_a_quiet_week_and_nobody_scored_are_sentences():
    shop, scores = coupons(3)
    rules = ContactRules(bundles={"summer": ("7", "8")})
    plan = plan_week(shop, scores, AS_OF, [7], rules=rules, list_size=2)
    assert plan.promotions["action"].tolist() == ["7"]
    assert any("summer does not start as a whole (8 missing)" in note for note in plan.notes)
    bad, (named, few) = ContactRules(bundles={"Q": ("P", "Q")}), coupons(3, "PQ")
    refused("is called like a promotion", plan_week, named, few, AS_OF, [*"QP"], rules=bad)
    quiet = plan_week(shop, scores, AS_OF, [])
    assert quiet.summary() == "No promotion starts this week; nobody is to be contacted."
    assert quiet.funnel.empty and quiet.decisions.empty and quiet.planned.empty
    refused("nothing to draw: No promotion starts", quiet.plot)
    nobody = plan_week(shop, scores.head(0), AS_OF, [7], list_size=5)
    assert nobody.funnel["active"].tolist() == [0] and nobody.decisions.empty
    unknown = plan_week(shop, scores, AS_OF, [7])
    assert unknown.planned.empty and "state list_size" in unknown.summary()


def test_wrong_options_scores_and_promotions_are_said():
    shop, scores = coupons(3)
    for options, message in [
        ({"holdout": 0}, "holdout = 0; expected a share between 0 and 1: with nobody held back"),
        ({"holdout": 1}, r"holdout = 1; .* that holds everybody back"),
        ({"holdout": 10}, r"holdout = 10; expected a share between 0 and 1 \(0.1, not 10\)"),
        ({"standing_holdout": 1.0}, r"standing_holdout = 1.0; .* that holds everybody back"),
        ({"list_size": -5}, "list_size = -5; expected a whole number from 0 on"),
        ({"list_size": {7: "x"}}, "list_size of 7 = 'x'; expected a whole number"),
        ({"seed": "one"}, "seed = 'one'; expected a whole number"),
        ({"lead_days": -1}, "lead_days = -1; expected a whole number from 0 on"),
    ]:
        refused(message, plan_week, shop, scores, AS_OF, [7], **options)
    for change, message in [
        (lambda s: s.drop(columns="p_redeemed"), "no column 'p_redeemed' in scores"),
        (lambda s: pd.concat([s, s.head(1)]), "more than once"),
        (lambda s: s.assign(p_redeemed=1.5), "no chance between 0 and 1"),
        (lambda s: s.assign(p_redeemed=np.nan), "no chance between 0 and 1"),
        (lambda s: s.assign(promotion_id=8), "scores lacks 3 pairs"),
    ]:
        refused(message, plan_week, shop, change(scores), AS_OF, [7], list_size=2)
    refused("promotions names '8', which the shop does", plan_week, shop, scores, AS_OF, [8])


N, MANY = 40, 60
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
    check_whole(plan, N)
    # Sent with q (1 − 0.1) (1 − 0.2); nothing is all that is left, whoever is held out.
    every = plan.propensities.groupby("action")["propensity"].first()
    assert every.round(6).to_dict() == {"7": 0.396, "8": 0.108, "none": 0.496}
    assert (plan.funnel[["not_planned"]].to_numpy() == 15).all()
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


def drafted(allocated=False):
    """A plan of two coupons; and what contacts are predicted to add, where chance drew them."""
    shop, scores = coupons(MANY, (7, 8))
    rng = np.random.default_rng(5)
    scores["p_redeemed"] = rng.random(len(scores))
    values = allocation_of(rng.choice(list(CHANCES), MANY, p=list(CHANCES.values())))
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
    check_whole(done.plan, MANY)
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
    check_whole(done.plan, MANY)
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
    check_whole(done.plan, MANY)
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
    everybody = dict.fromkeys(range(MANY), "closed")
    done = override_plan(plan, Overrides(("8",), {"7": 3}, everybody))
    check_whole(done.plan, MANY)
    assert done.plan.planned.empty and done.plan.propensities.empty
    assert len(done.frame) == MANY + 2 and done.frame["number"].tolist() == [*range(1, MANY + 3)]
    some = override_plan(plan, Overrides(("8",), {"7": 3}, {0: "closed"}))
    check_whole(some.plan, MANY)
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


def test_whom_a_step_bars_is_shown_with_the_next_step_where_they_are_too_few():
    shop, scores = coupons(500)
    plan = plan_week(shop, scores, AS_OF, [7], list_size=400)
    few = plan.funnel.assign(no_right=3, status=4, over_limit=20, not_planned=73)
    plan = replace(plan, funnel=few, consent=True)
    assert plan.least == 10 and plan.to_dict()["funnel"]["7"]["no_right"] == 3
    bars = bars_of(plan.plot())
    assert [bar.get_width() for bar in bars[:2]] == [500, 473] and len(bars) == 6
    text = plan.to_table().text
    assert all(f">{left}<" not in text for left in (497, 493)) and ">473<" in text
    assert "A dash: too few" in text and "A dash" not in replace(plan, least=1).to_table().text
    drawn = plan.facts()["rows"]()
    assert (
        drawn["step"].iloc[1].startswith("− no right to contact, status is never contacted, over")
    )
    assert drawn["gone"].iloc[1] == 27
