"""Reading customer features: one row per customer, numbers as floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.wording import plural

__all__ = ["customer_frame", "numeric"]


def customer_frame(table: Any, what: str = "features") -> pd.DataFrame:
    """Return ``table`` as a DataFrame with one row per customer.

    Parameters
    ----------
    table : DataFrame or ibis.Table
        Has ``customer_id``. A DataFrame keeps its row order; an Ibis table, which has none, is
        executed once and sorted by ``customer_id``.
    what : str
        Its name in messages.

    Raises
    ------
    InputError
        If it is no table, lacks ``customer_id``, or has a customer twice or without an id.

    Examples
    --------
    >>> customer_frame(pd.DataFrame({"customer_id": [7, 3]})).customer_id.tolist()
    [7, 3]
    """
    if isinstance(table, pd.DataFrame):
        frame = table.reset_index(drop=True)
    elif hasattr(table, "execute"):
        frame = table.execute()
        if "customer_id" in frame:
            frame = frame.sort_values("customer_id", kind="stable", ignore_index=True)
    else:
        raise InputError(f"{what} is a {type(table).__name__}; expected a DataFrame or Ibis table")
    if "customer_id" not in frame:
        raise InputError(
            f"{what} has no column 'customer_id'; {nearest('customer_id', map(str, frame))}"
        )
    if frame["customer_id"].isna().any():
        raise InputError(f"{what}.customer_id is missing in some rows; every row needs a customer")
    repeated = int(frame["customer_id"].duplicated().sum())
    if repeated:
        raise InputError(
            f"{what} repeats customers in {plural(repeated, 'row')}; "
            "expected one row per customer, at one as_of"
        )
    return frame


def numeric(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as floats of shape (n,), nan where it is absent, null or infinite.

    Raises
    ------
    InputError
        If the column holds text.

    Examples
    --------
    >>> numeric(pd.DataFrame({"orders": [3, None]}), "orders").tolist()
    [3.0, nan]
    """
    if column not in frame:
        return np.full(len(frame), np.nan)
    try:
        values = pd.to_numeric(frame[column]).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"features.{column} is not numeric ({error}); expected numbers") from error
    return np.where(np.isfinite(values), values, np.nan)
