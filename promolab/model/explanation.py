"""Why one row scores as it does: contributions per feature that add up to the log odds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.errors import InputError
from promolab.model.inputs.reading import check_present

if TYPE_CHECKING:
    from promolab.model.response import ResponseModel


PERMUTATIONS = 64
BLOCK = 200_000  # rows scored at once: bounds the working memory


def shapley_parts(
    model: ResponseModel,
    X: pd.DataFrame,
    background: pd.DataFrame | None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    *,
    outcome: str | None = None,
) -> pd.DataFrame:
    r"""Return each feature's Shapley value of the log odds, whatever kind the model is.

    A row of the background becomes the row to be explained, one feature after the other in a random
    order; what the log odds change by at a feature's turn, on average over orders and background
    rows, is the feature's. Each order is walked in both directions (antithetic), and every row of X
    by the same orders and background rows. Features that always come together share their part:
    it says what the model uses, not what causes the response.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    X : DataFrame, shape (n, k)
        Rows to explain.
    background : DataFrame, shape (m, k)
        Rows to compare with, such as a hundred of those the model learned from. May be None only
        where the log odds are a sum over features (``logistic``, calibrated by Platt or not at
        all): then the parts are exact and against the average training row.
    permutations : int
        Orders drawn, at least 2; an odd number becomes the next even one. Each pair of orders
        starts from another background row, in turn.
    seed : int
        Start of the random orders.
    outcome : str, optional
        Which outcome, where the model has several.

    Returns
    -------
    DataFrame, shape (n, number of features)
        In log odds. ``attrs["base"]`` is the average log odds of the background rows used; a row's
        sum plus it is the row's `logit`. ``attrs["std_error"]`` holds per feature a list with the
        Monte Carlo standard error of each row's part.

    Raises
    ------
    InputError
        No background for a model that needs one, a column that is missing, an unknown outcome.

    References
    ----------
    Štrumbelj & Kononenko (2014), Knowledge and Information Systems 41. Mitchell et al. (2022), JMLR
    23(43), on antithetic orders.

    Examples
    --------
    >>> from promolab.model.response import ResponseModel
    >>> X = pd.DataFrame({"orders": range(40), "visits": [i % 7 for i in range(40)]})
    >>> model = ResponseModel("tree", depth=2, min_leaf=5).fit(X, [int(i > 25) for i in range(40)])
    >>> parts = shapley_parts(model, X.tail(2), background=X)
    >>> bool(abs(parts.sum(axis=1) + parts.attrs["base"] - model.logit(X.tail(2))).max() < 1e-9)
    True
    """
    k = model._place_of(outcome)
    features = model_features(model)
    check_present(X, features)
    if background is None:
        exact = _exact(model, X, k)
        if exact is None:
            raise InputError(
                f"a {model.kind} model has no weights to read off: give background=, rows to "
                "compare with, such as training_rows.sample(100, random_state=0)"
            )
        return exact
    check_present(background, features)
    whole_number("seed", seed, 0)
    if not len(background) or permutations < 2:
        raise InputError(
            f"the background has {len(background)} rows and permutations is {permutations}; give "
            "at least 1 row and 2 permutations"
        )
    return _sampled(model, X, background, features, k, -(-permutations // 2), seed)


def model_features(model: ResponseModel) -> list[str]:
    """Return the source columns that a fitted model reads, sorted."""
    model._require_fit()
    return sorted({str(c) for learner in model.learners_ for c in learner.columns})


def logits_of(model: ResponseModel, X: pd.DataFrame, outcome: str | None = None) -> np.ndarray:
    """Return the log odds of one outcome, shape (n,)."""
    k = model._place_of(outcome)
    found = model.logit(X)
    return found.iloc[:, k].to_numpy() if isinstance(found, pd.DataFrame) else found


def shuffled_logits(
    model: ResponseModel, X: pd.DataFrame, outcome: str | None = None
) -> Callable[[str, np.ndarray], np.ndarray]:
    """Return a function that scores the rows with the values of a feature from other rows.

    It takes the feature and those rows, shape (repeats, n), and returns log odds of that shape. X
    is read once, not for each feature.
    """
    k, frame = model._place_of(outcome), model._frame(X)
    read = [learner.encoder.read(frame) for learner in model.learners_]

    def logits(name: str, source: np.ndarray) -> np.ndarray:
        given: list[Any] = []
        for learner, columns in zip(model.learners_, read, strict=True):
            matrix = isinstance(columns, np.ndarray)
            found = [
                column[source.ravel()] if code.name == name else np.tile(column, len(source))
                for code, column in zip(
                    learner.encoder.used, columns.T if matrix else columns, strict=True
                )
            ]
            given.append(np.column_stack(found) if matrix else found)
        return np.asarray(model._scored(given)[:, k].reshape(source.shape))

    return logits


def _exact(model: ResponseModel, X: pd.DataFrame, k: int) -> pd.DataFrame | None:
    """Return the parts of a sum, scaled as the calibration scales the log odds."""
    if len(model.learners_) != len(model.outcomes_):
        return None
    parts = model.learners_[k].parts(X)
    if parts is None or not model.calibrators_:
        return parts
    calibrator = model.calibrators_[k]
    base = calibrator.slope * parts.attrs["base"] + calibrator.intercept
    scaled: pd.DataFrame = parts * calibrator.slope
    scaled.attrs = {**parts.attrs, "base": base}
    return scaled


def _sampled(
    model: ResponseModel,
    X: pd.DataFrame,
    background: pd.DataFrame,
    features: list[str],
    k: int,
    pairs: int,
    seed: int,
) -> pd.DataFrame:
    from tqdm import tqdm

    rng = np.random.default_rng(seed)
    d, n = len(features), len(X)
    order = rng.permuted(np.tile(np.arange(d), (pairs, 1)), axis=1)
    order = np.concatenate([order, order[:, ::-1]])  # (2 · pairs, d): each one and its reverse
    # Every background row as often as any other, in an order of its own.
    turns = -(-pairs // len(background))
    start = np.concatenate([rng.permutation(len(background)) for _ in range(turns)])[:pairs]
    start = np.tile(start, 2)
    both = pd.concat([X[features], background[features]], ignore_index=True)
    rows_at_once = max(1, BLOCK // (2 * pairs * (d + 1)))
    found, error, base = np.empty((n, d)), np.empty((n, d)), 0.0
    blocks = range(0, n, rows_at_once)
    for first in tqdm(blocks, desc="explaining", unit="block", leave=False, delay=2, disable=None):
        rows = np.arange(first, min(first + rows_at_once, n))
        walked = _walks(model, both, rows, n + start, order, features, k)
        base = float(walked[0, :, 0].mean())  # the same for each row: the background rows' own
        steps = np.diff(walked, axis=2)
        place = np.argsort(order, axis=1)[None]
        by_feature = np.take_along_axis(steps, np.broadcast_to(place, steps.shape), axis=2)
        by_pair = (by_feature[:, :pairs] + by_feature[:, pairs:]) / 2
        found[rows] = by_pair.mean(axis=1)
        # The pairs are the independent draws: orders and background rows together.
        error[rows] = by_pair.std(axis=1, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.nan
    frame = pd.DataFrame(found, index=X.index, columns=features)
    frame.attrs["base"] = base if n else float("nan")
    frame.attrs["std_error"] = {c: error[:, j].tolist() for j, c in enumerate(features)}
    return frame


def _walks(
    model: ResponseModel,
    both: pd.DataFrame,
    rows: np.ndarray,
    start: np.ndarray,
    order: np.ndarray,
    features: list[str],
    k: int,
) -> np.ndarray:
    """Return the log odds on the way from background to row: (rows, orders, features + 1)."""
    draws, d = order.shape
    shape = (len(rows), draws, d + 1)
    turn = np.argsort(order, axis=1)  # when each feature's turn comes, per order
    switched = turn[:, None, :] < np.arange(d + 1)[None, :, None]  # (orders, steps, features)
    columns: dict[str, Any] = {}
    for j, name in enumerate(features):
        source = np.where(switched[None, :, :, j], rows[:, None, None], start[None, :, None])
        columns[name] = both[name].array.take(source.ravel())
    says = model.logit(pd.DataFrame(columns))
    values = says.iloc[:, k].to_numpy() if isinstance(says, pd.DataFrame) else says
    return values.reshape(shape)
