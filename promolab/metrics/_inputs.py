"""What the measures of ranking accept: labels, scores, groups and clusters, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from promolab.checks import flat_of, labels_of, level_of, numbers_of, same_length
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class Drawn(Result):
    """A curve that others can be drawn beside."""

    def plot(self, ax: Axes | None = None, *, label: str = "", colour: str | None = None) -> Axes:
        """Draw the curve with its band; call again on its Axes to add another's.

        Parameters
        ----------
        ax : Axes, optional
            What to draw on.
        label, colour : str, optional
            Its name in the legend, and its colour.
        """
        return self._curve(ax, label, colour)

    def _curve(self, ax: Axes | None, label: str, colour: str | None, **given: Any) -> Axes:
        first = ax is None or not ax.lines
        named = label or ("one" if first else "another")
        given |= {"label": label, "named": named, "colour": colour, "first": first}
        drawn: Axes = self._as_words_say("plot", ax, **given)
        return drawn


class HasEstimate(Result):
    """A result that is one figure above all: its field ``estimate``."""

    NAME: ClassVar[str] = ""
    """What the figure is called among the fields, beside ``value``."""

    if TYPE_CHECKING:

        @property
        def estimate(self) -> Estimate: ...

    @property
    def value(self) -> float:
        """The figure, under the name that all estimates share."""
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
        estimate = self.estimate.to_dict()
        told.pop("estimate", None)
        return ({self.NAME: estimate["value"]} if self.NAME else {}) | estimate | told


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
    def repeated(self) -> int:
        """Independent units, where rows are fewer of them; else 0."""
        return 0 if self.clusters == self.n else self.clusters


@dataclass(frozen=True)
class Measured(HasEstimate, OnRows):
    """A measure with its interval.

    Parameters
    ----------
    estimate : Estimate
        The measure.
    std_error : float
        Of it.
    """

    estimate: Estimate
    std_error: float


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
