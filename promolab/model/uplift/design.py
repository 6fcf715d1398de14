"""From the covariates of an experiment to the columns that its models learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.model.encoding import Encoder
from promolab.model.native import NativeEncoder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Design", "folds_of"]


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

    encoder: Any
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
        native = isinstance(self.encoder, NativeEncoder)
        return self.encoder.names if native else self.encoder.sources

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
