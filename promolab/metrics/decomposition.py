"""The Brier score, and what it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics._figures import OF_LOSSES, against_base, figure
from promolab.metrics._inputs import check_level, codes_of
from promolab.metrics._moments import around, spread_of
from promolab.metrics._probabilities import (
    Gaps,
    check_probabilities,
    equal_bins,
    mean_loss,
    skill_of,
)
from promolab.results import Estimate, Result
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["Brier", "brier", "brier_estimate"]


@dataclass(frozen=True)
class Brier(Result):
    """A Brier score and its parts: value = reliability − resolution + uncertainty + within.

    Parameters
    ----------
    value, ci_low, ci_high, std_error : float
        Mean squared distance of probability and outcome, with its interval.
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
    bins, n, positives, clusters : int
        Bins used, rows, positive rows, independent units.
    level : float
        Confidence level.
    """

    value: float
    ci_low: float
    ci_high: float
    std_error: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    skill: Estimate
    parts: pd.DataFrame = field(repr=False)
    bins: int
    n: int
    positives: int
    clusters: int
    level: float

    @property
    def estimate(self) -> Estimate:
        """The Brier score as an estimate."""
        return Estimate(self.value, self.ci_low, self.ci_high, self.n)

    def to_frame(self) -> pd.DataFrame:
        """Return `parts`."""
        return self.parts

    def summary(self) -> str:
        """Say the score in words, and what it is made of."""
        words = (
            f"Brier score {figure(self.value, self.ci_low, self.ci_high, OF_LOSSES)} "
            f"({count(self.positives)} of {plural(self.n, 'row')} positive)"
        )
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
            f"{percent(self.level, decimals=0)} intervals · n = {count(self.n)}, "
            f"{count(self.positives)} positive",
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
    check_level(level)
    y, probability = check_probabilities(y_true, p, bins)
    codes, names = codes_of(cluster, len(y), "cluster")
    n, base = len(y), float(y.mean())
    errors = np.square(probability - y)
    score, spread = mean_loss(errors, codes, level)
    skill = skill_of(errors, base * (1 - base), (1 - 2 * base) * (y - base), codes, level)
    frame, bin_count = _parts(y, probability, bins, codes, level)
    seen = frame.set_index("part")["seen"]
    return Brier(
        score.value,
        score.ci_low,
        score.ci_high,
        spread.std_error,
        float(seen["reliability"]),
        float(seen["resolution"]),
        float(seen["uncertainty"]),
        float(seen["within"]),
        skill,
        frame,
        bin_count,
        n,
        int(np.count_nonzero(y)),
        n if codes is None else len(names),
        level,
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
