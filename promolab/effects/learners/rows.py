"""An experiment as the arrays that models are fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects.learners.base_learners import Lesson
from promolab.model.inputs import Encoder, NativeEncoder
from promolab.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment


@dataclass(frozen=True)
class Design:
    """How frames become matrices; learned from all rows, without a look at any outcome.

    Parameters
    ----------
    encoder : Encoder, NativeEncoder or None
        None where nothing varies: then all rows are alike, and every effect is an average.
    columns : tuple of str
        The covariates that a frame must have.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"orders": [1, 2, 4, 30], "shop": ["here"] * 4})
    >>> design = Design.learn(X, "encoded")
    >>> design.matrix(X).shape, design.sources
    ((4, 1), ['orders'])
    """

    encoder: Encoder | NativeEncoder | None
    columns: tuple[str, ...]

    @classmethod
    def learn(cls, X: pd.DataFrame, style: str) -> Design:
        """Learn the columns: ``encoded`` for linear models, ``native`` for trees."""
        columns = tuple(map(str, X.columns))
        if not columns or not any(len(X[c].unique()) > 1 for c in X.columns):
            return cls(None, columns)
        encoder = NativeEncoder if style == "native" else Encoder
        return cls(encoder.fit(X), columns)

    def matrix(self, X: pd.DataFrame) -> np.ndarray:
        """Return the columns, float64 of shape (n, p).

        Raises
        ------
        InputError
            A covariate is missing, or is of another kind than it was.
        """
        return np.empty((len(X), 0)) if self.encoder is None else self.encoder.transform(X)

    @property
    def sources(self) -> list[str]:
        """For each column of the matrix the covariate that it comes from."""
        if self.encoder is None:
            return []
        return (
            self.encoder.names if isinstance(self.encoder, NativeEncoder) else self.encoder.sources
        )

    def categorical_or_none(self, width: int) -> np.ndarray | None:
        """Return which of the first ``width`` columns hold codes of levels; None if none does.

        Columns beyond the design's own, added to its right, are numbers.
        """
        if not isinstance(self.encoder, NativeEncoder) or not self.encoder.categorical.any():
            return None
        mask = np.zeros(width, dtype=bool)
        mask[: len(self.encoder.categorical)] = self.encoder.categorical
        return mask


def folds_of(customers: pd.Series, folds: int, seed: int) -> np.ndarray:
    """Deal customers out to folds in the order of a hash, so that the rows' order changes nothing.

    Parameters
    ----------
    customers : Series of length n
        Their ids.
    folds : int
    seed : int
        Part of the hash.

    Returns
    -------
    ndarray of int of shape (n,)
        Fold of each row: all rows of a customer are in one.

    Examples
    --------
    >>> import pandas as pd
    >>> ids = pd.Series(["a", "b", "a", "c", "d"])
    >>> fold = folds_of(ids, 2, seed=0)
    >>> bool(fold[0] == fold[2]), np.bincount(fold[[0, 1, 3, 4]]).tolist()
    (True, [2, 2])
    """
    import pandas as pd

    codes, names = pd.factorize(customers)
    numbers = np.asarray(names)
    if numbers.dtype.kind not in "iu":
        numbers = pd.Series(names).astype(str).to_numpy(dtype=object)
    hashed = pd.util.hash_array(numbers)
    # Whole steps of the golden ratio keep the hashes of two seeds apart.
    step = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    mixed = pd.util.hash_array(hashed + step)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(mixed, kind="stable")] = np.arange(len(names))
    return (rank % folds)[codes]


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

    def lesson(self, Z: np.ndarray, which: np.ndarray, design: Design) -> Lesson:
        """Return the outcome of some rows as what a model is to learn."""
        return Lesson(Z[which], self.y[which], design, self.seed, self.binary)

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
    with ExitStack() as stack:
        stack.enter_context(single_threaded("blas"))
        if size < WORTH_THREADS:
            stack.enter_context(single_threaded("openmp"))
        yield
