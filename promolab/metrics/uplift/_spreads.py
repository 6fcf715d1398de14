"""Standard errors of areas, of the average effect and of their ratio."""

from __future__ import annotations

import math

import numpy as np

from promolab.metrics._moments import Spread, around, spread_of
from promolab.metrics.differences import difference_of
from promolab.metrics.intervals import cluster_sums
from promolab.metrics.uplift._areas import influence, qini_covariance
from promolab.metrics.uplift._inputs import UpliftRows
from promolab.metrics.uplift._ranked import Effects, merged
from promolab.results import Estimate

__all__ = [
    "NO_ORDER",
    "estimate_of",
    "overall_estimate",
    "overall_influence",
    "ratio",
    "spread_of",
    "spreads_by_rows",
    "spreads_by_runs",
]

NO_ORDER = "There is nothing to rank by: all scores are equal"
"""Where an area and its interval are 0 by definition."""


def spreads_by_runs(effects: Effects) -> tuple[tuple[Spread, Spread], float]:
    """Spreads of Qini and average effect, and their covariance, of many independent rows."""
    found, n = qini_covariance(effects), effects.ranking.n
    errors = [math.sqrt(found[k, k]) for k in range(2)]
    return (Spread(errors[0], n - 1.0, n), Spread(errors[1], n - 1.0, n)), float(found[0, 1])


def spreads_by_rows(
    effects: Effects, cluster: np.ndarray | None
) -> tuple[tuple[Spread, Spread], float]:
    """As `spreads_by_runs`, from what each row adds, summed within clusters."""
    n = effects.ranking.n
    added = [influence(effects, "qini")[1] / n, overall_influence(effects) / n]
    sums = [cluster_sums(x, cluster) for x in added]
    units = len(sums[0])
    both = float(sums[0] @ sums[1]) * units / max(units - 1, 1)
    return (spread_of(sums[0], None), spread_of(sums[1], None)), both


def overall_influence(effects: Effects) -> np.ndarray:
    """Return what each row adds to the average effect, in the list's order."""
    total: np.ndarray | None = None
    for arm in effects.arms:
        part = effects.outcome - arm.mean[-1]
        part *= arm.sign * effects.ranking.n / arm.count[-1]
        total = merged(part, total, arm)
    assert total is not None
    return total


def overall_estimate(value: float, spread: Spread, rows: UpliftRows) -> Estimate:
    """Return the average effect: of arms their plain difference, of ready scores their mean."""
    if rows.gamma is None:
        assert rows.y is not None and rows.treated is not None
        return difference_of(rows.y, rows.treated, rows.cluster, rows.level).estimate
    return Estimate(value, *around(value, spread, rows.level), rows.n)


def estimate_of(
    value: float, added: np.ndarray, cluster: np.ndarray | None, rows: UpliftRows
) -> Estimate:
    """Return an estimate with the interval that its influence function gives.

    Parameters
    ----------
    value : float
        The estimate.
    added : ndarray of shape (n,)
        Its influence function.
    cluster : ndarray of int of shape (n,) or None
        Codes of the customers, in the same order.
    rows : UpliftRows
        What the estimate was made of.
    """
    return Estimate(value, *around(value, spread_of(added / rows.n, cluster), rows.level), rows.n)


def ratio(
    value: float, effect: float, spreads: tuple[Spread, Spread], both: float, rows: UpliftRows
) -> Estimate:
    """Return an area divided by the average effect, with Fieller's interval."""
    if effect == 0 or not math.isfinite(both):
        return Estimate(math.nan, -math.inf, math.inf, rows.n)
    above, below = (x.std_error**2 for x in spreads)
    few = min(x.degrees for x in spreads)
    z = around(0.0, Spread(1.0, few, rows.clusters), rows.level)[1]
    # All ρ with (value − ρ·effect)² ≤ z²·variance: between the roots of a quadratic.
    a, b, c = effect**2 - z**2 * below, value * effect - z**2 * both, value**2 - z**2 * above
    if not a > 0:
        return Estimate(value / effect, -math.inf, math.inf, rows.n)
    root = math.sqrt(max(b * b - a * c, 0.0))
    return Estimate(value / effect, (b - root) / a, (b + root) / a, rows.n)
