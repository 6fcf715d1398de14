"""Effects as they are shown, saved and ranked: drawn to the average as far as they come true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects.identification import named
from promolab.effects.learners.base_learners import POOLED, TWO_PART
from promolab.effects.means import mean_of, renumbered
from promolab.metrics import random_effects
from promolab.results import Estimate, Result, plain
from promolab.stats import t_quantile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.metrics.uplift import EffectCalibration


MOST = 1.0
"""Largest slope: a model of few rows that hardly moves tells not by how much one of all should."""


def pooled_arms(kept: np.ndarray, codes: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Take the arms' columns together, each of shape (n, K − 1); nan where a row counts for none.

    Parameters
    ----------
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count for each arm.
    codes : ndarray of int of shape (n,)
        Arm of each row, 0 the control: an arm weighs as much as it was given.
    *columns : ndarray of shape (n, K − 1)

    Examples
    --------
    >>> kept, codes = np.array([[True, True], [True, False]]), np.array([1, 2])
    >>> pooled_arms(kept, codes, np.array([[1.0, 3.0], [5.0, 9.0]]))[0].tolist()
    [2.0, 5.0]
    """
    size = np.bincount(codes, minlength=kept.shape[1] + 1)[1:].astype(float)
    weight = np.where(kept, size, 0.0)
    with np.errstate(invalid="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
    return [(weight * np.where(weight == 0, 0.0, each)).sum(axis=1) for each in columns]


def place_within(score: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return each row's place within its fold, 0 to 1, the highest near 1; of equal ones the mean.

    The models of two folds differ in level by chance, against what was held out of them: between
    folds scores are no order. Where all of a fold are equal, all have the place 0.5.

    Parameters
    ----------
    score : ndarray of shape (n,)
        nan has no place.
    fold : ndarray of int of shape (n,)

    Examples
    --------
    >>> place_within(np.array([3.0, 1.0, 7.0, 7.0, 7.0]), np.array([0, 0, 1, 1, 1])).tolist()
    [0.75, 0.25, 0.5, 0.5, 0.5]
    """
    import pandas as pd

    groups = pd.Series(score).groupby(fold)
    return ((groups.rank(method="average") - 0.5) / groups.transform("count")).to_numpy()


@dataclass(frozen=True)
class Forward:
    """Effects predicted forward by several learners, and what earlier folds tell of each.

    Parameters
    ----------
    predicted : mapping of str to ndarray of shape (n, K − 1)
        By learner; nan in the first fold. The first learner serves until a fold tells more.
    gamma : ndarray of shape (n, K − 1)
        Doubly robust scores.
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count.
    fold : ndarray of int of shape (n,)
    folds : int
    """

    predicted: Mapping[str, np.ndarray]
    gamma: np.ndarray
    kept: np.ndarray
    fold: np.ndarray
    folds: int

    @property
    def learners(self) -> list[str]:
        """The learners' names."""
        return list(self.predicted)

    @cached_property
    def away(self) -> dict[str, np.ndarray]:
        """Predictions less their fold's mean over the rows that count, (n, K − 1) by learner."""
        return {
            name: centred(values, self.kept, self.fold, self.folds)
            for name, values in self.predicted.items()
        }

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of deviation × score and of squared deviations, (learners, folds, K − 1) each."""
        tells = self.kept & (self.fold > 0)[:, None]
        scores = np.where(tells, self.gamma, 0.0)
        products, squares = [], []
        for learner in self.predicted:
            away = np.where(tells, self.away[learner], 0.0)
            products.append(sums_by_fold(away * scores, self.fold, self.folds))
            squares.append(sums_by_fold(away**2, self.fold, self.folds))
        return np.array(products), np.array(squares)

    def slopes(self, before: int) -> np.ndarray:
        """Return calibration slopes in the folds before one, shape (learners, K − 1); 0 unknown.

        How much the score rises per unit of the prediction, within folds (the "best linear
        predictor" of Chernozhukov et al. 2018).
        """
        products, squares = (each[:, :before].sum(axis=1) for each in self._sums)
        slopes = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
        return np.asarray(slopes)

    def best(self, before: int) -> np.ndarray:
        """Return which learner did best in the folds before one, by arm, shape (K − 1,).

        The one whose prediction, times its slope, comes nearest to the scores: the largest of
        slope × √Σ squares. The first learner where no fold tells.
        """
        products, squares = (each[:, :before].sum(axis=1) for each in self._sums)
        size = np.sqrt(squares)
        nearer = np.divide(products, size, out=np.zeros_like(products), where=squares > 0)
        return np.asarray(nearer.argmax(axis=0))

    def averages(self, before: int) -> np.ndarray:
        """Return the mean scores of the folds before one, shape (K − 1,); 0 where there is none."""
        mine = self.kept & (self.fold < before)[:, None]
        total = np.where(mine, self.gamma, 0.0).sum(axis=0)
        return np.asarray(total / np.maximum(mine.sum(axis=0), 1))

    def _fold(self, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return a fold's rows, predictions by the best learners so far, deviations and slopes."""
        there, best = self.fold == fold, self.best(fold)
        arms = range(len(best))
        names = [self.learners[each] for each in best]
        slope = np.clip(self.slopes(fold)[best, arms], 0.0, MOST)
        slope[[name == TWO_PART for name in names]] = 1.0
        chosen = np.column_stack([self.predicted[n][there, k] for k, n in enumerate(names)])
        away = np.column_stack([self.away[n][there, k] for k, n in enumerate(names)])
        return there, chosen, away, slope

    @cached_property
    def _told(self) -> np.ndarray:
        """Each fold by those before it, shape (3, n, K − 1); nan in the first fold."""
        values = np.full((3, *self.gamma.shape), np.nan)
        for fold in range(1, self.folds):
            there, chosen, away, slope = self._fold(fold)
            values[0, there] = chosen
            values[1, there] = away * (slope if slope.any() else 1.0)
            values[2, there] = self.averages(fold) + slope * away
        return values

    @property
    def order(self) -> np.ndarray:
        """What ranks the customers of a fold, by arm, shape (n, K − 1); nan in the first fold.

        The prediction of the learner that did best in earlier folds, as it is.
        """
        return np.asarray(self._told[0])

    @property
    def scaled(self) -> np.ndarray:
        """The same, each arm drawn by its slope in earlier folds, so that arms can be added up."""
        return np.asarray(self._told[1])

    @property
    def drawn(self) -> np.ndarray:
        """Effects as earlier folds calibrate them: their average, plus slope × deviation.

        The second fold has the first one's average, as no slope is known yet; the first is nan.
        """
        return np.asarray(self._told[2])


def sums_by_fold(values: np.ndarray, fold: np.ndarray, folds: int) -> np.ndarray:
    """Return the sums of rows of shape (n, K − 1) by fold, shape (folds, K − 1)."""
    return np.stack([np.bincount(fold, column, minlength=folds) for column in values.T], axis=1)


def centred(values: np.ndarray, kept: np.ndarray, fold: np.ndarray, folds: int) -> np.ndarray:
    """Return values less their fold's mean over the rows that count, shape (n, K − 1)."""
    total = sums_by_fold(np.where(kept, np.nan_to_num(values), 0.0), fold, folds)
    n = sums_by_fold(kept.astype(float), fold, folds)
    return np.asarray(values - (total / np.maximum(n, 1)).T[:, fold].T)


CONSTANT = "constant"
"""The learner of an arm whose effect is not known to differ between customers."""
LEVEL = 0.95


@dataclass(frozen=True)
class Shrinkage:
    """By which line effects follow their predictions, by arm: average + slope × (them − centre).

    Parameters
    ----------
    learners : tuple of str
        Whose predictions; `CONSTANT` has none.
    average, slope : ndarray of shape (K − 1,)
    covariance : ndarray of shape (K − 1, 2, 2)
        Of the two, clustered by customer.
    degrees : ndarray of shape (K − 1,)
        Degrees of freedom of the averages.
    """

    learners: tuple[str, ...]
    average: np.ndarray
    slope: np.ndarray
    covariance: np.ndarray
    degrees: np.ndarray

    def effects(self, away: np.ndarray) -> np.ndarray:
        """Return the effects of customers whose predictions lie so far from their mean.

        Parameters
        ----------
        away : ndarray of shape (n, K − 1)
        """
        return np.asarray(self.average + self.slope * away)

    def half(self, away: np.ndarray, level: float) -> np.ndarray:
        """Return half the width of their intervals, shape (n, K − 1)."""
        v = self.covariance
        variance = v[:, 0, 0] + 2 * away * v[:, 0, 1] + away**2 * v[:, 1, 1]
        return np.asarray(t_quantile(level, self.degrees) * np.sqrt(np.maximum(variance, 0.0)))


@dataclass(frozen=True)
class CalibratedEffects(Result):
    """How far predicted effects come true, and so how far they are drawn to the average.

    Parameters
    ----------
    rows : DataFrame
        One row per arm: arm, learner (of those tried the one whose drawn prediction came nearest
        to the doubly robust scores of folds predicted forward; ``constant``: everybody has the
        average), effect, ci_low, ci_high (that average), slope (by how much the effect rises per
        unit of the prediction, 0 to 1), slope_low, slope_high, spread (standard deviation of the
        drawn effects).
    told_apart : bool
        Whether customers can be told apart: the lower end of Qini's interval is above 0, all arms
        taken together and each fold ranked by what earlier folds taught; or, of heavy-tailed money,
        whether differences are shown all the same, as far as they are sure.
    qini : Estimate
        That Qini; on the early outcome, where there is one.
    outcome : str
    level : float
        Of the intervals.
    by_tenths : EffectCalibration or None
        Whether what is shown comes true, if that was asked (`UpliftModel.calibration`).
    """

    rows: pd.DataFrame
    told_apart: bool
    qini: Estimate
    outcome: str
    level: float
    by_tenths: EffectCalibration | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return `rows`."""
        return self.rows

    def facts(self) -> dict[str, Any]:
        """Return each arm's learner and slope, and what came of it where that was asked."""
        state = "drawn" if self.by_tenths is None else "told"
        rows = named(self.rows).assign(constant=self.rows["learner"].eq(CONSTANT))
        return {
            "arms": rows,
            "state": state if self.told_apart else "alike",
            "tenths": lambda: self.by_tenths and self.by_tenths.summary(),
            "arms_kept": lambda: plain(self.rows.set_index("arm").to_dict("index")),
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what came of the effects shown, where that was asked (`UpliftModel.calibration`)."""
        return super().plot(ax) if self.by_tenths is None else self.by_tenths.plot(ax)


def calibrate(
    forward: Forward,
    seen: Forward,
    away_of: Callable[[str], np.ndarray],
    arms: tuple[Any, ...],
    codes: np.ndarray,
    cluster: np.ndarray,
    outcome: str,
    *,
    gradual: bool = False,
) -> tuple[Shrinkage, CalibratedEffects, np.ndarray]:
    """Choose a learner for each arm forward, and how far its predictions are drawn to the average.

    Beside both returns the scores whose means are those averages, shape (n, K − 1).

    The slope is that of the scores on the deviations of effects predicted out of fold, between 0
    and 1: of a model of four fifths of the customers, so as near as can be to the one of all.

    Parameters
    ----------
    forward : Forward
    seen : Forward
        The same with the scores of an early outcome, where there is one: whether customers can be
        told apart, and by which learner, is seen in those; how far predictions are drawn, in the
        outcome's own.
    away_of : callable
        Takes a learner, returns how far effects predicted out of fold lie from their fold's mean,
        shape (n, K − 1).
    arms : tuple
        The arms but the control.
    codes, cluster : ndarray of int of shape (n,)
        Arm and customer of each row.
    outcome : str
    gradual : bool
        Whether differences are shown in so far as they are more than chance, not all or none: a
        slope is drawn to 0 by its variance.
    """
    import pandas as pd

    qini = _qini_forward(seen, codes, cluster)
    apart, best = gradual or bool(qini.ci_low > 0), seen.best(seen.folds)
    forwards = seen.slopes(seen.folds)[best, np.arange(len(arms))]
    together = forward.learners == [POOLED] and len(arms) > 1
    if together and apart:
        forwards[:] = max(float(forwards.mean()), 0.0)
    names = [forward.learners[each] for each in best]
    every = [
        away_of(name)[:, k]
        if apart and (forwards[k] > 0 or name == TWO_PART)
        else np.zeros(len(cluster))
        for k, name in enumerate(names)
    ]
    scores = forward.gamma
    if together:
        made, scores = _together(forward, seen, every, cluster)
    else:
        made = [
            _line(forward, k, away, cluster, gradual, whole=names[k] == TWO_PART)
            for k, away in enumerate(every)
        ]
    average, slope, degrees = (
        np.array([getattr(line, name) for line in made]) for name in ("average", "slope", "degrees")
    )
    covariance = np.array([line.covariance for line in made])
    learners = tuple(
        name if line.slope > 0 else CONSTANT for name, line in zip(names, made, strict=True)
    )
    t, errors = t_quantile(LEVEL, degrees), np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    reach, half = t * errors[:, 0], np.where(slope > 0, t * errors[:, 1], np.nan)
    spread = [away[mine].std() for away, mine in zip(every, forward.kept.T, strict=True)]
    frame = pd.DataFrame(
        {
            "arm": arms,
            "learner": learners,
            "effect": average,
            "ci_low": average - reach,
            "ci_high": average + reach,
            "slope": slope,
            "slope_low": slope - half,
            "slope_high": slope + half,
            "spread": slope * spread,
        }
    )
    line = Shrinkage(learners, average, slope, covariance, degrees)
    return line, CalibratedEffects(frame, apart, qini, outcome, LEVEL), scores


def _qini_forward(forward: Forward, codes: np.ndarray, cluster: np.ndarray) -> Estimate:
    """Return Qini of all arms together, each fold ranked by what earlier folds taught."""
    from promolab.metrics.uplift import qini

    gamma, score = pooled_arms(forward.kept, codes, forward.gamma, forward.scaled)
    known = np.isfinite(gamma) & np.isfinite(score)
    if not known.any():
        return Estimate(0.0, 0.0, 0.0, 0)
    place = place_within(score[known], forward.fold[known])
    return qini(None, None, place, gamma=gamma[known], cluster=cluster[known], level=LEVEL).estimate


@dataclass(frozen=True)
class _Line:
    average: float
    slope: float
    covariance: np.ndarray
    degrees: float


def _together(
    forward: Forward, seen: Forward, every: list[np.ndarray], cluster: np.ndarray
) -> tuple[list[_Line], np.ndarray]:
    """Return the lines of arms that learn from each other, slopes and averages drawn together.

    And the scores whose means are these averages.

    Arms differ in what is true of them and by chance; of the second a mean of all has less (James &
    Stein 1961; the variance between by the method of moments).
    """
    away = np.column_stack(every)
    slope, error, scores = pooled_scores(seen.gamma, forward.gamma, forward.kept, away, cluster)
    drawn = replace(forward, gamma=scores)
    lines_ = [_line(drawn, k, np.zeros(len(cluster)), cluster) for k in range(len(every))]
    lines = [
        replace(one, slope=float(slope[k]), covariance=np.diag([one.covariance[0, 0], error[k]]))
        for k, one in enumerate(lines_)
    ]
    return lines, scores


def pooled_scores(
    soon: np.ndarray,
    gamma: np.ndarray,
    kept: np.ndarray,
    away: np.ndarray,
    cluster: np.ndarray,
    rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slopes, their variances (`pooled_slopes`) and scores drawn together, (n, K − 1).

    By how much arms differ on average is told best by the early outcome, as far as that lasts;
    the outcome itself tells what is beside that.

    Parameters
    ----------
    soon, gamma, kept, away, cluster, rows
        As `pooled_slopes`.
    """
    slope, error, early = _slopes(soon, gamma, kept, away, cluster, rows)
    if soon is gamma or not slope.any():
        return slope, error, shrunk_scores(gamma, kept, slope * away, rows)
    first = shrunk_scores(soon, kept, early * away, rows)
    first = np.where(kept, first - _middle(first, kept), 0.0) * slope.sum() / early.sum()
    left = shrunk_scores(gamma - first, kept, None, rows)
    return slope, error, left + first


def shrunk_scores(
    gamma: np.ndarray, kept: np.ndarray, away: np.ndarray | None, rows: np.ndarray | None = None
) -> np.ndarray:
    """Return scores whose means are the arms' averages drawn together, shape (n, K − 1).

    Parameters
    ----------
    gamma : ndarray of shape (n, K − 1)
        Doubly robust scores.
    kept : ndarray of bool of shape (n, K − 1)
    away : ndarray of shape (n, K − 1)
        How far each effect is held to lie from its arm's average; None where none does.
    rows : ndarray of bool of shape (n,), optional
        Which tell how far arms are apart; by default all.

    Examples
    --------
    >>> gamma = np.array([[1.0, 3.0], [2.0, 0.0], [5.0, 5.0]])
    >>> shrunk_scores(gamma, np.ones((3, 2), dtype=bool), np.zeros((3, 2))).tolist()
    [[2.0, 2.0], [1.0, 1.0], [5.0, 5.0]]
    """
    mine = kept if rows is None else kept & rows[:, None]
    average = np.where(mine, gamma, 0.0).sum(axis=0) / np.maximum(mine.sum(axis=0), 1)
    part = told_apart(gamma, kept, average, away, rows)
    middle = _middle(gamma, kept)
    return np.asarray(middle + part * (gamma - middle))


def _middle(gamma: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return each row's mean over the arms that it counts for, shape (n, 1)."""
    number = np.maximum(kept.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.where(kept, gamma, 0.0).sum(axis=1, keepdims=True) / number)


def told_apart(
    gamma: np.ndarray,
    kept: np.ndarray,
    average: np.ndarray,
    away: np.ndarray | None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Return which part of each arm's distance from the mean of all is more than chance, (K − 1,).

    Arms whose effects differ on average, or differently between customers, are told apart.

    Parameters
    ----------
    gamma, kept, away
        As `shrunk_scores`.
    average : ndarray of shape (K − 1,)
        Of the scores.
    rows : ndarray of bool of shape (n,), optional
        Which made the averages.
    """
    whole = kept.all(axis=1) if rows is None else kept.all(axis=1) & rows
    arms, n = len(average), int(whole.sum())
    if n < 2 or arms < 2:
        return np.ones(arms)
    mine = slice(None) if n == len(gamma) else whole
    left = gamma.T[:, mine]
    chance = (left - left.mean(axis=0)).var(axis=1, ddof=1) / n * arms / (arms - 1)
    apart = average - average.mean()
    between = max(float((apart**2).sum() / (arms - 1) - chance.mean()), 0.0)
    if away is not None:
        own = away.T[:, mine]
        between += float(((own - own.mean(axis=0)) ** 2).sum(axis=0).mean() / (arms - 1))
    return np.asarray(between / (between + chance)) if between > 0 else np.zeros(arms)


def _line(
    forward: Forward,
    k: int,
    away: np.ndarray,
    cluster: np.ndarray,
    gradual: bool = False,
    *,
    whole: bool = False,
) -> _Line:
    """Return an arm's average and slope, and their covariance; a whole difference has slope 1."""
    mine = forward.kept[:, k]
    codes, _ = renumbered(cluster, mine)
    scores, d, fold = forward.gamma[mine, k], away[mine], forward.fold[mine]
    mean = mean_of(scores, codes, LEVEL)
    n = np.bincount(fold, minlength=forward.folds)
    level = np.bincount(fold, scores, minlength=forward.folds) / np.maximum(n, 1)
    squares = float(d @ d)
    slope = min(max(float(d @ scores) / squares, 0.0), MOST) if squares > 0 else 0.0
    slope = 1.0 if whole and squares > 0 else slope
    # Where the slope is 0 it is not estimated: everybody has the average.
    of_slope = d * (scores - level[fold] - slope * d) / squares if slope > 0 else d * 0.0
    of_average = (scores - mean.estimate.value) / max(len(scores), 1)
    sums = np.stack([np.bincount(codes, each) for each in (of_average, of_slope)])
    units = sums.shape[1]
    covariance = sums @ sums.T * (units / max(units - 1, 1))
    if gradual and slope > 0 and not whole:
        slope *= slope**2 / (slope**2 + float(covariance[1, 1]))
    return _Line(mean.estimate.value, slope, covariance, mean.degrees)


def pooled_slopes(
    soon: np.ndarray,
    gamma: np.ndarray,
    kept: np.ndarray,
    away: np.ndarray,
    cluster: np.ndarray,
    rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which part of each arm's predicted differences comes true, and its variance, (K − 1,).

    What comes true soon is told best by the early outcome: each arm's slope, drawn to the mean of
    all as far as they differ by chance (DerSimonian & Laird 1986). How much of that lasts is one
    share for all arms. Two things tell it, each with its error, and both count by it: the slope of
    the outcome itself, and how much of the average lasts, taken as a surrogate (Prentice 1989;
    Athey et al. 2019).

    Parameters
    ----------
    soon, gamma : ndarray of shape (n, K − 1)
        Doubly robust scores of the early outcome, and of the outcome; one array where they are the
        same.
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count.
    away : ndarray of shape (n, K − 1)
        How far each effect, predicted by other folds, lies from its fold's mean.
    cluster : ndarray of int of shape (n,)
    rows : ndarray of bool of shape (n,), optional
        Which tell; by default all.

    Returns
    -------
    slope : ndarray of shape (K − 1,)
        0 to 1.
    variance : ndarray of shape (K − 1,)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> away = rng.normal(size=(4000, 2))
    >>> soon = 3 + away + rng.normal(size=(4000, 2))
    >>> whole = 1.5 + away / 2 + 5 * rng.normal(size=(4000, 2))
    >>> kept, customer = np.ones((4000, 2), dtype=bool), np.arange(4000)
    >>> pooled_slopes(soon, whole, kept, away, customer)[0].round(1).tolist()
    [0.5, 0.5]
    """
    return _slopes(soon, gamma, kept, away, cluster, rows)[:2]


def _slopes(
    soon: np.ndarray,
    gamma: np.ndarray,
    kept: np.ndarray,
    away: np.ndarray,
    cluster: np.ndarray,
    rows: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `pooled_slopes` does, and the slopes of the early outcome."""
    mine = kept if rows is None else kept & rows[:, None]
    a = np.where(mine, away, 0.0)
    squares = (a**2).sum(axis=0)
    if not (squares > 0).all():
        return (np.zeros(len(squares)),) * 3
    early = _centred(soon, mine)
    each = (a * early).sum(axis=0) / squares
    chance = _squared_sums(a * (early - each * a), cluster).sum(axis=0) / squares**2
    chance = np.maximum(chance, 1e-12)
    of_all = random_effects(each, chance)
    between = of_all.sd**2
    part = between / np.maximum(between + chance, 1e-300)
    slope = np.clip(of_all.mean + part * (each - of_all.mean), 0.0, MOST)
    variance = part * chance + (1 - part) ** 2 * of_all.se**2
    if soon is gamma or not slope.any():
        return slope, np.where(slope > 0, variance, 0.0), slope
    lasts, error = _lasting(soon, gamma, mine, slope * a, cluster)
    return lasts * slope, lasts**2 * variance + slope**2 * error, slope


def _lasting(
    soon: np.ndarray, gamma: np.ndarray, mine: np.ndarray, shown: np.ndarray, cluster: np.ndarray
) -> tuple[float, float]:
    """Return which share of what comes soon lasts, 0 to 1, and its variance."""
    late = _centred(gamma, mine)
    squares = float((shown**2).sum())
    of_slopes = float((shown * late).sum()) / squares
    left = (shown * (late - of_slopes * shown)).sum(axis=1)
    variances = [float(_squared_sums(left[:, None], cluster).sum()) / squares**2]
    n = max(int(mine.sum()), 1)
    early, whole = (np.where(mine, each, 0.0).sum(axis=1) / n for each in (soon, gamma))
    values = [of_slopes]
    if early.sum() > 0:
        values.append(float(whole.sum() / early.sum()))
        left = whole - values[1] * early
        variances.append(float(_squared_sums(left[:, None], cluster).sum()) / early.sum() ** 2)
    weight = 1 / np.maximum(variances, 1e-300)
    return min(max(float(np.average(values, weights=weight)), 0.0), MOST), float(1 / weight.sum())


def _centred(scores: np.ndarray, mine: np.ndarray) -> np.ndarray:
    held = np.where(mine, scores, 0.0)
    return np.asarray(np.where(mine, held - held.sum(axis=0) / np.maximum(mine.sum(axis=0), 1), 0))


def _squared_sums(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the squares of each customer's sums, shape (customers, columns)."""
    return np.column_stack([np.bincount(cluster, column) for column in values.T]) ** 2
