"""What a fitted uplift model tells: effects, averages, groups, the best arm, what they rest on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import Experiment
from promolab.errors import InputError
from promolab.metrics.intervals import normal_quantile
from promolab.model._inputs import as_frame
from promolab.model.uplift.effects import (
    average_table,
    best_of,
    costs_of,
    effect_table,
    equal_groups,
    group_tables,
    groups_from,
)
from promolab.model.uplift.effects_result import AverageEffects, GroupEffects
from promolab.model.uplift.identification import Identification
from promolab.model.uplift.rows import steady

if TYPE_CHECKING:
    import pandas as pd

    from promolab.model.uplift.checks_result import UpliftChecks
    from promolab.model.uplift.effect_importance import EffectImportance
    from promolab.model.uplift.learners import EffectModel, Setting
    from promolab.model.uplift.nuisance import Nuisance
    from promolab.model.uplift.sensitivity import Sensitivity

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
    _setting: Setting
    _model: EffectModel
    _effects: np.ndarray | None

    @property
    def identification_(self) -> Identification:
        """By what right differences are called effects."""
        return self.checks_.identification

    @property
    def treatments_(self) -> tuple[Any, ...]:
        """The arms but the control."""
        self._fitted()
        return tuple(self.arms_[1:])

    @property
    def scores_(self) -> pd.DataFrame:
        """Doubly robust scores of the effects; nan where a row could not have got the arm."""
        import pandas as pd

        self._fitted()
        return pd.DataFrame(self.nuisance_.gamma, columns=list(self.treatments_))

    @property
    def effects_(self) -> pd.DataFrame:
        """Effects predicted for the training rows, each by a model of the other folds."""
        import pandas as pd

        self._fitted()
        if self._effects is None:
            self._effects = self._predict_folds(lambda fold: self.fold_ != fold)
        return pd.DataFrame(self._effects, columns=list(self.treatments_))

    def forward_effects(self) -> pd.DataFrame:
        """Return effects predicted for the training rows, each by a model of earlier folds.

        The first fold is nan: nothing comes before it. Where every fold is predicted from all
        others, folds that are alike by chance confirm each other: where there is nothing to find,
        the standard deviation of a Qini is up to √2 times its standard error. Forward it is not, at
        the price of less data: use it to test whether there is anything to target.

        References
        ----------
        Luedtke & van der Laan (2016), Annals of Statistics 44(2); Wager (2024), "Sequential
        validation of treatment heterogeneity", arXiv 2405.05534.
        """
        import pandas as pd

        self._fitted()
        values = self._predict_folds(lambda fold: self.fold_ < fold, first=1)
        return pd.DataFrame(values, columns=list(self.treatments_))

    def ranks(self, *, forward: bool = False) -> pd.DataFrame:
        """Return the place of each training row by its predicted effect within its fold, 1 highest.

        What ranks customers in an evaluation: the levels of two folds' models differ by chance,
        in the other direction than what was held out of them, so effects of several folds in one
        list look worse than they are.

        Parameters
        ----------
        forward : bool
            By `forward_effects`; the first fold has no rank (nan).

        Examples
        --------
        >>> import pandas as pd
        >>> from promolab import UpliftModel
        >>> rng = np.random.default_rng(0)
        >>> rows = pd.DataFrame({"customer_id": range(900), "age": rng.normal(size=900)})
        >>> rows["mail"], rows["y"] = np.arange(900) % 2, rng.normal(size=900)
        >>> trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=[[0.5, 0.5]] * 900)
        >>> ranks = UpliftModel().fit(trial).ranks(forward=True)[1]
        >>> int(ranks.isna().sum()), float(ranks.max())
        (180, 1.0)
        """
        effects = self.forward_effects() if forward else self.effects_
        return effects.groupby(self.fold_).rank(method="average", pct=True)

    def _predict_folds(self, train: Callable[[int], np.ndarray], first: int = 0) -> np.ndarray:
        effects = np.full((len(self.fold_), len(self.treatments_)), np.nan)
        with steady(self._setting.Z.size):
            for fold in range(first, self.folds):
                there = self.fold_ == fold
                model = copy.copy(self._model).fit(train(fold))
                effects[there] = model.predict(self._setting.Z[there])
        return effects

    def predict(self, X: Any) -> np.ndarray:
        """Return the effect of each arm but the control, shape (n, K − 1).

        Parameters
        ----------
        X : DataFrame or Experiment
            With the covariates, in any order.
        """
        self._fitted()
        Z = self._matrix(X)
        with steady(Z.size):
            return self._model.predict(Z)

    def effect(self, X: Any, level: float = 0.95) -> pd.DataFrame:
        """Return the effect of each arm per customer, with an interval where there is one.

        Parameters
        ----------
        X : DataFrame or Experiment of n rows
            With the covariates, in any order.
        level : float
            Of the intervals, each for itself.

        Returns
        -------
        DataFrame of n rows
            Columns (arm, ``effect``), (arm, ``ci_low``) and (arm, ``ci_high``), in the outcome's
            unit per decision. Intervals are those of kind ``"dr"`` with a linear learner (robust
            to unequal spread and clustered by customer: they hold where the effect is linear in
            the columns) and of ``"forest"``; else nan.
        """
        import pandas as pd

        self._fitted()
        Z, z = self._matrix(X), normal_quantile(level)
        with steady(Z.size):
            values, errors = self._model.predict(Z), self._model.std_error(Z)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return effect_table(values, errors, z, self.treatments_, index)

    def average(self, level: float = 0.95) -> AverageEffects:
        """Return the average effect of each arm, over all rows that could have got it.

        Parameters
        ----------
        level : float
            Of the intervals.
        """
        self._fitted()
        normal_quantile(level)
        table, alone = average_table(
            self._setting.rows, self.nuisance_, self.kept_, self.treatments_, level
        )
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
        self._fitted()
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

    def best_arm(self, X: Any, cost: Any = None) -> pd.DataFrame:
        """Return for each customer the arm that gains most, which may be none.

        Parameters
        ----------
        X : DataFrame or Experiment of n rows
            With the covariates.
        cost : number, {arm: number} or array-like of shape (n, K − 1), optional
            Of each arm but the control, ≥ 0, in the unit of the outcome.

        Returns
        -------
        DataFrame of n rows
            arm, and gain: its effect less its cost. Of equal arms the earlier; the control where
            none gains more than 0.
        """
        import pandas as pd

        effect = self.predict(X)
        arm, gain = best_of(effect - costs_of(cost, len(effect), self.treatments_), self.arms_)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame({"arm": arm, "gain": gain}, index=index)

    def importance(self, *, rows: int = 20_000, level: float = 0.95) -> EffectImportance:
        """Return how much each covariate moves the predicted effects, and what that is good for.

        Parameters
        ----------
        rows : int
            At most so many are looked at.
        level : float
            Of the intervals.
        """
        from promolab.model.uplift.effect_importance import importance_of

        self._fitted()
        return importance_of(self, self._setting, self._model, rows, level)

    def sensitivity(self, level: float = 0.95) -> Sensitivity:
        """Return what selection did, and how strong a hidden cause would explain the effect away.

        Parameters
        ----------
        level : float
            Of the intervals.
        """
        from promolab.model.uplift.sensitivity import sensitivity_of

        self._fitted()
        return sensitivity_of(self, level)

    def _matrix(self, X: Any) -> np.ndarray:
        X = as_frame(X.X if isinstance(X, Experiment) else X)
        return self._setting.design.matrix(X)

    def _fitted(self) -> None:
        if not hasattr(self, "_setting"):
            raise InputError("the uplift model has not learned yet; call fit(experiment) first")
