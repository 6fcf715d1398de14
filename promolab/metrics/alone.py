"""What a single column tells by itself: what is too good to be true, before a model learns it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALARM_AUC",
    "FEWEST",
    "auc_alone",
    "columns_too_good",
    "r_squared_alone",
    "told_too_good",
]

ALARM_AUC = 0.90
"""Above it responses to real promotions are not predicted, unless by something that came later."""
FEWEST = 20
"""Rows of either class that an alarm needs."""

ROWS = 50_000
"""Rows that are enough, evenly spread over those there are."""


def auc_alone(column: pd.Series, y: np.ndarray) -> float:
    """Return how well a column ranks an outcome by itself, in whichever direction it does.

    Numbers rank by their size, with missing ones above or below all others; texts by the rate of
    their level among every other row, so that what is ranked was not counted.

    Parameters
    ----------
    column : Series of n rows
    y : ndarray of 0 and 1, shape (n,)
        nan where not known.

    Returns
    -------
    float
        0.5 to 1 for numbers; nan where one class is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> y = np.array([0, 0, 0, 1, 1, 1])
    >>> auc_alone(pd.Series([9, 8, 7, None, 2, 1]), y), auc_alone(pd.Series([1, 2, 1, 2, 1, 2]), y)
    (1.0, 0.6666666666666666)
    """
    ones, zeros = (_spread(np.flatnonzero(y == side), ROWS // 2) for side in (1, 0))
    if not len(ones) or not len(zeros):
        return float("nan")
    rows = np.sort(np.concatenate([ones, zeros]))
    column, y = column.iloc[rows], np.asarray(y, dtype=float)[rows]
    if not _is_number(column):
        return _auc(_level_means(column, y), y)
    values = _floats(column)
    found = []
    for end in (-np.inf, np.inf)[: 2 if np.isnan(values).any() else 1]:
        auc = _auc(np.where(np.isnan(values), end, values), y)
        found += [auc, 1 - auc]
    return max(found)


def columns_too_good(
    frame: pd.DataFrame, columns: Iterable[str], y: np.ndarray
) -> dict[str, float]:
    """Return the columns that rank an outcome by themselves, with their AUC, the best first.

    Parameters
    ----------
    frame : DataFrame of n rows
    columns : iterable of str
        Which of its columns.
    y : ndarray of 0 and 1, shape (n,)
        nan where not known.

    Examples
    --------
    >>> import pandas as pd
    >>> clicked = np.arange(100) % 2
    >>> frame = pd.DataFrame({"age": range(100), "seconds_on_page": 30.0 * clicked})
    >>> columns_too_good(frame, ["age", "seconds_on_page"], clicked)
    {'seconds_on_page': 1.0}
    """
    if min((y == 1).sum(), (y == 0).sum()) < FEWEST:
        return {}
    found = {name: auc_alone(frame[name], y) for name in columns}
    high = [(name, auc) for name, auc in found.items() if auc > ALARM_AUC]
    return dict(sorted(high, key=lambda pair: (-pair[1], pair[0])))


def told_too_good(alone: Mapping[str, float], outcome: str, most: int = 5) -> str:
    """Say which columns rank an outcome by themselves.

    Examples
    --------
    >>> told_too_good({"seconds_on_page": 0.98}, "click")
    'seconds_on_page (AUC 0.98) ranks click by itself'
    """
    named = [f"{name} (AUC {auc:.2f})" for name, auc in alone.items()]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    ranks = "ranks" if len(named) == 1 else "rank"
    alone_word = "itself" if len(named) == 1 else "themselves"
    return f"{', '.join(named[:most])}{more} {ranks} {outcome} by {alone_word}"


def r_squared_alone(column: pd.Series, y: np.ndarray) -> float:
    """Return the share of an outcome's variance that a column tells by itself.

    Numbers by a straight line, in their own unit or in ranks, whichever tells more, and what is
    missing by its mean; texts by the mean of their level among every other row.

    Parameters
    ----------
    column : Series of n rows
    y : ndarray of float, shape (n,)

    Returns
    -------
    float
        At most 1; nan where the outcome does not vary.

    Examples
    --------
    >>> import pandas as pd
    >>> x = pd.Series(range(-10, 11))
    >>> round(r_squared_alone(x, np.exp(x.to_numpy())), 3), round(r_squared_alone(x, x**2), 3)
    (1.0, 0.0)
    """
    from scipy.stats import rankdata

    rows = _spread(np.arange(len(y)), ROWS)
    column, y = column.iloc[rows], np.asarray(y, dtype=float)[rows]
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    if total <= 0:
        return float("nan")
    if not _is_number(column):
        return 1 - float(((y - _level_means(column, y)) ** 2).sum()) / total
    values = _floats(column)
    known = np.isfinite(values)
    if not known.any():
        return 0.0
    ranks = np.zeros(len(y))
    ranks[known] = rankdata(values[known])
    return max(_line(values, y, known), _line(ranks, rankdata(y), known))


def _line(x: np.ndarray, y: np.ndarray, known: np.ndarray) -> float:
    """Return R² of a line in x where it is known, and of the mean where it is not."""
    left = 0.0
    for part, line in ((known, True), (~known, False)):
        off = y[part] - y[part].mean() if part.any() else np.zeros(0)
        left += float(off @ off)
        there = x[part] - x[part].mean() if line else np.zeros(0)
        if line and (size := float(there @ there)) > 0:
            left -= float(there @ off) ** 2 / size
    return 1 - left / float(((y - y.mean()) ** 2).sum())


def _is_number(column: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _floats(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=float, na_value=np.nan)


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[:: -(-len(rows) // most)] if len(rows) else rows


def _level_means(column: pd.Series, y: np.ndarray) -> np.ndarray:
    """Return for each row the mean outcome of its level in the other half of the rows."""
    import pandas as pd

    codes, names = pd.factorize(column, use_na_sentinel=False)
    half = np.arange(len(y)) % 2
    means = np.full(len(y), float(y.mean()))
    for side in (0, 1):
        learned, told = half != side, half == side
        size = np.bincount(codes[learned], minlength=len(names))
        total = np.bincount(codes[learned], weights=y[learned], minlength=len(names))
        seen = told & (size[codes] > 0)
        means[seen] = total[codes[seen]] / size[codes[seen]]
    return means


def _auc(score: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import rankdata

    ones = int((y == 1).sum())
    above = float(rankdata(score)[y == 1].sum()) - ones * (ones + 1) / 2
    return above / (ones * (len(y) - ones))
