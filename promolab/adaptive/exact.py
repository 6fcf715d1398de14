"""The best plan of a process that is known, by sparse policy iteration: the yardstick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import splu

from promolab.adaptive.plan_log import NONE, discount_of, policy_chances
from promolab.checks import numbers_of, real_number, refuse
from promolab.errors import InputError
from promolab.results import Result

CLOSE = 1e-12
"""By which share of the largest value another action must be better to be taken instead."""


@dataclass(frozen=True)
class ExactPlan(Result):
    """What to do in each state of a process, and what that is worth; by `exact_plan`.

    Parameters
    ----------
    value : float
        Expected discounted reward from the states that customers begin in.
    frame : DataFrame
        The states, and of each ``action`` and ``value``.
    discount, price : float
    contacts : float
        Contacts per week that counts: discounted contacts ÷ discounted weeks before leaving.
    """

    value: float
    frame: pd.DataFrame = field(repr=False)
    discount: float
    price: float
    contacts: float

    def facts(self) -> dict[str, Any]:
        """Return which action is right in how many states."""
        counts = self.frame["action"].value_counts()
        rows = [{"action": str(action), "n": int(n)} for action, n in counts.items()]
        return {"states": len(self.frame), "shares": rows}


def exact_plan(
    process: Any, discount: float = 0.97, *, price: float = 0.0, plan: Any = None
) -> ExactPlan:
    r"""Work out the best plan of a process, or what a given plan is worth in it.

    Policy iteration (Howard 1960): the policy's value solves the sparse system
    :math:`(I - \gamma P_\pi) v = r_\pi`, then each state takes the action of the largest
    :math:`r + \gamma P v`, until none changes: that plan is optimal.

    Parameters
    ----------
    process : object
        ``transitions`` (sparse, shape (S · K, S), row s · K + a, sums of at most 1: what is missing
        leaves and earns nothing more), ``rewards`` (S, K), ``start`` (S,), ``states`` and
        ``actions`` (frames of S and K rows), as `promolab.simulated.CustomerProcess`.
    discount : float
        γ, by which a week's reward counts less than that of the week before (0–1, below 1).
    price : float
        Taken off the reward of each action but ``none``: what a contact costs beside what the
        rewards hold, such as its share of a budget.
    plan : array-like of shape (S,) or (S, K), optional
        An action per state, or the chances of each: valued instead of the best.

    Returns
    -------
    ExactPlan

    Raises
    ------
    InputError
        A discount of 1 or more; tables whose shapes do not fit; chances that sum to more than 1; a
        plan that names another action, or of another length.

    Examples
    --------
    >>> from promolab.simulated import CustomerProcess
    >>> process = CustomerProcess()
    >>> best = exact_plan(process)
    >>> nothing = exact_plan(process, plan=["none"] * 65)
    >>> round(nothing.value / best.value, 2)
    0.77
    """
    factor, price = discount_of(discount), real_number("price", price)
    labels = process.actions["action"].tolist()
    rewards = np.asarray(process.rewards, dtype=float)
    n, k = rewards.shape if rewards.ndim == 2 else (0, 0)
    moves = sparse.csr_array(process.transitions)
    if moves.shape != (n * k, n) or len(process.states) != n or len(labels) != k or not n:
        raise refuse("transitions", moves.shape, f"(S · K, S) of rewards (S, K) {rewards.shape}")
    if (moves.data < 0).any() or moves.sum(axis=1).max() > 1 + 1e-9:
        raise InputError("transitions hold chances below 0, or rows that sum to more than 1")
    numbers_of("rewards", rewards.ravel(), finite=True)
    start = numbers_of("start", process.start, n, "states")
    contact = np.array([label != NONE for label in labels], dtype=float)
    rewards = rewards - price * contact
    chances = np.eye(k)[rewards.argmax(axis=1)] if plan is None else policy_chances(plan, labels, n)
    while True:
        values = _solved(moves, rewards, factor, chances)
        ahead = rewards + factor * (moves @ values).reshape(n, k)
        gain = ahead.max(axis=1) - (chances * ahead).sum(axis=1)
        changes = gain > CLOSE * max(1.0, float(np.abs(values).max()))
        if plan is not None or not changes.any():
            break
        chances[changes] = np.eye(k)[ahead[changes].argmax(axis=1)]
    # What is discounted of contacts, and of weeks: of the states that do not keep one for good.
    gone = process.states["gone"].to_numpy() if "gone" in process.states else np.zeros(n, bool)
    both = np.stack([np.broadcast_to(contact, (n, k)), np.ones((n, k))]) * ~gone[:, None]
    contacts, weeks = (start @ _solved(moves, each, factor, chances) for each in both)
    frame = process.states.assign(action=np.array(labels)[chances.argmax(axis=1)], value=values)
    worth, rate = float(start @ values), float(contacts / weeks)
    return ExactPlan(worth, frame, factor, price, rate)


def _solved(
    moves: sparse.csr_array, rewards: np.ndarray, discount: float, chances: np.ndarray
) -> np.ndarray:
    """Return what a policy is worth from each state, shape (S,)."""
    n, k = rewards.shape
    places = np.arange(n).repeat(k), np.arange(n * k)
    policy = sparse.csr_array((chances.ravel(), places), (n, n * k))
    policy.eliminate_zeros()
    system = sparse.eye_array(n, format="csc") - discount * (policy @ moves).tocsc()
    return np.asarray(splu(system).solve((chances * rewards).sum(axis=1)))
