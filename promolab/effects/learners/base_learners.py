"""What learns inside an uplift model: models of an outcome's mean, and models of an effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from promolab.effects.learners.linear import ridge
from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from promolab.effects.learners.aipw import Design


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


@dataclass(frozen=True)
class Lesson:
    """What a model is to learn.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    y : ndarray of shape (n,)
        An outcome, or an effect's noisy stand-in.
    design : Design
        What made the columns, or those on the left.
    seed : int
    binary : bool
        Whether the outcome is 0 or 1.
    weight : ndarray of shape (n,), optional
    """

    Z: np.ndarray
    y: np.ndarray
    design: Design
    seed: int
    binary: bool = False
    weight: np.ndarray | None = None

    @property
    def known(self) -> Constant | None:
        """The mean, where there is nothing else to learn."""
        y, w = self.y, self.weight
        if len(y) and self.Z.shape[1] and not (y == y[0]).all():
            return None
        if w is None or not w.sum() > 0:
            return Constant(float(y.mean()) if len(y) else 0.0)
        return Constant(float(w @ y / w.sum()))

    def boosted(self, options: dict[str, Any], leaf: int) -> dict[str, Any]:
        """Return the options of boosted trees."""
        levels = self.design.categorical_or_none(self.Z.shape[1])
        return {
            **options,
            "min_samples_leaf": leaf,
            "random_state": self.seed,
            "categorical_features": levels,
        }


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


@dataclass(frozen=True)
class Chance:
    """A classifier as a model of the mean of 0 and 1."""

    classifier: Any

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return the chances of 1, shape (n,)."""
        return np.asarray(self.classifier.predict_proba(Z))[:, 1]


def straight_outcome(lesson: Lesson) -> Predictor:
    """Fit logistic regression for 0 and 1, ridge for anything else."""
    if (lesson.y == lesson.y[:1]).all():
        return lesson.known or Constant(float(lesson.y[0]))
    fit = Logistic.fit if lesson.binary and lesson.Z.shape[1] else ridge
    return fit(lesson.Z, lesson.y)


def unshrunk_effect(lesson: Lesson) -> Predictor:
    """Fit least squares."""
    return ridge(lesson.Z, lesson.y, lesson.weight, penalty=0.0)


def ridge_effect(lesson: Lesson) -> Predictor:
    """Fit ridge regression: coefficients are shrunk as far as cross-validation says."""
    return ridge(lesson.Z, lesson.y, lesson.weight)


def boosted_outcome(lesson: Lesson) -> Predictor:
    """Fit boosted trees: of log odds for 0 and 1, of squares for anything else."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if lesson.known:
        return lesson.known
    how = lesson.boosted(BOOSTING, 20)
    if lesson.binary:
        trees = HistGradientBoostingClassifier(**how)
        return Chance(trees.fit(lesson.Z, lesson.y.astype(np.int64)))
    return cast(Predictor, HistGradientBoostingRegressor(**how).fit(lesson.Z, lesson.y))


def boosted_effect(lesson: Lesson) -> Predictor:
    """Fit boosted trees with leaves large enough to mean something about an effect."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    if lesson.known:
        return lesson.known
    leaf = int(np.clip(len(lesson.y) // 50, 20, 500))
    trees = HistGradientBoostingRegressor(**lesson.boosted(OF_EFFECTS, leaf))
    return cast(Predictor, trees.fit(lesson.Z, lesson.y, sample_weight=lesson.weight))


@dataclass(frozen=True)
class BaseLearner:
    """What fits models of outcomes and of effects.

    Parameters
    ----------
    name : str
    outcome : callable
        Fits the mean of an outcome given the columns.
    effect : callable
        Fits the mean of an effect's noisy stand-in.
    style : {"encoded", "native"}
        The columns it wants (`Design`).
    """

    name: str
    outcome: Callable[[Lesson], Predictor]
    effect: Callable[[Lesson], Predictor]
    style: str = "encoded"

    @property
    def linear(self) -> bool:
        """Whether outcomes are straight lines: what differs by arm needs products of columns."""
        return self.outcome is straight_outcome


POOLED = "pooled"
"""As ridge, and arms learn from each other: a straight line that all have in common and one of its
own for each, of the few columns that foretell customers who were left out (`pooled_lines`);
averages and slopes of the arms are drawn together as far as they cannot be told apart."""
TWO_PART = "two_part"
"""Of heavy-tailed money: what an arm does to buying, and what to baskets (`two_part_effects`)."""
BASE_LEARNERS = {
    each.name: each
    for each in (
        BaseLearner("linear", straight_outcome, unshrunk_effect),
        BaseLearner("ridge", straight_outcome, ridge_effect),
        BaseLearner(POOLED, straight_outcome, ridge_effect),
        BaseLearner(TWO_PART, straight_outcome, ridge_effect),
        BaseLearner("boosting", boosted_outcome, boosted_effect, "native"),
    )
}


def base_learner(learner: Any) -> BaseLearner:
    """Return what fits the models that ``learner`` names or is.

    Parameters
    ----------
    learner : str, estimator, class or callable
        ``"linear"``, ``"ridge"``, ``"pooled"``, ``"two_part"``, ``"boosting"``; an estimator of
        scikit-learn (it is cloned), or what returns a new one when called.

    Raises
    ------
    InputError
        It is none of these.

    Examples
    --------
    >>> base_learner("boosting").style
    'native'
    """
    if isinstance(learner, str):
        if learner not in BASE_LEARNERS:
            raise InputError(f"learner {learner!r} is unknown; {nearest(learner, BASE_LEARNERS)}")
        return BASE_LEARNERS[learner]
    if hasattr(learner, "fit") and not isinstance(learner, type):
        from sklearn.base import clone

        return _of_estimator(lambda: clone(learner))
    if callable(learner) and hasattr(learner(), "fit"):
        return _of_estimator(learner)
    raise InputError(
        f"learner is {learner!r}; expected {', '.join(map(repr, BASE_LEARNERS))}, an estimator of "
        "scikit-learn, or a function that returns one"
    )


def _of_estimator(make: Callable[[], Any]) -> BaseLearner:
    """Return an estimator of scikit-learn as a learner, on encoded columns."""
    from sklearn.base import is_classifier

    classifies, name = bool(is_classifier(make())), type(make()).__name__

    def new(seed: int) -> Any:
        estimator = make()
        known = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
        if "random_state" in known and known["random_state"] is None:
            estimator.set_params(random_state=seed)
        return estimator

    def outcome(lesson: Lesson) -> Predictor:
        if lesson.known:
            return lesson.known
        if classifies and not lesson.binary:
            raise InputError(
                f"the learner {name} is a classifier and the outcome is not 0 or 1; give a "
                "regressor"
            )
        target = lesson.y.astype(np.int64) if classifies else lesson.y
        fitted = new(lesson.seed).fit(lesson.Z, target)
        return Chance(fitted) if classifies else fitted

    def effect(lesson: Lesson) -> Predictor:
        if classifies:
            raise InputError(
                f"the learner {name} is a classifier; an effect is a number: give a regressor as "
                "learner, and the classifier as outcome_learner"
            )
        if lesson.known:
            return lesson.known
        weights = {} if lesson.weight is None else {"sample_weight": lesson.weight}
        try:
            return cast(Predictor, new(lesson.seed).fit(lesson.Z, lesson.y, **weights))
        except TypeError as error:
            if not weights:
                raise
            raise InputError(
                f"the learner {name} takes no sample_weight, which this kind of model needs; give "
                'another learner or use kind="dr"'
            ) from error

    return BaseLearner(name, outcome, effect)
