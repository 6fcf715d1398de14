"""How much of a difference seen soon comes true, and lasts, where arms learn from each other."""

from __future__ import annotations

import numpy as np

from promolab.metrics import random_effects

MOST = 1.0
"""Largest slope: a model of few rows that hardly moves tells not by how much one of all should."""


def pooled_slopes(
    soon: np.ndarray,
    gamma: np.ndarray,
    kept: np.ndarray,
    away: np.ndarray,
    cluster: np.ndarray,
    rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which part of each arm's predicted differences comes true, and its variance, (K − 1,).

    What comes true soon is told best by the early outcome: each arm's slope, drawn to the mean of
    all as far as they differ by chance (DerSimonian & Laird 1986). How much of that lasts is one
    share for all arms. Two things tell it, each with its error, and both count by it: the slope of
    the outcome itself, and how much of the average lasts, taken as a surrogate (Prentice 1989;
    Athey et al. 2019).

    Parameters
    ----------
    soon, gamma : ndarray of shape (n, K − 1)
        Doubly robust scores of the early outcome, and of the outcome; one array where they are the
        same.
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count.
    away : ndarray of shape (n, K − 1)
        How far each effect, predicted by other folds, lies from its fold's mean.
    cluster : ndarray of int of shape (n,)
    rows : ndarray of bool of shape (n,), optional
        Which tell; by default all.

    Returns
    -------
    slope : ndarray of shape (K − 1,)
        0 to 1.
    variance : ndarray of shape (K − 1,)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> away = rng.normal(size=(4000, 2))
    >>> soon = 3 + away + rng.normal(size=(4000, 2))
    >>> whole = 1.5 + away / 2 + 5 * rng.normal(size=(4000, 2))
    >>> kept, customer = np.ones((4000, 2), dtype=bool), np.arange(4000)
    >>> pooled_slopes(soon, whole, kept, away, customer)[0].round(1).tolist()
    [0.5, 0.5]
    """
    mine = kept if rows is None else kept & rows[:, None]
    a = np.where(mine, away, 0.0)
    squares = (a**2).sum(axis=0)
    if not (squares > 0).all():
        return np.zeros(len(squares)), np.zeros(len(squares))
    early = _centred(soon, mine)
    each = (a * early).sum(axis=0) / squares
    chance = _squared_sums(a * (early - each * a), cluster).sum(axis=0) / squares**2
    chance = np.maximum(chance, 1e-12)
    of_all = random_effects(each, chance)
    between = of_all.sd**2
    part = between / np.maximum(between + chance, 1e-300)
    slope = np.clip(of_all.mean + part * (each - of_all.mean), 0.0, MOST)
    variance = part * chance + (1 - part) ** 2 * of_all.se**2
    if soon is gamma or not slope.any():
        return slope, np.where(slope > 0, variance, 0.0)
    lasts, error = _lasting(soon, gamma, mine, slope * a, cluster)
    return lasts * slope, lasts**2 * variance + slope**2 * error


def _lasting(
    soon: np.ndarray, gamma: np.ndarray, mine: np.ndarray, shown: np.ndarray, cluster: np.ndarray
) -> tuple[float, float]:
    """Return which share of what comes soon lasts, 0 to 1, and its variance."""
    late = _centred(gamma, mine)
    squares = float((shown**2).sum())
    of_slopes = float((shown * late).sum()) / squares
    left = (shown * (late - of_slopes * shown)).sum(axis=1)
    variances = [float(_squared_sums(left[:, None], cluster).sum()) / squares**2]
    n = max(int(mine.sum()), 1)
    early, whole = (np.where(mine, each, 0.0).sum(axis=1) / n for each in (soon, gamma))
    values = [of_slopes]
    if early.sum() > 0:
        values.append(float(whole.sum() / early.sum()))
        left = whole - values[1] * early
        variances.append(float(_squared_sums(left[:, None], cluster).sum()) / early.sum() ** 2)
    weight = 1 / np.maximum(variances, 1e-300)
    return min(max(float(np.average(values, weights=weight)), 0.0), MOST), float(1 / weight.sum())


def _centred(scores: np.ndarray, mine: np.ndarray) -> np.ndarray:
    held = np.where(mine, scores, 0.0)
    return np.asarray(np.where(mine, held - held.sum(axis=0) / np.maximum(mine.sum(axis=0), 1), 0))


def _squared_sums(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the squares of each customer's sums, shape (customers, columns)."""
    _, codes = np.unique(cluster, return_inverse=True)
    return np.column_stack([np.bincount(codes, column) for column in values.T]) ** 2
