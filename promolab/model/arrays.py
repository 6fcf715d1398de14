"""A fitted response model that takes columns as arrays: no frame is made for a single customer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.model.inputs.encoding import ColumnCode, Encoder
from promolab.model.inputs.native import LARGEST, NativeColumn, NativeEncoder
from promolab.model.learners.linear import Logistic

if TYPE_CHECKING:
    from promolab.model.response import ResponseModel


class Columns(dict[str, np.ndarray]):
    """Columns of equal length, with as much of a frame's manners as a fitted model asks for."""

    @property
    def columns(self) -> list[str]:
        """The names."""
        return list(self.keys())

    @property
    def iloc(self) -> Columns:
        """Itself: ``iloc[rows]`` picks rows."""
        return self

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        return Columns({name: values[key] for name, values in self.items()})

    def __len__(self) -> int:
        return len(next(iter(self.values()))) if self.keys() else 0


class _ArrayEncoder(Encoder):
    """Reads arrays where `Encoder` reads a frame; what is made of them is the same."""

    def read(self, X: Any) -> list[np.ndarray]:
        return [_read(code, X[code.name]) for code in self.codes if not code.same_as]


class _ArrayNativeEncoder(NativeEncoder):
    """Reads arrays where `NativeEncoder` reads a frame."""

    def transform(self, X: Any) -> np.ndarray:
        return np.column_stack([_native(column, X[column.name]) for column in self.used])


class ArrayModel:
    """What `ResponseModel.probability` says, of arrays.

    Parameters
    ----------
    model : ResponseModel
        Fitted, with one outcome.

    Raises
    ------
    InputError
        The model has several outcomes, or weights by id.

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
        grouped = isinstance(learner, Logistic) and learner.groups
        if grouped or getattr(learner, "fields", None):
            raise InputError(
                "the model has weights of single ids (by, fields), which are not read from arrays; "
                "fit it without them"
            )
        self.calibrators = model.calibrators_
        encoder = learner.encoder
        if isinstance(encoder, Encoder):
            self.columns = [c.name for c in encoder.codes if c.names]
            learner.encoder = _ArrayEncoder(tuple(c for c in encoder.codes if c.names))
        else:
            self.columns = [c.name for c in encoder.used]
            learner.encoder = _ArrayNativeEncoder(tuple(encoder.used))
        self.learner = learner

    def probability(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return P(y = 1), shape (n,).

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (n,)
            At least ``columns`` of the model: numbers as floats, nan where missing; texts as
            objects, None where missing.
        """
        from scipy.special import expit

        given = Columns({name: columns[name] for name in self.columns})
        found = self.learner.logit(given)[:, 0]
        for calibrator in self.calibrators:
            found = calibrator.apply(found)
        return np.asarray(expit(found))


def _read(code: ColumnCode, values: np.ndarray) -> np.ndarray:
    if code.kind == "numeric":
        return values.astype(np.float64, copy=False)
    place = {level: k for k, level in enumerate(code.levels)}
    return _places(values, place, len(code.levels), len(code.levels) + 1)


def _native(column: NativeColumn, values: np.ndarray) -> np.ndarray:
    if column.kind == "numeric":
        return values.astype(np.float64, copy=False).clip(-LARGEST, LARGEST)
    place = {level: k for k, level in enumerate(column.levels)}
    codes = np.append(np.where(np.asarray(column.codes) < 0, np.nan, column.codes), np.nan)
    return np.asarray(codes[_places(values, place, len(column.levels), -1)])


def _places(values: np.ndarray, place: Mapping[str, int], other: int, missing: int) -> np.ndarray:
    """Return the places of texts among levels; a whole number is written as one."""
    found = [
        missing if value is None or value != value else place.get(_text(value), other)
        for value in values.tolist()
    ]
    return np.array(found, dtype=np.int64)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
