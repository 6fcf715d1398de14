"""What is wrong with a call is said in one sentence, whatever was asked."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.money import made_up
from promolab import allocate
from promolab.policy import Holdouts, PolicyRows, plan_value, read_constraints, spending_test
from tests.refused import refused

N = 40
RNG = np.random.default_rng(0)
VALUE, COST = RNG.normal(1, 2, (N, 4)), RNG.gamma(2, 1, (N, 4))
TWO = {"value": [[1.0], [2.0]], "cost": [[1.0], [1.0]], "customers": ["a", "b"]}
ALLOCATED = [
    ({"budget": -1}, "budget = -1; expected a number from 0"),
    ({"budget": "much"}, "budget = 'much'; expected a number"),
    ({"budget": float("nan")}, "budget = nan; expected a number"),
    ({"cost": [[1.0], [-2.0]]}, "cost is -2 for customer 'b' (row 1) and promotion '0'"),
    ({"cost": [[1.0], [np.nan]]}, "cost is missing for customer 'b' (row 1)"),
    ({"value": [[1.0], [np.inf]]}, "value is inf for customer 'b'"),
    ({"cost": [[1.0, 2.0]]}, "value has shape (2, 1) and cost (1, 2)"),
    ({"cost": None}, "cost is missing; give value and cost"),
    ({"cost": [["x"], [1.0]]}, "cost holds what is no number"),
    ({"customers": ["a", "a"]}, "customer 'a' is there twice"),
    ({"customers": ["a"]}, "customers has 1 rows and value 2"),
    ({"promotions": ["none"]}, "a promotion is called 'none'"),
    ({"promotions": ["p", "q"]}, "promotions has 2 rows and value 1"),
    ({"eligible": [[1], [0]]}, "expected truth values of shape (2, 1)"),
]
LIMITED = [
    ({"capacity": {"1": (50, 60)}}, "promotion '1' is to have at least 50, but only 40 are"),
    ({"capacity": {"1": (30, 40), "2": (20, 40)}}, "the limits cannot all hold: at best"),
    ({"capacity": {"1": (5, 3)}}, "promotion '1' has at least 5 and at most 3: 2 apart"),
    ({"capacity": {"1": (20, 40)}, "budget": 1}, "more than the budget of 1.00"),
    ({"capacity": {"1": -1}}, "capacity of '1' = -1; expected a number from 0 on"),
    ({"capacity": {"x": 1}}, "there is no promotion 'x' to limit"),
    ({"capacity": [1, 2]}, "capacity has 2 rows and promotions 4"),
    ({"floors": {"east": 1}}, "there is no group 'east' to limit"),
    ({"floors": [1]}, "floors is a list; give a least number by group"),
    ({"groups": ["a"]}, "groups has 1 rows and customers 40"),
    ({"explore": 1.0}, "explore = 1.0; expected a share"),
    ({"explore": 0.1, "p_min": 0.3}, "p_min = 0.3 for each of 5 actions"),
    ({"explore": 0.9, "budget": 1.0}, "less than what those drawn by chance cost"),
    ({"budget_risk": 0.1}, "give cost_spread, cost_se or both"),
    ({"budget_risk": 2, "cost_spread": 0.1}, "budget_risk = 2; expected a share"),
    ({"budget_risk": 0.1, "cost_spread": [0.1]}, "cost_spread has the shape (1,)"),
    ({"budget_risk": 0.1, "cost_se": [[1.0]]}, "cost_se has the shape (1, 1)"),
    ({"holdouts": Holdouts(np.ones(3, bool), 0.05)}, "standing has the shape (3,)"),
    ({"holdouts": Holdouts(np.ones(N, bool))}, "and the chance 0"),
    ({"holdouts": Holdouts(standing_share=0.05)}, "expected truth values"),
]
TABLES = [
    ([("shelf", "a", 0, 1)], "row 1: there is no scope 'shelf'"),
    ([("promotion", "", 0, 1)], "row 1: unit is ''; of the scope 'promotion' it must say which"),
    ([("budget", "x", None, 1)], "of the scope 'budget' it stays empty"),
    ([("budget", "", 5, 9)], "only max can be given, min is 5"),
    ([("promotion", "0", 0, -1)], "row 1: max = -1; expected a number from 0 on"),
    ([("promotion", "0", 0, "many")], "row 1: max = 'many'; expected a number"),
    ([("promotion", "0", 9, 4)], "at least 9 and at most 4: 5 apart"),
    ([("customer", "3", None, 1)] * 2, "row 2: customer '3' is there twice"),
    ([("promotion", "mial", None, 1)], "there is no promotion 'mial' to limit"),
    ([("group", "west", 1, None)], "there is no group 'west' to limit; give the customers'"),
]
FOUR: dict[str, Any] = {
    "gamma": np.ones((4, 2)),
    "effect": np.ones((4, 2)),
    "cost": np.ones((4, 2)),
}
FOUR |= {"fold": [0, 0, 1, 1], "cluster": ["a", "a", "b", "c"], "arms": ("coupon", "mail")}
ROWS = [
    ({"gamma": np.ones((0, 2))}, "there are 0 logged decisions"),
    ({"effect": np.ones((4, 1))}, "effect has the shape (4, 1); expected (4, 2)"),
    ({"cost": np.full((4, 2), -1.0)}, 'cost of "coupon" is −1 in row 0'),
    ({"cost": np.full((4, 2), np.nan)}, "is nan in row 0; a cost is 0 or more"),
    ({"effect": np.full((4, 2), np.nan)}, "effect is missing in row 0"),
    ({"cluster": ["a", "b", "a", "c"]}, "a customer lies in two folds"),
    ({"gamma": [["x", "y"]] * 4}, "gamma holds values that are no numbers"),
]
VALUED = [
    (plan_value, {"level": 1.0}, "level = 1.0"),
    (plan_value, {"held": 1.0}, "held = 1.0; expected a share"),
    (plan_value, {"customers": 0}, "customers = 0; expected a whole number"),
    (plan_value, {"budget": -1}, "budget = -1; expected a number from 0"),
    (plan_value, {"between": [0.1]}, "between has the shape (1,)"),
    (plan_value, {"between": "x"}, "between = 'x'; expected a number"),
    (spending_test, {"level": 0.4}, "level = 0.4; expected a number between 0.5 and 1"),
]


@pytest.mark.parametrize(("change", "said"), ALLOCATED)
def test_values_and_costs_that_are_none(change, said):
    assert "\n" not in refused(re.escape(said), allocate, **TWO | change)


@pytest.mark.parametrize(("asked", "said"), LIMITED)
def test_limits_and_chances_that_cannot_hold(asked, said):
    assert "\n" not in refused(re.escape(said), allocate, VALUE, COST, **{"budget": 800} | asked)


@pytest.mark.parametrize(("rows", "said"), TABLES)
def test_tables_of_limits(rows, said):
    table = pd.DataFrame(rows, columns=["scope", "unit", "min", "max"])
    assert "\n" not in refused(re.escape(said), allocate, VALUE, COST, constraints=table)


@pytest.mark.parametrize(("change", "said"), ROWS)
def test_logged_decisions(change, said):
    refused(re.escape(said), PolicyRows, **FOUR | change)


@pytest.mark.parametrize(("call", "change", "said"), VALUED)
def test_plans_and_tests(call, change, said):
    refused(re.escape(said), call, made_up(0).rows, **change)


def test_files_of_limits_and_a_plan_of_other_customers(tmp_path):
    refused(
        r"no file .*constraints\.csv; give a table", read_constraints, tmp_path / "constraints.csv"
    )
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    refused("scope", read_constraints, tmp_path / "other.csv")
    table = pd.DataFrame({"scope": ["promotion"] * 2, "unit": ["mail", "sms"], "max": [5, 6]})
    assert len(read_constraints(table, known=["mail", "sms", "coupon"])) == 2
    refused("row 2: there is no promotion 'sms'; known: mail", read_constraints, table, ["mail"])
    rows = made_up(0).rows
    plan, strange = allocate(rows.effect, rows.cost, budget=10), np.ones(3, dtype=bool)
    refused("supported has the shape", plan_value, rows, plan=plan, supported=strange)
