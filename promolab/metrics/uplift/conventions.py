"""What other libraries call Qini: their figures on the same rows, with influence functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promolab.errors import InputError
from promolab.metrics._cuts import list_order
from promolab.metrics.uplift._inputs import UpliftRows
from promolab.metrics.uplift.scores import checked_propensity


@dataclass(frozen=True)
class Convention:
    """A library's figure.

    Parameters
    ----------
    value : float
        The headline figure.
    influence : ndarray of shape (n,)
        What each row adds to it, in the order in which the rows came.
    figures : dict
        Its other figures, by their names there.
    """

    value: float
    influence: np.ndarray
    figures: dict[str, float]


@dataclass(frozen=True)
class Counts:
    """Weighted sums down a list, at every row or at the last of equal scores.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Rows in the library's order.
    run : ndarray of int of shape (n,)
        Point of the curve that a row first counts in, in that order.
    y, treated, weight : ndarray of shape (n,)
        Outcome, arm and weight in that order.
    some, other, of_some, of_other : ndarray of shape (points,)
        Treated and control, and the sums of their outcomes.
    """

    order: NDArray[np.intp]
    run: NDArray[np.intp]
    y: NDArray[np.float64]
    treated: NDArray[np.bool_]
    weight: NDArray[np.float64]
    some: NDArray[np.float64]
    other: NDArray[np.float64]
    of_some: NDArray[np.float64]
    of_other: NDArray[np.float64]

    @property
    def balance(self) -> NDArray[np.float64]:
        """Treated per control; 0 above the first control."""
        return np.divide(self.some, self.other, out=np.zeros_like(self.some), where=self.other > 0)

    @property
    def curve(self) -> np.ndarray:
        """The Qini curve: y_t − y_c·n_t/n_c, which is y_t above the first control."""
        return self.of_some - self.of_other * self.balance


def _counts(
    y: np.ndarray, treated: np.ndarray, order: np.ndarray, ends: np.ndarray, weight: np.ndarray
) -> Counts:
    y, treated, weight = y[order], treated[order], weight[order]
    parts = (np.where(treated, weight, 0.0), np.where(treated, 0.0, weight))
    sums = [np.cumsum(x)[ends] for x in (*parts, parts[0] * y, parts[1] * y)]
    run = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    return Counts(order, run, y, treated, weight, *sums)


def _pandas_order(score: np.ndarray) -> np.ndarray:
    """Return the order of ``DataFrame.sort_values(ascending=False)``, ties as they fall there."""
    return len(score) - 1 - np.argsort(score[::-1], kind="quicksort")[::-1]


def causalml(rows: UpliftRows, score: np.ndarray, propensity: object) -> Convention:
    """``causalml.metrics.qini_score`` of 0.18, normalised: the area ÷ |end of the curve|.

    It measures how far the curve lies above the straight line, relative to the whole effect. It
    misleads where that effect is near 0 (it explodes), where scores are tied (it depends on the
    order of the rows), and with propensities that vary (it ignores them).
    """
    y, treated = _arms(rows, "causalml")
    n, order = rows.n, _pandas_order(score)
    counts = _counts(y, treated, order, np.arange(n), np.ones(n))
    known = counts.other > 0
    place = np.arange(n + 1.0)
    seen = np.append(0.0, place[1:][known])
    # Above the first control there is no figure; pandas' interpolate() draws a line there.
    curve = np.interp(place, seen, np.append(0.0, counts.curve[known]))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = counts.of_some / counts.some - counts.of_other / counts.other
    told = np.isfinite(means)
    lift = np.interp(place, np.append(0.0, place[1:][told]), np.append(0.0, means[told]))
    gain = lift * place
    area, end = float(curve.sum() / (n + 1) - curve[-1] / 2), float(curve[-1])
    value, auuc = _quotient(area, abs(end)), _quotient(gain.mean(), abs(gain[-1]))
    added = _area_influence(counts, curve[1:], np.full(n, 1 / (n + 1)), stairs=True)
    of_end = np.sign(end) * _end_influence(counts)
    figures = {
        "qini_score": value,
        "qini_score(normalize=False)": area,
        "auuc_score": auuc,
        "auuc_score(normalize=False)": float(gain.mean()),
    }
    return _divided(counts, value, added, of_end, abs(end), figures)


def scikit_uplift(rows: UpliftRows, score: np.ndarray, propensity: object) -> Convention:
    """``sklift.metrics.qini_auc_score`` of 0.5: the area ÷ that of a "perfect" ranking.

    It measures the share of an area that a ranking would have which knows who among the treated
    responds; no model can, so good ones show small figures, and the area depends on the response
    rate. Binary outcomes only; propensities are ignored.
    """
    y, treated = _arms(rows, "scikit-uplift")
    if not np.isin(y, (0, 1)).all():
        raise InputError(
            "y is not binary, and scikit-uplift's Qini is of binary outcomes only; use "
            "convention='radcliffe' for money"
        )
    order, ends = list_order(score)
    counts = _counts(y, treated, order, ends, np.ones(len(y)))
    gain = _uplift_curve(counts) * (ends + 1.0)
    perfect = _perfect_uplift(y, treated)
    chord = len(y) * gain[-1] / 2
    shares = np.append(0.0, ends + 1.0)
    auuc = _quotient(np.trapezoid(np.append(0.0, gain), shares) - chord, perfect - chord)
    share = (ends + 1.0) / len(y)
    weights = (np.append(share[1:], 1.0) - np.append(0.0, share[:-1])) / 2
    figures = {"uplift_auc_score": auuc}
    return _against_perfect(counts, "qini_auc_score", weights, _perfect, figures)


def pylift(rows: UpliftRows, score: np.ndarray, propensity: object) -> Convention:
    """``q1_aqini`` of pylift 0.1.5: as scikit-uplift's, rows weighted by 1/propensity.

    It misleads as that does, with tied scores (they stand in the order of the rows), and with
    money: an outcome above 0 counts as 1.
    """
    y, treated = _arms(rows, "pylift", varying=True)
    if (y < 0).any():
        raise InputError("y has negative values, which pylift cannot tell from the control's")
    n = rows.n
    chance = np.full(n, treated.mean()) if propensity is None else np.ones(n)
    if propensity is not None:
        chance = chance * checked_propensity(propensity, n)  # type: ignore[arg-type]
    weight = 0.5 / np.where(treated, chance, 1 - chance)
    order = np.argsort(-score, kind="stable")
    counts = _counts((y > 0).astype(float), treated, order, np.arange(n), weight)
    all_rows = counts.some[-1] + counts.other[-1]
    end = counts.of_some[-1] / counts.some[-1] - counts.of_other[-1] / counts.other[-1]
    reached = counts.some + counts.other
    curves = {
        "qini": counts.of_some / counts.some[-1] - counts.of_other / counts.other[-1],
        "aqini": counts.curve / counts.some[-1],
        "cgains": _uplift_curve(counts) * reached / all_rows,
    }
    most = _pylift_perfect(_cells(counts)) / counts.some[-1]
    figures = {"Q_max": float(most), "overall_lift": float(end)}
    for name, curve in curves.items():
        # Every row is one step of 1/N, whatever it weighs.
        area = float((curve.sum() - curve[-1] / 2) / all_rows - end / 2)
        figures |= {f"Q_{name}": area, f"q1_{name}": _quotient(area, float(most))}
    weights = np.full(n, 1 / all_rows)
    weights[-1] /= 2
    return _against_perfect(counts, "q1_aqini", weights, _pylift_perfect, figures, stairs=True)


def _arms(rows: UpliftRows, name: str, *, varying: bool = False) -> tuple[np.ndarray, np.ndarray]:
    if rows.y is None or rows.treated is None:
        raise InputError(
            f"convention={name!r} is made of outcomes and arms and knows no AIPW scores; give y "
            "and treated, or use convention='radcliffe'"
        )
    if rows.gamma is not None and not varying:
        raise InputError(
            f"convention={name!r} ignores propensities, and these differ from row to row; use "
            "convention='radcliffe'"
        )
    return rows.y, rows.treated


def _quotient(area: float, scale: float) -> float:
    """Return area ÷ scale; nan where there is nothing to divide by."""
    return float(area / scale) if scale else float("nan")


def _uplift_curve(counts: Counts) -> np.ndarray:
    """Mean of the treated less that of the control, an empty arm counted as 0."""
    sides = ((counts.of_some, counts.some), (counts.of_other, counts.other))
    means = [np.divide(x, k, out=np.zeros_like(x), where=k > 0) for x, k in sides]
    return np.asarray(means[0] - means[1])


def _against_perfect(
    counts: Counts,
    name: str,
    weights: np.ndarray,
    perfect: Callable[[np.ndarray], np.ndarray],
    figures: dict[str, float],
    *,
    stairs: bool = False,
) -> Convention:
    """Area under the curve ÷ that of the perfect ranking, both above the straight line.

    ``weights`` are those of the curve's points in the area, for ``stairs`` see `_area_influence`.
    """
    curve = counts.curve
    area = float(weights @ curve - curve[-1] / 2)
    most = perfect(_cells(counts))
    added = _area_influence(counts, curve, weights, stairs=stairs)
    value = _quotient(area, float(most))
    slopes = np.array([_slope(perfect, _cells(counts), k) for k in range(4)])
    cell = 2 * (1 - counts.treated.astype(int)) + (1 - (counts.y > 0).astype(int))
    of_most = len(counts.y) * counts.weight * slopes[cell]
    return _divided(counts, value, added, of_most, float(most), {name: value, **figures})


def _cells(counts: Counts) -> np.ndarray:
    """Weights of treated with and without response, control with and without."""
    treated, other = counts.of_some[-1], counts.of_other[-1]
    return np.array([treated, counts.some[-1] - treated, other, counts.other[-1] - other])


def _perfect(cells: np.ndarray) -> np.ndarray:
    """Area of the curve that has treated responders first and the control's last, less the line's.

    In units of the curve's height.
    """
    yes, no, other_yes, other_no = cells
    end = yes - other_yes * (yes + no) / (other_yes + other_no)
    area = yes * yes / 2 + yes * (no + other_no) + (yes + end) * other_yes / 2
    return np.asarray(area / cells.sum() - end / 2)


def _pylift_perfect(cells: np.ndarray) -> np.ndarray:
    """As `_perfect`, drawn with slope 2 as if half were treated, which by its weights they are."""
    yes, no, other_yes, other_no = cells
    treated, all_rows = yes + no, cells.sum()
    rise, fall = yes / all_rows, 1 - other_yes / all_rows
    if rise.real > fall.real:
        rise = fall = (rise + fall) / 2
    end = yes / treated - other_yes / (other_yes + other_no)
    area = rise * rise + 2 * rise * (fall - rise) + (2 * rise + end) * (1 - fall) / 2
    return np.asarray((area - end / 2) * treated)


def _slope(perfect: Callable[[np.ndarray], np.ndarray], cells: np.ndarray, k: int) -> float:
    step = np.zeros(4, dtype=complex)
    step[k] = 1e-20j  # a derivative without rounding: the function is analytic
    return float(perfect(cells + step).imag / 1e-20)


def _perfect_uplift(y: np.ndarray, treated: np.ndarray) -> float:
    """Area under scikit-uplift's perfect uplift curve."""
    many = np.count_nonzero((y == 1) & ~treated) > np.count_nonzero((y == 0) & treated)
    best = 2 * (y == treated) + (y if many else treated)
    order, ends = list_order(best)
    counts = _counts(y, treated, order, ends, np.ones(len(y)))
    gain = np.append(0.0, _uplift_curve(counts) * (ends + 1.0))
    return float(np.trapezoid(gain, np.append(0.0, ends + 1.0)))


def _from_here_on(values: np.ndarray, run: NDArray[np.intp]) -> np.ndarray:
    return np.cumsum(values[::-1])[::-1][run]


def _end_influence(counts: Counts) -> np.ndarray:
    """What each row adds to the end of the curve, times n."""
    ratio, mean = counts.balance[-1], counts.of_other[-1] / counts.other[-1]
    scale = np.where(counts.treated, 1.0, -ratio) * counts.weight * len(counts.y)
    return np.asarray(scale * (counts.y - mean))


def _area_influence(
    counts: Counts, curve: np.ndarray, weights: np.ndarray, *, stairs: bool
) -> np.ndarray:
    """What each row adds to Σ weights·curve − curve's end / 2, times n.

    With ``stairs`` every row is a step of its own; else the steps are as wide as the runs.
    """
    n, all_rows = len(counts.y), counts.some[-1] + counts.other[-1]
    by_curve = weights.copy()
    by_curve[-1] -= 0.5
    mean = np.divide(
        counts.of_other, counts.other, out=np.zeros_like(curve), where=counts.other > 0
    )
    ratio = counts.balance
    up = counts.y * _from_here_on(by_curve, counts.run) - _from_here_on(by_curve * mean, counts.run)
    down = counts.y * _from_here_on(by_curve * ratio, counts.run) - _from_here_on(
        by_curve * ratio * mean, counts.run
    )
    added = n * counts.weight * np.where(counts.treated, up, -down)
    area = float(weights @ curve)
    if stairs:
        return np.asarray(added + n * (curve / all_rows - area * counts.weight / all_rows))
    before = np.append(0.0, curve[:-1])
    moved = (before - np.append(curve[1:], 0.0)) / 2
    moved[-1] = 0.0
    share = (counts.some + counts.other) / all_rows
    cuts = _from_here_on(moved, counts.run) - moved @ share
    return np.asarray(added + n * counts.weight * cuts / all_rows)


def _divided(
    counts: Counts,
    value: float,
    area: np.ndarray,
    scale_added: np.ndarray,
    scale: float,
    figures: dict[str, float],
) -> Convention:
    with np.errstate(invalid="ignore", divide="ignore"):
        added = (area - value * scale_added) / np.float64(scale)
    restored = np.empty_like(added)
    restored[counts.order] = added
    return Convention(value, restored, figures)


CONVENTIONS: dict[str, Callable[[UpliftRows, np.ndarray, object], Convention] | None] = {
    "radcliffe": None,
    "causalml": causalml,
    "scikit-uplift": scikit_uplift,
    "pylift": pylift,
}
