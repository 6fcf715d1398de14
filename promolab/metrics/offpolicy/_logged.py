"""What off-policy evaluation accepts, checked once: a log of decisions, policies, predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import columns_there, numbers_of, refuse
from promolab.errors import InputError
from promolab.metrics._inputs import codes_of
from promolab.wording import plural

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


SLACK = 1e-6
"""By how much the chances of a row may miss 1."""


@dataclass(frozen=True)
class Logged:
    """Decisions that were taken, each with the chance by which it was.

    Parameters
    ----------
    action : ndarray of int of shape (n,)
    reward, propensity : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None
        Codes of the customers.
    units : int
        Customers, or rows where none are given.
    """

    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    cluster: np.ndarray | None
    units: int

    @property
    def n(self) -> int:
        """Decisions."""
        return len(self.action)

    def taken(self, table: np.ndarray) -> np.ndarray:
        """Return of a table (n, K) what it holds for the action that was taken, shape (n,)."""
        return np.asarray(table[np.arange(self.n), self.action])


def logged_of(log: pd.DataFrame, actions: int) -> Logged:
    """Return the log's columns, or say what is wrong with them.

    Parameters
    ----------
    log : DataFrame
        ``action, reward, propensity`` and perhaps ``customer_id``.
    actions : int
        How many actions there are.
    """
    import pandas as pd

    if not isinstance(log, pd.DataFrame):
        raise InputError(
            f"log is a {type(log).__name__}; give a DataFrame with the columns action, reward and "
            "propensity, a row per decision"
        )
    columns_there(log, ["action", "reward", "propensity"], "log")
    if not len(log):
        raise InputError("log is empty; give a row per decision")
    codes = numbers_of("log.action", log["action"], missing="every decision has an action")
    whole = codes.astype(np.int64)
    outside = (whole != codes) | (codes < 0) | (codes >= actions)
    if outside.any():
        raise InputError(
            f"log.action is {codes[outside][0]:g} in {plural(int(outside.sum()), 'row')}; expected "
            f"whole numbers 0 to {actions - 1}, one per column of policy"
        )
    reward = numbers_of("log.reward", log["reward"], finite=True)
    known = "leave out decisions of which nobody recorded by what chance they were taken"
    chance = numbers_of("log.propensity", log["propensity"], missing=known)
    wrong = ~((chance > 0) & (chance <= 1))
    if wrong.any():
        raise InputError(
            f"log.propensity is {chance[wrong][0]:g} in {plural(int(wrong.sum()), 'row')}; "
            "expected the chance of the action that was taken, above 0 and up to 1"
        )
    customers = log["customer_id"] if "customer_id" in log.columns else None
    cluster, names = codes_of(customers, len(log), "log.customer_id")
    units = len(log) if cluster is None else len(names)
    return Logged(whole, reward.astype(float), chance.astype(float), cluster, units)


def policy_of(policy: ArrayLike, name: str = "policy") -> np.ndarray:
    """Return a policy's chances, shape (n, K), or say what is wrong with them."""
    chances = _table(name, policy)
    if chances.shape[1] < 2:
        raise InputError(f"{name} has one column; a policy chooses among two actions or more")
    if (chances < 0).any():
        raise refuse(name, float(chances.min()), "chances of 0 or more in every row")
    sums = chances.sum(axis=1)
    wrong = np.abs(sums - 1) > SLACK
    if wrong.any():
        raise InputError(
            f"{name} has {plural(int(wrong.sum()), 'row')} whose chances do not sum to 1 (row "
            f"{int(np.argmax(wrong))}: {sums[wrong][0]:g}); give each row one chance per action"
        )
    return chances


def table_like(name: str, values: ArrayLike, policy: np.ndarray) -> np.ndarray:
    """Return numbers in the shape of the policy, or say what is wrong with them."""
    found = _table(name, values)
    if found.shape != policy.shape:
        raise InputError(
            f"{name} has shape {found.shape} and policy {policy.shape}; give a row per decision "
            "and a column per action in both"
        )
    return found


def _table(name: str, values: Any) -> np.ndarray:
    if isinstance(values, str):
        raise refuse(name, values, "numbers of shape (decisions, actions)")
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds what is no number; expected numbers") from None
    if found.ndim != 2:
        raise InputError(
            f"{name} has shape {found.shape}; expected (decisions, actions): a row per decision, a "
            "column per action"
        )
    if missing := int(np.count_nonzero(~np.isfinite(found))):
        raise InputError(
            f"{name} has {plural(missing, 'value')} missing or infinite of {found.size:,}; every "
            "decision needs one per action"
        )
    return found
