"""Learners tried on the same rows, and the effects of the best, drawn to the average."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects.learners.aipw import Design, steady
from promolab.effects.learners.base_learners import base_learner
from promolab.effects.learners.learners import KINDS, DRLearner, EffectModel, Shared
from promolab.effects.shrinkage import (
    CONSTANT,
    MOST,
    POOLED,
    TWO_PART,
    CalibratedEffects,
    Forward,
    Shrinkage,
    calibrate,
    centred,
    pooled_scores,
    sums_by_fold,
)
from promolab.model.inputs import check_present

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects.model import UpliftModel
    from promolab.effects.targeting import Targeting


DEFAULT = "linear"
"""The learner of what is fitted at once where none is named."""
NO_ROWS = (
    "a saved uplift model holds no rows of its experiment: it predicts effects and knows the "
    "averages; for the rest fit it again"
)
TRIED = ("ridge", "linear", "boosting")
"""Learners tried where none is named; the first serves until a fold tells which is best."""


@dataclass(frozen=True)
class ShrunkEffects:
    """What predicts the effects that are shown: the best learners' models, drawn to the average.

    Parameters
    ----------
    result : CalibratedEffects
    line : Shrinkage
    models : mapping of str to (Design, EffectModel)
        By learner, of those that `line` names.
    centre : ndarray of shape (K − 1,)
        Mean prediction of each arm over the rows that count in its average.
    columns : tuple of str
        The covariates that a frame must have.
    """

    result: CalibratedEffects
    line: Shrinkage
    models: Mapping[str, tuple[Design, EffectModel]]
    centre: np.ndarray
    columns: tuple[str, ...]

    def away(self, X: pd.DataFrame) -> np.ndarray:
        """Return how far predictions lie from their mean, shape (n, K − 1)."""
        check_present(X, list(self.columns))
        values = np.zeros((len(X), len(self.centre)))
        for name, (design, model) in self.models.items():
            Z = design.matrix(X)
            with steady(Z.size):
                predicted = model.predict(Z)
            mine = np.array(self.line.learners) == name
            values[:, mine] = predicted[:, mine] - self.centre[mine]
        return values


class Candidates:
    """Learners tried on an experiment.

    Parameters
    ----------
    model : UpliftModel
        Says of which kind and learner; one that names none tries `TRIED`.
    shared : Shared
        The experiment, and what models of it share.
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count in each arm's average.

    Attributes
    ----------
    setting : Setting
        Of the outcome: its scores value what is decided.
    smooth : Setting
        The same, or of smoothed money: its scores shrink the predictions.
    fitted : EffectModel
        Of the learner that was named, or of the default, which may learn an early outcome; to be
        fitted on all rows.
    """

    def __init__(self, model: UpliftModel, shared: Shared, kept: np.ndarray) -> None:
        self.shared, self.experiment, self.kept = shared, shared.experiment, kept
        self.make, self.learner = KINDS[model.kind], model._named()
        self.setting = shared.setting(*model._learners())
        self.smooth = shared.smoothed(self.setting)
        self.fitted = self.make(shared.told_early(self.smooth))
        self.targeting: Targeting | None = None
        """What `promolab.effects.targeting` found, once it was asked."""
        self._models: dict[str, EffectModel] = {}
        self._away: dict[str, np.ndarray] = {}

    def model(self, learner: str) -> EffectModel:
        """Return a learner's effect model, not fitted."""
        if learner not in self._models:
            setting = self.fitted.setting
            if self.learner is None and learner != DEFAULT:
                other = base_learner(learner)
                design, Z = self.shared.columns(other.style)
                setting = replace(setting, Z=Z, design=design, learner=other)
            same = setting is self.fitted.setting
            self._models[learner] = self.fitted if same else self.make(setting)
        return self._models[learner]

    @cached_property
    def forward(self) -> Forward:
        """What every learner predicts forward."""
        rows = self.setting.rows
        learners = TRIED if self.learner is None else (self.learner,)
        if self.learner is None and self.smoothed and isinstance(self.fitted, DRLearner):
            learners = (TWO_PART,)
        predicted = {
            name: predict_folds(
                self.model(name), lambda fold: rows.fold < fold, range(1, rows.folds)
            )
            for name in learners
        }
        gamma = self.smooth.nuisance.gamma
        return Forward(predicted, gamma, self.kept, rows.fold, rows.folds)

    @cached_property
    def calibrated(self) -> tuple[Shrinkage, CalibratedEffects, np.ndarray]:
        """By which line effects follow their predictions, and scores drawn as the averages are."""
        rows, arms = self.setting.rows, self.experiment.treatments
        told = replace(self.forward, gamma=self.fitted.setting.nuisance.gamma)
        by = arms, rows.codes, rows.cluster, self.shared.outcome
        return calibrate(self.forward, told, self.away, *by, gradual=self.smoothed)

    def away(self, learner: str) -> np.ndarray:
        """Return how far effects predicted by other folds lie from their fold's mean."""
        rows = self.setting.rows
        if learner not in self._away:
            model, last = self.model(learner), rows.folds - 1
            predicted = predict_folds(model, lambda fold: rows.fold != fold, range(last))
            # Before the last fold lie all others: it is predicted already.
            mine = rows.fold == last
            predicted[mine] = self.forward.predicted[learner][mine]
            self._away[learner] = centred(predicted, self.kept, rows.fold, rows.folds)
        return self._away[learner]

    @property
    def used(self) -> list[str]:
        """The learners of which a prediction is used."""
        return [name for name in dict.fromkeys(self.calibrated[0].learners) if name != CONSTANT]

    @cached_property
    def drawn(self) -> ShrunkEffects:
        """What predicts the effects of new customers."""
        line, result, _ = self.calibrated
        everyone = np.ones(self.setting.rows.n, dtype=bool)
        models, centre = {}, np.zeros(len(line.slope))
        for name in self.used:
            setting = self.model(name).setting
            with steady(setting.Z.size):
                model = self.model(name)
                if model is not self.fitted:
                    model = copy.copy(model).fit(everyone)
                models[name] = (setting.design, model)
                predicted = model.predict(setting.Z)
            for k, learner in enumerate(line.learners):
                if learner == name:
                    centre[k] = predicted[self.kept[:, k], k].mean()
        return ShrunkEffects(result, line, models, centre, self.setting.design.columns)

    @cached_property
    def aways(self) -> np.ndarray:
        """How far each arm's effects lie from their fold's mean, by the learner that is used."""
        away = np.zeros(self.kept.shape, order="F")
        for k, learner in enumerate(self.calibrated[0].learners):
            if learner != CONSTANT:
                away[:, k] = self.away(learner)[:, k]
        return away

    @cached_property
    def by_others(self) -> np.ndarray:
        """The same with average and slope of the other folds, too, shape (n, K − 1).

        What a decision about a fold may rest on that is to be valued by its scores.
        """
        rows, kept, gamma = self.setting.rows, self.kept, self.smooth.nuisance.gamma
        aways, learners = self.aways, self.calibrated[0].learners

        def of_others(values: np.ndarray) -> np.ndarray:
            sums = sums_by_fold(np.where(kept, values, 0.0), rows.fold, rows.folds)
            return np.asarray(sums.sum(axis=0) - sums)

        levels = of_others(gamma) / np.maximum(of_others(np.ones(kept.shape)), 1)
        slopes = of_others(aways * gamma) / np.maximum(of_others(aways**2), 1e-300)
        slopes = np.where(np.array(learners) == TWO_PART, 1.0, np.clip(slopes, 0.0, MOST))
        if set(learners) <= {POOLED, CONSTANT} and self._pools:
            soon = self.fitted.setting.nuisance.gamma
            for fold in range(rows.folds):
                others = rows.fold != fold
                found = pooled_scores(soon, gamma, kept, aways, rows.cluster, others)
                mine, slopes[fold] = kept & others[:, None], found[0]
                total = np.where(mine, found[2], 0.0).sum(axis=0)
                levels[fold] = total / np.maximum(mine.sum(axis=0), 1)
        return np.asarray(levels.T[:, rows.fold].T + slopes.T[:, rows.fold].T * aways)

    @cached_property
    def scores(self) -> np.ndarray:
        """Doubly robust scores whose means are the averages shown, shape (n, K − 1).

        Where arms learn from each other, each row's are drawn to their mean as the averages are.
        """
        gamma = self.setting.nuisance.gamma
        if not self._pools:
            return gamma
        if not self.smoothed:
            return self.calibrated[2]
        away = self.away(POOLED) * self.calibrated[0].slope.any()
        soon = self.fitted.setting.nuisance.gamma if self.told_early else gamma
        return pooled_scores(soon, gamma, self.kept, away, self.setting.rows.cluster)[2]

    @property
    def told_early(self) -> bool:
        """Whether customers are told apart by an early outcome."""
        return self.fitted.setting is not self.smooth

    @property
    def smoothed(self) -> bool:
        """Whether learners see each basket as it was to be expected (`heavy_tailed`)."""
        return self.smooth is not self.setting

    @property
    def _pools(self) -> bool:
        """Whether arms learn from each other."""
        return self.learner == POOLED and self.kept.shape[1] > 1


def predict_folds(model: EffectModel, train: Callable[[int], Any], folds: range) -> np.ndarray:
    """Predict some folds by models of other rows, shape (n, K − 1); nan in the other folds.

    Parameters
    ----------
    model : EffectModel
    train : callable
        Takes a fold, returns a mask of the rows to learn from.
    folds : range
    """
    rows, Z = model.setting.rows, model.setting.Z
    effects = np.full((rows.n, rows.arms - 1), np.nan, order="F")
    with steady(Z.size):
        for fold in folds:
            there = rows.fold == fold
            if there.any():
                effects[there] = copy.copy(model).fit(train(fold)).predict(Z, there)
    return effects
