"""Whether limits can all hold, and if not, which cannot and by how much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.policy.frontier.limits import Limits
from promolab.policy.frontier.relaxation import program, relax
from promolab.wording import count, number

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
