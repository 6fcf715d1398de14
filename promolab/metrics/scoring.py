"""How far probabilities are from what happened: log-loss, and the calibration error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics._figures import OF_LOSSES, against_base, figure
from promolab.metrics._inputs import check_level, codes_of
from promolab.metrics._probabilities import (
    Gaps,
    check_probabilities,
    equal_bins,
    mean_loss,
    skill_of,
)
from promolab.metrics.intervals import normal_quantile
from promolab.results import Estimate, Result
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["CalibrationError", "LogLoss", "ece", "log_loss"]

SMALLEST = float(np.finfo(float).eps)


@dataclass(frozen=True)
class LogLoss(Result):
    """The mean log-loss of probabilities.

    Parameters
    ----------
    value, ci_low, ci_high, std_error : float
        Mean of −ln of the probability given to what happened, in nats, and its interval.
    skill : Estimate
        1 − log-loss / that of the base rate given to every row: 0 no better than the base rate,
        1 perfect; nan where the labels are of one class.
    certain_and_wrong : int
        Rows whose outcome was given a probability of 0; it counts as 2.2e-16.
    n, positives, clusters : int
        Rows, positive rows, independent units.
    level : float
        Confidence level.
    """

    value: float
    ci_low: float
    ci_high: float
    std_error: float
    skill: Estimate
    certain_and_wrong: int
    n: int
    positives: int
    clusters: int
    level: float

    @property
    def estimate(self) -> Estimate:
        """The log-loss as an estimate."""
        return Estimate(self.value, self.ci_low, self.ci_high, self.n)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for the log-loss and one for the skill."""
        import pandas as pd

        rows = {"log-loss": self.estimate, "skill": self.skill}
        return pd.DataFrame([{"measure": k, **v.to_dict()} for k, v in rows.items()])

    def summary(self) -> str:
        """Say the log-loss in words, beside that of the base rate."""
        words = (
            f"Log-loss {figure(self.value, self.ci_low, self.ci_high, OF_LOSSES)} "
            f"({count(self.positives)} of {plural(self.n, 'row')} positive)"
        )
        if math.isfinite(self.skill.value):
            words += f": {against_base(self.skill)}"
        wrong = self.certain_and_wrong
        return words + (f". {plural(wrong, 'row')} had been ruled out." if wrong else ".")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the log-loss with its interval beside that of the base rate."""
        from promolab import plots

        base = _entropy(self.positives / self.n)
        text = [figure(self.value, self.ci_low, self.ci_high, OF_LOSSES)]
        ends = [self.value], [self.ci_low], [self.ci_high]
        ax = plots.intervals(["predictions"], *ends, reference=base, text=text, ax=ax)
        skill = self.skill
        return plots.finish(
            ax,
            title=f"Log-loss is {against_base(skill)}"
            if math.isfinite(skill.value)
            else f"Log-loss is {text[0]}",
            subtitle=f"mean log-loss with {percent(self.level, decimals=0)} interval · dashed: the "
            f"base rate given to every row · n = {count(self.n)}, {count(self.positives)} positive",
            xlabel="log-loss, in nats",
        )


def log_loss(
    y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None = None, level: float = 0.95
) -> LogLoss:
    """Mean log-loss of predicted probabilities, with its interval.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Predicted probability of a 1, within [0, 1]; held off 0 and 1 by 2.2e-16, as scikit-learn
        does.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    level : float
        Confidence level.

    Returns
    -------
    LogLoss

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, probabilities are missing or outside [0, 1].

    Notes
    -----
    The variance is that of a mean over rows, summed within clusters; the interval is symmetric in
    its logarithm, with Student's quantile at the number of clusters that carry the variance.

    References
    ----------
    Good (1952), "Rational decisions", JRSS B 14(1). Gneiting & Raftery (2007), JASA 102(477).

    Examples
    --------
    >>> result = log_loss([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3])
    >>> round(result.value, 4), round(result.skill.value, 2)
    (0.1976, 0.71)
    """
    check_level(level)
    y, probability = check_probabilities(y_true, p)
    codes, names = codes_of(cluster, len(y), "cluster")
    losses = row_losses(y, probability)
    loss, spread = mean_loss(losses, codes, level)
    base, entropy = float(y.mean()), _entropy(float(y.mean()))
    # The entropy's derivative is the logit of its complement.
    added = math.log((1 - base) / base) * (y - base) if entropy else np.zeros(len(y))
    given = np.where(y, probability, 1 - probability)
    return LogLoss(
        loss.value,
        loss.ci_low,
        loss.ci_high,
        spread.std_error,
        skill_of(losses, entropy, added, codes, level),
        int(np.count_nonzero(given <= 0)),
        len(y),
        int(np.count_nonzero(y)),
        len(y) if codes is None else len(names),
        level,
    )


def row_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Log-loss of every row."""
    held = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(y, held, 1 - held)))


def _entropy(base: float) -> float:
    """Log-loss of a base rate given to every row; 0 where all labels are equal."""
    if base in (0.0, 1.0):
        return 0.0
    return -base * math.log(base) - (1 - base) * math.log(1 - base)


@dataclass(frozen=True)
class CalibrationError(Result):
    """How far predictions are from the observed shares, over bins.

    Parameters
    ----------
    value : float
        Expected calibration error: mean distance of observed and predicted over the bins, weighted
        by rows. Chance alone makes it above 0.
    by_chance : float
        What it would be on average for a perfectly calibrated model.
    debiased : Estimate
        The distance without what chance adds, with its interval.
    bins, n, positives, clusters : int
        Bins used, rows, positive rows, independent units.
    level : float
        Confidence level.
    gaps : Gaps
        Observed minus predicted by bin and their covariance.
    """

    value: float
    by_chance: float
    debiased: Estimate
    bins: int
    n: int
    positives: int
    clusters: int
    level: float
    gaps: Gaps = field(repr=False)

    @property
    def estimate(self) -> Estimate:
        """The distance without what chance adds."""
        return self.debiased

    def to_frame(self) -> pd.DataFrame:
        """Return one row per bin: its share of the rows and observed − predicted."""
        import pandas as pd

        return pd.DataFrame({"share": self.gaps.weights, "gap": self.gaps.gaps})

    def summary(self) -> str:
        """Say the distance in words, with and without what chance adds."""
        true = self.debiased
        near = " (no distance at all is possible)" if true.ci_low <= 0 else ""
        points = figure(100 * true.value, 100 * true.ci_low, 100 * true.ci_high, least=1)
        return (
            f"Predictions are {points} percentage points from the observed shares on average"
            f"{near}; {number(100 * self.value)} as seen over {plural(self.bins, 'bin')}, of "
            f"which chance alone makes {number(100 * self.by_chance)} (n = {count(self.n)})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how far each bin's observed share is from the predicted one, with intervals."""
        from promolab import plots

        gaps = self.gaps.gaps
        half = normal_quantile(self.level) * np.sqrt(self.gaps.spread)
        labels = [f"bin {k + 1}" for k in range(self.bins)]
        ax = plots.intervals(labels, gaps, gaps - half, gaps + half, reference=0.0, ax=ax)
        return plots.finish(
            ax,
            title=self.summary().split(";")[0],
            subtitle="observed − predicted share by bin, lowest predictions first, "
            f"{percent(self.level, decimals=0)} intervals · n = {count(self.n)}",
            xlabel="observed − predicted share",
            percent_x=True,
        )


def ece(
    y_true: ArrayLike,
    p: ArrayLike,
    cluster: ArrayLike | None = None,
    bins: int = 10,
    level: float = 0.95,
) -> CalibrationError:
    """Expected calibration error, with the part that chance adds and an interval of the rest.

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
    level : float
        Confidence level.

    Returns
    -------
    CalibrationError

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, probabilities are missing or outside [0, 1], or
        ``bins`` is below 1.

    Notes
    -----
    A mean of absolute distances is above 0 even where predictions are right, the more so the fewer
    the rows and the more the bins (Bröcker 2012; Kumar, Liang & Ma 2019). The interval is that of
    the distance between the bins' *true* shares and the predictions, by test inversion with the
    gaps' joint normal distribution (clusters included): its ends are the true distances, in the
    direction of the likely gaps (the ones seen, less what chance explains of their differences), of
    which the distance seen is an extreme quantile; ``debiased`` is the one of which it is the
    median. Predictions wrong in opposite ways inside a bin do not show.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI. Bröcker (2012), Climate Dynamics 39. Kumar, Liang & Ma
    (2019), "Verified uncertainty calibration", NeurIPS.

    Examples
    --------
    >>> result = ece([0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], bins=2)
    >>> round(result.value, 3), result.value < result.by_chance, result.debiased.ci_low
    (0.05, True, 0.0)
    """
    check_level(level)
    y, probability = check_probabilities(y_true, p, bins)
    codes, names = codes_of(cluster, len(y), "cluster")
    gaps = Gaps.between(y, probability, equal_bins(probability, bins), codes)
    return CalibrationError(
        gaps.distance,
        gaps.by_chance,
        Estimate(*gaps.true_distance(level), len(y)),
        len(gaps.gaps),
        len(y),
        int(np.count_nonzero(y)),
        len(y) if codes is None else len(names),
        level,
        gaps,
    )
