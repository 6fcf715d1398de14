"""Means of scores with the spread that shared customers give them, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.results import Estimate
from promolab.stats import ArmGap, degrees_of, dominant_of, t_quantile


@dataclass(frozen=True)
class Means:
    """Means of scores, one per group, with the covariance that shared customers give them.

    Parameters
    ----------
    value, std_error : ndarray of shape (g,)
        nan where a group has no row, or a single customer.
    degrees : ndarray of shape (g,)
        Degrees of freedom: few where a few customers make up most of the variance.
    n, customers : ndarray of int of shape (g,)
    covariance : ndarray of shape (g, g)
    """

    value: np.ndarray
    std_error: np.ndarray
    degrees: np.ndarray
    n: np.ndarray
    customers: np.ndarray
    covariance: np.ndarray

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals, each of shape (g,)."""
        half = t_quantile(level, self.degrees) * self.std_error
        return self.value - half, self.value + half


def group_means(scores: np.ndarray, group: np.ndarray, groups: int, cluster: np.ndarray) -> Means:
    """Average scores by group, errors clustered by customer.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        nan leaves a row out.
    group : ndarray of int of shape (n,)
        Code of each row's group; a negative one leaves the row out.
    groups : int
    cluster : ndarray of int of shape (n,)
        Customers.

    Examples
    --------
    >>> means = group_means(np.array([1.0, 3.0, 5.0, 9.0]), np.array([0, 0, 1, 1]), 2, np.arange(4))
    >>> means.value.tolist(), means.std_error.tolist()
    ([2.0, 7.0], [1.0, 2.0])
    """
    from scipy import sparse

    mine = np.isfinite(scores) & (group >= 0)
    scores, group, cluster = scores[mine], group[mine], cluster[mine]
    n = np.bincount(group, minlength=groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.bincount(group, weights=scores, minlength=groups) / n
        influence = (scores - value[group]) / n[group]
    size = int(cluster.max()) + 1 if len(cluster) else 1
    # Rows of a customer in a group are added up: a sparse table of customers × groups.
    table = sparse.coo_matrix((influence, (cluster, group)), shape=(size, groups)).tocsr()
    customers = table.getnnz(axis=0).astype(np.int64)  # sums of 0 are kept, and counted
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(customers > 1, customers / (customers - 1.0), np.nan)
        covariance = np.asarray((table.T @ table).todense()) * np.sqrt(np.outer(factor, factor))
    std_error = np.sqrt(np.diag(covariance))
    squares, largest = np.square(table.data), np.zeros(groups)
    np.maximum.at(largest, table.indices, squares)
    second, fourth = (
        np.bincount(table.indices, power, minlength=groups) for power in (squares, squares**2)
    )
    degrees = degrees_of(second, fourth, largest, customers)
    return Means(value, std_error, degrees, n, customers, covariance)


def renumbered(cluster: np.ndarray, mine: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the customers of some rows as codes without gaps, and how many they are."""
    there = np.bincount(cluster[mine]) > 0
    return (np.cumsum(there) - 1)[cluster[mine]], int(there.sum())


def mean_of(scores: np.ndarray, cluster: np.ndarray, level: float) -> ArmGap:
    """Average scores, errors clustered by customer.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        None missing.
    cluster : ndarray of int of shape (n,)
        Customers: 0, 1, …, each of them there.
    level : float

    Examples
    --------
    >>> mean = mean_of(np.array([1.0, 3.0, 1.0, 3.0]), np.arange(4), 0.95)
    >>> mean.estimate.value, round(mean.std_error, 3), mean.degrees
    (2.0, 0.577, 3.0)
    """
    means = group_means(scores, np.zeros(len(scores), dtype=np.int64), 1, cluster)
    low, high = means.interval(level)
    value = float(means.value[0])
    added = np.bincount(cluster, weights=scores - value, minlength=1)

    def without(rest: np.ndarray) -> Estimate:
        return mean_of(
            scores[rest], np.unique(cluster[rest], return_inverse=True)[1], level
        ).estimate

    return ArmGap(
        Estimate(value, float(low[0]), float(high[0]), len(scores)),
        float(means.std_error[0]),
        float(means.degrees[0]),
        dominant_of(added, cluster, without),
    )


def ratio_error(top: np.ndarray, bottom: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Return the ratio of two means over the same rows, and its standard error (delta method).

    Parameters
    ----------
    top, bottom : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,)

    Examples
    --------
    >>> ratio, error = ratio_error(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([0, 1]))
    >>> ratio, round(error, 3)
    (1.0, 0.5)
    """
    below = float(bottom.mean()) if len(bottom) else 0.0
    if not below:
        return float("nan"), float("nan")
    ratio = float(top.mean()) / below
    deviations = group_means((top - ratio * bottom) / below, np.zeros(len(top), int), 1, cluster)
    return ratio, float(deviations.std_error[0])


def wald(difference: np.ndarray, covariance: np.ndarray) -> tuple[float, int, float]:
    """Return the statistic, degrees of freedom and p value of all differences being 0.

    Directions that the covariance does not know (sums that are fixed) count for nothing.

    Examples
    --------
    >>> statistic, degrees, p = wald(np.array([1.96, 0.0]), np.eye(2))
    >>> round(statistic, 2), degrees, round(p, 3)
    (3.84, 2, 0.146)
    """
    from scipy.stats import chi2

    known = np.isfinite(difference) & np.isfinite(np.diag(covariance))
    difference, covariance = difference[known], covariance[np.ix_(known, known)]
    scale = np.sqrt(np.diag(covariance))
    moving = scale > 0
    if not moving.any():
        return float("nan"), 0, float("nan")
    scaled = covariance[np.ix_(moving, moving)] / np.outer(scale[moving], scale[moving])
    values, vectors = np.linalg.eigh(scaled)
    kept = values > 1e-8 * values.max()
    along = vectors.T[kept] @ (difference[moving] / scale[moving])
    statistic = float((along**2 / values[kept]).sum())
    degrees = int(kept.sum())
    return statistic, degrees, float(chi2.sf(statistic, degrees))
