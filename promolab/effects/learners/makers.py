"""What learns inside an uplift model: models of an outcome's mean, and models of an effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from promolab.effects.learners.linear import LinearFit, least_squares, ridge
from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from promolab.effects.learners.rows import Design

__all__ = ["MAKERS", "Chance", "Constant", "Logistic", "Maker", "Predictor", "maker_of"]

L2 = 10.0
"""Penalty of the logistic regression, on standardised columns."""
BOOSTING: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.05,
    "max_leaf_nodes": 4,
    "l2_regularization": 10.0,
    "early_stopping": False,
}
OF_EFFECTS = {**BOOSTING, "max_iter": 50}
"""An effect's stand-in is mostly noise: a third of the trees find what is there."""


class Predictor(Protocol):
    """A fitted model: numbers from a matrix."""

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return a number per row, shape (n,)."""
        ...


class Maker:
    """Makes models of one kind; the columns they want are of one `Design`."""

    style: ClassVar[str] = "encoded"

    def outcome(
        self, Z: np.ndarray, y: np.ndarray, binary: bool, design: Design, seed: int
    ) -> Predictor:
        """Fit the mean of an outcome given the columns."""
        raise NotImplementedError

    def effect(
        self,
        Z: np.ndarray,
        y: np.ndarray,
        design: Design,
        seed: int,
        weight: np.ndarray | None = None,
        cluster: np.ndarray | None = None,
    ) -> Predictor:
        """Fit the mean of an effect's noisy stand-in; with customers, its errors if it has any."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant:
    """The same number for every row."""

    value: float

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return it, shape (n,)."""
        return np.full(len(Z), self.value)


@dataclass(frozen=True)
class Logistic:
    """Chances by logistic regression: weights of the columns, and the intercept."""

    weights: np.ndarray
    intercept: float

    @classmethod
    def fit(
        cls, Z: np.ndarray, y: np.ndarray, l2: float = L2, tol: float | None = None
    ) -> Logistic:
        """Learn outcomes of 0 and 1."""
        from promolab.model.solvers import fit_logistic

        weights, intercept, _ = fit_logistic(Z, y, l2, tol=tol)
        return cls(weights, intercept)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return the chances, shape (n,)."""
        from scipy.special import expit

        return np.asarray(expit(Z @ self.weights + self.intercept))


class Linear(Maker):
    """Straight lines: outcomes by ridge or logistic regression, effects by least squares.

    The effects' coefficients are not shrunk, so each customer's effect has an interval.
    """

    def outcome(
        self, Z: np.ndarray, y: np.ndarray, binary: bool, design: Design, seed: int
    ) -> Predictor:
        """Fit logistic regression for 0 and 1, ridge for anything else."""
        if _constant(y):
            return Constant(_mean(y))
        return Logistic.fit(Z, y) if binary and Z.shape[1] else ridge(Z, y)

    def effect(
        self,
        Z: np.ndarray,
        y: np.ndarray,
        design: Design,
        seed: int,
        weight: np.ndarray | None = None,
        cluster: np.ndarray | None = None,
    ) -> LinearFit:
        """Fit least squares with a robust covariance."""
        return least_squares(Z, y, weight, cluster, errors=cluster is not None)


class Ridge(Linear):
    """Straight lines, the effects' coefficients shrunk as far as cross-validation says."""

    def effect(
        self,
        Z: np.ndarray,
        y: np.ndarray,
        design: Design,
        seed: int,
        weight: np.ndarray | None = None,
        cluster: np.ndarray | None = None,
    ) -> LinearFit:
        """Fit ridge regression."""
        return ridge(Z, y, weight)


class Boosting(Maker):
    """Sums of small trees (histogram gradient boosting), missing values and levels as they are."""

    style: ClassVar[str] = "native"

    def outcome(
        self, Z: np.ndarray, y: np.ndarray, binary: bool, design: Design, seed: int
    ) -> Predictor:
        """Fit boosted trees: of log odds for 0 and 1, of squares for anything else."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        if _constant(y) or not Z.shape[1]:
            return Constant(_mean(y))
        how = {**BOOSTING, "min_samples_leaf": 20, "random_state": seed}
        how["categorical_features"] = design.categorical_or_none(Z.shape[1])
        if binary:
            return Chance(HistGradientBoostingClassifier(**how).fit(Z, y.astype(np.int64)))
        return HistGradientBoostingRegressor(**how).fit(Z, y)

    def effect(
        self,
        Z: np.ndarray,
        y: np.ndarray,
        design: Design,
        seed: int,
        weight: np.ndarray | None = None,
        cluster: np.ndarray | None = None,
    ) -> Predictor:
        """Fit boosted trees with leaves large enough to mean something about an effect."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        if _constant(y) or not Z.shape[1]:
            return Constant(_mean(y, weight))
        leaf = int(np.clip(len(y) // 50, 20, 500))
        how = {**OF_EFFECTS, "min_samples_leaf": leaf, "random_state": seed}
        how["categorical_features"] = design.categorical_or_none(Z.shape[1])
        return HistGradientBoostingRegressor(**how).fit(Z, y, sample_weight=weight)


@dataclass(frozen=True)
class Chance:
    """A classifier as a model of the mean of 0 and 1."""

    classifier: Any

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return the chances of 1, shape (n,)."""
        return np.asarray(self.classifier.predict_proba(Z))[:, 1]


class Given(Maker):
    """Any estimator of scikit-learn, on encoded columns.

    Parameters
    ----------
    make : callable
        Returns a new estimator that is not fitted.
    """

    def __init__(self, make: Any) -> None:
        from sklearn.base import is_classifier

        self.make = make
        self.classifies = bool(is_classifier(make()))

    def _new(self, seed: int) -> Any:
        estimator = self.make()
        known = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
        if "random_state" in known and known["random_state"] is None:
            estimator.set_params(random_state=seed)
        return estimator

    def outcome(
        self, Z: np.ndarray, y: np.ndarray, binary: bool, design: Design, seed: int
    ) -> Predictor:
        """Fit the estimator: a classifier for 0 and 1 alone, a regressor for either."""
        if _constant(y) or not Z.shape[1]:
            return Constant(_mean(y))
        if self.classifies and not binary:
            raise InputError(
                f"the learner {type(self.make()).__name__} is a classifier and the outcome is not "
                "0 or 1; give a regressor"
            )
        fitted = self._new(seed).fit(Z, y.astype(np.int64) if self.classifies else y)
        return Chance(fitted) if self.classifies else fitted

    def effect(
        self,
        Z: np.ndarray,
        y: np.ndarray,
        design: Design,
        seed: int,
        weight: np.ndarray | None = None,
        cluster: np.ndarray | None = None,
    ) -> Predictor:
        """Fit the estimator, which must be a regressor."""
        if self.classifies:
            raise InputError(
                f"the learner {type(self.make()).__name__} is a classifier; an effect is a number: "
                "give a regressor as learner, and the classifier as outcome_learner"
            )
        if _constant(y) or not Z.shape[1]:
            return Constant(_mean(y, weight))
        estimator = self._new(seed)
        if weight is None:
            return estimator.fit(Z, y)
        try:
            return estimator.fit(Z, y, sample_weight=weight)
        except TypeError as error:
            raise InputError(
                f"the learner {type(estimator).__name__} takes no sample_weight, which this kind "
                'of model needs; give another learner or use kind="dr"'
            ) from error


MAKERS = {"linear": Linear, "ridge": Ridge, "boosting": Boosting}


def maker_of(learner: Any) -> Maker:
    """Return what makes the models that ``learner`` names or is.

    Parameters
    ----------
    learner : str, estimator, class or callable
        ``"linear"``, ``"ridge"``, ``"boosting"``; an estimator of scikit-learn (it is cloned), or
        what returns a new one when called.

    Raises
    ------
    InputError
        It is none of these.

    Examples
    --------
    >>> type(maker_of("boosting")).__name__
    'Boosting'
    """
    if isinstance(learner, str):
        if learner not in MAKERS:
            raise InputError(f"learner {learner!r} is unknown; {nearest(learner, MAKERS)}")
        return MAKERS[learner]()
    if hasattr(learner, "fit") and not isinstance(learner, type):
        from sklearn.base import clone

        return Given(lambda: clone(learner))
    if callable(learner) and hasattr(learner(), "fit"):
        return Given(learner)
    raise InputError(
        f"learner is {learner!r}; expected {', '.join(map(repr, MAKERS))}, an estimator of "
        "scikit-learn, or a function that returns one"
    )


def _constant(y: np.ndarray) -> bool:
    return len(y) == 0 or bool((y == y[0]).all())


def _mean(y: np.ndarray, weight: np.ndarray | None = None) -> float:
    if len(y) == 0:
        return 0.0
    return float(y.mean() if weight is None or not weight.sum() > 0 else weight @ y / weight.sum())
