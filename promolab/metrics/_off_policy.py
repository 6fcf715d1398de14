"""A log of decisions, checked once, and the estimators of a policy's value from it.

With w = π(A|x) ÷ p the weight of a decision, q̂ the predicted reward, q̂(π) = Σ π(a|x) q̂(x, a), and ŵ
the weight that is used, all estimators are one formula with other weights and predictions:

    mean of q̂(π) + ŵ (r − q̂(x, A)),

or, normalised by themselves, mean of q̂(π) + Σ ŵ (r − q̂(x, A)) ÷ Σ ŵ. Without predictions q̂ = 0.
Where ŵ ≤ w, what is left out of the weights bounds the bias: E[w] = 1, so E[w − ŵ] = 1 − E[ŵ], and
no residual is larger than rewards and predictions allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import columns_there, numbers_of, refuse
from promolab.errors import InputError
from promolab.metrics._inputs import codes_of
from promolab.stats import around, spread_of
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


ESTIMATORS = ("ips", "snips", "dm", "dr", "sndr", "switch", "dros")
NORMALISED = ("snips", "sndr")
PREDICTED = ("dm", "dr", "sndr", "switch", "dros")
GRID = 21
"""Thresholds that are tried where none is given."""


@dataclass(frozen=True)
class Asked:
    """Which estimator, and how far its weights may go.

    Parameters
    ----------
    name : str
    limit : float or None
        Of the weights: clipped at it; of ``switch``: above it predictions serve; of ``dros``: λ.
    span : (float, float)
        The least and the largest reward there can be.
    level : float
    """

    name: str
    limit: float | None
    span: tuple[float, float]
    level: float

    @property
    def biased(self) -> bool:
        """Whether weights are left out, so that no interval is a confidence interval."""
        return self.name in ("dm", "switch", "dros") or self.limit is not None


@dataclass(frozen=True)
class Found:
    """A policy's value, and what each decision adds to its error.

    Parameters
    ----------
    value : float
    added : ndarray of shape (n,)
        Influence function; its mean is 0.
    weight, used : ndarray of shape (n,)
        w and ŵ.
    full : (float, ndarray)
        Value and influence with ŵ = w: less them, the bias as the log itself tells it.
    bias_bound : float
        How far from the truth the expected value may lie; 0 where nothing is left out.
    limit : float or None
    """

    value: float
    added: np.ndarray
    weight: np.ndarray
    used: np.ndarray
    full: tuple[float, np.ndarray]
    bias_bound: float
    limit: float | None


def found_of(log: Logged, policy: np.ndarray, q_hat: np.ndarray | None, asked: Asked) -> Found:
    """Estimate a policy's value; ``switch`` and ``dros`` without a limit choose one.

    Of the limits tried they take that of the least variance + squared bias bound (Wang et al. 2017,
    Su et al. 2020).
    """
    weight = log.taken(policy) / log.propensity
    if asked.name not in ("switch", "dros") or asked.limit is not None:
        return _one(log, policy, q_hat, asked, weight)
    positive = weight[weight > 0] if weight.any() else np.ones(1)
    if asked.name == "switch":
        limits = np.unique(np.quantile(positive, np.linspace(0, 1, GRID)))
    else:  # a large λ shrinks next to nothing
        limits = np.geomspace(positive.min() ** 2, 1e4 * positive.max() ** 2, GRID)
    tried = [_one(log, policy, q_hat, replace(asked, limit=x), weight) for x in limits]
    risks = [
        spread_of(t.added / log.n, log.cluster).std_error ** 2 + t.bias_bound**2 for t in tried
    ]
    return tried[int(np.argmin(risks))]


def _one(
    log: Logged, policy: np.ndarray, q_hat: np.ndarray | None, asked: Asked, weight: np.ndarray
) -> Found:
    told = q_hat is not None and asked.name in PREDICTED
    q = q_hat if told and q_hat is not None else np.zeros_like(policy)
    predicted, residual = (policy * q).sum(axis=1), log.reward - log.taken(q)
    used = used_weights(weight, asked.name, asked.limit)
    ratio = asked.name in NORMALISED
    value, added, centre = _estimate(predicted, residual, used, ratio)
    full = _estimate(predicted, residual, weight, ratio)[:2]
    possible = q[policy > 0]
    ends = asked.span[0] - float(possible.max()), asked.span[1] - float(possible.min())
    reach = max(abs(end - centre) for end in ends)
    bound = reach * _left_out(log, used, asked.level) if asked.biased else 0.0
    return Found(value, added, weight, used, full, bound, asked.limit)


def used_weights(weight: np.ndarray, name: str, limit: float | None) -> np.ndarray:
    """Return the weights that an estimator uses, none above the decision's own.

    Parameters
    ----------
    weight : ndarray of shape (n,)
    name : str
    limit : float or None

    Examples
    --------
    >>> w = np.array([0.5, 4.0])
    >>> [used_weights(w, name, 2.0).tolist() for name in ("ips", "switch", "dros", "dm")]
    [[0.5, 2.0], [0.5, 0.0], [0.4444444444444444, 0.4444444444444444], [0.0, 0.0]]
    """
    if name == "dm":
        return np.zeros_like(weight)
    if limit is None:
        return weight
    if name == "switch":
        return np.where(weight <= limit, weight, 0.0)
    if name == "dros":
        return np.asarray(limit * weight / (weight**2 + limit))
    return np.asarray(np.minimum(weight, limit))


def _estimate(
    predicted: np.ndarray, residual: np.ndarray, used: np.ndarray, ratio: bool
) -> tuple[float, np.ndarray, float]:
    """Return value, influence function, and what residuals are measured from."""
    mean = float(predicted.mean())
    if not ratio:
        scores = predicted + used * residual
        value = float(scores.mean())
        return value, scores - value, 0.0
    total = float(used.sum())
    centre = float(used @ residual) / total if total > 0 else 0.0
    share = used / max(total / len(used), 1e-300)
    return mean + centre, predicted - mean + share * (residual - centre), centre


def _left_out(log: Logged, used: np.ndarray, level: float) -> float:
    """Return how much of all weight is not used: 1 − E[ŵ], at its upper end."""
    mean = float(used.mean())
    low, _ = around(mean, spread_of((used - mean) / log.n, log.cluster), level)
    return float(np.clip(1 - low, 0.0, 1.0)) if np.isfinite(low) else 1.0
