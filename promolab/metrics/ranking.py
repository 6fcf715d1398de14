"""How well scores rank: the ROC curve and the area under it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.metrics._cuts import slope_around
from promolab.metrics._figures import figure
from promolab.metrics._inputs import check_ranking, codes_of
from promolab.metrics._placements import (
    Placements,
    Variance,
    auc_interval,
    placements,
    variance_of,
)
from promolab.metrics.intervals import share_interval
from promolab.results import Estimate, Result, plain
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["Roc", "roc"]

BAND_POINTS = 101


@dataclass(frozen=True)
class Roc(Result):
    """A ROC curve with its AUC.

    Parameters
    ----------
    auc, ci_low, ci_high, std_error : float
        Area under the curve, its interval (see `roc`) and standard error; the latter is nan with
        fewer than two clusters (rows) of one class, where the interval is [0, 1].
    n, positives, clusters : int
        Rows, positive rows, and independent units (rows where no cluster was given).
    level : float
        Confidence level.
    fpr, tpr, thresholds : ndarray of shape (points,)
        The curve from (0, 0) to (1, 1); a row counts as positive from its threshold up. Points in
        the middle of a straight stretch are left out.
    band_fpr, band_low, band_high : ndarray of shape (101,)
        Pointwise interval of the true positive rate at given false positive rates.
    """

    auc: float
    ci_low: float
    ci_high: float
    std_error: float
    n: int
    positives: int
    clusters: int
    level: float
    fpr: np.ndarray = field(repr=False)
    tpr: np.ndarray = field(repr=False)
    thresholds: np.ndarray = field(repr=False)
    band_fpr: np.ndarray = field(repr=False)
    band_low: np.ndarray = field(repr=False)
    band_high: np.ndarray = field(repr=False)

    @property
    def value(self) -> float:
        """The AUC, under the name that all estimates share."""
        return self.auc

    @property
    def estimate(self) -> Estimate:
        """The AUC as an estimate."""
        return Estimate(self.auc, self.ci_low, self.ci_high, self.n)

    def to_frame(self) -> pd.DataFrame:
        """Return the curve: ``fpr, tpr, threshold``."""
        import pandas as pd

        return pd.DataFrame({"fpr": self.fpr, "tpr": self.tpr, "threshold": self.thresholds})

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval and counts as plain values."""
        return {"value": plain(self.auc), **super().to_dict()}

    def summary(self) -> str:
        """Say the AUC in words."""
        of = f"{count(self.positives)} of {plural(self.n, 'row')} positive"
        apart = "" if self.clusters == self.n else f", {plural(self.clusters, 'cluster')}"
        share = percent(self.auc, self.ci_low, self.ci_high)
        return (
            f"AUC {figure(self.auc, self.ci_low, self.ci_high)} ({of}{apart}): a positive row "
            f"scores above a negative one in {share} of pairs."
        )

    def plot(
        self, ax: Axes | None = None, *, label: str | None = None, colour: str | None = None
    ) -> Axes:
        """Draw the curve with its pointwise band, over the diagonal; call again to add a model."""
        from promolab import plots

        words = f"{label} · AUC {figure(self.auc, self.ci_low, self.ci_high)}" if label else None
        low, high = (np.interp(self.fpr, self.band_fpr, y) for y in (self.band_low, self.band_high))
        first = ax is None or not ax.lines
        ax = plots.curve(self.fpr, self.tpr, low=low, high=high, label=words, colour=colour, ax=ax)
        if first:
            plots.reference_line(ax, "diagonal", label="a list in random order")
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        share = percent(self.auc, self.ci_low, self.ci_high)
        return plots.finish(
            ax,
            title=f"A positive row scores above a negative one in {share} of pairs"
            if first
            else "How well each model ranks",
            subtitle=f"ROC curve with pointwise {percent(self.level, decimals=0)} band · "
            f"n = {count(self.n)}, {count(self.positives)} positive",
            xlabel="false positive rate",
            ylabel="true positive rate",
            percent_x=True,
            percent_y=True,
        )


def roc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Roc:
    """ROC curve, and AUC with its interval.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    y_score : array-like of shape (n,)
        Higher means more likely positive. Equal scores count one half.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer). Without it rows count as independent, and the
        interval is too narrow where a customer stands in several rows.
    level : float
        Confidence level.

    Returns
    -------
    Roc

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1 or of one class only, scores or clusters are missing.

    Notes
    -----
    The variance is DeLong's; with clusters, structural components are summed within them first.
    The interval is symmetric on the logit scale with Student's quantile (degrees of freedom after
    Satterthwaite), which keeps it inside [0, 1] and covers better than ± 1.96 standard errors
    where positives are few. The band adds the variance of the true positive rate at a fixed
    threshold to that of the threshold (slope² · t(1 − t)/negatives), both multiplied by what
    clustering adds to the AUC's variance.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3). Sun & Xu (2014), IEEE Signal
    Processing Letters 21(11). Obuchowski (1997), Biometrics 53(2). Pepe (2003), The Statistical
    Evaluation of Medical Tests, 5.2.

    Examples
    --------
    >>> result = roc([0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.35, 0.4, 0.8, 0.9])
    >>> round(result.auc, 3), result.n, result.positives
    (0.889, 6, 3)
    """
    y, score = check_ranking(y_true, y_score, level)
    codes, names = codes_of(cluster, len(y), "cluster")
    ranked = placements(y, score)
    auc = float(ranked.concordant[0] / ranked.pairs[0])
    variance = variance_of(y, ranked.deviations(y, auc, None), codes)
    low, high = auc_interval(auc, variance, level)
    fpr, tpr, thresholds = _curve(ranked, score)
    return Roc(
        auc,
        low,
        high,
        math.sqrt(variance.value),
        len(y),
        int(ranked.positives[0]),
        len(y) if codes is None else len(names),
        level,
        fpr,
        tpr,
        thresholds,
        *_band(fpr, tpr, ranked, variance, level),
    )


def _curve(ranked: Placements, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates at and above each distinct score, from the highest down, corners only."""
    before, starts = ranked.positives_before, ranked.starts
    # From the highest score down; a corner is where a run and the next differ in kind.
    tied, size = np.diff(before)[::-1], np.diff(starts, append=len(score))[::-1]
    corner = np.ones(len(starts), dtype=bool)
    corner[1:-1] = (tied[2:] != tied[1:-1]) | (size[2:] != size[1:-1])
    runs = len(starts) - 1 - np.flatnonzero(corner)
    hits = before[-1] - before[runs]
    false = len(score) - starts[runs] - hits
    return (
        np.append(0.0, false / ranked.negatives[0]),
        np.append(0.0, hits / ranked.positives[0]),
        np.append(np.inf, score[ranked.order[starts[runs]]]),
    )


def _band(
    fpr: np.ndarray, tpr: np.ndarray, ranked: Placements, variance: Variance, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pointwise interval of the true positive rate at given false positive rates."""
    at = np.linspace(0, 1, BAND_POINTS)
    share = np.interp(at, fpr, tpr)
    # Independent rows' worth: clustering acts on a point of the curve much as on its area.
    positives = ranked.positives[0] / variance.design[0]
    negatives = ranked.negatives[0] / variance.design[1]
    reach = float(np.clip(negatives ** (-1 / 3) / 2, 0.01, 0.1))
    slope = slope_around(at, reach, fpr, tpr)
    spread = share * (1 - share) / positives + slope**2 * at * (1 - at) / negatives
    low, high = share_interval(share, spread, positives, level)
    low[-1] = high[-1] = 1.0
    return at, low, high
