"""Effects predicted forward: each fold of customers by models of the folds before it.

Where every fold is predicted from all others, folds that are alike by chance confirm each other:
where there is nothing to find, the standard deviation of a Qini is up to √2 times its standard
error. Forward it is not, at the price of less data; and what is chosen on the way, a learner or how
far to trust it, is chosen from earlier folds as well.

References
----------
Luedtke & van der Laan (2016), Annals of Statistics 44(2); Wager (2024), "Sequential validation of
treatment heterogeneity", arXiv 2405.05534.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["MOST", "Forward", "centred", "place_within", "pooled"]

MOST = 1.0
"""Largest slope: a model of few rows that hardly moves tells not by how much one of all should."""


def pooled(kept: np.ndarray, codes: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
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
    >>> pooled(kept, codes, np.array([[1.0, 3.0], [5.0, 9.0]]))[0].tolist()
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

    def away(self, learner: str) -> np.ndarray:
        """Return predictions less their fold's mean over the rows that count, shape (n, K − 1)."""
        return self._away[learner]

    @cached_property
    def _away(self) -> dict[str, np.ndarray]:
        return {
            name: centred(values, self.kept, self.fold, self.folds)
            for name, values in self.predicted.items()
        }

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of deviation × score and of squared deviations, (learners, folds, K − 1) each."""
        products = np.zeros((len(self.predicted), self.folds, self.gamma.shape[1]))
        squares = np.zeros_like(products)
        for number, learner in enumerate(self.predicted):
            away = np.where(self.kept, self.away(learner), 0.0)
            away[self.fold == 0] = 0.0
            scores = np.where(self.kept, self.gamma, 0.0)
            for each in range(self.gamma.shape[1]):
                d, g = away[:, each], scores[:, each]
                products[number, :, each] = np.bincount(self.fold, d * g, minlength=self.folds)
                squares[number, :, each] = np.bincount(self.fold, d * d, minlength=self.folds)
        return products, squares

    def slopes(self, before: int) -> np.ndarray:
        """Return calibration slopes in the folds before one, shape (learners, K − 1); 0 unknown.

        How much the score rises per unit of the prediction, within folds (the "best linear
        predictor" of Chernozhukov et al. 2018).
        """
        products, squares = (each[:, :before].sum(axis=1) for each in self._sums)
        return np.where(squares > 0, products / np.where(squares > 0, squares, 1.0), 0.0)

    def best(self, before: int) -> np.ndarray:
        """Return which learner did best in the folds before one, by arm, shape (K − 1,).

        The one whose prediction, times its slope, comes nearest to the scores: the largest of
        slope × √Σ squares. The first learner where no fold tells.
        """
        products, squares = (each[:, :before].sum(axis=1) for each in self._sums)
        nearer = np.where(squares > 0, products / np.sqrt(np.where(squares > 0, squares, 1.0)), 0.0)
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
        slope = np.clip(self.slopes(fold)[best, arms], 0.0, MOST)
        names = [self.learners[each] for each in best]
        chosen = np.column_stack([self.predicted[n][there, k] for k, n in enumerate(names)])
        away = np.column_stack([self.away(n)[there, k] for k, n in enumerate(names)])
        return there, chosen, away, slope

    @cached_property
    def order(self) -> np.ndarray:
        """What ranks the customers of a fold, by arm, shape (n, K − 1); nan in the first fold.

        The prediction of the learner that did best in earlier folds, as it is.
        """
        values = np.full(self.gamma.shape, np.nan)
        for fold in range(1, self.folds):
            there, chosen, _, _ = self._fold(fold)
            values[there] = chosen
        return values

    @cached_property
    def scaled(self) -> np.ndarray:
        """The same, each arm drawn by its slope in earlier folds, so that arms can be added up."""
        values = np.full(self.gamma.shape, np.nan)
        for fold in range(1, self.folds):
            there, _, away, slope = self._fold(fold)
            values[there] = away * (slope if slope.any() else 1.0)
        return values

    @cached_property
    def drawn(self) -> np.ndarray:
        """Effects as earlier folds calibrate them: their average, plus slope × deviation.

        The second fold has the first one's average, as no slope is known yet; the first is nan.
        """
        values = np.full(self.gamma.shape, np.nan)
        for fold in range(1, self.folds):
            there, _, away, slope = self._fold(fold)
            values[there] = self.averages(fold) + slope * away
        return values


def centred(values: np.ndarray, kept: np.ndarray, fold: np.ndarray, folds: int) -> np.ndarray:
    """Return values less their fold's mean over the rows that count, shape (n, K − 1)."""
    away = np.empty_like(values)
    for k, column in enumerate(values.T):
        mine = kept[:, k]
        total = np.bincount(fold[mine], np.nan_to_num(column[mine]), minlength=folds)
        n = np.bincount(fold[mine], minlength=folds)
        away[:, k] = column - (total / np.maximum(n, 1))[fold]
    return away
