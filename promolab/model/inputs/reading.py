"""What a model may be given: feature columns, labels, and what stands beside them."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import along
from promolab.contract import TIME_NAMES, counts_up, names_a_thing, names_an_id
from promolab.contract import role_of as kind_of
from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def as_frame(X: Any) -> pd.DataFrame:
    """Return X as a frame; the columns of an array are called x0, x1, ….

    Raises
    ------
    InputError
        X is sparse, complex or not two-dimensional.

    Examples
    --------
    >>> as_frame([[1, 2], [3, 4]]).columns.tolist()
    ['x0', 'x1']
    """
    if isinstance(X, pd.DataFrame):
        named = all(isinstance(name, str) for name in X.columns)
        return X if named else X.set_axis([str(name) for name in X.columns], axis=1)
    if hasattr(X, "toarray"):
        raise InputError(
            "the features are a sparse matrix, which is not supported; give a DataFrame, or "
            "X.toarray() where that fits into memory"
        )
    array = np.asarray(X)
    if array.ndim != 2:
        raise InputError(
            f"the features are a {type(X).__name__} of shape {array.shape}; give a pandas "
            "DataFrame with named columns, or a 2-d array. Reshape your data: X.reshape(-1, 1) "
            "if it is a single feature, X.reshape(1, -1) if it is a single row"
        )
    if np.iscomplexobj(array):
        raise InputError("the features are complex numbers. Complex data not supported")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])


def feature_columns(
    X: pd.DataFrame, columns: Iterable[str] | None = None, *, as_levels: Collection[str] = ()
) -> list[str]:
    """Return the names of the source columns, sorted, after checking that each can be a feature.

    An id in ``as_levels`` may stand: there each of its values is a level, none a quantity.

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
    names = [str(c) for c in (X.columns if columns is None else check_columns(columns))]
    if not names:
        raise InputError("there are no feature columns; give at least one")
    check_present(X, names)
    twice = sorted({n for n in names if names.count(n) > 1 or list(X.columns).count(n) > 1})
    if twice:
        raise InputError(f"columns given twice: {', '.join(twice)}; keep one of each")
    for name in names:
        # What is stated, or has levels, is not read from the name.
        free = name in as_levels or kind_of(X, name) is not None
        is_time = name in TIME_NAMES or pd.api.types.is_datetime64_any_dtype(X[name].dtype)
        if is_time or (not free and names_an_id(name)):
            raise InputError(
                f"column {name!r} is {'a time' if is_time else 'an id'}, not a feature; drop it or "
                "name the features with columns="
            )
        if not free and names_a_thing(name) and _counts_up(X[name]):
            raise InputError(
                f"column {name!r} holds whole numbers that say which {name} it is: an id, not a "
                f"quantity; drop it, make it a category: X[{name!r}].astype('category'), or, if "
                f"it counts something, say so: kinds={{{name!r}: 'number'}}"
            )
    return sorted(names)


def check_columns(columns: Any) -> list[Any]:
    """Return the names of columns as a list; refuse a text, which would be read by its letters."""
    if isinstance(columns, str):
        raise InputError(f"columns is the text {columns!r}; give a list of names: [{columns!r}]")
    if not isinstance(columns, Iterable):
        raise InputError(f"columns is {columns!r}; give a list of names of columns")
    return list(columns)


def _counts_up(column: pd.Series) -> bool:
    """Whether a column is of more than two numbers, all whole."""
    if isinstance(column.dtype, pd.CategoricalDtype) or not is_numeric(column):
        return False
    return counts_up(as_numbers(column))


def looks_like_id(present: np.ndarray) -> bool:
    """Whether numbers, sorted, are whole, all different and close together, as running ids are.

    Examples
    --------
    >>> looks_like_id(np.arange(500.0)), looks_like_id(np.arange(500.0) ** 2)
    (True, False)
    """
    if len(present) < 100 or present[-1] - present[0] > 3 * len(present):
        return False
    return bool((np.diff(present) > 0).all() and (present == np.floor(present)).all())


def no_variation(names: list[str], n: int) -> InputError:
    """Return the error for features of which none tells rows apart."""
    return InputError(
        f"none of the {len(names)} columns varies over the {n} training rows "
        f"({', '.join(names[:5])}); give features that differ between rows"
    )


def check_present(X: pd.DataFrame, names: list[str], what: str = "the features") -> None:
    """Refuse a frame without one of the columns; name the nearest."""
    present = set(X.columns)
    for name in names:
        if name not in present:
            known = [str(c) for c in X.columns]
            raise InputError(f"{what} lack column {name!r}; {nearest(name, known)}")


def is_numeric(column: pd.Series) -> bool:
    """Tell numbers from texts and categories; refuse what is neither."""
    dtype = column.dtype
    if _is_other(dtype):
        raise InputError(
            f"column {column.name!r} has type {dtype}; a feature is a number, a text or a category"
        )
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype):
        return pd.api.types.is_object_dtype(dtype) and _holds_numbers(column)
    if pd.api.types.is_object_dtype(dtype):
        return _holds_numbers(column)
    return True


def _is_other(dtype: Any) -> bool:
    """Whether a column holds complex numbers, moments, stretches of time or intervals."""
    return isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype) or any(
        test(dtype)
        for test in (
            pd.api.types.is_complex_dtype,
            pd.api.types.is_timedelta64_dtype,
            pd.api.types.is_datetime64_any_dtype,
        )
    )


def _holds_numbers(column: pd.Series) -> bool:
    # bool is an int; Decimal registers as a Number, not as a Real.
    kinds = set(column.dropna().map(type))
    for kind in kinds:
        if kind.__hash__ is None:
            raise InputError(
                f"column {column.name!r} holds a {kind.__name__}; a feature is a number, a text or "
                "a category"
            )
    return all(issubclass(kind, numbers.Number) for kind in kinds)


def as_numbers(column: pd.Series) -> np.ndarray:
    """Return the column as floats, nan where missing; refuse infinite values."""
    if _is_other(column.dtype):
        raise InputError(
            f"column {column.name!r} has type {column.dtype}; it was numeric in training"
        )
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
    """Return the column as texts; what is missing stays so.

    A whole number is written as one: a missing value beside it has made a float of it.

    Examples
    --------
    >>> as_texts(pd.Series([1.0, 2.5, None])).tolist()
    ['1', '2.5', nan]
    """
    if isinstance(column.dtype, pd.StringDtype):
        codes, texts = pd.factorize(column)  # each text is read once
        return np.append(np.asarray(texts, dtype=object), np.nan)[codes]
    return column.astype(object).map(_text, na_action="ignore").to_numpy(dtype=object)


def _text(value: Any) -> str:
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def check_labels(y: ArrayLike, rows: Any) -> np.ndarray:
    """Return the labels of some rows (the frame, or how many) as 0.0 and 1.0, both present."""
    y, n = _along(rows, y, "y")
    array: Any = y.array if isinstance(y, pd.Series) else np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(
            f"y has shape {array.shape}; give one outcome per row, or a DataFrame with a column "
            "per outcome"
        )
    values = pd.Series(array)
    if len(values) != n:
        raise InputError(f"y has {len(values)} values and X {n} rows; they must match")
    if values.isna().any():
        raise InputError(
            f"y has {int(values.isna().sum())} missing values; leave out rows whose outcome is "
            "not known"
        )
    strange = sorted(
        {
            repr(v.item() if isinstance(v, np.generic) else v)
            for v in values.unique()
            if v not in (0, 1)
        }
    )
    if strange:
        raise InputError(f"y must be 0 or 1 (or bool), and has {', '.join(strange[:3])}")
    labels = values.to_numpy(dtype=np.float64)
    classes = np.unique(labels)
    if len(classes) < 2:
        raise single_class(classes.astype(int), n)
    return labels


ONE = ("response",)  # what a single outcome without a name is called


def outcome_labels(
    y: ArrayLike | pd.DataFrame, n: int, positive: str | None
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Return labels (n, number of outcomes), the outcomes' names, and the two classes."""
    if positive not in (None, "last"):
        raise InputError(f"positive = {positive!r}; expected None (y is 0 or 1) or 'last'")
    if isinstance(y, pd.DataFrame):
        if positive is not None:
            raise InputError("positive='last' is for a single outcome; give columns of 0 and 1")
        return *_outcome_columns(y, n), np.array([0, 1])
    if positive is None:
        return check_labels(y, n)[:, None], ONE, np.array([0, 1])
    labels, classes = two_classes(y, n)
    return labels[:, None], ONE, classes


def _outcome_columns(y: pd.DataFrame, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    if len(y) != n or y.shape[1] == 0:
        raise InputError(f"y has shape {y.shape} and X {n} rows; give a column per outcome")
    names = [str(name) for name in y.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"outcomes given twice: {', '.join(twice)}; keep one of each")
    columns = []
    for k, name in enumerate(names):
        column = y.iloc[:, k]
        known = column.notna().to_numpy()
        values = np.full(n, np.nan)
        try:
            values[known] = check_labels(column[known], int(known.sum()))
        except InputError as error:
            raise InputError(f"outcome {name!r}: {error}") from error
        columns.append(values)
    return np.column_stack(columns), tuple(names)


def two_classes(y: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n labels as 0.0 and 1.0, and the two classes: the one that sorts last is 1.0."""
    from sklearn.utils.multiclass import type_of_target

    if y is None:
        raise InputError("requires y to be passed, but the target y is None; give the outcome")
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        import warnings

        from sklearn.exceptions import DataConversionWarning

        warnings.warn(
            "A column-vector y was passed when a 1d array was expected; give y.ravel()",
            DataConversionWarning,
            stacklevel=4,
        )
        values = values.ravel()
    if values.shape != (n,):
        raise InputError(f"y has shape {values.shape} and X {n} rows; they must match")
    if pd.isna(values).any() or (values.dtype.kind == "f" and np.isinf(values).any()):
        raise InputError(
            "Input y contains NaN or infinity; leave out rows whose outcome is unknown"
        )
    kind = type_of_target(values, input_name="y")
    if kind not in ("binary", "multiclass"):
        raise InputError(f"Unknown label type: {kind}; y must be of two classes")
    classes = np.unique(values)
    if len(classes) < 2:
        raise single_class(classes, n)
    if len(classes) > 2:
        raise InputError(
            f"Only binary classification is supported. The type of the target is {kind}: y has "
            f"{len(classes)} classes"
        )
    return (values == classes[-1]).astype(np.float64), classes


def single_class(classes: np.ndarray, n: int) -> InputError:
    """Return the error for labels that are all the same, or none."""
    only = f"all {n} are {classes[0]}" if len(classes) else "there are no rows"
    return InputError(
        f"y has a single class ({only}); a response model needs rows with and without response, "
        "and cannot learn from one class"
    )


def check_time(values: ArrayLike | None, rows: Any) -> np.ndarray | None:
    """Return the rows' moments as dates (UTC) or numbers, in either of which later is more.

    Examples
    --------
    >>> check_time(["2017-10-02", "2017-10-09"], 2)
    array(['2017-10-02T00:00:00.000000', '2017-10-09T00:00:00.000000'],
          dtype='datetime64[us]')
    """
    if values is None:
        return None
    array = check_beside(values, "time", rows)
    assert array is not None
    if array.dtype.kind in "iufM":
        return array
    try:
        # Of moments with different summer times pandas makes objects; in UTC they are one kind.
        # Other ways to write a date would be guessed at: is 3.4. in March or in April?
        moments = pd.to_datetime(pd.Series(array), utc=True, format="ISO8601")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"time holds {str(array[0])!r}; expected dates, times or numbers that grow with time; "
            "write 2017-10-01"
        ) from error
    return moments.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")


def check_beside(values: ArrayLike | None, what: str, rows: Any) -> np.ndarray | None:
    """Return what belongs to rows (their customers, promotions) as an array in their order.

    The rows are a frame, whose index is matched, an array, or how many there are.
    """
    if values is None:
        return None
    values, n = _along(rows, values, what)
    array = np.asarray(values)
    if array.shape != (n,):
        raise InputError(f"{what} has shape {array.shape} and X {n} rows; they must match")
    if pd.isna(array).any():
        raise InputError(f"{what} has {int(pd.isna(array).sum())} missing values")
    return array


def check_weight(values: ArrayLike | None, rows: Any) -> np.ndarray:
    """Return how many rows each of them counts for, in their order; 1 where nothing is said."""
    whole = isinstance(rows, (int, np.integer))
    if values is None:
        return np.ones(int(rows) if whole else len(rows))
    weight = check_beside(values, "sample_weight", rows)
    assert weight is not None
    if weight.dtype.kind not in "biuf" or not np.isfinite(weight).all() or (weight < 0).any():
        raise InputError("sample_weight holds what is no finite number from 0 on")
    if not (weight > 0).any():
        raise InputError("sample_weight is zero in all rows; there is nothing to learn from")
    return weight.astype(np.float64)


def _along(rows: Any, values: Any, what: str) -> tuple[Any, int]:
    """Return values in the order of the rows, and how many rows there are."""
    whole = isinstance(rows, (int, np.integer))
    return (values, int(rows)) if whole else (along(rows, values, what), len(rows))
