"""What `assign` accepts as ids: whole numbers and texts, each turned into its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["column_of", "texts_of"]


def column_of(values: Any, name: str, n: int | None = None) -> pd.Series:
    """Return ``values`` as a Series numbered from 0, of ``n`` rows where that is given."""
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
    if n is not None and len(column) != n:
        raise InputError(f"{name} has {len(column):,} rows and customers {n:,}; give one per row")
    return column


def texts_of(column: pd.Series, name: str) -> pa.ChunkedArray:
    """Return the text of each id, null where it is missing or empty; 7 and "7" are one id.

    Raises
    ------
    InputError
        If an id is neither text nor a whole number.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if column.dtype == object:
        column = _objects(column, name)
    if not len(column) or column.isna().all():
        return pa.chunked_array([pa.nulls(len(column), pa.large_string())])
    kind = column.dtype
    if not (pd.api.types.is_integer_dtype(kind) or pd.api.types.is_string_dtype(kind)):
        given = column[column.notna()].iloc[0]
        hint = (
            "; where ids turned into floats because some are missing, read them as Int64 or text"
            if pd.api.types.is_float_dtype(kind)
            else ""
        )
        raise InputError(f"{name} holds {given!s} ({kind}); expected texts or whole numbers{hint}")
    try:
        array = pa.array(column, from_pandas=True)
        chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
        texts = chunked.cast(pa.large_string())
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{name} has an id that is no valid text ({error})") from None
    # A null may have bytes under it; an empty cell of a csv file is no id that many share.
    empty = pc.equal(pc.binary_length(texts), 0)
    if texts.null_count or pc.any(empty).as_py():
        texts = pc.if_else(pc.fill_null(empty, True), pa.scalar(None, pa.large_string()), texts)
    return texts


def _objects(column: pd.Series, name: str) -> pd.Series:
    """Return a column of Python objects as texts, if all of them are texts or whole numbers."""
    import pandas as pd

    known = column[column.notna()]
    if pd.api.types.infer_dtype(known, skipna=False) in ("string", "empty"):
        return column.astype("string")
    kinds = known.map(type)
    allowed = kinds.map(lambda kind: issubclass(kind, (str, int, np.integer)) and kind is not bool)
    if not allowed.all():
        given = known[~allowed.to_numpy(bool)].iloc[0]
        raise InputError(
            f"{name} holds {given!r} ({type(given).__name__}); expected texts or whole numbers"
        )
    return known.map(str).reindex(column.index).astype("string")
