"""What an allocation leaves to chance: exploration, holdouts, bounds, the risk of overspending."""

import numpy as np
import pytest

from promolab import allocate
from promolab.policy import Allocation, Holdouts

N, P = 3_000, 3


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
