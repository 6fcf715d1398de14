"""What the measures of uplift accept, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, along, labels_of, level_of, numbers_of
from promolab.errors import InputError
from promolab.metrics._inputs import HasEstimate, codes_of
from promolab.metrics.uplift.scores import aipw_scores, checked_outcome, checked_propensity
from promolab.results import Estimate, Result

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class UpliftRows:
    """Rows of an experiment, ready to be ranked.

    Parameters
    ----------
    y, treated : ndarray of shape (n,) or None
        Outcome and arm; None where scores were given.
    gamma : ndarray of shape (n,) or None
        AIPW scores; None where differences in means are taken, which a constant propensity allows.
    cluster : ndarray of int of shape (n,) or None
        Codes of the customers.
    clusters : int
        Independent units.
    level : float
        Confidence level.
    labels : Index or None
        Of the rows, where they have any.
    """

    y: np.ndarray | None
    treated: np.ndarray | None
    gamma: np.ndarray | None
    cluster: np.ndarray | None
    clusters: int
    level: float
    labels: Any = None

    @property
    def n(self) -> int:
        """Rows."""
        rows = self.gamma if self.y is None else self.y
        assert rows is not None
        return len(rows)

    @property
    def scores(self) -> np.ndarray:
        """One AIPW score per row, made from the arms' means where none was needed yet."""
        if self.gamma is not None:
            return self.gamma
        assert self.y is not None and self.treated is not None
        return aipw_scores(self.y, self.treated)

    def only(self, mask: np.ndarray) -> UpliftRows:
        """Return some of the rows, of which either arm must have some."""
        y, treated, gamma = (
            None if x is None else x[mask] for x in (self.y, self.treated, self.gamma)
        )
        names, codes = None, None
        if self.cluster is not None:
            names, codes = np.unique(self.cluster[mask], return_inverse=True)
        units = int(mask.sum()) if names is None else len(names)
        return UpliftRows(y, treated, gamma, codes, units, self.level)

    @property
    def told(self) -> tuple[int, int, int, float]:
        """What `OfList` holds."""
        treated = 0 if self.treated is None else int(np.count_nonzero(self.treated))
        return self.n, treated, self.clusters, self.level


def check_uplift(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    propensity: ArrayLike | None,
    gamma: ArrayLike | None,
    cluster: ArrayLike | None,
    level: float,
) -> UpliftRows:
    """Return the rows, or say what is wrong with them."""
    level_of(level)
    given = aligned(y=y, treated=treated, propensity=propensity, gamma=gamma, cluster=cluster)
    labels = next((each.index for each in given if hasattr(each, "iloc")), None)
    y, treated, propensity, gamma, cluster = given
    if gamma is not None:
        if y is not None or treated is not None or propensity is not None:
            raise InputError(
                "gamma holds ready scores, which stand for outcome, arm and propensity; give "
                "either gamma (with y=None, treated=None), or y and treated"
            )
        values = checked_outcome(gamma, "gamma")
        codes, names = codes_of(cluster, len(values), "cluster")
        units = len(values) if codes is None else len(names)
        return UpliftRows(None, None, values, codes, units, level, labels)
    if y is None or treated is None:
        raise InputError("y or treated is None; give both, or ready scores as gamma")
    outcome, arm = checked_outcome(y), labels_of("treated", treated)
    check_arms(arm, len(outcome))
    codes, names = codes_of(cluster, len(outcome), "cluster")
    units = len(outcome) if codes is None else len(names)
    chances = None if propensity is None else checked_propensity(propensity, len(outcome))
    constant = chances is None or chances.ndim == 0 or bool((chances == chances[0]).all())
    scores = None if constant else aipw_scores(outcome, arm, chances)
    return UpliftRows(outcome, arm, scores, codes, units, level, labels)


def check_arms(treated: np.ndarray, n: int) -> None:
    """Refuse arms of another length, or of one kind only."""
    if len(treated) != n:
        raise InputError(f"treated has {len(treated):,} rows and y {n:,}; give one per row")
    some = int(np.count_nonzero(treated))
    if some in (0, n):
        raise InputError(
            f"treated is {int(bool(some))} in all of the {n:,} rows; an effect needs rows with and "
            "without the promotion, decided at random"
        )


def check_uplift_score(score: ArrayLike, rows: UpliftRows, name: str = "score") -> np.ndarray:
    """Return a score per row as float64."""
    score = along(rows.labels, score, name, "y")
    return np.asarray(numbers_of(name, score, rows.n), dtype=np.float64)


@dataclass(frozen=True)
class OfList(Result):
    """The rows behind what a ranked list gives.

    Parameters
    ----------
    n, treated, clusters : int
        Rows, treated ones (0 where scores were given), and independent units.
    level : float
        Confidence level.
    """

    n: int
    treated: int
    clusters: int
    level: float

    @property
    def repeated(self) -> int:
        """Customers, where rows are more than they; else 0."""
        return 0 if self.clusters == self.n else self.clusters


@dataclass(frozen=True)
class UpliftMeasure(HasEstimate, OfList):
    """A figure of a ranked list with its interval.

    Parameters
    ----------
    estimate : Estimate
        The figure.
    std_error : float
        Of it.
    """

    estimate: Estimate
    std_error: float

    def to_frame(self) -> pd.DataFrame:
        """Return one row with every figure."""
        import pandas as pd

        return pd.DataFrame([self.to_dict()])


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest score down, in runs of equal scores.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Rows, the best first.
    ends : ndarray of shape (runs,)
        Place of each run's last row.
    """

    order: np.ndarray
    ends: np.ndarray

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.order)

    @cached_property
    def share(self) -> np.ndarray:
        """Share of the rows down to each run's end, shape (runs,)."""
        return (self.ends + 1) / self.n

    @property
    def tied(self) -> bool:
        """Whether a run holds more than one row."""
        return len(self.ends) < self.n

    def at_ends(self, sums: np.ndarray) -> np.ndarray:
        """Return running sums of rows at the ends of the runs."""
        return sums[self.ends] if self.tied else sums

    def from_here_on(self, weights: np.ndarray) -> np.ndarray:
        """Give every row, in the list's order, the sum of its run's weight and of all below it.

        Parameters
        ----------
        weights : ndarray of shape (runs,)
            One per run.
        """
        at = weights
        if self.tied:
            at = np.zeros(self.n)
            at[self.ends] = weights
        return np.cumsum(at[::-1])[::-1]

    def to_rows(self, values: np.ndarray) -> np.ndarray:
        """Give every row, in the list's order, its run's value."""
        return np.repeat(values, np.diff(self.ends, prepend=-1)) if self.tied else values

    def moved(self, slopes: np.ndarray) -> np.ndarray:
        """Return what a row adds to an estimate by moving the cuts.

        Parameters
        ----------
        slopes : ndarray of shape (runs,)
            Derivative of the estimate by the share at each run's end; the last share is always 1,
            so its derivative is overwritten with 0.

        Returns
        -------
        ndarray of shape (n,)
            In the list's order; its sum is 0.
        """
        slopes[-1] = 0.0
        added = self.from_here_on(slopes)
        added -= slopes @ self.share
        return added

    def listed(self, values: np.ndarray | None) -> np.ndarray | None:
        """Return values of rows, if there are any, in the list's order."""
        return None if values is None else values[self.order]

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return values in the order in which the rows came."""
        back = np.empty_like(values)
        back[self.order] = values
        return back


@dataclass(frozen=True)
class Arm:
    """One side of a difference: running means down the list.

    Parameters
    ----------
    sign : float
        1 for the treated, −1 for the control.
    member : ndarray of bool of shape (n,) or None
        Rows of the arm in the list's order; None for all.
    count, mean : ndarray of shape (runs,)
        Rows of the arm down to each run's end, and their mean.
    """

    sign: float
    member: np.ndarray | None
    count: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True)
class Effects:
    """Effect among the top of a ranked list, at the end of every run.

    Parameters
    ----------
    ranking : Ranking
        The list.
    outcome : ndarray of shape (n,)
        Outcomes or scores in the list's order.
    arms : tuple of Arm
        Treated and control, or one arm of ready scores.
    effect : ndarray of shape (runs,)
        Mean effect among the top.
    """

    ranking: Ranking
    outcome: np.ndarray = field(repr=False)
    arms: tuple[Arm, ...] = field(repr=False)
    effect: np.ndarray = field(repr=False)

    @cached_property
    def gain(self) -> np.ndarray:
        """Gain per customer of the list when the top is contacted: share × effect."""
        return np.asarray(self.ranking.share * self.effect)

    @cached_property
    def squares(self) -> tuple[np.ndarray, ...]:
        """Per arm, squared distances to the arm's mean summed down to each run's end, (runs,)."""
        starts = np.append(0, self.ranking.ends[:-1] + 1)
        found = []
        for arm in self.arms:
            away = self.outcome - arm.mean[-1]
            away *= away
            if arm.member is not None:
                away *= arm.member
            found.append(np.cumsum(np.add.reduceat(away, starts)))
        return tuple(found)

    def coarse(self, every: int) -> Effects:
        """Return the same list with every so many runs taken for one."""
        ends = np.arange(every - 1, len(self.effect), every)
        ends = (
            ends
            if len(ends) and ends[-1] == len(self.effect) - 1
            else np.append(ends, len(self.effect) - 1)
        )
        ranking = Ranking(self.ranking.order, self.ranking.ends[ends])
        arms = (replace(arm, count=arm.count[ends], mean=arm.mean[ends]) for arm in self.arms)
        return Effects(ranking, self.outcome, tuple(arms), self.effect[ends])

    def pulled(self, weights: np.ndarray) -> np.ndarray:
        """Return what a row adds to a weighted sum of the effects through the arms' means.

        Parameters
        ----------
        weights : ndarray of shape (runs,)
            Derivative of the estimate by the effect at each run's end.

        Returns
        -------
        ndarray of shape (n,)
            In the list's order; its sum is 0.
        """
        total: np.ndarray | None = None
        for arm in self.arms:
            per_row = weights / arm.count
            per_row *= arm.sign * self.ranking.n
            part = self.ranking.from_here_on(per_row)
            part *= self.outcome
            per_row *= arm.mean
            part -= self.ranking.from_here_on(per_row)
            total = merged(part, total, arm)
        assert total is not None
        return total


def merged(part: np.ndarray, rest: np.ndarray | None, arm: Arm) -> np.ndarray:
    """Put the arm's rows of ``part`` over what the arm before it has left."""
    if rest is None or arm.member is None:
        return part
    np.copyto(rest, part, where=arm.member)
    return rest


def ranking_of(score: np.ndarray, rows: UpliftRows) -> Ranking:
    """Rank rows, the highest score first.

    Where arms are compared the first run reaches down to where both are seen.
    """
    order = np.argsort(-score)
    ranked = score[order]
    new = ranked[1:] != ranked[:-1]
    n = len(score)
    ends = np.arange(n) if new.all() else np.append(np.flatnonzero(new), n - 1)
    if rows.gamma is None:
        assert rows.treated is not None
        first = rows.treated[order[: ends[0] + 1]]
        if first.all() or not first.any():
            arms = rows.treated[order]
            ends = ends[np.searchsorted(ends, int(np.argmax(arms != arms[0]))) :]
    return Ranking(order, ends)


def effects_of(ranking: Ranking, rows: UpliftRows) -> Effects:
    """Return the effect among the top: a difference in means, or the mean of ready scores."""
    if rows.gamma is not None:
        values = rows.gamma[ranking.order]
        count = ranking.ends + 1.0
        mean = ranking.at_ends(np.cumsum(values)) / count
        return Effects(ranking, values, (Arm(1.0, None, count, mean),), mean)
    assert rows.y is not None and rows.treated is not None
    values, treated = rows.y[ranking.order], rows.treated[ranking.order]
    some = ranking.at_ends(np.cumsum(treated, dtype=np.float64))
    other = ranking.share * ranking.n
    other -= some
    mine = values * treated
    upper = ranking.at_ends(np.cumsum(mine))
    np.subtract(values, mine, out=mine)
    lower = ranking.at_ends(np.cumsum(mine))
    upper /= some
    lower /= other
    # The control first: the treated are written over it.
    arms = (Arm(-1.0, ~treated, other, lower), Arm(1.0, treated, some, upper))
    return Effects(ranking, values, arms, upper - lower)
