"""Limits as rows of numbers, and small problems inside them by HiGHS."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from promolab.errors import InputError
from promolab.wording import count, number


@dataclass(frozen=True)
class Limits:
    """The budget, and limits on how many customers get certain options.

    A limit counts customers of one group, or of all, who get an option, each by ``usage``.

    Parameters
    ----------
    budget : float
        Most that all may cost; infinite for none.
    names : tuple of (str, str)
        Scope and unit of each limit: ``("promotion", "mail")``, ``("group", "north")``.
    usage : ndarray of shape (rows, P)
        How much of each limit an option uses up.
    of_group : ndarray of int of shape (rows,)
        The group whose customers count; −1 for all customers.
    least, most : ndarray of shape (rows,)
        Bounds; 0 or −∞, and infinite, for none.
    group : ndarray of int of shape (n,) or None
        Each customer's group, 0, 1, …; −1 for none.
    """

    budget: float = np.inf
    names: tuple[tuple[str, str], ...] = ()
    usage: np.ndarray = field(default_factory=lambda: np.empty((0, 1)))
    of_group: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    least: np.ndarray = field(default_factory=lambda: np.empty(0))
    most: np.ndarray = field(default_factory=lambda: np.empty(0))
    group: np.ndarray | None = None

    @property
    def groups(self) -> int:
        """How many groups there are."""
        if self.group is None:
            return 0
        return int(max(self.group.max(initial=-1), self.of_group.max(initial=-1))) + 1

    def of(self, rows: np.ndarray, share: float = 1.0) -> Limits:
        """Return the limits on some customers: such a share of the limits on all."""
        group = None if self.group is None else self.group[rows]
        scaled = self.budget * share, self.least * share, self.most * share
        return replace(self, budget=scaled[0], least=scaled[1], most=scaled[2], group=group)

    def without(self, spend: float, used: np.ndarray) -> Limits:
        """Return what others leave of the limits who spend and use so much."""
        return replace(
            self, budget=self.budget - spend, least=self.least - used, most=self.most - used
        )

    def use(self, customer: np.ndarray, option: np.ndarray) -> np.ndarray:
        """Return what each pair of customer and option uses of each limit: (rows, pairs)."""
        used: np.ndarray = self.usage[:, option]
        if self.group is not None:
            counts = (self.of_group[:, None] < 0) | (
                self.of_group[:, None] == self.group[customer][None]
            )
            used = np.where(counts, used, 0.0)
        return used

    def used(self, choice: np.ndarray) -> np.ndarray:
        """Return what a choice uses of each limit, of shape (rows,)."""
        if not self.names:
            return np.empty(0)
        p, groups = self.usage.shape[1], self.groups
        place = choice.astype(np.intp) + 1
        if self.group is not None:
            place = (self.group.astype(np.intp) + 1) * (p + 1) + place
        counts = np.bincount(place, minlength=(groups + 1) * (p + 1)).reshape(-1, p + 1)[:, 1:]
        of_all = counts.sum(axis=0)
        of = [of_all if g < 0 else counts[g + 1] for g in self.of_group]
        return np.array([row @ n for row, n in zip(self.usage, of, strict=True)])

    def missed(self, spend: float, used: np.ndarray) -> np.ndarray:
        """Return by how much budget and limits are missed: above 0 too much, below 0 too little."""
        over, under = np.maximum(used - self.most, 0), np.minimum(used - self.least, 0)
        return np.insert(over + under, 0, max(spend - self.budget, 0.0))

    def charges(self, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what prices charge for each option, and beyond that for each option by group.

        Parameters
        ----------
        prices : ndarray of shape (rows,)

        Returns
        -------
        of_all : ndarray of shape (P,)
        by_group : ndarray of shape (1 + groups, P) or None
            The first row is of customers without a group.
        """
        mine = prices[:, None] * self.usage
        of_all = mine[self.of_group < 0].sum(axis=0)
        if self.group is None or not (self.of_group >= 0).any():
            return of_all, None
        by_group = np.zeros((1 + self.groups, self.usage.shape[1]))
        np.add.at(by_group, self.of_group[self.of_group >= 0] + 1, mine[self.of_group >= 0])
        return of_all, by_group


NODES = 200
"""Most nodes of a whole-number program: unlike a bound on time, the same in every run."""


@dataclass(frozen=True)
class Program:
    """A small problem in rows and columns: at most one option per customer, budget, limits.

    Parameters
    ----------
    value : ndarray of shape (columns,)
    matrix : sparse matrix of shape (m + 1 + rows, columns)
    least, most : ndarray of shape (m + 1 + rows,)
    customer, option : ndarray of int of shape (columns,)
        Whose column it is, and for what.
    shape : tuple of int
        Customers and options.
    """

    value: np.ndarray
    matrix: sparse.csr_matrix
    least: np.ndarray
    most: np.ndarray
    customer: np.ndarray
    option: np.ndarray
    shape: tuple[int, int]

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Return how much of each option each customer gets, of shape (m, P)."""
        share = np.zeros(self.shape)
        share[self.customer, self.option] = x[: len(self.customer)]
        return share


def program(
    value: np.ndarray, cost: np.ndarray, limits: Limits, sizes: np.ndarray | None = None
) -> Program:
    """Write a small problem as rows and columns.

    Parameters
    ----------
    value, cost : ndarray of shape (m, P)
        A value of −∞ is an option that is not allowed.
    limits : Limits
        Budget and limits of these customers.
    sizes : ndarray of shape (m,), optional
        How many customers each row stands for; by default one.
    """
    m = len(value)
    customer, option = np.nonzero(np.isfinite(value))
    k = len(customer)
    paid = cost[customer, option]
    one_each = sparse.csr_matrix((np.ones(k), (customer, np.arange(k))), (m, k))
    rows = sparse.csr_matrix(np.vstack([paid, limits.use(customer, option)]))
    return Program(
        value[customer, option],
        sparse.vstack([one_each, rows]).tocsr(),
        np.concatenate([np.full(m + 1, -np.inf), limits.least]),
        np.concatenate([np.ones(m) if sizes is None else sizes, [limits.budget], limits.most]),
        customer,
        option,
        (m, value.shape[1]),
    )


def relax(small: Program, penalty: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the linear program; what cannot be kept is missed, at a penalty.

    Parameters
    ----------
    small : Program
    penalty : float
        What missing the budget or a limit by one costs.

    Returns
    -------
    share : ndarray of shape (m, P)
        How much of each option each customer gets.
    prices : ndarray of shape (1 + rows,)
        What a unit more of the budget, and of each limit, would add; below 0 for a floor that
        binds.
    missed : ndarray of shape (1 + rows,)
        By how much each is missed; above 0 for too much, below 0 for too little.
    """
    m, rows = small.shape[0], len(small.least) - small.shape[0]
    slack = sparse.vstack([sparse.csr_matrix((m, rows)), sparse.identity(rows)])
    matrix = sparse.hstack([small.matrix, -slack, slack]).tocsr()
    aim = np.concatenate([-small.value, np.full(2 * rows, penalty)])
    above, below = np.isfinite(small.most), np.isfinite(small.least)
    found = linprog(
        aim,
        A_ub=sparse.vstack([matrix[above], -matrix[below]]),
        b_ub=np.concatenate([small.most[above], -small.least[below]]),
        method="highs",
    )
    if found.status:
        raise RuntimeError(f"HiGHS: {found.message}")
    prices = np.zeros(len(small.most))
    prices[above] -= found.ineqlin.marginals[: above.sum()]
    prices[below] += found.ineqlin.marginals[above.sum() :]
    prices = prices[m:]
    k = len(small.value)
    missed = found.x[k : k + rows] - found.x[k + rows :]
    return small.shares(found.x), prices, missed


def whole(small: Program, gap: float) -> np.ndarray | None:
    """Solve it in whole customers; None where no such answer is found.

    Parameters
    ----------
    small : Program
    gap : float
        How far from the best answer the search may stop, as a share.

    Returns
    -------
    choice : ndarray of int of shape (m,)
        −1 for none.
    """
    if not len(small.value):
        empty = np.zeros(len(small.least))
        kept = (small.least <= empty).all() and (small.most >= empty).all()
        return np.full(small.shape[0], -1, dtype=np.int16) if kept else None
    with _unsaid():
        found = milp(
            -small.value,
            constraints=LinearConstraint(small.matrix, small.least, small.most),
            integrality=1,
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": gap, "node_limit": NODES},
        )
    if found.x is None:
        return None
    share = small.shares(found.x)
    choice: np.ndarray = np.where(share.max(axis=1) > 0.5, share.argmax(axis=1), -1)
    return choice.astype(np.int16)


@contextmanager
def _unsaid() -> Iterator[None]:
    """Drop what HiGHS prints past Python, whatever it is told: on a page it would stand as text."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    if library is None:
        yield
        return
    library.fflush(None)
    before, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        yield
    finally:
        library.fflush(None)  # what C has not written yet is dropped as well
        os.dup2(before, 1)
        os.close(before)
        os.close(nothing)


BITS = 40
"""Columns whose marks fit into one whole number."""
TYPES = 5_000
"""Most types of customers for which limits are looked at together."""


def check_limits(allowed: np.ndarray | None, shape: tuple[int, int], limits: Limits) -> None:
    """Refuse least numbers that cannot be reached: each by itself, then all together.

    Customers who may get the same, and are of the same group, are one type: how many of each type
    get what is a small linear program, which misses as little as can be.

    Parameters
    ----------
    allowed : ndarray of bool of shape (n, P) or None
        Who may get what; None for everybody everything.
    shape : tuple of int
        Customers and options.
    limits : Limits

    Raises
    ------
    InputError
        Which limits cannot hold, and by how many customers.

    Examples
    --------
    >>> from promolab.policy.frontier.limits import Limits
    >>> least, most = np.array([3.0]), np.array([np.inf])
    >>> mine = Limits(9.0, (("promotion", "a"),), np.ones((1, 1)), np.array([-1]), least, most)
    >>> check_limits(None, (2, 1), mine)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: promotion 'a' is to have at least 3, but only 2 are possible: 1 \
short
    """
    if not (limits.least > 0).any():
        return
    marks, sizes, group = _types(allowed, shape, limits.group)
    types = replace(limits, budget=np.inf, group=group)
    for row in np.flatnonzero(limits.least > 0):
        mine = sizes if limits.of_group[row] < 0 else sizes * (group == limits.of_group[row])
        possible = float((np.where(marks, limits.usage[row], 0.0).max(axis=1) * mine).sum())
        if (least := limits.least[row]) > possible:
            raise InputError(
                f"{name_of(limits, row)} is to have at least {count(least)}, but only "
                f"{count(possible)} are possible: {count(least - possible)} short"
            )
    if len(sizes) > TYPES:
        return
    value = np.where(marks, 0.0, -np.inf)
    _, _, missed = relax(program(value, np.zeros_like(value), types, sizes), 1.0)
    wrong = np.flatnonzero(np.abs(missed[1:]) > 1e-6)
    if len(wrong):
        told = [
            f"{name_of(limits, row)} would have {number(abs(missed[1 + row]), decimals=0)} "
            f"{'too many' if missed[1 + row] > 0 else 'too few'}"
            for row in wrong
        ]
        raise InputError(f"the limits cannot all hold: at best {' and '.join(told)}; loosen one")


def name_of(limits: Limits, row: Any) -> str:
    """Return what a limit is of, in words."""
    scope, unit = limits.names[row]
    return f"{scope} {unit!r}" if unit else f"all {scope}"


def over_budget(least_cost: float, budget: float) -> InputError:
    """Return the error that least numbers alone cost more than the budget."""
    return InputError(
        f"the limits cannot all hold: the least numbers cost at least {number(least_cost)} "
        f"together, {number(least_cost - budget)} more than the budget of {number(budget)}"
    )


def _types(
    allowed: np.ndarray | None, shape: tuple[int, int], group: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what each type may get, how many customers it has, and its group (−1 for none)."""
    n, p = shape
    code = np.full(n, -1) if group is None else group.astype(np.int64)
    key = code + 1
    for first in range(0, p if allowed is not None else 0, BITS):
        assert allowed is not None
        some = allowed[:, first : first + BITS]
        bits = pd.factorize(some @ (1 << np.arange(some.shape[1], dtype=np.int64)))[0]
        key = pd.factorize(key * (bits.max(initial=0) + 1) + bits)[0]
    _, first_rows, sizes = np.unique(key, return_index=True, return_counts=True)
    marks = np.ones((len(sizes), p), bool) if allowed is None else allowed[first_rows]
    return marks, sizes.astype(float), code[first_rows]
