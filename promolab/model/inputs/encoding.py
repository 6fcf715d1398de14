"""From a frame of features to a matrix of numbers, learned on training rows only."""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
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

SKEWED = 1.0  # |skewness| from which a numeric column is bent
WORTH_IT = 0.9  # … if that takes at least a tenth of the skewness away
LIMIT = 5.0  # standard deviations beyond which a value says no more
MOST_LEVELS = 200  # scikit-learn's histogram trees tell at most 255 values of a column apart
OTHERS = "(other)"  # all levels without a code of their own, in words
LARGEST = 1e30  # scikit-learn's trees compute in 32 bits, which end at 3e38


@dataclasses.dataclass(frozen=True)
class ColumnCode:
    """How one source column becomes encoded columns; everything in it is plain.

    Parameters
    ----------
    name : str
        Source column.
    kind : str
        ``numeric`` or ``categorical``.
    dropped : str
        Empty, ``constant``, or ``same as …``: the earlier column that this one repeats row by row.
    missing_share : float
        Share of training rows without a value.
    levels : tuple of str
        Categorical: levels of their own.
    shares : tuple of float
        Categorical: share of training rows per level, then of all others together and of those
        without a value.
    pooled : int
        Categorical: how many different levels are among the others.
    low, high : float
        Numeric: `Encoder`: the range of the standardised training values, beyond which values are
        clipped; `NativeEncoder`: smallest and largest training value.
    id_like : bool
        Numeric: whole numbers, all different and close together, as running ids are.
    bend : float
        Numeric (`Encoder`): x becomes arcsinh(x / bend); 0 leaves x as it is.
    median : float
        Numeric (`Encoder`): what a missing value is replaced by, in the column's own unit.
    mean, sd : float
        Numeric (`Encoder`): what the bent column is standardised with; an sd of 0 drops it.
    codes : tuple of int
        Categorical (`NativeEncoder`): the code of each level, then of all others together (-1:
        there were none in training, so that a level never seen is a missing value).
    whole : bool
        Numeric (`NativeEncoder`): all training values are whole.
    """

    name: str
    kind: str
    dropped: str = ""
    missing_share: float = 0.0
    levels: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    pooled: int = 0
    low: float = 0.0
    high: float = 0.0
    id_like: bool = False
    bend: float = 0.0
    median: float = 0.0
    mean: float = 0.0
    sd: float = 0.0
    codes: tuple[int, ...] = ()
    whole: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns of an `Encoder`."""
        if self.dropped:
            return []
        if self.kind == "numeric":
            flags = [f"{self.name} = {MISSING}"] if 0 < self.missing_share < 1 else []
            return ([self.name] if self.sd > 0 else []) + flags
        labels = [*self.levels, OTHERS, f"({MISSING})"]
        pairs = zip(labels, self.shares, strict=True)
        return [f"{self.name} = {label}" for label, share in pairs if 0 < share < 1]

    @property
    def other_share(self) -> float:
        """Share of training rows whose level is too rare to stand alone."""
        return self.shares[len(self.levels)] if self.shares else 0.0

    def read(self, column: pd.Series, *, warn: bool = True) -> np.ndarray:
        """Return numbers, or the places of levels: after them that of others and of the missing."""
        if self.kind == "numeric":
            return as_numbers(column)
        place = self._place(column)
        if warn:
            warn_if_unseen(column, place, self.levels, self.other_share)
        return place

    def _place(self, column: pd.Series) -> np.ndarray:
        if isinstance(column.dtype, (pd.CategoricalDtype, pd.StringDtype)):
            codes, values = pd.factorize(column)  # each text is looked up once
            each = self._place(pd.Series(values, dtype=object))
            return np.append(each, len(self.levels) + 1)[codes]
        texts = as_texts(column)
        place = pd.Index(self.levels, dtype=object).get_indexer(pd.Index(texts, dtype=object))
        place = np.where(place < 0, len(self.levels), place)
        return np.where(column.isna().to_numpy(), len(self.levels) + 1, place)

    def code_of_places(self) -> np.ndarray:
        """Return the code of each place as a `NativeEncoder` writes it, nan where missing."""
        return np.array([np.nan if code < 0 else code for code in (*self.codes, -1)], dtype=float)

    def levels_by_code(self) -> list[str]:
        """Return the levels in the order of their codes; all others together are ``(other)``."""
        named = sorted(zip(self.codes, [*self.levels, OTHERS], strict=True))
        return [name for code, name in named if code >= 0]


def _used_columns(
    X: pd.DataFrame, columns: Iterable[str] | None, learn: Callable[[pd.Series], ColumnCode]
) -> list[ColumnCode]:
    """Return what was learned of each column, after checking that there is something to learn."""
    names = feature_columns(X, columns)
    if len(X) == 0:
        raise InputError("the training frame has no rows; there is nothing to learn from")
    codes = each(lambda name: learn(X[name]), names, len(X))
    if all(code.dropped for code in codes):
        raise no_variation(names, len(X))
    return codes


def _without_copies(
    codes: Iterable[ColumnCode],
    values: Callable[[str], np.ndarray],
    key: Callable[[ColumnCode], Any],
) -> tuple[ColumnCode, ...]:
    """Mark columns that are equal to an earlier one by name, row by row; equals have equal keys."""
    seen: dict[Any, list[str]] = {}
    marked = []
    for code in codes:
        alike = [] if code.dropped else seen.setdefault(key(code), [])
        same = [n for n in alike if np.array_equal(values(n), values(code.name), equal_nan=True)]
        if same:
            code = dataclasses.replace(code, dropped=f"same as {same[0]}")
        alike.append(code.name)
        marked.append(code)
    return tuple(marked)


@dataclasses.dataclass(frozen=True)
class _Encoding:
    """What was learned of the source columns."""

    codes: tuple[ColumnCode, ...]

    def __post_init__(self) -> None:
        # A file may have been written by somebody else.
        for code in self.codes:
            told = (code.missing_share, code.low, code.high, code.median, code.mean, code.sd)
            if not all(map(math.isfinite, (*told, code.bend, *code.shares))):
                raise InputError(
                    "the model file holds missing or infinite numbers where its columns are "
                    "described; use the original file or fit the model again"
                )

    @property
    def columns(self) -> list[str]:
        """Source columns, sorted; those dropped among them."""
        return [code.name for code in self.codes]


@dataclasses.dataclass(frozen=True)
class Encoder(_Encoding):
    """Encodes frames of features as matrices φ(x); learned once, from training rows.

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

        def learn(column: pd.Series) -> ColumnCode:
            numeric = is_numeric(column)
            return _learn_numeric(column) if numeric else _learn_levels(column, min_count)

        codes = _used_columns(X, columns, learn)
        by_name = {code.name: code for code in codes}

        def values(name: str) -> np.ndarray:
            return by_name[name].read(X[name], warn=False)

        # Equal columns have equal codes, so that few pairs are compared in full.
        return cls(_without_copies(codes, values, lambda c: dataclasses.replace(c, name="")))

    @cached_property
    def used(self) -> list[ColumnCode]:
        """The source columns that are not dropped."""
        return [code for code in self.codes if code.names]

    @cached_property
    def names(self) -> list[str]:
        """Encoded columns, in the order of the matrix."""
        return [name for code in self.used for name in code.names]

    @property
    def sources(self) -> list[str]:
        """For each encoded column the source column that it comes from."""
        return [code.name for code in self.used for _ in code.names]

    def transform(self, X: pd.DataFrame, out: np.ndarray | None = None) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            Has at least the source columns, in any order.
        out : ndarray of float64, shape (n, p), optional
            Where to write them.

        Returns
        -------
        ndarray of float64, shape (n, p)
            The columns named in `names`. A row's values depend on that row alone.

        Raises
        ------
        InputError
            A source column is missing, or holds text where training rows held numbers.
        """
        columns, p = self.read(X), len(self.names)
        encoded = np.empty((len(X), p)) if out is None else out
        by_pieces(lambda part: self.encode(columns, part, encoded[part]), len(X))
        return encoded

    def read(self, X: pd.DataFrame) -> list[np.ndarray]:
        """Return each used column as an array, for `encode`; raises what `transform` does."""
        check_present(X, self.columns)
        return [code.read(X[code.name]) for code in self.used]

    def encode(self, columns: Sequence[np.ndarray], rows: slice, out: np.ndarray) -> None:
        """Write the encoded columns of some rows of what `read` gave into ``out``."""
        given, by = np.column_stack([column[rows] for column in columns]), self._numbers
        values = given[:, by["read"]]
        values = np.where(np.isnan(values), by["median"], values)
        if len(by["bent"]):
            values[:, by["bent"]] = np.arcsinh(values[:, by["bent"]] / by["bend"])
        values -= by["mean"]
        values /= by["sd"]
        out[:, by["write"]] = values.clip(by["low"], by["high"])
        read, write, level, share = self._marks
        marked = given[:, read]
        out[:, write] = np.where(np.isnan(level), np.isnan(marked), marked == level) - share

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        """For each numeric column where it is read, where it is written, and by what."""
        begin = np.cumsum([0, *(len(code.names) for code in self.used)])
        names = ("read", "write", "bend", "median", "mean", "sd", "low", "high")
        rows = [
            (k, begin[k], *(getattr(code, name) for name in names[2:]))
            for k, code in enumerate(self.used)
            if code.kind == "numeric" and code.sd > 0
        ]
        found = dict(zip(names, np.array(rows, dtype=float).reshape(-1, len(names)).T, strict=True))
        whole = {name: found[name].astype(np.int64) for name in ("read", "write")}
        bent = np.flatnonzero(found["bend"] > 0)
        return found | whole | {"bent": bent, "bend": found["bend"][bent]}

    @cached_property
    def _marks(self) -> tuple[np.ndarray, ...]:
        """For each mark, of a level or of a missing number: columns, level (nan), and share."""
        rows: list[tuple[float, ...]] = []
        done = 0
        for k, code in enumerate(self.used):
            if code.kind == "categorical":
                kept = [(j, share) for j, share in enumerate(code.shares) if 0 < share < 1]
                rows += [(k, done + i, j, share) for i, (j, share) in enumerate(kept)]
            elif 0 < code.missing_share < 1:
                rows.append((k, done + (code.sd > 0), np.nan, code.missing_share))
            done += len(code.names)
        read, write, level, share = np.array(rows, dtype=float).reshape(-1, 4).T
        return read.astype(np.int64), write.astype(np.int64), level, share


@dataclasses.dataclass(frozen=True)
class NativeEncoder(_Encoding):
    """Gives trees the features as they are; learned once, from training rows.

    A number stays a number, and a missing one stays missing: a split sends missing values to the
    side where they fit better. A text or category column becomes codes; levels with fewer than
    ``min_count`` training rows, and those never seen, are one level together. Columns that do not
    vary, and columns that repeat another one, are dropped.

    Parameters
    ----------
    codes : tuple of ColumnCode
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

        def learn(column: pd.Series) -> ColumnCode:
            if is_numeric(column):
                return _learn_range(column)
            return _numbered(_learn_levels(column, min_count, MOST_LEVELS), column, labels)

        codes = _used_columns(X, columns, learn)
        values = {code.name: _native(code, X[code.name]) for code in codes if not code.dropped}
        # The first rows decide nothing, but save comparing most pairs in full.
        key = lambda code: values[code.name][:64].tobytes()  # noqa: E731
        return cls(_without_copies(codes, values.__getitem__, key))

    @property
    def used(self) -> list[ColumnCode]:
        """The columns of the matrix."""
        return [column for column in self.codes if not column.dropped]

    @property
    def names(self) -> list[str]:
        """Names of the columns of the matrix."""
        return [column.name for column in self.used]

    @property
    def categorical(self) -> np.ndarray:
        """Which columns of the matrix hold codes, shape (p,)."""
        return np.array([column.kind == "categorical" for column in self.used], dtype=bool)

    def transform(self, X: pd.DataFrame, out: np.ndarray | None = None) -> np.ndarray:
        """Return the matrix, float64 of shape (n, p), nan where missing; written to ``out``.

        Raises
        ------
        InputError
            A source column is missing, or holds text where training rows held numbers.
        """
        check_present(X, self.columns)
        matrix = np.empty((len(X), len(self.used))) if out is None else out
        for j, column in enumerate(self.used):
            matrix[:, j] = _native(column, X[column.name])
        return matrix

    read = transform


def _native(code: ColumnCode, column: pd.Series) -> np.ndarray:
    values = code.read(column)
    if code.kind == "numeric":
        return values.clip(-LARGEST, LARGEST)
    return np.asarray(code.code_of_places()[values])


def _learn_levels(column: pd.Series, min_count: int, most: int | None = None) -> ColumnCode:
    n, known = len(column), column.notna().to_numpy()
    counts = pd.Series(as_texts(column)[known]).value_counts()
    often = counts[counts >= min_count].sort_index().sort_values(ascending=False, kind="stable")
    levels = sorted(often.index[:most])
    sizes = [int(counts[level]) for level in levels]
    tally = [*sizes, int(counts.sum()) - sum(sizes), n - int(counts.sum())]
    return ColumnCode(
        str(column.name),
        "categorical",
        dropped="" if sum(size > 0 for size in tally) > 1 else "constant",
        missing_share=tally[-1] / n,
        levels=tuple(levels),
        shares=tuple(size / n for size in tally),
        pooled=len(counts) - len(levels),
    )


def _numbered(code: ColumnCode, column: pd.Series, labels: np.ndarray | None) -> ColumnCode:
    """Return what was learned of levels, with the code of each."""
    places = len(code.levels) + 1
    ranks = np.arange(places)
    if labels is not None:
        place = code.read(column, warn=False)
        rows = np.bincount(place, minlength=places + 1)[:places]
        responses = np.bincount(place, weights=labels, minlength=places + 1)[:places]
        ranks = np.argsort(
            np.argsort(responses / np.maximum(rows, 1), kind="stable"), kind="stable"
        )
    codes = ranks.tolist()
    if code.pooled == 0:
        # What nobody had in training takes no place among the codes.
        codes = [one - (one > codes[-1]) for one in codes[:-1]] + [-1]
    return dataclasses.replace(code, codes=tuple(codes))


def _learn_range(column: pd.Series) -> ColumnCode:
    values = as_numbers(column)
    present = values[~np.isnan(values)]
    missing_share = 1 - len(present) / len(values)
    low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 0.0)
    if max(-low, high) > LARGEST:
        raise InputError(
            f"column {column.name!r} has values too large for a tree ({low:g} to {high:g}); give "
            "it in another unit"
        )
    return ColumnCode(
        str(column.name),
        "numeric",
        dropped="constant" if low == high and missing_share in (0, 1) else "",
        missing_share=missing_share,
        low=low,
        high=high,
        whole=bool((present == np.floor(present)).all()),
        id_like=looks_like_id(np.sort(present)),
    )


def _learn_numeric(column: pd.Series) -> ColumnCode:
    name, values = str(column.name), as_numbers(column)
    # Sorted, so that sums (and with them every later figure) do not depend on the rows' order.
    present = np.sort(values[~np.isnan(values)])
    missing = len(values) - len(present)
    missing_share = 1 - len(present) / len(values)
    if len(present) == 0 or present[0] == present[-1]:
        median = float(present[0]) if len(present) else 0.0
        dropped = "" if 0 < missing_share < 1 else "constant"
        return ColumnCode(name, "numeric", dropped, missing_share, median=median)
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
