"""Prices for a budget and one cap: the cap's price follows from the budget's, so one is searched.

At a price of the budget each customer's best option under the cap and best option beside it are
known, and by how much the one is better: those ahead by most get it, as many as the cap allows, and
how far the last of them is ahead is the cap's price. What is spent then falls as the budget's price
rises, and the price at which it meets the budget is the best (the bound of `duals`, with the cap's
price minimised out, is convex in the budget's).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from promolab.policy.frontier.convex_hull import CHUNK, best_of
from promolab.policy.frontier.lagrangian import Answer, Customers
from promolab.policy.frontier.limits import Limits

REST = 4.0
"""What may be left of the budget when the search is over; a contact costs about 1 (`Customers`)."""
NEAR = 1e-6
"""Share by which the bound may lie above the best one's then."""
ROUNDS = 40
NEAREST = 500
"""Customers to whom what is left of the budget may go."""


class _Place(NamedTuple):
    """A price of the budget, the cap's there, and what is spent at both."""

    price: float
    cap: float
    spend: float


def is_one_cap(limits: Limits) -> bool:
    """Tell whether the only limit beside the budget is on how many customers get some options.

    Parameters
    ----------
    limits : Limits
    """
    one = len(limits.names) == 1 and limits.of_group[0] < 0 and not limits.least[0] > 0
    return bool(one and np.isin(limits.usage[0], (0, 1)).all() and np.isfinite(limits.most[0]))


def price_one_cap(customers: Customers, sample: Customers) -> Answer | None:
    """Find the best prices of the budget and of the only cap; None where they leave much open.

    That is so where many customers are alike: at the best prices all of them choose the same.

    Parameters
    ----------
    customers : Customers
        With costs of about 1, and limits that `is_one_cap` accepts.
    sample : Customers
        Some of them, on whom the search begins.
    """
    place = _searched(customers, _searched(sample, 1.0).price)
    # A hair more, so that the first who does not get it is not indifferent.
    prices = np.array([place.price, place.cap and place.cap + 1e-12 * (1 + place.cap)])
    found = customers.answer(prices)
    much = float(prices @ [2 * REST, 2])
    return _filled(customers, found) if found.bound - found.value <= much else None


def _filled(customers: Customers, found: Answer) -> Answer:
    """Give what is left of the budget to those whose second option is hardly worse than theirs."""
    limits = customers.limits
    near = np.argpartition(found.margin, NEAREST)[:NEAREST]
    near = near[np.argsort(found.margin[near], kind="stable")]
    value, cost = (
        np.vstack([np.zeros(NEAREST), a[:, near]]) for a in (customers.value, customers.cost)
    )
    use = np.append(0.0, limits.usage[0])
    places, now = np.arange(NEAREST), found.choice[near] + 1
    net = value - found.prices[0] * cost - found.prices[1] * use[:, None]
    net[now, places] = -np.inf
    other = net.argmax(axis=0)
    gain, dearer = (a[other, places] - a[now, places] for a in (value, cost))
    more = use[other] - use[now]
    left, room = limits.budget - found.spend, limits.most[0] - found.used[0]
    choice, total = found.choice.copy(), found.value
    for k in np.flatnonzero(gain > 0):
        if dearer[k] <= left and more[k] <= room:
            left, room, total = left - dearer[k], room - more[k], total + gain[k]
            choice[near[k]] = other[k] - 1
    spend, used = limits.budget - left if np.isfinite(left) else found.spend, limits.most - room
    return replace(found, choice=choice, value=total, spend=spend, used=used)


def _searched(customers: Customers, start: float) -> _Place:
    """Return the place that keeps the budget, and spends all of it but the last."""
    budget = customers.limits.budget
    dear, cheap = _around(customers, start)
    halved = {True: 1.0, False: 1.0}
    last = None
    for _ in range(ROUNDS):
        left, apart = budget - dear.spend, dear.price - cheap.price
        # No price between both lowers the bound by more than their product.
        near = left <= REST and left * apart <= NEAR * dear.price * budget
        if near or apart <= 1e-12 * dear.price:
            break
        # The straight line between both ends; one that stays for long counts half (the rule of
        # Illinois), so that the other does not creep.
        over = halved[False] * (cheap.spend - budget)
        under = halved[True] * left
        here = _at(customers, cheap.price + apart * over / (over + under))
        kept = here.spend <= budget
        dear, cheap = (here, cheap) if kept else (dear, here)
        halved = {kept: 1.0, not kept: halved[not kept] / 2 if kept is last else 1.0}
        last = kept
    return dear


def _around(customers: Customers, start: float) -> tuple[_Place, _Place]:
    """Return places around the budget: one that keeps it, and one that does not.

    The steps away from the start grow until it lies between both; where it is kept without a price,
    that place comes twice.
    """
    budget, step = customers.limits.budget, 0.01 * start or 1e-3
    dear = cheap = _at(customers, start)
    while dear.spend > budget:
        cheap, dear = dear, _at(customers, dear.price + step)
        step *= 4
    while cheap.spend <= budget and cheap.price > 0:
        dear, cheap = cheap, _at(customers, max(cheap.price - step, 0.0))
        step *= 4
    return (cheap, cheap) if cheap.spend <= budget else (dear, cheap)


def _at(customers: Customers, price: float) -> _Place:
    """Return what is spent at a price of the budget, and the cap's price there."""
    n, limits = len(customers), customers.limits
    capped = limits.usage[0] > 0
    ahead, mine, others = np.empty(n), np.empty(n), np.empty(n)
    for first in range(0, n, CHUNK):
        rows = slice(first, min(first + CHUNK, n))
        cost = customers.cost[:, rows]
        net = customers.value[:, rows] - price * cost
        ahead[rows], mine[rows] = _best(net[capped], cost[capped])
        beside, others[rows] = _best(net[~capped], cost[~capped])
        others[rows] *= beside > 0
        ahead[rows] -= np.maximum(beside, 0.0)
    most, last = int(limits.most[0]), 0.0
    if most < n:
        last = max(float(np.partition(ahead, n - most - 1)[n - most - 1]), 0.0)
    return _Place(price, last, float(np.where(ahead > last, mine, others).sum()))


def _best(net: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each customer's best option is worth and costs; nothing where there is none."""
    if not len(net):
        return np.full(net.shape[1], -np.inf), np.zeros(net.shape[1])
    if len(net) == 1:
        return net[0], cost[0]
    place, best, _ = best_of(net)
    return best, cost[place, np.arange(len(place))]
