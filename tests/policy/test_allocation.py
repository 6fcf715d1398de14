"""Allocation against HiGHS: the whole frontier, the choice, ties, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.allocation import KINDS as PLAIN
from benchmarks.allocation import drawn
from promolab import allocate
from promolab.policy import Allocation, Holdouts
from tests.policy.test_limits import program
from tests.refused import refused
from tests.wording_lint import nonsense

KINDS = (*PLAIN, "in line")
N, P = 3_000, 3


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


def options(seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.0, 2.0, (n, P)), rng.uniform(0.5, 2.0, (n, P))


def test_what_is_drawn_is_paid_from_the_budget_with_right_chances_in_any_order():
    value, cost = options()
    found = allocate(value, cost, budget=1_600, explore=0.3, seed=4)
    drawn = found.drawn
    assert 1_600 * 0.999 < found.spend <= 1_600
    assert np.allclose(drawn.propensities.sum(axis=1), 1)
    # 0.3 in four equal parts, and the rest on the best.
    assert np.allclose(np.sort(np.unique(drawn.propensities.round(12))), [0.075, 0.775])
    got = found.assignment["propensity"].to_numpy()
    assert np.array_equal(got, drawn.propensities[np.arange(N), found.choice])
    # Whoever is not drawn has the action of 0.775; of those drawn it is a quarter.
    assert np.mean(got > 0.5) == pytest.approx(0.775, abs=0.02)
    assert found.value < allocate(value, cost, budget=1_600).value
    ids, order = np.arange(N), np.random.default_rng(1).permutation(N)
    standing = np.random.default_rng(2).random(N) < 0.05
    how = {"budget": 500, "explore": 0.1, "seed": 3, "budget_risk": 0.1, "cost_spread": 0.2}

    def of(rows: np.ndarray) -> Allocation:
        known = {"cost_se": cost[rows], "holdouts": Holdouts(standing[rows], 0.05)}
        return allocate(value[rows], cost[rows], customers=rows, **known, **how)

    one, other = of(ids), of(order)
    assert np.array_equal(one.choice[order], other.choice) and one.spend == other.spend
    assert np.allclose(one.drawn.propensities[order], other.drawn.propensities)


def test_explore_is_raised_to_p_min_for_every_open_action_and_says_so():
    value, cost = options()
    drawn = allocate(value, cost, budget=800, explore=0.05).drawn
    assert (drawn.share, drawn.propensities.min()) == (pytest.approx(0.08), pytest.approx(0.02))
    assert "more than the 5 % asked for" in drawn.summary()
    # By Kish, by hand: none is drawn with 0.02, or 0.94 where it is what adds most.
    chance = drawn.propensities[:, -1]
    assert drawn.effective_n["none"] == pytest.approx(N**2 / (1 / chance).sum())
    open_to = np.ones((N, P), dtype=bool)
    open_to[:, 1] = False
    open_to[:5] = False
    found = allocate(value, cost, budget=800, explore=0.2, eligible=open_to)
    chance = found.drawn.propensities
    assert (found.choice != 1).all() and (chance[:, 1] == 0).all()
    assert np.allclose(chance[:5, -1], 1)
    assert chance[5:, [0, 2, 3]].min() == pytest.approx(0.2 / 3)


def test_holdouts_get_nothing():
    value, cost = options()
    rng = np.random.default_rng(5)
    standing, held = rng.random(N) < 0.05, rng.random((N, P)) < 0.1
    out = Holdouts(standing, 0.05, held, [0.1, 0.1, 0.1])
    found = allocate(value, cost, budget=600, holdouts=out)
    assert (found.choice[standing] == -1).all()
    got = np.flatnonzero(found.choice >= 0)
    assert not held[got, found.choice[got]].any()
    # The budget goes to those who are sent something.
    assert 600 * 0.999 < found.spend <= 600
    planned = found.drawn.planned
    mine = np.flatnonzero(planned >= 0)
    assert np.allclose(found.drawn.propensities[mine, planned[mine]], 0.95 * 0.9)
    assert np.allclose(found.drawn.before[mine, planned[mine]], 1)
    chances = found.chances()
    assert chances["chosen"].sum() == N
    assert (chances.groupby("customer_id")["propensity"].sum() == 1).all()


def test_a_reserve_overspends_as_rarely_as_asked_and_is_larger_for_what_is_shared():
    value, cost = options(n=500)
    se, spread = 0.3 * cost, np.diag(np.square([0.3, 0.2, 0.1]))
    found = allocate(value, cost, budget=150, budget_risk=0.1, cost_se=se, cost_spread=spread)
    assert found.drawn.overspend == pytest.approx(0.1, abs=0.005)
    rng = np.random.default_rng(0)
    got = np.flatnonzero(found.choice >= 0)
    arm = found.choice[got]
    shared = 1 + rng.normal(size=(4_000, P)) * [0.3, 0.2, 0.1]
    own = rng.normal(size=(4_000, 1)) * np.sqrt((se[got, arm] ** 2).sum())
    sums = np.bincount(arm, weights=cost[got, arm], minlength=P)
    spent = shared @ sums + own[:, 0]
    assert np.mean(spent > 150) == pytest.approx(0.1, abs=0.02)
    # Without a reserve it is a matter of luck.
    assert allocate(value, cost, budget=150).spend > found.spend * 1.1
    one, same, apart = (
        allocate(value, cost, budget=150, budget_risk=0.1, cost_spread=spread).spend
        for spread in (0.3, np.full((P, P), 0.09), np.diag([0.09] * P))
    )
    assert one < apart and one == pytest.approx(same)


def test_whole_numbers_are_taken_and_what_is_no_number_is_refused():
    assert allocate([[3], [2]], [[1], [1]], budget=1).value == 3.0
    refused("value holds what is no number", allocate, [["much"]], [[1.0]])
