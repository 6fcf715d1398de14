"""An experiment as the arrays that models are fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from promolab.contract import Experiment

__all__ = ["Rows", "rows_of", "steady"]

WORTH_THREADS = 5_000_000
"""Values of a matrix from which on trees are grown by several threads."""


@dataclass(frozen=True)
class Rows:
    """An experiment as arrays.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Outcome.
    codes : ndarray of int of shape (n,)
        Arm, 0 the control.
    arms : int
        K, the number of arms.
    cluster, fold : ndarray of int of shape (n,)
        Customer, and the fold that the customer is in.
    folds : int
    propensity : ndarray of shape (n, K), optional
        Chances of the arms where they are known.
    block : ndarray of int of shape (n,), optional
        Round of the decision.
    binary : bool
        Whether the outcome is 0 or 1.
    seed : int
    """

    y: np.ndarray
    codes: np.ndarray
    arms: int
    cluster: np.ndarray
    fold: np.ndarray
    folds: int
    propensity: np.ndarray | None = None
    block: np.ndarray | None = None
    binary: bool = False
    seed: int = 0

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    def with_blocks(self, Z: np.ndarray) -> np.ndarray:
        """Add a column per round but the first: rounds differ in what nothing else shows."""
        if self.block is None or not self.n or self.block.max() < 1:
            return Z
        rounds = np.arange(1, self.block.max() + 1)
        return np.column_stack([Z, (self.block[:, None] == rounds).astype(float)])


def rows_of(
    experiment: Experiment, outcome: str | None, fold: np.ndarray, folds: int, seed: int
) -> Rows:
    """Return an experiment as arrays.

    Parameters
    ----------
    experiment : Experiment
    outcome : str, optional
        The first by default.
    fold : ndarray of int of shape (n,)
        Fold of each row.
    folds, seed : int
    """
    y = experiment.y(outcome)
    block = None
    if experiment.block is not None:
        column = experiment.frame[experiment.block]
        block = np.asarray(column.factorize(sort=True, use_na_sentinel=False)[0], dtype=np.int64)
    return Rows(
        y,
        experiment.codes,
        experiment.K,
        experiment.cluster,
        fold,
        folds,
        experiment.propensity,
        block,
        bool(np.isin(y, (0.0, 1.0)).all()),
        seed,
    )


@contextmanager
def steady(size: int) -> Iterator[None]:
    """Compute with one thread where several would change digits, or cost more than they bring.

    Parameters
    ----------
    size : int
        Values of the largest matrix.
    """
    from threadpoolctl import threadpool_limits

    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1, "blas"))
        if size < WORTH_THREADS:
            stack.enter_context(threadpool_limits(1, "openmp"))
        yield
