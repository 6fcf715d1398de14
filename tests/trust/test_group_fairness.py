"""Figures by group: worked by hand, against fairlearn, and by simulations with known truth."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.plan import Plan
from promolab.language import speaking
from promolab.policy import allocate
from promolab.results import Estimate
from promolab.sources import simulated
from promolab.trust import Fairness, fairness, floor_curve, group_fairness, week_fairness
from tests.draws import bounds, check_cover, draws
from tests.refused import refused

REGIONS = np.array(["north", "south", "east", "west"])


def shop(rng, n=5000, west=1.0, rate=0.3):
    """Return a plan's rows and regions; in the west so many times as many are contacted."""
    region = rng.choice(REGIONS, n, p=[0.45, 0.3, 0.1, 0.15])
    got = rng.random(n) < rate * np.where(region == "west", west, 1.0)
    sales = rng.lognormal(3, 1, n)
    off = np.where(got, sales * rng.gamma(2, 0.05, n), 0.0)
    rows = pd.DataFrame({"customer_id": np.arange(n), "contacted": got, "discount": off})
    return rows.assign(sales=sales), region


def told(found, measure, group):
    frame = found.frame
    (row,) = frame[(frame["measure"] == measure) & (frame["group"] == group)].to_dict("records")
    return row


def ends(row, of="value"):
    names = ("ci_low", "ci_high") if of == "value" else (f"{of}_low", f"{of}_high")
    return [row[name] for name in (of, *names)]


def test_figures_by_group_are_fairlearns():
    metrics = pytest.importorskip("fairlearn.metrics")
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    rows, region = shop(rng, west=0.6)
    p = rng.beta(1, 4, len(rows))
    rows = rows.assign(p=p, responded=(rng.random(len(rows)) < p) * 1)
    found = fairness(rows, region)
    figures = {
        "contacted": metrics.selection_rate,
        "discount": lambda y, off: off.mean(),
        "observed_expected": lambda y, p: y.sum() / p.sum(),
        "auc": roc_auc_score,
    }
    of = {"contacted": "contacted", "discount": "discount"}
    for measure, function in figures.items():
        asked = {"y_true": rows["responded"], "y_pred": rows[of.get(measure, "p")]}
        theirs = metrics.MetricFrame(metrics=function, sensitive_features=region, **asked)
        ours = found.levels().set_index("group")[measure]
        assert np.abs(ours - theirs.by_group[ours.index]).max() < 1e-12
        if measure == "contacted":
            asked |= {"sensitive_features": region}
            gap = metrics.demographic_parity_difference(**asked)
            assert abs(ours.max() - ours.min() - gap) < 1e-12
            ratio = metrics.demographic_parity_ratio(**asked)
            assert abs(ours.min() / ours.max() - ratio) < 1e-12


def test_every_figure_by_hand():
    number = np.arange(400)
    group = np.where(number < 100, "a", "b")
    got, a = number % 4 == 0, group == "a"
    rows = pd.DataFrame({"customer_id": number, "contacted": got})
    rows["discount"] = np.where(got, np.where(a, 6.0, 2.0), 0.0)
    rows["sales"] = np.where(a, 30.0, 10.0)
    rows["reward"] = 5 + np.where(got, np.where(a, 3.0, 4.0), 0.0)
    rows["propensity"] = np.where(got, 0.25, 0.75)
    found = fairness(rows, group, currency="EUR")
    one, other = (found.levels().set_index("group").loc[name] for name in "ab")
    assert (one["contacted"], other["contacted"], one["customers"]) == (0.25, 0.25, 100)
    assert (one["discount"], other["discount"], one["discount_others"]) == (1.5, 0.5, 0.5)
    # 150 of 300 of the discount, 3,000 of 6,000 of the sales.
    assert [one["share"], one["share_others"]] == pytest.approx([0.5, 0.5])
    # 3 more for 6 of discount, 4 more for 2.
    assert [one["benefit"], other["benefit"]] == pytest.approx([0.5, 2.0])
    # Of two groups one is tested; "discount" and "benefit" differ.
    tested = found.frame.dropna(subset="p_value")
    assert set(tested["group"]) == {"a"} and found.tests == len(tested) == 4
    assert set(found.alarms["measure"]) == {"benefit", "discount"}
    said = found.summary()
    assert said.startswith("In past decisions that chance drew, 400 customers by group: 4 comp")
    assert "the surest: Group a: 0.50 [0.43, 0.57] added per unit of discount, of all" in said
    assert "No difference is seen in 2 comparisons; in 8 of 10 such cases" in said
    assert "fair" not in said.lower() and found.to_dict()["groups"][0]["group"] == "a"
    ax = found.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["group a", "group b"]
    again = Fairness.load(found.save(Path(mkdtemp()) / "by_group.zip"))
    assert again.summary() == said


def test_what_is_joined_cut_unknown_or_too_few_to_tell():
    rng = np.random.default_rng(1)
    n = 1000
    rows = pd.DataFrame(
        {"customer_id": np.arange(n), "action": np.where(rng.random(n) < 0.3, "x", "none")}
    )
    town = np.repeat(["Ulm", "Bonn", "Hof", "Rom"], [600, 386, 8, 6])
    age = rng.integers(18, 80, n).astype(float)
    age[:50] = np.nan
    held = pd.DataFrame({"customer_id": np.arange(n)[::-1], "town": town[::-1], "age": age[::-1]})
    found = fairness(rows, held)
    sizes = found.levels().set_index(["column", "group"])["customers"]
    assert sizes["town"].to_dict() == {"Bonn": 386, "Ulm": 600, "other (Hof, Rom)": 14}
    assert list(sizes["age"].index)[-1] == "unknown" and sizes["age", "unknown"] == 50
    quartiles = np.quantile(age[50:], [0.25, 0.5, 0.75], method="higher")
    assert sizes["age"].iloc[0] == (age < quartiles[0]).sum()
    assert sizes["age"].index[0] == f"< {quartiles[0]:g}"
    cut = fairness(rows, held, columns=["age"], bands={"age": [30, 65]}).levels()
    assert cut["group"].tolist() == ["< 30", "30 – < 65", "≥ 65", "unknown"]
    assert cut["customers"][1] == ((age >= 30) & (age < 65)).sum()
    few = fairness(rows, held, columns=["town"], least=20)
    assert np.isnan(told(few, "contacted", "other (Hof, Rom)")["value"])
    assert told(few, "contacted", "other (Hof, Rom)")["customers"] == 14
    with speaking("zh"):
        assert "其他（Hof、Rom）" in found.to_table()._repr_html_()
    # More than twenty values: the smallest are one, as long as most are not among them.
    many = np.array([f"v{k:02}" for k in np.minimum(rng.geometric(0.2, n), 40)])
    assert len(fairness(rows, many).levels()) <= 20


def test_bad_groups_are_refused():
    rng = np.random.default_rng(2)
    rows, region = shop(rng, 300)
    table = pd.DataFrame({"customer_id": rows["customer_id"], "region": region})
    refused("no column 'age' in groups; known: region", fairness, rows, table, columns=["age"])
    refused("'group' has 1 value, 1 with 10", fairness, rows, np.full(300, "all"))
    refused("'group' has 300 values, 0 with 10", fairness, rows, np.arange(300).astype(str))
    refused("'group' has 2 values, 1 with 10", fairness, rows, np.repeat(["a", "b"], [295, 5]))
    refused("no column to compare by", fairness, rows, table[["customer_id"]])
    refused("groups names a customer twice", fairness, rows, pd.concat([table, table]))
    refused("no column 'action' in plan", fairness, rows[["customer_id"]], region)
    refused("no column 'customer_id' in plan", fairness, rows[["contacted"]], region)
    refused("plan is a list; give a frame", fairness, [1, 2], region)
    refused("least = 1; expected", fairness, rows, region, least=1)
    refused("discount holds", fairness, rows.assign(discount="much"), region)


def test_alarms_are_rare_without_cause_and_sure_of_half_a_share():
    rng, n = np.random.default_rng(11), draws(most=400)
    alarms = sum(len(fairness(*shop(rng)).alarms) > 0 for _ in range(n))
    assert alarms / n <= bounds(0.05, n)[1]
    found = 0
    for _ in range(n // 2):
        seen = fairness(*shop(rng, west=0.5)).alarms
        found += bool(((seen["group"] == "west") & (seen["measure"] == "contacted")).any())
    assert found / (n // 2) >= 0.95


MEASURES = ("contacted", "discount", "share", "benefit", "observed_expected")


def test_intervals_cover_and_who_stands_there_twice_counts_once():
    rng, n = np.random.default_rng(5), 1000
    found: dict[str, list[Any]] = {name: [] for name in MEASURES}
    gaps: dict[str, list[Any]] = {name: [] for name in MEASURES}
    for _ in range(draws(most=400)):
        rows, region = shop(rng, n, rate=0.5)
        west, got = region == "west", rows["contacted"]
        off = np.where(got, rng.gamma(4, 1, n) * np.where(west, 1.5, 1.0), 0.0)
        p = rng.beta(2, 8, n)
        rows = rows.assign(discount=off, sales=rng.gamma(4, 5, n), p=p, propensity=0.5)
        rows["responded"] = rng.random(n) < p * np.where(west, 1.2, 1.0)
        rows["reward"] = rng.normal(20, 8, n) + np.where(west, 1.0, 2.0) * off
        result = fairness(pd.concat([rows, rows]), np.tile(region, 2))
        for row in result.frame[result.frame["group"] == "west"].to_dict("records"):
            if row["measure"] in found:
                found[row["measure"]].append(ends(row))
                gaps[row["measure"]].append(ends(row, "difference"))
    share = 0.15 * 1.5 / (0.15 * 1.5 + 0.85)
    truths = (0.5, 3.0, share, 1.0, 1.2), (0, 1, share - 0.15, -1, 0.2)
    for measure, truth, apart in zip(MEASURES, *truths, strict=True):
        check_cover(found[measure], truth, slack=0.015)
        check_cover(gaps[measure], apart, slack=0.015)


def test_a_floor_costs_what_leaving_better_customers_costs():
    # By hand: two contacts; the group b gives 3 and 2, the others 9 and 8.
    value, cost = np.array([[9.0], [8.0], [3.0], [2.0], [-5.0]]), np.ones((5, 1))
    groups = ["a", "a", "b", "b", "b"]
    found = floor_curve(value, cost, groups, "b", budget=2, steps=3, currency="EUR")
    assert found.frame["floor"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6])
    assert found.frame[["least", "got", "profit", "lost"]].to_numpy().tolist() == [
        *([0, 0, 17, 0], [1, 1, 12, 5], [1, 1, 12, 5], [2, 2, 5, 12]),
    ]
    assert found.summary() == (
        "Without a floor 0 of 2 contacts go to b, 60 % of the customers. At least 2 for them would "
        "cost 12.0 EUR of profit, as predicted (how sure that is, only past decisions drawn by "
        "chance could tell)."
    )
    axes = found.plot()
    assert axes.get_xlabel() == "least share of the contacts for b"
    assert axes.get_ylabel() == "profit given up, EUR"
    met = floor_curve(value, cost, groups, "a", budget=2).summary()
    assert met.endswith("go to a, 40 % of the customers: a floor of that share costs nothing.")
    refused("group = 'c' is unknown; known: a, b", floor_curve, value, cost, groups, "c", budget=2)
    refused("all are in it, or nobody", floor_curve, value, cost, groups, "a", budget=0)
    refused("all are in it, or nobody", floor_curve, value, cost, ["a"] * 5, "a", budget=2)


def test_the_cost_of_a_floor_by_scores_covers_the_truth(monkeypatch):
    rng, n, found = np.random.default_rng(8), 600, []
    made: dict[str, Any] = {}
    late = (np.arange(n) < 200)[:, None]
    value = rng.random((n, 1)) + np.where(late, 0.0, 2.0)

    def once(*given, **options):
        if "floors" not in options:
            return made.setdefault("none", made.get("none") or allocate(*given, **options))
        return made.setdefault("floor", made.get("floor") or allocate(*given, **options))

    monkeypatch.setattr(group_fairness, "allocate", once)
    for _ in range(draws(most=400)):
        scores = np.where(late, 1.0, 2.0) + rng.normal(0, 6, (n, 1))
        asked = {"scores": scores, "budget": 150, "steps": 1, "level": 0.95}
        curve = floor_curve(value, np.ones((n, 1)), late[:, 0], True, **asked)
        found.append(curve.frame[["lost", "lost_low", "lost_high"]].iloc[-1].tolist())
    check_cover(found, 50.0, slack=0.015)  # 50 contacts that add 1 in place of 2
    assert "(95 % interval, by past decisions)" in curve.summary()


@pytest.fixture(scope="module")
def shop_of_chance():
    return simulated(customers=800, weeks=12, exploration=1.0)


def week_of(shop, quiet=False, worth=None, **stated):
    """Return a week of a shop that states columns: one in five is sent coupon C, at 3 each."""
    ids = np.sort(shop.customers.customer_id.execute().to_numpy())
    steps = pd.DataFrame({"customer_id": ids, "promotion_id": "C"})
    steps = steps[:0] if quiet else steps
    planned = steps[::5].assign(action="C", p_redeemed=0.1, holdout="none", channel="app")
    late = ids > 600
    tables = {
        "allocation": pd.DataFrame(columns=["customer_id", "action", "discount"]),
        "features": pd.DataFrame({"customer_id": ids, "amount_84d": np.where(late, 30.0, 10.0)}),
        "backtest": pd.DataFrame(columns=["customer_id", "promotion_id", "p", "y"]),
    }
    if worth is not None:  # to those whom the shop's effects say
        named = {"customer_id": ids, "action": "C", "value": worth, "cost": 1.0, "discount": np.nan}
        tables["allocation"] = pd.DataFrame(named | {"chosen": np.isin(ids, ids[::5])})
    settings = replace(shop.settings, operations={"fairness": stated} if stated else {})
    kept: dict[str, Any] = {}
    run = SimpleNamespace(
        as_of=datetime(2030, 1, 1), read_table=tables.get, record=kept.__setitem__
    )
    empty = pd.DataFrame()
    plan = Plan(run.as_of, run.as_of, 0, 0, 0, 0, empty, empty, steps, planned, empty, empty)
    sent = SimpleNamespace(promotion_id="C", discount=Estimate(3.0 * len(planned)))
    economics = SimpleNamespace(promotions=[sent])
    week = SimpleNamespace(shop=replace(shop, settings=settings), run=run, plan=plan)
    week.economics, week.plan = economics, replace(plan, by_effect=("C",) * (worth is not None))
    return week_fairness(week), run, kept


def test_a_week_is_compared_by_the_columns_that_the_shop_states(shop_of_chance):
    found, run, kept = week_of(shop_of_chance, columns=["age", "tier"])
    plan, past = found["plan"], found["past"]
    rows = plan.levels().set_index("column").loc["age"]
    assert rows["discount"].to_numpy() == pytest.approx(3 * rows["contacted"].to_numpy())
    assert rows["share_others"].sum() == pytest.approx(1) and "benefit" not in rows
    assert past.frame["measure"].isin(["contacted", "discount", "benefit"]).all()
    assert len(found.shown()) == 4 and past.summary().startswith("In past decisions that chance")
    found.write(run)
    told = kept["plan"]["by_group"]
    assert set(told) == {"plan", "past"} and told["plan"]["tests"] == plan.tests
    with speaking("zh"):
        assert plan.summary().startswith("按age和tier比较 800 位客户")


def test_a_floor_for_the_group_contacted_least_is_shown_with_its_cost(shop_of_chance):
    rows = shop_of_chance.customers.execute().sort_values("customer_id")
    worth = np.where(rows["tier"] == "basic", 1.0, 2.0)  # a contact of them loses 1 of another
    found, _, kept = week_of(shop_of_chance, worth=worth, columns=["tier"])
    contacted = found["plan"].frame.query("measure == 'contacted'").set_index("group")
    assert found["floor"].group == contacted["difference"].idxmin() == "basic"
    floor = found["floor"].frame
    assert floor["spend"].tolist() == [160.0] * 5 and floor["got"][0] == 0
    assert floor["lost"].tolist() == floor["least"].tolist() == floor["got"].tolist()
    assert floor["floor"].iloc[-1] == pytest.approx((rows["tier"] == "basic").mean())
    assert [type(one).__name__ for one in found.shown()][2:4] == ["FloorCurve", "str"]
    found.write(SimpleNamespace(record=kept.__setitem__))
    assert set(kept["plan"]["by_group"]) == {"plan", "past"}


def test_a_quiet_week_says_so_and_compares_past_decisions_all_the_same(shop_of_chance):
    found, _, kept = week_of(shop_of_chance, quiet=True, columns=["age"])
    assert "Nobody is to be contacted this week." in found["plan"].text
    found.write(SimpleNamespace(record=kept.__setitem__))
    assert {"contacted"} <= set(found["past"].frame["measure"])
    assert set(kept["plan"]["by_group"]) == {"past"} and len(found.shown()) == 4


def test_a_week_without_columns_says_so_and_a_wrong_one_is_said_on_the_page(shop_of_chance):
    found, run, kept = week_of(shop_of_chance)
    assert "The shop states no columns to compare groups" in found["plan"].text
    found.write(run)
    assert kept == {} and [*found] == ["plan"]
    (said, nothing) = week_of(shop_of_chance, columns=["ages"])[0].shown()
    assert "there is no column &#x27;ages&#x27; in groups; did you mean" in said.text
    assert nothing == ""
    refused("unknown key 'column'; did you mean 'columns'", week_of, shop_of_chance, column=["a"])
    refused("bands.age", week_of, shop_of_chance, columns=["age"], bands={"age": ["young"]})
