"""A fitted response model that takes columns as arrays: no frame is made for a single customer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.model.inputs.encoding import ColumnCode, Encoder
from promolab.model.inputs.native import LARGEST, NativeColumn, NativeEncoder

if TYPE_CHECKING:
    from promolab.model.response import ResponseModel


class Rows(np.ndarray):
    """A matrix with as much of a frame's manners as a fitted model asks for."""

    columns: tuple[str, ...] = ()
    """No name is asked for."""

    @property
    def iloc(self) -> Rows:
        """Itself: ``iloc[rows]`` picks rows."""
        return self


class _ArrayEncoder(Encoder):
    """Encodes what `ArrayModel.read` made, all columns at once; it is what `Encoder` makes."""

    @cached_property
    def names(self) -> list[str]:  # type: ignore[override]
        return super().names

    def read(self, X: Any) -> list[np.ndarray]:
        return [X.view(np.ndarray)]

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        """For each numeric column where it is read, where it is written, and by what."""
        begin = np.cumsum([0, *(len(code.names) for code in self.codes)])
        rows = [
            (k, begin[k], c.bend, c.median, c.mean, c.sd, c.low, c.high)
            for k, c in enumerate(self.codes)
            if c.kind == "numeric" and c.sd > 0
        ]
        names = ("read", "write", "bend", "median", "mean", "sd", "low", "high")
        found = dict(zip(names, np.array(rows, dtype=float).reshape(-1, len(names)).T, strict=True))
        whole = {name: found[name].astype(np.int64) for name in ("read", "write")}
        bent = np.flatnonzero(found["bend"] > 0)
        return found | whole | {"bent": bent, "bend": found["bend"][bent]}

    @cached_property
    def _marks(self) -> tuple[np.ndarray, ...]:
        """For each mark, of a level or of a missing number: columns, level (nan), and share."""
        rows, done = [], 0
        for k, code in enumerate(self.codes):
            if code.kind == "numeric":
                if 0 < code.missing_share < 1:
                    rows.append((k, done + (code.sd > 0), np.nan, code.missing_share))
            else:
                kept = [(j, share) for j, share in enumerate(code.shares) if 0 < share < 1]
                rows += [(k, done + i, j, share) for i, (j, share) in enumerate(kept)]
            done += len(code.names)
        read, write, level, share = np.array(rows, dtype=float).reshape(-1, 4).T
        return read.astype(np.int64), write.astype(np.int64), level, share, np.isnan(level)

    def encode(self, columns: list[np.ndarray], rows: slice, out: np.ndarray) -> None:
        matrix, by = columns[0][rows], self._numbers
        values = matrix[:, by["read"]]
        values = np.where(np.isnan(values), by["median"], values)
        if len(by["bent"]):
            values[:, by["bent"]] = np.arcsinh(values[:, by["bent"]] / by["bend"])
        values -= by["mean"]
        values /= by["sd"]
        out[:, by["write"]] = values.clip(by["low"], by["high"])
        read, write, level, share, absent = self._marks
        if len(read):
            given = matrix[:, read]
            out[:, write] = np.where(absent, np.isnan(given), given == level) - share


class _ArrayNativeEncoder(NativeEncoder):
    """Hands on what `ArrayModel.read` made, as `NativeEncoder` makes it."""

    def transform(self, X: Any) -> np.ndarray:
        found: np.ndarray = X.view(np.ndarray).clip(-LARGEST, LARGEST)
        return found


class ArrayModel:
    """What `ResponseModel.probability` says, of arrays.

    Parameters
    ----------
    model : ResponseModel
        Fitted, with one outcome.

    Raises
    ------
    InputError
        The model has several outcomes.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.model import ResponseModel
    >>> X = pd.DataFrame({"orders": range(40), "city": ["a", "b"] * 20})
    >>> model = ResponseModel().fit(X, [int(i % 3 == 0 or i > 30) for i in range(40)])
    >>> arrays = {"orders": np.arange(40.0), "city": np.array(["a", "b"] * 20, dtype=object)}
    >>> bool((ArrayModel(model).probability(arrays) == model.probability(X)).all())
    True
    """

    def __init__(self, model: ResponseModel) -> None:
        if len(model.outcomes_) != 1:
            raise InputError(
                f"the model has {len(model.outcomes_)} outcomes; expected one of a single outcome"
            )
        learner: Any = copy.copy(model.learners_[0])
        self.calibrators = model.calibrators_
        encoder = learner.encoder
        linear = isinstance(encoder, Encoder)
        used: tuple[Any, ...] = tuple(
            [code for code in encoder.codes if code.names] if linear else encoder.used
        )
        learner.encoder = (_ArrayEncoder if linear else _ArrayNativeEncoder)(used)
        self.columns = [column.name for column in used]
        self._texts = {c.name: _texts_of(c) for c in used if c.kind != "numeric"}
        self.learner = learner

    def read(self, columns: Mapping[str, Any], n: int) -> np.ndarray:
        """Return a matrix of what the model needs, for `of`; texts are numbers of their levels.

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (n,), or a value that all rows share
            At least ``columns`` of the model: numbers as floats, nan where missing; texts as
            objects, None where missing.
        n : int
        """
        found = np.empty((n, len(self.columns)))
        for j, name in enumerate(self.columns):
            values, place = columns[name], self._texts.get(name)
            if place is None:
                found[:, j] = values
            elif isinstance(values, np.ndarray):
                found[:, j] = [place(value) for value in values.tolist()]
            else:
                found[:, j] = place(values)
        return found

    def of(self, matrix: np.ndarray) -> np.ndarray:
        """Return P(y = 1) of what `read` made, shape (n,)."""
        from scipy.special import expit

        found = self.learner.logit(matrix.view(Rows))[:, 0]
        for calibrator in self.calibrators:
            found = calibrator.apply(found)
        return np.asarray(expit(found))

    def probability(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return P(y = 1), shape (n,).

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (n,)
            As `read` takes them.
        """
        return self.of(self.read(columns, len(columns[self.columns[0]])))


def _texts_of(column: ColumnCode | NativeColumn) -> Callable[[Any], float]:
    """Return what gives a text its number; a whole number is written as one."""
    if isinstance(column, ColumnCode):
        codes = [float(k) for k in range(len(column.levels) + 1)]
        missing = float(len(column.levels) + 1)
    else:
        codes, missing = [np.nan if code < 0 else float(code) for code in column.codes], np.nan
    place, other = dict(zip(column.levels, codes, strict=False)), codes[-1]

    def number(value: Any) -> float:
        if value is None or value != value:
            return missing
        whole = isinstance(value, float) and value.is_integer()
        return place.get(str(int(value)) if whole else str(value), other)

    return number
