"""What a model may be given: feature columns, labels, and what stands beside them."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TIME_NAMES = frozenset({"as_of", "starts_at", "ends_at"})


def feature_columns(X: pd.DataFrame, columns: Iterable[str] | None = None) -> list[str]:
    """Return the names of the source columns, sorted, after checking that each can be a feature.

    Raises
    ------
    InputError
        ``X`` is no frame, a column is absent, given twice, or is an id or a time.

    Examples
    --------
    >>> feature_columns(pd.DataFrame({"b": [1], "a": [2]}))
    ['a', 'b']
    """
    if not isinstance(X, pd.DataFrame):
        raise InputError(
            f"the features are a {type(X).__name__}; give a pandas DataFrame with named columns"
        )
    if isinstance(columns, str):
        raise InputError(f"columns is the text {columns!r}; give a list of names: [{columns!r}]")
    names = [str(c) for c in (X.columns if columns is None else columns)]
    if not names:
        raise InputError("there are no feature columns; give at least one")
    check_present(X, names)
    twice = sorted({n for n in names if names.count(n) > 1 or list(X.columns).count(n) > 1})
    if twice:
        raise InputError(f"columns given twice: {', '.join(twice)}; keep one of each")
    for name in names:
        is_time = name in TIME_NAMES or pd.api.types.is_datetime64_any_dtype(X[name].dtype)
        if is_time or name.endswith("_id"):
            raise InputError(
                f"column {name!r} is {'a time' if is_time else 'an id'}, not a feature; drop it or "
                "name the features with columns="
            )
    return sorted(names)


def check_present(X: pd.DataFrame, names: list[str]) -> None:
    """Refuse a frame without one of the columns; name the nearest."""
    present = set(X.columns)
    for name in names:
        if name not in present:
            known = [str(c) for c in X.columns]
            raise InputError(f"the features lack column {name!r}; {nearest(name, known)}")


def is_numeric(column: pd.Series) -> bool:
    """Tell numbers from texts and categories; refuse what is neither."""
    dtype = column.dtype
    if pd.api.types.is_complex_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        raise InputError(
            f"column {column.name!r} has type {dtype}; a feature is a number, a text or a category"
        )
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype):
        return pd.api.types.is_object_dtype(dtype) and _holds_numbers(column)
    if pd.api.types.is_object_dtype(dtype):
        return _holds_numbers(column)
    return True


def _holds_numbers(column: pd.Series) -> bool:
    # bool is an int; Decimal registers as a Number, not as a Real.
    present = column.dropna()
    return all(issubclass(kind, numbers.Number) for kind in set(present.map(type)))


def as_numbers(column: pd.Series) -> np.ndarray:
    """Return the column as floats, nan where missing; refuse infinite values."""
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"column {column.name!r} holds something else than numbers ({error}); it was numeric "
            "in training"
        ) from error
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise InputError(
            f"column {column.name!r} has {infinite} infinite value{'s' if infinite > 1 else ''}; "
            "a value that is not known is missing (NaN)"
        )
    return values


def as_texts(column: pd.Series) -> np.ndarray:
    """Return the column as texts; what is missing stays so."""
    return column.astype(object).map(str, na_action="ignore").to_numpy(dtype=object)


def check_labels(y: ArrayLike, n: int) -> np.ndarray:
    """Return n labels as 0.0 and 1.0, both present."""
    values = pd.Series(np.asarray(y) if not isinstance(y, pd.Series) else y.array)
    if len(values) != n:
        raise InputError(f"y has {len(values)} values and X {n} rows; they must match")
    if values.isna().any():
        raise InputError(
            f"y has {int(values.isna().sum())} missing values; leave out rows whose outcome is "
            "not known"
        )
    strange = sorted({repr(v) for v in values.unique() if v not in (0, 1)})
    if strange:
        raise InputError(f"y must be 0 or 1 (or bool), and has {', '.join(strange[:3])}")
    labels = values.to_numpy(dtype=np.float64)
    if len(np.unique(labels)) < 2:
        only = f"all {n} are {int(labels[0])}" if n else "there are no rows"
        raise InputError(
            f"y has a single class ({only}); a response model needs rows with and without response"
        )
    return labels


def check_beside(values: ArrayLike | None, what: str, n: int) -> np.ndarray | None:
    """Return what belongs to the n rows (their customers, promotions) as an array."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (n,):
        raise InputError(f"{what} has shape {array.shape} and X {n} rows; they must match")
    if pd.isna(array).any():
        raise InputError(f"{what} has {int(pd.isna(array).sum())} missing values")
    return array
