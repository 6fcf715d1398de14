"""Logistic regression solved to the optimum: Newton's method, started on a sample of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.solvers.newton import (
    Data,
    FitInfo,
    Objective,
    Point,
    as_array,
    check_penalty,
    checked,
    minimise,
    one_thread,
    require_optimum,
    solver,
)

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike


SUBSAMPLE = 50_000  # rows that are enough to start close to the optimum
ROWS_PER_COLUMN = 20  # fewer say too little
TOLERANCE, TOLERANCE_OF_MANY = 1e-15, 1e-9


def fit_logistic(
    X: ArrayLike,
    y: ArrayLike,
    l2: float,
    sample_weight: ArrayLike | None = None,
    *,
    tol: float | None = None,
) -> tuple[np.ndarray, float, FitInfo]:
    r"""Minimise :math:`\sum_i s_i \ell(y_i, w^T x_i + b) + \tfrac12 l_2 \lVert w \rVert^2`.

    :math:`\ell` is the cross-entropy of :math:`\sigma(w^T x + b)`; the intercept is not penalised.
    The same objective as scikit-learn's ``LogisticRegression(C=1 / l2)``.

    Parameters
    ----------
    X : array, shape (n, p)
        Encoded features; columns may have any scale. float32 is kept as it is.
    y : array of 0 and 1, shape (n,)
        Labels, both present.
    l2 : float
        Penalty, above 0: without one, separable data have no optimum.
    sample_weight : array, shape (n,), optional
        Weights ≥ 0 of the rows; 1 by default.
    tol : float
        Excess of the objective over its minimum, per unit of weight, at which to stop: by default
        1e-15, and 1e-9 where there are 100,000 rows or more (far less than which rows they happen
        to be makes of it, and the last step, which usually divides it by hundreds, still follows).

    Returns
    -------
    w : ndarray, shape (p,)
    b : float
    info : FitInfo

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, a single class, l2 ≤ 0, or no
        convergence.

    Notes
    -----
    Pieces of a fixed size, added up in their order: the same input gives the same bits whatever the
    number of threads. Memory beyond X: a few pieces of rows, and a few numbers per row. Newton
    steps on a sample (as many rows of either class, so that rare labels are all there) lead so
    close to the optimum that all rows need one Hessian and a few gradients.

    Examples
    --------
    >>> w, b, info = fit_logistic([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1], l2=1.0)
    >>> info.converged, round(float(w[0]), 3)
    (True, 0.453)
    """
    rows, labels, weights = checked(X, y, sample_weight)
    check_penalty(l2)
    with one_thread() as threads:
        data = Data.of(rows, labels, weights, threads)
        if tol is None:
            tol = TOLERANCE if len(labels) < 2 * SUBSAMPLE else TOLERANCE_OF_MANY
        theta, info = minimise(Problem(data, l2), start(data, l2), tol)
    require_optimum(
        info, "logistic regression", f"raise l2 (now {l2:g}) or standardise the columns"
    )
    return theta[:-1].numpy().copy(), float(theta[-1]), info


@dataclass(frozen=True)
class Problem(Objective):
    """Σ weight · log-loss + ½ · l2 · ‖w‖² as a function of θ = (w, b)."""

    data: Data
    l2: float

    @property
    def total(self) -> float:
        """Sum of the rows' weights."""
        return self.data.total

    def evaluate(self, theta: torch.Tensor) -> Point:
        """Return the objective and its gradient at θ."""
        import torch

        linear = torch.empty(len(self.data.labels), dtype=torch.float64)
        shrunk = self.penalty(theta) * theta
        value, gradient = 0.5 * (shrunk @ theta), shrunk.clone()
        evaluate = partial(self.data.evaluate, theta=theta, linear=linear)
        for loss, slope in self.data.each(evaluate, self.data.pieces()):
            value += loss
            gradient += slope
        return Point(float(value), gradient, linear)

    def hessian(self, linear: torch.Tensor) -> torch.Tensor:
        """Return the Hessian, given the log odds."""
        import torch

        penalty = torch.zeros(self.data.rows.shape[1] + 1, dtype=torch.float64)
        hessian = torch.diag(self.penalty(penalty))
        curvature = partial(self.data.hessian, linear=linear)
        for part in self.data.each(curvature, self.data.pieces()):
            hessian += part
        return hessian

    def inverse(self, point: Point) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what solves with the Hessian at a point."""
        return solver(self.hessian(point.linear))

    def penalty(self, theta: torch.Tensor) -> torch.Tensor:
        """Return the penalty of each entry of θ; the intercept has none."""
        import torch

        penalty = torch.full_like(theta, self.l2)
        penalty[-1] = 0
        return penalty


def start(data: Data, l2: float) -> torch.Tensor:
    """Return a θ close to the optimum, at little cost: that of a sample, itself started on one."""
    import torch

    samples = [data]
    for size in (SUBSAMPLE, SUBSAMPLE // 10):
        part = samples[-1].sample(size) if size >= ROWS_PER_COLUMN * data.rows.shape[1] else None
        if part is not None:
            samples.append(part)
    share = float(data.weights @ data.labels) / data.total
    theta = torch.zeros(data.rows.shape[1] + 1, dtype=torch.float64)
    theta[-1] = np.log(share / (1 - share))
    for part in reversed(samples[1:]):
        theta = minimise(Problem(part, l2), theta, tol=1e-6)[0]
    return theta


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
    >>> from promolab.model.solvers.logistic import fit_logistic
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
        return np.asarray(small_sample_factor(clusters, n, p + 1) * total)


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
