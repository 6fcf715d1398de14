"""What measures of uplift accept, checked once; AIPW scores; a ranked list with its effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, along, labels_of, level_of, numbers_of
from promolab.errors import InputError
from promolab.metrics._inputs import HasEstimate, Ordered, codes_of
from promolab.results import Estimate, Result

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


def aipw_scores(
    y: ArrayLike,
    treated: ArrayLike,
    propensity: ArrayLike | None = None,
    mu: ArrayLike | None = None,
) -> np.ndarray:
    """Score every row so that the mean over any group of rows is the effect in that group.

    Parameters
    ----------
    y : array-like of shape (n,)
        The outcome: 0/1, or an amount of money.
    treated : array-like of shape (n,)
        0/1 or booleans; with several arms their codes 0, 1, …, K − 1, 0 for the control.
    propensity : float or array-like, optional
        Two arms: the chance of treatment, one number or one per row; by default the share treated.
        Several arms: shape (n, K), the chance of each arm, on all rows. On a subset of arms
        renormalise first: with thirds for two e-mails and none, one e-mail against none has 1/2.
    mu : array-like of shape (n, 2) or (n, K), optional
        Expected outcome of each row in each arm, the control first, from a model that has not seen
        the row (cross-fitted). By default the arms' means, weighted by 1/propensity.

    Returns
    -------
    ndarray
        Shape (n,) with two arms; (n, K − 1) with propensities of shape (n, K), a column per
        treatment, nan in rows where that treatment or the control was impossible: leave them out.

    Raises
    ------
    InputError
        If shapes differ, values are missing, a propensity is outside (0, 1), or an arm is empty.

    Notes
    -----
    Γ_k = μ_k − μ_0 + 1[A = k](y − μ_k)/e_k − 1[A = 0](y − μ_0)/e_0. With known propensities its
    mean is the average effect whatever μ is; a good μ makes it less noisy. Where the propensity is
    estimated, one of the two being right is enough. Intervals made of the scores take propensities
    for known: with the share treated in their place they are a little too wide, never too narrow.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994), JASA 89(427).

    Examples
    --------
    >>> aipw_scores([1, 0, 1, 0], [1, 1, 0, 0], 0.5).tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    y, treated, propensity, mu = aligned(y=y, treated=treated, propensity=propensity, mu=mu)
    outcome = checked_outcome(y)
    n = len(outcome)
    shape = () if propensity is None else np.asarray(propensity).shape
    several = len(shape) == 2
    arm = _arm_codes(treated, n, shape[1] if several else 2)
    chances = _arm_chances(arm, propensity, n)
    if mu is None:
        got = 1 / chances[np.arange(n), arm]
        sums = (np.bincount(arm, each, chances.shape[1]) for each in (got * outcome, got))
        expected = np.broadcast_to(np.divide(*sums), chances.shape)
    else:
        expected = _checked_mu(mu, chances.shape)
    received = (np.arange(chances.shape[1])[:, None] == arm).T
    weight = np.where(received, 1.0, 0.0) / np.where(chances > 0, chances, np.nan)
    shifted = expected + weight * (outcome[:, None] - expected)
    gamma: np.ndarray = shifted[:, 1:] - shifted[:, :1]
    return gamma if several else gamma[:, 0]


def checked_outcome(y: ArrayLike, name: str = "y") -> np.ndarray:
    """Return an outcome as float64 of shape (n,)."""
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not numeric; give 0/1 or amounts of money") from None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not len(values):
        raise InputError(f"{name} has shape {values.shape}; give one number per row")
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        raise InputError(
            f"{name} has {wrong:,} values of {len(values):,} that are missing or infinite; leave "
            "out rows whose outcome is not known yet"
        )
    return values


def checked_propensity(propensity: ArrayLike, n: int) -> np.ndarray:
    """Return the chance of treatment, one number or one per row."""
    try:
        chances = np.asarray(propensity, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("propensity is not numeric; give shares between 0 and 1") from None
    if chances.ndim > 1 or (chances.ndim == 1 and len(chances) != n):
        raise InputError(
            f"propensity has shape {chances.shape} and y {n:,} rows; give one chance of treatment, "
            "or one per row (of several arms make scores with aipw_scores and pass them as gamma)"
        )
    wrong = ~((chances > 0) & (chances < 1))
    if wrong.any():
        found = float(chances[wrong].ravel()[0])
        raise InputError(
            f"propensity is {found:g} in {int(np.count_nonzero(wrong)):,} places; where one arm is "
            "certain nothing can be compared, so leave such rows out"
        )
    return chances


def _arm_codes(treated: ArrayLike, n: int, arms: int) -> np.ndarray:
    if arms == 2 and np.ndim(treated) == 1:
        codes = labels_of("treated", treated).astype(np.int64)
    else:
        codes = np.asarray(treated)
        if codes.ndim != 1 or codes.dtype.kind not in "iub":
            raise InputError(f"treated holds {codes.dtype} values; give the arms' codes 0, 1, …")
        codes = codes.astype(np.int64)
        if len(codes) and (codes.min() < 0 or codes.max() >= arms):
            raise InputError(
                f"treated runs from {codes.min()} to {codes.max()} and propensity has {arms} "
                "columns; give codes 0, 1, …, one column each"
            )
    if len(codes) != n:
        raise InputError(f"treated has {len(codes):,} rows and y {n:,}; give one per row")
    empty = np.flatnonzero(np.bincount(codes, minlength=arms) == 0)
    if len(empty):
        raise InputError(f"no row has arm {empty[0]}; leave the arm out, or add its rows")
    return codes


def _arm_chances(arm: np.ndarray, propensity: ArrayLike | None, n: int) -> np.ndarray:
    """Return the chance of each arm, shape (n, K)."""
    if propensity is None:
        share = float(arm.mean())
        return np.broadcast_to([1 - share, share], (n, 2))
    if np.ndim(propensity) < 2:
        chance = np.broadcast_to(checked_propensity(propensity, n), (n,))
        return np.column_stack([1 - chance, chance])
    chances = np.asarray(propensity, dtype=np.float64)
    if len(chances) != n or chances.shape[1] < 2:
        raise InputError(f"propensity has shape {chances.shape} and y {n:,} rows; give (n, arms)")
    if not ((chances >= 0) & (chances <= 1)).all() or not np.allclose(chances.sum(axis=1), 1.0):
        raise InputError("propensity has rows that are no shares of 1; give each arm's chance")
    if wrong := int(np.count_nonzero(chances[np.arange(n), arm] == 0)):
        raise InputError(
            f"{wrong:,} rows got an arm that their propensity calls impossible; check that the "
            "columns stand in the order of the arms' codes"
        )
    return chances


def _checked_mu(mu: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(mu, dtype=np.float64)
    if values.shape != shape:
        raise InputError(
            f"mu has shape {values.shape}, expected {shape}: a column per arm, the control first"
        )
    if not np.isfinite(values).all():
        raise InputError("mu has missing or infinite values; every row needs both expectations")
    return values


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
        return UpliftRows(None, None, values, *_customers(cluster, len(values)), level, labels)
    if y is None or treated is None:
        raise InputError("y or treated is None; give both, or ready scores as gamma")
    outcome, arm = checked_outcome(y), labels_of("treated", treated)
    n, some = len(outcome), int(np.count_nonzero(arm))
    if len(arm) != n:
        raise InputError(f"treated has {len(arm):,} rows and y {n:,}; give one per row")
    if some in (0, n):
        raise InputError(
            f"treated is {int(bool(some))} in all of the {n:,} rows; an effect needs rows with and "
            "without the promotion, decided at random"
        )
    codes, units = _customers(cluster, len(outcome))
    chances = None if propensity is None else checked_propensity(propensity, len(outcome))
    constant = chances is None or chances.ndim == 0 or bool((chances == chances[0]).all())
    scores = None if constant else aipw_scores(outcome, arm, chances)
    return UpliftRows(outcome, arm, scores, codes, units, level, labels)


def _customers(cluster: ArrayLike | None, n: int) -> tuple[np.ndarray | None, int]:
    codes, names = codes_of(cluster, n, "cluster")
    return codes, n if codes is None else len(names)


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

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values; of the rows how many, not how many were treated."""
        return {name: value for name, value in super().to_dict().items() if name != "treated"}


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
class Ranking(Ordered):
    """Rows from the highest score down, in runs of equal scores.

    Parameters
    ----------
    ends : ndarray of shape (runs,)
        Place of each run's last row.
    """

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
