"""The best allocation inside limits, and the proof how good it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.policy.hulls import HullPath, hull_path


@dataclass(frozen=True)
class Limits:
    """What an allocation must keep to.

    Parameters
    ----------
    budget : float
        Most that all may cost; infinite for no budget.
    """

    budget: float = np.inf


@dataclass(frozen=True)
class Solution:
    """Who gets what, what no allocation can beat, and every other budget.

    Parameters
    ----------
    choice : ndarray of int of shape (n,)
        Each customer's option; −1 for none.
    upper_bound : float
        The most that any allocation inside the limits can add.
    path : HullPath
        The frontier's steps.
    """

    choice: np.ndarray
    upper_bound: float
    path: HullPath


def solve(
    value: np.ndarray, cost: np.ndarray, limits: Limits, eligible: np.ndarray | None = None
) -> Solution:
    """Choose one option or none for each customer, so that all together add most inside limits.

    Parameters
    ----------
    value, cost : ndarray of shape (n, P)
        Checked: finite where eligible, and no cost below 0.
    limits : Limits
    eligible : ndarray of bool of shape (n, P), optional

    Examples
    --------
    >>> value, cost = np.array([[3.0, 4.0], [1.0, 5.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])
    >>> found = solve(value, cost, Limits(budget=3.0))
    >>> found.choice.tolist(), found.upper_bound
    ([0, 1], 8.0)
    """
    path = hull_path(value, cost, eligible)
    return Solution(path.choose(limits.budget), path.bound(limits.budget), path)
