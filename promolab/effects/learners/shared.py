"""What models of the same rows share: folds, columns, chances, expected outcomes."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects.learners.aipw import Nuisance, estimate_propensity, fit_nuisance
from promolab.effects.learners.base_learners import Maker, TwoPart
from promolab.effects.learners.learners import Setting
from promolab.effects.learners.rows import Design, Rows, folds_of, rows_of
from promolab.effects.learners.two_part import heavy_tailed, smoothed
from promolab.errors import InputError

if TYPE_CHECKING:
    from promolab.contract import Experiment


class Shared:
    """Each part is worked out once, when it is first asked for.

    Parameters
    ----------
    experiment : Experiment
    outcome : str, optional
        The first by default.
    folds, seed : int
    clip : float
        Lowest estimated chance of an arm.
    """

    def __init__(
        self, experiment: Experiment, outcome: str | None, folds: int, seed: int, clip: float
    ) -> None:
        self.experiment, self.clip, self.X = experiment, clip, experiment.X
        self.outcome = outcome or experiment.outcomes[0]
        self.fold = folds_of(experiment.frame[experiment.customer_id], folds, seed)
        self.rows = rows_of(experiment, outcome, self.fold, folds, seed)
        self._columns: dict[str, tuple[Design, np.ndarray]] = {}
        self._nuisances: dict[Any, tuple[Nuisance, float]] = {}
        self._others: dict[str, Rows] = {}

    def columns(self, style: str) -> tuple[Design, np.ndarray]:
        """Return the columns in a style, and what made them."""
        if style not in self._columns:
            design = Design.learn(self.X, style)
            self._columns[style] = design, design.matrix(self.X)
        return self._columns[style]

    @cached_property
    def chances(self) -> tuple[np.ndarray, int]:
        """Chances of the arms, (n, K), and how many were clipped."""
        if self.experiment.propensity is not None:
            return self.experiment.propensity, 0
        return estimate_propensity(self.rows, self.columns("encoded")[1], self.clip)

    def nuisance(self, maker: Maker) -> Nuisance:
        """Return expected outcomes and scores; makers that predict outcomes alike share them."""
        return self._nuisance(maker)[0]

    def seconds(self, maker: Maker) -> float:
        """Return what they took, whichever model asked first."""
        return self._nuisance(maker)[1]

    def _nuisance(self, maker: Maker, other: str = "") -> tuple[Nuisance, float]:
        key = type(maker).outcome, getattr(maker, "make", None), other
        if key not in self._nuisances:
            design, Z = self.columns(maker.style)
            begun = time.perf_counter()
            rows = self._others.get(other, self.rows)
            found = fit_nuisance(rows, Z, design, maker, *self.chances)
            self._nuisances[key] = found, time.perf_counter() - begun
        return self._nuisances[key]

    def setting(
        self, maker: Maker, outcome_maker: Maker, nuisance: Nuisance | None = None
    ) -> Setting:
        """Return all that an effect model learns from; what was estimated before may be given."""
        (design, Z), (there, W) = self.columns(maker.style), self.columns(outcome_maker.style)
        nuisance = nuisance or self.nuisance(outcome_maker)
        return Setting(self.rows, Z, design, maker, W, there, outcome_maker, nuisance)

    def told_early(self, setting: Setting) -> Setting:
        """Return the same of the experiment's early outcome, where the outcome has one."""
        early = self.experiment.early
        if not early or self.outcome != self.experiment.outcomes[0]:
            return setting
        rows = replace(self.rows, y=self.experiment.y(early[0]), binary=False)
        return self._of_other(setting, "early", self._steadied(rows) or rows)

    def smoothed(self, setting: Setting) -> Setting:
        """Return the same with each basket as expected, where the outcome is heavy-tailed money."""
        rows = self._steadied(self.rows)
        if rows is None and isinstance(setting.maker, TwoPart):
            raise InputError(
                f'the learner "two_part" is for heavy-tailed money, and {self.outcome} is none '
                "(nothing below 0, at least 10 % zeros, the others' standard deviation above their "
                'mean); give another learner, such as "ridge"'
            )
        return setting if rows is None else self._of_other(setting, "smoothed", rows)

    def _steadied(self, rows: Rows) -> Rows | None:
        return smoothed(rows, self.columns("encoded")[1]) if heavy_tailed(rows.y) else None

    def _of_other(self, setting: Setting, name: str, rows: Rows) -> Setting:
        rows = self._others.setdefault(name, rows)
        nuisance = self._nuisance(setting.outcome_maker, name)[0]
        return replace(setting, rows=rows, nuisance=nuisance)
