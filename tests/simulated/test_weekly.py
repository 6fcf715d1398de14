"""The variant `weekly`: rounds that overlap, drawn depths, and a truth for any of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from promolab.simulated.discounts import offers_of, order_money, taken_off
from promolab.simulated.effects import MEMORY, course, running, tired, weekly_rates
from promolab.simulated.orders import decide, draw_orders
from promolab.simulated.people import draw_customers, draw_goods
from promolab.simulated.tables import write_shop
from promolab.simulated.truth import Truth, _effects
from promolab.simulated.world import DEPTHS, KINDS, NONE, THRESHOLDS, Promotion, Terms, World
from tests.refused import refused

MOST = 3.7
SIZE = 6_000
WEEK = 86_400 * 7


@pytest.fixture(scope="module")
def world():
    return World(customers=SIZE, weeks=16, seed=11, variant="weekly", exploration=1.0)


@pytest.fixture(scope="module")
def drawn(world):
    """Its customers, decisions, goods and orders."""
    customers, goods = draw_customers(world, 0, SIZE), draw_goods(world)
    decisions = decide(world, customers)
    orders = draw_orders(world, customers, goods, decisions, world.week_factors())
    return customers, goods, decisions, orders


def test_a_round_every_week_of_three_promotions_a_kind_with_even_chances(world, drawn):
    assert world.rounds == list(range(5, 15)) and len(world.promotions) == 11 * 12
    for kind in ("full_reduction", "coupon"):
        mine = [p.terms for p in world.promotions if p.kind == kind][: 3 * 3]
        pairs = {(round(t.depth, 4), t.threshold) for t in mine}
        assert pairs == {(d, t) for d in DEPTHS[kind] for t in THRESHOLDS[kind]}
        assert len({round(t.depth, 4) for t in mine[:3]}) == 3
    first = world.promotions[3:6]
    assert {p.kind for p in first} == {"limited_time_discount"}
    assert len({p.category for p in first}) == 1  # they differ by their depth alone
    chances, free = drawn[2].propensities, ~drawn[0].standing
    assert np.allclose(chances[free][:, :, :-1], 0.9 / 5 / 3)
    did = drawn[2].action[free & drawn[2].eligible]
    got, wanted = np.bincount(did.ravel() + 1, minlength=13)[1:], 0.06 * did.size
    assert (np.abs(got - wanted) < MOST * np.sqrt(wanted)).all()
    targeted = dataclasses.replace(world, exploration=0.25, customers=500)
    of_each = decide(targeted, draw_customers(targeted, 0, 500)).propensities
    of_kinds = of_each[:, :, :-1].reshape(500, -1, 4, 3)
    assert np.allclose(of_kinds, of_kinds.mean(axis=3, keepdims=True))
    for each in (chances, of_each):
        assert np.allclose(each.sum(axis=2), 1)


def test_its_tables_say_how_discounts_combine_and_the_others_are_as_they_were(tmp_path):
    for variant in ("weekly", "default"):
        write_shop(World(customers=30, weeks=12, variant=variant), tmp_path / variant)
    found = pd.read_parquet(tmp_path / "weekly" / "promotions")
    stacking = found.groupby("kind").stacking.first()
    assert set(stacking.index[stacking]) == {"limited_time_discount", "coupon"}
    assert found.steps.notna().eq(found.kind == "full_reduction").all()
    assert (found.ends_at - found.starts_at).dt.days.eq(14).all()
    plain = pd.read_parquet(tmp_path / "default" / "promotions")
    assert not {"steps", "stacking"} & set(plain) and len(plain) == 8
    assert (plain.ends_at - plain.starts_at).dt.days.eq(7).all()


def test_contacts_are_remembered_and_fatigue_acts_on_later_rounds_too(world):
    action = np.array([[NONE, 0, NONE, 3]])
    assert tired(world, action).tolist() == [[0, 0, MEMORY, MEMORY**2]]
    # A contact that is followed by others costs part of what these would add.
    few = dataclasses.replace(world, customers=1_000)
    customers, added = draw_customers(few, 0, 1_000), []
    for later in (NONE, 4):
        log = np.full((1_000, len(few.rounds)), NONE)
        log[:, 1:4] = later
        parts = (few, customers, log, 0)
        got, none = (course(*parts, own, promotions=few.promotions) for own in (1, NONE))
        added.append((got.rates - none.rates).sum(axis=1))
    glad = ~customers.averse & ~customers.settled
    assert (added[1][glad] < added[0][glad]).mean() > 0.95


def pair(*kinds_and_terms):
    """Two promotions that run together, the newer one first."""
    placed = enumerate(kinds_and_terms)
    return [Promotion(f"{n}", kind, 5 - n, n, terms) for n, (kind, terms) in placed]


def off(promotions, lines, categories, claimed=True):
    """What each takes off each line of one order, in cents."""
    offers, live = offers_of(promotions), np.arange(len(promotions))[None]
    line = np.zeros(len(lines), dtype=int)
    money, category = np.array(lines, dtype=float), np.array(categories)
    return taken_off(offers, live, np.array([claimed]), line, money, category)


def test_how_discounts_combine_by_hand():
    full, deep = Terms(100.0, 9.0), Terms(120.0, 10.8)
    rate, coupon = Terms(discount_rate=0.3), Terms(95.0, discount_rate=0.1)
    lines, categories = [8_000, 4_000], [0, 7]
    # Full reductions compete: that of 10.80 counts, the first in time where they are alike.
    for other, taken in ((deep, [[0, 720], [0, 360]]), (full, [[0, 600], [0, 300]])):
        both = pair(("full_reduction", full), ("full_reduction", other))
        assert off(both, lines, categories).tolist() == taken
    # A limited-time discount comes after it, on what is left of its category's lines.
    found = off(pair(("limited_time_discount", rate), ("full_reduction", full)), lines, categories)
    assert found.tolist() == [[(8_000 - 600) * 0.3, 600], [0, 300]]
    # A coupon comes last: here 96 CNY are left of 120, its minimum of 95 is reached, then not.
    both = pair(("limited_time_discount", rate), ("coupon", coupon))
    assert off(both, lines, categories).tolist() == [[2_400, 560], [0, 400]]
    assert off(both, [8_000, 3_800], categories).tolist() == [[2_400, 0], [0, 0]]
    assert off(both, lines, categories, claimed=False)[:, 1].sum() == 0
    # Thresholds are reached by the sum of rounded lines, to the cent; halves go up.
    alone = pair(("full_reduction", full))
    assert off(alone, [5_001, 4_999], [0, 0]).sum() == 900
    assert off(alone, [5_000, 4_999], [0, 0]).sum() == 0
    assert off(pair(("limited_time_discount", Terms(discount_rate=0.1))), [105], [0])[0, 0] == 11


def test_orders_and_what_is_taken_off_them_are_as_expected(world, drawn):
    customers, _, decisions, orders = drawn
    weeks, promotions = range(world.weeks), world.promotions
    factors, action = world.week_factors(), decisions.action
    wanted = weekly_rates(world, customers, action, promotions, factors, weeks)
    week = orders.second // WEEK
    counts = np.bincount(week, minlength=world.weeks)
    assert (np.abs(counts - wanted.sum(axis=0)) < MOST * np.sqrt(wanted.sum(axis=0))).all()
    live = running(world, decisions.action, weeks)
    both, n = (orders.amount + orders.discount, orders.discount), len(orders.owner)
    got = np.stack([np.bincount(orders.line, weights=each, minlength=n) for each in both])
    # Each pair of kinds is in every week: some of the weeks tell.
    some = week % 3 == 0
    money = [order_money(world, customers, live[:, w], promotions) for w in weeks[::3]]
    gap = got[:, some] - np.stack(money, axis=2)[:, orders.owner[some], week[some] // 3]
    kinds = np.array([KINDS.index(p.kind) for p in promotions] + [-1])
    together = np.sort(kinds[orders.promotion[some]], axis=1)
    cases = np.unique(together, axis=0)
    assert len(cases) == 15  # every pair of kinds, each alone, and none
    for case in cases:
        mine = gap[:, (together == case).all(axis=1)]
        error = mine.std(axis=1) / np.sqrt(mine.shape[1])
        assert (np.abs(mine.mean(axis=1)) <= MOST * error + 1e-9).all(), case
    assert got[1].mean() > 2  # CNY: what is compared is no small matter


def test_one_week_alone_is_drawn_as_among_all_and_thresholds_are_met_to_the_cent(world, drawn):
    customers, goods, decisions, orders = drawn
    factors, week = world.week_factors(), 8
    alone = draw_orders(world, customers, goods, decisions, factors, week)
    assert (alone.second // WEEK == week).all()
    n, usual = len(alone.owner), (orders.second // WEEK == week).sum()
    assert abs(n - usual) < MOST * np.sqrt(n + usual)
    assert np.allclose(alone.off.sum(axis=1), alone.discount)
    running_then = running(world, decisions.action, range(week, week + 1))[:, 0]
    assert (alone.promotion == running_then[alone.owner]).all()
    cents = np.round((orders.amount + orders.discount) * 100).astype(int)
    sums = np.bincount(orders.line, weights=cents).astype(int)
    raised = np.isin(sums, [18_000, 23_000, 30_000])
    assert raised.sum() > 100  # filled up to a threshold exactly
    assert (cents > 0).all() and (orders.amount >= 0).all()


def test_what_is_added_grows_less_and_less_and_profit_turns():
    truth = Truth(World(customers=500, weeks=12, seed=2, variant="weekly"))
    for kind, depths in DEPTHS.items():
        own = next(p for p in truth.world.promotions if p.id == f"W07-{kind}-2")
        fine, full = np.array([0.25, 0.5, 1, 2, 4]) * depths[1], kind == "full_reduction"
        name, times = ("reduction", own.terms.threshold) if full else ("discount_rate", 1)
        terms = [dataclasses.replace(own.terms, **{name: d * times}) for d in fine]
        at = [dataclasses.replace(own, terms=each) for each in terms]
        effects = [_effects(truth.world, each) for each in at]
        means = pd.DataFrame([e[["orders_effect", "margin_effect"]].mean() for e in effects])
        orders, margin = means.to_numpy().T
        slopes = np.diff(orders) / np.diff(fine)
        assert (slopes > 0).all() and (np.diff(slopes) < 0).all(), kind
        assert 0 < margin.argmax() < 4 and margin[-1] < margin.max() - 0.2, kind
        assert np.allclose(truth.effects(own.id)["margin_effect"], effects[2]["margin_effect"])
        assert (effects[1]["discount_effect"] > 0).mean() > 0.9
    refused("there is no promotion", truth.effects, "W07-coupon")
