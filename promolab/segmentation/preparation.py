"""From features to a matrix that distances make sense on: skew, scale, outliers, nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.profiles import numeric

__all__ = [
    "ALL",
    "APART",
    "DEFAULT_COLUMNS",
    "NOISE",
    "NO_HISTORY",
    "NO_PURCHASES",
    "Prepared",
    "has_history",
    "prepare",
    "standardise",
]

DEFAULT_COLUMNS: tuple[str, ...] = (
    "recency_days",
    "orders_84d",
    "amount_84d",
    "average_order_amount",
    "category_entropy",
    "price_level",
    "private_label_share",
    "discount_share",
    "coupon_order_share",
)
"""What k-means and DBSCAN look at by default: when, how much, what and how they buy."""

ALL = "All customers"
NOISE = "Unlike any group"
NO_PURCHASES = "No purchases yet"
NO_HISTORY = "No history"
APART = frozenset({NOISE, NO_PURCHASES, NO_HISTORY})
"""Named groups that no method made."""

SKEW_LIMIT = 1.0
OUTLIER_LIMIT = 3.0


@dataclass(frozen=True)
class Prepared:
    """A standardised matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
        Standardised columns: mean 0, standard deviation 1 before outliers were drawn in.
    columns : tuple of str
        The d features; those that are constant or wholly null were left out.
    left_out : tuple of str
        Features that were asked for and say nothing here.
    """

    matrix: np.ndarray
    columns: tuple[str, ...]
    left_out: tuple[str, ...]


def has_history(features: pd.DataFrame) -> np.ndarray:
    """Return a boolean array of shape (n,): who has bought at least once.

    A column that is absent says nothing; orders that are 0 or null, or a null recency, say no.

    Examples
    --------
    >>> has_history(pd.DataFrame({"orders": [2, 0], "recency_days": [3.0, None]})).tolist()
    [True, False]
    """
    known = np.ones(len(features), dtype=bool)
    if "orders" in features:
        known &= np.nan_to_num(numeric(features, "orders")) > 0
    if "recency_days" in features:
        known &= ~np.isnan(numeric(features, "recency_days"))
    return known


def standardise(values: np.ndarray) -> np.ndarray:
    """Return one column unskewed, with mean 0 and standard deviation 1, within ±3.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Nulls are nan and get the median.

    Returns
    -------
    ndarray of shape (n,)
        All 0 if the column is constant or wholly null.

    Notes
    -----
    A column whose skewness is above 1 is replaced by log(1 + x), or by its signed kin asinh(x)
    where it has negative values. Drawing values in to ±3 keeps one extreme customer from being a
    segment of their own.

    Examples
    --------
    >>> standardise(np.array([1.0, 2.0, 3.0])).round(2).tolist()
    [-1.22, 0.0, 1.22]
    """
    known = values[~np.isnan(values)]
    if known.size == 0 or known.min() == known.max():
        return np.zeros(len(values))
    filled = np.where(np.isnan(values), np.median(known), values)
    centred = known - known.mean()
    skewness = (centred**3).mean() / (centred**2).mean() ** 1.5
    if abs(skewness) > SKEW_LIMIT:
        filled = np.log1p(filled) if known.min() >= 0 else np.arcsinh(filled)
    spread = filled.std()
    if spread == 0:
        return np.zeros(len(values))
    return np.clip((filled - filled.mean()) / spread, -OUTLIER_LIMIT, OUTLIER_LIMIT)


def prepare(features: pd.DataFrame, columns: Sequence[str] | None = None) -> Prepared:
    """Return the standardised matrix of ``columns``.

    Parameters
    ----------
    features : DataFrame
        One row per customer.
    columns : sequence of str, optional
        By default those of `DEFAULT_COLUMNS` that are there.

    Raises
    ------
    InputError
        If a column that was asked for is not there; the message names the nearest.

    Examples
    --------
    >>> prepare(pd.DataFrame({"recency_days": [1, 9], "price_level": [0.5, 0.5]})).columns
    ('recency_days',)
    """
    if columns is None:
        wanted = [c for c in DEFAULT_COLUMNS if c in features]
    else:
        wanted = list(dict.fromkeys(columns))
        for column in wanted:
            if column not in features:
                near = nearest(column, map(str, features))
                raise InputError(f"features has no column {column!r} to segment by; {near}")
    matrix = np.zeros((len(features), len(wanted)))
    for position, column in enumerate(wanted):
        matrix[:, position] = standardise(numeric(features, column))
    useful = np.asarray(matrix.any(axis=0), dtype=bool)
    return Prepared(
        matrix[:, useful],
        tuple(c for c, keep in zip(wanted, useful, strict=True) if keep),
        tuple(c for c, keep in zip(wanted, useful, strict=True) if not keep),
    )
