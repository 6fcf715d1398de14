"""Whether predicted probabilities come true: reliability by bin, and observed against expected."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.metrics._cox import recalibration
from promolab.metrics._inputs import check_level, codes_of
from promolab.metrics._probabilities import Gaps, check_probabilities, equal_bins, sums_by_bin
from promolab.metrics.intervals import cluster_sums, normal_quantile, share_interval
from promolab.results import Estimate, Result
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["Calibration", "calibration"]


@dataclass(frozen=True)
class Calibration(Result):
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
    ece : float
        Expected calibration error: mean distance of observed and predicted over the bins, weighted
        by rows.
    ece_by_chance : float
        What the ece of a perfectly calibrated model would be on average, from chance alone.
    n, positives, clusters : int
        Rows, positive rows, independent units.
    level : float
        Confidence level.
    gaps : Gaps
        Observed minus predicted by bin and their covariance: what ``distance`` is made of.
    """

    bins: pd.DataFrame = field(repr=False)
    observed_expected: Estimate
    intercept: Estimate
    slope: Estimate
    in_the_large: Estimate
    ece: float
    ece_by_chance: float
    n: int
    positives: int
    clusters: int
    level: float
    gaps: Gaps = field(repr=False)

    @cached_property
    def distance(self) -> Estimate:
        """The ece without what chance adds to it, with its interval (see `ece`)."""
        return Estimate(*self.gaps.true_distance(self.level), self.n)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {**super().to_dict(), "distance": self.distance.to_dict()}

    def to_frame(self) -> pd.DataFrame:
        """Return `bins`."""
        return self.bins

    def summary(self) -> str:
        """Say in words whether the predictions are too high or too low."""
        ratio = self.observed_expected
        verdict = (
            "More respond than predicted"
            if ratio.ci_low > 1
            else "Fewer respond than predicted"
            if ratio.ci_high < 1
            else "As many respond as predicted, within noise"
        )
        times = number(ratio.value, ratio.ci_low, ratio.ci_high, decimals=2)
        return (
            f"{verdict}: observed/expected {times} ({count(self.positives)} of "
            f"{plural(self.n, 'row')} positive); mean distance by bin "
            f"{percent(self.ece, decimals=1)}, {percent(self.ece_by_chance, decimals=1)} by chance "
            "alone."
        )

    def plot(self, ax: Axes | None = None, *, colour: str | None = None) -> Axes:
        """Draw the reliability diagram with intervals."""
        from promolab import plots

        bins = self.bins
        ax = plots.points(
            bins["predicted"],
            bins["observed"],
            low=bins["ci_low"],
            high=bins["ci_high"],
            colour=colour,
            ax=ax,
        )
        plots.reference_line(ax, "diagonal", label="right on average")
        end = 1.05 * float(max(bins["predicted"].max(), bins["ci_high"].max()))
        ax.set(xlim=(-0.02 * end, end), ylim=(-0.02 * end, end))
        return plots.finish(
            ax,
            title=self.summary().split(":")[0],
            subtitle=f"share of positives by predicted probability, {len(bins)} bins with "
            f"{percent(self.level, decimals=0)} intervals · n = {count(self.n)}",
            xlabel="predicted probability",
            ylabel="observed share",
            percent_x=True,
            percent_y=True,
        )


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
    clustered sandwich variance.

    References
    ----------
    Cox (1958), Biometrika 45(3/4). Van Calster et al. (2019), BMC Medicine 17, 230.

    Examples
    --------
    >>> result = calibration([0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 2)
    >>> round(result.observed_expected.value, 2), result.bins["observed"].tolist()
    (1.11, [0.25, 0.75])
    """
    check_level(level)
    y, probability = check_probabilities(y_true, p, bins)
    if not probability.any():
        raise InputError("p is 0 in every row; nothing can be compared with an expectation of 0")
    codes, names = codes_of(cluster, len(y), "cluster")
    bin_of = equal_bins(probability, bins)
    gaps = Gaps.between(y, probability, bin_of, codes)
    return Calibration(
        _binned(y, probability, bin_of, codes, level),
        _ratio(y, probability, codes, level),
        *recalibration(y, probability, codes, level),
        gaps.distance,
        gaps.by_chance,
        len(y),
        int(np.count_nonzero(y)),
        len(y) if codes is None else len(names),
        level,
        gaps,
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


def _ratio(y: np.ndarray, p: np.ndarray, cluster: np.ndarray | None, level: float) -> Estimate:
    expected = float(p.sum())
    ratio = float(np.count_nonzero(y)) / expected
    if ratio == 0:  # none seen: as many as leave that a chance of (1 − level)/2
        return Estimate(0.0, 0.0, -math.log((1 - level) / 2) / expected, len(y))
    sums = cluster_sums(y - ratio * p, cluster)
    more = len(sums) / (len(sums) - 1) if len(sums) > 1 else math.nan
    error = math.sqrt(more * float(np.square(sums).sum())) / expected
    factor = math.exp(normal_quantile(level) * error / ratio)
    return Estimate(ratio, ratio / factor, ratio * factor, len(y))
