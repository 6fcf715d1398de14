"""Logistic regression solved to the optimum, its penalties, and the spread of its weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.checks import real_number
from promolab.errors import InputError
from promolab.model.solvers.newton import (
    ROUNDING,
    Data,
    FitInfo,
    Problem,
    as_array,
    check_penalty,
    checked,
    minimise,
    require_optimum,
    solver,
)
from promolab.threads import single_threaded

if TYPE_CHECKING:
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
    with single_threaded("blas"):
        data = Data(rows, labels, weights)
        if tol is None:
            tol = TOLERANCE if len(labels) < 2 * SUBSAMPLE else TOLERANCE_OF_MANY
        theta, info = minimise(Problem(data, l2), near_optimum(data, l2), tol)
    require_optimum(info, "logistic regression", l2)
    return theta[:-1].copy(), float(theta[-1]), info


def near_optimum(data: Data, l2: float) -> np.ndarray:
    """Return a θ close to the optimum, at little cost: that of a sample, itself started on one."""
    samples = [data]
    for size in (SUBSAMPLE, SUBSAMPLE // 10):
        part = samples[-1].sample(size) if size >= ROWS_PER_COLUMN * data.rows.shape[1] else None
        if part is not None:
            samples.append(part)
    share = float(data.weights @ data.labels) / data.total
    theta = np.zeros(data.rows.shape[1] + 1)
    theta[-1] = np.log(share / (1 - share))
    for part in reversed(samples[1:]):
        theta = minimise(Problem(part, l2), theta, tol=1e-6)[0]
    return theta


CLOSE = 1e-9  # gradient per unit of weight at which the last, the Newton step, follows …
FLAT = 1e-6  # … and above which it is no optimum


def fit_elastic_net(
    X: ArrayLike,
    y: ArrayLike,
    l1: float,
    l2: float,
    sample_weight: ArrayLike | None = None,
    *,
    start: tuple[np.ndarray, float] | None = None,
) -> tuple[np.ndarray, float, FitInfo]:
    r"""Minimise :math:`\sum_i s_i \ell(y_i, w^T x_i + b) + l_1 |w|_1 + \tfrac12 l_2 \|w\|^2`.

    :math:`\ell` is the cross-entropy of :math:`\sigma(w^T x + b)`; the intercept is not penalised.
    The same objective as scikit-learn's ``LogisticRegression(solver="saga", C=1 / (l1 + l2),
    l1_ratio=l1 / (l1 + l2))``. With a tiny ``l2`` it is the lasso.

    Parameters
    ----------
    X : array, shape (n, p)
        Encoded features on comparable scales (p up to several hundred).
    y : array of 0 and 1, shape (n,)
        Labels, both present.
    l1 : float
        Penalty on Σ |w|, 0 or more.
    l2 : float
        Penalty on ½ ‖w‖², above 0: duplicate columns have no single optimum without.
    sample_weight : array, shape (n,), optional
        Weights ≥ 0 of the rows; 1 by default.
    start : (w, b), optional
        Where to start, such as the optimum of similar rows or of the next penalty.

    Returns
    -------
    w : ndarray, shape (p,)
        Exactly 0 where a column is left out.
    b : float
    info : FitInfo
        ``gradient_norm`` is what is left of the optimality conditions.

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, a single class, a penalty that cannot
        be, or no convergence.

    Notes
    -----
    Scipy's L-BFGS-B (Byrd, Lu, Nocedal & Zhu 1995) over w = u − v with u, v ≥ 0, where the penalty
    is smooth; then a Newton step of the weights that are not 0. On 5,804 pairs with 121 encoded
    columns that is as fast as a solver of our own was, and saga takes 8 to 40 times as long.

    Examples
    --------
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 0.0]]
    >>> w, b, info = fit_elastic_net(X, [0, 0, 1, 0, 1, 1], l1=1.0, l2=0.1)
    >>> info.converged, w.round(3).tolist()
    (True, [0.65, 0.0])
    """
    from scipy.optimize import minimize

    rows, labels, weights = checked(X, y, sample_weight)
    check_penalty(l2)
    real_number("l1", l1, least=0)
    p = rows.shape[1]
    with single_threaded("blas"):
        problem = Problem(Data(rows, labels, weights), l2)
        total = problem.data.total

        def objective(halves: np.ndarray) -> tuple[float, np.ndarray]:
            theta = np.append(halves[:p] - halves[p:-1], halves[-1])
            point = problem.evaluate(theta)
            slope = point.gradient
            whole = np.concatenate([slope[:-1] + l1, l1 - slope[:-1], slope[-1:]])
            return (point.value + l1 * halves[:-1].sum()) / total, whole / total

        begun = near_optimum(problem.data, l2) if start is None else np.append(*start)
        halves = np.concatenate([begun[:-1].clip(min=0), (-begun[:-1]).clip(min=0), begun[-1:]])
        found = minimize(
            objective,
            halves,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * (2 * p) + [(None, None)],
            options={"maxiter": 5_000, "maxfun": 10_000, "ftol": 0.0, "gtol": CLOSE, "maxcor": 30},
        )
        theta = np.append(found.x[:p] - found.x[p:-1], found.x[-1])
        step, info = _certified(problem, theta, l1, int(found.nit))
        if (np.sign((theta + step)[:-1]) == np.sign(theta[:-1])).all():
            theta = theta + step
            info = _certified(problem, theta, l1, int(found.nit))[1]
    require_optimum(info, "logistic regression with an l1 penalty", l2)
    return theta[:-1].copy(), float(theta[-1]), info


def _certified(
    problem: Problem, theta: np.ndarray, l1: float, iterations: int
) -> tuple[np.ndarray, FitInfo]:
    """Return a Newton step of the weights that are not 0, and the certificate of where θ is."""
    total, free = problem.data.total, np.append(theta[:-1] != 0, True)
    point = problem.evaluate(theta)
    slope = point.gradient + l1 * np.append(np.sign(theta[:-1]), 0.0)
    # At 0 the slope of the smooth part may lie anywhere within ±l1.
    left = np.where(free, np.abs(slope), np.maximum(np.abs(slope) - l1, 0.0))
    inverse = solver(problem.hessian(point.linear)[free][:, free])
    step = np.zeros_like(theta)
    step[free] = -inverse(slope[free])
    excess, norm = max(-float(slope @ step), 0.0) / 2 / total, float(left.max()) / total
    value = point.value + l1 * float(np.abs(theta[:-1]).sum())
    converged = excess <= ROUNDING and norm <= FLAT
    return step, FitInfo(iterations, converged, value, norm, excess)


def largest_l1(X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the smallest ``l1`` at which every weight is 0.

    Examples
    --------
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 0.0]]
    >>> largest_l1(X, [0, 0, 1, 0, 1, 1])
    3.5
    """
    rows, labels, weights = checked(X, y, sample_weight)
    residual = weights * (labels - weights @ labels / weights.sum())
    return float(np.abs(residual @ rows).max(initial=0.0))


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
    from scipy.special import expit

    n, p = X.shape
    if cluster is not None and len(np.asarray(cluster)) != n:
        raise InputError(f"cluster has {len(np.asarray(cluster))} values and X {n} rows")
    with single_threaded("blas"):
        weights = np.ones(n) if sample_weight is None else as_array(sample_weight)
        data = Data(as_array(X, keep_single=True), as_array(y), weights)
        problem = Problem(data, l2)
        linear = problem.evaluate(np.append(w, b)).linear
        residual = (expit(linear) - data.labels) * data.weights

        def scores(part: slice) -> np.ndarray:
            some = residual[part, None]
            return np.column_stack([some * data.rows[part], some])

        clusters, sums = n, scores
        if cluster is not None:
            summed = _cluster_sums(((part, scores(part)) for part in data.pieces()), cluster, p + 1)
            clusters, sums = len(summed), lambda part: summed[part]
        if clusters < 2:
            return np.full((p + 1, p + 1), np.nan)
        inverse = solver(problem.hessian(linear))

        def squared(part: slice) -> np.ndarray:
            half = inverse(sums(part).T)
            return np.asarray(half @ half.T)

        blocks = [slice(i, min(i + BLOCK, clusters)) for i in range(0, clusters, BLOCK)]
        total = sum(data.each(squared, blocks))
        return np.asarray(small_sample_factor(clusters, n, p + 1) * total)


def _cluster_sums(
    scores: Iterable[tuple[slice, np.ndarray]], cluster: ArrayLike, size: int
) -> np.ndarray:
    """Return the summed scores of each cluster."""
    from scipy.sparse import csr_matrix

    codes, names = pd.factorize(np.asarray(cluster))
    sums = np.zeros((len(names), size))
    for part, some in scores:
        places, row = np.unique(codes[part], return_inverse=True)
        sums[places] += csr_matrix((np.ones(len(some)), (row, np.arange(len(some))))) @ some
    return sums


def small_sample_factor(clusters: int, n: int, parameters: int) -> float:
    """Return G/(G−1) · (n−1)/(n−k), k the number of parameters."""
    return clusters / (clusters - 1) * (n - 1) / max(n - parameters, 1)
