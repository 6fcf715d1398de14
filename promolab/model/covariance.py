"""The spread of the coefficients of a logistic regression whose rows repeat customers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.logistic import Problem
from promolab.model.newton import solver
from promolab.model.passes import Data, as_array, one_thread

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike

__all__ = ["sandwich"]

BLOCK = 200_000  # clusters whose scores are multiplied out at a time


def sandwich(
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    b: float,
    l2: float,
    cluster: ArrayLike | None,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """Return the cluster-robust covariance of (w, b).

    H⁻¹ (Σ_g u_g u_gᵀ) H⁻¹ · G/(G−1) · (n−1)/(n−p−1), H the penalised Hessian, u_g the summed
    scores of cluster g (Liang & Zeger 1986; the small-sample factor as in Stata and statsmodels).
    It describes the penalised coefficients: their spread, not the penalty's pull towards 0.

    Parameters
    ----------
    X, y : arrays, shapes (n, p) and (n,)
        What the model was fitted on.
    w, b : array of shape (p,), float
        The optimum for ``l2``.
    l2 : float
        Penalty.
    cluster : array, shape (n,), optional
        Which rows belong together, usually customers; each row on its own by default.
    sample_weight : array, shape (n,), optional
        Weights with which the model was fitted: of scores and Hessian (a pseudo-likelihood).

    Returns
    -------
    ndarray, shape (p + 1, p + 1)
        The intercept last; nan where fewer than two clusters leave it undefined.

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 0.0, 1.0])
    >>> from promolab.model.logistic import fit_logistic
    >>> w, b, _ = fit_logistic(X, y, l2=1.0)
    >>> sandwich(X, y, w, b, 1.0, cluster=None).shape
    (2, 2)
    """
    import torch

    n, p = X.shape
    if cluster is not None and len(np.asarray(cluster)) != n:
        raise InputError(f"cluster has {len(np.asarray(cluster))} values and X {n} rows")
    with one_thread() as threads:
        weights = np.ones(n) if sample_weight is None else as_array(sample_weight)
        data = Data.of(as_array(X, keep_single=True), as_array(y), weights, threads)
        problem = Problem(data, l2)
        linear = problem.evaluate(torch.from_numpy(np.append(w, b))).linear
        residual = (torch.sigmoid(linear) - data.labels) * data.weights

        def scores(part: slice) -> torch.Tensor:
            return residual[part, None] * data.with_ones(part)

        clusters, sums = n, scores
        if cluster is not None:
            summed = cluster_sums(((part, scores(part)) for part in data.pieces()), cluster, p + 1)
            clusters, sums = (0, scores) if summed is None else (len(summed), summed.__getitem__)
        if clusters < 2:
            return np.full((p + 1, p + 1), np.nan)
        inverse = solver(problem.hessian(linear))

        def squared(part: slice) -> torch.Tensor:
            half = inverse(sums(part).T)
            return half @ half.T

        blocks = [slice(i, min(i + BLOCK, clusters)) for i in range(0, clusters, BLOCK)]
        total = torch.stack(list(data.each(squared, blocks))).sum(dim=0)
        return (small_sample_factor(clusters, n, p + 1) * total).numpy()


def cluster_sums(
    scores: Iterable[tuple[slice, torch.Tensor]], cluster: ArrayLike | None, size: int
) -> torch.Tensor | None:
    """Return the summed scores of each cluster; None if there are fewer than two."""
    import torch

    if cluster is None:
        sums = torch.cat([torch.empty(0, size, dtype=torch.float64), *(some for _, some in scores)])
        return sums if len(sums) > 1 else None
    codes, names = pd.factorize(np.asarray(cluster))
    if len(names) < 2:
        return None
    index = torch.from_numpy(codes.astype(np.int64))
    sums = torch.zeros(len(names), size, dtype=torch.float64)
    for part, some in scores:
        sums.index_add_(0, index[part], some)
    return sums


def small_sample_factor(clusters: int, n: int, parameters: int) -> float:
    """Return G/(G−1) · (n−1)/(n−k), k the number of parameters."""
    return clusters / (clusters - 1) * (n - 1) / max(n - parameters, 1)
