"""Every customer with every promotion, in batches: scores of a whole campaign's choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.errors import InputError, nearest
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from promolab.model import ResponseModel
    from promolab.model.inputs import Encoder
    from promolab.model.learners import Logistic


BATCH = 50_000


def score_grid(
    model: ResponseModel,
    customers: pd.DataFrame | Iterable[pd.DataFrame],
    promotions: pd.DataFrame | None = None,
    *,
    batch: int = BATCH,
    outcome: str | None = None,
) -> Iterator[np.ndarray]:
    r"""Yield P(customer i responds to promotion j) for all i and j, a batch of customers at a time.

    A logistic model is a sum over features, so customers and promotions are encoded once and apart:
    :math:`z_{ij} = w_j^T (\varphi(x_i) + \varphi(x_j)) + b_j`, a matrix product where weights are
    by promotion, a sum where they are shared. Other kinds score the crossed rows in batches.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    customers : DataFrame, shape (N, k), or iterable of DataFrames
        A row per customer, with the customers' features. Frames from an iterator, such as batches
        of a file, keep the memory bounded whatever N.
    promotions : DataFrame, shape (M, m), optional
        A row per promotion, with the promotions' features and the column of ``by``. By default the
        promotions that a model with ``by`` knows, in the order of its ``groups``.
    batch : int
        Customers scored together; memory is some hundred bytes × batch × (columns + promotions).
    outcome : str, optional
        Of a model with several outcomes: which.

    Yields
    ------
    ndarray of float64, shape (customers in the batch, M)
        In the order given; equal to ``model.probability`` of the crossed rows up to rounding
        (1e-12: the terms are added in another order).

    Raises
    ------
    InputError
        A feature stands in neither frame (it may be one of the pair) or in both; bad arguments.

    Examples
    --------
    >>> from promolab.model import ResponseModel
    >>> rows = pd.DataFrame({"orders": range(40), "discount": [5, 10] * 20})
    >>> model = ResponseModel().fit(rows, [int(i % 3 == 0 or i > 30) for i in range(40)])
    >>> offers = pd.DataFrame({"discount": [5, 10, 10]})
    >>> [scores.shape for scores in score_grid(model, rows[["orders"]], offers, batch=25)]
    [(25, 3), (15, 3)]
    """
    whole_number("batch", batch, 1, hint=": the customers scored together")
    scorer = _scorer(model, promotions, outcome)
    frames = [customers] if isinstance(customers, pd.DataFrame) else customers
    if isinstance(frames, np.ndarray) or not isinstance(frames, Iterable):
        raise InputError(
            f"the customers are a {type(customers).__name__}; give a DataFrame with a row per "
            "customer, or an iterable of them"
        )
    return (
        scorer.probability(frame.iloc[first : first + batch])
        for frame in frames
        for first in range(0, len(frame), batch)
    )


class _Crossed:
    """Any kind: rows of customers and promotions side by side."""

    def __init__(self, model: ResponseModel, promotions: pd.DataFrame, outcome: str | None) -> None:
        self.model, self.promotions, self.outcome = model, promotions, outcome

    def probability(self, customers: pd.DataFrame) -> np.ndarray:
        _check_apart(customers, self.promotions, list(customers.columns))
        n, m = len(customers), len(self.promotions)
        parts = []
        size = max(BATCH // m, 1)
        for first in range(0, n, size):
            some = customers.iloc[first : first + size]
            left = some.iloc[np.repeat(np.arange(len(some)), m)].reset_index(drop=True)
            right = self.promotions.iloc[np.tile(np.arange(m), len(some))].reset_index(drop=True)
            found = self.model.probability(pd.concat([left, right], axis=1))
            if isinstance(found, pd.DataFrame):
                found = found[self.outcome].to_numpy()
            parts.append(found.reshape(len(some), m))
        return np.vstack([np.empty((0, m)), *parts])


class _Additive:
    """Logistic: the customers' share of the log odds, and the promotions'."""

    def __init__(
        self, model: ResponseModel, learner: Logistic, promotions: pd.DataFrame, place: int
    ) -> None:
        from promolab.model.inputs import Encoder

        self.promotions = promotions
        self.used = [code.name for code in learner.encoder.codes if code.names]
        theirs = set(promotions.columns) & set(self.used)
        codes = [code for code in learner.encoder.codes if code.names]
        encoder = Encoder(tuple(code for code in codes if code.name in theirs))
        self.encoder = Encoder(tuple(code for code in codes if code.name not in theirs))
        weights = np.broadcast_to(learner.weights, (len(promotions), len(learner.weights)))
        shift = np.full(len(promotions), learner.intercept)
        self.shared = not learner.groups
        if learner.groups:
            row = learner.places(promotions[learner.options["by"]])
            weights, shift = weights + learner.own_weights[row], shift + learner.own_intercepts[row]
        of_promotion = np.isin(learner.encoder.sources, sorted(theirs))
        if theirs:
            shift = shift + (encoder.transform(promotions) * weights[:, of_promotion]).sum(axis=1)
        self.weights, self.shift = np.ascontiguousarray(weights[:, ~of_promotion]), shift
        self.calibrator = model.calibrators_[place] if model.calibrators_ else None

    def probability(self, customers: pd.DataFrame) -> np.ndarray:
        from scipy.special import expit

        _check_apart(customers, self.promotions, self.used)
        _check_there(customers, self.encoder)
        encoded = self.encoder.transform(customers)
        if self.shared:
            linear = (encoded * self.weights[0]).sum(axis=1)[:, None] + self.shift
        else:
            with single_threaded("blas"):
                linear = encoded @ self.weights.T
            linear += self.shift
        if self.calibrator is not None:
            linear = self.calibrator.apply(linear.ravel()).reshape(linear.shape)
        found: np.ndarray = expit(linear, out=linear)
        return found


def _scorer(
    model: ResponseModel, promotions: pd.DataFrame | None, outcome: str | None
) -> _Additive | _Crossed:
    from promolab.model.learners import Logistic

    model._require_fit()
    names = list(model.outcomes_)
    if outcome is None and len(names) > 1:
        raise InputError(f"the model has several outcomes; give outcome= one of {names}")
    if outcome is not None and outcome not in names:
        raise InputError(f"the model has no outcome {outcome!r}; {nearest(outcome, names)}")
    place = 0 if outcome is None else names.index(outcome)
    learner = model.learners_[min(place, len(model.learners_) - 1)]
    by = learner.options.get("by")
    if promotions is None:
        if not by or not isinstance(learner, Logistic):
            raise InputError(
                "only a model with by= knows promotions of its own; give promotions=, a frame with "
                "a row per promotion"
            )
        promotions = pd.DataFrame({by: learner.groups})
    if not len(promotions):
        raise InputError("promotions has no rows; give a row per promotion")
    if by and by not in promotions.columns:
        raise InputError(
            f"promotions lacks column {by!r}, by which the model tells whose weights to use; "
            f"{nearest(by, [str(c) for c in promotions.columns])}"
        )
    if isinstance(learner, Logistic):
        return _Additive(model, learner, promotions, place)
    return _Crossed(model, promotions, names[place])


def _check_apart(customers: pd.DataFrame, promotions: pd.DataFrame, used: list[str]) -> None:
    both = sorted(set(customers.columns) & set(promotions.columns) & set(used))
    if both:
        raise InputError(
            f"{', '.join(map(repr, both[:3]))} stands with the customers and with the promotions; "
            "drop it from one"
        )


def _check_there(customers: pd.DataFrame, encoder: Encoder) -> None:
    lacking = [name for name in encoder.columns if name not in customers.columns]
    if lacking:
        raise InputError(
            f"neither the customers nor the promotions have {', '.join(map(repr, lacking[:3]))}: "
            "a feature of the pair? Then score pairs with model.probability"
        )
