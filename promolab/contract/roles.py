"""What a column is, told by its name and by how its numbers run: a time, an id, a result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import columns_there, refuse
from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd


NUMBER = "number"
CATEGORY = "category"
"""What a column may be stated to be, where its name and values would be read otherwise."""

TIME_NAMES = frozenset({"as_of", "starts_at", "ends_at"})
_ID_ENDING = re.compile(r"(^|[_\s.-])(id|ID|Id)$|[a-z0-9](Id|ID)$")
# A whole number under the name of a thing is which one it is, not how many.
THINGS = frozenset(
    {"account", "basket", "campaign", "card", "client", "coupon", "customer", "household", "item"}
    | {"member", "order", "phone", "postcode", "product", "promotion", "shopper", "sku", "store"}
    | {"user", "zip", "zipcode", "zip_code"}
)


def names_an_id(name: str) -> bool:
    """Whether a name ends as an id's does.

    Examples
    --------
    >>> [name for name in ("store_id", "userId", "paid", "grid", "id") if names_an_id(name)]
    ['store_id', 'userId', 'id']
    """
    return _ID_ENDING.search(name) is not None


def names_a_thing(name: str) -> bool:
    """Whether a name is that of a thing, so that a whole number under it says which one it is.

    Examples
    --------
    >>> [name for name in ("Campaign", "zip", "age") if names_a_thing(name)]
    ['Campaign', 'zip']
    """
    return name.lower() in THINGS


def counts_up(values: np.ndarray) -> bool:
    """Whether numbers are whole, more than two of them different.

    Examples
    --------
    >>> [counts_up(np.array(values)) for values in ([1.0, 2.0, 3.0], [0.0, 1.0], [0.5, 1.0, 2.0])]
    [True, False, False]
    """
    different = np.unique(values[~np.isnan(values)])
    return len(different) > 2 and bool((different == np.floor(different)).all())


def as_whole(column: pd.Series) -> pd.Series:
    """Return floats that are all whole as the whole numbers that they stand for.

    A file that lacked a value somewhere holds 0.0 and 1.0 where 0 and 1 are meant. Any other column
    comes back as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> as_whole(pd.Series([0.0, 1.0])).tolist(), as_whole(pd.Series([0.5, 1.0])).tolist()
    ([0, 1], [0.5, 1.0])
    """
    if column.dtype.kind != "f":
        return column
    values = column.to_numpy(dtype=float, na_value=np.nan)
    fits = np.isfinite(values) & (np.abs(values) < 2**53)
    return column.astype("int64") if fits.all() and (values == np.floor(values)).all() else column


def with_kinds(frame: pd.DataFrame, kinds: Mapping[str, str] | None) -> pd.DataFrame:
    """Return a frame whose columns are what they are stated to be; it remembers that.

    Parameters
    ----------
    frame : DataFrame
    kinds : mapping of str to {"number", "category"}, optional
        By column. What is not stated is told by names and values.

    Raises
    ------
    InputError
        A column that is not there, another kind, or a number that holds none.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = with_kinds(pd.DataFrame({"campaign": [1, 2, 5]}), {"campaign": "number"})
    >>> role_of(calls, "campaign"), role_of(calls, "age")
    ('number', None)
    """
    import pandas as pd

    if not kinds:
        return frame
    if not isinstance(kinds, Mapping):
        raise InputError(f"kinds is {kinds!r}; give a mapping such as {{'campaign': 'number'}}")
    made: dict[str, Any] = {}
    for name, kind in kinds.items():
        if name not in frame.columns:
            raise InputError(
                f"kinds: there is no column {name!r}; {nearest(str(name), map(str, frame.columns))}"
            )
        if kind not in (NUMBER, CATEGORY):
            raise InputError(f"kinds: {name!r} is {kind!r}; say 'number' or 'category'")
        if kind == CATEGORY:
            made[name] = frame[name].astype("category")
        elif not pd.api.types.is_numeric_dtype(frame[name].dtype):
            try:
                made[name] = pd.to_numeric(frame[name])
            except (TypeError, ValueError) as error:
                raise InputError(f"kinds: {name!r} is no number ({error})") from None
    frame = frame.assign(**made)
    frame.attrs["kinds"] = {**frame.attrs.get("kinds", {}), **kinds}
    return frame


def known_beforehand(frame: pd.DataFrame, known: Mapping[str, bool] | bool | None) -> pd.DataFrame:
    """Return a frame without the columns that came after the outcome; it remembers the others.

    Parameters
    ----------
    frame : DataFrame
    known : mapping of str to bool, or True, optional
        Whether a column was known beforehand: one that was not is taken out, one that was is not
        doubted, however well it tells the outcome. ``True``: all were.

    Raises
    ------
    InputError
        A column that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"age": [31, 52], "duration": [3, 240]})
    >>> known_beforehand(calls, {"duration": False}).columns.tolist()
    ['age']
    """
    if known is None:
        return frame
    if known is not True and not isinstance(known, Mapping):
        raise refuse("known", known, "a mapping such as {'duration': False}, or True")
    stated = {} if known is True else known
    columns_there(frame, list(stated), "the table (known=)")
    earlier = frame.attrs.get("known", ())
    before = [name for name, yes in stated.items() if yes]
    found = frame.drop(columns=[*({*stated} - {*before})])
    found.attrs = {**frame.attrs, "known": True in (known, earlier) or [*earlier, *before]}
    return found


def role_of(frame: pd.DataFrame, name: str) -> str | None:
    """Return what a column was stated to be by `with_kinds`; None where nothing was."""
    kind: str | None = frame.attrs.get("kinds", {}).get(name)
    return kind
