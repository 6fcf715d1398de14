"""What an argument may be: one way to refuse it, in sentences of one form.

Each check takes the argument's name and its value and returns the value as it is used from then on,
or says what was given, what is expected and what to do: ``level = 95; expected a share between 0
and 1, such as 0.95``. NumPy's numbers are numbers; a truth value is none, and neither is nan.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


T = TypeVar("T")

SUM_SLACK = 1e-9
"""By how much shares that add up to 1 may miss it."""


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number: of Python or of NumPy, no truth value.

    Examples
    --------
    >>> import numpy as np
    >>> is_whole(np.int64(3)), is_whole(True), is_whole(3.0)
    (True, False, False)
    """
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number: of Python or of NumPy, no truth value.

    Examples
    --------
    >>> import numpy as np
    >>> is_number(np.float32(0.5)), is_number(float("nan")), is_number("3"), is_number(np.bool_(1))
    (True, False, False, False)
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and math.isfinite(value)


def refuse(name: str, value: Any, expected: str, hint: str = "") -> InputError:
    """Return the error that says what was given and what is expected: ``raise refuse(...)``.

    Parameters
    ----------
    name : str
        The argument, option or key.
    value : object
        What was given.
    expected : str
        What would have been accepted.
    hint : str
        What to do, appended as it is.

    Examples
    --------
    >>> import numpy as np
    >>> print(refuse("k", np.int64(0), "a number of segments", ", or None to choose"))
    k = 0; expected a number of segments, or None to choose
    """
    return InputError(f"{name} = {_written(value)}; expected {expected}{hint}")


def _written(value: Any) -> str:
    """Write a value as Python does, one of NumPy's without saying so."""
    is_scalar = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return repr(value.item() if is_scalar else value)


def whole_number(
    name: str, value: Any, least: int | None = None, most: int | None = None, *, hint: str = ""
) -> int:
    """Return a whole number from ``least`` to ``most``.

    Examples
    --------
    >>> import numpy as np
    >>> whole_number("folds", np.int64(5), 2)
    5
    >>> whole_number("folds", 1, 2)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: folds = 1; expected a whole number from 2 on
    """
    inside = is_whole(value) and not (
        (least is not None and value < least) or (most is not None and value > most)
    )
    if not inside:
        raise refuse(name, value, f"a whole number{_span(least, None, most, None)}", hint)
    return int(value)


def real_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    hint: str = "",
) -> float:
    """Return a finite number within bounds: from ``least`` or above ``above``, and so on.

    Examples
    --------
    >>> real_number("l2", 1, above=0)
    1.0
    >>> real_number("l2", 0, above=0, hint=": separable data have no optimum without")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: l2 = 0; expected a number above 0: separable data have no optimum \
without
    """
    inside = is_number(value) and not (
        (least is not None and value < least)
        or (above is not None and value <= above)
        or (most is not None and value > most)
        or (below is not None and value >= below)
    )
    if not inside:
        raise refuse(name, value, f"a number{_span(least, above, most, below)}", hint)
    return float(value)


def _span(least: float | None, above: float | None, most: float | None, below: float | None) -> str:
    """Say from where to where, as it follows on *a number*."""
    low = "" if least is None else f"from {least:g}"
    low = f"above {above:g}" if above is not None else low
    high = f"below {below:g}" if below is not None else ""
    high = high or ("" if most is None else f"up to {most:g}")
    if low and high:
        if least is not None:
            return f" {low} to {high.removeprefix('up to ')}"
        return f" between {above:g} and {below:g}" if below is not None else f" {low} and {high}"
    return f" {low} on" if least is not None else f" {low or high}".rstrip()


def span(name: str, value: Any) -> tuple[float, float]:
    """Return two finite numbers, the smaller first.

    Examples
    --------
    >>> span("bounds", [0, 100])
    (0.0, 100.0)
    >>> span("bounds", (100, 0))
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: bounds = (100, 0); expected the smallest and the largest value, \
such as (0, 100)
    """
    pair = tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not all(map(is_number, pair)) or not pair[0] < pair[1]:
        raise refuse(name, value, "the smallest and the largest value, such as (0, 100)")
    return float(pair[0]), float(pair[1])


def share(
    name: str, value: Any, *, zero: bool = True, one: bool = True, hint: str = ", such as 0.1"
) -> float:
    """Return a share from 0 to 1; the ends count unless ``zero`` or ``one`` says no.

    Where a percentage is given the sentence says how it is written as a share.

    Examples
    --------
    >>> share("holdout", 0.1, one=False)
    0.1
    >>> share("margin_rate", 40, zero=False, one=False)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: margin_rate = 40; expected a share between 0 and 1 (0.4, not 40)
    """
    if is_number(value) and (0 < value < 1 or (zero and value == 0) or (one and value == 1)):
        return float(value)
    if is_number(value) and 1 < value <= 100:
        hint = f" ({value / 100:g}, not {value:g})"
    ends = (0, None) if zero else (None, 0)
    tops = (1, None) if one else (None, 1)
    raise refuse(name, value, f"a share{_span(*ends, *tops)}", hint)


def level_of(value: Any, name: str = "level") -> float:
    """Return a confidence level, a share between 0 and 1.

    Examples
    --------
    >>> level_of(95)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: level = 95; expected a share between 0 and 1 (0.95, not 95)
    """
    return share(name, value, zero=False, one=False, hint=", such as 0.95")


def seed_of(value: Any, name: str = "seed") -> int:
    """Return a seed, a whole number from 0 on.

    Examples
    --------
    >>> seed_of(7)
    7
    """
    return whole_number(name, value, 0)


def flag(name: str, value: Any) -> bool:
    """Return a truth value, of Python or of NumPy.

    Examples
    --------
    >>> flag("stratified", "yes")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: stratified = 'yes'; expected True or False
    """
    if not (isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")):
        raise refuse(name, value, "True or False")
    return bool(value)


def text(name: str, value: Any, *, empty: bool = False) -> str:
    """Return a text that says something, unless it may be empty.

    Examples
    --------
    >>> text("name", "  ")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: name = '  '; expected a text
    """
    if not isinstance(value, str) or not (empty or value.strip()):
        raise refuse(name, value, "a text")
    return value


def choice(name: str, value: T, options: Iterable[Any]) -> T:
    """Return one of the options; of what else was given the nearest one is named.

    Parameters
    ----------
    name : str
        The argument, or what it is called: ``kind``, ``outcome``.
    value : object
        What was given.
    options : iterable
        What there is.

    Examples
    --------
    >>> choice("kind", "forst", ["forest", "linear"])
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: kind = 'forst' is unknown; did you mean 'forest'? (known: forest, \
linear)
    """
    known = list(options)
    if value not in known:
        raise InputError(
            f"{name} = {_written(value)} is unknown; {nearest(str(value), map(str, known))}"
        )
    return value


def choices_of(
    name: str, values: str | Iterable[T], options: Iterable[Any] | None = None
) -> list[T]:
    """Return what was named, one or several: at least one, each once, each of the options.

    Examples
    --------
    >>> choices_of("metrics", "auc", ["auc", "brier"])
    ['auc']
    >>> choices_of("metrics", ["auc", "auc"])
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: metrics = ['auc', 'auc']; expected at least one, each once
    """
    named: list[Any] = [values] if isinstance(values, str) else list(values)
    if not named or len(set(named)) < len(named):
        raise refuse(name, named, "at least one, each once")
    known = None if options is None else list(options)
    return [one if known is None else choice(name, one, known) for one in named]


def columns_there(frame: Any, names: str | Iterable[str], what: str = "the table") -> None:
    """Refuse a table that lacks one of the columns.

    Parameters
    ----------
    frame : DataFrame, or anything with columns
    names : str or iterable of str
        The columns needed.
    what : str
        What the table is called.

    Examples
    --------
    >>> import pandas as pd
    >>> columns_there(pd.DataFrame({"customer_id": ["a"]}), "custmer_id", "features")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: there is no column 'custmer_id' in features; did you mean \
'customer_id'? (known: customer_id)
    """
    known = [str(column) for column in frame.columns]
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            raise InputError(f"there is no column {name!r} in {what}; {nearest(name, known)}")


def file_there(path: str | Path, hint: str = "") -> Path:
    """Return the path of a file that is there.

    Examples
    --------
    >>> file_there("nowhere.csv", "; give a csv file")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: there is no file nowhere.csv; give a csv file
    """
    found = Path(path)
    if not found.is_file():
        raise InputError(f"there is no file {path}{hint}")
    return found


def same_length(**columns: Sized) -> int:
    """Return how many rows columns have that are given row by row.

    Examples
    --------
    >>> same_length(y_true=[0, 1, 1], y_score=[0.2, 0.4])
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: y_score has 2 rows and y_true 3; give one per row
    """
    (first, rows), *others = ((name, len(values)) for name, values in columns.items())
    for name, n in others:
        if n != rows:
            raise InputError(f"{name} has {n:,} rows and {first} {rows:,}; give one per row")
    return rows


def labelled(table: Any) -> bool:
    """Whether the rows of a table have labels: pandas numbers them from 0 where nobody gave any.

    Examples
    --------
    >>> import pandas as pd
    >>> [labelled(pd.Series([1, 0], index=at)) for at in (None, ["ann", "bob"], [13, 16])]
    [False, True, True]
    """
    import pandas as pd

    index = getattr(table, "index", None)
    numbered = isinstance(index, pd.RangeIndex) and (index.start, index.step) == (0, 1)
    return isinstance(index, pd.Index) and not numbered


def along(X: Any, values: Any, what: str, of: str = "X", *, columns: Any = None) -> Any:
    """Return what belongs to the rows of X in their order, by its labels.

    Parameters
    ----------
    X : DataFrame, Series, Index or array
    values : Series, DataFrame, array or None
        Outcomes, customers, costs: with an index of the same rows in another order they are
        brought into X's; anything without an index is in X's order already.
    what, of : str
        What they and X are called.
    columns : sequence, optional
        What the columns of a table are to be, in order; names are compared as texts.

    Raises
    ------
    InputError
        As many rows, but of another index, or one that repeats: nobody can say which belong
        together.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [31, 52]}, index=["ann", "bob"])
    >>> along(X, pd.Series([1, 0], index=["bob", "ann"]), "y").tolist()
    [0, 1]
    """
    import pandas as pd

    if not isinstance(values, (pd.Series, pd.DataFrame)):
        return values
    rows = X if isinstance(X, pd.Index) else getattr(X, "index", None)
    if isinstance(rows, pd.Index) and len(rows) == len(values) and not rows.equals(values.index):
        values = values.iloc[_places(rows, values.index, "row", what, of)]
    if columns is not None and values.ndim == 2 and len(columns) == values.shape[1]:
        wanted, there = pd.Index(columns).astype(str), values.columns.astype(str)
        if not wanted.equals(there):
            values = values.iloc[:, _places(wanted, there, "column", what, of)]
    return values


def _places(wanted: pd.Index, there: pd.Index, kind: str, what: str, of: str) -> np.ndarray:
    """Return where each label of one table stands in another."""
    name, names = ("index", "indexes") if kind == "row" else ("column names",) * 2
    advice = (
        f"where its {kind}s are in {of}'s order, give {what}.to_numpy(); else set the {name} of "
        f"both to what names the {kind}"
    )
    if not (wanted.is_unique and there.is_unique):
        raise InputError(
            f"{what} and {of} have {names} that repeat and are not equal, so which {kind}s belong "
            f"together cannot be told; {advice}"
        )
    place = there.get_indexer(wanted)
    lost, more = wanted[place < 0], there[wanted.get_indexer(there) < 0]
    if len(lost):
        listed, theirs = (", ".join(map(repr, each[:3].tolist())) for each in (lost, more))
        raise InputError(
            f"{what} has as many {kind}s as {of}, but another {name}: {len(lost):,} of {of}'s "
            f"{len(wanted):,} {kind}s (such as {lost[:1].tolist()[0]!r}) are not in it ({listed}), "
            f"which has {theirs} instead; {advice}"
        )
    return place


def aligned(**columns: Any) -> list[Any]:
    """Return what is given row by row in the order of the first that has labels.

    Examples
    --------
    >>> import pandas as pd
    >>> y, score = pd.Series([0, 1], index=["ann", "bob"]), pd.Series({"bob": 0.9, "ann": 0.2})
    >>> [each.tolist() for each in aligned(y_true=y, y_score=score)]
    [[0, 1], [0.2, 0.9]]
    """
    of = next((name for name, each in columns.items() if hasattr(each, "iloc")), None)
    if of is None:
        return [*columns.values()]
    return [along(columns[of], each, name, of) for name, each in columns.items()]


def column_of(name: str, values: Any, n: int | None = None, of: str = "customers") -> pd.Series:
    """Return ``values`` as a Series numbered from 0, of ``n`` rows where that is given.

    Parameters
    ----------
    name : str
        The argument.
    values : array-like of shape (n,)
        A list, an array of NumPy or Arrow, a Series.
    n : int, optional
        How many rows there must be.
    of : str
        What has so many.

    Examples
    --------
    >>> column_of("cluster", {"a": 1})
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: cluster is a dict; give one column, array or list with a value per \
customer
    """
    import pandas as pd
    import pyarrow as pa

    no_column = (str, bytes, dict, set, frozenset, pd.DataFrame, pa.Table)
    if isinstance(values, no_column) or not hasattr(values, "__len__"):
        raise InputError(
            f"{name} is a {type(values).__name__}; give one column, array or list with a value "
            "per customer"
        )
    try:
        # Arrow's whole numbers stay whole where some are missing.
        of_arrow = isinstance(values, (pa.Array, pa.ChunkedArray))
        kind = pd.ArrowDtype(values.type) if of_arrow else None
        column = pd.Series(values, dtype=kind).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is no column ({error}); give one value per customer") from None
    if n is not None:
        same_length(**{of: range(n), name: column})
    return column


def numbers_of(
    name: str,
    values: Any,
    n: int | None = None,
    of: str = "y_true",
    *,
    missing: str = "",
    finite: bool = False,
) -> np.ndarray:
    """Return numbers of shape (n,), as floats.

    Parameters
    ----------
    name : str
        The argument.
    values : array-like of shape (n,) or (n, 1)
        Truth values and whole numbers become floats; floats of 32 bits stay so.
    n : int, optional
        How many there must be.
    of : str
        What has so many.
    missing : str
        What to do about rows without a number, which are refused; by default to leave them out.
    finite : bool
        Whether infinite ones are refused too.

    Examples
    --------
    >>> numbers_of("y_score", [0.1, None, 0.3], 3)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: y_score has 1 missing value of 3; leave out rows without one
    """
    import numpy as np

    array = flat_of(name, values)
    if n is not None:
        same_length(**{of: range(n), name: array})
    try:
        array = array if array.dtype in (np.float32, np.float64) else array.astype(float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds {_written(array[0])}; expected numbers") from None
    _none_missing(name, array, missing or "leave out rows without one")
    if finite and not np.isfinite(array).all():
        raise InputError(f"{name} holds infinite values; expected finite numbers")
    return array


def labels_of(name: str, values: Any) -> np.ndarray:
    """Return labels, coded as 0 and 1 or as truth values, as booleans of shape (n,).

    Examples
    --------
    >>> labels_of("y_true", [0, 1, 1]).tolist()
    [False, True, True]
    >>> labels_of("y_true", [1, 2])
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: y_true holds 2; expected 0 and 1
    """
    import numpy as np

    y = flat_of(name, values)
    if not len(y):
        raise InputError(f"{name} is empty; give at least one row")
    if y.dtype == bool:
        return y
    try:
        found = y if y.dtype.kind in "iu" else y.astype(float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds {_written(y[0])}; expected 0 and 1") from None
    if found.dtype.kind == "f":
        _none_missing(name, found, "leave out rows whose outcome is not known yet")
    positive = found == 1
    other = ~positive & (found != 0)
    if other.any():
        listed = ", ".join(f"{value:g}" for value in np.unique(found[other])[:3])
        raise InputError(f"{name} holds {listed}; expected 0 and 1")
    return np.asarray(positive)


def flat_of(name: str, values: Any) -> np.ndarray:
    """Return an array of shape (n,); one of shape (n, 1) becomes one."""
    import numpy as np

    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}; give one dimension, one value per row")
    return array


def _none_missing(name: str, array: np.ndarray, advice: str) -> None:
    import numpy as np

    if missing := int(np.isnan(array).sum()):
        values = "value" if missing == 1 else "values"
        raise InputError(f"{name} has {missing:,} missing {values} of {len(array):,}; {advice}")
