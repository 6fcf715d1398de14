"""How a response model is written to a file and read again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from promolab.errors import InputError, PromolabError, nearest
from promolab.model.inputs.reading import as_frame
from promolab.model.learners import learner_class, make_learner
from promolab.results import read_values, write_values

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from promolab.model.learners import Learner


class NotFitted(InputError, NotFittedError):  # type: ignore[misc]  # noqa: N818
    """The model was asked for something before it learned; scikit-learn knows it as well."""


class Estimator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The side of the door that faces scikit-learn.

    The options of a kind are parameters like any other: ``get_params`` gives those that were set,
    ``set_params`` takes every one that the kind has.
    """

    kind: str
    _given: dict[str, Any]

    def _options(self) -> dict[str, Any]:
        """Return the options that were set."""
        return dict(self._given)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, and the options that were set, as scikit-learn does."""
        return {**super().get_params(deep), **self._given}

    def set_params(self, **params: Any) -> Estimator:
        """Change parameters and options; options that a new ``kind`` does not have are forgotten.

        Raises
        ------
        InputError
            A parameter that neither the model nor its kind has, or an option that cannot be.
        """
        own = set(super().get_params(deep=False))
        kind = params.get("kind", self.kind)
        known = learner_class(kind).DEFAULTS
        for name in params:
            if name not in own and name not in known:
                raise InputError(
                    f"a {kind} model has no parameter {name!r}; {nearest(name, [*own, *known])}"
                )
        given = {name: value for name, value in self._given.items() if name in known}
        given |= {name: value for name, value in params.items() if name not in own}
        make_learner(kind, given)
        self._given = given
        for name in own & set(params):
            setattr(self, name, params[name])
        return self

    def __getattr__(self, name: str) -> Any:
        # Options read like attributes, as parameters of other estimators do.
        given = self.__dict__.get("_given", {})
        if name in given:
            return given[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _learn_names(self, X: Any) -> pd.DataFrame:
        """Remember which columns X has."""
        frame = as_frame(X)
        if frame.shape[1] == 0:
            raise InputError(
                f"0 feature(s) (shape={frame.shape}) while a minimum of 1 is required; there are "
                "no feature columns, give at least one"
            )
        self.n_features_in_ = frame.shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.array([str(c) for c in X.columns], dtype=object)
        return frame

    def _frame(self, X: Any) -> pd.DataFrame:
        """Return X as a frame that has the columns of training.

        A frame's columns are found by name, in any order, and more of them do no harm; an array's
        by position, which only a model that learned from an array may trust.
        """
        self._require_fit()
        frame = as_frame(X)
        if isinstance(X, pd.DataFrame):
            return frame
        if hasattr(self, "feature_names_in_"):
            raise InputError(
                f"X does not have valid feature names, but {type(self).__name__} was fitted with "
                "feature names; give a DataFrame with the same columns"
            )
        if frame.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {frame.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        if not len(frame):
            raise InputError("Found array with 0 sample(s): X has no rows, give at least one")
        return frame

    def _require_fit(self) -> None:
        if "learners_" not in vars(self):
            raise NotFitted(f"this {type(self).__name__} is not fitted yet; call .fit(X, y) first")

    def _found(self) -> list[str]:
        """Return the names of what was learned."""
        return [name for name in vars(self) if name.endswith("_") and name[0] != "_"]

    def _forget(self) -> None:
        for name in self._found():
            delattr(self, name)


FORMAT = "promolab.response/3"
EXPOSED = ("encoder", "weights", "intercept", "standard_errors", "l2", "info")
"""What a logistic model of one outcome consists of."""


class Saved(Estimator):
    """The side of `ResponseModel` that faces files."""

    learners_: list[Learner]
    calibrators_: list[Any]
    outcomes_: tuple[str, ...]

    def save(self, path: str | Path) -> Path:
        """Write the fitted model to one file (safetensors: numbers and JSON, nothing executes)."""
        self._require_fit()
        parameters = {name: value for name, value in self.get_params().items() if name != "track"}
        if self.columns is not None:
            parameters["columns"] = [str(c) for c in self.columns]
        shown = {f"{name}_" for name in EXPOSED}
        learned = {name: vars(self)[name] for name in self._found() if name not in shown}
        learned["learners_"] = [learner.learned() for learner in self.learners_]
        return write_values({"parameters": parameters} | learned, path, FORMAT, what="model")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote; it predicts the same, bit for bit.

        Raises
        ------
        InputError
            There is no such file, it is no response model, or it was changed or cut short.
        """
        told = read_values(path, FORMAT, what="model")
        try:
            model = cls(**told.pop("parameters"))
            learners = [(make_learner(model.kind, model._given), one) for one in told["learners_"]]
            for learner, learned in learners:
                learner.restore(learned)
            told["learners_"] = [learner for learner, _ in learners]
            for name in told:
                if name.endswith("_"):
                    setattr(model, name, told[name])
            model._expose()
        except PromolabError:
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise InputError(
                f"{path} is a model of another version of promolab ({error!r}); fit it again"
            ) from error
        return model

    def _place_of(self, outcome: str | None) -> int:
        """Return the place of an outcome; where none is named, of the only one."""
        self._require_fit()
        names = list(self.outcomes_)
        if outcome is None and len(names) > 1:
            raise InputError(f"the model has several outcomes; give outcome= one of {names}")
        if outcome is not None and outcome not in names:
            raise InputError(f"the model has no outcome {outcome!r}; {nearest(outcome, names)}")
        return 0 if outcome is None else names.index(outcome)

    def _expose(self) -> None:
        """Show what a logistic model of one outcome consists of."""
        from promolab.model.learners import Logistic

        first = self.learners_[0]
        if len(self.learners_) == 1 and isinstance(first, Logistic):
            for name in EXPOSED:
                setattr(self, f"{name}_", getattr(first, name))
