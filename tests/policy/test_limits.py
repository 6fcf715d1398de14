"""Allocation with capacities, floors, contacts and bundles against HiGHS; what cannot hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import LinearConstraint, linprog, milp

from promolab import allocate
from promolab.policy import Holdouts
from promolab.policy.frontier import Limits, solve
from tests.refused import refused

MANY = "promolab.policy.frontier.optimum.SMALL"  # more customers are not solved as they are
NORTH_SOUTH = np.array(["north", "south"])
KINDS = ["unlike", "alike", "free", "few", "dear"]


def program(value, cost, budget, most=None, least=None, group=None, floors=None, integer=False):
    """Return the optimum with limits, in parts or whole; None where they cannot hold."""
    n, p = value.shape
    rows, low, high = [cost.ravel()], [-np.inf], [budget]
    for j in range(p):
        rows.append(np.tile(np.eye(p)[j], n))
        low.append(0 if least is None else least[j])
        high.append(np.inf if most is None else most[j])
    for name, floor in (floors or {}).items():
        rows.append(np.repeat(group == name, p).astype(float))
        low.append(floor)
        high.append(np.inf)
    matrix = np.vstack([np.repeat(np.eye(n), p, axis=1), *rows])
    ends = np.append(np.full(n, -np.inf), low), np.append(np.ones(n), high)
    how = {"integrality": int(integer), "bounds": (0, 1), "options": {"mip_rel_gap": 0.0}}
    found = milp(-value.ravel(), constraints=LinearConstraint(matrix, *ends), **how)
    return None if found.x is None else -found.fun


def drawn(seed, n=40, p=4, whole=False):
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(1, 2, (n, p)), rng.gamma(2, 1, (n, p))
    if whole:
        value, cost = np.round(value), np.round(cost)
    return value, cost, NORTH_SOUTH[rng.integers(0, 2, n)]


def counts_of(found, p):
    return np.bincount(found.choice[found.choice >= 0], minlength=p)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_bound_is_the_linear_program_and_the_choice_the_best_in_whole_customers(seed, whole):
    value, cost, group = drawn(seed, whole=whole)
    most, least, floors = [6, 9, 5, 7], [0, 3, 0, 0], {"south": 11}
    capacity = dict(zip("0123", zip(least, most, strict=True), strict=True))
    found = allocate(value, cost, budget=30, capacity=capacity, groups=group, floors=floors)
    expected = program(value, cost, 30, most, least, group, floors)
    assert found.upper_bound == pytest.approx(expected, rel=1e-7)
    best = program(value, cost, 30, most, least, group, floors, integer=True)
    assert found.value == pytest.approx(best, rel=1e-4) and found.value <= best + 1e-9
    counts = counts_of(found, 4)
    assert (counts <= most).all() and (counts >= least).all() and found.spend <= 30
    assert ((found.choice >= 0) & (group == "south")).sum() >= 11
    assert found.limits["used"].tolist()[:4] == counts.tolist()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(0, 15))
def test_whatever_the_limits_they_hold_in_any_order_or_it_is_said_that_they_cannot(seed, n, budget):
    rng = np.random.default_rng(seed)
    value, cost = rng.integers(-2, 5, (n, 2)) * 1.0, rng.integers(0, 4, (n, 2)) * 1.0
    group = NORTH_SOUTH[rng.integers(0, 2, n)]
    most, least = rng.integers(0, 7, 2).tolist(), rng.integers(0, 3, 2).tolist()
    floors = {name: int(rng.integers(0, 5)) for name in sorted(set(group))}
    best = program(value, cost, budget, most, least, group, floors, integer=True)
    pairs = dict(zip("01", zip(least, most, strict=True), strict=True))
    asked = {"budget": budget, "capacity": pairs, "floors": floors}
    if best is None:
        refused(r"short|apart|cannot", allocate, value, cost, groups=group, **asked)
        return
    ids, order = np.arange(n), rng.permutation(n)
    found, moved = (
        allocate(value[rows], cost[rows], customers=rows, groups=group[rows], **asked)
        for rows in (ids, order)
    )
    assert (moved.choice == found.choice[order]).all() and moved.value == found.value
    counts = counts_of(found, 2)
    assert (counts <= most).all() and (counts >= least).all() and found.spend <= budget + 1e-9
    for name, floor in floors.items():
        assert ((found.choice >= 0) & (group == name)).sum() >= floor
    assert found.value == pytest.approx(best, abs=1e-6)
    assert found.upper_bound >= best - 1e-9


def test_many_customers_keep_to_all_limits_within_a_small_gap(monkeypatch):
    monkeypatch.setattr(MANY, 200)
    n = 400
    value, cost, group = drawn(7, n=n, p=5)
    limits = {"capacity": {"0": (0, 16), "1": (40, n), "2": (0, 12)}, "groups": group}
    found = allocate(value, cost, budget=200, floors={"north": 100, "south": (0, 60)}, **limits)
    assert 0 <= found.gap < 1e-3 and found.spend <= 200 * (1 + 1e-9)
    counts, got = counts_of(found, 5), found.choice >= 0
    assert counts[0] <= 16 and counts[2] <= 12 and counts[1] >= 40
    assert (got & (group == "north")).sum() >= 100 and (got & (group == "south")).sum() <= 60
    capped, least = [16, n, 12, n, n], [0, 40, 0, 0, 0]
    bound = program(value, cost, 200, capped, least, group, {"north": 100})
    assert found.upper_bound <= bound * (1 + 1e-6)  # the cap on south may lower it


def of_many(kind, n=300):
    """Return values, costs and what is allowed, of customers of some kind."""
    value, cost, _ = drawn(6, n=n, p=3)
    allowed = np.ones((n, 3), bool)
    if kind == "alike":  # of six types, so that many are indifferent at the best prices
        value, cost = (np.repeat(a[:6], n // 6, axis=0) for a in (value, cost))
    elif kind == "free":
        cost[:, 1] = 0.0
    elif kind == "few":
        allowed = np.random.default_rng(0).random((n, 3)) < 0.6
    elif kind == "dear":  # one contact in a hundred costs a good part of the budget
        cost[::100] *= 100
    return value, cost, allowed


@pytest.mark.parametrize(
    ("kind", "budget", "most"),
    [(kind, budget, 23) for kind in KINDS for budget in (10.0, 175.0)]
    + [("unlike", 175.0, 0), ("unlike", 175.0, 275), ("free", 0.0, 23), ("few", 1e9, 23)],
)
def test_one_cap_of_many_customers_is_the_linear_program_too(monkeypatch, kind, budget, most):
    monkeypatch.setattr(MANY, 200)
    value, cost, allowed = of_many(kind)
    n, mine = len(value), np.array([[0.0, 1, 0]])
    ends = {"least": np.zeros(1), "most": np.array([float(most)])}
    limits = Limits(budget, (("promotion", "1"),), mine, np.array([-1]), **ends)
    found = solve(value, cost, limits, allowed, frontier=False)
    each = sparse.kron(sparse.identity(n), np.ones((1, 3)))
    rows = sparse.vstack([each, sparse.csr_matrix([cost.ravel(), np.tile(mine[0], n)])])
    best = linprog(
        -np.where(allowed, value, -1.0).ravel(), A_ub=rows,
        b_ub=[*np.ones(n), min(budget, 1e9), most], bounds=(0, 1), method="highs",
    )  # fmt: skip
    assert found.upper_bound == pytest.approx(-best.fun, rel=2e-5, abs=1e-9)
    got = np.flatnonzero(found.choice >= 0), found.choice[found.choice >= 0]
    assert allowed[got].all() and (got[1] == 1).sum() <= most and cost[got].sum() <= budget
    # A customer at most is given up for the budget, and one for the cap.
    assert -best.fun - 2 * value.max() <= value[got].sum() <= found.upper_bound + 1e-9
    if kind == "unlike" and budget and most:
        assert found.prices == pytest.approx(-best.ineqlin.marginals[-2:], abs=0.02 * value.max())


def test_the_price_of_a_limit_is_what_one_more_adds_that_of_a_floor_what_one_fewer():
    value, cost, _ = drawn(9, n=100)
    found, one_more, dearer = (
        allocate(value, cost, budget=budget, capacity={"1": cap})
        for budget, cap in ((37, 7), (37, 8), (38, 7))
    )
    price = found.limits.set_index("unit")["price"]["1"]
    assert one_more.upper_bound - found.upper_bound == pytest.approx(price, rel=0.1)
    assert found.price_sentences()[0] in found.summary()
    price = found.frontier.set_index("budget")["marginal_return"][37]
    assert dearer.upper_bound - found.upper_bound == pytest.approx(price, rel=0.1)
    value, cost, group = drawn(10, n=100)
    floor = int(0.9 * (group == "south").sum())
    found, less = (
        allocate(value, cost, budget=37, groups=group, floors={"south": least})
        for least in (floor, floor - 1)
    )
    price = found.limits.set_index("unit")["price"]["south"]
    assert less.upper_bound - found.upper_bound == pytest.approx(-price, rel=0.1)


def test_other_budgets_under_limits_are_bounds_that_rise_and_flatten():
    value, cost, _ = drawn(11, n=150)
    most = [10, 10, 150, 150]
    found = allocate(value, cost, budget=50, capacity=most)
    frontier = found.frontier
    assert frontier["profit"].is_monotonic_increasing
    assert frontier["marginal_return"].is_monotonic_decreasing
    for row in frontier.itertuples():
        exact = program(value, cost, row.budget, most)
        assert exact <= row.profit + 1e-6 and row.profit == pytest.approx(exact, rel=0.01, abs=0.5)
    assert found.profit_at(50) == pytest.approx(found.upper_bound)
    assert found.plot().get_xlabel() == "budget"


def test_customers_drawn_by_chance_take_their_part_of_a_capacity():
    value, cost, _ = drawn(12, p=2)
    found = allocate(value, cost, budget=15, capacity={"1": 3}, explore=0.1)
    assert counts_of(found, 2)[1] <= 3 and found.spend <= 15
    asked = {"capacity": {"1": 0}, "explore": 0.5}
    refused("drawn by chance alone use", allocate, value, cost, budget=30, **asked)
    # Where spending does not pay limits hold for those drawn.
    found = allocate(value, cost, budget=15, capacity={"1": 3}, explore=0.2, pays=False)
    assert found.contacted > 0 and counts_of(found, 2)[1] <= 3
    assert allocate(value, cost, capacity={"1": 3}, pays=False).contacted == 0


def test_a_table_of_limits_is_read(tmp_path):
    value, cost, group = drawn(13)
    rows = "scope,unit,min,max\nbudget,,,30\npromotion,p1,2,5\ngroup,south,9,\ncustomer,c3,,0\n"
    path = tmp_path / "constraints.csv"
    path.write_text(rows + "contacts,,,25\n", encoding="utf-8")
    ids, names = [f"c{i}" for i in range(40)], ["p0", "p1", "p2", "p3"]
    known = {"customers": ids, "promotions": names, "groups": group}
    for budget, least in ((None, 30), (10, 10)):
        found = allocate(value, cost, budget=budget, constraints=path, **known)
        assert found.budget == least and found.spend <= least
        assert found.choice[3] == -1 and 2 <= counts_of(found, 4)[1] <= 5
        assert ((found.choice >= 0) & (group == "south")).sum() >= 9 and found.contacted <= 25
        assert found.limits["unit"].tolist() == ["p1", "south", ""]


def test_limits_that_cannot_hold_say_by_how_much():
    value, cost, group = drawn(1)
    south = int((group == "south").sum())
    eligible = np.ones((40, 4), dtype=bool)
    eligible[group == "south", 1:] = False  # south may get promotion 0 alone
    asked = {"floors": {"south": south}, "capacity": {"0": south - 3}, "groups": group}
    said = refused("cannot all hold: at best", allocate, value, cost, eligible=eligible, **asked)
    assert "3 too" in said
    least = np.sort(cost.min(axis=1))[:20].sum()
    asked = {"budget": least - 1, "groups": ["a"] * 40, "floors": {"a": 20}}
    refused(f"at least {least:.1f} together", allocate, value, cost, **asked)


def test_who_is_drawn_and_held_out_leaves_the_capacity_to_others():
    """Chance draws the promotion for some 20 of 200 alike customers, and all are held out."""
    ones, held = np.ones((200, 1)), np.ones((200, 1), dtype=bool)
    asked = {"explore": 0.2, "holdouts": Holdouts(held=held, held_share=0.5)}
    drawn = allocate(ones, ones, capacity={"0": 30}, **asked).drawn
    best = drawn.before[:, 0] > 0.5
    assert best.sum() == 30 and (drawn.planned[~best] == 0).sum() > 5
