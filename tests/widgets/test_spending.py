"""Budget: the same allocations, frontier and prices as `promolab.allocate`."""

import numpy as np
import pytest

import promolab
from promolab import widgets
from promolab.folder import RunFolder
from promolab.weeks import Week
from promolab.wording import number
from tests.refused import refused
from tests.widgets.explored import WEEK

NAMES = ["Coupons 7", "Discount 8"]


@pytest.fixture(scope="module")
def amounts():
    draw = np.random.default_rng(2)
    return draw.normal(0.5, 2, (800, 2)), draw.uniform(0.5, 3, (800, 2))


def test_each_place_of_the_slider_is_the_allocation_of_that_budget(amounts):
    made = widgets.budget(*amounts, promotions=NAMES, budget=300, currency="EUR")
    options = made.prepared_now()
    for budget in (100.0, 300.0, 500.0):
        text = made.move(budget=budget).text
        found = promolab.allocate(*amounts, budget=budget)
        sums = options.sums(options.path.choose(budget))
        assert sums["value"].sum() == pytest.approx(found.value)
        assert sums["customers"].sum() == found.contacted
        assert f"{found.contacted} of 800 customers are planned" in text


def test_who_gains_and_who_loses_is_counted_against_the_start(amounts):
    made = widgets.budget(*amounts, promotions=NAMES, budget=300)
    options = made.prepared_now()
    now = options.path.choose(400)
    gain = ((now >= 0) & (options.start < 0)).sum()
    other = ((now >= 0) & (options.start >= 0) & (now != options.start)).sum()
    text = made.move(budget=400).text
    assert f"{gain} customers gain a contact" in text and other > 1
    assert f"and {other} customers get another promotion" in text
    assert "Nobody gets anything else" in made.move(budget=300).text


def test_a_week_is_explored_as_it_was_planned(explored_week):
    made = widgets.budget(explored_week)
    found, options = explored_week.metrics["policy"], made.prepared_now()
    assert set(options.names) == {one["name"] for one in found["promotions"].values()}
    rows = explored_week.read_table("allocation").query("action != 'none'")
    wide = rows.pivot_table(["value", "cost"], "customer_id", "action", fill_value=0.0)
    told = explored_week.read_table("frontier")
    text = made.move(budget=float(told["budget"].iloc[3])).text
    amounts = (found["sent"] * wide[column] for column in ("value", "cost"))
    same = promolab.allocate(*amounts, budget=made.state.budget)
    sums = options.sums(options.path.choose(made.state.budget))
    assert sums["value"].sum() == pytest.approx(same.value)
    assert f"{same.contacted} of {len(wide)} customers are planned" in text
    ends = [np.interp(same.spend, told["budget"], told[c]) for c in ("profit", "ci_low", "ci_high")]
    assert f"By what came of past decisions: {number(*ends, unit='CNY')}" in text
    assert "By segment, the most changed first" in text
    assert "Past decisions tell of" in made.move(budget=0.0).text


def test_what_cannot_be_explored_is_refused_in_a_sentence(a_copy):
    run = RunFolder(a_copy / WEEK, Week.parse(WEEK))
    told = {key: value for key, value in run.metrics["policy"].items() if key != "sent"}
    earlier = "does not hold 'sent': an earlier promolab made it"
    for policy, says in ((told, earlier), ({"by_effect": False}, "ranked by response")):
        run.record("policy", None)
        run.record("policy", policy)
        refused(says, widgets.budget, run)
    refused("cost is missing", widgets.budget, [[1.0]])
    refused("a row per customer and a column", widgets.budget, [[1.0]], [[1.0, 2.0]])
    refused("no budget to explore", widgets.budget, [[-1.0]], [[1.0]])
