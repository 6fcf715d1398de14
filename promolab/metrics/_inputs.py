"""What the measures of ranking accept: labels, scores, groups and clusters, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from promolab.checks import flat_of, labels_of, level_of, numbers_of, same_length
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.wording import count, decimals_for, number, percent, plural

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


OF_LOSSES = 3
"""Decimals of losses, and of differences, at least: models differ by thousandths."""


def figure(value: float, low: float, high: float, least: int = 2) -> str:
    """Write a measure with its interval, to so many decimals at least, however wide it is.

    Of a figure between 0 and 1 a wide interval would leave no digit at all: "AUC 1 [0, 1]".

    Examples
    --------
    >>> figure(0.6667, 0.0, 1.0), figure(0.71234, 0.71201, 0.71267)
    ('0.67 [0.00, 1.00]', '0.7123 [0.7120, 0.7127]')
    """
    return number(value, low, high, decimals=max(decimals_for(low, high), least))


@dataclass(frozen=True)
class OnRows(Result):
    """The rows behind a result.

    Parameters
    ----------
    n, positives, clusters : int
        Rows, positive rows, and independent units (rows where no cluster was given).
    level : float
        Confidence level.
    """

    n: int
    positives: int
    clusters: int
    level: float

    @property
    def level_words(self) -> str:
        """The confidence level in percent."""
        return percent(self.level, decimals=0)

    @property
    def n_words(self) -> str:
        """Rows and positive rows, for a subtitle."""
        return f"n = {count(self.n)}, {count(self.positives)} positive"

    @property
    def of_words(self) -> str:
        """Positive rows of all, for a sentence."""
        return f"{count(self.positives)} of {plural(self.n, 'row')} positive"


@dataclass(frozen=True)
class Measured(OnRows):
    """A measure with its interval.

    Parameters
    ----------
    estimate : Estimate
        The measure.
    std_error : float
        Of it.
    """

    NAME: ClassVar[str] = ""
    """What the measure is called among the fields, beside ``value``."""

    estimate: Estimate
    std_error: float

    @property
    def value(self) -> float:
        """The measure, under the name that all estimates share."""
        return self.estimate.value

    @property
    def ci_low(self) -> float:
        """The lower end of its interval."""
        return self.estimate.ci_low

    @property
    def ci_high(self) -> float:
        """The upper end of its interval."""
        return self.estimate.ci_high

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval, counts and all other figures as plain values."""
        told = super().to_dict()
        estimate: dict[str, Any] = told.pop("estimate")
        return ({self.NAME: estimate["value"]} if self.NAME else {}) | estimate | told


def rows_of(y: np.ndarray, cluster: np.ndarray | None, level: float) -> tuple[int, int, int, float]:
    """Return what `OnRows` holds, of labels and the codes of the clusters."""
    clusters = len(y) if cluster is None else int(cluster.max()) + 1
    return len(y), int(np.count_nonzero(y)), clusters, level


def check_ranking(
    y_true: ArrayLike, y_score: ArrayLike, level: float, name: str = "y_score"
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of which an AUC can be made."""
    level_of(level)
    try:
        y = labels_of("y_true", y_true)
    except InputError as error:
        _told_apart(y_score, name, error)
        raise
    score = numbers_of(name, y_score, len(y))
    positives = int(np.count_nonzero(y))
    if positives in (0, len(y)):
        raise InputError(
            f"y_true holds one class only ({len(y):,} rows, all {int(bool(positives))}); an AUC "
            "needs both, so choose a period or a promotion with responses and non-responses"
        )
    return y, score


def _told_apart(y_score: ArrayLike, name: str, error: InputError) -> None:
    """Say that labels and scores are swapped, where the scores are labels."""
    try:
        labels_of(name, y_score)
    except InputError:
        return
    raise InputError(
        f"{error}. {name} holds 0 and 1: the two look swapped; the outcomes come first, then what "
        f"was predicted: (y_true, {name})"
    )


def codes_of(values: ArrayLike | None, n: int, name: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Number the distinct values 0, 1, … by first appearance.

    Returns
    -------
    codes : ndarray of shape (n,) or None
        None where ``values`` is None.
    names : ndarray of shape (number of distinct values,)
        The values that the codes stand for.
    """
    if values is None:
        return None, np.empty(0, dtype=object)
    import pandas as pd

    # Strings of Arrow and categoricals are numbered as they are: making objects of them is slow.
    column: Any = values if isinstance(values, pd.Series) else flat_of(name, values)
    same_length(**{"y_true": range(n), name: column})
    codes, names = pd.factorize(column)
    if missing := int(np.count_nonzero(codes < 0)):
        raise InputError(
            f"{name} has {plural(missing, 'missing value')} of {n:,}; every row belongs to one"
        )
    return codes, np.asarray(names)


def renumbered(codes: np.ndarray) -> np.ndarray:
    """Return the codes of a selection of rows, without gaps."""
    return np.unique(codes, return_inverse=True)[1]
