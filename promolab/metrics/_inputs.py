"""What the measures of ranking accept: labels, scores, groups and clusters, checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import level_of
from promolab.errors import InputError
from promolab.results import Estimate
from promolab.wording import decimals_for, number, percent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "OF_LOSSES",
    "against_base",
    "check_labels",
    "check_ranking",
    "check_scores",
    "codes_of",
    "figure",
    "renumbered",
]


OF_LOSSES = 3
"""Decimals of losses, and of differences, at least: models differ by thousandths."""


def figure(value: float, low: float, high: float, least: int = 2) -> str:
    """Write a measure with its interval, to so many decimals at least, however wide it is.

    Of a figure between 0 and 1 a wide interval would leave no digit at all: "AUC 1 [0, 1]".

    Examples
    --------
    >>> figure(0.6667, 0.0, 1.0), figure(0.71234, 0.71201, 0.71267)
    ('0.67 [0.00, 1.00]', '0.7123 [0.7120, 0.7127]')
    """
    return number(value, low, high, decimals=max(decimals_for(low, high), least))


def against_base(skill: Estimate) -> str:
    """Say how far a loss is below or above that of the base rate given to every row.

    Examples
    --------
    >>> against_base(Estimate(0.29, 0.21, 0.37, 90))
    '29 % [21, 37] less than the base rate given to every row'
    >>> against_base(Estimate(-1.59, -2.41, -0.81, 90))
    '159 % [81, 241] more than the base rate given to every row'
    >>> against_base(Estimate(0.02, -0.04, 0.08, 90))
    '2 % [−4, 8] less than the base rate given to every row, which is within noise'
    """
    less = skill.value >= 0
    ends = (skill.ci_low, skill.ci_high) if less else (-skill.ci_high, -skill.ci_low)
    words = f"{percent(abs(skill.value), *ends)} {'less' if less else 'more'} than the base rate"
    noise = ", which is within noise" if skill.ci_low <= 0 <= skill.ci_high else ""
    return f"{words} given to every row{noise}"


def check_labels(y_true: ArrayLike, name: str = "y_true") -> np.ndarray:
    """Return the labels as booleans of shape (n,), or say what is wrong with them."""
    y = _flat(y_true, name)
    if not len(y):
        raise InputError(f"{name} is empty; give at least one row")
    if y.dtype == bool:
        return y
    try:
        numbers = y if y.dtype.kind in "iu" else y.astype(float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds {y[0]!r}; code the label as 0 and 1") from None
    if numbers.dtype.kind == "f" and (missing := int(np.isnan(numbers).sum())):
        raise InputError(
            f"{name} has {missing:,} missing values of {len(y):,}; leave out rows whose outcome is "
            "not known yet"
        )
    positive = numbers == 1
    other = ~positive & (numbers != 0)
    if other.any():
        found = ", ".join(str(value) for value in np.unique(numbers[other])[:3])
        raise InputError(f"{name} holds {found}; code the label as 0 and 1")
    return positive


def check_scores(score: ArrayLike, n: int, name: str = "y_score") -> np.ndarray:
    """Return the scores as floats of shape (n,); infinite ones are allowed, missing ones not."""
    values = _flat(score, name)
    if len(values) != n:
        raise InputError(f"{name} has {len(values):,} rows and y_true {n:,}; give one per row")
    try:
        values = values if values.dtype in (np.float32, np.float64) else values.astype(float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds {values[0]!r}; scores are numbers") from None
    if missing := int(np.isnan(values).sum()):
        raise InputError(
            f"{name} has {missing:,} missing values of {n:,}; give every row a score, or leave the "
            "row out of both"
        )
    return values


def check_ranking(
    y_true: ArrayLike, y_score: ArrayLike, level: float, name: str = "y_score"
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of which an AUC can be made."""
    level_of(level)
    y = check_labels(y_true)
    score = check_scores(y_score, len(y), name)
    positives = int(np.count_nonzero(y))
    if positives in (0, len(y)):
        raise InputError(
            f"y_true holds one class only ({len(y):,} rows, all {int(bool(positives))}); an AUC "
            "needs both, so choose a period or a promotion with responses and non-responses"
        )
    return y, score


def codes_of(values: ArrayLike | None, n: int, name: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Number the distinct values 0, 1, … by first appearance.

    Returns
    -------
    codes : ndarray of shape (n,) or None
        None where ``values`` is None.
    names : ndarray of shape (number of distinct values,)
        The values that the codes stand for.
    """
    if values is None:
        return None, np.empty(0, dtype=object)
    import pandas as pd

    # Strings of Arrow and categoricals are numbered as they are: making objects of them is slow.
    column: Any = values if isinstance(values, pd.Series) else _flat(values, name)
    if len(column) != n:
        raise InputError(f"{name} has {len(column):,} rows and y_true {n:,}; give one per row")
    codes, names = pd.factorize(column)
    if missing := int(np.count_nonzero(codes < 0)):
        raise InputError(
            f"{name} has {missing:,} missing values of {n:,}; every row belongs to one"
        )
    return codes, np.asarray(names)


def _flat(values: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}; give one dimension, one value per row")
    return array


def renumbered(codes: np.ndarray) -> np.ndarray:
    """Return the codes of a selection of rows, without gaps."""
    return np.unique(codes, return_inverse=True)[1]
