"""The logistic model: a weighted sum of encoded features is the log odds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.encoding import Encoder
from promolab.model.learners._base import Learner, State, Training

if TYPE_CHECKING:
    from promolab.model.logistic import FitInfo

__all__ = ["DEFAULT_L2", "Logistic"]

DEFAULT_L2 = 30.0  # a weight of ±0.18 per standard deviation is usual; 10 to 300 differ little


class Logistic(Learner):
    """One weight per encoded column, solved to the optimum (`fit_logistic`).

    Options: ``l2`` (penalty, or ``"cv"``: `choose_l2` over the groups).
    """

    DEFAULTS = {"l2": DEFAULT_L2}  # noqa: RUF012

    def check(self) -> None:
        """Refuse a penalty that is none."""
        l2 = self.options["l2"]
        if l2 != "cv" and not (isinstance(l2, (int, float)) and 0 < l2 < np.inf):
            raise InputError(f"l2 == {l2!r}, must be a number above 0 or 'cv'")

    def fit(self, training: Training) -> None:
        """Encode, choose the penalty if asked, solve."""
        from promolab.model.covariance import sandwich
        from promolab.model.logistic import fit_logistic
        from promolab.model.penalty import choose_l2

        labels = training.labels[:, 0]
        self.encoder = Encoder.fit(training.X, training.columns)
        self.columns = self.encoder.columns
        if self.options["l2"] == "cv":
            groups = training.cluster if training.group is None else training.group
            self.l2, _ = choose_l2(
                training.X, labels, groups, columns=training.columns, seed=training.seed
            )
        else:
            self.l2 = float(self.options["l2"])
        matrix = self.encoder.transform(training.X)
        self.weights, self.intercept, info = fit_logistic(matrix, labels, self.l2)
        self.info: FitInfo | None = info
        covariance = sandwich(
            matrix, labels, self.weights, self.intercept, self.l2, training.cluster
        )
        self.standard_errors = np.sqrt(np.diag(covariance)[:-1])

    def logit(self, X: pd.DataFrame) -> np.ndarray:
        """Return the log odds, shape (n, 1)."""
        # Not a matrix product: its rounding depends on how many rows are scored together.
        terms = self.encoder.transform(X) * self.weights
        return (terms.sum(axis=1) + self.intercept)[:, None]

    def parts(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return each source column's share of the log odds."""
        terms = self.encoder.transform(X) * self.weights
        member = np.array([[s == c for c in self.columns] for s in self.encoder.sources], float)
        frame = pd.DataFrame(terms @ member, index=X.index, columns=self.columns)
        frame.attrs["base"] = self.intercept
        return frame

    def state(self) -> State:
        """Return encoder, weights and penalty."""
        arrays = {
            "weights": self.weights,
            "intercept": np.array([self.intercept]),
            "standard_errors": self.standard_errors,
        }
        return {"encoder": self.encoder.to_dict(), "l2": self.l2}, arrays

    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become a saved model."""
        self.encoder = Encoder.from_dict(state["encoder"])
        self.columns = self.encoder.columns
        self.weights, self.standard_errors = arrays["weights"], arrays["standard_errors"]
        self.intercept, self.l2 = float(arrays["intercept"][0]), state["l2"]
        self.info = None
