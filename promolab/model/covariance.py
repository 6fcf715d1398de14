"""The spread of the coefficients of a logistic regression whose rows repeat customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.model.logistic import Problem, as_array, one_thread, solve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["sandwich"]


def sandwich(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, l2: float, cluster: ArrayLike | None
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
    codes = np.arange(n) if cluster is None else pd.factorize(np.asarray(cluster))[0]
    groups = int(codes.max()) + 1 if n else 0
    if groups < 2:
        return np.full((p + 1, p + 1), np.nan)
    with one_thread():
        rows, labels = torch.from_numpy(as_array(X)), torch.from_numpy(as_array(y))
        problem = Problem(rows, labels, torch.ones(n, dtype=torch.float64), l2)
        theta = torch.from_numpy(np.append(w, b))
        _, hessian = problem.gradient_and_hessian(theta)
        residual = torch.sigmoid(problem.linear(theta)) - labels
        sums = torch.zeros(groups, p + 1, dtype=torch.float64)
        index = torch.from_numpy(codes.astype(np.int64))
        for part in problem.blocks():
            scores = residual[part, None] * problem.with_ones(part)
            sums.index_add_(0, index[part], scores)
        half = solve(hessian, sums.T)
        factor = groups / (groups - 1) * (n - 1) / max(n - p - 1, 1)
        return (factor * (half @ half.T)).numpy()
