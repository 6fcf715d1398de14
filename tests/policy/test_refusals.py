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
    ({"cost": [[1.0], [-2.0]]}, "cost is -2 for customer 'b' (row 1) and promotion '0'"),
    ({"cost": [[1.0], [np.nan]]}, "cost is missing for customer 'b' (row 1)"),
    ({"value": [[1.0], [np.inf]]}, "value is inf for customer 'b'"),
    ({"cost": [[1.0, 2.0]]}, "value has shape (2, 1) and cost (1, 2)"),
    ({"cost": None}, "cost is missing; give value and cost"),
    ({"customers": ["a", "a"]}, "customer 'a' is there twice"),
    ({"customers": ["a"]}, "customers has 1 rows and value 2"),
    ({"promotions": ["none"]}, "a promotion is called 'none'"),
    ({"promotions": ["p", "q"]}, "promotions has 2 rows and value 1"),
    ({"eligible": [[1], [0]]}, "expected truth values of shape (2, 1)"),
]
LIMITED = [
    ({"capacity": {"1": (50, 60)}}, "promotion '1' is to have at least 50, but only 40 are"),
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
    ({"budget_risk": 0.1, "cost_spread": [0.1]}, "cost_spread has the shape (1,)"),
    ({"budget_risk": 0.1, "cost_se": [[1.0]]}, "cost_se has the shape (1, 1)"),
    ({"holdouts": Holdouts(np.ones(3, bool), 0.05)}, "standing has the shape (3,)"),
    ({"holdouts": Holdouts(np.ones(N, bool))}, "and the chance 0"),
    ({"holdouts": Holdouts(standing_share=0.05)}, "expected truth values"),
]
TABLES: list[tuple[list[tuple[Any, ...]], str]] = [
    ([("shelf", "a", 0, 1)], "row 1: there is no scope 'shelf'"),
    ([("promotion", "", 0, 1)], "row 1: unit is ''; of the scope 'promotion' it must say which"),
    ([("budget", "x", None, 1)], "of the scope 'budget' it stays empty"),
    ([("budget", "", 5, 9)], "only max can be given, min is 5"),
    ([("promotion", "0", 9, 4)], "at least 9 and at most 4: 5 apart"),
    ([("customer", "3", None, 1)] * 2, "row 2: customer '3' is there twice"),
    ([("promotion", "mial", None, 1)], "there is no promotion 'mial' to limit"),
    ([("group", "west", 1, None)], "there is no group 'west' to limit; give the customers'"),
]
FOUR: dict[str, Any] = dict.fromkeys(["gamma", "effect", "cost"], np.ones((4, 2)))
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
    (plan_value, {"held": 1.0}, "held = 1.0; expected a share"),
    (plan_value, {"customers": 0}, "customers = 0; expected a whole number"),
    (plan_value, {"between": [0.1]}, "between has the shape (1,)"),
    (plan_value, {"between": "x"}, "between = 'x'; expected a number"),
    (spending_test, {"level": 0.4}, "level = 0.4; expected a number between 0.5 and 1"),
]


LOGGED = {"rows": made_up(0).rows}
ASKED = {"value": VALUE, "cost": COST, "budget": 800}
HEADS = ["scope", "unit", "min", "max"]
CALLS = [
    *((allocate, TWO | change, said) for change, said in ALLOCATED),
    *((allocate, ASKED | change, said) for change, said in LIMITED),
    *((allocate, ASKED | {"constraints": pd.DataFrame(t, columns=HEADS)}, s) for t, s in TABLES),
    *((PolicyRows, FOUR | change, said) for change, said in ROWS),
    *((call, LOGGED | change, said) for call, change, said in VALUED),
]


@pytest.mark.parametrize(("call", "given", "said"), CALLS)
def test_what_is_wrong_is_said_in_one_sentence(call, given, said):
    assert "\n" not in refused(re.escape(said), call, **given)


def test_files_of_limits_and_a_plan_of_other_customers(tmp_path):
    file = tmp_path / "constraints.csv"
    refused(r"no file .*constraints\.csv; give a table", read_constraints, file)
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    refused("scope", read_constraints, file)
    table = pd.DataFrame({"scope": ["promotion"] * 2, "unit": ["mail", "sms"], "max": [5, 6]})
    assert len(read_constraints(table, known=["mail", "sms", "coupon"])) == 2
    refused("row 2: there is no promotion 'sms'; known: mail", read_constraints, table, ["mail"])
    rows = LOGGED["rows"]
    plan, strange = allocate(rows.effect, rows.cost, budget=10), np.ones(3, dtype=bool)
    refused("supported has the shape", plan_value, rows, plan=plan, supported=strange)
