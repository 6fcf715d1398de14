"""The ways from outcomes to effects (S, T, X, R, DR), and what they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects.learners.aipw import (
    Design,
    Nuisance,
    Rows,
    arms_and_folds,
    cross_fit,
    estimate_propensity,
    fit_nuisance,
    folds_of,
    kept_rows,
    rows_of,
)
from promolab.effects.learners.base_learners import (
    POOLED,
    TWO_PART,
    BaseLearner,
    Lesson,
    Predictor,
    unshrunk_effect,
)
from promolab.effects.learners.linear import Cells, LinearFit, Targets, values_of
from promolab.effects.learners.two_part import heavy_tailed, smoothed, two_part_effects
from promolab.errors import InputError

if TYPE_CHECKING:
    from promolab.contract import Experiment


@dataclass(frozen=True)
class Setting:
    """All that an effect model learns from.

    Parameters
    ----------
    rows : Rows
    Z : ndarray of shape (n, p)
        Columns for ``learner``.
    design : Design
        What made them.
    learner : BaseLearner
        Fits the models of the effect; in "s" and "t" those of the outcome.
    outcome_columns, outcome_design, outcome_learner
        The same for the outcome models that are a means to an end.
    nuisance : Nuisance
    cells : Cells, optional
        Rows that straight lines of effects learn from together.
    """

    rows: Rows
    Z: np.ndarray
    design: Design
    learner: BaseLearner
    outcome_columns: np.ndarray
    outcome_design: Design
    outcome_learner: BaseLearner
    nuisance: Nuisance
    cells: Cells | None

    @property
    def possible(self) -> np.ndarray:
        """Rows that could have got the arm as well as the control, shape (n, K − 1)."""
        return kept_rows(self.nuisance.propensity, None)

    def outcome(self, Z: np.ndarray, which: np.ndarray) -> Predictor:
        """Fit the outcome of some rows on columns of one's own."""
        return self.learner.outcome(self.rows.lesson(Z, which, self.design))

    def effect(
        self, which: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None
    ) -> Predictor:
        """Fit a stand-in of the effect on some rows."""
        Z = self.Z if len(which) == self.rows.n else self.Z[which]
        return self.learner.effect(Lesson(Z, target, self.design, self.rows.seed, weight=weight))


class EffectModel:
    """Predicts, per arm but the control, the effect at given columns.

    Parameters
    ----------
    setting : Setting
    """

    parts: list[Predictor]

    def __init__(self, setting: Setting) -> None:
        if setting.learner.name == TWO_PART and not isinstance(self, DRLearner):
            raise InputError('the learner "two_part" is of kind "dr"; give kind="dr"')
        self.setting = setting
        self.arms = setting.rows.arms
        self.products = setting.learner.linear
        self.prepare()

    @classmethod
    def restored(cls, parts: list[Predictor], arms: int, products: bool) -> EffectModel:
        """Return a model of fitted parts, which predicts and learns no more."""
        model = cls.__new__(cls)
        model.parts, model.arms, model.products = parts, arms, products
        return model

    def prepare(self) -> None:
        """Work out, once, what every fit needs."""

    def fit(self, which: np.ndarray) -> EffectModel:
        """Learn from some rows (a mask); fitted parts replace earlier ones."""
        arms = range(1, self.setting.rows.arms)
        self.parts = [self.fit_arm(which, arm) for arm in arms]
        return self

    def fit_arm(self, which: np.ndarray, arm: int) -> Predictor:
        """Learn the effect of one arm."""
        raise NotImplementedError

    def predict(self, Z: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Return the effects, of all rows or of those of a mask, shape (n, K − 1)."""
        lines = [part for part in self.parts if isinstance(part, LinearFit)]
        if len(lines) == len(self.parts):
            return values_of(lines, Z, which)
        Z = Z if which is None else Z[which]
        return np.column_stack([part.predict(Z) for part in self.parts])


class SLearner(EffectModel):
    """One model of the outcome with the arm among the columns (Künzel et al. 2019).

    A linear model gets the products of arm and columns too (Lo 2002): without them every customer
    would have the same effect.
    """

    def fit(self, which: np.ndarray) -> EffectModel:
        """Learn the outcome of all arms together."""
        rows = self.setting.rows
        every = self._with_arm(self.setting.Z, rows.codes)
        self.parts = [self.setting.outcome(every, np.flatnonzero(which))]
        return self

    def predict(self, Z: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Return the difference that the arm makes to the prediction."""
        Z = Z if which is None else Z[which]
        values = [
            self.parts[0].predict(self._with_arm(Z, np.full(len(Z), arm)))
            for arm in range(self.arms)
        ]
        return np.asarray(np.column_stack(values[1:]) - values[0][:, None])

    def _with_arm(self, Z: np.ndarray, codes: np.ndarray) -> np.ndarray:
        arms = (codes[:, None] == np.arange(1, self.arms)).astype(float)
        products = [Z * arm[:, None] for arm in arms.T] if self.products else []
        return np.column_stack([Z, arms, *products])


class TLearner(EffectModel):
    """A model of the outcome per arm; the effect is their difference (Künzel et al. 2019)."""

    def fit(self, which: np.ndarray) -> EffectModel:
        """Learn the outcome of each arm."""
        rows = self.setting.rows
        self.parts = [
            self.setting.outcome(self.setting.Z, np.flatnonzero(which & (rows.codes == arm)))
            for arm in range(rows.arms)
        ]
        return self

    def predict(self, Z: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Return the differences to the control's model."""
        values = super().predict(Z, which)
        return np.asarray(values[:, 1:] - values[:, :1])


class XLearner(EffectModel):
    """Effects imputed in either arm from the other arm's model, then blended (Künzel et al. 2019).

    The weight of the two is the arm's mean chance among the two arms. The arms' models learn from
    the rows at hand alone, as an imputed effect is only as right as they are: learned from other
    folds, they would tell of the outcomes that are to be predicted.
    """

    def prepare(self) -> None:
        """Take the columns for the arms' models."""
        self.wide = self.setting.rows.with_blocks(self.setting.outcome_columns)

    def fit(self, which: np.ndarray) -> EffectModel:
        """Learn the outcome of each arm, then the effects."""
        setting, rows = self.setting, self.setting.rows
        lessons = [
            rows.lesson(
                self.wide, np.flatnonzero(which & (rows.codes == arm)), setting.outcome_design
            )
            for arm in range(rows.arms)
        ]
        self.outcomes = [setting.outcome_learner.outcome(lesson) for lesson in lessons]
        return super().fit(which)

    def fit_arm(self, which: np.ndarray, arm: int) -> Predictor:
        """Learn the effect from the treated and from the control rows."""
        rows, nuisance = self.setting.rows, self.setting.nuisance
        which = which & self.setting.possible[:, arm - 1]
        treated, control = (np.flatnonzero(which & (rows.codes == a)) for a in (arm, 0))
        without, with_it = self.outcomes[0], self.outcomes[arm]
        of_treated = rows.y[treated] - without.predict(self.wide[treated])
        of_control = with_it.predict(self.wide[control]) - rows.y[control]
        pair = np.append(treated, control)
        share = float(nuisance.share(arm)[pair].mean()) if len(pair) else 0.5
        fits = (self.setting.effect(treated, of_treated), self.setting.effect(control, of_control))
        return Blend(*fits, share)


@dataclass(frozen=True)
class Blend:
    """Two models of an effect, each weighing as the other arm was likely."""

    of_treated: Predictor
    of_control: Predictor
    share: float

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return their weighted mean, shape (n,)."""
        treated, control = self.of_treated.predict(Z), self.of_control.predict(Z)
        return np.asarray(self.share * control + (1 - self.share) * treated)


class RLearner(EffectModel):
    """What is left of the outcome on what is left of the assignment (Nie & Wager 2021).

    Pair by pair: the arm and the control, the chances renormalised.
    """

    def prepare(self) -> None:
        """Estimate the outcome given the columns alone, for each pair of arm and control."""
        setting, rows = self.setting, self.setting.rows
        wide = rows.with_blocks(setting.outcome_columns)
        learner, design = setting.outcome_learner, setting.outcome_design

        def fit(which: np.ndarray) -> Predictor:
            return learner.outcome(rows.lesson(wide, which, design))

        pairs = [np.isin(rows.codes, (0, arm)) for arm in range(1, rows.arms)]
        self.means = [cross_fit(rows.fold, wide, fit, pair) for pair in pairs]

    def fit_arm(self, which: np.ndarray, arm: int) -> Predictor:
        """Learn the effect by weighted squares."""
        rows = self.setting.rows
        pair = np.isin(rows.codes, (0, arm)) & self.setting.possible[:, arm - 1]
        mine = np.flatnonzero(which & pair)
        left = (rows.codes[mine] == arm) - self.setting.nuisance.share(arm)[mine]
        target = (rows.y[mine] - self.means[arm - 1][mine]) / left
        return self.setting.effect(mine, target, left**2)


class DRLearner(EffectModel):
    """The doubly robust score regressed on the columns (Kennedy 2023, on all rows).

    Right on average where either the chances or the outcome models are; of the five the only one.
    """

    def prepare(self) -> None:
        """Add up what straight lines need of the scores."""
        cells, learner = self.setting.cells, self.setting.learner
        self.targets: Targets | None = None
        if cells is not None and learner.linear and learner.name != TWO_PART:
            self.targets = Targets(cells, self.setting.nuisance.gamma)

    def fit(self, which: np.ndarray) -> EffectModel:
        """Learn from some rows; where arms learn from each other, what they share first."""
        if self.setting.learner.name == TWO_PART:
            rows = self.setting.rows
            given = self.setting.Z, rows.y, rows.codes, self.arms, which
            self.parts = [*two_part_effects(*given)]
            return self
        if self.targets is None or self.setting.learner.name != POOLED or self.arms < 3:
            return super().fit(which)
        self.parts = list(self.targets.pooled(which & self.setting.possible.all(axis=1)))
        return self

    def fit_arm(self, which: np.ndarray, arm: int) -> Predictor:
        """Learn the mean of the score."""
        which = which & self.setting.possible[:, arm - 1]
        if self.targets is not None:
            free = self.setting.learner.effect is unshrunk_effect
            return self.targets.line(which, arm - 1, 0.0 if free else None)
        mine = np.flatnonzero(which)
        return self.setting.effect(mine, self.setting.nuisance.gamma[mine, arm - 1])


_ALL = SLearner, TLearner, XLearner, RLearner, DRLearner
KINDS: dict[str, type[EffectModel]] = dict(zip(("s", "t", "x", "r", "dr"), _ALL, strict=True))


class Shared:
    """What models of the same rows share: folds, columns, chances, expected outcomes.

    Each part is worked out once, when it is first asked for.

    Parameters
    ----------
    experiment : Experiment
    outcome : str, optional
        The first by default.
    folds, seed : int
    clip : float
        Lowest estimated chance of an arm.
    like : Shared, optional
        Of another outcome of the same decisions: all but the outcome is its.
    """

    def __init__(
        self,
        experiment: Experiment,
        outcome: str | None,
        folds: int,
        seed: int,
        clip: float,
        like: Shared | None = None,
    ) -> None:
        if like is not None:
            self.__dict__ |= like.__dict__
        else:
            self.clip = clip
            self.fold = folds_of(experiment.frame[experiment.customer_id], folds, seed)
            self._columns: dict[str, tuple[Design, np.ndarray, np.ndarray]] = {}
            self._cells: dict[str, Cells] = {}
        self.experiment, self.outcome = experiment, outcome or experiment.outcomes[0]
        self.rows = rows_of(experiment, outcome, self.fold, folds, seed)

    def columns(self, style: str) -> tuple[Design, np.ndarray]:
        """Return the columns in a style, and what made them."""
        return self._wide(style)[:2]

    def _wide(self, style: str) -> tuple[Design, np.ndarray, np.ndarray]:
        """Return the same, and the columns with those of the rounds."""
        if style not in self._columns:
            X = self.experiment.X  # a copy, and dear to keep
            design = Design.learn(X, style)
            p = len(design.sources)
            wide = self.rows.before_blocks(p)
            design.matrix(X, wide[:, :p])
            self._columns[style] = design, wide[:, :p], wide
        return self._columns[style]

    def _of_arms(self) -> Cells:
        """Return the rows that straight lines of outcomes learn from together."""
        if "arms" not in self._cells:
            self._cells["arms"] = Cells(self._wide("encoded")[2], arms_and_folds(self.rows))
        return self._cells["arms"]

    def _of_folds(self, pooled: bool) -> Cells:
        """Return the same of effects; where arms learn from each other, by parts of customers."""
        name = POOLED if pooled else "folds"
        if name not in self._cells:
            code = self.fold
            for possible in kept_rows(self.chances, None).T:
                code = np.unique(2 * code + possible, return_inverse=True)[1]
            cluster = self.rows.cluster if pooled else None
            self._cells[name] = Cells(self.columns("encoded")[1], code, cluster)
        return self._cells[name]

    @cached_property
    def chances(self) -> np.ndarray:
        """Chances of the arms, (n, K)."""
        if self.experiment.propensity is not None:
            return np.asarray(self.experiment.propensity)
        return estimate_propensity(self.rows, self.columns("encoded")[1], self.clip)

    def nuisance(self, learner: BaseLearner, rows: Rows) -> Nuisance:
        """Return expected outcomes and scores of rows: the experiment's, or of another outcome."""
        design, _, wide = self._wide(learner.style)
        cells = self._of_arms() if learner.linear else None
        return fit_nuisance(rows, wide, design, learner, self.chances, cells)

    def setting(self, learner: BaseLearner, outcome_learner: BaseLearner) -> Setting:
        """Return all that an effect model learns from."""
        (design, Z), (there, W) = self.columns(learner.style), self.columns(outcome_learner.style)
        nuisance = self.nuisance(outcome_learner, self.rows)
        cells = self._of_folds(learner.name == POOLED) if learner.linear else None
        return Setting(self.rows, Z, design, learner, W, there, outcome_learner, nuisance, cells)

    def told_early(self, setting: Setting) -> Setting:
        """Return the same of the experiment's early outcome, where the outcome has one."""
        early = self.experiment.early
        if not early or self.outcome != self.experiment.outcomes[0]:
            return setting
        rows = replace(self.rows, y=self.experiment.y(early[0]), binary=False)
        return self._of_other(setting, self._steadied(rows) or rows)

    def smoothed(self, setting: Setting) -> Setting:
        """Return the same with each basket as expected, where the outcome is heavy-tailed money."""
        rows = self._steadied(self.rows)
        if rows is None and setting.learner.name == TWO_PART:
            raise InputError(
                f'the learner "two_part" is for heavy-tailed money, and {self.outcome} is none '
                "(nothing below 0, at least 10 % zeros, the others' standard deviation above their "
                'mean); give another learner, such as "ridge"'
            )
        return setting if rows is None else self._of_other(setting, rows)

    def _steadied(self, rows: Rows) -> Rows | None:
        return smoothed(rows, self._wide("encoded")[2]) if heavy_tailed(rows.y) else None

    def _of_other(self, setting: Setting, rows: Rows) -> Setting:
        nuisance = self.nuisance(setting.outcome_learner, rows)
        return replace(setting, rows=rows, nuisance=nuisance)
