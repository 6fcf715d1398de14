"""The exact plan against a linear program, and against plain loops."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from promolab.adaptive import exact_plan
from promolab.simulated import CustomerProcess
from tests.refused import refused


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.97])
def test_the_best_plan_has_the_value_of_the_linear_program(discount):
    """Least v with v ≥ r + γ P v for every action (Puterman 1994, § 6.9)."""
    process = CustomerProcess()
    n, k = process.rewards.shape
    system = sparse.kron(sparse.eye(n), np.ones((k, 1))) - discount * process.transitions
    exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    solved = linprog(
        np.full(n, 1 / n), -system, -process.rewards.ravel(), bounds=(None, None), options=exact
    )
    found = exact_plan(process, discount)
    assert np.abs(solved.x - found.frame["value"]).max() < 1e-8
    assert found.value == pytest.approx(process.start @ solved.x, abs=1e-8)


def test_a_given_plan_is_worth_what_its_weeks_add_up_to(process):
    chances = np.tile([0.4, 0.3, 0.2, 0.1], (9, 1))
    now, worth, contacts, weeks = process.start, 0.0, 0.0, 0.0
    moves = process.transitions.toarray().reshape(9, 4, 9)
    for week in range(700):
        factor = 0.95**week
        worth += factor * now @ (chances * process.rewards).sum(axis=1)
        contacts += factor * 0.6 * now[:-1].sum()
        weeks += factor * now[:-1].sum()
        now = np.einsum("s,sa,sat->t", now, chances, moves)
    found = exact_plan(process, 0.95, plan=chances)
    assert found.value == pytest.approx(worth)
    assert found.contacts == pytest.approx(contacts / weeks)
    named = exact_plan(process, 0.95, plan=exact_plan(process, 0.95).frame["action"])
    assert named.value == pytest.approx(exact_plan(process, 0.95).value)


def test_the_higher_the_price_the_fewer_the_contacts(process):
    many, fewer, none = (exact_plan(process, price=price).contacts for price in (0.0, 4.0, 100.0))
    assert many > fewer > none == 0


def test_what_is_no_process_or_no_plan_of_it_is_said(process):
    refused("discount = 1.0; expected a number from 0 to below 1", exact_plan, process, 1.0)
    refused(
        "plan = 'coupon' is unknown; .*known: discount 15 %",
        exact_plan,
        process,
        plan=["coupon"] * 9,
    )
    refused("plan = .*; expected an action per row", exact_plan, process, plan=[1] * 3)
    refused("do not sum to 1", exact_plan, process, plan=np.full((9, 4), 0.3))
    given = {
        name: getattr(process, name)
        for name in ("transitions", "rewards", "start", "states", "actions")
    }
    for wrong, sentence in [
        ({"rewards": process.rewards[:, :2]}, r"transitions = .*; expected \(S · K, S\)"),
        ({"transitions": 2 * process.transitions}, "sum to more than 1"),
        ({"rewards": np.full((9, 4), np.nan)}, "rewards has .* missing"),
    ]:
        refused(sentence, exact_plan, SimpleNamespace(**given | wrong))
