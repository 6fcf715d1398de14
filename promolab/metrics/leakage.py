"""Columns that tell an outcome too well to have been known before it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.metrics.ranking import placements, roc
from promolab.metrics.registry import compare_auc
from promolab.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

ALARM_AUC = 0.90
"""Above it responses to real promotions are not predicted, unless by something that came later."""
FEWEST_ROWS = 20
"""Rows of either class that an alarm needs."""
SUSPECT = 0.70
"""AUC by itself from which on a column is held against all others together."""
LEARNED = 20_000
"""Rows that both learn from, and are tested on."""
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
    frame: pd.DataFrame, columns: Iterable[str], y: np.ndarray, time: Any = None
) -> dict[str, str]:
    """Return the columns that rank an outcome too well by themselves, and how well, best first.

    Those with an AUC above 0.90; and those that rank the later half of the rows with an AUC of
    `SUSPECT` or more, and better beyond noise than all others together do (boosted trees that
    learned from the earlier half). Others that tell nothing even of rows in between are no
    yardstick: the only column that tells something is not too good.

    Parameters
    ----------
    frame : DataFrame of n rows
        What it states to be known beforehand (`promolab.contract.known_beforehand`) is not doubted.
    columns : iterable of str
        Which of its columns.
    y : ndarray of 0 and 1, shape (n,)
        nan where not known.
    time : array-like of shape (n,), optional
        By which rows are later; else the rows are taken as they stand.

    Examples
    --------
    >>> import pandas as pd
    >>> clicked = np.arange(100) % 2
    >>> frame = pd.DataFrame({"age": range(100), "seconds_on_page": 30.0 * clicked})
    >>> columns_too_good(frame, ["age", "seconds_on_page"], clicked)
    {'seconds_on_page': 'AUC 1.00'}
    """
    columns, y = list(columns), np.asarray(y, dtype=float)
    if min((y == 1).sum(), (y == 0).sum()) < FEWEST_ROWS or frame.attrs.get("known") is True:
        return {}
    doubted = [name for name in columns if name not in frame.attrs.get("known", ())]
    alone = {name: auc_alone(frame[name], y) for name in doubted}
    found = {}
    for name, auc in sorted(alone.items(), key=lambda pair: (-pair[1], pair[0])):
        if auc > ALARM_AUC:
            found[name] = f"AUC {auc:.2f}"
        elif auc >= SUSPECT and (told := _ahead(frame, name, set(columns) - {*found}, y, time)):
            found[name] = told
    return found


def _ahead(frame: pd.DataFrame, name: str, columns: set[str], y: np.ndarray, time: Any) -> str:
    """Say how much better a column ranks later rows than all others; empty where it does not."""
    rows = np.flatnonzero(np.isfinite(y))
    if time is not None:
        rows = rows[np.argsort(np.asarray(time)[rows], kind="stable")]
    rows = _spread(rows, LEARNED)
    between = np.arange(len(rows)) % 2 == 1
    late = np.arange(len(rows)) >= len(rows) // 2
    y, others = y[rows], sorted(columns - {name})
    if _few(y, late):  # ordered by the outcome
        late = between
    if not others or _few(y, late):
        return ""
    X = np.column_stack([_codes(frame[column].iloc[rows]) for column in (name, *others)])
    one, rest = _ranked(frame[name].iloc[rows], X[:, :1], y, late), _learned(X[:, 1:], y, late)
    found = compare_auc(y[late], one, rest)
    if found.ci_low <= 0 or found.auc_a < SUSPECT:
        return ""
    if roc(y[between], _learned(X[:, 1:], y, between)).ci_low <= 0.5:
        return ""
    return f"AUC {found.auc_a:.2f} on later rows, all others together {found.auc_b:.2f}"


def _few(y: np.ndarray, late: np.ndarray) -> bool:
    return bool(np.bincount(2 * late + (y == 1), minlength=4).min() < FEWEST_ROWS)


def _codes(column: pd.Series) -> np.ndarray:
    """Return a column's numbers; of texts how common each is, ties told apart."""
    import pandas as pd

    if _is_number(column):
        return _floats(column)
    order = column.value_counts().index
    return np.asarray(pd.Categorical(column, categories=order).codes, dtype=float)


def _ranked(column: pd.Series, X: np.ndarray, y: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Return later rows by their size, in the direction of the earlier; texts are learned."""
    if not _is_number(column) or np.isnan(X).any():
        return _learned(X, y, late)
    return np.asarray(X[late, 0] * (1 if _auc(X[~late, 0], y[~late]) >= 0.5 else -1))


def _learned(X: np.ndarray, y: np.ndarray, late: np.ndarray) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=8, early_stopping=False, random_state=0
    )
    with single_threaded("openmp"):
        return np.asarray(model.fit(X[~late], y[~late]).decision_function(X[late]))


def told_too_good(alone: Mapping[str, str], outcome: str, most: int = 5) -> str:
    """Say which columns rank an outcome by themselves.

    Examples
    --------
    >>> told_too_good({"seconds_on_page": "AUC 0.98"}, "click")
    'seconds_on_page (AUC 0.98) ranks click by itself'
    """
    named = [f"{name} ({told})" for name, told in alone.items()]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    ranks, itself = ("ranks", "itself") if len(named) == 1 else ("rank", "themselves")
    return f"{', '.join(named[:most])}{more} {ranks} {outcome} by {itself}"


def leakage_advice(alone: Mapping[str, str]) -> str:
    """Say what to do about columns that are too good, or about a model that is."""
    known = str(dict.fromkeys(alone, False)) if alone else "{…: False}"
    drop = f"frame.drop(columns={list(alone)}), or " if alone else ""
    return (
        "Something that came later is, as a rule, among the features: take out what was not known "
        f"beforehand ({drop}known={known}), or say that it was (True)."
    )


def warn_of_leakage(
    frame: pd.DataFrame,
    columns: Iterable[str],
    y: np.ndarray,
    time: Any,
    outcome: str,
    stacklevel: int = 3,
) -> None:
    """Warn of columns that are too good (`columns_too_good`), at the call of who calls this."""
    if alone := columns_too_good(frame, columns, y, time):
        told = f"{told_too_good(alone, outcome)}. {leakage_advice(alone)}"
        warnings.warn(told, UserWarning, stacklevel=stacklevel)


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
    return placements(y == 1, score).auc
