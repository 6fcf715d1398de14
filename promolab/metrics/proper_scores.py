"""How far probabilities are from what happened: log-loss and the Brier score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, labels_of, level_of, numbers_of
from promolab.errors import InputError
from promolab.metrics._inputs import Measured, codes_of, rows_of
from promolab.results import Estimate
from promolab.stats import around, positive_interval, spread_of

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


@dataclass(frozen=True)
class Loss(Measured):
    """The mean loss of probabilities: squared distances (Brier), or their log-loss in nats.

    Parameters
    ----------
    estimate, std_error
        The mean over rows with its interval, also as ``value, ci_low, ci_high``.
    measure : str
        ``"log-loss"`` or ``"Brier score"``.
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

    measure: str
    base: float
    skill: Estimate
    certain_and_wrong: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row for the loss and one for the skill."""
        import pandas as pd

        rows = {self.measure: self.estimate, "skill": self.skill}
        return pd.DataFrame([{"measure": k, **v.to_dict()} for k, v in rows.items()])

    def facts(self) -> dict[str, Any]:
        """Return which way the skill points, and the one row that is drawn."""
        import pandas as pd

        row = {name: [getattr(self, name)] for name in ("value", "ci_low", "ci_high")}
        return {
            "toward": "more" if self.skill.value < 0 else "less",
            "ruled_out": self.certain_and_wrong if self.measure == "log-loss" else 0,
            "drawn": pd.DataFrame(row),
        }


def log_loss(
    y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None = None, level: float = 0.95
) -> Loss:
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
    Loss

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
    return _loss("log-loss", y_true, p, cluster, level)


def brier(
    y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None = None, level: float = 0.95
) -> Loss:
    """Brier score with its interval: the mean squared distance of probability and outcome.

    Parameters
    ----------
    y_true, p, cluster, level
        As `log_loss`.

    Returns
    -------
    Loss

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
    return _loss("Brier score", y_true, p, cluster, level)


def _loss(
    measure: str, y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None, level: float
) -> Loss:
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p)
    codes, _ = codes_of(cluster, len(y), "cluster")
    n, rate = len(y), float(y.mean())
    if measure == "Brier score":
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
    return Loss(
        *rows_of(y, codes, level),
        Estimate(value, *positive_interval(value, spread, level), n),
        spread.std_error,
        measure,
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
