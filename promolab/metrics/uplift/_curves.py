"""Areas under the curve of gains: how each depends on the effects and on where the cuts lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics._cuts import reach_of, slope_around
from promolab.metrics.uplift._inputs import Arm, Effects, UpliftRows, merged
from promolab.results import Estimate
from promolab.stats import (
    StdError,
    around,
    cluster_sums,
    difference_of,
    fieller,
    spread_of,
    t_quantile,
)

if TYPE_CHECKING:
    import pandas as pd


POINTS = 100
# A loop over cuts touches every customer at every cut.
FEW_POINTS, MANY_CLUSTERS = 50, 100_000


@dataclass(frozen=True)
class Cut:
    """The top of a list down to one share.

    Parameters
    ----------
    share, gain : float
        Share of the list, and gain per customer of the list when the top is contacted.
    influence : ndarray of shape (n,)
        What each row adds to the gain, in the list's order.
    taken : ndarray of shape (n,)
        Share of each row that is in the top; not whole where the cut goes through a tie.
    """

    share: float
    gain: float
    influence: np.ndarray
    taken: np.ndarray


def cut_at(effects: Effects, share: float) -> Cut:
    """Cut a list at a share; a cut through a tie takes of it the part that fits."""
    ranking = effects.ranking
    ends = ranking.share
    last = min(int(np.searchsorted(ends, share - 1e-12)), len(ends) - 1)
    start = ends[last - 1] if last else 0.0
    inside = float(np.clip((share - start) / (ends[last] - start), 0.0, 1.0))
    weights = np.zeros_like(ends)
    weights[last] = inside * ends[last]
    if last:
        weights[last - 1] = (1 - inside) * ends[last - 1]
    value = float(weights @ effects.effect)
    part = np.zeros_like(ends)
    part[:last], part[last] = 1.0, inside
    taken = ranking.to_rows(part)
    slope = float(_slopes(effects, np.array([share]))[0])
    moved = (slope - value / share) * (taken - share) if share < 1 else 0.0
    return Cut(share, value, effects.pulled(weights) - moved, taken)


def _slopes(effects: Effects, share: np.ndarray) -> np.ndarray:
    """Return the effect around each depth."""
    ends, gain = np.append(0.0, effects.ranking.share), np.append(0.0, effects.gain)
    return slope_around(share, reach_of(effects.ranking.n), ends, gain)


def gain_curve(effects: Effects, cluster: np.ndarray | None, level: float) -> pd.DataFrame:
    """Return the gain by depth and its distance to random order, with pointwise intervals.

    Parameters
    ----------
    effects : Effects
        The list.
    cluster : ndarray of int of shape (n,), optional
        Codes of the customers, in the list's order.
    level : float
        Confidence level.
    """
    import pandas as pd

    units = effects.ranking.n if cluster is None else int(cluster.max()) + 1
    points = FEW_POINTS if cluster is not None and units > MANY_CLUSTERS else POINTS
    ends = effects.ranking.share
    at = np.unique(np.searchsorted(ends, np.arange(1, points + 1) / points - 1e-12))
    share, gain = ends[at], effects.gain[at]
    above = gain - share * effects.effect[-1]
    spread = _by_row(effects, at) if cluster is None else _by_cluster(effects, at, cluster, units)
    error = np.sqrt(np.maximum(spread, 0.0) * units / max(units - 1, 1)) / effects.ranking.n
    error[1, -1] = 0.0  # all of the list is all of the list, in whatever order
    half = _quantile(effects, at, level) * error
    columns = {
        "share": share,
        "gain": gain,
        "ci_low": gain - half[0],
        "ci_high": gain + half[0],
        "above": above,
        "above_low": above - half[1],
        "above_high": above + half[1],
    }
    return pd.DataFrame({name: np.append(0.0, values) for name, values in columns.items()})


def _quantile(effects: Effects, at: np.ndarray, level: float) -> np.ndarray:
    """Return Student's quantiles: few rows of an arm lie near the top."""
    fewest = np.min([arm.count[at] for arm in effects.arms], axis=0)
    return np.asarray(t_quantile(level, np.maximum(fewest - 1, 1.0)))


def _by_row(effects: Effects, at: np.ndarray) -> np.ndarray:
    """Sums of squares of what each row adds to n × (gain, gain above random), (2, cuts)."""
    n, share = effects.ranking.n, effects.ranking.share[at]
    moved = _slopes(effects, share) - effects.effect[at]
    of_gain = moved**2 * n * share * (1 - share)
    of_all, of_both = 0.0, np.zeros_like(share)
    for arm, squares in zip(effects.arms, effects.squares, strict=True):
        lag = arm.mean[at] - arm.mean[-1]
        within = squares[at] - arm.count[at] * lag**2
        here, all_rows = share * n / arm.count[at], n / arm.count[-1]
        of_gain = of_gain + here**2 * within
        of_both += here * all_rows * within - moved * arm.sign * all_rows * arm.count[at] * lag
        of_all += all_rows**2 * squares[-1]
    return np.stack([of_gain, of_gain - 2 * share * of_both + share**2 * of_all])


def _by_cluster(effects: Effects, at: np.ndarray, cluster: np.ndarray, units: int) -> np.ndarray:
    """As `_by_row`, with what the rows add summed within clusters first."""
    n, share = effects.ranking.n, effects.ranking.share[at]
    moved = _slopes(effects, share) - effects.effect[at]
    sizes = np.bincount(cluster, minlength=units)
    found = np.zeros((2, len(at)))
    counts = np.zeros((len(effects.arms), units))
    sums = np.zeros_like(counts)
    overall = sum(
        arm.sign
        * n
        / arm.count[-1]
        * np.bincount(cluster, _of(arm, effects.outcome - arm.mean[-1]))
        for arm in effects.arms
    )
    start = 0
    for k, end in enumerate(effects.ranking.ends[at] + 1):
        rows = slice(start, end)
        mine, start = cluster[rows], end
        added = moved[k] * share[k] * sizes
        for j, arm in enumerate(effects.arms):
            member = np.ones(len(mine)) if arm.member is None else arm.member[rows]
            counts[j] += np.bincount(mine, member, minlength=units)
            sums[j] += np.bincount(mine, member * effects.outcome[rows], minlength=units)
            here = arm.sign * share[k] * n / arm.count[at[k]]
            added += here * (sums[j] - arm.mean[at[k]] * counts[j]) - moved[k] * counts[j]
        found[0, k] = added @ added
        added -= share[k] * overall
        found[1, k] = added @ added
    return found


def _of(arm: Arm, values: np.ndarray) -> np.ndarray:
    return values if arm.member is None else np.where(arm.member, values, 0.0)


def area_slopes(effects: Effects, weighting: str) -> tuple[np.ndarray, np.ndarray]:
    """Return an area's derivatives by the effects and by the shares, each of shape (runs,).

    The area is linear in the effects: its first derivative times them is the area. ``qini`` is
    ∫ (g(φ) − φ·g(1)) dφ and ``autoc`` is ∫ (g(φ)/φ − g(1)) dφ, with g straight within runs.
    """
    made = _qini if weighting == "qini" else _autoc
    return made(effects.effect, effects.ranking.share, effects.gain)


def qini_area(effects: Effects) -> float:
    """Return Qini alone: the area between the curve and random order."""
    share, gain = effects.ranking.share, effects.gain
    return float(np.trapezoid(gain, share)) + float(share[0] * gain[0] - gain[-1]) / 2


def influence(effects: Effects, weighting: str) -> tuple[float, np.ndarray]:
    """Return an area and its influence function: what each row adds, in the list's order."""
    by_effect, by_share = area_slopes(effects, weighting)
    added = effects.pulled(by_effect)
    added += effects.ranking.moved(by_share)
    return float(by_effect @ effects.effect), added


def _qini(effect: np.ndarray, share: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Half of the two runs beside each end; at the last end less what random order has.
    width = np.empty_like(share)
    width[:-1] = share[1:]
    width[-1] = 0.0
    width[1:] -= share[:-1]
    width *= 0.5
    by_share = effect * width
    half = 0.5 * gain
    by_share[1:] += half[:-1]
    by_share[:-1] -= half[1:]
    width *= share
    return width, by_share


def _autoc(
    effect: np.ndarray, share: np.ndarray, gain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # Between ends a < b, g straight: ∫ g/φ = g_b − g_a + κ·(e_a − e_b), κ = a·b·log(b/a)/(b − a).
    upper, lower = share[1:], share[:-1]
    width = upper - lower
    log = np.log(upper / lower) / width
    kappa = upper * lower * log
    drop = effect[:-1] - effect[1:]
    by_effect = np.append(kappa, 0.0)
    by_effect[1:] -= kappa
    by_share = np.zeros_like(share)
    by_share[1:] = drop * lower * (1 - lower * log) / width
    by_share[:-1] += drop * upper * (upper * log - 1) / width
    return by_effect, by_share


def qini_covariance(effects: Effects) -> np.ndarray:
    """Return the covariance of Qini and the average effect, shape (2, 2), of single rows.

    What a row adds is straight in its value within an arm and a run, so the runs' sums and sums
    of squares suffice; no figure per row is made.
    """
    by_effect, by_share = area_slopes(effects, "qini")
    n, cuts = effects.ranking.n, by_share
    cuts[-1] = 0.0
    moved = np.cumsum(cuts[::-1])[::-1] - cuts @ effects.ranking.share
    found = np.zeros((2, 2))
    for arm, squares in zip(effects.arms, effects.squares, strict=True):
        per_row = by_effect * (arm.sign * n) / arm.count
        slope = np.cumsum(per_row[::-1])[::-1]
        # The values are taken from the arm's mean; so is the level.
        level = moved - np.cumsum((per_row * (arm.mean - arm.mean[-1]))[::-1])[::-1]
        sizes = np.diff(arm.count, prepend=0.0)
        sums = np.diff(arm.count * (arm.mean - arm.mean[-1]), prepend=0.0)
        around = np.diff(squares, prepend=0.0)
        overall = arm.sign * n / arm.count[-1]
        found[0, 0] += slope**2 @ around + 2 * (slope * level) @ sums + level**2 @ sizes
        found[0, 1] += overall * (slope @ around + level @ sums)
        found[1, 1] += overall**2 * squares[-1]
    found[1, 0] = found[0, 1]
    return found / n / (n - 1)


def spreads_by_runs(effects: Effects) -> tuple[tuple[StdError, StdError], float]:
    """Spreads of Qini and average effect, and their covariance, of many independent rows."""
    found, n = qini_covariance(effects), effects.ranking.n
    errors = [math.sqrt(found[k, k]) for k in range(2)]
    return (StdError(errors[0], n - 1.0, n), StdError(errors[1], n - 1.0, n)), float(found[0, 1])


def spreads_by_rows(
    effects: Effects, cluster: np.ndarray | None
) -> tuple[tuple[StdError, StdError], float]:
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


def overall_estimate(value: float, spread: StdError, rows: UpliftRows) -> Estimate:
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
    value: float, effect: float, spreads: tuple[StdError, StdError], both: float, rows: UpliftRows
) -> Estimate:
    """Return an area divided by the average effect, with Fieller's interval."""
    if effect == 0 or not math.isfinite(both):
        return Estimate(math.nan, -math.inf, math.inf, rows.n)
    above, below = (x.std_error**2 for x in spreads)
    few = min(x.degrees for x in spreads)
    z = around(0.0, StdError(1.0, few, rows.clusters), rows.level)[1]
    ends = fieller(value, effect, (above, below), both, z)
    return Estimate(value / effect, *ends, rows.n)
