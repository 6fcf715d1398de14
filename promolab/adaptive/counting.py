"""The tabular plan: what followed each action in each bin of states, counted, less its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from promolab.adaptive.plan_log import GONE, PlanLog
from promolab.errors import InputError

CAUTION = 3.0
"""Standard errors taken off what an action seems to be worth where no other number is given."""
PRIOR = 20.0
"""Rows that the variance of all pairs counts as, beside a pair's own."""
ROUNDS, CLOSE = 5_000, 1e-7
"""Rounds of value iteration at most, and the change of the largest value at which they end."""


@dataclass(frozen=True)
class Model:
    """What followed each action in each state, counted from a log.

    A *pair* is a state's code · K + an action; a *node* is a state with what was allowed in it.
    Rows weigh 1 ÷ propensity: whom an action was taken with by chance speaks for all of the state.

    Parameters
    ----------
    actions : int
        K.
    rows : ndarray of shape (S · K,)
        Rows of each pair whose next week is known.
    weight : ndarray of shape (S · K,)
        Their weights' sum.
    effective : ndarray of shape (S · K,)
        How many equally weighted rows they are worth.
    reward, squared : ndarray of shape (S · K,)
        Means of the reward and of its square.
    following, reward_and : csr_array of shape (S · K, nodes)
        Shares of the next node, and the mean of the reward times being there.
    code, allowed : ndarray of shape (nodes,) and (nodes, K)
    start, visits : ndarray of shape (nodes,)
        Shares of the customers that begin there, and of all rows.
    contact : ndarray of bool of shape (K,)
    """

    actions: int
    rows: np.ndarray
    weight: np.ndarray
    effective: np.ndarray
    reward: np.ndarray
    squared: np.ndarray
    following: sparse.csr_array
    reward_and: sparse.csr_array
    code: np.ndarray
    allowed: np.ndarray
    start: np.ndarray
    visits: np.ndarray
    contact: np.ndarray

    @property
    def states(self) -> int:
        """How many codes there are."""
        return len(self.rows) // self.actions

    def best(self, q: np.ndarray) -> np.ndarray:
        """Return the best of the allowed actions at each node, of a table (S, K)."""
        return np.asarray(np.where(self.allowed, q[self.code], -np.inf).argmax(axis=1))

    def contacts(self, q: np.ndarray, discount: float) -> float:
        """Return contacts per discounted week of the plan that takes the best of a table."""
        action = self.best(q)
        moves = self.following[self.code * self.actions + action]
        system = sparse.eye_array(len(self.code), format="csc") - discount * moves.T.tocsc()
        visits = splu(system).solve(self.start)
        return float(visits @ self.contact[action] / visits.sum())


def model_of(log: PlanLog, code: np.ndarray, states: int) -> Model:
    """Count a log.

    Parameters
    ----------
    log : PlanLog
    code : ndarray of int of shape (n,)
        Each row's state, 0 to ``states`` − 1.
    states : int
    """
    k = len(log.actions)
    packed = code * 2**k + log.allowed @ 2 ** np.arange(k)
    nodes, first, node = np.unique(packed, return_index=True, return_inverse=True)
    known = log.known
    pair, u, reward = (
        part[known] for part in (code * k + log.action, 1 / log.propensity, log.reward)
    )
    there = log.following[known] != GONE
    to = node[log.following[known][there]]
    total = states * k
    rows, weight = np.bincount(pair, minlength=total), np.bincount(pair, u, total)
    per = 1 / np.maximum(weight, 1e-300)
    share = u * per[pair]
    shape, places = (total, len(nodes)), (pair[there], to)
    return Model(
        actions=k,
        rows=rows,
        weight=weight,
        effective=weight**2 / np.maximum(np.bincount(pair, u**2, total), 1e-300),
        reward=np.bincount(pair, share * reward, total),
        squared=np.bincount(pair, share * reward**2, total),
        following=sparse.csr_array((share[there], places), shape),
        reward_and=sparse.csr_array(((share * reward)[there], places), shape),
        code=code[first],
        allowed=log.allowed[first],
        start=np.bincount(node[log.first], minlength=len(nodes)) / log.first.sum(),
        visits=np.bincount(node) / len(node),
        contact=log.contact,
    )


def counted_values(
    model: Model, discount: float, *, caution: float = CAUTION, price: float = 0.0, weeks: int = 0
) -> np.ndarray:
    """Return what each action seems to be worth in each state, shape (S, K), by value iteration.

    Parameters
    ----------
    model : Model
    discount : float
    caution : float
        How many standard errors are taken off, so that what few rows praise by luck is not done.
    price : float
        Of a contact, in the reward's unit.
    weeks : int
        How far to look ahead, 1 or more: 1 is the myopic plan; by default for ever.

    Raises
    ------
    InputError
        The values have not come to rest.
    """
    seen, shape = model.rows > 0, (model.states, model.actions)
    reward = model.reward - price * np.tile(model.contact, model.states)
    worst = reward[seen].min() / (1 - discount)
    value, total = np.zeros(len(model.code)), model.effective[seen].sum()
    for round_ in range(1, (weeks or ROUNDS) + 1):
        later = discount * (model.following @ value)
        q = reward + later
        if caution:
            spread = model.squared + 2 * discount * (model.reward_and @ value)
            spread += discount**2 * (model.following @ value**2) - (model.reward + later) ** 2
            spread = np.maximum(spread, 0.0)
            shared = (spread * model.effective)[seen].sum() / total
            spread = (spread * model.effective + PRIOR * shared) / (model.effective + PRIOR)
            q = q - caution * np.sqrt(spread / np.maximum(model.effective, 1e-300))
        q = np.where(seen, q, worst).reshape(shape)
        new = np.where(model.allowed, q[model.code], -np.inf).max(axis=1)
        change, value = float(np.abs(new - value).max()), new
        if round_ == weeks or change <= CLOSE * max(1.0, float(np.abs(value).max())):
            return np.asarray(q)
    raise InputError(
        f"the counted plan has not converged after {ROUNDS:,} rounds; give less caution than "
        f"{caution:g}, or a smaller discount than {discount:g}"
    )


def price_for(model: Model, discount: float, budget: float, caution: float, price: float) -> float:
    """Return the lowest price of a contact at which the counted plan keeps to a budget.

    Parameters
    ----------
    budget : float
        Contacts per customer and week, at most.
    price : float
        The least that a contact costs.
    """

    def kept(at: float) -> bool:
        q = counted_values(model, discount, caution=caution, price=at)
        return model.contacts(q, discount) <= budget

    if kept(price):
        return price
    low, high = price, price + float(np.sqrt(model.squared.max())) / (1 - discount)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if kept(middle) else (middle, high)
    return high
