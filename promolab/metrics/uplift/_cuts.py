"""The gain at one depth of a ranked list or at many, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics._cuts import reach_of, slope_around
from promolab.metrics.uplift._inputs import Arm, Effects
from promolab.stats import t_quantile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cut", "cut_at", "gain_curve"]

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
    return t_quantile(level, np.maximum(fewest - 1, 1.0))


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
