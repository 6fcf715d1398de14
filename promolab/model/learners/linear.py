"""The logistic model: a weighted sum of encoded features is the log odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import flag, real_number, refuse
from promolab.model.inputs.encoding import Encoder, by_pieces
from promolab.model.inputs.reading import check_columns
from promolab.model.learners._base import Learner, Training, require_numbers
from promolab.model.privacy import Privacy, fit_private

if TYPE_CHECKING:
    from promolab.model.solvers.newton import FitInfo


DEFAULT_L2 = 30.0  # a weight of ±0.18 per standard deviation is usual; 10 to 300 differ little


class Logistic(Learner):
    r"""Weights solved to the optimum, which is certified.

    For customers i = 1…N and promotions j = 1…M, φ the `Encoder` of features of the customer, the
    promotion and the pair:

    .. math:: z_{ij} = w^T \varphi(x_{ij}) + b, \qquad P(y_{ij} = 1) = \sigma(z_{ij})

    .. math:: -\sum_{(i,j) \text{ observed}} [y_{ij} \log \sigma(z_{ij})
       + (1 - y_{ij}) \log(1 - \sigma(z_{ij}))] + \text{penalty}

    Options
    -------
    l2 : float
        Penalty ½ · l2 · ‖w‖² (`promolab.compare.search_options` finds one).
    l1 : float
        Penalty l1 · Σ |w| beside it: an elastic net; weights that do not help are exactly 0
        (`fit_elastic_net`). With a tiny ``l2``: the lasso. The standard errors are nan then: the
        usual ones would be false for weights that were chosen by the same rows.
    intervals : bool
        Whether to reckon the standard errors of the weights too, which `coefficients` needs. They
        take about half as long as the fit itself; without, they are nan and all else is the same.
    privacy : Privacy, optional
        Learn from one release of noisy sums by customer (`promolab.model.privacy`): a weight is per
        half of its column's stated range, ``l1`` must be 0, and standard errors, which would have
        to tell of the noise too, are nan.
    """

    DEFAULTS = {"l2": DEFAULT_L2, "l1": 0.0, "intervals": True, "privacy": None}  # noqa: RUF012
    LEARNED = ("encoder", "l1", "l2", "weights", "intercept", "standard_errors", "info")

    def check(self) -> None:
        """Refuse penalties that are none."""
        real_number("l2", self.options["l2"], above=0)
        real_number("l1", self.options["l1"], least=0.0)
        flag("intervals", self.options["intervals"])
        given = self.options["privacy"]
        if given is not None and (not isinstance(given, Privacy) or self.options["l1"]):
            raise refuse("privacy", given, "Privacy(epsilon, delta, bounds), and l1 = 0")

    def fit(self, training: Training) -> None:
        """Encode and solve."""
        from promolab.model.solvers.logistic import fit_elastic_net, fit_logistic, sandwich

        self.info: FitInfo | None
        self.counts: tuple[int, int] | None = None
        if privacy := self.options["privacy"]:
            self.info, self.l1, self.l2 = None, 0.0, float(self.options["l2"])
            found = fit_private(training, privacy, self.l2)
            self.encoder, self.weights, self.intercept, self.counts = found
            self.columns, self.standard_errors = self.encoder.columns, self.weights * np.nan
            return
        X, labels, weight = training.X, training.labels[:, 0], training.weight
        chosen = None if training.columns is None else check_columns(training.columns)
        self.encoder = Encoder.fit(X, chosen)
        self.columns = self.encoder.columns
        self.l1, self.l2 = float(self.options["l1"]), float(self.options["l2"])
        matrix = self.encoder.transform(X)
        self.standard_errors = np.full(matrix.shape[1], np.nan)
        if self.l1 > 0:
            solved = fit_elastic_net(matrix, labels, self.l1, self.l2, weight)
        else:
            solved = fit_logistic(matrix, labels, self.l2, weight)
        self.weights, self.intercept, self.info = solved
        if self.l1 == 0 and self.options["intervals"]:
            w, b = self.weights, self.intercept
            covariance = sandwich(matrix, labels, w, b, self.l2, training.cluster, weight)
            self.standard_errors = np.sqrt(np.diag(covariance)[:-1])

    def score(self, given: Sequence[np.ndarray]) -> np.ndarray:
        """Return the log odds, shape (n, 1)."""
        n = len(given[0])
        found = np.empty(n)

        def add(rows: slice) -> None:
            encoded = np.empty((len(found[rows]), len(self.weights)))
            self.encoder.encode(given, rows, encoded)
            # Not a matrix product: its rounding depends on how many rows are scored together.
            (encoded * self.weights).sum(axis=1, out=found[rows])

        by_pieces(add, n)
        return (found + self.intercept)[:, None]

    def parts(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return each source column's share of the log odds."""
        sources = self.encoder.columns
        member = np.array([[s == c for c in sources] for s in self.encoder.sources], float)
        terms = self.encoder.transform(X) * self.weights
        frame = pd.DataFrame(terms @ member, index=X.index, columns=sources)
        frame.attrs["base"] = self.intercept
        return frame

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Become a saved model."""
        super().restore(learned)
        width = len(self.encoder.names)
        require_numbers("weights", self.weights, (width,))
        require_numbers("intercept", self.intercept, ())
        errors = np.nan_to_num(self.standard_errors)  # nan where there are no intervals
        require_numbers("standard errors", errors, (width,))
