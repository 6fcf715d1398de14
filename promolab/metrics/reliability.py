"""Whether predicted probabilities come true: reliability by bin, and observed against expected."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, level_of
from promolab.errors import InputError
from promolab.metrics._inputs import (
    OF_LOSSES,
    Measured,
    OnRows,
    against_base,
    codes_of,
    figure,
    rows_of,
)
from promolab.metrics.intervals import around, cluster_sums, spread_of
from promolab.metrics.scoring import (
    Gaps,
    check_probabilities,
    equal_bins,
    mean_loss,
    skill_of,
    sums_by_bin,
)
from promolab.results import Estimate
from promolab.stats import normal_quantile, share_interval
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


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
    """Coefficients by Newton's method, with a sandwich variance; None where there are none."""
    weights = np.zeros(design.shape[1])
    if design.shape[1] > 1:
        weights[1] = 1.0
    for _ in range(50):
        mean = 1 / (1 + np.exp(-np.clip(offset + design @ weights, -500, 500)))
        curvature = (design * (mean * (1 - mean))[:, None]).T @ design
        if not curvature[0, 0] > 0 or np.linalg.cond(curvature) > 1e12:  # separated
            return None
        step = np.linalg.solve(curvature, design.T @ (y - mean))
        weights = weights + step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    scores = design * (y - mean)[:, None]
    if cluster is not None:
        scores = np.column_stack([cluster_sums(column, cluster) for column in scores.T])
    bread = np.linalg.inv(curvature)
    more = len(scores) / max(len(scores) - 1, 1)
    half = normal_quantile(level) * np.sqrt(more * np.diag(bread @ scores.T @ scores @ bread))
    return [
        Estimate(float(w), float(w - h), float(w + h), len(y))
        for w, h in zip(weights, half, strict=True)
    ]


@dataclass(frozen=True)
class Brier(Measured):
    """A Brier score and its parts: value = reliability − resolution + uncertainty + within.

    Parameters
    ----------
    estimate, std_error
        Mean squared distance of probability and outcome with its interval, also as ``value, ci_low,
        ci_high``.
    reliability, resolution, uncertainty, within : float
        As seen; they add up to the score exactly. Reliability is what wrong probabilities cost,
        resolution what telling rows apart earns, uncertainty what the base rate alone costs, within
        the remainder: what the predictions' differences inside a bin change.
    skill : Estimate
        1 − value / uncertainty: 0 no better than the base rate, 1 perfect; nan where the labels are
        of one class.
    parts : DataFrame
        ``part, seen, by_chance, value, ci_low, ci_high``: the parts as seen, what chance adds to
        each, and each without it, with its interval.
    bins : int
        Bins used.
    n, positives, clusters, level
        The rows behind it.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float
    skill: Estimate
    parts: pd.DataFrame = field(repr=False)
    bins: int

    def to_frame(self) -> pd.DataFrame:
        """Return `parts`."""
        return self.parts

    def summary(self) -> str:
        """Say the score in words, and what it is made of."""
        words = f"Brier score {figure(*self.estimate.ends, OF_LOSSES)} ({self.of_words})"
        if math.isfinite(self.skill.value):
            words += f": {against_base(self.skill)}"
        return (
            f"{words}. Of the base rate's {_two(self.uncertainty)}, telling rows apart takes away "
            f"{_two(self.resolution)}; wrong probabilities cost {_two(self.reliability)}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the parts, without what chance adds to them, with intervals."""
        from promolab import plots

        words = {
            "uncertainty": "base rate alone (uncertainty)",
            "resolution": "taken away by telling rows apart (resolution)",
            "reliability": "cost of wrong probabilities (reliability)",
            "within": "remainder inside the bins",
        }
        parts = self.parts.set_index("part").loc[list(words)]
        sign = np.where(parts.index == "resolution", -1.0, 1.0)
        ends = np.sort(np.stack([sign * parts["ci_low"], sign * parts["ci_high"]]), axis=0)
        labels = [*words.values(), "Brier score"]
        values = np.append(sign * parts["value"], self.value)
        low, high = np.append(ends[0], self.ci_low), np.append(ends[1], self.ci_high)
        text = [figure(*row, OF_LOSSES) for row in zip(values, low, high, strict=True)]
        ax = plots.bars(labels, values, low=low, high=high, text=text, ax=ax)
        return plots.finish(
            ax,
            title=f"Squared error is {against_base(self.skill)}"
            if math.isfinite(self.skill.value)
            else f"Brier score {text[-1]}",
            subtitle=f"Brier score and its parts, {self.bins} bins, what chance adds taken off, "
            f"{self.level_words} intervals · {self.n_words}",
            xlabel="mean squared error",
        )


def _two(part: float) -> str:
    """Write a part of a score with two digits; what is only rounding in computation is 0."""
    return "0" if abs(part) < 1e-9 else f"{part:.2g}".replace("-", "−")


def brier(
    y_true: ArrayLike,
    p: ArrayLike,
    cluster: ArrayLike | None = None,
    bins: int = 10,
    level: float = 0.95,
) -> Brier:
    """Brier score with its interval, and Murphy's decomposition over bins of the predictions.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Predicted probability of a 1, within [0, 1].
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    bins : int
        Bins with about as many rows each; equal predictions stay together, so there may be fewer.
        The score itself does not depend on them; its parts do.
    level : float
        Confidence level.

    Returns
    -------
    Brier

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, probabilities are missing or outside [0, 1], or
        ``bins`` is below 1.

    Notes
    -----
    With shares w of the rows, mean predictions p̄ and observed shares ȳ by bin: reliability
    Σ w(p̄ − ȳ_b)², resolution Σ w(ȳ_b − ȳ)², uncertainty ȳ(1 − ȳ) (Murphy 1973), and, since
    predictions differ inside a bin, within = mean of (p − p̄)² − 2(p − p̄)(y − ȳ_b) (Stephenson,
    Coelho & Jolliffe 2008). Chance adds to reliability and resolution (Ferro & Fricker 2012): the
    table shows how much and takes it off, with variances summed within clusters. Intervals are
    those of influence functions; that of reliability is found as in `ece`, the score's is symmetric
    in its logarithm.

    References
    ----------
    Murphy (1973), J. Applied Meteorology 12(4). Stephenson, Coelho & Jolliffe (2008), Weather and
    Forecasting 23(4). Ferro & Fricker (2012), QJRMS 138(668).

    Examples
    --------
    >>> result = brier([0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], bins=2)
    >>> parts = result.reliability - result.resolution + result.uncertainty + result.within
    >>> round(result.value, 3), round(parts, 3), round(result.resolution, 4)
    (0.205, 0.205, 0.0625)
    """
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p, bins)
    codes, _ = codes_of(cluster, len(y), "cluster")
    base = float(y.mean())
    errors = np.square(probability - y)
    score, spread = mean_loss(errors, codes, level)
    skill = skill_of(errors, base * (1 - base), (1 - 2 * base) * (y - base), codes, level)
    frame, bin_count = _parts(y, probability, bins, codes, level)
    cost, resolution, uncertainty, within = frame["seen"].astype(float)
    return Brier(
        *rows_of(y, codes, level),
        score,
        spread.std_error,
        cost,
        resolution,
        uncertainty,
        within,
        skill,
        frame,
        bin_count,
    )


def brier_estimate(
    y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None, level: float
) -> Estimate:
    """Return the Brier score alone, as `brier` does, without its parts."""
    y, probability = check_probabilities(y_true, p)
    codes, _ = codes_of(cluster, len(y), "cluster")
    return mean_loss(np.square(probability - y), codes, level)[0]


def _parts(
    y: np.ndarray, p: np.ndarray, bins: int, cluster: np.ndarray | None, level: float
) -> tuple[pd.DataFrame, int]:
    """Return the parts as seen and without what chance adds, and the number of bins."""
    import pandas as pd

    n, base = len(y), float(y.mean())
    bin_of = equal_bins(p, bins)
    gaps = Gaps.between(y, p, bin_of, cluster, power=2)
    shares = Gaps.between(y, np.zeros(n), bin_of, cluster)  # what varies is the observed share
    observed, predicted = shares.gaps, shares.gaps - gaps.gaps
    of_base = spread_of((y - base) / n, cluster).std_error
    of_base = of_base**2 if math.isfinite(of_base) else 0.0
    resolution = float((gaps.weights * (observed - base) ** 2).sum())
    by_chance = float((gaps.weights * shares.spread).sum()) - of_base
    off = p - predicted[bin_of]
    remainder = off**2 - 2 * off * (y - observed[bin_of])
    above = observed[bin_of] - base
    influences = {
        "resolution": above**2 + 2 * above * (y - observed[bin_of]) - resolution,
        "uncertainty": (1 - 2 * base) * (y - base),
        "within": remainder - remainder.mean(),
    }
    rows = [("reliability", gaps.distance, gaps.by_chance, *gaps.true_distance(level))]
    for name, seen, added in (
        ("resolution", resolution, by_chance),
        ("uncertainty", base * (1 - base), -of_base),
        ("within", float(remainder.mean()), 0.0),
    ):
        low, high = around(seen - added, spread_of(influences[name] / n, cluster), level)
        rows.append((name, seen, added, seen - added, low, high))
    names = ["part", "seen", "by_chance", "value", "ci_low", "ci_high"]
    frame = pd.DataFrame(rows, columns=names)
    squares = frame["part"] != "within"
    frame.loc[squares, ["value", "ci_low"]] = frame.loc[squares, ["value", "ci_low"]].clip(lower=0)
    return frame, len(gaps.gaps)


@dataclass(frozen=True)
class Calibration(OnRows):
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
    n, positives, clusters, level
        The rows behind it.
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
        times = number(*ratio.ends, decimals=2)
        return (
            f"{verdict}: observed/expected {times} ({self.of_words}); mean distance by bin "
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
            f"{self.level_words} intervals · n = {count(self.n)}",
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
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p, bins)
    if not probability.any():
        raise InputError("p is 0 in every row; nothing can be compared with an expectation of 0")
    codes, _ = codes_of(cluster, len(y), "cluster")
    bin_of = equal_bins(probability, bins)
    gaps = Gaps.between(y, probability, bin_of, codes)
    return Calibration(
        *rows_of(y, codes, level),
        _binned(y, probability, bin_of, codes, level),
        _ratio(y, probability, codes, level),
        *recalibration(y, probability, codes, level),
        gaps.distance,
        gaps.by_chance,
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
