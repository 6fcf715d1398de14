"""How alike two groupings of the same customers are, with an interval."""

from __future__ import annotations

import numpy as np

from promolab.results import Estimate

__all__ = ["adjusted_rand", "agreement"]

DRAWS = 1_000


def adjusted_rand(tables: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index (Hubert & Arabie 1985) of each table of counts.

    Parameters
    ----------
    tables : ndarray of shape (…, k, l)
        Customers in group i of the one and group j of the other.

    Returns
    -------
    ndarray of shape (…)
        1 where the groups are the same, 0 where they are no more alike than by chance; 1 where both
        have a single group, or each customer one of their own.

    Examples
    --------
    >>> adjusted_rand(np.array([[4, 0], [0, 4]])).item()
    1.0
    """
    counts = np.asarray(tables, dtype=float)
    both = _pairs(counts).sum(axis=(-2, -1))
    rows, columns = (_pairs(counts.sum(axis=axis)).sum(axis=-1) for axis in (-1, -2))
    total = _pairs(counts.sum(axis=(-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = rows * columns / total
        index = (both - chance) / ((rows + columns) / 2 - chance)
    return np.where(np.isfinite(index), index, 1.0)


def _pairs(n: np.ndarray) -> np.ndarray:
    return n * (n - 1) / 2


def agreement(table: np.ndarray, seed: int = 0, level: float = 0.95) -> Estimate:
    """Return the adjusted Rand index of a table of counts with its bootstrap interval.

    Parameters
    ----------
    table : ndarray of shape (k, l)
        Customers in group i of the one and group j of the other.
    seed : int
        Start of the random numbers.
    level : float
        Level of the interval.

    Returns
    -------
    Estimate
        Customers are drawn 1,000 times with replacement, which draws the cells from a multinomial;
        the interval is the middle of the draws. nan without a customer.

    Examples
    --------
    >>> found = agreement(np.array([[40, 5], [3, 52]]))
    >>> found.ci_low < found.value < found.ci_high
    True
    """
    n = int(table.sum())
    if not n:
        return Estimate(np.nan, np.nan, np.nan, 0)
    draws = np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=DRAWS)
    ends = np.quantile(
        adjusted_rand(draws.reshape(-1, *table.shape)), [0.5 - level / 2, 0.5 + level / 2]
    )
    value = float(adjusted_rand(table))
    return Estimate(value, float(min(ends[0], value)), float(max(ends[1], value)), n)
