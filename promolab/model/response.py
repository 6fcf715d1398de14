"""P(response | customer, promotion): a regularised logistic model of encoded features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.model._inputs import check_beside, check_labels
from promolab.model.encoding import Encoder
from promolab.model.penalty import choose_l2

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.model.logistic import FitInfo

__all__ = ["DEFAULT_L2", "ResponseModel"]

DEFAULT_L2 = 30.0  # a weight of ±0.18 per standard deviation is usual; 10 to 300 differ little
KINDS = ("logistic",)


class ResponseModel:
    r"""Probability that a customer responds to a promotion.

    :math:`P(y = 1 | x) = \sigma(w^T \varphi(x) + b)`: φ is the `Encoder`, learned on the training
    rows; w and b minimise Σ log-loss + ½ · l2 · ‖w‖² and are solved to the optimum
    (`fit_logistic`). A prediction of response, not of what a promotion changes.

    Parameters
    ----------
    kind : str
        ``logistic``.
    l2 : float or "cv"
        Penalty. In units of the standardised features: a weight of sd ``l2 ** -0.5`` is what one
        expects beforehand, however many rows there are. ``"cv"`` chooses by `choose_l2`, leaving
        out the groups given to `fit`.
    columns : sequence of str, optional
        Features to use; all columns of X by default.
    seed : int
        Orders the groups into folds for ``l2="cv"``; nothing else is random.

    Attributes
    ----------
    encoder_ : Encoder
    weights_, standard_errors_ : ndarray, shape (p,)
        Per encoded column.
    intercept_ : float
        Logit of the average training row.
    l2_ : float
        Penalty used.
    n_, positives_ : int
        Training rows, and those with y = 1.
    info_ : FitInfo or None
        Certificate of the optimum; None for a loaded model.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(40), "city": ["a", "b"] * 20})
    >>> y = [int(i % 3 == 0 or i > 30) for i in range(40)]
    >>> model = ResponseModel().fit(X, y)
    >>> model.predict_proba(X).shape
    (40, 2)
    >>> bool(model.probability(X)[-1] > model.probability(X)[0])
    True
    """

    def __init__(
        self,
        kind: str = "logistic",
        *,
        l2: float | str = DEFAULT_L2,
        columns: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        if kind not in KINDS:
            raise InputError(f"kind={kind!r} is not a response model; {nearest(str(kind), KINDS)}")
        if l2 != "cv" and not (isinstance(l2, (int, float)) and 0 < l2 < np.inf):
            raise InputError(f"l2 == {l2!r}, must be a number above 0 or 'cv'")
        self.kind, self.l2, self.columns, self.seed = kind, l2, columns, seed

    def fit(
        self,
        X: pd.DataFrame,
        y: ArrayLike,
        cluster: ArrayLike | None = None,
        group: ArrayLike | None = None,
    ) -> ResponseModel:
        """Learn from rows whose outcome is known.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            Features, known before the promotion started.
        y : array of 0 and 1 (or bool), shape (n,)
            Outcomes.
        cluster : array, shape (n,), optional
            Customer of each row, for the intervals of `coefficients`.
        group : array, shape (n,), optional
            Promotion of each row, left out in turn by ``l2="cv"``; ``cluster`` by default.

        Raises
        ------
        InputError
            Lengths that differ, labels other than 0 and 1 or all the same, unusable columns.
        """
        from promolab.model.covariance import sandwich
        from promolab.model.logistic import fit_logistic

        labels = check_labels(y, len(X))
        clusters = check_beside(cluster, "cluster", len(X))
        groups = check_beside(group, "group", len(X))
        encoder = Encoder.fit(X, self.columns)
        if self.l2 == "cv":
            groups = clusters if groups is None else groups
            l2, _ = choose_l2(X, labels, groups, columns=self.columns, seed=self.seed)
        else:
            l2 = float(self.l2)
        matrix = encoder.transform(X)
        weights, intercept, info = fit_logistic(matrix, labels, l2)
        covariance = sandwich(matrix, labels, weights, intercept, l2, clusters)
        self.encoder_, self.weights_, self.intercept_ = encoder, weights, intercept
        self.standard_errors_ = np.sqrt(np.diag(covariance)[:-1])
        self.clusters_ = len(labels) if clusters is None else int(pd.Series(clusters).nunique())
        self.l2_, self.n_, self.positives_ = l2, len(labels), int(labels.sum())
        self.info_: FitInfo | None = info
        return self

    def logit(self, X: pd.DataFrame) -> np.ndarray:
        """Return the log odds of y = 1, shape (n,); each row's depend on that row alone."""
        self._require_fit()
        # Not a matrix product: its rounding depends on how many rows are scored together.
        return (self.encoder_.transform(X) * self.weights_).sum(axis=1) + self.intercept_

    def probability(self, X: pd.DataFrame) -> np.ndarray:
        """Return P(y = 1), shape (n,)."""
        from scipy.special import expit

        return expit(self.logit(X))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return P(y = 0) and P(y = 1), shape (n, 2), as scikit-learn's classifiers do."""
        p = self.probability(X)
        return np.column_stack([1 - p, p])

    def coefficients(self, level: float = 0.95) -> pd.DataFrame:
        """Return what each encoded column adds to the log odds, largest first.

        A numeric feature's weight is per standard deviation of its encoded values; a level's or an
        indicator's is for having it against not having it. The intervals are clustered by what
        `fit` was given (`sandwich`) and describe the penalised weight, which is pulled towards 0.

        Returns
        -------
        DataFrame
            feature (encoded column), source (its feature), weight, ci_low, ci_high.
        """
        from scipy.stats import t

        self._require_fit()
        half = t.ppf((1 + level) / 2, max(self.clusters_ - 1, 1)) * self.standard_errors_
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

    def explain(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return what each feature adds to a row's log odds, against the average training row.

        Parameters
        ----------
        X : DataFrame, shape (n, k)

        Returns
        -------
        DataFrame, shape (n, number of features)
            Index of X; a row's sum plus ``intercept_`` is its `logit`.
        """
        self._require_fit()
        parts = self.encoder_.transform(X) * self.weights_
        sources, columns = self.encoder_.sources, self.encoder_.columns
        member = np.array([[s == c for c in columns] for s in sources], dtype=float)
        return pd.DataFrame(parts @ member, index=X.index, columns=columns)

    def save(self, path: str | Path) -> Path:
        """Write the fitted model to one file (safetensors: numbers and JSON, nothing executes)."""
        from promolab.model.files import write_model

        self._require_fit()
        state: dict[str, Any] = {
            "kind": self.kind,
            "l2": self.l2,
            "columns": None if self.columns is None else [str(c) for c in self.columns],
            "seed": self.seed,
            "l2_used": self.l2_,
            "n": self.n_,
            "positives": self.positives_,
            "clusters": self.clusters_,
            "encoder": self.encoder_.to_dict(),
        }
        arrays = {
            "weights": self.weights_,
            "intercept": np.array([self.intercept_]),
            "standard_errors": self.standard_errors_,
        }
        return write_model(path, state, arrays)

    @classmethod
    def load(cls, path: str | Path) -> ResponseModel:
        """Read a model that `save` wrote; it predicts the same, bit for bit.

        Raises
        ------
        InputError
            There is no such file, it is no response model, or it was changed or cut short.
        """
        from promolab.model.files import read_model

        state, arrays = read_model(path)
        try:
            model = cls(state["kind"], l2=state["l2"], columns=state["columns"], seed=state["seed"])
            model.encoder_ = Encoder.from_dict(state["encoder"])
            model.weights_ = arrays["weights"]
            model.standard_errors_ = arrays["standard_errors"]
            model.intercept_ = float(arrays["intercept"][0])
            model.l2_, model.n_ = state["l2_used"], state["n"]
            model.positives_, model.clusters_ = state["positives"], state["clusters"]
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(
                f"{path} is a model of another version of promolab ({error!r}); fit it again"
            ) from error
        model.info_ = None
        return model

    def _require_fit(self) -> None:
        if not hasattr(self, "encoder_"):
            raise InputError("this ResponseModel is not fitted yet; call .fit(X, y) first")

    def __repr__(self) -> str:
        fitted = f", fitted on {self.n_:,} rows" if hasattr(self, "n_") else ""
        return f"ResponseModel({self.kind!r}, l2={self.l2!r}{fitted})"
