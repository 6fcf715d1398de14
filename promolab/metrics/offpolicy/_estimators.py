r"""The estimators of a policy's value: one formula with other weights and other predictions.

With w = π(A|x) ÷ p the weight of a decision, q̂ the predicted reward, q̂(π) = Σ π(a|x) q̂(x, a), and ŵ
the weight that is used, all are

    mean of q̂(π) + ŵ (r − q̂(x, A)),

or, normalised by themselves, mean of q̂(π) + Σ ŵ (r − q̂(x, A)) ÷ Σ ŵ. Without predictions q̂ = 0.
Where ŵ ≤ w, what is left out of the weights bounds the bias: E[w] = 1, so E[w − ŵ] = 1 − E[ŵ], and
no residual is larger than rewards and predictions allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promolab.metrics.offpolicy._logged import Logged
from promolab.stats import around, spread_of

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
