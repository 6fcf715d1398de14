"""P(response | customer, promotion): one door to every way of predicting it, and its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from promolab.checks import choice, whole_number
from promolab.contract import known_beforehand, with_kinds
from promolab.errors import InputError, PromolabError, nearest
from promolab.metrics import warn_of_leakage
from promolab.model.inputs.encoding import LARGEST, ColumnCode, NativeEncoder
from promolab.model.inputs.reading import (
    along,
    as_frame,
    check_beside,
    check_time,
    check_weight,
    outcome_labels,
)
from promolab.model.learners import Learner, Training, fitted_learners, learner_class, make_learner
from promolab.results import read_values, write_values
from promolab.stats import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.utils import Tags

    from promolab.model.preparation import Preparation


CALIBRATIONS = (None, "platt")
MOST_DOUBTED = 4_000
"""Rows by which a column is told to be too good, when a model learns."""
LARGEST_SEED = 2**32 - 1  # what numpy and scikit-learn take


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
        if parameters.get("privacy"):  # whoever has the file must not know the noise
            parameters |= {"privacy": replace(parameters["privacy"], secret=""), "seed": 0}
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


class ResponseModel(Saved):
    r"""Probability that a customer responds to a promotion.

    ``logistic``, the simplest: :math:`P(y_{ij} = 1) = \sigma(w^T \varphi(x_{ij}) + b)`, φ the
    `Encoder`, w and b at the optimum of Σ log-loss + ½ · l2 · ‖w‖². ``tree`` asks a few questions
    and can be drawn (`promolab.explain.weights_or_rules`); ``forest`` and ``boosting`` are many
    trees together; ``mlp`` and ``multitask`` are trained in torch. A prediction of response, not
    of what a promotion changes.

    An estimator of scikit-learn: ``clone``, ``set_params``, pipelines and searches work. What
    becomes of each column, missing values and rare levels included, `preparation` tells.

    The same rows, in the same order, and the same seed give the same model, bit for bit. In another
    order the rows give ``forest``, ``mlp`` and ``multitask`` other random draws, as another seed
    would; ``logistic``, ``tree`` and ``boosting`` stay the same, but for rounding.

    Parameters
    ----------
    kind : str
        One of `promolab.model.learners.KINDS`.
    columns : sequence of str, optional
        Features to use; all columns of X by default.
    calibration : {None, "platt"}
        Correct the probabilities by what the model said of rows it had not seen
        (`promolab.model.calibration`).
    seed : int
        Start of every random number.
    track : {None, "tensorboard", "tensorboard:FOLDER"}
        Write event files while a neural model learns.
    kinds : mapping of str to {"number", "category"}, optional
        What columns are that would be read otherwise by their names and values: a ``campaign`` that
        counts calls, a ``zip`` written in digits.
    positive : {None, "last"}
        What counts as a response: 1 (or True) of 0 and 1, and nothing else is taken; or, of any two
        classes, the one that sorts last.
    **options
        Of the kind, such as ``l2=100.0`` of ``logistic``; see its learner's ``DEFAULTS``. With
        ``privacy=Privacy(epsilon, delta, bounds)`` a logistic model learns from one release of
        noisy sums by customer (``cluster``); ``n_`` and ``positives_`` then count customers,
        noisily.

    Attributes
    ----------
    learners_ : list of Learner
        One per outcome, or a single one that learns all.
    outcomes_ : tuple of str
        Names of the outcomes.
    n_, positives_ : int
        Training rows, and those with y = 1 (of the first outcome).
    classes_ : ndarray, shape (2,)
        What y may be, the response last.
    n_features_in_, feature_names_in_
        Number of columns of X, and their names where X was a frame.
    encoder_, weights_, standard_errors_, intercept_, l2_, info_
        Of a logistic model with one outcome: what encodes, a weight per encoded column and its
        standard error, the logit of the average training row, the penalty used, the certificate of
        the optimum (None for a loaded model).

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(40), "city": ["a", "b"] * 20})
    >>> y = [int(i % 3 == 0 or i > 30) for i in range(40)]
    >>> model = ResponseModel().fit(X, y)
    >>> model.predict_proba(X).shape
    (40, 2)
    >>> bool(model.probability(X)[-1] > model.probability(X)[0])
    True

    Several outcomes at once, a column each:

    >>> both = pd.DataFrame({"click": y, "purchase": [int(i > 20) for i in range(40)]})
    >>> ResponseModel("tree", depth=2, min_leaf=5).fit(X, both).predict_proba(X).columns.tolist()
    ['click', 'purchase']
    """

    def __init__(
        self,
        kind: str = "logistic",
        *,
        columns: Sequence[str] | None = None,
        calibration: str | None = None,
        seed: int = 0,
        track: str | None = None,
        positive: str | None = None,
        kinds: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.kind, self.columns, self.seed = kind, columns, seed
        self.calibration, self.track, self.positive = calibration, track, positive
        self.kinds = kinds
        make_learner(kind, options)
        self._given = options

    def fit(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        cluster: ArrayLike | None = None,
        group: ArrayLike | None = None,
        time: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        known: Mapping[str, bool] | bool | None = None,
    ) -> ResponseModel:
        """Learn from rows whose outcome is known.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            Features, known before the promotion started. An array's columns are called x0, x1, ….
        y : array of 0 and 1 (or bool), shape (n,), or DataFrame, shape (n, number of outcomes)
            Outcomes. In a frame an outcome may be missing where it is not known. Where both X and
            y (or what else belongs to the rows) have an index, rows are matched by it.
        cluster : array, shape (n,), optional
            Customer of each row, for the intervals of `coefficients`.
        group : array, shape (n,), optional
            Promotion of each row, left out in turn by calibration; ``cluster`` by default, and else
            single rows.
        time : array, shape (n,), optional
            When each row's promotion started (dates or numbers): neural models stop by the latest
            rows.
        sample_weight : array, shape (n,), optional
            How many rows each counts for in the loss that a model minimises, in its penalty's unit,
            in calibration and in the sandwich of intervals; a row of weight 0 is left out. How
            columns are prepared (scale, levels that are rare) is told by the rows as they are.
        known : mapping of str to bool, or True, optional
            Whether a column was known before the outcome, such as ``{"duration": False}``: that
            takes it out; True says that it was, and nothing is said of how well it tells it.

        Raises
        ------
        InputError
            Lengths or indexes that differ, labels other than 0 and 1 or all the same, columns that
            cannot be used, or an outcome among them.

        Warns
        -----
        UserWarning
            A column tells the (first) outcome too well to have been known before it
            (`promolab.metrics.leakage`).
        """
        self._forget()
        choice("calibration", self.calibration, CALIBRATIONS)
        whole_number("seed", self.seed, 0, LARGEST_SEED)
        frame = known_beforehand(with_kinds(self._learn_names(X), self.kinds), known)
        rows = X if isinstance(X, pd.DataFrame) else len(frame)  # an array has no index to match
        labels, outcomes, self.classes_ = outcome_labels(
            along(X, y, "y"), len(frame), self.positive
        )
        self.outcomes_, self.single_ = outcomes, not isinstance(y, pd.DataFrame)
        moments = check_time(time, rows)
        training = Training(
            frame,
            labels,
            outcomes,
            self.columns,
            check_beside(cluster, "cluster", rows),
            check_beside(group, "group", rows),
            moments,
            None if sample_weight is None else check_weight(sample_weight, rows),
            seed=self.seed,
            track=self.track,
        ).counted()
        if self._given.get("privacy") and (len(outcomes) > 1 or self.calibration):
            raise InputError("privacy pays for one outcome, not calibrated; fit a model for each")
        learners = fitted_learners(self.kind, self._options(), training, named=not self.single_)
        self.calibrators_ = self._fitted_calibrators(training, learners)
        self.learners_ = learners
        self.n_, self.positives_ = len(training.labels), int(np.nansum(training.labels[:, 0]))
        clusters = training.cluster
        self.clusters_ = self.n_ if clusters is None else int(pd.Series(clusters).nunique())
        if counts := getattr(learners[0], "counts", None):  # what is saved of them is noisy, too
            (self.n_, self.positives_), self.clusters_ = counts, counts[0]
        self._expose()
        self._doubt(frame, y, labels, moments)
        return self

    def _doubt(self, frame: pd.DataFrame, y: Any, labels: np.ndarray, time: Any) -> None:
        """Refuse an outcome among the features; warn of one that came later, as it looks."""
        names = [str(c) for c in (frame.columns if self.columns is None else self.columns)]
        own = y if isinstance(y, pd.DataFrame) else {getattr(y, "name", None): labels[:, 0]}
        same = {c for c in {*own} & {*names} & {*frame} if np.array_equal(frame[c], own[c])}
        for name in same | ({*frame.attrs.get("outcomes", ())} & {*names}):
            raise InputError(
                f"the outcome {name!r} is among the features; give X.drop(columns={name!r})"
            )
        some = slice(None, None, -(-len(frame) // MOST_DOUBTED))
        moments = None if time is None else np.asarray(time)[some]
        warn_of_leakage(frame.iloc[some], names, labels[some, 0], moments, self.outcomes_[0], 4)

    def _fitted_calibrators(self, training: Training, learners: list[Learner]) -> list[Any]:
        if self.calibration is None:
            return []
        if getattr(learners[0], "pair", None) is not None:
            raise InputError(
                "calibration corrects each outcome by itself, and a funnel's chances would no "
                "longer fit together; give calibration=None or funnel=None"
            )
        from promolab.model.calibration import cross_fitted_calibrators

        options = self._options()
        if "intervals" in learners[0].DEFAULTS:
            options["intervals"] = False  # the folds' models predict, and no more
        fit = partial(fitted_learners, self.kind, options, named=not self.single_)
        return list(cross_fitted_calibrators(training, fit))

    def _logits(self, X: pd.DataFrame) -> np.ndarray:
        frame = self._frame(X)
        return self._scored([learner.encoder.read(frame) for learner in self.learners_])

    def _scored(self, read: Sequence[Any]) -> np.ndarray:
        """Return the log odds of what each learner's encoder read."""
        scores = [one.score(given) for one, given in zip(self.learners_, read, strict=True)]
        found = np.hstack(scores)
        if self.calibrators_:
            pairs = zip(self.calibrators_, found.T, strict=True)
            found = np.column_stack([calibrator.apply(column) for calibrator, column in pairs])
        return found

    def logit(self, X: pd.DataFrame) -> np.ndarray | pd.DataFrame:
        """Return the log odds of y = 1, shape (n,); each row's depend on that row alone."""
        return self._named(self._logits(X), X)

    def probability(self, X: pd.DataFrame) -> np.ndarray | pd.DataFrame:
        """Return P(y = 1), shape (n,), or a DataFrame with a column per outcome."""
        from scipy.special import expit

        return self._named(expit(self._logits(X)), X)

    def _named(self, values: np.ndarray, X: pd.DataFrame) -> np.ndarray | pd.DataFrame:
        if self.single_:
            return values[:, 0]
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(values, index=index, columns=list(self.outcomes_))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray | pd.DataFrame:
        """Return P(y = 0) and P(y = 1), shape (n, 2), as scikit-learn's classifiers do.

        With several outcomes: a DataFrame with P(outcome) in a column each.
        """
        p = self.probability(X)
        return p if isinstance(p, pd.DataFrame) else np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray | pd.DataFrame:
        """Return the likelier class of each row; a ranking or a chance usually serves better."""
        p = self.probability(X)
        likelier = (p > 0.5).astype(int)
        return likelier if isinstance(likelier, pd.DataFrame) else self.classes_[likelier]

    def coefficients(self, level: float = 0.95) -> pd.DataFrame:
        """Return what each encoded column adds to the log odds, largest first (logistic).

        A numeric feature's weight is per standard deviation of its encoded values; a level's or an
        indicator's is for having it against not having it. The intervals are clustered by what
        `fit` was given (`sandwich`) and describe the penalised weight, which is pulled towards 0;
        with ``intervals=False`` they are nan.

        Returns
        -------
        DataFrame
            feature (encoded column), source (its feature), weight, ci_low, ci_high.
        """
        self._require_fit()
        if not hasattr(self, "weights_"):
            raise InputError(f"a {self.kind} model has no coefficients; use importance instead")
        half = t_quantile(level, max(self.clusters_ - 1, 1)) * self.standard_errors_
        frame = pd.DataFrame(
            {
                "feature": self.encoder_.names,
                "source": self.encoder_.sources,
                "weight": self.weights_,
                "ci_low": self.weights_ - half,
                "ci_high": self.weights_ + half,
            }
        )
        order = np.lexsort([np.array(self.encoder_.names), -np.abs(self.weights_)])
        return frame.iloc[order].reset_index(drop=True)

    def explain(
        self, X: pd.DataFrame, background: pd.DataFrame | None = None, outcome: str | None = None
    ) -> pd.DataFrame:
        """Return what each feature adds to a row's log odds.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
        background : DataFrame, shape (m, k), optional
            Rows to compare with, needed by every kind but ``logistic``, whose parts are against
            the average training row.
        outcome : str, optional
            Which, where there are several.

        Returns
        -------
        DataFrame, shape (n, number of features)
            Index of X; a row's sum plus ``attrs["base"]`` is its `logit`.
        """
        X = self._frame(X)
        if len(self.outcomes_) == 1 and outcome is None and not self.calibrators_:
            parts = self.learners_[0].parts(X)
            if parts is not None:
                return parts
        from promolab.model.explanation import shapley_parts

        return shapley_parts(self, X, background, outcome=outcome)

    def preparation(self, outcome: str | None = None) -> Preparation:
        """Return what becomes of each column: missing values, levels, what was dropped and why.

        With several outcomes that know different rows, of one of them (the first by default).
        """
        from promolab.model.preparation import prepared

        self._require_fit()
        return prepared(self, outcome)

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self._options().items())
        fitted = f", fitted on {self.n_:,} rows" if "n_" in vars(self) else ""
        return f"ResponseModel({self.kind!r}{given}{fitted})"


class ArrayModel:
    """What `ResponseModel.probability` says, of arrays.

    Parameters
    ----------
    model : ResponseModel
        Fitted, with one outcome.

    Raises
    ------
    InputError
        The model has several outcomes.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.model import ResponseModel
    >>> X = pd.DataFrame({"orders": range(40), "city": ["a", "b"] * 20})
    >>> model = ResponseModel().fit(X, [int(i % 3 == 0 or i > 30) for i in range(40)])
    >>> arrays = {"orders": np.arange(40.0), "city": np.array(["a", "b"] * 20, dtype=object)}
    >>> bool((ArrayModel(model).probability(arrays) == model.probability(X)).all())
    True
    """

    def __init__(self, model: ResponseModel) -> None:
        if len(model.outcomes_) != 1:
            raise InputError(
                f"the model has {len(model.outcomes_)} outcomes; expected one of a single outcome"
            )
        self.calibrators, self.learner = model.calibrators_, model.learners_[0]
        encoder = self.learner.encoder
        self._native = isinstance(encoder, NativeEncoder)
        self.columns = [column.name for column in encoder.used]
        self._texts = {
            c.name: _texts_of(c, self._native) for c in encoder.used if c.kind != "numeric"
        }

    def read(self, columns: Mapping[str, Any], n: int) -> np.ndarray:
        """Return a matrix of what the model needs, for `of`; texts are numbers of their levels.

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (n,), or a value that all rows share
            At least ``columns`` of the model: numbers as floats, nan where missing; texts as
            objects, None where missing.
        n : int
        """
        found = np.empty((n, len(self.columns)))
        for j, name in enumerate(self.columns):
            values, place = columns[name], self._texts.get(name)
            if place is None:
                found[:, j] = values
            elif isinstance(values, np.ndarray):
                found[:, j] = [place(value) for value in values.tolist()]
            else:
                found[:, j] = place(values)
        return found

    def of(self, matrix: np.ndarray) -> np.ndarray:
        """Return P(y = 1) of what `read` made, shape (n,)."""
        from scipy.special import expit

        given = matrix.clip(-LARGEST, LARGEST) if self._native else list(matrix.T)
        found = self.learner.score(given)[:, 0]
        for calibrator in self.calibrators:
            found = calibrator.apply(found)
        return np.asarray(expit(found))

    def probability(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Return P(y = 1), shape (n,).

        Parameters
        ----------
        columns : mapping of str to array-like of shape (n,)
            At least ``columns`` of the model.
        """
        given = {name: np.asarray(columns[name]) for name in self.columns if name in columns}
        sizes = {name: len(given.get(name, ())) for name in self.columns}
        if len(given) < len(sizes) or len({*sizes.values()}) > 1:
            raise InputError(f"values of each column: {sizes}; expected as many of each")
        return self.of(self.read(given, len(next(iter(given.values())))))


def _texts_of(column: ColumnCode, native: bool) -> Callable[[Any], float]:
    """Return what gives a text its number; a whole number is written as one."""
    places = len(column.levels) + 2
    numbers = column.code_of_places() if native else np.arange(places, dtype=float)
    codes: list[float]
    *codes, other, missing = map(float, numbers)
    place = dict(zip(column.levels, codes, strict=True))

    def number(value: Any) -> float:
        if value is None or value != value:
            return missing
        whole = isinstance(value, float) and value.is_integer()
        return place.get(str(int(value)) if whole else str(value), other)

    return number
