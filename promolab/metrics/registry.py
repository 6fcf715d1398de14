"""Measures of a prediction by their names, so that tables and comparisons take any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.checks import aligned, level_of
from promolab.errors import InputError, nearest
from promolab.metrics._cuts import cut_influences, found_at, ranked_rows
from promolab.metrics._inputs import codes_of
from promolab.metrics.cumulative_gain import lift
from promolab.metrics.pr_curve import average_precision_of, precision_recall
from promolab.metrics.proper_scores import (
    brier,
    check_probabilities,
    log_loss,
    row_losses,
    square_losses,
)
from promolab.metrics.ranking import auc_within, roc
from promolab.metrics.reliability import distance_of, equal_bins, expected_error
from promolab.results import Estimate, words_of
from promolab.stats import wilson as wilson  # metrics.wilson is where analysts look for it

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


# Whether more of each is better.
METRICS = {
    "auc": True,
    "average_precision": True,
    "brier": False,
    "log_loss": False,
    "ece": False,
}
AT_DEPTH = ("lift", "capture", "precision")
BINS = 10  # of the calibration error


@dataclass(frozen=True)
class Metric:
    """A measure of a prediction.

    Parameters
    ----------
    name, kind : str
        As given ("lift@0.1"), and without the depth ("lift").
    depth : float or None
        Share of the list that it looks at.
    higher_is_better : bool
        Whether more of it is better.
    """

    name: str
    kind: str
    depth: float | None
    higher_is_better: bool

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        top = f"{100 * (self.depth or 0):g}"
        return words_of(__name__, "Metric", kind=self.kind, top=top).say("kind")

    @property
    def of_probabilities(self) -> bool:
        """Whether it asks for probabilities; the others take any score."""
        return self.kind in ("brier", "log_loss", "ece")


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
        return Metric(kind, kind, None, METRICS[kind])
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
        return Metric(str(name), kind, share, True)
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
        "auc", "average_precision", "brier", "log_loss", "ece" (over ten bins: `calibration`), or
        "lift@0.1", "capture@0.1", "precision@0.1" with any depth.
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
        `log_loss`, `calibration`, `lift`; also if the measure is unknown or knows no groups.

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
    if found.kind in ("brier", "log_loss"):
        loss = brier if found.kind == "brier" else log_loss
        return loss(y_true, p, cluster, level).estimate
    if found.kind == "ece":
        y, chance = check_probabilities(y_true, p)
        codes, _ = codes_of(cluster, len(y), "cluster")
        return expected_error(y, chance, equal_bins(chance, BINS), codes, level_of(level))[0]
    assert found.depth is not None
    point = lift(y_true, p, [found.depth], group, cluster, level).at(found.depth)
    value: Estimate = getattr(point, "rate" if found.kind == "precision" else found.kind)
    return value


def influence_of(
    metric: Metric, y: np.ndarray, p: np.ndarray, group: np.ndarray | None
) -> np.ndarray:
    """Return what each row adds to a measure's deviation from the truth, shape (n,).

    Parameters
    ----------
    metric : Metric
        Any but the AUC, which `compare_auc` compares.
    y : ndarray of bool of shape (n,)
    p : ndarray of shape (n,)
    group : ndarray of int of shape (n,), optional
        Codes 0, 1, … of the lists that are ranked apart.
    """
    if metric.kind in ("brier", "log_loss"):
        losses = (square_losses if metric.kind == "brier" else row_losses)(y, p)
        return np.asarray((losses - losses.mean()) / len(y))
    if metric.kind == "ece":
        return distance_of(y, p, equal_bins(p, BINS))[1]
    ranked = ranked_rows(y, p, group, 1 if group is None else int(group.max()) + 1)
    if metric.depth is None:
        return ranked.restored(average_precision_of(ranked)[1])
    found, slopes = found_at(ranked, np.array([metric.depth]))
    of_capture, of_rate = cut_influences(ranked, metric.depth, found[0], slopes[:, 0])
    added = of_rate if metric.kind == "precision" else of_capture
    return ranked.restored(added / metric.depth if metric.kind == "lift" else added)


def check_groups(metric: Metric, group: ArrayLike | None) -> None:
    """Raise where groups are given to a measure that does not rank inside them."""
    if group is not None and metric.kind != "auc" and metric.depth is None:
        raise InputError(
            f"group is given, but {metric.words} does not rank inside groups; leave group out, "
            "or use by_group for a figure per group"
        )
