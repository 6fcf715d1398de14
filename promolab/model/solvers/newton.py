"""Newton's method with a line search, and the certificate of what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from promolab.checks import real_number
from promolab.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike


Piece = TypeVar("Piece")
Found = TypeVar("Found")

PIECE = 1_310_720
"""Numbers in one piece of rows: of much smaller ones the threads wait for each other."""


@dataclass(frozen=True)
class Data:
    """Rows, labels and weights. θ = (w, b): a weight per column, then the intercept.

    Rows may be in single precision: each piece is widened as it is read, so every sum is that of
    the same numbers in double precision, and the memory that of the rows as given.

    Parameters
    ----------
    rows : tensor of float32 or float64, shape (n, p)
    labels : tensor of float64, shape (n,)
    weights : tensor of float64, shape (n,)
    threads : int
        Threads that share the pieces out; what they find is added up in the pieces' order.
    """

    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    threads: int = 1

    @classmethod
    def of(cls, rows: np.ndarray, labels: np.ndarray, weights: np.ndarray, threads: int) -> Data:
        """Return the data that arrays share."""
        import torch

        rows_, labels_, weights_ = (torch.from_numpy(a) for a in (rows, labels, weights))
        return cls(rows_, labels_, weights_, threads)

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum())

    def pieces(self) -> Iterator[slice]:
        """Return rows in pieces of a size that depends on nothing but the number of columns."""
        n, size = len(self.labels), max(PIECE // (self.rows.shape[1] + 1), 64)
        return (slice(i, min(i + size, n)) for i in range(0, n, size))

    def with_ones(self, part: slice) -> torch.Tensor:
        """Return rows in double precision with a column of ones for the intercept."""
        import torch

        rows = self.rows[part].double()
        return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)

    def evaluate(
        self, part: slice, theta: torch.Tensor, linear: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Σ weight · log-loss and its gradient in θ; write the log odds into ``linear``."""
        import torch

        rows, labels, weights = self.rows[part].double(), self.labels[part], self.weights[part]
        z = torch.addmv(theta[-1:].expand(len(rows)), rows, theta[:-1], out=linear[part])
        # softplus(z) − y·z, written so that neither end overflows or loses digits.
        loss = torch.exp(-z.abs()).log1p_().add_(z.clamp(min=0)).sub_(labels * z)
        residual = torch.sigmoid(z).sub_(labels).mul_(weights)
        return weights @ loss, torch.cat([rows.T @ residual, residual.sum()[None]])

    def hessian(self, part: slice, linear: torch.Tensor) -> torch.Tensor:
        """Return the second derivative in θ of Σ weight · log-loss, given the log odds."""
        import torch

        p = torch.sigmoid(linear[part])
        root = (self.weights[part] * p * (1 - p)).sqrt_()
        # A root on either side keeps the sum symmetric. Twice as fast as types mixed in a product.
        rows = self.rows[part].to(torch.float64, copy=True).mul_(root[:, None])
        side = (rows.T @ root)[:, None]
        return torch.cat(
            [
                torch.cat([rows.T @ rows, side], dim=1),
                torch.cat([side.T, (root @ root)[None, None]], dim=1),
            ]
        )

    def sample(self, size: int) -> Data | None:
        """Return evenly spread rows, as many of either class, weighted to stand for all.

        None where that would not be far fewer, or the rows picked weigh nothing.
        """
        import torch

        if len(self.labels) < 2 * size:
            return None
        positive = self.labels.numpy() == 1
        heavy = float(self.weights @ self.labels)
        picked, weights = [], []
        for chosen, mass in ((positive, heavy), (~positive, self.total - heavy)):
            places = torch.from_numpy(np.flatnonzero(chosen))
            some = places[:: max(2 * len(places) // size, 1)]
            share = float(self.weights[some].sum())
            if share <= 0:
                return None
            picked.append(some)
            weights.append(self.weights[some] * (mass / share))
        where = torch.cat(picked)
        return replace(
            self, rows=self.rows[where], labels=self.labels[where], weights=torch.cat(weights)
        )

    def each(self, work: Callable[[Piece], Found], pieces: Iterable[Piece]) -> Iterator[Found]:
        """Do the work for each piece, on several threads where there are many; yield in order."""
        import torch

        todo = list(pieces)
        if self.threads == 1 or len(todo) < 2:
            yield from map(work, todo)
            return
        with ThreadPoolExecutor(
            self.threads, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            yield from pool.map(work, todo)


@contextmanager
def one_thread() -> Iterator[int]:
    """Run each operation of torch on one thread: sums split over threads differ in last digits.

    Yields how many threads there would have been.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def as_array(values: ArrayLike, *, keep_single: bool = False) -> np.ndarray:
    """Return floats that torch can share: contiguous and writable, copied only if they must be."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        try:
            given = given.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"numbers are expected, and there is something else: {error}"
            ) from None
    single = keep_single and given.dtype == np.float32
    return np.require(given, dtype=np.float32 if single else np.float64, requirements=["C", "W"])


def checked(
    X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, labels and weights as arrays that a `Data` can share.

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, labels other than 0 and 1, one class.
    """
    rows, labels = as_array(X, keep_single=True), as_array(y)
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        raise InputError(f"X has shape {rows.shape} and y {labels.shape}; expected (n, p) and (n,)")
    weights = as_array(np.ones(len(labels)) if sample_weight is None else sample_weight)
    if weights.shape != labels.shape or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError(f"sample_weight must be {len(labels)} finite numbers, none below 0")
    if not np.isfinite(rows).all():
        raise InputError("X has values that are missing or infinite; encode them first (Encoder)")
    if not ((labels == 0) | (labels == 1)).all():
        raise InputError("y has values other than 0 and 1")
    positive, total = float(weights @ labels), float(weights.sum())
    if not 0 < positive < total:
        raise InputError(f"y has a single class in its {len(labels)} rows; both are needed")
    return rows, labels, weights


def check_penalty(l2: float) -> None:
    """Refuse a penalty without which there may be no optimum."""
    real_number("l2", l2, above=0, hint=": separable data have no optimum without")


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
        that of the weights that are not 0), times e^δ where the Hessian is of an earlier
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


@dataclass(frozen=True)
class Problem:
    """Σ weight · log-loss + ½ · l2 · ‖w‖² as a function of θ = (w, b)."""

    data: Data
    l2: float

    def evaluate(self, theta: torch.Tensor) -> Point:
        """Return the objective and its gradient at θ: one pass over the rows."""
        import torch

        linear = torch.empty(len(self.data.labels), dtype=torch.float64)
        shrunk = self._penalty(theta) * theta
        value, gradient = 0.5 * (shrunk @ theta), shrunk.clone()
        evaluate = partial(self.data.evaluate, theta=theta, linear=linear)
        for loss, slope in self.data.each(evaluate, self.data.pieces()):
            value += loss
            gradient += slope
        return Point(float(value), gradient, linear)

    def hessian(self, linear: torch.Tensor) -> torch.Tensor:
        """Return the Hessian, given the log odds: one pass over the rows."""
        import torch

        penalty = torch.zeros(self.data.rows.shape[1] + 1, dtype=torch.float64)
        hessian = torch.diag(self._penalty(penalty))
        curvature = partial(self.data.hessian, linear=linear)
        for part in self.data.each(curvature, self.data.pieces()):
            hessian += part
        return hessian

    def _penalty(self, theta: torch.Tensor) -> torch.Tensor:
        """Return the penalty of each entry of θ; the intercept has none."""
        import torch

        penalty = torch.full_like(theta, self.l2)
        penalty[-1] = 0
        return penalty


def minimise(problem: Problem, theta: torch.Tensor, tol: float) -> tuple[torch.Tensor, FitInfo]:
    """Go to the minimum by Newton steps.

    A Hessian is used again as long as it serves (Shamanskii 1967): near the optimum it hardly
    changes, and a gradient is had for less.

    Parameters
    ----------
    problem : Problem
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
    total = problem.data.total
    point = problem.evaluate(theta)
    inverse, base, previous = solver(problem.hessian(point.linear)), point, np.inf
    for iteration in range(MAX_ITERATIONS + 1):
        direction, slope = _step(inverse, point)
        excess = max(0.0, -slope) / 2 * _stretch(point, base) / total
        if base is not point and excess > max(tol, previous / WORTH_A_PASS):
            inverse, base = solver(problem.hessian(point.linear)), point
            direction, slope = _step(inverse, point)
            excess = max(0.0, -slope) / 2 / total
        stalled = excess <= ROUNDING and excess > previous / 2
        if excess <= tol or stalled or iteration == MAX_ITERATIONS:
            break
        previous = excess
        found = _line_search(problem, theta, point, direction, slope)
        if found is None:  # rounding leaves nothing to gain
            break
        theta, point = found
    norm, value = float(point.gradient.abs().max()) / total, point.value
    if excess <= tol:  # the step that told so is the best one, and already there
        theta, value = theta + direction, value - max(0.0, -slope) / 2
    return theta, FitInfo(iteration, excess <= max(tol, ROUNDING), value, norm, excess)


def _step(
    inverse: Callable[[torch.Tensor], torch.Tensor], point: Point
) -> tuple[torch.Tensor, float]:
    """Return the way to the minimum of the quadratic model, and the slope at its start."""
    direction = -inverse(point.gradient)
    return direction, float((point.gradient * direction).sum())


def _stretch(point: Point, base: Point) -> float:
    """Return by what factor the Hessian may have become smaller since ``base``."""
    if base is point:
        return 1.0
    return float(np.exp(min(float((point.linear - base.linear).abs().max()), 700.0)))


def _line_search(
    problem: Problem, theta: torch.Tensor, point: Point, direction: torch.Tensor, slope: float
) -> tuple[torch.Tensor, Point] | None:
    """Halve the step until the objective falls as it should (Armijo 1966)."""
    size = 1.0
    rounding = 1e-14 * abs(point.value)
    for _ in range(HALVINGS):
        candidate = theta + size * direction
        found = problem.evaluate(candidate)
        if found.value <= point.value + 1e-4 * size * slope + rounding:
            return candidate, found
        size /= 2
    return None


def require_optimum(info: FitInfo, what: str, l2: float) -> None:
    """Refuse a fit that stopped short of its optimum."""
    if not info.converged:
        raise InputError(
            f"the {what} did not reach its optimum in {info.iterations} steps (excess log-loss "
            f"{info.excess:.1e} per row); raise l2 (now {l2:g}) or standardise the columns"
        )


def solver(hessian: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what solves H x = r, r a vector or columns.

    H is scaled to a unit diagonal and lifted a little if it is near singular.
    """
    import torch

    scale = hessian.diagonal().clamp(min=1e-300).rsqrt()
    unit = scale[:, None] * hessian * scale
    eye = torch.eye(len(unit), dtype=unit.dtype)
    for lift in (0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0):
        factor, failed = torch.linalg.cholesky_ex(unit + lift * eye)
        if not bool(failed) and bool(torch.isfinite(factor).all()):
            break

    def apply(right: torch.Tensor) -> torch.Tensor:
        columns = right.reshape(len(right), -1) * scale[:, None]
        return (torch.cholesky_solve(columns, factor) * scale[:, None]).reshape(right.shape)

    return apply
