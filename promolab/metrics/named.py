"""Measures of a prediction by their names, so that tables and comparisons take any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promolab.checks import aligned, level_of
from promolab.errors import InputError, nearest
from promolab.metrics._inputs import OF_LOSSES
from promolab.metrics.gain import lift
from promolab.metrics.ranking import auc_within, roc
from promolab.metrics.recall import precision_recall
from promolab.metrics.reliability import brier_estimate
from promolab.metrics.scoring import ece, log_loss
from promolab.results import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


# What each is called in a sentence, and whether more of it is better.
METRICS = {
    "auc": ("AUC", True),
    "average_precision": ("average precision", True),
    "brier": ("Brier score", False),
    "log_loss": ("log-loss", False),
    "ece": ("calibration error", False),
}
AT_DEPTH = ("lift", "capture", "precision")


@dataclass(frozen=True)
class Metric:
    """A measure of a prediction.

    Parameters
    ----------
    name, kind : str
        As given ("lift@0.1"), and without the depth ("lift").
    depth : float or None
        Share of the list that it looks at.
    words : str
        What it is called in a sentence.
    higher_is_better : bool
        Whether more of it is better.
    """

    name: str
    kind: str
    depth: float | None
    words: str
    higher_is_better: bool

    @property
    def of_probabilities(self) -> bool:
        """Whether it asks for probabilities; the others take any score."""
        return self.kind in ("brier", "log_loss", "ece")

    @property
    def decimals(self) -> int:
        """Decimals in words, at least."""
        return OF_LOSSES if self.of_probabilities else 2


def named_metric(name: str) -> Metric:
    """Return the measure of a name: one of `METRICS`, or ``lift@``, ``capture@``, ``precision@``.

    Parameters
    ----------
    name : str
        Such as "auc" or "lift@0.1", the top tenth of the list.

    Raises
    ------
    InputError
        If there is none of that name, or the depth is no share of the list.

    Examples
    --------
    >>> named_metric("lift@0.1").words, named_metric("brier").higher_is_better
    ('lift in the top 10 %', False)
    """
    kind, at, depth = str(name).partition("@")
    if not at and kind in METRICS:
        return Metric(kind, kind, None, *METRICS[kind])
    if kind in AT_DEPTH:
        try:
            share = float(depth)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise InputError(
                f"metric is {name!r}; write the share of the list behind the @, above 0 and up to "
                f"1, such as '{kind}@0.1'"
            )
        words = f"{kind} in the top {100 * share:g} %"
        return Metric(str(name), kind, share, words, True)
    known = [*METRICS, *(f"{x}@0.1" for x in AT_DEPTH)]
    raise InputError(f"there is no metric {name!r}; {nearest(str(name), known)}")


def measure(
    y_true: ArrayLike,
    p: ArrayLike,
    metric: str = "auc",
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Measure a prediction by the name of the measure.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Probability, or any score for the measures of ranking.
    metric : str
        "auc", "average_precision", "brier", "log_loss", "ece" (the one without what chance adds),
        or "lift@0.1", "capture@0.1", "precision@0.1" with any depth.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    group : array-like of shape (n,), optional
        For "auc" and the measures at a depth: rank inside each group (promotion).
    level : float
        Confidence level.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        As the function of the measure: `roc`, `auc_within`, `precision_recall`, `brier`,
        `log_loss`, `ece`, `lift`; also if the measure is unknown or knows no groups.

    Examples
    --------
    >>> measure([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "capture@0.3").value
    1.0
    """
    y_true, p, cluster, group = aligned(y_true=y_true, p=p, cluster=cluster, group=group)
    found = named_metric(metric)
    check_groups(found, group)
    if found.kind == "auc":
        if group is not None:
            return auc_within(y_true, p, group, cluster, level).estimate
        return roc(y_true, p, cluster, level).estimate
    if found.kind == "average_precision":
        return precision_recall(y_true, p, cluster, level).estimate
    if found.kind == "brier":
        return brier_estimate(y_true, p, cluster, level_of(level))
    if found.kind == "log_loss":
        return log_loss(y_true, p, cluster, level).estimate
    if found.kind == "ece":
        return ece(y_true, p, cluster, level=level).estimate
    assert found.depth is not None
    point = lift(y_true, p, [found.depth], group, cluster, level).at(found.depth)
    value: Estimate = getattr(point, "rate" if found.kind == "precision" else found.kind)
    return value


def check_groups(metric: Metric, group: ArrayLike | None) -> None:
    """Raise where groups are given to a measure that does not rank inside them."""
    if group is not None and metric.kind != "auc" and metric.depth is None:
        raise InputError(
            f"group is given, but {metric.words} does not rank inside groups; leave group out, "
            "or use by_group for a figure per group"
        )
