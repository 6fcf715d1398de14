"""Rows that belong together: by their index where both have one, else by their order."""

from __future__ import annotations

from typing import Any

import pandas as pd

from promolab.errors import InputError

__all__ = ["along"]


def along(X: Any, values: Any, what: str) -> Any:
    """Return what belongs to the rows of X in their order.

    Parameters
    ----------
    X : DataFrame or array
    values : Series, DataFrame, array or None
        Outcomes, customers, weights: with an index of the same rows in another order they are
        brought into X's; anything without an index is in X's order already.
    what : str
        What they are called.

    Raises
    ------
    InputError
        As many rows, but of another index, or one that repeats: nobody can say which belong
        together.

    Examples
    --------
    >>> X = pd.DataFrame({"age": [31, 52]}, index=["ann", "bob"])
    >>> along(X, pd.Series([1, 0], index=["bob", "ann"]), "y").tolist()
    [0, 1]
    """
    indexed = isinstance(X, pd.DataFrame) and isinstance(values, (pd.Series, pd.DataFrame))
    if not indexed or len(values) != len(X) or X.index.equals(values.index):
        return values
    advice = (
        f"where its rows are in X's order, give {what}.to_numpy(); else set the index of both to "
        "what names the row"
    )
    if not (X.index.is_unique and values.index.is_unique):
        raise InputError(
            f"{what} and X have indexes that repeat and are not equal, so which rows belong "
            f"together cannot be told; {advice}"
        )
    place = values.index.get_indexer(X.index)
    if (lost := int((place < 0).sum())) > 0:
        row = X.index[int((place < 0).argmax())]
        raise InputError(
            f"{what} has as many rows as X, but another index: {lost:,} of X's {len(X):,} rows "
            f"(such as {row!r}) are not in it; {advice}"
        )
    return values.iloc[place]
