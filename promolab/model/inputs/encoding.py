"""From a frame of features to a matrix of numbers: φ(x), learned on training rows only."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.inputs.reading import (
    as_numbers,
    as_texts,
    check_present,
    feature_columns,
    is_numeric,
    looks_like_id,
    no_variation,
)

BY_CHANCE = 0.001
SOME = 5


class UnseenLevels(UserWarning):
    """None of a column's categories was among those learned from."""


def warn_if_unseen(
    column: pd.Series, place: np.ndarray, levels: Sequence[str], other_share: float
) -> None:
    """Warn if no row has a level that is known, where rare ones would not explain it.

    Parameters
    ----------
    column : Series of n rows
    place : ndarray of int, shape (n,)
        The place of each row's level among those known; beyond them where it is another.
    levels : sequence of str
        The levels that are known.
    other_share : float
        Share of training rows whose level was too rare to be known.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     sex = pd.Series(["male", "female", None], name="sex")
    ...     warn_if_unseen(sex, np.array([2, 2, 3]), ["f", "m"], 0.0)
    >>> str(told[0].message).split(";")[0]
    "none of the values of 'sex' ('male', 'female') is one the model learned from ('f', 'm')"
    """
    if not len(levels) or (place < len(levels)).any():
        return
    values = column.dropna()
    if len(values) < 2 or other_share ** len(values) >= BY_CHANCE:
        return
    warnings.warn(
        f"none of the values of {str(column.name)!r} ({_some(list(values.unique()[: SOME + 1]))}) "
        f"is one the model learned from ({_some(levels)}); all rows count as if it was not known. "
        "Is it written as it was in training?",
        UnseenLevels,
        stacklevel=_callers_level(),
    )


def _callers_level() -> int:
    """Return how many calls up the first one is that promolab did not make."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("promolab"):
        frame, level = frame.f_back, level + 1
    return level


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(repr(value) for value in values[:SOME])
    return f"{shown}, …" if len(values) > SOME else shown


@contextmanager
def unseen_expected() -> Iterator[None]:
    """Do not warn: where later rows are predicted from earlier ones, new categories are no slip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnseenLevels)
        yield


Given = TypeVar("Given")
Found = TypeVar("Found")

ROWS = 4_096
"""Rows in a piece: some 20 columns of so many stay in a core's cache."""
WORTH_THREADS = 50_000
"""Rows from which on starting threads takes less time than they save."""


def by_pieces(work: Callable[[slice], object], n: int) -> None:
    """Call ``work`` with consecutive slices of n rows; each does its own rows and no others.

    Examples
    --------
    >>> found = [0] * 3
    >>> by_pieces(lambda part: found.__setitem__(part, [1] * len(found[part])), 3)
    >>> found
    [1, 1, 1]
    """
    each(work, (slice(i, min(i + ROWS, n)) for i in range(0, n, ROWS)), n)


def each(work: Callable[[Given], Found], todo: Iterable[Given], n: int) -> list[Found]:
    """Return what ``work`` makes of each, in order: on several threads where n rows are worth it.

    What each finds must not depend on the others, so that the number of threads changes nothing.

    Examples
    --------
    >>> each(abs, [-1, 2], n=2)
    [1, 2]
    """
    from joblib import cpu_count

    threads = cpu_count() if n >= WORTH_THREADS else 1
    if threads == 1:
        return list(map(work, todo))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, todo))


MISSING = "missing"
OTHER = "other"

SKEWED = 1.0  # |skewness| from which a numeric column is bent
WORTH_IT = 0.9  # … if that takes at least a tenth of the skewness away
LIMIT = 5.0  # standard deviations beyond which a value says no more


@dataclasses.dataclass(frozen=True)
class ColumnCode:
    """How one source column becomes encoded columns; everything in it is plain.

    Parameters
    ----------
    name : str
        Source column.
    kind : str
        ``numeric`` or ``categorical``.
    bend : float
        Numeric: x becomes arcsinh(x / bend); 0 leaves x as it is.
    median : float
        Numeric: what a missing value is replaced by, in the column's own unit.
    mean, sd : float
        Numeric: what the bent column is standardised with; an sd of 0 drops it.
    low, high : float
        Numeric: the range of the standardised training values, beyond which values are clipped.
    missing_share : float
        Numeric: share of training rows without a value; 0 makes no ``missing`` column.
    levels : tuple of str
        Categorical: levels with an encoded column of their own, ``missing`` and ``other`` apart.
    shares : tuple of float
        Categorical: share of training rows per level, then of ``other`` and ``missing``; an
        encoded column whose share is 0 or 1 says nothing and is dropped.
    pooled : int
        Categorical: how many different levels are among the others.
    same_as : str
        Name of an earlier column that this one repeats row by row; it is dropped then.
    id_like : bool
        Numeric: whole numbers, all different and close together, as running ids are.
    """

    name: str
    kind: str
    bend: float = 0.0
    median: float = 0.0
    mean: float = 0.0
    sd: float = 0.0
    low: float = 0.0
    high: float = 0.0
    missing_share: float = 0.0
    levels: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    pooled: int = 0
    same_as: str = ""
    id_like: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        if self.same_as:
            return []
        if self.kind == "numeric":
            flags = [f"{self.name} = {MISSING}"] if 0 < self.missing_share < 1 else []
            return ([self.name] if self.sd > 0 else []) + flags
        labels = [*self.levels, f"({OTHER})", f"({MISSING})"]
        return [
            f"{self.name} = {x}"
            for x, share in zip(labels, self.shares, strict=True)
            if _says(share)
        ]

    def read(self, column: pd.Series) -> np.ndarray:
        """Return the column as numbers, shape (n,), or as the places of its levels."""
        if self.kind == "numeric":
            return as_numbers(column)
        place = self._place(column)
        if self.names:
            warn_if_unseen(column, place, self.levels, self.shares[-2])
        return place

    def encode(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write the encoded columns of what `read` gave into ``out``, shape (n, len(names)).

        Each has training mean 0.
        """
        if self.kind == "numeric":
            self._encode_numeric(values, out)
            return
        kept = [j for j, share in enumerate(self.shares) if _says(share)]
        for j, level in enumerate(kept):
            np.subtract(values == level, self.shares[level], out=out[:, j])

    def _place(self, column: pd.Series) -> np.ndarray:
        """Return the number of each row's level, then that of ``other`` and of ``missing``."""
        if isinstance(column.dtype, (pd.CategoricalDtype, pd.StringDtype)):
            codes, values = pd.factorize(column)  # each text is looked up once
            return np.append(self._place(pd.Series(values, dtype=object)), len(self.levels) + 1)[
                codes
            ]
        texts = as_texts(column)
        place = pd.Index(self.levels, dtype=object).get_indexer(pd.Index(texts, dtype=object))
        place = np.where(place < 0, len(self.levels), place)
        return np.where(column.isna().to_numpy(), len(self.levels) + 1, place)

    def _encode_numeric(self, values: np.ndarray, out: np.ndarray) -> None:
        absent = np.isnan(values)
        if self.sd > 0:
            bent = _bend(np.where(absent, self.median, values), self.bend) - self.mean
            bent /= self.sd
            np.clip(bent, self.low, self.high, out=out[:, 0])
        if 0 < self.missing_share < 1:
            np.subtract(absent, self.missing_share, out=out[:, -1])


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Encodes frames of features as matrices; learned once, from training rows, by `Encoder.fit`.

    A numeric column is bent with arcsinh(x / s), s the lower quartile of its non-zero sizes, if its
    skewness is beyond ±1 and that takes at least a tenth of it away (arcsinh is linear near 0 and
    logarithmic far out; s makes the choice of unit irrelevant). It is standardised and clipped to
    the range seen in training, at most ±5 standard deviations, so that nobody gets a prediction
    from beyond experience. A missing value becomes the median, with an indicator where training
    rows had some. A text or category column becomes one column per level with ``min_count``
    training rows or more, one for the others and one for the missing. Every encoded column has
    training mean 0, so the intercept of a linear model belongs to the average training row. Columns
    that do not vary are dropped, and so is the later (by name) of two that are equal in every
    training row: a penalty would share one effect out among them.

    Parameters
    ----------
    codes : tuple of ColumnCode
        One per source column, sorted by name.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1, 2, 3, 30], "city": ["a", "a", "b", None]})
    >>> encoder = Encoder.fit(X, min_count=1)
    >>> encoder.names
    ['city = a', 'city = b', 'city = (missing)', 'orders']
    >>> encoder.transform(X).shape
    (4, 4)
    """

    codes: tuple[ColumnCode, ...]

    @classmethod
    def fit(
        cls, X: pd.DataFrame, columns: Iterable[str] | None = None, *, min_count: int = 20
    ) -> Encoder:
        """Learn the encoding from training rows.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            Features; more columns than ``columns`` do no harm.
        columns : iterable of str, optional
            Source columns to encode; all by default.
        min_count : int
            Training rows that a level needs for an encoded column of its own.

        Raises
        ------
        InputError
            No rows or columns, a column that is missing, a time, an id or neither number nor text,
            infinite values, nothing that varies.
        """
        names = feature_columns(X, columns)
        if len(X) == 0:
            raise InputError("the training frame has no rows; there is nothing to learn from")
        codes = each(lambda name: _learn(X[name], min_count), names, len(X))
        encoder = cls(tuple(_without_copies(codes, X)))
        if not encoder.names:
            raise no_variation(names, len(X))
        return encoder

    @property
    def columns(self) -> list[str]:
        """Source columns, sorted."""
        return [code.name for code in self.codes]

    @property
    def names(self) -> list[str]:
        """Encoded columns, in the order of the matrix."""
        return [name for code in self.codes for name in code.names]

    @property
    def sources(self) -> list[str]:
        """For each encoded column the source column that it comes from."""
        return [code.name for code in self.codes for _ in code.names]

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            Has at least the source columns, in any order.

        Returns
        -------
        ndarray of float64, shape (n, p)
            The columns named in `names`. A row's values depend on that row alone.

        Raises
        ------
        InputError
            A source column is missing, or holds text where training rows held numbers.
        """
        columns, encoded = self.read(X), np.empty((len(X), len(self.names)))
        by_pieces(lambda part: self.encode(columns, part, encoded[part]), len(X))
        return encoded

    def read(self, X: pd.DataFrame) -> list[np.ndarray]:
        """Return each source column as an array, for `encode`; raises what `transform` does."""
        check_present(X, self.columns)
        return [code.read(X[code.name]) for code in self.codes if not code.same_as]

    def encode(self, columns: list[np.ndarray], rows: slice, out: np.ndarray) -> None:
        """Write the encoded columns of some rows of what `read` gave into ``out``."""
        done = 0
        for code, values in zip((c for c in self.codes if not c.same_as), columns, strict=True):
            width = len(code.names)
            code.encode(values[rows], out[:, done : done + width])
            done += width

    def to_dict(self) -> dict[str, Any]:
        """Return the encoding as plain values that JSON can hold."""
        return {"codes": [dataclasses.asdict(code) for code in self.codes]}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Encoder:
        """Rebuild an encoder from what `to_dict` gave."""
        sequences = ("levels", "shares")
        codes: list[dict[str, Any]] = [
            {k: tuple(v) if k in sequences else v for k, v in code.items()}
            for code in state["codes"]
        ]
        return cls(tuple(ColumnCode(**code) for code in codes))


def _says(share: float) -> bool:
    return 0 < share < 1


def _learn(column: pd.Series, min_count: int) -> ColumnCode:
    if is_numeric(column):
        return _learn_numeric(str(column.name), as_numbers(column))
    n = len(column)
    counts = pd.Series(as_texts(column)[column.notna().to_numpy()]).value_counts()
    levels = sorted(counts.index[counts >= min_count])
    known = [int(counts[level]) for level in levels]
    tally = [*known, int(counts.sum()) - sum(known), n - int(counts.sum())]
    shares = tuple(x / n for x in tally)
    pooled = len(counts) - len(levels)
    return ColumnCode(
        str(column.name), "categorical", levels=tuple(levels), shares=shares, pooled=pooled
    )


def _without_copies(codes: list[ColumnCode], X: pd.DataFrame) -> list[ColumnCode]:
    """Mark columns that are equal to an earlier one by name, row by row."""
    seen: dict[ColumnCode, list[str]] = {}
    marked = []
    for code in codes:
        # Equal columns have equal codes, so that few pairs are compared in full.
        alike = seen.setdefault(dataclasses.replace(code, name=""), [])
        same = [name for name in alike if code.names and _equal(X[name], X[code.name], code.kind)]
        if same:
            code = dataclasses.replace(code, same_as=same[0])
        else:
            alike.append(code.name)
        marked.append(code)
    return marked


def _equal(one: pd.Series, other: pd.Series, kind: str) -> bool:
    if kind == "numeric":
        return np.array_equal(as_numbers(one), as_numbers(other), equal_nan=True)
    return pd.Series(as_texts(one)).equals(pd.Series(as_texts(other)))


def _learn_numeric(name: str, values: np.ndarray) -> ColumnCode:
    # Sorted, so that sums (and with them every later figure) do not depend on the rows' order.
    present = np.sort(values[~np.isnan(values)])
    missing = len(values) - len(present)
    missing_share = 1 - len(present) / len(values)
    if len(present) == 0 or present[0] == present[-1]:
        median = float(present[0]) if len(present) else 0.0
        return ColumnCode(name, "numeric", median=median, missing_share=missing_share)
    median = float(np.median(present))
    bend = _choose_bend(present)
    filled = np.insert(present, np.searchsorted(present, median), np.full(missing, median))
    bent = _bend(filled, bend)
    with np.errstate(over="ignore"):
        mean, sd = float(bent.mean()), float(bent.std())
    if not (np.isfinite(sd) and sd > 0):
        raise InputError(
            f"column {name!r} has values too large or too close to standardise "
            f"({present[0]:g} to {present[-1]:g}); give it in another unit"
        )
    standard = (bent[[0, -1]] - mean) / sd
    return ColumnCode(
        name,
        "numeric",
        bend=bend,
        median=median,
        mean=mean,
        sd=sd,
        low=float(max(standard[0], -LIMIT)),
        high=float(min(standard[-1], LIMIT)),
        missing_share=missing_share,
        id_like=looks_like_id(present),
    )


def _choose_bend(present: np.ndarray) -> float:
    before = abs(_skewness(present))
    if before <= SKEWED:
        return 0.0
    sizes = np.abs(present[present != 0])
    if present[0] < 0:
        sizes.sort()  # a quantile of what is sorted is found at once
    scale = float(np.quantile(sizes, 0.25))
    after = abs(_skewness(_bend(present, scale)))
    return scale if after < WORTH_IT * before else 0.0


def _bend(values: np.ndarray, scale: float) -> np.ndarray:
    return np.arcsinh(values / scale) if scale > 0 else values


def _skewness(values: np.ndarray) -> float:
    # In units of the largest deviation, so that cubes of large values do not overflow.
    deviation = values - values.mean()
    largest = np.abs(deviation).max()
    if not (np.isfinite(largest) and largest > 0):
        return 0.0
    deviation /= largest
    squares = deviation * deviation
    deviation *= squares  # twenty times as fast as **3
    return float(deviation.mean() / squares.mean() ** 1.5)
