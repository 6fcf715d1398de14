"""Who gets what this week: the budget, chance, limits, and what a plan makes of it."""

import numpy as np
import pandas as pd
import pytest

from promolab import UpliftModel
from promolab.campaign.outlook import charged, plan_economics
from promolab.campaign.plan import write_send
from promolab.campaign.plan.planning import plan_week
from promolab.campaign.spending.budget_decision import week_policy
from promolab.campaign.worth import load_worth, save_effects
from promolab.features import decisions_experiment
from promolab.policy import SpendingTest
from promolab.report import begin_run
from promolab.report.pages.choice import MoneyHeadline
from promolab.results import Estimate
from promolab.sources import simulated
from promolab.wording import money as amount
from tests.refused import refused

SPENDING = "promolab.campaign.spending"
IDS = ["W16-coupon", "W16-limited_time_discount", "W16-recommendation"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder as the steps before leave it, of a shop whose decisions chance drew."""
    shop = simulated(customers=1_000, weeks=16, exploration=1.0)
    folder = tmp_path_factory.mktemp("run")
    run = begin_run(folder, source="simulated", week="2024-W37", shop=shop)
    past = shop.decisions.filter(shop.decisions.ts < pd.Timestamp(run.as_of))
    before = shop.with_tables({**shop.tables, "decisions": past})
    model = UpliftModel("dr", "ridge").fit(decisions_experiment(before, by="kind", early=True))
    save_effects(run, before, model, IDS)
    who = shop.customers.customer_id.execute().sort_values().to_numpy()
    scores = pd.DataFrame({"customer_id": np.tile(who, 3), "p_redeemed": 0.1, "support": "inside"})
    scores["promotion_id"] = np.repeat(IDS, len(who))
    run.write_table("scores", scores, by=["promotion_id", "customer_id"])
    run.write_table("outlook", pd.DataFrame({"promotion_id": IDS}), by="promotion_id")
    segments = pd.DataFrame({"customer_id": who, "segment": np.resize(["b", "a", "a"], len(who))})
    run.write_table("segments", segments, by="customer_id")
    empty = pd.DataFrame({"table": [], "rule": [], "row": []}, dtype=str)
    run.write_table("quarantine", empty, by="row")
    worth = load_worth(run, before, IDS)
    with pytest.MonkeyPatch.context() as patch:  # worked out once: every test asks for the same
        patch.setattr(f"{SPENDING}.budget_decision.load_worth", lambda *_: worth)
        yield run, before


def chosen(made, **options):
    return week_policy(*made, **options)


def shown(patch, loss):
    """Let this be the chance of a loss, whatever a small shop's decisions show."""
    told = SpendingTest(Estimate(9.0, 1.0, 17.0, 9), 3.0, 9, 0.95, "CNY", loss=loss)
    patch.setattr(f"{SPENDING}.budget_decision.spending_test", lambda *_, **__: told)


@pytest.fixture(scope="module")
def of_60(made):
    """A week whose budget is 60 and of which it is shown that spending pays."""
    with pytest.MonkeyPatch.context() as patch:
        shown(patch, loss=0.0)
        return chosen(made, budget=60.0)


@pytest.fixture
def paying(monkeypatch):
    shown(monkeypatch, loss=0.0)


def test_a_budget_is_kept_to_by_those_who_are_sent(made, paying, of_60):
    found = of_60
    assert 50.0 < found.answer.spend <= 60.0
    # The same figures stand everywhere on the page, what chance draws included.
    curve, plan = found.answer.budgets.frame, found.answer.policies.iloc[0]
    spent = found._by_promotion()["cost"].sum(), curve.loc[curve["chosen"], "budget"].item()
    assert [*spent, plan["spend"]] == pytest.approx([found.answer.spend] * 3)
    ends = found.answer.profit.ends
    assert plan[["value", "ci_low", "ci_high"]].tolist() == pytest.approx(ends)
    more = chosen(made, budget=90.0)
    assert (more.planned >= 0).sum() > (found.planned >= 0).sum()


def test_a_reserve_leaves_some_of_the_budget_unspent(made, paying):
    bold, careful = (chosen(made, budget=90.0, budget_risk=risk) for risk in (0.0, 0.1))
    assert careful.answer.spend < 0.95 * bold.answer.spend
    # Kept back are 1.28 deviations of what all share, and of each customer's own luck beside it.
    got, amounts = np.flatnonzero(careful.sent >= 0), careful.amounts
    column = np.array([amounts.place(one) for one in careful.allocation.promotions])
    at = careful.place[got], column[careful.sent[got]]
    shared = float(amounts.cost[at] @ amounts.cost_spread[at[1]])
    own = float(np.sqrt((amounts.cost_luck()[at] ** 2).sum()))
    kept_back = 90.0 - float(amounts.cost[at].sum())
    assert kept_back == pytest.approx(1.2816 * np.hypot(shared, own), rel=0.05) and own > shared / 2
    refused(r"budget_risk = 10; .* \(0.1, not 10\)", chosen, made, budget=9, budget_risk=10)


def test_every_open_action_keeps_its_least_chance_once_holdouts_are_drawn(made, of_60):
    run, shop = made
    rows = of_60.to_frame()
    plan = plan_week(shop, run.read_table("scores"), run.as_of, IDS, allocation=rows)
    assert set(plan.by_effect) == set(IDS)
    assert plan.propensities["propensity"].min() >= 0.02 - 1e-12
    assert np.allclose(plan.propensities.groupby("decision_id")["propensity"].sum(), 1)
    picked = rows.loc[rows["chosen"] & (rows["action"] != "none"), "customer_id"]
    assert sorted(plan.planned["customer_id"]) == sorted(picked)


@pytest.mark.parametrize("policy", ["ucb", "ts"])
def test_the_budget_may_go_by_what_is_little_known(made, paying, of_60, policy):
    found = chosen(made, budget=60.0, policy=policy)
    rows, greedy = found.to_frame(), of_60.to_frame()
    assert found.answer.spend <= 60.0 and (rows["propensity"] != greedy["propensity"]).any()
    assert np.allclose(rows.groupby("customer_id")["propensity"].sum(), 1)
    assert found.to_dict()["policy"] == policy and "little known is tried" in found.summary()
    refused("policy = 'best' is unknown", chosen, made, policy="best")


def test_where_it_is_not_shown_to_pay_chance_alone_spends(made, monkeypatch):
    shown(monkeypatch, loss=1.0)
    found = chosen(made)
    rows = found._by_promotion()
    assert (rows["contacts"] == rows["by_chance"]).all() and rows["contacts"].sum() > 0
    assert "spending more is not shown to pay" in found.summary()
    assert chosen(made, budget=0.0).allocation.spend == 0


def test_limits_come_from_a_file_and_a_wrong_one_is_said(made, paying, tmp_path):
    limits = tmp_path / "constraints.csv"
    limits.write_text("scope,unit,min,max\npromotion,W16-recommendation,,40\ngroup,a,,90\n")
    found = chosen(made, constraints=str(limits))
    assert (found.sent == IDS.index("W16-recommendation")).sum() <= 40
    segments = made[0].read_table("segments").set_index("customer_id")["segment"]
    sent = segments[found.allocation.customers[found.sent >= 0]].value_counts()
    assert sent["a"] <= 90 < sent["b"]
    limits.write_text("scope,unit,min,max\npromotion,W99,,5\n")
    refused("W99", chosen, made, constraints=str(limits))


def test_what_was_never_measured_stays_outside_of_the_budget(made, paying, monkeypatch):
    monkeypatch.setattr(f"{SPENDING}.budget_decision.known_terms", lambda *_: IDS[1:])
    found = chosen(made, budget=60.0, list_size=20)
    run, shop = made
    rows = found.to_frame()
    plan = plan_week(shop, run.read_table("scores"), run.as_of, IDS, allocation=rows, list_size=20)
    assert plan.planned.groupby("promotion_id").size()[IDS[0]] == 20
    assert set(plan.by_effect) == set(IDS[1:])


def test_one_plan_has_one_cost_one_value_one_holdout_wherever_they_are_printed(
    made, paying, of_60, tmp_path
):
    run, shop = made
    found = of_60
    found.write(run)
    assert run.read_table("frontier")["chosen"].sum() == 1
    allocated, scores = run.read_table("allocation"), run.read_table("scores")
    plan = plan_week(shop, scores, run.as_of, IDS, allocation=allocated)
    week = plan_economics(run, shop, plan)
    # Worked out again from the tables: who is sent what, and what each of them is charged.
    sent = plan.decisions[plan.decisions["action"] != "none"][["customer_id", "action"]]
    rows = sent.merge(allocated, on=["customer_id", "action"])
    assert len(rows) == len(sent) == len(plan.to_contact)
    money = rows.groupby("action")[["cost", "value", "discount", "anyway"]].sum()
    ends = {name: charged(mine, 0.0)[0].ends for name, mine in rows.groupby("action")}
    total, low, high = map(sum, zip(*ends.values(), strict=True))
    assert total == pytest.approx(money["cost"].sum()) and total <= 60.0
    told = run.metrics["policy"]
    # Page 07: the sentence, its table, the comparison, the waterfalls; and the first page's tile.
    words = amount(total, low, high, currency="CNY")
    assert found.opening().startswith(f"{words} of discounts")
    headline = MoneyHeadline(told, len(sent), "CNY")
    plans, tile = told["answer"]["policies"], headline.tiles()[2]
    assert tile.text == words
    for figure in (tile.value, told["answer"]["spend"], plans["the plan"]["spend"]):
        assert figure == pytest.approx(total)
    # The same offer for all stands beside it, and is recommended where the plan is not ahead of it.
    same, row = told["same_for_all"], plans["everybody, in random order"]
    assert same["promotion_id"] in IDS and same["profit"]["value"] == row["value"]
    assert same["as_good"] == (not row["difference_low"] > 0)
    assert same["summary"] in headline.sentence()
    held = plan.held_out.groupby("action").size()
    falls = {fall.promotion_id: fall for fall in found.waterfalls()[1:]}
    send = tmp_path / "send"
    costs = {str(p.promotion_id): p.cost.value for p in week.economics.promotions}
    control = write_send(plan, send, shop.settings, costs).set_index("file")
    for p in week.economics.promotions:
        name, mine = str(p.promotion_id), money.loc[str(p.promotion_id)]
        page = told["promotions"][name]
        cost = pytest.approx(mine["cost"])
        # Page 08 and the first page's table read these; and the list, holdout and value of 07.
        for figure in (p.cost.value, page["cost"], falls[name].cost.value):
            assert figure == cost
        assert p.cost.ends == pytest.approx(ends[name])
        assert page["cost_high"] == pytest.approx(ends[name][2])
        assert p.contacts == page["contacts"] == (sent["action"] == name).sum()
        assert page["customers"] - page["contacts"] == held.get(name, 0)
        value = pytest.approx(mine["value"])
        assert page["predicted"] == value and falls[name].net.value == value
        assert week.sizes.of(name).frame["cost"].item() == cost
        (file,) = (f for f in control.index if f.startswith(name))
        assert control.loc[file, "expected_cost"] == cost
        assert control.loc[file, "rows"] == p.contacts
        # What would have been bought anyway: of the discount, on both pages the same.
        share = mine["anyway"] / mine["discount"] if mine["discount"] else np.nan
        for figure in (falls[name].anyway, p.anyway_redeemers.value):
            assert figure == pytest.approx(share, nan_ok=True)
        for _, used in [falls[name].vouchers] if falls[name].vouchers else []:
            assert used == pytest.approx(p.redemptions.value)
    starts = week.finance.to_frame().query("state == 'starts'")
    assert starts["expected_cost"].sum() == pytest.approx(total)
