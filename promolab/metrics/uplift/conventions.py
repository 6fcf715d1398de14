"""What other libraries call Qini: their figures on the same rows, with influence functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promolab.errors import InputError
from promolab.metrics._cuts import ranked_rows
from promolab.metrics.uplift._inputs import UpliftRows

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
