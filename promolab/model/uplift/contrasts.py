"""Differences between arms and control in what was there before, weighted by the arms' chances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.model._inputs import as_numbers, as_texts, is_numeric
from promolab.model.uplift.averages import wald

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["arm_contrast", "comparable_columns"]

FAR = 5.0
"""Standard deviations at which a value is cut, so that a few customers do not decide a test."""
LEVELS = 20
"""Most levels of a covariate that are compared."""


def comparable_columns(X: pd.DataFrame) -> tuple[np.ndarray, list[str], list[str]]:
    """Return standardised columns for comparison, shape (n, q), their names, and their covariates.

    Numbers as they are, with a column for missing ones; texts as one column per frequent level.

    Examples
    --------
    >>> import pandas as pd
    >>> comparable_columns(pd.DataFrame({"age": [1.0, 2.0, None], "town": ["a", "b", "b"]}))[1:]
    (['age', 'age missing', 'town = b'], ['age', 'age', 'town'])
    """
    columns, names, sources = [], [], []

    def add(values: np.ndarray, name: str) -> None:
        sd = values.std()
        if np.isfinite(sd) and sd > 1e-12:
            columns.append(np.clip((values - values.mean()) / sd, -FAR, FAR))
            names.append(name)
            sources.append(source)

    for label in X.columns:
        column, source = X[label], str(label)
        if is_numeric(column):
            values = as_numbers(column)
            absent = np.isnan(values)
            if absent.all():
                continue
            add(np.where(absent, values[~absent].mean(), values), source)
            if absent.any():
                add(absent.astype(float), f"{source} missing")
            continue
        import pandas as pd

        codes, levels = pd.factorize(as_texts(column), sort=True)
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        often = np.argsort(-counts, kind="stable")[:LEVELS]
        # Of levels that share all rows out, one says nothing that the others do not.
        rest = (codes < 0).any() or len(levels) > LEVELS
        for level in sorted(often) if rest else sorted(often)[1:]:
            add((codes == level).astype(float), f"{source} = {levels[level]}")
    # Column by column in memory, as it is read.
    matrix = np.array(columns).T if columns else np.empty((len(X), 0))
    return matrix, names, sources


def arm_contrast(
    values: np.ndarray,
    codes: np.ndarray,
    chances: np.ndarray,
    arm: int,
    cluster: np.ndarray,
    kept: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, int, float]]:
    """Compare an arm with the control, before and after weighting.

    Parameters
    ----------
    values : ndarray of shape (n, q)
        Columns with mean 0 and standard deviation 1.
    codes : ndarray of int of shape (n,)
        Arm of each row.
    chances : ndarray of shape (n, K)
    arm : int
        Which arm.
    cluster : ndarray of int of shape (n,)
    kept : ndarray of bool of shape (n,)
        Rows that count once they are weighted: those that could have got the arm or the control.

    Returns
    -------
    raw : ndarray of shape (q,)
        Difference of the means.
    weighted : ndarray of shape (q,)
        Difference after weighting rows by 1 / chance.
    p_values : ndarray of shape (q,)
        Two-sided, of each weighted difference.
    joint : (statistic, degrees, p value)
        Of all weighted differences being 0.
    """
    from scipy.stats import norm

    got, none = codes == arm, codes == 0
    raw = values[got].mean(axis=0) - values[none].mean(axis=0)
    got, none, pair = got[kept], none[kept], chances[kept]
    weight = np.where(got, 1 / pair[:, arm], 0.0) - np.where(none, 1 / pair[:, 0], 0.0)
    _, where = np.unique(cluster[kept], return_inverse=True)
    units = int(where.max()) + 1 if len(where) else 0
    # A column at a time: several copies of a large matrix are more than some machines hold.
    parts = np.empty((units, values.shape[1]))
    for j, column in enumerate(values.T):
        mine = column[kept]
        each = (mine - mine.mean()) * (weight / len(mine))
        parts[:, j] = np.bincount(where, weights=each, minlength=units)
    weighted = parts.sum(axis=0)
    parts = parts - parts.mean(axis=0)
    covariance = parts.T @ parts * (units / max(units - 1, 1))
    error = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        p_values = 2 * norm.sf(np.abs(weighted) / error)
    return raw, weighted, p_values, wald(weighted, covariance)
