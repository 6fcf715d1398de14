"""Which columns of a trial's file are taken as covariates where nobody names any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promolab.contract.roles import (
    TIME_NAMES,
    counts_up,
    kind_of,
    names_a_thing,
    names_an_id,
    tells_units_apart,
)
from promolab.errors import InputError
from promolab.wording import count

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["left_over", "no_copies"]

MANY = 50
"""Different values from which a text that hardly repeats is taken for a key."""


def left_over(table: pd.DataFrame, taken: set[str], customer_id: str) -> tuple[list[str], str]:
    """Return the columns that may be covariates, and a sentence on those that are left out.

    Times, keys and ids are no covariates: an id tells a model nothing but which row it is.

    Parameters
    ----------
    table : DataFrame
    taken : set of str
        Columns that have another role.
    customer_id : str
        Column of the customer.
    """
    rest = [name for name in table.columns if name not in taken]
    out = [name for name in rest if _says_which(table, name, table[customer_id])]
    if not out:
        return rest, ""
    said = f"No covariates, being times, keys or ids: {', '.join(out)}."
    return [name for name in rest if name not in out], said


def _says_which(table: pd.DataFrame, name: str, customer: pd.Series) -> bool:
    import pandas as pd

    column = table[name]
    if name in TIME_NAMES or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return True
    if kind_of(table, name) is not None:
        return False
    if names_an_id(name):
        return True
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return bool(column.nunique() > max(MANY, len(table) / 2))
    if pd.api.types.is_bool_dtype(column.dtype):
        return False
    values = column.to_numpy(dtype=float, na_value=float("nan"))
    return (names_a_thing(name) and counts_up(values)) or tells_units_apart(column, customer)


def no_copies(table: pd.DataFrame, covariates: Sequence[str], outcomes: Sequence[str]) -> None:
    """Refuse a covariate that is an outcome under another name."""
    import numpy as np
    import pandas as pd

    for outcome in outcomes:
        if not pd.api.types.is_numeric_dtype(table[outcome].dtype):
            continue
        values = table[outcome].to_numpy(dtype=float, na_value=np.nan)
        if len(np.unique(values)) < 2 or len(values) < 20:
            continue
        for name in covariates:
            if name == outcome or not pd.api.types.is_numeric_dtype(table[name].dtype):
                continue
            if np.array_equal(table[name].to_numpy(dtype=float, na_value=np.nan), values):
                raise InputError(
                    f"the covariate {name!r} equals the outcome {outcome!r} in all "
                    f"{count(len(values))} rows; it cannot have been known when the decision was "
                    "made: name the covariates without it"
                )
