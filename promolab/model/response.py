"""P(response | customer, promotion): one door to every way of predicting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import choice, whole_number
from promolab.contract import known_beforehand, with_kinds
from promolab.errors import InputError
from promolab.metrics import warn_of_leakage
from promolab.model.inputs.reading import (
    along,
    check_beside,
    check_time,
    check_weight,
    outcome_labels,
)
from promolab.model.learners import Learner, Training, fitted_learners, make_learner
from promolab.model.saved import Saved
from promolab.stats import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.model.preparation import Preparation


CALIBRATIONS = (None, "platt", "isotonic", "auto")
MOST_DOUBTED = 4_000
"""Rows by which a column is told to be too good, when a model learns."""
LARGEST_SEED = 2**32 - 1  # what numpy and scikit-learn take


class ResponseModel(Saved):
    r"""Probability that a customer responds to a promotion.

    ``logistic``, the simplest: :math:`P(y_{ij} = 1) = \sigma(w^T \varphi(x_{ij}) + b)`, φ the
    `Encoder`, w and b at the optimum of Σ log-loss + ½ · l2 · ‖w‖². ``tree`` asks a few questions
    and can be drawn (`promolab.explain.tree_rules`); ``forest`` and ``boosting`` are many
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
    calibration : {None, "platt", "isotonic", "auto"}
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
        Of the kind, such as ``l2=100.0`` of ``logistic``; see its learner's ``DEFAULTS``.

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
            Promotion of each row, left out in turn by ``l2="cv"`` and by calibration; ``cluster``
            by default, and else single rows.
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
        learners = fitted_learners(self.kind, self._options(), training, named=not self.single_)
        self.calibrators_ = self._fitted_calibrators(training, learners)
        self.learners_ = learners
        self.n_, self.positives_ = len(training.labels), int(np.nansum(training.labels[:, 0]))
        clusters = training.cluster
        self.clusters_ = self.n_ if clusters is None else int(pd.Series(clusters).nunique())
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
        return list(cross_fitted_calibrators(self.calibration, training, fit))

    def _logits(self, X: pd.DataFrame) -> np.ndarray:
        frame = self._frame(X)
        found = np.hstack([learner.logit(frame) for learner in self.learners_])
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
