"""Which of several offers a customer takes: a choice among all that were on the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

PRIOR = np.array([0.6, 0.3, 0.0])
"""Weights before anything was seen: own purchases twice those of the same type."""
STRENGTH = 30.0
"""How hard the weights are held there: as so many choices whose features vary by one would."""


@dataclass(frozen=True)
class Choices:
    """Weights of a conditional logit, and what they were learned from.

    Parameters
    ----------
    weights : ndarray of shape (features,)
        Of standardised features.
    choosers, choices : int
        Customers of one promotion each who took something, and what they took; 0: nothing was
        learned, and the weights are `PRIOR`.
    promotions : int
        Past promotions they come from.
    unit : ndarray of shape (features,), optional
        What the features were divided by, in the mean of those promotions.
    """

    weights: np.ndarray = field(repr=False)
    choosers: int = 0
    choices: int = 0
    promotions: int = 0
    unit: np.ndarray | None = field(default=None, repr=False)

    @property
    def each(self) -> float:
        """How many offers one who takes any takes, in the mean."""
        return self.choices / self.choosers if self.choosers else 1.0

    def shares(self, features: np.ndarray) -> np.ndarray:
        """Return how a customer's choices spread over the offers, rows that add up to one."""
        return _softmax(np.asarray(features @ self.weights))


def within(values: np.ndarray, spread: np.ndarray | None = None) -> np.ndarray:
    """Return features less the customer's own mean over the offers, in units of their spread.

    Parameters
    ----------
    values : ndarray of shape (customers, offers, features)
        As they are counted.
    spread : ndarray of shape (features,), optional
        The unit; by default the spread of these values.
    """
    told: np.ndarray = values - values.mean(axis=1, keepdims=True)
    unit = spread_of(told) if spread is None else spread
    return np.asarray(told / np.where(unit > 0, unit, 1.0))


def spread_of(centred: np.ndarray) -> np.ndarray:
    """Return the root mean square of each feature."""
    return np.asarray(np.sqrt(np.mean(centred.reshape(-1, centred.shape[-1]) ** 2, axis=0)))


def learn_choices(
    cases: Sequence[tuple[np.ndarray, np.ndarray]],
    prior: np.ndarray = PRIOR,
    strength: float = STRENGTH,
) -> Choices:
    r"""Learn which offers are taken, by a conditional logit with a prior.

    With x the features of an offer to a customer, a choice falls on it with the share
    :math:`e^{\beta x} / \sum_j e^{\beta x_j}` (McFadden 1974, Conditional logit analysis of
    qualitative choice behavior). The log-likelihood of all choices less strength · |β − prior|² is
    maximised: a ridge around what holds where nothing was seen.

    Parameters
    ----------
    cases : sequence of (features, taken)
        For each past promotion: an array (customers, offers, features) of `within`, and an array
        (customers, offers) of how many were taken; customers who took none say nothing.
    prior, strength : ndarray, float
        What the weights are drawn to, and how hard.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 6, 3))
    >>> taken = rng.multinomial(1, _softmax(X @ np.array([1.0, -0.5, 0.0])))
    >>> np.round(learn_choices([(X, taken)]).weights, 1) + 0
    array([ 1. , -0.5,  0. ])
    """
    from scipy.optimize import minimize

    used = [(X[y.sum(axis=1) > 0], y[y.sum(axis=1) > 0]) for X, y in cases]
    used = [(X, y) for X, y in used if len(y)]
    if not used:
        return Choices(prior.copy())

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        away = weights - prior
        value, slope = strength * float(away @ away), 2 * strength * away
        for X, y in used:
            shares = _softmax(X @ weights)
            many = y.sum(axis=1, keepdims=True)
            value -= float((y * np.log(np.maximum(shares, 1e-300))).sum())
            slope = slope - np.einsum("ij,ijk->k", y - many * shares, X)
        return value, slope

    found = minimize(loss, prior.astype(float), jac=True, method="L-BFGS-B")
    choosers, choices = (int(sum(f(y) for _, y in used)) for f in (len, np.sum))
    return Choices(found.x, choosers, choices, len(used))


def _softmax(values: np.ndarray) -> np.ndarray:
    told = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(told / told.sum(axis=1, keepdims=True))
