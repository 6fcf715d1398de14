"""Logistic regression with an L1 penalty too: weights that do not help are exactly 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from promolab.checks import real_number
from promolab.errors import InputError
from promolab.model.solvers.logistic import Problem
from promolab.model.solvers.logistic import start as smooth_start
from promolab.model.solvers.newton import (
    Data,
    FitInfo,
    Step,
    check_penalty,
    checked,
    minimise,
    one_thread,
    require_optimum,
)
from promolab.threads import single_threaded

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike

    from promolab.model.solvers.newton import Point, Stepper


TOLERANCE = 1e-13
LIFT = 1e-12  # of a column's curvature: what makes a model of near-twins definite


def fit_elastic_net(
    X: ArrayLike,
    y: ArrayLike,
    l1: float,
    l2: float,
    sample_weight: ArrayLike | None = None,
    *,
    start: tuple[np.ndarray, float] | None = None,
    tol: float = TOLERANCE,
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
    tol : float
        Excess of the objective over its minimum, per unit of weight, at which to stop.

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
    Proximal Newton (Lee, Sun & Saunders 2014): the log-loss is replaced by its quadratic model,
    whose minimum with the L1 penalty is found exactly (feature-sign search, Lee, Battle, Raina & Ng
    2007), followed by a line search.

    Examples
    --------
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 0.0]]
    >>> w, b, info = fit_elastic_net(X, [0, 0, 1, 0, 1, 1], l1=1.0, l2=0.1)
    >>> info.converged, w.round(3).tolist()
    (True, [0.65, 0.0])
    """
    import torch

    rows, labels, weights = checked(X, y, sample_weight)
    check_penalty(l2)
    real_number("l1", l1, least=0)
    with one_thread() as threads, single_threaded("blas"):
        data = Data.of(rows, labels, weights, threads)
        begun = None if start is None else torch.from_numpy(np.append(*start))
        theta = smooth_start(data, l2) if begun is None else begun
        theta, info = minimise(Sparse(data, l2, l1), theta, tol)
    advice = f"raise l2 (now {l2:g}) or standardise the columns"
    require_optimum(info, "logistic regression with an l1 penalty", advice)
    return theta[:-1].numpy().copy(), float(theta[-1]), info


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


@dataclass(frozen=True)
class Sparse(Problem):
    """Σ weight · log-loss + ½ · l2 · ‖w‖² + l1 · Σ |w| as a function of θ = (w, b)."""

    l1: float = 0.0

    def evaluate(self, theta: torch.Tensor) -> Point:
        """Return the objective, and the gradient of its smooth part."""
        smooth = super().evaluate(theta)
        return replace(smooth, value=smooth.value + self.l1 * float(theta[:-1].abs().sum()))

    def stepper(self, point: Point) -> Stepper:
        """Return what goes to the minimum of the quadratic model with the L1 penalty."""
        import torch

        hessian = self.hessian(point.linear).numpy()

        def step(theta: torch.Tensor, point: Point) -> Step:
            here = theta.numpy()
            gradient = point.gradient.numpy()
            target = _proximal(hessian, hessian @ here - gradient, here, self.l1)
            direction = target - here
            kink = self.l1 * (np.abs(target[:-1]).sum() - np.abs(here[:-1]).sum())
            slope = float(gradient @ direction + kink)
            promise = -slope - 0.5 * float(direction @ hessian @ direction)
            return Step(torch.from_numpy(direction), slope, max(0.0, promise))

        return step

    def gradient_norm(self, theta: torch.Tensor, point: Point) -> float:
        """Return the largest entry of the subgradient nearest to 0."""
        w, gradient = theta[:-1], point.gradient[:-1]
        at_zero = (gradient.abs() - self.l1).clamp(min=0)
        elsewhere = (gradient + self.l1 * w.sign()).abs()
        rest = elsewhere.where(w != 0, at_zero)
        return max(float(rest.max()) if len(rest) else 0.0, abs(float(point.gradient[-1])))


def _proximal(hessian: np.ndarray, right: np.ndarray, theta: np.ndarray, l1: float) -> np.ndarray:
    """Minimise ½ θᵀHθ − rᵀθ + l1 · Σ |w|; the intercept, the last, is minimised out."""
    side, corner = hessian[:-1, -1], hessian[-1, -1]
    inner = hessian[:-1, :-1] - np.outer(side, side / corner)
    # Any positive definite model leads to the same optimum; near-twins need a little help.
    inner[np.diag_indices_from(inner)] += LIFT * hessian.diagonal()[:-1]
    w = _sparse_minimum(inner, right[:-1] - side * (right[-1] / corner), theta[:-1], l1)
    return np.append(w, (right[-1] - side @ w) / corner)


def _sparse_minimum(H: np.ndarray, r: np.ndarray, w: np.ndarray, l1: float) -> np.ndarray:
    """Minimise ½ wᵀHw − rᵀw + l1 · Σ |w| exactly, starting from w.

    Feature-sign search (Lee, Battle, Raina & Ng 2007): with the signs of the weights given, the
    minimum is that of a linear system; signs are corrected and columns let in one at a time, each
    time at a lower value, so that it ends.
    """
    if len(w) == 0:
        return w
    slack = 1e-11 * (l1 + np.abs(r).max())
    w = _settle(H, r, w, np.sign(w), l1)
    for _ in range(20 * len(w) + 20):
        slope = r - H @ w
        outside = np.where(w == 0, np.abs(slope), 0.0)
        j = int(outside.argmax())
        if outside[j] <= l1 + slack:
            return w
        signs = np.sign(w)
        signs[j] = np.sign(slope[j])
        w = _settle(H, r, w, signs, l1)
    raise InputError("the columns are too alike for an l1 penalty; raise l2, or drop near-copies")


def _settle(
    H: np.ndarray, r: np.ndarray, w: np.ndarray, signs: np.ndarray, l1: float
) -> np.ndarray:
    """Go to the minimum over the columns with a sign, on the way dropping those that change it."""
    from scipy.linalg import cho_factor, cho_solve

    for _ in range(20 * len(w) + 20):
        active = np.flatnonzero(signs)
        found = np.zeros_like(w)
        if len(active) == 0:
            return found
        part = H[np.ix_(active, active)]
        goal = cho_solve(cho_factor(part), r[active] - l1 * signs[active])
        settled = bool((goal * signs[active] >= 0).all())
        found[active] = goal if settled else _best_on_the_way(part, r[active], w[active], goal, l1)
        w, signs = found, np.sign(found)
        if settled:
            return w
    raise InputError("the columns are too alike for an l1 penalty; raise l2, or drop near-copies")


def _best_on_the_way(
    H: np.ndarray, r: np.ndarray, now: np.ndarray, goal: np.ndarray, l1: float
) -> np.ndarray:
    """Return the best of the goal and the points on the way there where a weight becomes 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = now / (now - goal)
    at = np.flatnonzero((crossing > 0) & (crossing < 1))
    points = now + np.append(crossing[at], 1.0)[:, None] * (goal - now)
    points[np.arange(len(at)), at] = 0.0
    value = 0.5 * ((points @ H) * points).sum(axis=1) - points @ r + l1 * np.abs(points).sum(axis=1)
    best: np.ndarray = points[value.argmin()]
    return best
