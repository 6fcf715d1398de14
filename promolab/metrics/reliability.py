"""Whether predicted probabilities come true: losses, reliability by bin, observed to expected."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, labels_of, level_of, numbers_of, whole_number
from promolab.errors import InputError
from promolab.metrics._inputs import Drawn, OnRows, codes_of, rows_of
from promolab.results import Estimate
from promolab.stats import (
    around,
    cluster_sums,
    normal_quantile,
    positive_interval,
    share_interval,
    spread_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

SMALLEST = float(np.finfo(float).eps)


def check_probabilities(y_true: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities, or say what is wrong with them."""
    y = labels_of("y_true", y_true)
    probability = numbers_of("p", p, len(y)).astype(float)
    outside = int(np.count_nonzero((probability < 0) | (probability > 1)))
    if outside:
        raise InputError(
            f"p has {outside:,} of {len(y):,} values outside [0, 1]; give probabilities, not "
            "scores (a model's predict_proba)"
        )
    return y, probability


def mean_loss(losses: np.ndarray, cluster: np.ndarray | None, level: float) -> Estimate:
    """Return the mean of the rows' losses (`row_losses`, `square_losses`) with its interval.

    The variance is that of a mean over rows, summed within clusters; the interval is symmetric in
    its logarithm, with Student's quantile at the number of clusters that carry the variance.
    """
    value, n = float(losses.mean()), len(losses)
    spread = spread_of((losses - value) / n, cluster)
    return Estimate(value, *positive_interval(value, spread, level), n)


def row_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Log-loss of every row; a chance is held off 0 and 1 by 2.2e-16, as scikit-learn does."""
    held = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(y, held, 1 - held)))


def square_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Squared distance of every row's probability and outcome."""
    return np.asarray(np.square(p - y))


def equal_bins(p: np.ndarray, bins: int) -> np.ndarray:
    """Number bins of about as many rows each; equal predictions stay together."""
    edges = np.quantile(p, np.arange(1, bins) / bins)
    place = np.searchsorted(edges, p, side="left")
    return (np.cumsum(np.bincount(place, minlength=bins) > 0) - 1)[place]


def sums_by_bin(
    values: np.ndarray, bin_of: np.ndarray, cluster: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Add values up within clusters in a bin; return the sums and the bin of each."""
    if cluster is None:
        return values, bin_of
    bins = int(bin_of.max()) + 1
    pairs, pair_of = np.unique(cluster.astype(np.int64) * bins + bin_of, return_inverse=True)
    return np.bincount(pair_of, weights=values), pairs % bins


def distance_of(
    y: np.ndarray, p: np.ndarray, bin_of: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the mean distance over bins, what each row adds to its error, and the bins' gaps."""
    gaps = np.bincount(bin_of, weights=y - p) / np.bincount(bin_of)
    value = float(np.abs(gaps)[bin_of].mean())
    return value, (np.sign(gaps)[bin_of] * (y - p) - value) / len(y), gaps


def expected_error(
    y: np.ndarray, p: np.ndarray, bin_of: np.ndarray, cluster: np.ndarray | None, level: float
) -> tuple[Estimate, float]:
    """Return the mean distance over bins with its interval, and what chance alone would make it.

    Chance adds to a mean of absolute distances, by no more than to one of a model that is right:
    the interval's lower end allows for all of that, and is 0 where nothing is left.
    """
    value, added, gaps = distance_of(y, p, bin_of)
    n = np.bincount(bin_of)
    own = (y - p - gaps[bin_of]) / n[bin_of]
    alone = np.bincount(bin_of, weights=own**2)
    sums, home = sums_by_bin(own, bin_of, cluster)
    design = np.bincount(home, weights=sums**2) / np.where(alone > 0, alone, 1.0)
    # What the predictions say that the gaps' variances would be if they were right.
    chance = np.bincount(bin_of, weights=p * (1 - p)) / n**2 * np.maximum(design, 1.0)
    by_chance = float((n * np.sqrt(2 / np.pi * chance)).sum() / len(y))
    low, high = around(value, spread_of(added, cluster), level)
    return Estimate(value, max(low - by_chance, 0.0), high, len(y)), by_chance


def recalibration(
    y: np.ndarray, p: np.ndarray, cluster: np.ndarray | None, level: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Return intercept and slope, fitted together, and the intercept where the slope is held at 1.

    All are nan where they have no finite estimate: labels of one class, one prediction for all
    (intercept and slope only), or predictions that separate the classes.
    """
    unknown = Estimate(math.nan, math.nan, math.nan, len(y))
    if y.all() or not y.any():
        return unknown, unknown, unknown
    clipped = np.clip(p, 1e-9, 1 - 1e-9)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones((len(y), 1))
    shift = _fitted(y, ones, logit, cluster, level)
    both = None
    if np.ptp(logit) >= 1e-9:
        both = _fitted(y, np.column_stack([ones, logit]), np.zeros(len(y)), cluster, level)
    intercept, slope = both or [unknown, unknown]
    return intercept, slope, (shift or [unknown])[0]


def _fitted(
    y: np.ndarray, design: np.ndarray, offset: np.ndarray, cluster: np.ndarray | None, level: float
) -> list[Estimate] | None:
    """Coefficients of a logistic regression, with a sandwich variance; None where it has none."""
    from scipy.optimize import root
    from scipy.special import expit

    def scores(weights: np.ndarray) -> np.ndarray:
        return np.asarray(design * (y - expit(offset + design @ weights))[:, None])

    def curvature(weights: np.ndarray) -> np.ndarray:
        mean = expit(offset + design @ weights)
        return np.asarray((design * (mean * (1 - mean))[:, None]).T @ design)

    start = np.arange(design.shape[1], dtype=float)
    found = root(lambda w: scores(w).sum(axis=0), start, jac=lambda w: -curvature(w), tol=1e-12)
    hessian, parts = curvature(found.x), scores(found.x)
    off = np.abs(parts.sum(axis=0)).max()
    if off > 1e-6 * len(y) or not hessian[0, 0] > 1e-9 * len(y):  # separated
        return None
    if cluster is not None:
        parts = np.column_stack([cluster_sums(column, cluster) for column in parts.T])
    bread = np.linalg.inv(hessian)
    more = len(parts) / max(len(parts) - 1, 1)
    half = normal_quantile(level) * np.sqrt(more * np.diag(bread @ parts.T @ parts @ bread))
    ends = zip(found.x, found.x - half, found.x + half, strict=True)
    return [Estimate.of(each, len(y)) for each in ends]


@dataclass(frozen=True)
class Calibration(Drawn, OnRows):
    """Predicted probabilities against what happened.

    Parameters
    ----------
    bins : DataFrame
        ``predicted`` (mean probability), ``observed`` (share of positives), ``ci_low, ci_high`` of
        the observed share, ``n, positives``; one row per bin, from the lowest prediction up.
    observed_expected : Estimate
        Positives divided by the sum of probabilities; 1 when right on average.
    intercept, slope : Estimate
        Cox's calibration intercept and slope, fitted together: 0 and 1 when right; a slope below 1
        means that the predictions are too extreme, above 1 too timid. nan where they cannot be
        estimated (labels of one class, or one prediction for all).
    in_the_large : Estimate
        The intercept with the slope held at 1: how far the predictions are off on average, on the
        logit scale; 0 when right, above 0 when too low.
    distance : Estimate
        Expected calibration error, also as ``ece``: mean distance of observed and predicted over
        the bins, weighted by rows. The lower end allows for what chance adds to it.
    ece_by_chance : float
        What it would be on average for a perfectly calibrated model, from chance alone.
    n, positives, clusters, level
        The rows behind it.
    """

    bins: pd.DataFrame = field(repr=False)
    observed_expected: Estimate
    intercept: Estimate
    slope: Estimate
    in_the_large: Estimate
    distance: Estimate
    ece_by_chance: float

    @property
    def ece(self) -> float:
        """The expected calibration error."""
        return self.distance.value

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {**super().to_dict(), "ece": self.ece}

    def to_frame(self) -> pd.DataFrame:
        """Return `bins`."""
        return self.bins

    def facts(self) -> dict[str, Any]:
        """Return whether more or fewer respond than predicted, and how far the axes reach."""
        end = 1.05 * float(max(self.bins["predicted"].max(), self.bins["ci_high"].max()))
        balance = self.observed_expected.side_of(1.0)
        return {"balance": balance, "reach": [-0.02 * end, end]}


def calibration(
    y_true: ArrayLike,
    p: ArrayLike,
    bins: int = 10,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Calibration:
    """Compare predicted probabilities with what happened.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Predicted probability of a 1, within [0, 1].
    bins : int
        Bins with about as many rows each; equal predictions stay together, so there may be fewer.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    level : float
        Confidence level.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, probabilities are missing, outside [0, 1] or all 0,
        or ``bins`` is below 1.

    Notes
    -----
    A bin's interval is Wilson's; with clusters, at the effective sample size (Korn & Graubard
    1998), never above the number of rows. The interval of observed/expected is symmetric in its
    logarithm. Intercept and slope are those of a logistic regression on the logit of ``p`` with a
    clustered sandwich variance. A mean of absolute distances is above 0 even where predictions are
    right, the more so the fewer the rows and the more the bins: read ``ece`` beside
    ``ece_by_chance``. Predictions wrong in opposite ways inside a bin do not show.

    References
    ----------
    Cox (1958), Biometrika 45(3/4). Van Calster et al. (2019), BMC Medicine 17, 230. Naeini, Cooper
    & Hauskrecht (2015), AAAI. Bröcker (2012), Climate Dynamics 39.

    Examples
    --------
    >>> result = calibration([0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 2)
    >>> round(result.observed_expected.value, 2), result.bins["observed"].tolist()
    (1.11, [0.25, 0.75])
    """
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p)
    whole_number("bins", bins, 1)
    codes, _ = codes_of(cluster, len(y), "cluster")
    bin_of = equal_bins(probability, bins)
    return Calibration(
        *rows_of(y, codes, level),
        _binned(y, probability, bin_of, codes, level),
        observed_to_expected(y, probability, codes, level),
        *recalibration(y, probability, codes, level),
        *expected_error(y, probability, bin_of, codes, level),
    )


def _binned(
    y: np.ndarray, p: np.ndarray, bin_of: np.ndarray, cluster: np.ndarray | None, level: float
) -> pd.DataFrame:
    """Return the bins with their intervals."""
    import pandas as pd

    n = np.bincount(bin_of)
    hits = np.bincount(bin_of, weights=y)
    predicted, observed = np.bincount(bin_of, weights=p) / n, hits / n
    spread, units = observed * (1 - observed) / n, n
    if cluster is not None:
        sums, home = sums_by_bin(y - observed[bin_of], bin_of, cluster)
        units = np.bincount(home)
        clustered = np.bincount(home, weights=sums**2) / n**2
        spread = np.maximum(clustered * units / np.maximum(units - 1, 1), spread)
    low, high = share_interval(observed, spread, units, level)
    return pd.DataFrame(
        {
            "predicted": predicted,
            "observed": observed,
            "ci_low": low,
            "ci_high": high,
            "n": n,
            "positives": hits.astype(int),
        }
    )


def observed_to_expected(
    y: np.ndarray, p: np.ndarray, cluster: np.ndarray | None, level: float
) -> Estimate:
    """Return positives ÷ Σ p with its interval, symmetric in its logarithm."""
    expected = float(p.sum())
    if not expected:
        raise InputError("p is 0 in every row; nothing can be compared with an expectation of 0")
    ratio = float(np.count_nonzero(y)) / expected
    if ratio == 0:  # none seen: as many as leave that a chance of (1 − level)/2
        return Estimate(0.0, 0.0, -math.log((1 - level) / 2) / expected, len(y))
    sums = cluster_sums(y - ratio * p, cluster)
    more = len(sums) / (len(sums) - 1) if len(sums) > 1 else math.nan
    error = math.sqrt(more * float(np.square(sums).sum())) / expected
    factor = math.exp(normal_quantile(level) * error / ratio)
    return Estimate(ratio, ratio / factor, ratio * factor, len(y))
