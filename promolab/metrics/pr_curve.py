"""How clean the top of a ranking is: the precision–recall curve and average precision."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned
from promolab.metrics._inputs import (
    Drawn,
    Measured,
    RankedRows,
    check_ranking,
    codes_of,
    ranked_rows,
    rows_of,
)
from promolab.metrics.ranking import Variance, auc_interval
from promolab.results import Estimate
from promolab.stats import cluster_sums, share_interval, spread_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


BAND_POINTS = 101


@dataclass(frozen=True)
class PrecisionRecall(Drawn, Measured):
    """A precision–recall curve with its average precision.

    Parameters
    ----------
    estimate, std_error
        Mean precision at the positives with its interval (see `precision_recall`), also as
        ``average_precision, ci_low, ci_high``, and its standard error.
    n, positives, clusters, level
        The rows behind it.
    precision, recall, thresholds : ndarray of shape (points,)
        The curve, one point per distinct score that adds a positive, from the highest down.
    band_recall, band_low, band_high : ndarray of shape (up to 101,)
        Pointwise interval of the precision at given recalls.
    """

    NAME = "average_precision"

    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)
    thresholds: np.ndarray = field(repr=False)
    band_recall: np.ndarray = field(repr=False)
    band_low: np.ndarray = field(repr=False)
    band_high: np.ndarray = field(repr=False)

    @property
    def average_precision(self) -> float:
        """Mean precision at the positives."""
        return self.value

    @property
    def prevalence(self) -> float:
        """Share of positives: the average precision of a list in random order."""
        return self.positives / self.n

    def to_frame(self) -> pd.DataFrame:
        """Return the curve: ``recall, precision, threshold``."""
        import pandas as pd

        return pd.DataFrame(
            {"recall": self.recall, "precision": self.precision, "threshold": self.thresholds}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval and counts as plain values."""
        return {**super().to_dict(), "prevalence": self.prevalence}

    def facts(self) -> dict[str, Any]:
        """Return the band at the curve's points, and the line of a list in random order."""
        import pandas as pd

        low, high = (
            np.interp(self.recall, self.band_recall, x) for x in (self.band_low, self.band_high)
        )
        return {
            "band": lambda: self.to_frame().assign(precision_low=low, precision_high=high),
            "random_order": pd.DataFrame({"x": [0.0, 1.0], "y": [self.prevalence] * 2}),
        }


def precision_recall(
    y_true: ArrayLike,
    y_score: ArrayLike,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> PrecisionRecall:
    """Precision–recall curve, and average precision with its interval.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    y_score : array-like of shape (n,)
        Higher means more likely positive. Equal scores are one step of the curve.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer). Without it rows count as independent, and the
        interval is too narrow where a customer stands in several rows.
    level : float
        Confidence level.

    Returns
    -------
    PrecisionRecall

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1 or of one class only, scores or clusters are missing.

    Notes
    -----
    Average precision is Σ (R_k − R_{k−1}) P_k over the distinct scores, scikit-learn's definition;
    it is not interpolated. Its variance is that of its influence function, summed within clusters:
    with P(s) and N(s) the precision and the rows from score s up, and m positives, a row adds
    (y (P(s) − AP) + Σ_i (y − P(s_i)) / N(s_i)) / m, the sum over positives i that score no higher.
    The interval is symmetric on the logit scale (Boyd, Eng & Page 2013), with Student's quantile.
    The estimate itself lies above the truth where positives are few, for each positive counts in
    its own precision. The band holds the recall fixed: it contains the threshold's own variance.

    References
    ----------
    Boyd, Eng & Page (2013), "Area under the precision-recall curve: point estimates and confidence
    intervals", ECML PKDD. Zhang & Su (2012), Statistics & Probability Letters 82(7).

    Examples
    --------
    >>> result = precision_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> round(result.average_precision, 4), result.prevalence
    (0.8333, 0.5)
    """
    y_true, y_score, cluster = aligned(y_true=y_true, y_score=y_score, cluster=cluster)
    y, score = check_ranking(y_true, y_score, level)
    codes, _ = codes_of(cluster, len(y), "cluster")
    ranked = ranked_rows(y, score)
    value, added = average_precision_of(ranked)
    mine = ranked.listed(codes)
    spread = spread_of(added, mine)
    holders = int(np.count_nonzero(y)) if codes is None else len(np.unique(codes[y]))
    few = holders < 2
    variance = Variance(
        math.nan if few else spread.std_error**2, max(holders - 1.0, 1.0), holders, (1.0, 1.0)
    )
    low, high = auc_interval(value, variance, level)
    hits, adds = np.cumsum(ranked.hits).astype(float), ranked.hits > 0
    return PrecisionRecall(
        *rows_of(y, codes, level),
        Estimate(value, low, high, len(y)),
        math.nan if few else spread.std_error,
        (hits / (ranked.ends + 1))[adds],
        (hits / hits[-1])[adds],
        score[ranked.order[ranked.ends]][adds],
        *_band(ranked, mine, level),
    )


def average_precision_of(ranked: RankedRows) -> tuple[float, np.ndarray]:
    """Average precision, and what each row of the list adds to its deviation."""
    found, rows = ranked.hits, ranked.ends + 1.0
    hits = np.cumsum(found)
    precision, positives = hits / rows, hits[-1]
    value = float((found * precision).sum() / positives)
    # Sums over the positives that score no higher: from the end of the list up.
    shares = np.cumsum((found / rows)[::-1])[::-1]
    paid = np.cumsum((found * precision / rows)[::-1])[::-1]
    run = ranked.run
    return value, (ranked.y * (precision - value + shares)[run] - paid[run]) / positives


def _band(
    ranked: RankedRows, cluster: np.ndarray | None, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pointwise interval of the precision at given recalls."""
    hits, ends, y = np.cumsum(ranked.hits), ranked.ends, ranked.y.astype(float)
    positives, recalls = hits[-1], hits / hits[-1]
    at = np.linspace(0, 1, BAND_POINTS)
    at = at[at >= 1 / positives - 1e-12]
    place = np.unique(np.minimum(np.searchsorted(recalls, at - 1e-12), len(ends) - 1))
    rows, recall = ends[place] + 1.0, recalls[place]
    precision = hits[place] / rows
    reach = float(np.clip(positives ** (-1 / 3) / 2, 0.02, 0.1))
    slope = _slope(recalls, hits / (ends + 1.0), recall, reach)
    spread, behind = np.empty(len(place)), np.empty(len(place))
    for k, run in enumerate(place):
        top = ranked.run <= run
        # Less what the recall moves by: it is held fixed.
        added = top * (y - precision[k]) / rows[k] - slope[k] * y * (top - recall[k]) / positives
        spread[k] = np.square(cluster_sums(added, cluster)).sum()
        # Where all above the cut are positive, as many successes as clusters are among them.
        behind[k] = rows[k] ** 2 / np.square(cluster_sums(top.astype(float), cluster)).sum()
    units = len(y) if cluster is None else int(cluster.max()) + 1
    low, high = share_interval(precision, spread * units / max(units - 1, 1), behind, level)
    return recall, low, high


def _slope(recalls: np.ndarray, precisions: np.ndarray, at: np.ndarray, reach: float) -> np.ndarray:
    """Slope of the precision in the recall, over the stretch around each point."""
    left, right = np.clip(at - reach, recalls[0], 1), np.clip(at + reach, recalls[0], 1)
    # Of runs that add no positive the first holds: the curve falls where the next one is found.
    first = np.append(True, np.diff(recalls) > 0)
    x, z = recalls[first], precisions[first]
    gap = np.where(right > left, right - left, 1.0)
    return np.asarray((np.interp(right, x, z) - np.interp(left, x, z)) / gap)
