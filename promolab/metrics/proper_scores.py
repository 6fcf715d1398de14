"""How far probabilities are from what happened: log-loss and the Brier score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from promolab.checks import aligned, labels_of, level_of, numbers_of
from promolab.errors import InputError
from promolab.metrics._inputs import OF_LOSSES, Measured, codes_of, figure, rows_of
from promolab.results import Estimate
from promolab.stats import around, positive_interval, spread_of
from promolab.wording import percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
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


def against_base(skill: Estimate) -> str:
    """Say how far a loss is below or above that of the base rate given to every row.

    Examples
    --------
    >>> against_base(Estimate(0.29, 0.21, 0.37, 90))
    '29 % [21, 37] less than the base rate given to every row'
    >>> against_base(Estimate(-1.59, -2.41, -0.81, 90))
    '159 % [81, 241] more than the base rate given to every row'
    >>> against_base(Estimate(0.02, -0.04, 0.08, 90))
    '2 % [−4, 8] less than the base rate given to every row, which is within noise'
    """
    less = skill.value >= 0
    ends = (skill.ci_low, skill.ci_high) if less else (-skill.ci_high, -skill.ci_low)
    words = f"{percent(abs(skill.value), *ends)} {'less' if less else 'more'} than the base rate"
    noise = ", which is within noise" if skill.ci_low <= 0 <= skill.ci_high else ""
    return f"{words} given to every row{noise}"


@dataclass(frozen=True)
class Loss(Measured):
    """The mean loss of probabilities: squared distances (Brier), or their log-loss in nats.

    Parameters
    ----------
    estimate, std_error
        The mean over rows with its interval, also as ``value, ci_low, ci_high``.
    base : float
        That of the base rate given to every row.
    skill : Estimate
        1 − value / ``base``: 0 no better than the base rate, 1 perfect; nan where the labels are of
        one class.
    certain_and_wrong : int
        Rows whose outcome was given a probability of 0; in the log-loss it counts as 2.2e-16.
    n, positives, clusters, level
        The rows behind it.
    """

    TITLE: ClassVar[str] = ""
    SUBJECT: ClassVar[str] = ""

    base: float
    skill: Estimate
    certain_and_wrong: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row for the loss and one for the skill."""
        import pandas as pd

        rows = {self.TITLE: self.estimate, "skill": self.skill}
        return pd.DataFrame([{"measure": k, **v.to_dict()} for k, v in rows.items()])

    def summary(self) -> str:
        """Say the loss in words, beside that of the base rate."""
        words = f"{self.TITLE} {figure(*self.estimate.ends, OF_LOSSES)} ({self.of_words})"
        if math.isfinite(self.skill.value):
            words += f": {against_base(self.skill)}"
        wrong = self.certain_and_wrong if isinstance(self, LogLoss) else 0
        return words + (f". {plural(wrong, 'row')} had been ruled out." if wrong else ".")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the loss with its interval beside that of the base rate."""
        from promolab import plots

        text = [figure(*self.estimate.ends, OF_LOSSES)]
        ends = [self.value], [self.ci_low], [self.ci_high]
        ax = plots.intervals(["predictions"], *ends, reference=self.base, text=text, ax=ax)
        known = math.isfinite(self.skill.value)
        return plots.finish(
            ax,
            title=f"{self.TITLE} is {against_base(self.skill) if known else text[0]}",
            subtitle=f"mean with {self.level_words} interval · dashed: the base rate "
            f"given to every row · {self.n_words}",
            xlabel=self.SUBJECT,
        )


class LogLoss(Loss):
    """The mean log-loss of probabilities, in nats."""

    TITLE, SUBJECT = "Log-loss", "log-loss, in nats"


class Brier(Loss):
    """The mean squared distance of probability and outcome."""

    TITLE, SUBJECT = "Brier score", "mean squared error"


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
    return _loss(LogLoss, y_true, p, cluster, level)


def brier(
    y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None = None, level: float = 0.95
) -> Brier:
    """Brier score with its interval: the mean squared distance of probability and outcome.

    Parameters
    ----------
    y_true, p, cluster, level
        As `log_loss`.

    Returns
    -------
    Brier

    Raises
    ------
    InputError
        As `log_loss`.

    Notes
    -----
    Interval and skill are made as those of `log_loss`.

    References
    ----------
    Brier (1950), Monthly Weather Review 78(1). Gneiting & Raftery (2007), JASA 102(477).

    Examples
    --------
    >>> result = brier([0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    >>> round(result.value, 3), round(result.skill.value, 2)
    (0.205, 0.18)
    """
    return _loss(Brier, y_true, p, cluster, level)


L = TypeVar("L", bound=Loss)


def _loss(
    kind: type[L], y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None, level: float
) -> L:
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p)
    codes, _ = codes_of(cluster, len(y), "cluster")
    n, rate = len(y), float(y.mean())
    if kind is Brier:
        losses, base, slope = square_losses(y, probability), rate * (1 - rate), 1 - 2 * rate
    else:
        losses = row_losses(y, probability)
        # Of labels of one class it is 0; else its derivative is the logit of its complement.
        one_class = rate in (0.0, 1.0)
        slope = 0.0 if one_class else math.log((1 - rate) / rate)
        base = 0.0 if one_class else -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
    value = float(losses.mean())
    spread = spread_of((losses - value) / n, codes)
    skill = Estimate(math.nan, n=n)
    if base > 0:
        # The base rate is estimated too.
        added = value / base * slope * (y - rate) - (losses - value)
        low, high = around(1 - value / base, spread_of(added / base / n, codes), level)
        skill = Estimate(1 - value / base, low, min(high, 1.0), n)
    return kind(
        *rows_of(y, codes, level),
        Estimate(value, *positive_interval(value, spread, level), n),
        spread.std_error,
        base,
        skill,
        int(np.count_nonzero(np.where(y, probability, 1 - probability) <= 0)),
    )


def row_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Log-loss of every row."""
    held = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(y, held, 1 - held)))


def square_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Squared distance of every row's probability and outcome."""
    return np.asarray(np.square(p - y))
