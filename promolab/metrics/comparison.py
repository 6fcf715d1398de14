"""Which of two scores ranks better on the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics._figures import OF_LOSSES, figure
from promolab.metrics._inputs import check_ranking, check_scores, codes_of, renumbered
from promolab.metrics._placements import (
    placements,
    placements_within,
    variance_of,
)
from promolab.metrics.intervals import normal_quantile
from promolab.results import Result
from promolab.wording import count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["AucComparison", "compare_auc", "holm", "two_sided"]


@dataclass(frozen=True)
class AucComparison(Result):
    """The AUCs of two scores on the same rows, and their difference.

    Parameters
    ----------
    difference, ci_low, ci_high, std_error : float
        AUC of ``a`` − AUC of ``b``, with its interval.
    p_value : float
        Two-sided, of no difference.
    auc_a, auc_b : float
        The two AUCs.
    n, positives, clusters : int
        Rows, positive rows, independent units.
    level : float
        Confidence level.
    """

    difference: float
    ci_low: float
    ci_high: float
    std_error: float
    p_value: float
    auc_a: float
    auc_b: float
    n: int
    positives: int
    clusters: int
    level: float

    @property
    def value(self) -> float:
        """The difference, under the name that all estimates share."""
        return self.difference

    def to_frame(self) -> pd.DataFrame:
        """Return one row with every field."""
        import pandas as pd

        return pd.DataFrame([self.to_dict()])

    def summary(self) -> str:
        """Say the difference in words."""
        apart = self.ci_low > 0 or self.ci_high < 0
        verdict = (
            "The first ranks better"
            if apart and self.difference > 0
            else "The second ranks better"
            if apart
            else "The two cannot be told apart"
        )
        points = figure(self.difference, self.ci_low, self.ci_high, OF_LOSSES)
        return (
            f"{verdict}: AUC {self.auc_a:.3f} against {self.auc_b:.3f}, difference {points} "
            f"(n = {count(self.n)}, {count(self.positives)} positive)."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the difference with its interval against 0."""
        from promolab import plots

        ax = plots.intervals(
            ["first − second"],
            [self.difference],
            [self.ci_low],
            [self.ci_high],
            reference=0.0,
            ax=ax,
        )
        return plots.finish(
            ax,
            title=self.summary().split(":")[0],
            subtitle=f"difference of two AUCs on the same rows, n = {count(self.n)}",
            xlabel="difference in AUC",
        )


def compare_auc(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    level: float = 0.95,
) -> AucComparison:
    """Difference of two scores' AUCs on the same rows, paired.

    Parameters
    ----------
    y_true, score_a, score_b : array-like of shape (n,)
        The label and the two scores.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    group : array-like of shape (n,), optional
        Compare the AUCs within these groups (see `auc_within`) rather than the pooled ones.
    level : float
        Confidence level.

    Returns
    -------
    AucComparison

    Raises
    ------
    InputError
        As `roc` and `auc_within`.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988); Obuchowski (1997).

    Examples
    --------
    >>> y = [0, 0, 1, 0, 1, 1, 0, 1]
    >>> result = compare_auc(y, [1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 3, 4, 5, 7, 6, 8])
    >>> round(result.auc_a, 3), round(result.auc_b, 3), result.difference < 0
    (0.75, 0.812, True)
    """
    y, a = check_ranking(y_true, score_a, level, "score_a")
    b = check_scores(score_b, len(y), "score_b")
    customers, _ = codes_of(cluster, len(y), "cluster")
    codes, names = codes_of(group, len(y), "group")
    kept = np.ones(len(y), dtype=bool)
    if codes is None:
        used, ranked = None, [placements(y, score) for score in (a, b)]
    else:
        kept, used, first = placements_within(y, a, codes, len(names))
        ranked = [first, placements_within(y, b, codes, len(names))[2]]
    y = y[kept]
    customers = None if customers is None else renumbered(customers[kept])
    aucs = [float(one.concordant.sum() / one.pairs.sum()) for one in ranked]
    parts = [one.deviations(y, auc, used) for one, auc in zip(ranked, aucs, strict=True)]
    difference = aucs[0] - aucs[1]
    error = math.sqrt(variance_of(y, parts[0] - parts[1], customers).value)
    half = normal_quantile(level) * error
    return AucComparison(
        difference,
        max(difference - half, -1.0) if math.isfinite(half) else -1.0,
        min(difference + half, 1.0) if math.isfinite(half) else 1.0,
        error,
        two_sided(difference, error),
        aucs[0],
        aucs[1],
        len(y),
        int(np.count_nonzero(y)),
        len(y) if customers is None else int(customers.max()) + 1,
        level,
    )


def two_sided(difference: float, error: float, degrees: float = math.inf) -> float:
    """Return the two-sided p value of no difference; nan where there is no standard error.

    Student's with so many degrees of freedom, without them the normal one.
    """
    if difference == 0:
        return 1.0
    if not error > 0:  # nan with one unit of a class; 0 where a single pattern repeats
        return float("nan")
    if math.isinf(degrees):
        return math.erfc(abs(difference) / error / math.sqrt(2))
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(difference) / error))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6).

    A missing one counts as a test and stays missing.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, np.nan, 0.02]))
    array([0.04, 0.08,  nan, 0.06])
    """
    order = np.argsort(np.where(np.isnan(p), 2.0, p), kind="stable")
    scaled = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.where(np.isnan(scaled), 1.0, scaled))
    return np.where(np.isnan(p), np.nan, adjusted)
