"""Parquet files of one table: do their columns fit each other?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promolab.errors import DataError
from promolab.sources.files.csv_files import check_names

__all__ = ["check_schemas"]


def check_schemas(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """Return each file's columns, if those of one name are of one kind.

    Parameters
    ----------
    paths : sequence of Path
        The files.

    Returns
    -------
    list of tuple of str
        The columns of each file.

    Raises
    ------
    DataError
        If a file cannot be read, or a column is of another kind in another file, such as text and
        number; narrow and wide numbers go together.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    seen: dict[str, tuple[str, Any, Path]] = {}
    columns = []
    for path in paths:
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(f"{path.name} cannot be read ({first}); is the file whole?") from error
        check_names(path.name, schema.names)
        columns.append(tuple(schema.names))
        for field in schema:
            kind = _kind(field.type)
            if kind == "nothing":  # a column of nulls alone goes with any
                continue
            other, type_, where = seen.setdefault(field.name.lower(), (kind, field.type, path))
            if other != kind:
                raise DataError(
                    f"the column {field.name!r} is {type_} ({other}) in {where.name}, but "
                    f"{field.type} ({kind}) in {path.name}; write it alike in both"
                )
    return columns


def _kind(type_: Any) -> str:
    import pyarrow.types as is_

    if is_.is_dictionary(type_):
        return _kind(type_.value_type)
    if is_.is_null(type_):
        return "nothing"
    if is_.is_boolean(type_):
        return "yes or no"
    if is_.is_integer(type_) or is_.is_floating(type_) or is_.is_decimal(type_):
        return "number"
    if is_.is_timestamp(type_) and type_.tz:
        return "time with a zone"
    if is_.is_timestamp(type_) or is_.is_date(type_):
        return "time without a zone"
    if is_.is_string(type_) or is_.is_large_string(type_) or str(type_) == "string_view":
        return "text"
    return str(type_)
