"""Passes over the rows of a logistic regression: its loss, gradient and Hessian, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from promolab.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike

__all__ = ["Data", "as_array", "checked", "one_thread"]

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

    def pieces(self, first: int = 0, last: int | None = None) -> Iterator[slice]:
        """Return rows in pieces of a size that depends on nothing but the number of columns."""
        stop = len(self.labels) if last is None else last
        size = max(PIECE // (self.rows.shape[1] + 1), 64)
        return (slice(i, min(i + size, stop)) for i in range(first, stop, size))

    def wide(self, part: slice) -> torch.Tensor:
        """Return rows in double precision."""
        return self.rows[part].double()

    def with_ones(self, part: slice) -> torch.Tensor:
        """Return rows in double precision with a column of ones for the intercept."""
        import torch

        rows = self.wide(part)
        return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)

    def evaluate(
        self, part: slice, theta: torch.Tensor, linear: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Σ weight · log-loss and its gradient in θ; write the log odds into ``linear``."""
        import torch

        rows, labels, weights = self.wide(part), self.labels[part], self.weights[part]
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
    if not isinstance(l2, (int, float, np.number)):
        raise InputError(f"l2 == {l2!r}, must be a number above 0")
    if not (np.isfinite(l2) and l2 > 0):
        raise InputError(f"l2 == {l2:g}, must be above 0: separable data have no optimum without")
