"""Logistic regression solved to the optimum: Newton's method with a line search, in torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike

__all__ = ["FitInfo", "Problem", "fit_logistic", "one_thread", "solve"]

BLOCK = 65_536  # rows in one matrix product: bounds the working memory
SUBSAMPLE = 50_000  # rows that are enough to start close to the optimum
MAX_ITERATIONS = 100
HALVINGS = 40
ROUNDING = 1e-10  # excess per row that may be rounding on badly scaled data, and harms nobody


@dataclass(frozen=True)
class FitInfo:
    """The certificate of a fit: how far from the optimum it stopped.

    Parameters
    ----------
    iterations : int
        Newton steps on all rows.
    converged : bool
        Whether the excess was at or below the tolerance.
    objective : float
        Σ weight · log-loss + ½ · l2 · ‖w‖² at the end.
    gradient_norm : float
        Largest absolute entry of the objective's gradient, per unit of weight.
    excess : float
        Half the squared Newton decrement, per unit of weight: by how much the objective exceeds
        its minimum, to second order (Boyd & Vandenberghe 2004, section 9.5.1). Both were taken
        before the last step, and so bound what is left after it.
    """

    iterations: int
    converged: bool
    objective: float
    gradient_norm: float
    excess: float


def fit_logistic(
    X: ArrayLike,
    y: ArrayLike,
    l2: float,
    sample_weight: ArrayLike | None = None,
    *,
    tol: float = 1e-15,
) -> tuple[np.ndarray, float, FitInfo]:
    r"""Minimise :math:`\sum_i s_i \ell(y_i, w^T x_i + b) + \tfrac12 l_2 \lVert w \rVert^2`.

    :math:`\ell` is the cross-entropy of :math:`\sigma(w^T x + b)`; the intercept is not penalised.
    The same objective as scikit-learn's ``LogisticRegression(C=1 / l2)``.

    Parameters
    ----------
    X : array, shape (n, p)
        Encoded features; columns may have any scale.
    y : array of 0 and 1, shape (n,)
        Labels, both present.
    l2 : float
        Penalty, above 0: without one, separable data have no optimum.
    sample_weight : array, shape (n,), optional
        Weights ≥ 0 of the rows; 1 by default.
    tol : float
        Excess of the objective over its minimum, per unit of weight, at which to stop.

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
    One thread and a fixed block size: the same input gives the same bits whatever the number of
    threads. Memory beyond X: one block of rows.

    Examples
    --------
    >>> w, b, info = fit_logistic([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1], l2=1.0)
    >>> info.converged, round(float(w[0]), 3)
    (True, 0.453)
    """
    import torch

    rows, labels, weights = _checked(X, y, l2, sample_weight)
    with one_thread():
        problem = Problem(
            torch.from_numpy(rows), torch.from_numpy(labels), torch.from_numpy(weights), l2
        )
        theta, info = _newton(problem, _start(problem), tol)
    if not info.converged:
        raise InputError(
            f"the logistic regression did not reach its optimum in {info.iterations} steps "
            f"(excess log-loss {info.excess:.1e} per row); raise l2 (now {l2:g}) or standardise "
            "the columns"
        )
    return theta[:-1].numpy().copy(), float(theta[-1]), info


@dataclass(frozen=True)
class Problem:
    """Rows, labels, weights and penalty; θ = (w, b)."""

    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    l2: float

    def blocks(self) -> Iterator[slice]:
        """Return the rows in pieces of a fixed size."""
        n = len(self.labels)
        return (slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK))

    def with_ones(self, part: slice) -> torch.Tensor:
        """Return rows with a column of ones for the intercept."""
        import torch

        rows = self.rows[part]
        return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)

    def linear(self, theta: torch.Tensor) -> torch.Tensor:
        """Return the log odds of each row."""
        return self.rows @ theta[:-1] + theta[-1]

    def objective(self, linear: torch.Tensor, theta: torch.Tensor) -> float:
        """Return Σ weight · log-loss + ½ · l2 · ‖w‖², given the log odds at θ."""
        import torch

        # softplus(z) − y·z, written so that neither end overflows or loses digits.
        loss = linear.clamp(min=0) - self.labels * linear + torch.log1p(torch.exp(-linear.abs()))
        return float(self.weights @ loss + 0.5 * self.l2 * (theta[:-1] @ theta[:-1]))

    def gradient_and_hessian(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the objective's first and second derivatives at θ."""
        import torch

        p = torch.sigmoid(self.linear(theta))
        residual = self.weights * (p - self.labels)
        curvature = self.weights * p * (1 - p)
        penalty = torch.full_like(theta, self.l2)
        penalty[-1] = 0
        gradient, hessian = penalty * theta, torch.diag(penalty)
        for part in self.blocks():
            rows = self.with_ones(part)
            gradient = gradient + rows.T @ residual[part]
            hessian = hessian + rows.T @ (curvature[part, None] * rows)
        return gradient, hessian

    def every(self, step: int) -> Problem:
        """Return every ``step``-th row, with the weight of all."""
        rows, labels = self.rows[::step], self.labels[::step]
        return Problem(rows.contiguous(), labels, self.weights[::step] * step, self.l2)


def _start(problem: Problem) -> torch.Tensor:
    import torch

    # A share of the rows leads close to the optimum; all rows then need a step or two.
    step = len(problem.labels) // SUBSAMPLE
    if step >= 2:
        part = problem.every(step)
        if 0 < float(part.weights @ part.labels) < float(part.weights.sum()):
            return _newton(part, _start(part), tol=1e-6)[0]
    share = float(problem.weights @ problem.labels) / float(problem.weights.sum())
    theta = torch.zeros(problem.rows.shape[1] + 1, dtype=torch.float64)
    theta[-1] = np.log(share / (1 - share))
    return theta


def _newton(problem: Problem, theta: torch.Tensor, tol: float) -> tuple[torch.Tensor, FitInfo]:
    total = float(problem.weights.sum())
    linear = problem.linear(theta)
    value = problem.objective(linear, theta)
    previous = np.inf
    for iteration in range(MAX_ITERATIONS + 1):
        gradient, hessian = problem.gradient_and_hessian(theta)
        direction = -solve(hessian, gradient)
        slope = float(gradient @ direction)
        excess = max(-slope, 0.0) / 2 / total
        norm = float(gradient.abs().max()) / total
        stalled = excess <= ROUNDING and excess > previous / 2
        if excess <= tol or stalled or iteration == MAX_ITERATIONS:
            break
        previous = excess
        found = _line_search(problem, theta, linear, direction, value, slope)
        if found is None:  # rounding leaves nothing to gain
            break
        theta, linear, value = found
    if excess <= tol:  # the step that told so is the best one, and already there
        theta = theta + direction
        value = problem.objective(problem.linear(theta), theta)
    return theta, FitInfo(iteration, excess <= max(tol, ROUNDING), value, norm, excess)


def _line_search(
    problem: Problem,
    theta: torch.Tensor,
    linear: torch.Tensor,
    direction: torch.Tensor,
    value: float,
    slope: float,
) -> tuple[torch.Tensor, torch.Tensor, float] | None:
    """Halve the step until the objective falls as it should (Armijo 1966)."""
    change = problem.linear(direction)
    size = 1.0
    rounding = 1e-14 * abs(value)
    for _ in range(HALVINGS):
        candidate, candidate_linear = theta + size * direction, linear + size * change
        candidate_value = problem.objective(candidate_linear, candidate)
        if candidate_value <= value + 1e-4 * size * slope + rounding:
            return candidate, candidate_linear, candidate_value
        size /= 2
    return None


def solve(hessian: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve H x = r with H scaled to a unit diagonal, lifted a little if it is near singular."""
    import torch

    scale = hessian.diagonal().clamp(min=1e-300).rsqrt()
    unit = scale[:, None] * hessian * scale[None, :]
    columns = (right if right.ndim == 2 else right[:, None]) * scale[:, None]
    eye = torch.eye(len(unit), dtype=unit.dtype)
    for lift in (0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0):
        factor, failed = torch.linalg.cholesky_ex(unit + lift * eye)
        if not bool(failed) and bool(torch.isfinite(factor).all()):
            break
    solution = torch.cholesky_solve(columns, factor) * scale[:, None]
    return solution if right.ndim == 2 else solution[:, 0]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: sums split over threads differ in their last digits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def as_array(values: ArrayLike) -> np.ndarray:
    """Return floats that torch can share: contiguous and writable, copied only if they must be."""
    return np.require(np.asarray(values, dtype=np.float64), requirements=["C", "W"])


def _checked(
    X: ArrayLike, y: ArrayLike, l2: float, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = as_array(X)
    labels = as_array(y)
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        raise InputError(f"X has shape {rows.shape} and y {labels.shape}; expected (n, p) and (n,)")
    weights = np.ones(len(labels)) if sample_weight is None else sample_weight
    weights = as_array(weights)
    if weights.shape != labels.shape or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError(f"sample_weight must be {len(labels)} finite numbers, none below 0")
    if not np.isfinite(rows).all():
        raise InputError("X has values that are missing or infinite; encode them first (Encoder)")
    if not np.isin(labels, (0.0, 1.0)).all():
        raise InputError("y has values other than 0 and 1")
    if not (np.isfinite(l2) and l2 > 0):
        raise InputError(f"l2 == {l2:g}, must be above 0: separable data have no optimum without")
    positive, total = float(weights @ labels), float(weights.sum())
    if not 0 < positive < total:
        raise InputError(f"y has a single class in its {len(labels)} rows; both are needed")
    return rows, labels, weights
