"""The logistic model: a weighted sum of encoded features is the log odds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import flag, real_number
from promolab.errors import InputError
from promolab.model.inputs.encoding import Encoder, by_pieces
from promolab.model.inputs.reading import as_texts, check_columns, check_present
from promolab.model.learners._base import (
    Learner,
    State,
    Training,
    require_numbers,
)

if TYPE_CHECKING:
    from promolab.model.solvers.newton import FitInfo


DEFAULT_L2 = 30.0  # a weight of ±0.18 per standard deviation is usual; 10 to 300 differ little
DEFAULT_POOLING = 100.0  # with promotions of some hundred rows, 100 to 1,000 differ little
ABOVE_0 = 1e-12


class Logistic(Learner):
    r"""Weights solved to the optimum, which is certified.

    For customers i = 1…N and promotions j = 1…M, φ the `Encoder`:

    .. math:: z_{ij} = w_j^T \varphi(x_{ij}) + b_j, \qquad P(y_{ij} = 1) = \sigma(z_{ij})

    .. math:: -\sum_{(i,j) \text{ observed}} [y_{ij} \log \sigma(z_{ij})
       + (1 - y_{ij}) \log(1 - \sigma(z_{ij}))] + \text{penalty}

    One w for all promotions (w_j = w, b_j = b), with features of the promotion and of the pair in
    φ: works for promotions never seen. Or, with ``by``, w_j = w + u_j and b_j = b + c_j for each
    promotion that has a history, the shared w for those that have none.

    Options
    -------
    l2 : float or "cv"
        Penalty ½ · l2 · ‖w‖²; ``"cv"``: `choose_l2` over the groups.
    l1 : float
        Penalty l1 · Σ |w| beside it: an elastic net; weights that do not help are exactly 0
        (`fit_elastic_net`). With a tiny ``l2``: the lasso. The standard errors are nan then: the
        usual ones would be false for weights that were chosen by the same rows.
    by : str, optional
        Column of X that says whose weights: a group, such as ``promotion_id``, never a feature.
    pooling : float or "cv"
        With ``by``: penalty ½ · pooling · Σ_j (‖u_j‖² + c_j²) (`fit_pooled`); ``"cv"``:
        `choose_pooling` over the clusters. Much of it is one model, little one per promotion.
    intervals : bool
        Whether to reckon the standard errors of the weights too, which `coefficients` needs. They
        take about half as long as the fit itself; without, they are nan and all else is the same.
    """

    DEFAULTS = {  # noqa: RUF012
        "l2": DEFAULT_L2,
        "l1": 0.0,
        "by": None,
        "pooling": DEFAULT_POOLING,
        "intervals": True,
    }

    def check(self) -> None:
        """Refuse penalties that are none, and what cannot be had together."""
        l2, by = self.options["l2"], self.options["by"]
        if l2 != "cv":
            real_number("l2", l2, above=0, hint=" or 'cv'")
        real_number("l1", self.options["l1"], least=0.0)
        if self.options["pooling"] != "cv":
            real_number("pooling", self.options["pooling"], least=ABOVE_0)
        if by is not None and not isinstance(by, str):
            raise InputError(f"by = {by!r}; give the name of a column, such as 'promotion_id'")
        flag("intervals", self.options["intervals"])
        if by is not None and self.options["l1"] > 0:
            raise InputError("weights per group (by) and an l1 penalty cannot be had together yet")

    def fit(self, training: Training) -> None:
        """Encode, choose the penalties if asked, solve."""
        labels, by = training.labels[:, 0], self.options["by"]
        chosen = self._features(training)
        self.encoder = Encoder.fit(training.X, chosen)
        self.columns = [*self.encoder.columns, *([by] if by else [])]
        self.l1 = float(self.options["l1"])
        self.l2 = self._chosen_l2(training, chosen)
        self.groups: list[str] = []
        self.own_weights = np.zeros((1, len(self.encoder.names)))  # the last row: no own weights
        self.own_intercepts = np.zeros(1)
        self.pooling: float | None = None
        self.info: FitInfo | None = None
        matrix = self.encoder.transform(training.X)
        self.standard_errors = np.full(matrix.shape[1], np.nan)
        if by:
            self._fit_pooled(matrix, labels, training, chosen)
        else:
            self._fit_shared(matrix, labels, training)

    def _features(self, training: Training) -> list[str] | None:
        by, columns = self.options["by"], training.columns
        columns = None if columns is None else check_columns(columns)
        if by is None:
            return None if columns is None else list(columns)
        check_present(training.X, [by])
        if columns is None:
            return [str(c) for c in training.X.columns if c != by]
        if by in columns:
            raise InputError(f"{by!r} is the group of by= and cannot be among the features too")
        return list(columns)

    def _chosen_l2(self, training: Training, columns: list[str] | None) -> float:
        from promolab.model.solvers.penalty import choose_l2

        if self.options["l2"] != "cv":
            return float(self.options["l2"])
        groups = training.cluster if training.group is None else training.group
        labels = training.labels[:, 0]
        return choose_l2(
            training.X,
            labels,
            groups,
            columns=columns,
            l1=self.l1,
            sample_weight=training.weight,
            seed=training.seed,
        )[0]

    def _fit_shared(self, matrix: np.ndarray, labels: np.ndarray, training: Training) -> None:
        from promolab.model.solvers.elastic_net import fit_elastic_net
        from promolab.model.solvers.logistic import fit_logistic, sandwich

        if self.l1 > 0:
            found = fit_elastic_net(matrix, labels, self.l1, self.l2, training.weight)
        else:
            found = fit_logistic(matrix, labels, self.l2, training.weight)
        self.weights, self.intercept, self.info = found
        if self.l1 == 0 and self.options["intervals"]:
            covariance = sandwich(
                matrix,
                labels,
                self.weights,
                self.intercept,
                self.l2,
                training.cluster,
                training.weight,
            )
            self.standard_errors = np.sqrt(np.diag(covariance)[:-1])

    def _fit_pooled(
        self,
        matrix: np.ndarray,
        labels: np.ndarray,
        training: Training,
        columns: list[str] | None,
    ) -> None:
        from promolab.model.solvers.partial_pooling import fit_pooled, pooled_covariance
        from promolab.model.solvers.penalty import choose_pooling

        by = self.options["by"]
        names = _names_of_groups(training.X[by])
        absent = int(np.count_nonzero(pd.isna(names)))
        if absent:
            raise InputError(
                f"{by!r} is missing in {absent} training rows; whose weights they "
                "should teach is not known"
            )
        codes, groups = pd.factorize(names, sort=True)
        if self.options["pooling"] == "cv":
            self.pooling, _ = choose_pooling(
                training.X,
                labels,
                codes,
                training.cluster,
                self.l2,
                columns=columns,
                sample_weight=training.weight,
                seed=training.seed,
            )
        else:
            self.pooling = float(self.options["pooling"])
        fit = fit_pooled(matrix, labels, codes, self.l2, self.pooling, training.weight)
        self.groups = [str(group) for group in groups]
        self.weights, self.intercept, self.info = fit.weights, fit.intercept, fit.info
        self.own_weights = np.vstack([fit.own_weights, self.own_weights])
        self.own_intercepts = np.append(fit.own_intercepts, 0.0)
        if self.options["intervals"]:
            covariance = pooled_covariance(
                matrix,
                labels,
                codes,
                fit,
                self.l2,
                self.pooling,
                training.cluster,
                training.weight,
            )
            self.standard_errors = np.sqrt(np.diag(covariance)[:-1])

    def places(self, groups: pd.Series) -> np.ndarray:
        """Return which row of ``own_weights`` each group has; the last one where it is new."""
        found = pd.Index(self.groups, dtype=object).get_indexer(_names_of_groups(groups))
        return np.where(found < 0, len(self.groups), found)

    def _terms(self, X: pd.DataFrame) -> tuple[Callable[[slice], np.ndarray], np.ndarray | float]:
        """Return what gives each encoded column's share of some rows, and what the groups add."""
        columns, width, place = self.encoder.read(X), len(self.weights), None
        if self.groups:
            check_present(X, [self.options["by"]])
            place = self.places(X[self.options["by"]])

        def terms(rows: slice) -> np.ndarray:
            found = np.empty((len(range(*rows.indices(len(X)))), width))
            self.encoder.encode(columns, rows, found)
            own = 0.0 if place is None else self.own_weights[place[rows]]
            found *= self.weights + own
            return found

        return terms, 0.0 if place is None else self.own_intercepts[place]

    def logit(self, X: pd.DataFrame) -> np.ndarray:
        """Return the log odds, shape (n, 1)."""
        terms, own = self._terms(X)
        found = np.empty(len(X))
        # Not a matrix product: its rounding depends on how many rows are scored together.
        by_pieces(lambda rows: terms(rows).sum(axis=1, out=found[rows]), len(X))
        return (found + self.intercept + own)[:, None]

    def parts(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return each source column's share of the log odds; a group's is its own intercept."""
        terms, own = self._terms(X)
        sources = self.encoder.columns
        member = np.array([[s == c for c in sources] for s in self.encoder.sources], float)
        frame = pd.DataFrame(terms(slice(None)) @ member, index=X.index, columns=sources)
        if self.groups:
            frame[self.options["by"]] = own
        frame.attrs["base"] = self.intercept
        return frame

    def state(self) -> State:
        """Return encoder, weights and penalties."""
        arrays = {
            "weights": self.weights,
            "intercept": np.array([self.intercept]),
            "standard_errors": self.standard_errors,
            "own_weights": self.own_weights,
            "own_intercepts": self.own_intercepts,
        }
        plain = {
            "encoder": self.encoder.to_dict(),
            "l2": self.l2,
            "l1": self.l1,
            "pooling": self.pooling,
            "groups": self.groups,
        }
        return plain, arrays

    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become a saved model."""
        by = self.options["by"]
        self.encoder = Encoder.from_dict(state["encoder"])
        self.columns = [*self.encoder.columns, *([by] if by else [])]
        width, groups = len(self.encoder.names), len(state["groups"]) + 1
        shapes = {"weights": (width,), "intercept": (1,), "own_weights": (groups, width)}
        require_numbers(arrays, shapes | {"own_intercepts": (groups,)})
        errors = np.nan_to_num(arrays["standard_errors"])  # nan where there are no intervals
        require_numbers({"standard_errors": errors}, {"standard_errors": (width,)})
        self.weights, self.standard_errors = arrays["weights"], arrays["standard_errors"]
        self.own_weights, self.own_intercepts = arrays["own_weights"], arrays["own_intercepts"]
        self.intercept, self.l2 = float(arrays["intercept"][0]), state["l2"]
        self.l1, self.pooling, self.groups = state["l1"], state["pooling"], state["groups"]
        self.info = None


def _names_of_groups(column: pd.Series) -> pd.Index:
    """Return groups as texts, missing where they are; 7, 7.0 and "7" are the same one."""
    codes, values = pd.factorize(column)
    return pd.Index([*as_texts(pd.Series(values)), None], dtype=object)[codes]
