"""What comes off order lines: by hand, and against plain loops that follow the rule as written."""

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.errors import InputError
from promolab.promotions import (
    Coupon,
    FullReduction,
    LimitedTimeDiscount,
    Recommendation,
    read_promotions,
)
from promolab.promotions.stacking import taken_off
from tests.refused import refused

START = datetime(2024, 1, 1)
WEEK = {"starts_at": START, "ends_at": START + timedelta(days=7)}


def off(offers, prices, products=None, names=None):
    """Return {promotion_id: discounts per line} of one order."""
    products = products or ["x"] * len(prices)
    lines = pd.DataFrame({"order": 7, "product_id": products, "price": prices})
    live = pd.DataFrame({"order": 7, "promotion_id": names or [p.promotion_id for p in offers]})
    found = taken_off(lines, live, {p.promotion_id: p for p in offers})
    wide = found.pivot_table("discount", "promotion_id", "line")
    wide = wide.reindex(columns=range(len(prices))).fillna(0.0)
    return {one: row.tolist() for one, row in zip(wide.index, wide.to_numpy(), strict=True)}


def test_each_kind_by_hand_a_threshold_counting_its_own_products():
    some = LimitedTimeDiscount(promotion_id="L", rate=0.15, products=frozenset("x"), **WEEK)
    assert off([some], [10.0, 3.33, 5.0], ["x", "x", "y"]) == {"L": [1.5, 0.5, 0.0]}
    once = FullReduction(promotion_id="F", threshold=100, reduction=10, **WEEK)
    assert off([once], [150.0, 100.0]) == {"F": [6.0, 4.0]}
    assert off([once], [99.0]) == {}
    every = FullReduction(promotion_id="F", threshold=100, reduction=10, steps=0, **WEEK)
    twice = FullReduction(promotion_id="F", threshold=100, reduction=10, steps=2, **WEEK)
    assert off([every], [350.0]) == {"F": [30.0]} and off([twice], [350.0]) == {"F": [20.0]}
    voucher = Coupon(promotion_id="C", value=5, minimum=20, **WEEK)
    assert off([voucher], [12.0, 8.0]) == {"C": [3.0, 2.0]} and off([voucher], [19.9]) == {}
    assert off([Coupon(promotion_id="C", value=5, **WEEK)], [3.0]) == {"C": [3.0]}  # no more
    assert off([Recommendation(promotion_id="R", **WEEK)], [50.0]) == {}
    assert off([Coupon(promotion_id="C", **WEEK)], [50.0]) == {}  # its face value is not stated
    own = FullReduction(
        promotion_id="F", threshold=50, reduction=5, products=frozenset("x"), **WEEK
    )
    assert off([own], [49.0, 60.0], ["x", "y"]) == {}
    assert off([own], [50.0, 60.0], ["x", "y"]) == {"F": [5.0, 0.0]}


def test_those_that_do_not_stack_compete_and_the_others_come_after():
    rate = LimitedTimeDiscount(promotion_id="L", rate=0.1, **WEEK)
    step = FullReduction(promotion_id="F", threshold=100, reduction=8, **WEEK)
    share = Coupon(promotion_id="C", rate=0.5, **WEEK)
    assert off([rate, step, share], [200.0]) == {"L": [20.0], "C": [90.0]}
    assert off([rate, step], [70.0]) == {"L": [7.0]}
    # Ties: the earlier start, then the id as text.
    early = {"starts_at": START - timedelta(days=1), "ends_at": WEEK["ends_at"]}
    twin = LimitedTimeDiscount(promotion_id="Z", rate=0.1, **early)
    assert off([rate, twin], [100.0]) == {"Z": [10.0]}
    second = LimitedTimeDiscount(promotion_id="K", rate=0.1, **WEEK)
    assert off([rate, second], [100.0]) == {"K": [10.0]}
    # All stack: discount, then reduction, then coupon, each on what is left.
    stacked = [
        Coupon(promotion_id="A", rate=0.1, **WEEK),
        FullReduction(promotion_id="B", threshold=80, reduction=10, stacking=True, **WEEK),
        LimitedTimeDiscount(promotion_id="C", rate=0.2, stacking=True, **WEEK),
    ]
    assert off(stacked, [100.0]) == {"A": [7.0], "B": [10.0], "C": [20.0]}
    assert off(stacked, [99.0]) == {"A": [7.92], "C": [19.8]}  # 79.20 is left: below 80


def cents(money):
    return math.floor(100 * money + 0.5 + 1e-7) / 100


def plainly(lines, offers):
    """Follow the rule order by order: {line: discount in all}."""

    def amounts(p, left):
        mine = [i for i in left if not p.products or lines[i][0] in p.products]
        price = rest = sum(left[i] for i in mine)
        if p.kind == "limited_time_discount":
            return {i: cents(p.rate * left[i]) for i in mine}
        if p.kind == "full_reduction":
            times = math.floor((price + 0.005 * len(mine)) / p.threshold)
            money = p.reduction * (min(times, p.steps) if p.steps else times)
        elif price + 0.005 * len(mine) < p.minimum:
            return {}
        elif math.isnan(p.value):
            return {i: cents(p.rate * left[i]) for i in mine}
        else:
            money = p.value
        money = min(money, rest)
        return {i: cents(money * (left[i] / rest)) if rest > 0 else 0.0 for i in mine}

    left = {i: price for i, (_, price) in enumerate(lines)}
    rivals = [p for p in offers if not p.stacking]
    rivals.sort(key=lambda p: (p.starts_at, str(p.promotion_id)))
    if rivals:
        best = max(rivals, key=lambda p: round(sum(amounts(p, left).values()), 2))
        for i, money in amounts(best, left).items():
            left[i] -= money
    kinds = ["limited_time_discount", "full_reduction", "coupon"]
    after = [p for p in offers if p.stacking]
    after.sort(key=lambda p: (kinds.index(p.kind), p.starts_at, str(p.promotion_id)))
    for p in after:
        for i, money in amounts(p, left).items():
            left[i] -= money
    return [round(price - left[i], 2) for i, (_, price) in enumerate(lines)]


def drawn(rng, number):
    window = {"promotion_id": f"P{number}", "ends_at": WEEK["ends_at"]}
    window["starts_at"] = START - timedelta(days=int(rng.integers(0, 3)))
    window["stacking"] = bool(rng.integers(2))
    if rng.integers(2):
        window["products"] = frozenset(rng.choice(list("xyz"), 2, replace=False).tolist())
    kind = rng.integers(4)
    if kind == 0:
        return LimitedTimeDiscount(rate=float(rng.choice([0.05, 0.1, 0.25])), **window)
    if kind == 1:
        steps = int(rng.integers(0, 3))
        return FullReduction(
            threshold=40, reduction=float(rng.choice([3, 6])), steps=steps, **window
        )
    if kind == 2:
        return Coupon(value=5, minimum=float(rng.choice([0, 30])), **window)
    return Coupon(rate=0.1, minimum=float(rng.choice([0, 30])), **window)


def test_many_orders_and_promotions_at_once_are_what_plain_loops_say():
    rng = np.random.default_rng(5)
    offers = {p.promotion_id: p for p in (drawn(rng, number) for number in range(12))}
    orders, holds = {}, {}
    for order in range(300):
        n = int(rng.integers(1, 5))
        orders[order] = [
            (str(rng.choice(list("xyz"))), round(float(rng.gamma(2, 12)), 2)) for _ in range(n)
        ]
        holds[order] = rng.choice(list(offers), int(rng.integers(0, 5)), replace=False).tolist()
    rows = [(o, product, price) for o, lines in orders.items() for product, price in lines]
    lines = pd.DataFrame(rows, columns=["order", "product_id", "price"])
    live = pd.DataFrame(
        [(o, p) for o, mine in holds.items() for p in mine], columns=["order", "promotion_id"]
    )
    found = taken_off(lines, live.sample(frac=1, random_state=1), offers)
    total = np.bincount(found["line"], found["discount"], minlength=len(lines))
    expected = np.concatenate([plainly(orders[o], [offers[p] for p in holds[o]]) for o in orders])
    np.testing.assert_allclose(total, expected, atol=1e-9)
    assert (total > 0).sum() > 200 and (found["line"].diff().dropna() >= 0).all()


def test_what_is_wrong_is_said():
    lines = pd.DataFrame({"order": [1], "product_id": ["x"], "price": [5.0]})
    refused("no column 'price' in lines", taken_off, lines.drop(columns="price"), lines, {})
    with pytest.raises(InputError, match="live names promotion 'Q', whose terms are not given"):
        taken_off(lines, pd.DataFrame({"order": [1], "promotion_id": ["Q"]}), {})


def test_on_the_simulated_shop_every_line_agrees():
    shop = promolab.load_shop("simulated", customers=400, weeks=14, variant="weekly")
    lines = shop.events.filter(shop.events.kind == "purchase").drop("kind").execute()
    lines = lines.astype({"amount": float, "discount": float}).rename(columns={"order_id": "order"})
    lines["price"] = (lines["amount"] + lines["discount"]).round(2)
    windows = shop.promotions.select("promotion_id", "kind", "starts_at", "ends_at").execute()
    contacts = shop.exposures.select("promotion_id", "customer_id", contacted="ts").execute()
    live = lines.drop_duplicates("order").merge(contacts.merge(windows), on="customer_id")
    live = live[live["ts"].between(live["starts_at"], live["ends_at"], "left")]
    live = live[live["ts"] >= live["contacted"]]
    redeemed = shop.responses.filter(shop.responses.kind == "redeem").drop("kind").execute()
    by = ["promotion_id", "customer_id"]  # in the last order before it was handed in
    held, redeemed = (rows[[*by, "ts"]].sort_values("ts") for rows in (live, redeemed))
    used = pd.merge_asof(redeemed, held.assign(order=live["order"]), on="ts", by=by)
    live = pd.concat([live[live["kind"] != "coupon"], used.dropna()])
    found = taken_off(lines, live, read_promotions(shop))
    due = np.bincount(found["line"], found["discount"], minlength=len(lines))
    np.testing.assert_allclose(due, lines["discount"], atol=0.005)
    kinds = found["promotion_id"].map(windows.set_index("promotion_id")["kind"])
    assert (found.groupby(kinds)["discount"].sum() > 50).sum() == 3
