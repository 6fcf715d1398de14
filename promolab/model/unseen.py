"""A column of which a model knows no value: as a rule it is written otherwise than it was."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

__all__ = ["UnseenLevels", "unseen_expected", "warn_if_unseen"]

BY_CHANCE = 0.001
SOME = 5


class UnseenLevels(UserWarning):
    """None of a column's categories was among those learned from."""


def warn_if_unseen(
    column: pd.Series, place: np.ndarray, levels: Sequence[str], other_share: float
) -> None:
    """Warn if no row has a level that is known, where rare ones would not explain it.

    Parameters
    ----------
    column : Series of n rows
    place : ndarray of int, shape (n,)
        The place of each row's level among those known; beyond them where it is another.
    levels : sequence of str
        The levels that are known.
    other_share : float
        Share of training rows whose level was too rare to be known.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     sex = pd.Series(["male", "female", None], name="sex")
    ...     warn_if_unseen(sex, np.array([2, 2, 3]), ["f", "m"], 0.0)
    >>> str(told[0].message).split(";")[0]
    "none of the values of 'sex' ('male', 'female') is one the model learned from ('f', 'm')"
    """
    if not len(levels) or (place < len(levels)).any():
        return
    values = column.dropna()
    if len(values) < 2 or other_share ** len(values) >= BY_CHANCE:
        return
    warnings.warn(
        f"none of the values of {str(column.name)!r} ({_some(list(values.unique()[: SOME + 1]))}) "
        f"is one the model learned from ({_some(levels)}); all rows count as if it was not known. "
        "Is it written as it was in training?",
        UnseenLevels,
        stacklevel=_callers_level(),
    )


def _callers_level() -> int:
    """Return how many calls up the first one is that promolab did not make."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("promolab"):
        frame, level = frame.f_back, level + 1
    return level


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(repr(value) for value in values[:SOME])
    return f"{shown}, …" if len(values) > SOME else shown


@contextmanager
def unseen_expected() -> Iterator[None]:
    """Do not warn: where later rows are predicted from earlier ones, new categories are no slip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnseenLevels)
        yield
