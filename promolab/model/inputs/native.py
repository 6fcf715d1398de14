"""From a frame of features to a matrix as trees take it: numbers as they are, levels as codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.inputs.encoding import warn_if_unseen
from promolab.model.inputs.reading import (
    as_numbers,
    as_texts,
    check_present,
    feature_columns,
    is_numeric,
    looks_like_id,
    no_variation,
)

MOST_LEVELS = 200  # scikit-learn's histogram trees tell at most 255 values of a column apart
OTHERS = "(other)"  # all levels without a code of their own, in words
LARGEST = 1e30  # scikit-learn's trees compute in 32 bits, which end at 3e38


@dataclasses.dataclass(frozen=True)
class NativeColumn:
    """How one source column becomes a column for trees; everything in it is plain.

    Parameters
    ----------
    name : str
        Source column.
    kind : str
        ``numeric`` or ``categorical``.
    dropped : str
        Empty, ``constant``, or ``same as …``: the column of which this one is a copy.
    missing_share : float
        Share of training rows without a value.
    levels : tuple of str
        Categorical: levels with a code of their own.
    codes : tuple of int
        Categorical: the code of each level, then of all others together (-1: there were none in
        training, so that a level never seen is a missing value).
    shares : tuple of float
        Categorical: share of training rows per level, then of all others together.
    pooled : int
        Categorical: how many different levels are among the others.
    low, high : float
        Numeric: smallest and largest training value.
    whole : bool
        Numeric: all training values are whole.
    id_like : bool
        Numeric: whole numbers, all different and close together, as running ids are.
    """

    name: str
    kind: str
    dropped: str = ""
    missing_share: float = 0.0
    levels: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    pooled: int = 0
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    id_like: bool = False

    def encode(self, column: pd.Series) -> np.ndarray:
        """Return the column's numbers or codes, shape (n,), nan where missing."""
        if self.kind == "numeric":
            return as_numbers(column).clip(-LARGEST, LARGEST)
        texts = as_texts(column)
        place = pd.Index(self.levels, dtype=object).get_indexer(pd.Index(texts, dtype=object))
        place = np.where(place < 0, len(self.levels), place)
        warn_if_unseen(column, place, self.levels, self.shares[-1])
        codes = np.where(np.asarray(self.codes) < 0, np.nan, self.codes)[place]
        codes[column.isna().to_numpy()] = np.nan
        return codes

    def levels_by_code(self) -> list[str]:
        """Return the levels in the order of their codes; all others together are ``(other)``."""
        named = sorted(zip(self.codes, [*self.levels, OTHERS], strict=True))
        return [name for code, name in named if code >= 0]


@dataclasses.dataclass(frozen=True)
class NativeEncoder:
    """Gives trees the features as they are; learned once, from training rows.

    A number stays a number, and a missing one stays missing: a split sends missing values to the
    side where they fit better. A text or category column becomes codes; levels with fewer than
    ``min_count`` training rows, and those never seen, are one level together. Columns that do not
    vary, and columns that repeat another one, are dropped.

    Parameters
    ----------
    columns_ : tuple of NativeColumn
        One per source column, sorted by name.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1, 2, None, 30], "city": ["a", "a", "b", "c"]})
    >>> NativeEncoder.fit(X, min_count=2).transform(X)
    array([[ 0.,  1.],
           [ 0.,  2.],
           [ 1., nan],
           [ 1., 30.]])
    """

    columns_: tuple[NativeColumn, ...]

    @classmethod
    def fit(
        cls,
        X: pd.DataFrame,
        columns: Iterable[str] | None = None,
        *,
        labels: np.ndarray | None = None,
        min_count: int = 20,
    ) -> NativeEncoder:
        """Learn the levels from training rows.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            Features; more columns than ``columns`` do no harm.
        columns : iterable of str, optional
            Source columns; all by default.
        labels : ndarray of 0.0 and 1.0, shape (n,), optional
            Number the levels in the order of their response rate, rather than by name: the best
            cut of that order is the best of all ways to part the levels in two (Breiman et al.,
            Classification and Regression Trees, 1984, theorem 4.5).
        min_count : int
            Training rows that a level needs for a code of its own.

        Raises
        ------
        InputError
            No rows or columns, a column that is missing, a time, an id or neither number nor text,
            infinite or huge values, nothing that varies.
        """
        names = feature_columns(X, columns)
        if len(X) == 0:
            raise InputError("the training frame has no rows; there is nothing to learn from")
        learned = [_learn(X[name], labels, min_count) for name in names]
        encoder = cls(tuple(_without_copies(learned, X)))
        if not encoder.names:
            raise no_variation(names, len(X))
        return encoder

    @property
    def columns(self) -> list[str]:
        """Source columns, sorted; those dropped among them."""
        return [column.name for column in self.columns_]

    @property
    def used(self) -> list[NativeColumn]:
        """The columns of the matrix."""
        return [column for column in self.columns_ if not column.dropped]

    @property
    def names(self) -> list[str]:
        """Names of the columns of the matrix."""
        return [column.name for column in self.used]

    @property
    def categorical(self) -> np.ndarray:
        """Which columns of the matrix hold codes, shape (p,)."""
        return np.array([column.kind == "categorical" for column in self.used], dtype=bool)

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return the matrix, float64 of shape (n, p), nan where missing.

        Raises
        ------
        InputError
            A source column is missing, or holds text where training rows held numbers.
        """
        check_present(X, self.columns)
        matrix = np.empty((len(X), len(self.used)))
        for j, column in enumerate(self.used):
            matrix[:, j] = column.encode(X[column.name])
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """Return the encoding as plain values that JSON can hold."""
        return {"columns": [dataclasses.asdict(column) for column in self.columns_]}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> NativeEncoder:
        """Rebuild an encoder from what `to_dict` gave."""
        sequences = ("levels", "codes", "shares")
        plain: list[dict[str, Any]] = [
            {k: tuple(v) if k in sequences else v for k, v in column.items()}
            for column in state["columns"]
        ]
        return cls(tuple(NativeColumn(**column) for column in plain))


def _learn(column: pd.Series, labels: np.ndarray | None, min_count: int) -> NativeColumn:
    name = str(column.name)
    if not is_numeric(column):
        return _learn_levels(name, column, labels, min_count)
    values = as_numbers(column)
    present = values[~np.isnan(values)]
    missing_share = 1 - len(present) / len(values)
    low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 0.0)
    if max(-low, high) > LARGEST:
        raise InputError(
            f"column {name!r} has values too large for a tree ({low:g} to {high:g}); give it in "
            "another unit"
        )
    constant = low == high and missing_share in (0, 1)
    return NativeColumn(
        name,
        "numeric",
        dropped="constant" if constant else "",
        missing_share=missing_share,
        low=low,
        high=high,
        whole=bool((present == np.floor(present)).all()),
        id_like=looks_like_id(np.sort(present)),
    )


def _learn_levels(
    name: str, column: pd.Series, labels: np.ndarray | None, min_count: int
) -> NativeColumn:
    n, known = len(column), column.notna().to_numpy()
    texts = pd.Series(as_texts(column))[known]
    counts = texts.value_counts()
    often = counts[counts >= min_count].reset_index(name="count")
    often = often.sort_values(["count", often.columns[0]], ascending=[False, True], kind="stable")
    levels = sorted(often.iloc[:MOST_LEVELS, 0])
    pooled = len(counts) - len(levels)
    tally = [*(int(counts[level]) for level in levels)]
    tally.append(int(counts.sum()) - sum(tally))
    ranks = np.arange(len(levels) + 1)
    if labels is not None:
        place = pd.Index(levels, dtype=object).get_indexer(pd.Index(texts, dtype=object))
        place = np.where(place < 0, len(levels), place)
        responses = np.bincount(place, weights=labels[known], minlength=len(levels) + 1)
        rates = responses / np.maximum(tally, 1)
        ranks = np.argsort(np.argsort(rates, kind="stable"), kind="stable")
    codes = [int(rank) for rank in ranks]
    if pooled == 0:
        # What nobody had in training takes no place among the codes.
        codes = [code - (code > codes[-1]) for code in codes[:-1]] + [-1]
    kinds = sum(size > 0 for size in tally) + (not known.all())
    return NativeColumn(
        name,
        "categorical",
        dropped="constant" if kinds < 2 else "",
        missing_share=float(1 - known.mean()),
        levels=tuple(levels),
        codes=tuple(codes),
        shares=tuple(size / n for size in tally),
        pooled=pooled,
    )


def _without_copies(learned: list[NativeColumn], X: pd.DataFrame) -> list[NativeColumn]:
    """Mark columns that are equal to an earlier one by name, row by row."""
    first: dict[bytes, list[tuple[str, np.ndarray]]] = {}
    marked = []
    for column in learned:
        if not column.dropped:
            values = column.encode(X[column.name])
            # The first rows decide nothing, but save comparing most pairs in full.
            alike = first.setdefault(values[:64].tobytes(), [])
            same = [name for name, seen in alike if np.array_equal(seen, values, equal_nan=True)]
            if same:
                column = dataclasses.replace(column, dropped=f"same as {same[0]}")
            else:
                alike.append((column.name, values))
        marked.append(column)
    return marked
