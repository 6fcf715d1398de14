"""What an argument may be: one way to refuse it, in sentences of one form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promolab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_of"]


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
