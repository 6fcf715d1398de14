"""EconML's causal forest as a way from outcomes to effects."""

from __future__ import annotations

from typing import Any

import numpy as np

from promolab.errors import MissingExtraError
from promolab.model.uplift.learners import EffectModel

__all__ = ["ForestLearner"]

OPTIONS: dict[str, Any] = {
    "n_estimators": 500,
    "min_samples_leaf": 10,
    "max_samples": 0.45,
    "min_balancedness_tol": 0.45,
    "honest": True,
    "inference": True,
    "n_jobs": 1,
}


class ForestLearner(EffectModel):
    """A causal forest on what is left of outcomes and assignment (Athey, Tibshirani & Wager 2019).

    The forest is EconML's (``econml.grf.CausalForest``, the last stage of its
    ``CausalForestDML``); what is left comes from the outcome models and chances that all learners
    share, so known chances are used as they are.
    """

    def prepare(self) -> None:
        """Find the forest, and what is left of outcomes and assignment."""
        try:
            from econml.grf import CausalForest
        except ImportError as error:
            raise MissingExtraError("a causal forest", "uplift") from error
        rows, nuisance = self.setting.rows, self.setting.nuisance
        self.make = CausalForest
        mean = (nuisance.propensity * nuisance.mu).sum(axis=1)
        arms = np.arange(1, rows.arms)
        self.outcome = rows.y - mean
        self.assigned = (rows.codes[:, None] == arms) - nuisance.propensity[:, 1:]
        self.Z = self._columns(self.setting.Z)

    def _columns(self, Z: np.ndarray) -> np.ndarray:
        # A forest wants a column and no missing values.
        known = np.where(np.isnan(Z), -1e6, Z)
        return known if Z.shape[1] else np.zeros((len(Z), 1))

    def fit(self, which: np.ndarray) -> ForestLearner:
        """Grow the forest on some rows."""
        which = which & (self.setting.nuisance.propensity[:, 0] > 0)
        forest = self.make(**OPTIONS, random_state=self.setting.rows.seed)
        self.forest = forest.fit(self.Z[which], self.assigned[which], self.outcome[which])
        return self

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return the effects, shape (n, K − 1)."""
        return np.asarray(self.forest.predict(self._columns(Z))).reshape(len(Z), -1)

    def std_error(self, Z: np.ndarray) -> np.ndarray:
        """Return the forest's own standard errors (rows taken as independent)."""
        _, variance = self.forest.predict_and_var(self._columns(Z))
        diagonal = np.diagonal(np.asarray(variance).reshape(len(Z), *variance.shape[1:]), 0, 1, 2)
        return np.sqrt(np.maximum(diagonal, 0.0))
