"""Newton's method with a line search, and the certificate of what it found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from promolab.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["FitInfo", "Objective", "Point", "Step", "minimise", "solve", "solver"]

MAX_ITERATIONS = 100
HALVINGS = 40
ROUNDING = 1e-10  # excess per row that may be rounding on badly scaled data, and harms nobody
WORTH_A_PASS = 100  # an old Hessian serves as long as a step divides the excess by this much


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
        Σ weight · log-loss + penalty at the end.
    gradient_norm : float
        Largest absolute entry of the objective's gradient, per unit of weight; with an ``l1``, of
        its subgradient nearest to 0 (what the Karush–Kuhn–Tucker conditions leave).
    excess : float
        Bound of the excess of the objective over its minimum, per unit of weight, to second order:
        half the squared Newton decrement (Boyd & Vandenberghe 2004, section 9.5.1; with an ``l1``,
        what the quadratic model still promises), times e^δ where the Hessian is of an earlier
        step from which no row's log odds have moved by more than δ (as σ′ is then at least e^−δ
        of what it was). It was taken before the last step, and so bounds what is left after it.
    """

    iterations: int
    converged: bool
    objective: float
    gradient_norm: float
    excess: float


@dataclass(frozen=True)
class Point:
    """The objective at a θ: its value, its gradient, and the log odds of every row."""

    value: float
    gradient: torch.Tensor
    linear: torch.Tensor


class Step(NamedTuple):
    """Where to go from a point, and what the quadratic model there says of it.

    Parameters
    ----------
    direction : tensor
        From θ to the model's minimum.
    slope : float
        How fast the objective changes at the start of the way, ≤ 0.
    promise : float
        By how much the model falls on the way, ≥ 0.
    """

    direction: torch.Tensor
    slope: float
    promise: float


Stepper = Callable[["torch.Tensor", Point], Step]
"""What proposes a step from a θ and its point, by the Hessian of a point that may be another."""


class Objective(ABC):
    """What `minimise` needs to know of a convex objective. A Newton step where it is smooth."""

    @property
    @abstractmethod
    def total(self) -> float:
        """Sum of the rows' weights."""

    @abstractmethod
    def evaluate(self, theta: torch.Tensor) -> Point:
        """Return value and gradient at θ: one pass over the rows."""

    @abstractmethod
    def inverse(self, point: Point) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what solves H x = r, H the Hessian at a point: one pass over the rows."""

    def stepper(self, point: Point) -> Stepper:
        """Return what proposes steps by the Hessian at a point."""
        inverse = self.inverse(point)

        def step(theta: torch.Tensor, point: Point) -> Step:
            direction = -inverse(point.gradient)
            slope = float((point.gradient * direction).sum())
            return Step(direction, slope, max(0.0, -slope) / 2)

        return step

    def gradient_norm(self, theta: torch.Tensor, point: Point) -> float:
        """Return the largest entry of the gradient."""
        return float(point.gradient.abs().max())


def minimise(problem: Objective, theta: torch.Tensor, tol: float) -> tuple[torch.Tensor, FitInfo]:
    """Go to the minimum of a convex objective by Newton steps.

    A Hessian is used again as long as it serves (Shamanskii 1967): near the optimum it hardly
    changes, and a gradient is had for less.

    Parameters
    ----------
    problem : Objective
    theta : tensor
        Where to start.
    tol : float
        Excess per unit of weight at which to stop.

    Returns
    -------
    theta : tensor
    info : FitInfo
        ``converged`` is False where the steps did not suffice.
    """
    total = problem.total
    point = problem.evaluate(theta)
    stepper, base, previous = problem.stepper(point), point, np.inf
    for iteration in range(MAX_ITERATIONS + 1):
        step = stepper(theta, point)
        excess = step.promise * _stretch(point, base) / total
        if base is not point and excess > max(tol, previous / WORTH_A_PASS):
            stepper, base = problem.stepper(point), point
            step = stepper(theta, point)
            excess = step.promise / total
        stalled = excess <= ROUNDING and excess > previous / 2
        if excess <= tol or stalled or iteration == MAX_ITERATIONS:
            break
        previous = excess
        found = _line_search(problem, theta, point, step)
        if found is None:  # rounding leaves nothing to gain
            break
        theta, point = found
    norm, value = problem.gradient_norm(theta, point) / total, point.value
    if excess <= tol:  # the step that told so is the best one, and already there
        theta, value = theta + step.direction, value - step.promise
    return theta, FitInfo(iteration, excess <= max(tol, ROUNDING), value, norm, excess)


def _stretch(point: Point, base: Point) -> float:
    """Return by what factor the Hessian may have become smaller since ``base``."""
    if base is point:
        return 1.0
    return float(np.exp(min(float((point.linear - base.linear).abs().max()), 700.0)))


def _line_search(
    problem: Objective, theta: torch.Tensor, point: Point, step: Step
) -> tuple[torch.Tensor, Point] | None:
    """Halve the step until the objective falls as it should (Armijo 1966)."""
    size = 1.0
    rounding = 1e-14 * abs(point.value)
    for _ in range(HALVINGS):
        candidate = theta + size * step.direction
        found = problem.evaluate(candidate)
        if found.value <= point.value + 1e-4 * size * step.slope + rounding:
            return candidate, found
        size /= 2
    return None


def require_optimum(info: FitInfo, what: str, advice: str) -> None:
    """Refuse a fit that stopped short of its optimum."""
    if not info.converged:
        raise InputError(
            f"the {what} did not reach its optimum in {info.iterations} steps (excess log-loss "
            f"{info.excess:.1e} per row); {advice}"
        )


def solver(hessian: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what solves H x = r for one H, or for H and r stacked along the first axis.

    H is scaled to a unit diagonal and lifted a little if it is near singular.
    """
    import torch

    scale = hessian.diagonal(dim1=-2, dim2=-1).clamp(min=1e-300).rsqrt()
    unit = scale[..., :, None] * hessian * scale[..., None, :]
    eye = torch.eye(unit.shape[-1], dtype=unit.dtype)
    for lift in (0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0):
        factor, failed = torch.linalg.cholesky_ex(unit + lift * eye)
        if not bool(failed.any()) and bool(torch.isfinite(factor).all()):
            break

    def apply(right: torch.Tensor) -> torch.Tensor:
        vector = right.ndim < hessian.ndim
        columns = (right[..., None] if vector else right) * scale[..., None]
        solution = torch.cholesky_solve(columns, factor) * scale[..., None]
        return solution[..., 0] if vector else solution

    return apply


def solve(hessian: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve H x = r (see `solver`)."""
    return solver(hessian)(right)
