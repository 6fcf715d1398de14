"""What a fitted uplift model tells: effects, averages, groups, the best arm, what they rest on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import Experiment
from promolab.effects.averages import (
    AverageEffects,
    GroupEffects,
    average_table,
    best_of,
    costs_of,
    effect_table,
    equal_groups,
    group_tables,
    groups_from,
)
from promolab.effects.best_arm import BestArmValue, best_arm_value
from promolab.effects.calibrated import ALL_ALIKE, CONSTANT, CalibratedEffects, place_within
from promolab.effects.identification import Identification, lines
from promolab.effects.learners.rows import steady
from promolab.errors import InputError
from promolab.model.inputs import as_frame
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects.calibrated import Forward
    from promolab.effects.candidates import Candidates, DrawnEffects
    from promolab.effects.identification import UpliftChecks
    from promolab.effects.importance import EffectImportance
    from promolab.effects.learners.aipw import Nuisance
    from promolab.effects.learners.learners import EffectModel
    from promolab.effects.sensitivity import Sensitivity

__all__ = ["Fitted"]


class Fitted:
    """What `promolab.UpliftModel` can tell once it has learned."""

    seed: int
    folds: int
    arms_: tuple[Any, ...]
    outcome_: str
    experiment_: Experiment
    checks_: UpliftChecks
    nuisance_: Nuisance
    fold_: np.ndarray
    cluster_: np.ndarray
    kept_: np.ndarray
    identification_: Identification
    _model: EffectModel
    _candidates: Candidates | None
    _saved: tuple[DrawnEffects, AverageEffects]

    @property
    def treatments_(self) -> tuple[Any, ...]:
        """The arms but the control."""
        self._fitted()
        return tuple(self.arms_[1:])

    @property
    def scores_(self) -> pd.DataFrame:
        """Doubly robust scores of the effects; nan where a row could not have got the arm."""
        import pandas as pd

        self._rows()
        return pd.DataFrame(self.nuisance_.gamma, columns=list(self.treatments_))

    @property
    def effects_(self) -> pd.DataFrame:
        """Calibrated effects of the training rows, each predicted by a model of the other folds."""
        import pandas as pd

        return pd.DataFrame(self._rows().out_of_fold, columns=list(self.treatments_))

    @property
    def calibrated_(self) -> CalibratedEffects:
        """How far predicted effects come true, and so how far they are drawn to the average."""
        self._fitted()
        return self._drawn().result

    @property
    def forward_(self) -> Forward:
        """Effects predicted forward, each fold of customers by models of the folds before it."""
        return self._rows().forward

    def forward_effects(self) -> pd.DataFrame:
        """Return effects predicted for the training rows, each by a model of earlier folds.

        As the learner predicts them that did best in folds before: to rank by, within a fold. The
        first fold is nan: nothing comes before it. Use it to test whether there is anything to
        target (`promolab.effects.calibrated` says why).
        """
        import pandas as pd

        return pd.DataFrame(self.forward_.order, columns=list(self.treatments_))

    def percentiles(self, *, forward: bool = False) -> pd.DataFrame:
        """Return the place of each training row within its fold by its effect, 0 to 1.

        The highest is near 1, equal effects share the mean place, and where all are equal everybody
        has 0.5. What ranks customers in an evaluation: the levels of two folds' models differ by
        chance, so that effects of several folds in one list look worse than they are.

        Parameters
        ----------
        forward : bool
            By `forward_effects`; the first fold has no place (nan).

        Examples
        --------
        >>> import pandas as pd
        >>> from promolab import UpliftModel
        >>> rng = np.random.default_rng(0)
        >>> rows = pd.DataFrame({"customer_id": range(900), "age": rng.normal(size=900)})
        >>> rows["mail"], rows["y"] = np.arange(900) % 2, rng.normal(size=900)
        >>> trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=[[0.5, 0.5]] * 900)
        >>> places = UpliftModel().fit(trial).percentiles(forward=True)[1]
        >>> int(places.isna().sum()), round(float(places.max()), 3)
        (180, 0.997)
        """
        effects = self.forward_effects() if forward else self.effects_
        return effects.apply(lambda column: place_within(column.to_numpy(), self.fold_))

    def ranks(self, *, forward: bool = False) -> pd.DataFrame:
        """Return the rank of each training row by its effect: whole numbers, 1 the highest.

        Equal effects have equal ranks, across folds as well; where all effects are equal, all rank
        1, and a warning says that there is nothing to rank by. Shares are `percentiles`.

        Parameters
        ----------
        forward : bool
            By the place within the fold of `forward_effects`; the first fold has no rank.

        Examples
        --------
        >>> import pandas as pd
        >>> from promolab import UpliftModel
        >>> rng = np.random.default_rng(0)
        >>> rows = pd.DataFrame({"customer_id": range(900), "age": rng.normal(size=900)})
        >>> rows["mail"] = np.arange(900) % 2
        >>> rows["y"] = rows["mail"] * rows["age"] + rng.normal(size=900)
        >>> trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=[[0.5, 0.5]] * 900)
        >>> ranks = UpliftModel().fit(trial).ranks()[1]
        >>> int(ranks.min()), int(ranks.max()), round(float(rows.loc[ranks.idxmin(), "age"]), 1)
        (1, 900, 3.1)
        """
        places = self.percentiles(forward=True) if forward else self.effects_
        known = places
        if not forward:
            # What differs by rounding alone is equal.
            unit = 1e-6 * self.average().table["std_error"].to_numpy()
            known = places.div(np.where(unit > 0, unit, 1.0)).round()
        if (known.max() == known.min()).all():
            warnings.warn(f"nothing to rank by: {ALL_ALIKE}", stacklevel=2)
        return known.rank(ascending=False, method="min").astype("Int64" if forward else "int64")

    def predict(self, X: Any, *, calibrated: bool = True) -> np.ndarray:
        """Return the effect of each arm but the control, shape (n, K − 1).

        Parameters
        ----------
        X : DataFrame or Experiment
            With the covariates, in any order.
        calibrated : bool
            Drawn to the average as far as predictions come true (`calibrated_`); False gives what
            the learner (``"linear"`` by default) says as it is.
        """
        return self._effects(X, calibrated)[0]

    def effect(self, X: Any, level: float = 0.95, *, calibrated: bool = True) -> pd.DataFrame:
        """Return the effect of each arm per customer, with its interval.

        Parameters
        ----------
        X : DataFrame or Experiment of n rows
            With the covariates, in any order.
        level : float
            Of the intervals, each for itself.
        calibrated : bool
            As `predict`.

        Returns
        -------
        DataFrame of n rows
            Columns (arm, ``effect``), (arm, ``ci_low``) and (arm, ``ci_high``), in the outcome's
            unit per decision. The interval is that of the average effect among customers with the
            same prediction (Chernozhukov et al. 2018, arXiv 1712.04802), clustered by customer;
            where nobody can be told apart, that of the average effect. Not calibrated, it is that
            of the customer's own effect, where kind ``"dr"`` with a linear learner (where the
            effect is linear in the columns) or ``"forest"`` has one; else nan.
        """
        import pandas as pd

        normal_quantile(level)
        values, half = self._effects(X, calibrated, level)
        index = X.index if isinstance(X, pd.DataFrame) else None
        table = effect_table(values, half, self.treatments_, index)
        if calibrated and (self._candidates is not None or level == self._saved[1].level):
            # Where everybody has the average, there is one interval of it.
            for row, learner in zip(
                lines(self.average(level).table), self._drawn().drawing.learners, strict=True
            ):
                if learner == CONSTANT:
                    ends = [row.effect, row.ci_low, row.ci_high]
                    table[row.arm] = np.tile(ends, (len(table), 1))
        return table

    def _effects(
        self, X: Any, calibrated: bool, level: float = 0.95
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return effects and half the widths of their intervals."""
        self._fitted()
        X = as_frame(X.X if isinstance(X, Experiment) else X)
        if calibrated:
            drawn = self._drawn()
            away = drawn.away(X)
            return drawn.drawing.effects(away), drawn.drawing.half(away, level)
        setting = self._rows().setting
        Z = setting.design.matrix(X)
        with steady(Z.size):
            values, errors = self._model.predict(Z), self._model.std_error(Z)
        return values, None if errors is None else normal_quantile(level) * errors

    def average(self, level: float = 0.95) -> AverageEffects:
        """Return the average effect of each arm, over all rows that could have got it.

        Parameters
        ----------
        level : float
            Of the intervals.
        """
        self._fitted()
        normal_quantile(level)
        if self._candidates is None and level == self._saved[1].level:
            return self._saved[1]
        rows = self._rows().setting.rows
        table, alone = average_table(rows, self.nuisance_, self.kept_, self.treatments_, level)
        control, right = self.arms_[0], self.identification_
        return AverageEffects(table, self.outcome_, control, level, right, alone)

    def by_group(self, groups: Any, level: float = 0.95) -> GroupEffects:
        """Return the average effect of each arm in each group.

        Parameters
        ----------
        groups : str, array-like of shape (n,), or int
            A column of the experiment's frame; the group of each row (missing: in none); or a
            number of equal groups by predicted effect, each arm's own, predicted out of fold.
        level : float
            Of the intervals.

        Raises
        ------
        InputError
            No such column, another length, or groups that an outcome could have made.
        """
        self._rows()
        normal_quantile(level)
        if isinstance(groups, int) and not isinstance(groups, bool):
            effects = self.effects_.to_numpy()
            cut = [equal_groups(column, self.fold_, groups) for column in effects.T]
            by = "predicted effect (out of fold)"
        else:
            by, codes, names = groups_from(self.experiment_, groups)
            cut = [(codes, names)] * len(self.treatments_)
        tables = group_tables(
            self.nuisance_.gamma, self.kept_, self.cluster_, self.treatments_, cut, level
        )
        return GroupEffects(*tables, self.outcome_, self.arms_[0], level, self.identification_, by)

    def best_arm(self, X: Any, cost: Any = None) -> pd.Series:
        """Return for each customer the arm with the largest effect less cost, which may be none.

        What that gains is another question, and `best_arm_value` answers it: the effects by which
        the best was chosen are too good to be true of it.

        Parameters
        ----------
        X : DataFrame or Experiment of n rows
            With the covariates.
        cost : number, {arm: number} or array-like of shape (n, K − 1), optional
            Of each arm but the control, ≥ 0, in the unit of the outcome.

        Returns
        -------
        Series of n arms
            Of equal arms the earlier; the control where none is worth more than its cost.
        """
        import pandas as pd

        effect = self.predict(X)
        arm = best_of(effect - costs_of(cost, len(effect), self.treatments_), self.arms_)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.Series(arm, index=index, name="arm")

    def best_arm_value(self, cost: Any = None, level: float = 0.95) -> BestArmValue:
        """Return what the best arm gains over none, beside giving everybody the same.

        Each fold of customers is decided by what the other folds tell: of a choice made on the same
        rows neither the gain nor its interval would be right.

        Parameters
        ----------
        cost : number, {arm: number} or array-like of shape (n, K − 1), optional
            Of each arm but the control, ≥ 0, in the unit of the outcome; n the training rows.
        level : float
            Of the intervals.
        """
        rows = self._rows()
        costs = costs_of(cost, rows.setting.rows.n, self.treatments_)
        average = self.average(level)
        return best_arm_value(rows, costs, average, self.arms_)

    def importance(self, *, rows: int = 20_000, level: float = 0.95) -> EffectImportance:
        """Return how much each covariate moves the predicted effects, and what that is good for.

        Parameters
        ----------
        rows : int
            At most so many are looked at.
        level : float
            Of the intervals.
        """
        from promolab.effects.importance import importance_of

        return importance_of(self, self._rows().setting, self._model, rows, level)

    def sensitivity(self, level: float = 0.95) -> Sensitivity:
        """Return what selection did, and how strong a hidden cause would explain the effect away.

        Parameters
        ----------
        level : float
            Of the intervals.
        """
        from promolab.effects.sensitivity import sensitivity_of

        self._rows()
        return sensitivity_of(self, level)

    def _drawn(self) -> DrawnEffects:
        self._fitted()
        return self._saved[0] if self._candidates is None else self._candidates.drawn

    def _rows(self) -> Candidates:
        """Return what was learned from; a model that was loaded has no rows."""
        self._fitted()
        if self._candidates is None:
            raise InputError(
                "a saved uplift model holds no rows of its experiment: it predicts effects, knows "
                "the averages, and chooses the best arm; for the rest fit it again"
            )
        return self._candidates

    def _fitted(self) -> None:
        if not hasattr(self, "arms_"):
            raise InputError("the uplift model has not learned yet; call fit(experiment) first")
