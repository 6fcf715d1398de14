"""From features to a matrix that distances make sense on: skew, scale, outliers, nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.profiles import numeric

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
OTHERS = "Smaller segments"
APART = frozenset({NOISE, NO_PURCHASES, NO_HISTORY, OTHERS})
"""Named groups that no method made."""

CURVES = ("none", "log1p", "arcsinh")
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
    scalings : tuple of Scaling
        How each of the d features was standardised.
    """

    matrix: np.ndarray
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    scalings: tuple[Scaling, ...] = ()


@dataclass(frozen=True)
class Scaling:
    """How one feature is standardised, so that other customers can be, in the same way.

    Parameters
    ----------
    column : str
        The feature.
    fill : float
        What stands for a null: the median.
    curve : {"none", "log1p", "arcsinh"}
        What unskews it.
    mean, spread : float
        Of the filled and unskewed values; a spread of 0 says that they are all alike.
    """

    column: str
    fill: float
    curve: str
    mean: float
    spread: float

    @classmethod
    def of(cls, values: np.ndarray, column: str = "") -> Scaling:
        """Return the scaling of one feature, shape (n,), nulls as nan; see `standardise`."""
        known = values[~np.isnan(values)]
        if known.size == 0 or known.min() == known.max():
            return cls(column, 0.0, "none", 0.0, 0.0)
        centred = known - known.mean()
        squares = centred * centred
        centred *= squares  # twenty times as fast as **3
        skewness = centred.mean() / squares.mean() ** 1.5
        curve = "none"
        if abs(skewness) > SKEW_LIMIT:
            curve = "log1p" if known.min() >= 0 else "arcsinh"
        fill = float(np.median(known))
        filled = _unskewed(np.where(np.isnan(values), fill, values), curve)
        return cls(column, fill, curve, float(filled.mean()), float(filled.std()))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return values of the feature, shape (n,), standardised."""
        if self.spread == 0:
            return np.zeros(len(values))
        filled = _unskewed(np.where(np.isnan(values), self.fill, values), self.curve)
        return np.clip((filled - self.mean) / self.spread, -OUTLIER_LIMIT, OUTLIER_LIMIT)


def _unskewed(values: np.ndarray, curve: str) -> np.ndarray:
    if curve == "log1p":
        # Of other customers a value may be below 0, where those it was made from have none.
        return np.asarray(np.log1p(np.maximum(values, 0.0)))
    return np.arcsinh(values) if curve == "arcsinh" else values


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
    return Scaling.of(values).apply(values)


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
    scalings = []
    for position, column in enumerate(wanted):
        values = numeric(features, column)
        scalings.append(Scaling.of(values, column))
        matrix[:, position] = scalings[-1].apply(values)
    useful = np.asarray(matrix.any(axis=0), dtype=bool)
    return Prepared(
        matrix[:, useful],
        tuple(c for c, keep in zip(wanted, useful, strict=True) if keep),
        tuple(c for c, keep in zip(wanted, useful, strict=True) if not keep),
        tuple(s for s, keep in zip(scalings, useful, strict=True) if keep),
    )
