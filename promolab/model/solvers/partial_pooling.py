"""A logistic model per promotion, drawn towards one that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.checks import real_number
from promolab.errors import InputError
from promolab.model.solvers.logistic import Problem, start
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


TOLERANCE = 1e-13


@dataclass(frozen=True)
class PooledFit:
    """What `fit_pooled` found.

    Parameters
    ----------
    weights : ndarray, shape (p,)
        w, shared by all groups and used for a group that is new.
    intercept : float
        b.
    own_weights : ndarray, shape (M, p)
        u_j: by how much a group's weights differ.
    own_intercepts : ndarray, shape (M,)
        c_j.
    info : FitInfo
        The certificate.
    """

    weights: np.ndarray
    intercept: float
    own_weights: np.ndarray
    own_intercepts: np.ndarray
    info: FitInfo


def fit_pooled(
    X: ArrayLike,
    y: ArrayLike,
    group: ArrayLike,
    l2: float,
    pooling: float,
    sample_weight: ArrayLike | None = None,
    *,
    tol: float = TOLERANCE,
) -> PooledFit:
    r"""Fit customers i = 1…N and promotions j = 1…M with weights of each promotion's own.

    .. math:: z_{ij} = w_j^T \varphi(x_i) + b_j, \quad P(y_{ij} = 1) = \sigma(z_{ij}), \quad
       w_j = w + u_j, \quad b_j = b + c_j

    minimises, over the pairs that were observed, −Σ_i Σ_j [y_ij log σ(z_ij) + (1 − y_ij) log(1 −
    σ(z_ij))] + ½ · l2 · ‖w‖² + ½ · pooling · Σ_j (‖u_j‖² + c_j²). (Some divide the
    sum by N, which scales both penalties and moves nothing.) As ``pooling`` grows the promotions
    become one model, that of `fit_logistic`; as it goes to 0 each is fitted on its own.

    Parameters
    ----------
    X : array, shape (n, p)
        Encoded features φ, a row per pair.
    y : array of 0 and 1, shape (n,)
        Outcomes, both present; a promotion may have a single one.
    group : array of int, shape (n,)
        j of each row: 0 … M − 1, each present.
    l2, pooling : float
        Penalties, above 0.
    sample_weight : array, shape (n,), optional
        Weights ≥ 0 of the rows; 1 by default.
    tol : float
        Excess of the objective over its minimum, per unit of weight, at which to stop.

    Returns
    -------
    PooledFit

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, a single class, a penalty that cannot
        be, or no convergence.

    Notes
    -----
    All weights at once by Newton's method. The Hessian is an arrow of blocks: promotions meet only
    through what they share, so a step solves M systems of p + 1 and one more, their Schur
    complement (Golub & Van Loan 2013, section 4.3). One thread, pieces of a fixed size: the same
    input gives the same bits.

    Examples
    --------
    >>> X, y, j = [[0.0], [1.0], [2.0], [3.0]] * 2, [0, 1, 0, 1, 0, 0, 1, 1], [0] * 4 + [1] * 4
    >>> apart, together = (fit_pooled(X, y, j, l2=0.1, pooling=k) for k in (0.3, 1e9))
    >>> apart.own_weights.round(2).tolist(), together.own_weights.round(2).tolist()
    ([[-0.19], [0.67]], [[-0.0], [0.0]])
    """
    import torch

    rows, labels, weights = checked(X, y, sample_weight)
    check_penalty(l2)
    real_number("pooling", pooling, above=0, hint="; large is one shared model")
    codes = _checked_codes(group, len(labels))
    order = np.argsort(codes, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    with one_thread() as threads:
        data = Data.of(rows[order], labels[order], weights[order], threads)
        problem = Pooled(data, tuple(int(i) for i in bounds), l2, pooling)
        theta = torch.zeros(len(bounds), rows.shape[1] + 1, dtype=torch.float64)
        theta[0] = minimise(Problem(data, l2), start(data, l2), tol=1e-6)[0]
        theta, info = minimise(problem, theta, tol)
    advice = f"raise pooling (now {pooling:g}) or l2 (now {l2:g})"
    require_optimum(info, "partially pooled regression", advice)
    found = theta.numpy()
    return PooledFit(
        found[0, :-1].copy(), float(found[0, -1]), found[1:, :-1].copy(), found[1:, -1].copy(), info
    )


@dataclass(frozen=True)
class Pooled(Objective):
    """The objective of `fit_pooled`. θ, shape (M + 1, p + 1): (w, b), then (u_j, c_j) of each j.

    ``data`` is sorted by group; group j's rows are those from ``bounds[j]`` to ``bounds[j + 1]``.
    """

    data: Data
    bounds: tuple[int, ...]
    l2: float
    pooling: float

    @property
    def total(self) -> float:
        """Sum of the rows' weights."""
        return self.data.total

    def pieces(self) -> Iterator[tuple[int, slice]]:
        """Return each group's rows in pieces."""
        for j in range(len(self.bounds) - 1):
            for part in self.data.pieces(self.bounds[j], self.bounds[j + 1]):
                yield j, part

    def evaluate(self, theta: torch.Tensor) -> Point:
        """Return the objective and its gradient at θ."""
        import torch

        linear = torch.empty(len(self.data.labels), dtype=torch.float64)
        whole = theta[0] + theta[1:]
        value, slopes = torch.zeros((), dtype=torch.float64), torch.zeros_like(whole)

        def evaluate(piece: tuple[int, slice]) -> tuple[int, torch.Tensor, torch.Tensor]:
            j, part = piece
            return j, *self.data.evaluate(part, whole[j], linear)

        for j, loss, slope in self.data.each(evaluate, self.pieces()):
            value += loss
            slopes[j] += slope
        shrunk = self.penalty(theta) * theta
        gradient = torch.cat([slopes.sum(dim=0, keepdim=True), slopes]) + shrunk
        return Point(float(value + 0.5 * (shrunk * theta).sum()), gradient, linear)

    def hessians(self, linear: torch.Tensor) -> torch.Tensor:
        """Return each group's Hessian of its log-loss, shape (M, p + 1, p + 1)."""
        import torch

        size = self.data.rows.shape[1] + 1
        found = torch.zeros(len(self.bounds) - 1, size, size, dtype=torch.float64)

        def curvature(piece: tuple[int, slice]) -> tuple[int, torch.Tensor]:
            return piece[0], self.data.hessian(piece[1], linear)

        for j, hessian in self.data.each(curvature, self.pieces()):
            found[j] += hessian
        return found

    def inverse(self, point: Point) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what solves with the Hessian at a point."""
        hessians = self.hessians(point.linear)
        own, shared = self.eliminated(hessians)

        def apply(right: torch.Tensor) -> torch.Tensor:
            import torch

            alone = own(right[1:])
            top = shared(right[0] - (hessians @ alone[..., None]).sum(dim=0)[:, 0])
            return torch.cat([top[None], alone - own(hessians @ top)])

        return apply

    def eliminated(
        self, hessians: torch.Tensor
    ) -> tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]:
        """Return what solves with each group's block, and with the Schur complement of them all."""
        import torch

        size = hessians.shape[-1]
        own = solver(hessians + self.pooling * torch.eye(size, dtype=torch.float64))
        # H − H (H + λI)⁻¹ H = λ (H + λI)⁻¹ H, without a difference of what is nearly equal.
        schur = self.pooling * own(hessians).sum(dim=0)
        penalty = self.penalty(torch.zeros(1, size, dtype=torch.float64))[0]
        return own, solver(torch.diag(penalty) + (schur + schur.T) / 2)

    def penalty(self, theta: torch.Tensor) -> torch.Tensor:
        """Return the penalty of each entry of θ; the shared intercept has none."""
        import torch

        penalty = torch.full_like(theta, self.pooling)
        penalty[0] = self.l2
        penalty[0, -1] = 0
        return penalty


def pooled_covariance(
    X: ArrayLike,
    y: ArrayLike,
    group: ArrayLike,
    fit: PooledFit,
    l2: float,
    pooling: float,
    cluster: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> np.ndarray:
    """Return the cluster-robust covariance of what is shared, (w, b).

    The sandwich of `promolab.model.solvers.sandwich` for all of θ, of which this is the corner:
    the groups' own weights are eliminated from scores and Hessian. It describes how far other
    customers would move the penalised weights, the promotions being these; not what other
    promotions would.

    Parameters
    ----------
    X, y, group, l2, pooling
        What `fit_pooled` was given.
    fit : PooledFit
        What it found.
    cluster : array, shape (n,), optional
        Which rows belong together, usually customers; each row on its own by default.
    sample_weight : array, shape (n,), optional
        What `fit_pooled` was given.

    Returns
    -------
    ndarray, shape (p + 1, p + 1)
        The intercept last; nan where fewer than two clusters leave it undefined.
    """
    import torch

    from promolab.model.solvers.logistic import cluster_sums, small_sample_factor

    rows, labels, weights = checked(X, y, sample_weight)
    codes = _checked_codes(group, len(labels))
    order = np.argsort(codes, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    size = rows.shape[1] + 1
    with one_thread() as threads:
        data = Data.of(rows[order], labels[order], weights[order], threads)
        problem = Pooled(data, tuple(int(i) for i in bounds), l2, pooling)
        shared = np.append(fit.weights, fit.intercept)
        own_theta = np.column_stack([fit.own_weights, fit.own_intercepts])
        linear = problem.evaluate(torch.from_numpy(np.vstack([shared, own_theta]))).linear
        own, schur = problem.eliminated(problem.hessians(linear))
        # A score enters the shared weights as far as its group's own do not take it up.
        through = pooling * own(torch.eye(size, dtype=torch.float64).expand(len(own_theta), -1, -1))
        residual = (torch.sigmoid(linear) - data.labels) * data.weights
        scores = (
            (part, residual[part, None] * (data.with_ones(part) @ through[j]))
            for j, part in problem.pieces()
        )
        sums = cluster_sums(scores, None if cluster is None else np.asarray(cluster)[order], size)
        if sums is None:
            return np.full((size, size), np.nan)
        half = schur(sums.T)
        return np.asarray(small_sample_factor(len(sums), len(labels), size) * (half @ half.T))


def _checked_codes(group: ArrayLike, n: int) -> np.ndarray:
    codes = as_array(group).astype(np.int64)
    shaped = codes.shape == (n,) and (n == 0 or codes.min() >= 0)
    if not shaped or (n and not (np.bincount(codes) > 0).all()):
        raise InputError(
            f"group must number the {n} rows' groups 0 … M − 1, each present; use pandas.factorize"
        )
    return codes
