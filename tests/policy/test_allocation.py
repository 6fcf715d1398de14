"""Allocation against HiGHS: the whole frontier, the choice, ties, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.allocation import KINDS, drawn
from promolab import allocate
from promolab.policy import Allocation
from tests.policy.test_limits import program
from tests.wording_lint import nonsense

KINDS = (*KINDS, "in line")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.8, 2.0])
def test_the_frontier_is_the_linear_programs_optimum_at_every_budget(kind, share):
    value, cost = drawn(30, kind, KINDS.index(kind))
    whole = allocate(value, cost)
    budget = share * whole.spend
    found = allocate(value, cost, budget=budget)
    expected = program(value, cost, budget)
    assert found.upper_bound == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert whole.profit_at(budget) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_holds_for_whole_customers(kind):
    value, cost = (table[:, [0, 1, 4]] for table in drawn(12, kind, 10 + KINDS.index(kind)))
    budget = 0.3 * allocate(value, cost).spend
    found = allocate(value, cost, budget=budget)
    best = program(value, cost, budget, integer=True)
    assert found.spend <= budget * (1 + 1e-9)
    assert found.value <= best + 1e-9 <= found.upper_bound + 2e-9
    assert found.upper_bound - found.value == pytest.approx(found.gap * found.upper_bound)
    # At most one customer's step is cut.
    assert found.upper_bound - found.value < value.max()


def test_what_is_chosen_is_summed_and_without_a_budget_everyone_gets_what_adds_most():
    value, cost = drawn(30, seed=3)
    found = allocate(value, cost, budget=20)
    rows, chosen = np.arange(30), found.choice
    got = chosen >= 0
    assert found.value == pytest.approx(value[rows[got], chosen[got]].sum())
    assert found.spend == pytest.approx(cost[rows[got], chosen[got]].sum()) and found.spend <= 20
    frame = found.assignment
    assert frame["value"].sum() == pytest.approx(found.value)
    assert (frame["promotion"] == "none").sum() == 30 - found.contacted
    assert found.to_frame()["customers"].sum() == 30
    found = allocate(value, cost)
    assert found.value == pytest.approx(np.maximum(value.max(axis=1), 0).sum())
    assert found.gap == pytest.approx(0, abs=1e-12) and "add nothing" in found.summary()
    value = np.array([[2.0, 9.0], [-1.0, 0.0], [0.0, -3.0]])
    cost = np.array([[0.0, 5.0], [0.0, 0.0], [1.0, 0.0]])
    assert allocate(value, cost, budget=0).choice.tolist() == [0, -1, -1]
    assert allocate(value, cost).choice.tolist() == [1, -1, -1]


def test_only_what_is_eligible_is_given():
    value, cost = drawn(30, seed=5)
    eligible = np.random.default_rng(0).random(value.shape) < 0.5
    found = allocate(value, cost, budget=15, eligible=eligible)
    got = found.choice >= 0
    assert eligible[np.flatnonzero(got), found.choice[got]].all()
    expected = program(np.where(eligible, value, -1.0), cost, 15)
    assert found.upper_bound == pytest.approx(expected, rel=1e-9)
    noise = np.where(eligible, cost, np.nan), np.where(eligible, value, -np.inf)
    same = allocate(noise[1], noise[0], budget=15, eligible=eligible)
    assert (same.choice == found.choice).all() and same.value == found.value


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(0, 12))
def test_rows_in_another_order_give_the_same_answer(seed, n, budget):
    rng = np.random.default_rng(seed)
    value, cost = rng.integers(-2, 5, (n, 2)) * 1.0, rng.integers(0, 4, (n, 2)) * 1.0
    ids, order = np.array([f"c{i}" for i in range(n)]), rng.permutation(n)
    found = allocate(value, cost, budget=budget, customers=ids)
    moved = allocate(value[order], cost[order], budget=budget, customers=ids[order])
    assert (moved.choice == found.choice[order]).all()
    for name in ("value", "spend", "upper_bound"):
        assert getattr(moved, name) == getattr(found, name)
    assert found.upper_bound == pytest.approx(program(value, cost, budget), abs=1e-9)
    assert found.spend <= budget and found.value <= found.upper_bound + 1e-12


def test_profit_rises_with_budget_and_is_told_in_sentences_table_figure_and_file(tmp_path):
    found = allocate(*drawn(500, seed=9), budget=80, currency="CNY", promotions=list("abcdefgh"))
    frontier = found.frontier
    assert frontier["profit"].is_monotonic_increasing
    assert frontier["marginal_return"].is_monotonic_decreasing
    assert frontier.iloc[0].tolist()[:2] == [0, 0] and frontier["marginal_return"].iloc[-1] == 0
    assert nonsense(found.summary()) == []
    assert "of 80.0 CNY" in found.summary() and "The next 1.00 would add" in found.summary()
    assert "expected cost, CNY" in found.to_table().text
    assert found.plot().get_xlabel() == "budget, CNY"
    again = Allocation.load(found.save(tmp_path / "allocation.zip"))
    assert again.summary() == found.summary()
    pd.testing.assert_frame_equal(again.assignment, found.assignment)
    for n in (0, 1):
        few = allocate(np.ones((n, 2)), np.ones((n, 2)), budget=1)
        assert few.contacted == n and nonsense(few.summary()) == []
