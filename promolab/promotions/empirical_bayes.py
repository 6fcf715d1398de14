"""How figures of single customers are drawn towards those of all, and log-normal order values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


OWN = 20.0
"""As how many of one's own orders the others' spread of order values counts."""
GROUPS = 4
"""Into so many groups, by how often they order, customers are put to see what windows change."""
COMMON = 100.0
"""As how many orders all groups together count in each."""


def more_inside(
    orders: np.ndarray, inside: np.ndarray, free: np.ndarray, away: np.ndarray
) -> np.ndarray:
    """Return how many times as many orders a day come in windows of a customer's own promotions.

    Of a customer's orders each lies inside with chance m·away ÷ (m·away + free), whatever the
    customer's own rate: m by maximum likelihood, in groups of customers who order alike.
    """

    def solve(who: np.ndarray, prior: float, weight: float) -> float:
        return times_inside(orders[who], inside[who], away[who], free[who], prior, weight)

    both = (orders > 0) & (away > 0) & (free > 0)
    if not both.any():
        return np.ones_like(orders)
    whole = solve(both, 1.0, 1.0)
    often = orders / np.maximum(free + away, 1.0)
    cuts = np.unique(np.quantile(often[both], np.arange(1, GROUPS) / GROUPS))
    group = np.searchsorted(cuts, often, side="right")
    found = np.array([solve(both & (group == g), whole, COMMON) for g in range(len(cuts) + 1)])
    return np.asarray(found[group])


def times_inside(
    orders: np.ndarray,
    inside: np.ndarray,
    away: np.ndarray,
    free: np.ndarray,
    prior: float = 1.0,
    weight: float = 1.0,
) -> float:
    """Return how many times as many orders a day come inside windows, by maximum likelihood.

    Parameters
    ----------
    orders, inside : ndarray of shape (n,)
        Orders of each customer, and those of them inside.
    away, free : ndarray of shape (n,)
        Days inside and outside.
    prior, weight : float
        Where the figure is drawn to, on the scale of logarithms, and as how many orders that
        counts.
    """
    m = prior
    for _ in range(50):
        share = m * away / np.maximum(m * away + free, 1e-12)
        score = inside.sum() - (orders * share).sum() - weight * math.log(m / prior)
        slope = (orders * share * (1 - share)).sum() + weight
        m = float(np.clip(m * math.exp(np.clip(score / slope, -1, 1)), 0.2, 20.0))
    return m


def posterior_rates(orders: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior mean of Poisson rates under a gamma prior, and its relative error."""
    mean = orders.sum() / max(days.sum(), 1e-9)
    excess = ((orders - mean * days) ** 2 - mean * days).sum()
    variance = max(excess / max((days**2).sum(), 1e-9), (0.05 * mean) ** 2)
    shape, per_day = mean**2 / variance, mean / variance
    return (shape + orders) / (per_day + days), 1 / np.sqrt(shape + orders)


def log_values(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the shrunk mean of log order values, its standard error, and the shrunk variance."""
    n, log, squares = (rows[c].to_numpy() for c in ("plain", "log", "squares"))
    some = n > 0
    own = np.divide(log, n, where=some, out=np.zeros_like(log))
    within = np.maximum(squares - n * own**2, 0.0)
    degrees = np.maximum(n - 1, 0.0)
    common = max(within.sum() / max(degrees.sum(), 1.0), 1e-6)
    spread = (OWN * common + within) / (OWN + degrees)
    centre = log.sum() / n.sum()
    # Between customers: the weighted variance of their means less what chance gives.
    weighed = (n * (own - centre) ** 2)[some].sum() - (some.sum() - 1) * common
    between = max(weighed / max(n.sum() - (n**2).sum() / n.sum(), 1e-9), 1e-6)
    for _ in range(3):  # the mean of all, each customer weighed by what they tell of it
        weight = np.where(some, 1 / (between + common / np.maximum(n, 1)), 0.0)
        centre = (weight * own).sum() / weight.sum()
    precision = n / spread + 1 / between
    return (log / spread + centre / between) / precision, 1 / np.sqrt(precision), spread


def pooled(part: np.ndarray, whole: np.ndarray, prior: float) -> np.ndarray:
    """Return each one's ratio, drawn to the ratio of all as if that were as much as ``prior``."""
    total = float(whole.sum())
    ratio = float(part.sum()) / total if total > 0 else 0.0
    return np.asarray((part + prior * ratio) / (whole + max(prior, 1e-9)))


def weight_of_others(hits: np.ndarray, of: np.ndarray) -> float:
    """Return as how many tries the others count: beta-binomial, by moments."""
    total = of.sum()
    share = hits.sum() / total if total else 0.0
    if not 0 < share < 1:
        return 1.0
    own = np.divide(hits, of, where=of > 0, out=np.full_like(of, share))
    noise = share * (1 - share)
    excess = (of * (own - share) ** 2).sum() - ((of > 0).sum() - 1) * noise
    between = excess / max(total - (of**2).sum() / total, 1e-9)
    return float(np.clip(noise / max(between, 1e-9) - 1, 1.0, 1e4))


def chance_from(log_mean: np.ndarray, log_sd: np.ndarray, at: np.ndarray | float) -> np.ndarray:
    """Return the chance that a log-normal order is worth ``at`` or more."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((log_mean - np.log(at)) / log_sd))


def money_from(log_mean: np.ndarray, log_sd: np.ndarray, at: np.ndarray | float) -> np.ndarray:
    """Return E[b; b ≥ at] of log-normal orders."""
    whole = np.exp(log_mean + log_sd**2 / 2)
    return np.asarray(whole * chance_from(log_mean + log_sd**2, log_sd, at))
