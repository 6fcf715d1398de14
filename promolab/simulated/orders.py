"""Orders: how many, when, what is in them and what is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.simulated.decisions import NONE, Decisions, recent_contacts
from promolab.simulated.effects import (
    AFTER,
    NEAR,
    bounded,
    changed_rates,
    claims,
    terms_of,
    topped_up,
)
from promolab.simulated.people import Customers, Goods, products_of
from promolab.simulated.world import World

__all__ = ["Orders", "draw_orders", "moments"]


ON_SALE_DAY = 0.3
"""Share of a sale week's visits and orders that are on the sale day itself."""


@dataclass(frozen=True)
class Orders:
    """Order lines of a chunk of customers.

    Parameters
    ----------
    owner : ndarray of int, shape (orders,)
        Position of each order's customer.
    second : ndarray of int, shape (orders,)
        When, in local seconds since the world began.
    promotion : ndarray of int, shape (orders,)
        Position in the world's promotions that its owner was assigned in that week, or `NONE`.
    redeemed : ndarray of bool, shape (orders,)
        Whether something was taken off.
    line : ndarray of int, shape (lines,)
        Each line's order.
    product, quantity : ndarray of int, shape (lines,)
    amount, discount, coupon : ndarray, shape (lines,)
        Money taken in, taken off, and the coupon's part of that.
    """

    owner: np.ndarray
    second: np.ndarray
    promotion: np.ndarray
    redeemed: np.ndarray
    line: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    amount: np.ndarray
    discount: np.ndarray
    coupon: np.ndarray


def draw_orders(
    world: World, customers: Customers, goods: Goods, decisions: Decisions, factors: np.ndarray
) -> Orders:
    """Draw the orders of all weeks."""
    rng = np.random.default_rng([world.seed, 4, int(customers.number[0])])
    counts = rng.poisson(_rates(world, customers, decisions, factors))
    owner, week = (axis.repeat(counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
    second = moments(world, rng, customers, owner, week)
    order = np.lexsort([second, owner])
    owner, week, second = owner[order], week[order], second[order]
    promotion = _assigned(world, decisions)[owner, week]
    sigma = world.noise_of_baskets
    gross = customers.basket[owner] * np.exp(rng.normal(0, sigma, len(owner)) - sigma**2 / 2)
    gross = _filled(world, customers, rng, owner, promotion, gross)
    lines = 1 + rng.poisson(1.2, len(owner))
    line = np.repeat(np.arange(len(owner)), lines)
    share = 0.02 + rng.exponential(size=len(line))  # nothing is for nothing
    share /= np.bincount(line, weights=share)[line]
    money = np.round(gross[line] * share, 2)
    product = products_of(rng, customers, owner[line], goods)
    discount = _discounts(
        world, customers, goods, rng, owner, promotion, gross, line, product, money
    )
    quantity = np.clip(np.round(money / goods.price[product]), 1, 60).astype(np.int64)
    by_coupon = np.array([p.kind == "coupon" for p in world.promotions] + [False])[promotion]
    return Orders(
        owner=owner,
        second=second,
        promotion=promotion,
        redeemed=np.bincount(line, weights=discount, minlength=len(owner)) > 0,
        line=line,
        product=product,
        quantity=quantity,
        amount=np.round(money - discount, 2),
        discount=discount,
        coupon=np.where(by_coupon[line], discount, 0.0),
    )


def _rates(
    world: World, customers: Customers, decisions: Decisions, factors: np.ndarray
) -> np.ndarray:
    rates = customers.rate[:, None] * factors[None, : world.weeks]
    kinds = len(world.kinds)
    for number, week in enumerate(world.rounds):
        contacts = recent_contacts(world, decisions.action, number)
        for place in range(kinds):
            promotion = world.promotions[number * kinds + place]
            change = changed_rates(world, customers, promotion, contacts)
            mine = decisions.action[:, number] == place
            rates[:, week : week + 1 + AFTER] += np.where(mine[:, None], change, 0.0)
    return bounded(rates)


def _assigned(world: World, decisions: Decisions) -> np.ndarray:
    """Position of the promotion that is valid for each customer in each week."""
    found = np.full((len(decisions.eligible), world.weeks), NONE)
    for number, week in enumerate(world.rounds):
        action = decisions.action[:, number]
        found[:, week] = np.where(action == NONE, NONE, number * len(world.kinds) + action)
    return found


def _filled(
    world: World,
    customers: Customers,
    rng: np.random.Generator,
    owner: np.ndarray,
    promotion: np.ndarray,
    gross: np.ndarray,
) -> np.ndarray:
    """Fill baskets just below the threshold of a full reduction up to it, some of them."""
    threshold = _terms(world, promotion, "threshold")
    near = (gross >= NEAR * threshold) & (gross < threshold)
    does = rng.uniform(size=len(gross)) < topped_up(world, customers)[owner]
    return np.where(near & does, threshold, gross)


def _terms(world: World, promotion: np.ndarray, name: str) -> np.ndarray:
    values = [getattr(terms_of(world, p.kind), name) for p in world.promotions]
    return np.array([*values, 0.0])[promotion]


def _discounts(
    world: World,
    customers: Customers,
    goods: Goods,
    rng: np.random.Generator,
    owner: np.ndarray,
    promotion: np.ndarray,
    gross: np.ndarray,
    line: np.ndarray,
    product: np.ndarray,
    money: np.ndarray,
) -> np.ndarray:
    rate = _terms(world, promotion, "discount_rate")
    kinds = np.array([p.kind for p in world.promotions] + ["none"])[promotion]
    claimed = (kinds != "coupon") | (rng.uniform(size=len(owner)) < claims(customers)[owner])
    category = np.array([p.category for p in world.promotions] + [NONE])[promotion]
    fits = (kinds == "coupon")[line] | (goods.category[product] == category[line])
    off = np.where(fits, (rate * claimed)[line], 0.0) * money
    reaches = (gross >= _terms(world, promotion, "threshold") - 1e-9) & (kinds == "full_reduction")
    reduction = _terms(world, promotion, "reduction") * reaches
    return np.round(off + reduction[line] * money / gross[line], 2)


def moments(
    world: World,
    rng: np.random.Generator,
    customers: Customers,
    owner: np.ndarray,
    week: np.ndarray,
) -> np.ndarray:
    """Draw a local second within a week by each customer's habits, or on its sale day."""
    n = len(owner)
    weekend = rng.uniform(size=n) < customers.weekend[owner]
    day = np.where(weekend, rng.integers(5, 7, n), rng.integers(0, 5, n))
    sale = np.full(world.weeks, -1)
    for number, weekday in world.sale_days.items():
        sale[number : number + 1] = weekday
    day = np.where((sale[week] >= 0) & (rng.uniform(size=n) < ON_SALE_DAY), sale[week], day)
    hour = np.clip(customers.hour[owner] + rng.normal(0, 2, n), 7, 22.99)
    found: Any = (week * 7 + day) * 86_400 + hour * 3600
    return found.astype(np.int64)
