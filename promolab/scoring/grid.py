"""Every customer with every promotion, in batches: scores of a whole campaign's choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.errors import InputError

if TYPE_CHECKING:
    from promolab.model import ResponseModel
    from promolab.model.learners import Logistic


BATCH = 50_000


def score_grid(
    model: ResponseModel,
    customers: pd.DataFrame | Iterable[pd.DataFrame],
    promotions: pd.DataFrame,
    *,
    batch: int = BATCH,
    outcome: str | None = None,
) -> Iterator[np.ndarray]:
    r"""Yield P(customer i responds to promotion j) for all i and j, a batch of customers at a time.

    A logistic model is a sum over features, so customers and promotions are encoded once and apart:
    :math:`z_{ij} = w^T (\varphi(x_i) + \varphi(x_j)) + b`. Other kinds score the crossed rows in
    batches.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    customers : DataFrame, shape (N, k), or iterable of DataFrames
        A row per customer, with the customers' features. Frames from an iterator, such as batches
        of a file, keep the memory bounded whatever N.
    promotions : DataFrame, shape (M, m)
        A row per promotion, with the promotions' features.
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
        scorer(frame.iloc[first : first + batch])
        for frame in frames
        for first in range(0, len(frame), batch)
    )


def _scorer(
    model: ResponseModel, promotions: pd.DataFrame, outcome: str | None
) -> Callable[[pd.DataFrame], np.ndarray]:
    """Return what gives some customers their chances with all promotions."""
    from promolab.model.learners import Logistic

    place, names = model._place_of(outcome), list(model.outcomes_)
    learner = model.learners_[min(place, len(model.learners_) - 1)]
    if not len(promotions):
        raise InputError("promotions has no rows; give a row per promotion")
    if isinstance(learner, Logistic):
        return _added(model, learner, promotions, place)

    def crossed(customers: pd.DataFrame) -> np.ndarray:
        _check_apart(customers, promotions, list(customers.columns))
        m, parts = len(promotions), [np.empty((0, len(promotions)))]
        size = max(BATCH // m, 1)
        for first in range(0, len(customers), size):
            rows = customers.iloc[first : first + size].merge(promotions, how="cross")
            found = model.probability(rows)
            chances = found[names[place]] if isinstance(found, pd.DataFrame) else found
            parts.append(np.asarray(chances).reshape(-1, m))
        return np.vstack(parts)

    return crossed


def _added(
    model: ResponseModel, learner: Logistic, promotions: pd.DataFrame, place: int
) -> Callable[[pd.DataFrame], np.ndarray]:
    """Return the same of a sum: the customers' share of the log odds, and the promotions'."""
    from scipy.special import expit

    from promolab.model.inputs import Encoder

    codes = [code for code in learner.encoder.codes if code.names]
    used = [code.name for code in codes]
    theirs = set(promotions.columns) & set(used)
    encoder = Encoder(tuple(code for code in codes if code.name not in theirs))
    of_promotion = np.isin(learner.encoder.sources, sorted(theirs))
    shift = np.full(len(promotions), learner.intercept)
    if theirs:
        encoded = Encoder(tuple(c for c in codes if c.name in theirs)).transform(promotions)
        shift += (encoded * learner.weights[of_promotion]).sum(axis=1)
    weights = learner.weights[~of_promotion]

    def added(customers: pd.DataFrame) -> np.ndarray:
        _check_apart(customers, promotions, used)
        lacking = [name for name in encoder.columns if name not in customers.columns]
        if lacking:
            raise InputError(
                f"neither the customers nor the promotions have {', '.join(map(repr, lacking[:3]))}"
                ": a feature of the pair? Then score pairs with model.probability"
            )
        linear = (encoder.transform(customers) * weights).sum(axis=1)[:, None] + shift
        if model.calibrators_:
            linear = model.calibrators_[place].apply(linear.ravel()).reshape(linear.shape)
        found: np.ndarray = expit(linear, out=linear)
        return found

    return added


def _check_apart(customers: pd.DataFrame, promotions: pd.DataFrame, used: list[str]) -> None:
    both = sorted(set(customers.columns) & set(promotions.columns) & set(used))
    if both:
        raise InputError(
            f"{', '.join(map(repr, both[:3]))} stands with the customers and with the promotions; "
            "drop it from one"
        )
