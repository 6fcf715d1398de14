"""Budget: the same allocations, frontier and prices as `promolab.allocate`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab import widgets
from promolab.errors import InputError
from promolab.wording import number

NAMES = ["Coupons 7", "Discount 8"]


@pytest.fixture(scope="module")
def amounts():
    draw = np.random.default_rng(2)
    return draw.normal(0.5, 2, (800, 2)), draw.uniform(0.5, 3, (800, 2))


def test_each_place_of_the_slider_is_the_allocation_of_that_budget(amounts):
    made = widgets.budget(*amounts, promotions=NAMES, budget=300, currency="EUR")
    options = made.prepared_now().options
    for budget in (100.0, 300.0, 500.0):
        text = made.move(budget=budget).text
        found = promolab.allocate(*amounts, budget=budget)
        sums = options.sums(options.path.choose(budget))
        assert sums["value"].sum() == pytest.approx(found.value)
        assert sums["customers"].sum() == found.contacted
        assert f"contacts {found.contacted} of 800" in text


def test_who_gains_and_who_loses_is_counted_against_the_start(amounts):
    made = widgets.budget(*amounts, promotions=NAMES, budget=300)
    options = made.prepared_now().options
    now = options.path.choose(400)
    gain = ((now >= 0) & (options.start < 0)).sum()
    assert f"{gain} customers gain a contact" in made.move(budget=400).text
    assert "Nobody gets anything else" in made.move(budget=300).text


def test_a_fixed_capacity_has_its_price(amounts):
    made = widgets.budget(*amounts, promotions=NAMES, budget=300, currency="EUR")
    text = made.move(capped="Discount 8", capacity=20).text
    capped = promolab.allocate(*amounts, budget=300, capacity={1: 20})
    free = promolab.allocate(*amounts, budget=300)
    assert made.prepared_now().capped.value == pytest.approx(capped.value)
    assert f"costs {number(free.value - capped.value)}" in text
    assert "One more customer there would add up to" in text
    assert "costs nothing" in made.move(capacity=800).text
    assert "of profit against no limit" not in made.move(capped="").text


def test_a_table_of_a_week_is_the_same_as_its_matrices(amounts):
    value, cost = amounts
    rows = [
        (i, name, value[i, j], cost[i, j]) for i in range(800) for j, name in enumerate(["a", "b"])
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "action", "value", "cost"])
    none = pd.DataFrame({"customer_id": range(800), "action": "none", "value": 0.0, "cost": 0.0})
    made = widgets.budget(pd.concat([frame, none]), budget=300)
    assert made.prepared_now().options.names == ("a", "b")
    bound = promolab.allocate(value, cost, budget=300).upper_bound
    assert made.prepared_now().options.path.bound(300) == pytest.approx(bound)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (([[1.0]],), "without a cost"),
        (([[1.0]], [[1.0, 2.0]]), "a row per customer"),
        (([[-1.0]], [[1.0]]), "no budget to explore"),
        ((pd.DataFrame({"customer_id": [1]}),), "no column 'action'"),
    ],
)
def test_what_cannot_be_explored_is_refused_in_a_sentence(given, says):
    with pytest.raises(InputError, match=says):
        widgets.budget(*given)
