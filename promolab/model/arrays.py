"""A fitted response model that takes columns as arrays: no frame is made for a single customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.model.inputs.encoding import LARGEST, ColumnCode, NativeEncoder

if TYPE_CHECKING:
    from promolab.model.response import ResponseModel


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
        self.calibrators, self.learner = model.calibrators_, model.learners_[0]
        encoder = self.learner.encoder
        self._native = isinstance(encoder, NativeEncoder)
        self.columns = [column.name for column in encoder.used]
        self._texts = {
            c.name: _texts_of(c, self._native) for c in encoder.used if c.kind != "numeric"
        }

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

        given = matrix.clip(-LARGEST, LARGEST) if self._native else list(matrix.T)
        found = self.learner.score(given)[:, 0]
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


def _texts_of(column: ColumnCode, native: bool) -> Callable[[Any], float]:
    """Return what gives a text its number; a whole number is written as one."""
    places = len(column.levels) + 2
    numbers = column.code_of_places() if native else np.arange(places, dtype=float)
    codes: list[float]
    *codes, other, missing = map(float, numbers)
    place = dict(zip(column.levels, codes, strict=True))

    def number(value: Any) -> float:
        if value is None or value != value:
            return missing
        whole = isinstance(value, float) and value.is_integer()
        return place.get(str(int(value)) if whole else str(value), other)

    return number
