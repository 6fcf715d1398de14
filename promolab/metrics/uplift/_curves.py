"""Areas under curves of gains: how they depend on effects and cuts; Qini as others count it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.metrics._inputs import ranked_rows, reach_of, slope_around
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


def qini_area(effects: Effects) -> float:
    """Return Qini alone: the area between the curve and random order."""
    share, gain = effects.ranking.share, effects.gain
    return float(np.trapezoid(gain, share)) + float(share[0] * gain[0] - gain[-1]) / 2


def influence(effects: Effects, weighting: str) -> tuple[float, np.ndarray]:
    """Return an area and its influence function: what each row adds, in the list's order.

    ``qini`` is ∫ (g(φ) − φ·g(1)) dφ and ``autoc`` is ∫ (g(φ)/φ − g(1)) dφ, with g straight within
    runs. Both are linear in the effects: the derivative by them, times them, is the area.
    """
    slopes = _qini if weighting == "qini" else _autoc
    by_effect, by_share = slopes(effects.effect, effects.ranking.share, effects.gain)
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


def spreads_of(
    effects: Effects, cluster: np.ndarray | None
) -> tuple[tuple[StdError, StdError], float]:
    """Return the spreads of Qini and of the average effect, and their covariance."""
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


Figure = tuple[float, np.ndarray]
"""A library's figure, and what each row adds to it, in the order in which the rows came."""


@dataclass(frozen=True)
class QiniCurve:
    """The curve y_t − y_c·n_t/n_c down a list, at every row or at the last of equal scores.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Rows in the library's order.
    run : ndarray of int of shape (n,)
        Point of the curve that a row first counts in, in that order.
    y, treated : ndarray of shape (n,)
        Outcome and arm in that order.
    other, ratio, mean, curve : ndarray of shape (points,)
        Controls, treated per control, the control's mean outcome (both 0 above the first control),
        and the curve.
    """

    order: np.ndarray
    run: np.ndarray
    y: np.ndarray
    treated: np.ndarray
    other: np.ndarray
    ratio: np.ndarray
    mean: np.ndarray
    curve: np.ndarray

    @classmethod
    def of(cls, rows: UpliftRows, order: np.ndarray, ends: np.ndarray, name: str) -> QiniCurve:
        """Count down the list, or say what the library cannot count."""
        if rows.y is None or rows.treated is None:
            raise InputError(
                f"convention={name!r} is made of outcomes and arms and knows no AIPW scores; give "
                "y and treated, or use convention='radcliffe'"
            )
        if rows.gamma is not None:
            raise InputError(
                f"convention={name!r} ignores propensities, and these differ from row to row; use "
                "convention='radcliffe'"
            )
        y, treated = rows.y[order], rows.treated[order]
        some, other = (np.cumsum(x, dtype=float)[ends] for x in (treated, ~treated))
        of_some, of_other = (np.cumsum(y * x)[ends] for x in (treated, ~treated))
        ratio, mean = (
            np.divide(x, other, out=np.zeros_like(other), where=other > 0) for x in (some, of_other)
        )
        run = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
        return cls(order, run, y, treated, other, ratio, mean, of_some - of_other * ratio)

    def area_influence(self, weights: np.ndarray, *, stairs: bool) -> np.ndarray:
        """What each row adds to Σ weights·curve − curve's end / 2, times n.

        With ``stairs`` every row is a step of its own; else the steps are as wide as the runs.
        """
        by_curve, n, curve = weights.copy(), len(self.y), self.curve
        by_curve[-1] -= 0.5
        up = self.y * self._from_here_on(by_curve) - self._from_here_on(by_curve * self.mean)
        per_control = by_curve * self.ratio
        down = self.y * self._from_here_on(per_control)
        down -= self._from_here_on(per_control * self.mean)
        added = n * np.where(self.treated, up, -down)
        if stairs:
            return np.asarray(added + curve - weights @ curve)
        moved = (np.append(0.0, curve[:-1]) - np.append(curve[1:], 0.0)) / 2
        moved[-1] = 0.0
        share = (np.cumsum(np.bincount(self.run))) / n
        return np.asarray(added + self._from_here_on(moved) - moved @ share)

    def end_influence(self) -> np.ndarray:
        """What each row adds to the end of the curve, times n."""
        scale = np.where(self.treated, 1.0, -self.ratio[-1]) * len(self.y)
        return np.asarray(scale * (self.y - self.mean[-1]))

    def divided(self, area: float, by: float, of_area: np.ndarray, of_by: np.ndarray) -> Figure:
        """Return area ÷ scale with its influence, nan where there is nothing to divide by."""
        value = area / by if by else np.nan
        back = np.empty(len(of_area))
        with np.errstate(invalid="ignore", divide="ignore"):
            back[self.order] = (of_area - value * of_by) / np.float64(by)
        return float(value), back

    def _from_here_on(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.cumsum(values[::-1])[::-1][self.run])


def causalml(rows: UpliftRows, score: np.ndarray) -> Figure:
    """``causalml.metrics.qini_score`` of 0.18, normalised: the area ÷ |end of the curve|.

    It measures how far the curve lies above the straight line, relative to the whole effect. It
    misleads where that effect is near 0 (it explodes), where scores are tied (it depends on the
    order of the rows), and with propensities that vary (it ignores them).
    """
    n = rows.n
    # As ``DataFrame.sort_values(ascending=False)`` orders, ties as they fall there.
    order = n - 1 - np.argsort(score[::-1], kind="quicksort")[::-1]
    down = QiniCurve.of(rows, order, np.arange(n), "causalml")
    # Above the first control there is no figure; pandas' interpolate() draws a line there.
    known = np.append(0, np.flatnonzero(down.other > 0) + 1)
    curve = np.interp(np.arange(n + 1), known, np.append(0.0, down.curve)[known])
    area, end = curve.sum() / (n + 1) - curve[-1] / 2, curve[-1]
    of_area = down.area_influence(np.full(n, 1 / (n + 1)), stairs=True)
    return down.divided(area, abs(end), of_area, np.sign(end) * down.end_influence())


def scikit_uplift(rows: UpliftRows, score: np.ndarray) -> Figure:
    """``sklift.metrics.qini_auc_score`` of 0.5: the area ÷ that of a "perfect" ranking.

    It measures the share of an area that a ranking would have which knows who among the treated
    responds; no model can, so good ones show small figures, and the area depends on the response
    rate. Binary outcomes only; propensities are ignored.
    """
    ranked = ranked_rows(np.zeros(rows.n, dtype=bool), score)
    down = QiniCurve.of(rows, ranked.order, ranked.ends, "scikit-uplift")
    if not np.isin(down.y, (0, 1)).all():
        raise InputError(
            "y is not binary, and scikit-uplift's Qini is of binary outcomes only; use "
            "convention='radcliffe' for money"
        )
    share = (ranked.ends + 1.0) / rows.n
    weights = (np.append(share[1:], 1.0) - np.append(0.0, share[:-1])) / 2
    cell = 2 * (1 - down.treated.astype(int)) + (1 - down.y.astype(int))
    cells = np.bincount(cell, minlength=4).astype(complex)
    # A derivative without rounding, by a step that is imaginary: the function is analytic.
    slopes = np.array([_perfect(cells + 1e-20j * one).imag / 1e-20 for one in np.eye(4)])
    area = weights @ down.curve - down.curve[-1] / 2
    of_area = down.area_influence(weights, stairs=False)
    return down.divided(area, float(_perfect(cells).real), of_area, rows.n * slopes[cell])


def _perfect(cells: np.ndarray) -> complex:
    """Area of the curve that has treated responders first and the control's last, less the line's.

    In units of the curve's height, by treated with and without response, control with and without.
    """
    yes, no, other_yes, other_no = cells
    end = yes - other_yes * (yes + no) / (other_yes + other_no)
    area = yes * yes / 2 + yes * (no + other_no) + (yes + end) * other_yes / 2
    return complex(area / cells.sum() - end / 2)


CONVENTIONS: dict[str, Callable[[UpliftRows, np.ndarray], Figure] | None] = {
    "radcliffe": None,
    "causalml": causalml,
    "scikit-uplift": scikit_uplift,
}
