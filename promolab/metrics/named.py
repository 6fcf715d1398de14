"""Measures of a prediction by their names, so that tables and comparisons take any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
    import pandas as pd
    from numpy.typing import ArrayLike


ALARM_AUC = 0.90
"""Above it responses to real promotions are not predicted, unless by something that came later."""
FEWEST_ROWS = 20
"""Rows of either class that an alarm needs."""

ROWS = 50_000
"""Rows that are enough, evenly spread over those there are."""


def auc_alone(column: pd.Series, y: np.ndarray) -> float:
    """Return how well a column ranks an outcome by itself, in whichever direction it does.

    Numbers rank by their size, with missing ones above or below all others; texts by the rate of
    their level among every other row, so that what is ranked was not counted.

    Parameters
    ----------
    column : Series of n rows
    y : ndarray of 0 and 1, shape (n,)
        nan where not known.

    Returns
    -------
    float
        0.5 to 1 for numbers; nan where one class is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> y = np.array([0, 0, 0, 1, 1, 1])
    >>> auc_alone(pd.Series([9, 8, 7, None, 2, 1]), y), auc_alone(pd.Series([1, 2, 1, 2, 1, 2]), y)
    (1.0, 0.6666666666666666)
    """
    ones, zeros = (_spread(np.flatnonzero(y == side), ROWS // 2) for side in (1, 0))
    if not len(ones) or not len(zeros):
        return float("nan")
    rows = np.sort(np.concatenate([ones, zeros]))
    column, y = column.iloc[rows], np.asarray(y, dtype=float)[rows]
    if not _is_number(column):
        return _auc(_level_means(column, y), y)
    values = _floats(column)
    found = []
    for end in (-np.inf, np.inf)[: 2 if np.isnan(values).any() else 1]:
        auc = _auc(np.where(np.isnan(values), end, values), y)
        found += [auc, 1 - auc]
    return max(found)


def columns_too_good(
    frame: pd.DataFrame, columns: Iterable[str], y: np.ndarray
) -> dict[str, float]:
    """Return the columns that rank an outcome by themselves, with their AUC, the best first.

    Parameters
    ----------
    frame : DataFrame of n rows
    columns : iterable of str
        Which of its columns.
    y : ndarray of 0 and 1, shape (n,)
        nan where not known.

    Examples
    --------
    >>> import pandas as pd
    >>> clicked = np.arange(100) % 2
    >>> frame = pd.DataFrame({"age": range(100), "seconds_on_page": 30.0 * clicked})
    >>> columns_too_good(frame, ["age", "seconds_on_page"], clicked)
    {'seconds_on_page': 1.0}
    """
    if min((y == 1).sum(), (y == 0).sum()) < FEWEST_ROWS:
        return {}
    found = {name: auc_alone(frame[name], y) for name in columns}
    high = [(name, auc) for name, auc in found.items() if auc > ALARM_AUC]
    return dict(sorted(high, key=lambda pair: (-pair[1], pair[0])))


def told_too_good(alone: Mapping[str, float], outcome: str, most: int = 5) -> str:
    """Say which columns rank an outcome by themselves.

    Examples
    --------
    >>> told_too_good({"seconds_on_page": 0.98}, "click")
    'seconds_on_page (AUC 0.98) ranks click by itself'
    """
    named = [f"{name} (AUC {auc:.2f})" for name, auc in alone.items()]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    ranks = "ranks" if len(named) == 1 else "rank"
    alone_word = "itself" if len(named) == 1 else "themselves"
    return f"{', '.join(named[:most])}{more} {ranks} {outcome} by {alone_word}"


def r_squared_alone(column: pd.Series, y: np.ndarray) -> float:
    """Return the share of an outcome's variance that a column tells by itself.

    Numbers by a straight line, in their own unit or in ranks, whichever tells more, and what is
    missing by its mean; texts by the mean of their level among every other row.

    Parameters
    ----------
    column : Series of n rows
    y : ndarray of float, shape (n,)

    Returns
    -------
    float
        At most 1; nan where the outcome does not vary.

    Examples
    --------
    >>> import pandas as pd
    >>> x = pd.Series(range(-10, 11))
    >>> round(r_squared_alone(x, np.exp(x.to_numpy())), 3), round(r_squared_alone(x, x**2), 3)
    (1.0, 0.0)
    """
    from scipy.stats import rankdata

    rows = _spread(np.arange(len(y)), ROWS)
    column, y = column.iloc[rows], np.asarray(y, dtype=float)[rows]
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    if total <= 0:
        return float("nan")
    if not _is_number(column):
        return 1 - float(((y - _level_means(column, y)) ** 2).sum()) / total
    values = _floats(column)
    known = np.isfinite(values)
    if not known.any():
        return 0.0
    ranks = np.zeros(len(y))
    ranks[known] = rankdata(values[known])
    return max(_line(values, y, known), _line(ranks, rankdata(y), known))


def _line(x: np.ndarray, y: np.ndarray, known: np.ndarray) -> float:
    """Return R² of a line in x where it is known, and of the mean where it is not."""
    left = 0.0
    for part, line in ((known, True), (~known, False)):
        off = y[part] - y[part].mean() if part.any() else np.zeros(0)
        left += float(off @ off)
        there = x[part] - x[part].mean() if line else np.zeros(0)
        if line and (size := float(there @ there)) > 0:
            left -= float(there @ off) ** 2 / size
    return 1 - left / float(((y - y.mean()) ** 2).sum())


def _is_number(column: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _floats(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=float, na_value=np.nan)


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[:: -(-len(rows) // most)] if len(rows) else rows


def _level_means(column: pd.Series, y: np.ndarray) -> np.ndarray:
    """Return for each row the mean outcome of its level in the other half of the rows."""
    import pandas as pd

    codes, names = pd.factorize(column, use_na_sentinel=False)
    half = np.arange(len(y)) % 2
    means = np.full(len(y), float(y.mean()))
    for side in (0, 1):
        learned, told = half != side, half == side
        size = np.bincount(codes[learned], minlength=len(names))
        total = np.bincount(codes[learned], weights=y[learned], minlength=len(names))
        seen = told & (size[codes] > 0)
        means[seen] = total[codes[seen]] / size[codes[seen]]
    return means


def _auc(score: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import rankdata

    ones = int((y == 1).sum())
    above = float(rankdata(score)[y == 1].sum()) - ones * (ones + 1) / 2
    return above / (ones * (len(y) - ones))


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
