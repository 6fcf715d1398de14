"""Every budget at once: the upper hull of each customer's options, and all hull steps in one order.

Of one customer's options, by cost and value, only those on the upper convex hull from (0, 0) are
ever worth their money. Each step from one such option to the next has a return, its value by its
cost; taken over all customers in the order of their returns, the steps are the optimum of the
linear program at every budget, at which at most one customer gets a part of a step.

References
----------
Sinha & Zoltners (1979), The multiple-choice knapsack problem, Operations Research 27(3); Sverdrup,
Wu, Athey & Wager (2023), Qini curves for multi-armed treatment rules, arXiv 2306.11979.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

CHUNK = 4096
"""Customers at a time: what is computed of them stays in the processor's cache."""
LOOKAHEAD = 1_000
"""Steps past the budget among which some that still fit are looked for."""
TINY = 1e-300
SLACK = 1e-12
"""By which share sums of costs may exceed the budget: what rounding in sums amounts to."""


@dataclass(frozen=True)
class HullPath:
    """The steps of all hulls, best return first; by `hull_path`.

    Parameters
    ----------
    customer, option : ndarray of int of shape (steps,)
        Whose step it is, and to which option it leads.
    spend, profit : ndarray of shape (steps + 1,)
        What the first 0, 1, 2, … steps cost and add together.
    slope : ndarray of shape (steps + 1,)
        The return of the step after these, which never rises; infinite for what is free, 0 at last.
    customers : int
        Customers in all, those without a step included.
    """

    customer: np.ndarray
    option: np.ndarray
    spend: np.ndarray
    profit: np.ndarray
    slope: np.ndarray
    customers: int

    def steps_within(self, budget: float) -> int:
        """Return how many steps, from the first on, cost no more than this together."""
        return int(np.searchsorted(self.spend, budget * (1 + SLACK), side="right")) - 1

    def bound(self, budget: float) -> float:
        """Return the most that any allocation of this budget can add (the linear program's).

        Parameters
        ----------
        budget : float
            May be infinite.
        """
        k = self.steps_within(budget)
        if k == len(self.option):
            return float(self.profit[k])
        whole, gain = (float(a[k + 1] - a[k]) for a in (self.spend, self.profit))
        part = min(max(budget - float(self.spend[k]), 0.0) / whole, 1.0)
        return float(self.profit[k]) + part * gain

    def price(self, budget: float) -> float:
        """Return what a unit more than this budget would add."""
        return float(self.slope[self.steps_within(budget)])

    def frontier(self) -> pd.DataFrame:
        """Return ``budget, profit, marginal_return`` after each step, what is free taken before."""
        paid = slice(self.steps_within(0.0), None)
        columns = {
            "budget": self.spend[paid],
            "profit": self.profit[paid],
            "marginal_return": self.slope[paid],
        }
        return pd.DataFrame(columns, copy=False)

    def choose(self, budget: float) -> np.ndarray:
        """Return each customer's option at a budget, −1 for none, of shape (customers,).

        Steps are taken in their order; of the next ones, those that still fit.
        """
        k = self.steps_within(budget)
        choice = np.full(self.customers, -1, dtype=np.int16)
        # A customer's steps come in order, so that the last one counts.
        for taken in (slice(k), self._fitting(k, budget)):
            choice[self.customer[taken]] = self.option[taken]
        return choice

    def _fitting(self, k: int, budget: float) -> list[int]:
        """Return the places of steps past the budget's end that what is left over still pays."""
        left = budget - self.spend[k]
        passed: set[int] = set()
        fitting = []
        customers = self.customer[k : k + LOOKAHEAD].tolist()
        costs = np.diff(self.spend[k : k + LOOKAHEAD + 1]).tolist()
        for place, (customer, cost) in enumerate(zip(customers, costs, strict=True), start=k):
            if cost <= left and customer not in passed:
                fitting.append(place)
                left -= cost
            else:  # a later step of the same customer starts from one that was not taken
                passed.add(customer)
        return fitting


def hull_path(value: np.ndarray, cost: np.ndarray, eligible: np.ndarray | None = None) -> HullPath:
    """Find the steps of all customers' hulls and put them in order.

    Options that add nothing or less are never on a hull. Free options that add something come
    first. Among equal returns the customer who comes first is first, and of a customer's equal
    options the one in the first column counts.

    Parameters
    ----------
    value, cost : ndarray of shape (n, P)
        What each option adds and costs (at least 0).
    eligible : ndarray of bool of shape (n, P), optional
        Which options are allowed; what stands in value and cost of others does not matter.

    Examples
    --------
    >>> path = hull_path(np.array([[3.0, 4.0], [1.0, 5.0]]), np.array([[1.0, 2.0], [1.0, 2.0]]))
    >>> path.customer.tolist(), path.option.tolist(), path.profit.tolist()
    ([0, 1, 0], [0, 1, 1], [0.0, 3.0, 8.0, 9.0])
    >>> path.bound(2.0), path.choose(2.0).tolist()
    (5.5, [1, -1])
    """
    n = len(value)
    customer, option, falling, extra, gain = _all_steps(value, cost, eligible)
    order, slope = _in_order(falling, customer)
    del falling
    spend, profit = _running(extra, order), _running(gain, order)
    return HullPath(customer[order], option[order], spend, profit, slope, n)


def _all_steps(
    value: np.ndarray, cost: np.ndarray, eligible: np.ndarray | None
) -> list[np.ndarray]:
    """Return what `_chunk_steps` does, of all customers, in arrays that hardly ever grow."""
    n, filled = len(value), 0
    steps: list[Any] = [
        np.empty(0, np.int32),
        np.empty(0, np.int16),
        *(np.empty(0) for _ in range(3)),
    ]
    for first in range(0, n, CHUNK):
        rows = slice(first, min(first + CHUNK, n))
        parts = _chunk_steps(value, cost, eligible, rows)
        more = sum(len(part[0]) for part in parts)
        if filled + more > len(steps[0]):
            # As many as so far for each customer, and a few more.
            room = int(1.05 * (filled + more) * n / rows.stop) + CHUNK
            steps = [np.concatenate([a[:filled], np.empty(room - filled, a.dtype)]) for a in steps]
        for part in parts:
            for array, new in zip(steps, part, strict=True):
                array[filled : filled + len(new)] = new
            filled += len(part[0])
    return [array[:filled] for array in steps]


def _running(steps: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, 2, … in an order; every array of millions costs time."""
    sums = np.empty(len(order) + 1)
    sums[0] = 0.0
    np.take(steps, order, out=sums[1:], mode="clip")
    return np.cumsum(sums, out=sums)


def _in_order(falling: np.ndarray, customer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort by negative return; what is equal, by customer and then as it was found.

    Returns the order, and the returns in it, with 0 behind.
    """
    order = np.argsort(falling)  # the fast one, which leaves ties in any order
    slope = np.zeros(len(order) + 1)
    ordered = np.take(falling, order, out=slope[:-1], mode="clip")
    equal = ordered[1:] == ordered[:-1]
    if equal.any():
        tied = np.flatnonzero(np.append(equal, False) | np.insert(equal, 0, False))
        among = order[tied]
        order[tied] = among[np.lexsort((among, customer[among], falling[among]))]
    return order, np.abs(slope, out=slope)


def _chunk_steps(
    value: np.ndarray, cost: np.ndarray, eligible: np.ndarray | None, rows: slice
) -> list[tuple[np.ndarray, ...]]:
    """Return customers, options, negative returns, costs and values of some customers' steps.

    From where each customer stands, the next option on the hull is the one with the best return
    (Jarvis's march): a few passes over all options, however many there are.
    """
    v = np.array(value[rows].T, dtype=float, order="C")
    c = np.array(cost[rows].T, dtype=float, order="C")
    if eligible is not None:
        np.copyto(v, 0.0, where=~eligible[rows].T)
        np.copyto(c, 0.0, where=~eligible[rows].T)
    customer = np.arange(rows.start, rows.stop, dtype=np.int32)
    at_value, at_cost = np.zeros(len(customer)), np.zeros(len(customer))
    bound = np.full(len(customer), np.inf)
    steps: list[tuple[np.ndarray, ...]] = []
    free = c == 0
    if free.any():
        option, at_value, _ = best_of(np.where(free, v, 0.0))
        some = np.flatnonzero(at_value > 0)
        nothing = np.zeros(len(some))
        best = np.full(len(some), -np.inf)
        steps.append((customer[some], option[some], best, nothing, at_value[some]))
    while len(customer):
        gain, extra = v - at_value, c - at_cost
        # What adds nothing is no step: its return is 0. What costs less adds less, by the march.
        np.maximum(gain, 0.0, out=gain)
        np.maximum(extra, TINY, out=extra)
        gain /= extra
        option, best, _ = best_of(gain)
        go = np.flatnonzero(best > 0)
        option, customer, v, c = option[go], customer[go], v.take(go, axis=1), c.take(go, axis=1)
        # In exact arithmetic returns only fall; rounding must not put a later step first.
        bound = np.minimum(best[go], bound[go])
        places = np.arange(len(go))
        next_value, next_cost = v[option, places], c[option, places]
        steps.append((customer, option, -bound, next_cost - at_cost[go], next_value - at_value[go]))
        at_value, at_cost = next_value, next_cost
    return steps


def best_of(
    columns: np.ndarray, *, second: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which row is the largest in each column, the first of equal ones, and its value.

    Parameters
    ----------
    columns : ndarray of shape (P, n)
    second : bool
        Whether the second largest is wanted too.

    Returns
    -------
    place : ndarray of int of shape (n,)
    best, runner_up : ndarray of shape (n,)
        The second one −∞ where it is not wanted, or there is none.
    """
    best = columns[0].copy()
    runner_up = np.full(len(best), -np.inf)
    place = np.zeros(len(best), dtype=np.int16)
    for row, other in enumerate(columns[1:], start=1):
        np.putmask(place, other > best, row)
        if second:
            np.maximum(runner_up, np.minimum(best, other), out=runner_up)
        np.maximum(best, other, out=best)
    return place, best, runner_up
