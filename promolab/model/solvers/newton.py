"""Newton's method with a line search, and the certificate of what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from promolab.checks import real_number
from promolab.errors import InputError

if TYPE_CHECKING:
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
    rows : ndarray of float32 or float64, shape (n, p)
    labels : ndarray of float64, shape (n,)
    weights : ndarray of float64, shape (n,)
    """

    rows: np.ndarray
    labels: np.ndarray
    weights: np.ndarray

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum())

    def pieces(self) -> Iterator[slice]:
        """Return rows in pieces of a size that depends on nothing but the number of columns."""
        n, size = len(self.labels), max(PIECE // (self.rows.shape[1] + 1), 64)
        return (slice(i, min(i + size, n)) for i in range(0, n, size))

    def evaluate(
        self, part: slice, theta: np.ndarray, linear: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Return Σ weight · log-loss and its gradient in θ; write the log odds into ``linear``."""
        rows, labels = np.asarray(self.rows[part], dtype=np.float64), self.labels[part]
        weights = self.weights[part]
        z = np.matmul(rows, theta[:-1], out=linear[part])
        z += theta[-1]
        # softplus(z) − y·z, written so that neither end overflows or loses digits.
        small = np.exp(-np.abs(z))
        loss = np.log1p(small) + z.clip(min=0) - labels * z
        chance = np.where(z >= 0, 1.0, small) / (1 + small)
        residual = (chance - labels) * weights
        return weights @ loss, np.append(rows.T @ residual, residual.sum())

    def hessian(self, part: slice, linear: np.ndarray) -> np.ndarray:
        """Return the second derivative in θ of Σ weight · log-loss, given the log odds."""
        from scipy.special import expit

        p = expit(linear[part])
        root = np.sqrt(self.weights[part] * p * (1 - p))
        rows = self.rows[part] * root[:, None]  # a root on either side keeps the sum symmetric
        side = rows.T @ root
        return np.block([[rows.T @ rows, side[:, None]], [side, root @ root]])

    def sample(self, size: int) -> Data | None:
        """Return evenly spread rows, as many of either class, weighted to stand for all.

        None where that would not be far fewer, or the rows picked weigh nothing.
        """
        if len(self.labels) < 2 * size:
            return None
        positive = self.labels == 1
        heavy = float(self.weights @ self.labels)
        picked, weights = [], []
        for chosen, mass in ((positive, heavy), (~positive, self.total - heavy)):
            places = np.flatnonzero(chosen)
            some = places[:: max(2 * len(places) // size, 1)]
            share = float(self.weights[some].sum())
            if share <= 0:
                return None
            picked.append(some)
            weights.append(self.weights[some] * (mass / share))
        where = np.concatenate(picked)
        return Data(self.rows[where], self.labels[where], np.concatenate(weights))

    def each(self, work: Callable[[Piece], Found], pieces: Iterable[Piece]) -> Iterator[Found]:
        """Do the work for each piece, on several threads where there are many; yield in order."""
        from joblib import cpu_count

        todo = list(pieces)
        if len(todo) < 2:
            yield from map(work, todo)
            return
        with ThreadPoolExecutor(cpu_count()) as pool:
            yield from pool.map(work, todo)


def as_array(values: ArrayLike, *, keep_single: bool = False) -> np.ndarray:
    """Return contiguous floats, copied only if they must be."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        try:
            given = given.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"numbers are expected, and there is something else: {error}"
            ) from None
    single = keep_single and given.dtype == np.float32
    return np.require(given, dtype=np.float32 if single else np.float64, requirements="C")


def checked(
    X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, labels and weights as a `Data` takes them.

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
    gradient: np.ndarray
    linear: np.ndarray


@dataclass(frozen=True)
class Problem:
    """Σ weight · log-loss + ½ · l2 · ‖w‖² as a function of θ = (w, b)."""

    data: Data
    l2: float

    @cached_property
    def penalty(self) -> np.ndarray:
        """The penalty of each entry of θ; the intercept has none."""
        return np.append(np.full(self.data.rows.shape[1], self.l2), 0.0)

    def evaluate(self, theta: np.ndarray) -> Point:
        """Return the objective and its gradient at θ: one pass over the rows."""
        linear = np.empty(len(self.data.labels))
        gradient = self.penalty * theta
        value = 0.5 * (gradient @ theta)
        evaluate = partial(self.data.evaluate, theta=theta, linear=linear)
        for loss, slope in self.data.each(evaluate, self.data.pieces()):
            value += loss
            gradient += slope
        return Point(float(value), gradient, linear)

    def hessian(self, linear: np.ndarray) -> np.ndarray:
        """Return the Hessian, given the log odds: one pass over the rows."""
        hessian = np.diag(self.penalty)
        curvature = partial(self.data.hessian, linear=linear)
        for part in self.data.each(curvature, self.data.pieces()):
            hessian += part
        return hessian


def minimise(problem: Problem, theta: np.ndarray, tol: float) -> tuple[np.ndarray, FitInfo]:
    """Go to the minimum by Newton steps.

    A Hessian is used again as long as it serves (Shamanskii 1967): near the optimum it hardly
    changes, and a gradient is had for less.

    Parameters
    ----------
    problem : Problem
    theta : ndarray
        Where to start.
    tol : float
        Excess per unit of weight at which to stop.

    Returns
    -------
    theta : ndarray
    info : FitInfo
        ``converged`` is False where the steps did not suffice.
    """
    total = problem.data.total
    point = problem.evaluate(theta)
    inverse, base, previous = solver(problem.hessian(point.linear)), point, np.inf
    for iteration in range(MAX_ITERATIONS + 1):
        direction, slope = _step(inverse, point)
        # In this order nan stays nan, and is refused: numbers too large to square have no optimum.
        excess = max(-slope, 0.0) / 2 * _stretch(point, base) / total
        if base is not point and excess > max(tol, previous / WORTH_A_PASS):
            inverse, base = solver(problem.hessian(point.linear)), point
            direction, slope = _step(inverse, point)
            excess = max(-slope, 0.0) / 2 / total
        stalled = excess <= ROUNDING and excess > previous / 2
        if excess <= tol or stalled or iteration == MAX_ITERATIONS:
            break
        previous = excess
        found = _line_search(problem, theta, point, direction, slope)
        if found is None:  # rounding leaves nothing to gain
            break
        theta, point = found
    norm, value = float(np.abs(point.gradient).max()) / total, point.value
    if excess <= tol:  # the step that told so is the best one, and already there
        theta, value = theta + direction, value - max(0.0, -slope) / 2
    return theta, FitInfo(iteration, excess <= max(tol, ROUNDING), value, norm, excess)


def _step(inverse: Callable[[np.ndarray], np.ndarray], point: Point) -> tuple[np.ndarray, float]:
    """Return the way to the minimum of the quadratic model, and the slope at its start."""
    direction = -inverse(point.gradient)
    return direction, float((point.gradient * direction).sum())


def _stretch(point: Point, base: Point) -> float:
    """Return by what factor the Hessian may have become smaller since ``base``."""
    if base is point:
        return 1.0
    return float(np.exp(min(float(np.abs(point.linear - base.linear).max()), 700.0)))


def _line_search(
    problem: Problem, theta: np.ndarray, point: Point, direction: np.ndarray, slope: float
) -> tuple[np.ndarray, Point] | None:
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


def solver(hessian: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return what solves H x = r, r a vector or columns.

    H is scaled to a unit diagonal and lifted a little if it is near singular.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    scale = 1 / np.sqrt(hessian.diagonal().clip(min=1e-300))
    unit = scale[:, None] * hessian * scale
    factor = np.full_like(unit, np.nan), True
    for lift in (0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0):
        with suppress(LinAlgError):
            factor = cho_factor(unit + lift * np.eye(len(unit)), lower=True, check_finite=False)
            break

    def apply(right: np.ndarray) -> np.ndarray:
        columns = right.reshape(len(right), -1) * scale[:, None]
        found = cho_solve(factor, columns, check_finite=False) * scale[:, None]
        return np.asarray(found.reshape(right.shape))

    return apply
