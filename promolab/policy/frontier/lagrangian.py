"""Prices for budget and limits, by which each customer chooses alone, and the bound they prove.

Whatever the prices, what customers choose by value less what they are charged, plus what budget and
limits are worth at these prices, is a bound on every allocation (Lagrange). The best prices make
the bound the linear program's optimum. They are found on a sample by that program itself, and
refined on all customers by cutting planes inside a box (Kelley; Marsten, Hogan & Blankenship's
box step): each answer of the customers is a plane below the bound as a function of prices. The
weights of the planes that meet at the optimum are the linear program's answer, as a mixture of
customers' answers (Dantzig & Wolfe).

References
----------
Geoffrion (1974), Lagrangean relaxation for integer programming; Kelley (1960), J. SIAM 8; Marsten,
Hogan & Blankenship (1975), The boxstep method, Operations Research 23(3).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linprog

from promolab.policy.frontier.convex_hull import CHUNK, best_of
from promolab.policy.frontier.limits import Limits


@dataclass(frozen=True)
class Answer:
    """What customers choose at prices.

    Parameters
    ----------
    prices : ndarray of shape (1 + rows,)
        Of the budget and the limits.
    choice : ndarray of int of shape (n,)
        −1 for none.
    margin : ndarray of shape (n,)
        How much better that is than the second best, charges paid; none is one of them.
    value, spend : float
        Sums over customers.
    used : ndarray of shape (rows,)
        What it uses of the limits.
    bound : float
        The most that any allocation inside the limits can add.
    """

    prices: np.ndarray
    choice: np.ndarray = field(repr=False)
    margin: np.ndarray = field(repr=False)
    value: float
    spend: float
    used: np.ndarray
    bound: float


class Customers:
    """Customers who choose by prices.

    Parameters
    ----------
    value, cost : ndarray of shape (n, P)
        A value of −∞ is an option that is not allowed.
    limits : Limits
    """

    def __init__(self, value: np.ndarray, cost: np.ndarray, limits: Limits) -> None:
        # By option, for each is compared with the best one so far of all customers.
        self.value, self.cost = (np.array(a.T, dtype=float, order="C") for a in (value, cost))
        self.limits = limits

    def __len__(self) -> int:
        return int(self.value.shape[1])

    def sample(self, rows: np.ndarray) -> Customers:
        """Return some of them, with their share of the limits."""
        limits = self.limits.of(rows, len(rows) / len(self))
        return Customers(self.value[:, rows].T, self.cost[:, rows].T, limits)

    def within(self, budget: float) -> Customers:
        """Return the same customers with another budget."""
        return self.under(replace(self.limits, budget=budget))

    def under(self, limits: Limits) -> Customers:
        """Return the same customers with other limits."""
        same = copy(self)
        same.limits = limits
        return same

    def answer(self, prices: np.ndarray) -> Answer:
        """Let each choose what is worth most less what it is charged.

        Parameters
        ----------
        prices : ndarray of shape (1 + rows,)
        """
        n, limits = len(self), self.limits
        of_all, by_group = limits.charges(prices[1:])
        choice, margin = np.empty(n, dtype=np.int16), np.empty(n)
        surplus = spend = 0.0
        for first in range(0, n, CHUNK):
            rows = slice(first, min(first + CHUNK, n))
            net = self.value[:, rows] - prices[0] * self.cost[:, rows]
            net -= of_all[:, None]
            if by_group is not None and limits.group is not None:
                net -= by_group.T[:, limits.group[rows] + 1]
            option, best, second = best_of(net, second=True)
            gets = best > 0
            choice[rows] = np.where(gets, option, -1)
            margin[rows] = np.where(gets, best - np.maximum(second, 0.0), -best)
            surplus += float(best[gets].sum())
            spend += float(self.cost[:, rows][option[gets], np.flatnonzero(gets)].sum())
        used = limits.used(choice)
        worth = np.insert(np.where(prices[1:] > 0, limits.most, limits.least), 0, limits.budget)
        some = prices != 0  # a price of 0 times no limit is nothing
        bound = surplus + float(prices[some] @ worth[some])
        value = surplus + float(prices @ [spend, *used])
        return Answer(prices, choice, margin, value, spend, used, bound)


@dataclass(frozen=True)
class Priced:
    """The best prices found, and the mixture of answers that keeps to the limits.

    Parameters
    ----------
    best : Answer
        The one with the lowest bound.
    answers : list of Answer
        Those that are mixed.
    weights : ndarray
        Their weights, which add up to 1.
    """

    best: Answer
    answers: list[Answer]
    weights: np.ndarray


def refine(
    customers: Customers,
    starts: list[np.ndarray],
    radius: np.ndarray,
    *,
    rounds: int,
    tolerance: float,
) -> Priced:
    """Improve prices by cutting planes inside a box around the best ones.

    Parameters
    ----------
    customers : Customers
    starts : list of ndarray of shape (1 + rows,)
        Prices to begin with, at least one.
    radius : ndarray of shape (1 + rows,)
        How far a step may go; it doubles where the best prices lie on the box's edge.
    rounds : int
        Steps at most.
    tolerance : float
        What further steps could lower the bound by, as a share, for it to be done.
    """
    answers = [customers.answer(prices) for prices in starts]
    best = min(answers, key=lambda answer: answer.bound)
    for _ in range(rounds):
        prices, floor, weights = _master(customers, answers, best.prices, radius)
        edge = np.abs(prices - best.prices) > 0.999 * radius
        if best.bound - floor <= tolerance * abs(best.bound) and not edge.any():
            return Priced(best, answers, weights)
        answers.append(customers.answer(prices))
        if answers[-1].bound < best.bound:
            best = answers[-1]
            radius = np.where(edge, 2 * radius, radius)
    return Priced(best, answers, _master(customers, answers, best.prices, radius)[2])


def _master(
    customers: Customers, answers: list[Answer], centre: np.ndarray, radius: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Return the prices at which the planes are lowest inside the box, how low, and the weights.

    A limit's price is its cap's less its floor's, neither below 0, as only one can bind.
    """
    limits, n = customers.limits, len(customers)
    budget = limits.budget if np.isfinite(limits.budget) else 0.0
    capped, floored = np.isfinite(limits.most), limits.least > 0
    most, least = np.where(capped, limits.most, 0.0), np.where(floored, limits.least, 0.0)
    low, high = centre - radius, centre + radius
    # All per customer, so that sums of millions meet the solver's absolute tolerances.
    aim = np.concatenate([[1.0, budget / n], most / n, -least / n])
    sums = np.array([[answer.spend, *answer.used] for answer in answers]) / n
    planes = np.column_stack([-np.ones(len(answers)), -sums, sums[:, 1:]])
    heights = np.array([answer.value for answer in answers]) / n
    up = np.where(capped[:, None], np.maximum([low[1:], high[1:]], 0).T, 0.0)
    down = np.where(floored[:, None], np.maximum([-high[1:], -low[1:]], 0).T, 0.0)
    first = [max(low[0], 0.0), max(high[0], 0.0)] if np.isfinite(limits.budget) else [0.0, 0.0]
    bounds = np.vstack([[-np.inf, np.inf], first, up, down])
    found = linprog(aim, A_ub=planes, b_ub=-heights, bounds=bounds, method="highs")
    if found.status:
        raise RuntimeError(f"HiGHS: {found.message}")
    r = len(most)
    prices = np.insert(found.x[2 : 2 + r] - found.x[2 + r :], 0, found.x[1])
    return prices, float(found.fun) * n, -np.asarray(found.ineqlin.marginals)
