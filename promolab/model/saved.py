"""How a response model is written to a file and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from promolab.errors import InputError, PromolabError, nearest
from promolab.model.inputs.reading import as_frame
from promolab.model.learners import learner_class, make_learner
from promolab.results import read_file, write_file

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

    def _forget(self) -> None:
        for name in [name for name in vars(self) if name.endswith("_") and name[0] != "_"]:
            delattr(self, name)


FORMAT = "promolab.response/2"


class Saved(Estimator):
    """The side of `ResponseModel` that faces files."""

    learners_: list[Learner]
    calibrators_: list[Any]
    outcomes_: tuple[str, ...]

    def save(self, path: str | Path) -> Path:
        """Write the fitted model to one file (safetensors: numbers and JSON, nothing executes)."""

        self._require_fit()
        saved = [learner.state() for learner in self.learners_]
        state: dict[str, Any] = {
            "kind": self.kind,
            "options": self._options(),
            "columns": None if self.columns is None else [str(c) for c in self.columns],
            "calibration": self.calibration,
            "seed": self.seed,
            "positive": self.positive,
            "kinds": None if self.kinds is None else dict(self.kinds),
            "outcomes": list(self.outcomes_),
            "single": self.single_,
            "classes": self.classes_.tolist(),
            "features": self.n_features_in_,
            "feature_names": list(getattr(self, "feature_names_in_", [])),
            "n": self.n_,
            "positives": self.positives_,
            "clusters": self.clusters_,
            "learners": [plain for plain, _ in saved],
            "calibrators": [calibrator.to_dict() for calibrator in self.calibrators_],
        }
        arrays = {f"{k}.{name}": a for k, (_, some) in enumerate(saved) for name, a in some.items()}
        return write_file(path, FORMAT, state, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote; it predicts the same, bit for bit.

        Raises
        ------
        InputError
            There is no such file, it is no response model, or it was changed or cut short.
        """

        state, arrays = read_file(path, FORMAT)
        try:
            model = cls(
                state["kind"],
                columns=state["columns"],
                calibration=state["calibration"],
                seed=state["seed"],
                positive=state["positive"],
                kinds=state.get("kinds"),
                **state["options"],
            )
            model._restore(state, arrays)
        except PromolabError:
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise InputError(
                f"{path} is a model of another version of promolab ({error!r}); fit it again"
            ) from error
        return model

    def _restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        _require_finite({"learners": state["learners"], "calibrators": state["calibrators"]})
        learners = []
        for k, plain in enumerate(state["learners"]):
            learner = make_learner(self.kind, self._options())
            mine = {n.split(".", 1)[1]: a for n, a in arrays.items() if n.startswith(f"{k}.")}
            learner.restore(plain, mine)
            learners.append(learner)
        self.learners_ = learners
        self.calibrators_ = []
        if state["calibrators"]:
            from promolab.model.calibration import Calibrator

            self.calibrators_ = [Calibrator.from_dict(plain) for plain in state["calibrators"]]
        self.outcomes_ = tuple(cast(list[str], state["outcomes"]))
        self.n_, self.positives_ = state["n"], state["positives"]
        self.clusters_, self.classes_ = state["clusters"], np.array(state["classes"])
        self.single_, self.n_features_in_ = state["single"], state["features"]
        if state["feature_names"]:
            self.feature_names_in_ = np.array(state["feature_names"], dtype=object)
        self._expose()


def _require_finite(state: dict[str, Any]) -> None:
    """Refuse a file whose encoding or calibration holds what is no number."""
    try:
        json.dumps(state, allow_nan=False)
    except ValueError as error:
        raise InputError(
            "the model file holds missing or infinite numbers where its columns are described; use "
            "the original file or fit the model again"
        ) from error
