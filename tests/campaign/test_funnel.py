"""Whose list is whose: the likeliest first, one action a customer."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from promolab.campaign.plan.result import LEFT, STEPS, Plan, allot, step_of


def one_by_one(p: np.ndarray, eligible: np.ndarray, sizes: np.ndarray) -> list[int]:
    taken, room = [-1] * len(p), list(sizes)
    pairs = sorted((-p[i, k], k, i) for i in range(p.shape[0]) for k in range(p.shape[1]))
    for _, k, i in pairs:
        if eligible[i, k] and taken[i] < 0 and room[k] > 0:
            taken[i], room[k] = k, room[k] - 1
    return taken


@given(st.integers(0, 2**32 - 1))
def test_it_is_the_walk_from_the_likeliest_pair_on(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(0, 30), rng.integers(1, 6)
    p = rng.integers(0, 4, (n, k)) / 4  # many ties
    eligible, sizes = rng.random((n, k)) < 0.8, rng.integers(0, 12, k)
    taken = allot(p, eligible, sizes)
    assert taken.tolist() == one_by_one(p, eligible, sizes)
    for a in range(k):
        mine, left = taken == a, eligible[:, a] & (taken < 0)
        assert mine.sum() <= sizes[a] and eligible[mine, a].all()
        # Nobody who is left is likelier than anybody planned, and no list is short without need.
        if left.any():
            assert mine.sum() == sizes[a]
            assert not mine.any() or p[mine, a].min() >= p[left, a].max()


def test_many_customers_take_no_loop():
    rng = np.random.default_rng(0)
    p = rng.random((100_000, 4))
    taken = allot(p, np.ones(p.shape, bool), np.array([30_000, 30_000, 30_000, 30_000]))
    assert (taken >= 0).all() and np.bincount(taken).max() <= 30_000


def test_the_first_reason_counts():
    bars = {step: np.arange(6) == i for i, step in enumerate(LEFT)}
    bars["status"] |= bars["no_right"]
    planned = np.ones(6, bool)
    held = np.array(["standing"] * 5 + ["none"])
    codes = step_of(bars, planned, np.zeros(6, bool), held)
    assert [list(STEPS)[code] for code in codes] == [*LEFT, "held_out_standing", "to_contact"]


def test_the_funnel_adds_up_from_the_active_to_those_to_contact() -> None:
    gone = dict.fromkeys(STEPS, 0) | {"no_right": 30, "held_out_promotion": 7, "to_contact": 63}
    row = {"promotion_id": 18, "channel": "mail", "action": "18", "active": 100, **gone}
    row["planned"] = 70
    other = row | {"promotion_id": 7, "no_right": 20, "to_contact": 73}
    nobody, moment = pd.DataFrame(), datetime(2017, 10, 30)
    frames = dict.fromkeys(("steps", "planned", "decisions", "propensities"), nobody)
    frames |= {"funnel": pd.DataFrame([row])}
    names = pd.DataFrame({"promotion_id": [18, 7], "name": ["Coupons 18", "Discount 7"]})
    plan = Plan(moment, moment, 0.1, 0.05, 0, 0, promotions=names, **frames)
    text = plan.to_table().text
    assert ">70<" in text and ">63<" in text and "Coupons 18 (mail)" in text
    both = replace(plan, funnel=pd.DataFrame([row, other]), consent=False).to_table().text
    assert ">63<" in both and ">73<" in both and both.count("<caption>") == 1
    assert "(not checked)" in both and "(not checked)" not in text
    many = replace(plan, funnel=pd.DataFrame([row] * 9)).to_table().text
    assert many.count("<caption>") == 2 and many.count("Coupons 18 (mail)") == 9
