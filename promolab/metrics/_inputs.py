"""What measures accept, checked once; what all their results hold; ranked lists, cut at a depth."""

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


class OneFigure(Result):
    """A result that is one figure above all: ``estimate``, a field or a property."""

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


class HasEstimate(OneFigure):
    """A result whose one figure stands among its fields."""

    NAME: ClassVar[str] = ""
    """What the figure is called among the fields, beside ``value``."""

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


@dataclass(frozen=True)
class Ordered:
    """Rows from the best score down.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Where each row stood before.
    """

    order: np.ndarray

    def listed(self, values: np.ndarray | None) -> np.ndarray | None:
        """Return values of rows, if there are any, in the list's order."""
        return None if values is None else values[self.order]

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return values in the order in which the rows came."""
        back = np.empty_like(values)
        back[self.order] = values
        return back


@dataclass(frozen=True)
class RankedRows(Ordered):
    """Rows by group and falling score, in runs of equal scores.

    Parameters
    ----------
    y, group, run : ndarray of shape (n,)
        Label, group and run of each row.
    above, size, hits, run_group : ndarray of shape (runs,)
        Rows of the group above the run, rows and positives in it, its group.
    sizes : ndarray of shape (groups,)
        Rows per group.
    """

    y: np.ndarray
    group: np.ndarray
    run: np.ndarray
    above: np.ndarray
    size: np.ndarray
    hits: np.ndarray
    run_group: np.ndarray
    sizes: np.ndarray

    @property
    def ends(self) -> np.ndarray:
        """Place of each run's last row, shape (runs,)."""
        return np.cumsum(self.size) - 1


def ranked_rows(
    y: np.ndarray, score: np.ndarray, group: np.ndarray | None = None, groups: int = 1
) -> RankedRows:
    """Sort the rows of each list, the best first.

    Parameters
    ----------
    y : ndarray of bool of shape (n,)
        The label.
    score : ndarray of shape (n,)
        Higher stands first.
    group : ndarray of int of shape (n,), optional
        Codes below ``groups``, each a list of its own.
    """
    n = len(y)
    order = np.argsort(-score) if group is None else np.lexsort((-score, group))
    ranked, sorted_y = score[order], y[order]
    mine = np.zeros(n, dtype=np.int64) if group is None else group[order]
    new = np.ones(n, dtype=bool)
    np.not_equal(ranked[1:], ranked[:-1], out=new[1:])
    if group is not None:
        new[1:] |= mine[1:] != mine[:-1]
    starts = np.flatnonzero(new)
    sizes = np.bincount(mine, minlength=groups)
    first = np.cumsum(sizes) - sizes
    return RankedRows(
        order,
        sorted_y,
        mine,
        np.cumsum(new) - 1,
        starts - first[mine[starts]],
        np.diff(np.append(starts, n)),
        np.add.reduceat(sorted_y.astype(np.int64), starts),
        mine[starts],
        sizes,
    )


def found_at(ranked: RankedRows, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives found at each depth, and the response rate at each group's cut.

    Returns
    -------
    found : ndarray of shape (depths,)
    slopes : ndarray of shape (groups, depths)
        Positives per row in the depths around the cut.
    """
    found, slopes = np.zeros(len(at)), np.zeros((len(ranked.sizes), len(at)))
    bounds = np.searchsorted(ranked.run_group, np.arange(len(ranked.sizes) + 1))
    for g, size in enumerate(ranked.sizes):
        runs = slice(bounds[g], bounds[g + 1])
        rows = np.append(0, np.cumsum(ranked.size[runs]))
        hits = np.append(0, np.cumsum(ranked.hits[runs]))
        found += np.interp(at * size, rows, hits)
        slopes[g] = slope_around(at, reach_of(size), rows, hits, size)
    return found, slopes


def reach_of(rows: int) -> float:
    """Return how far from a cut, in shares of a list, its neighbourhood reaches."""
    return min(max(0.05, 5 / rows), 0.5)


def slope_around(
    at: np.ndarray, reach: float, x: np.ndarray, y: np.ndarray, unit: float = 1.0
) -> np.ndarray:
    """Return the slope of a curve over the stretch around each share, x counted in ``unit``."""
    left, right = np.clip(at - reach, 0, 1) * unit, np.clip(at + reach, 0, 1) * unit
    return np.asarray((np.interp(right, x, y) - np.interp(left, x, y)) / (right - left))


def cut_influences(
    ranked: RankedRows, depth: float, found: float, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each row of the list adds to capture and to rate at one depth.

    Parameters
    ----------
    ranked : RankedRows
    depth, found : float
        Share of each list, and the positives found down to there.
    slopes : ndarray of shape (groups,)
        Positives per row in the depths around the cut.
    """
    n, positives = len(ranked.y), int(np.count_nonzero(ranked.y))
    cut = depth * ranked.sizes[ranked.run_group]
    taken = np.clip((cut - ranked.above) / ranked.size, 0.0, 1.0)[ranked.run]
    moved = slopes[ranked.group] * (taken - depth)
    of_capture = (ranked.y * (taken - found / positives) - moved) / positives
    return of_capture, (ranked.y * taken - found / n - moved) / (n * depth)
