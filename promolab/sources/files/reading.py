"""Files of a table: which they are, and their content as one table."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from promolab.errors import DataError
from promolab.sources.files.csv_files import check_names, csv_to_parquet, open_csv
from promolab.sources.files.excel import excel_to_parquet
from promolab.sources.files.finding import OneFile, kind_of, one_spelling


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


@dataclass(frozen=True)
class Raw:
    """A table as its files have it.

    Attributes
    ----------
    table : ibis Table
        From csv and Excel every column is text, exactly as written, an empty value null; from
        parquet the columns have their own types.
    columns_as_text : bool
        Whether it came from csv or Excel.
    notes : tuple of str
        Sentences for the reader: the encoding recognised, columns spelled in two ways.
    files : tuple of OneFile
        The files, where there are several.
    """

    table: Any
    columns_as_text: bool
    notes: tuple[str, ...] = ()
    files: tuple[OneFile, ...] = ()


def read_files(
    con: Any,
    table: str,
    paths: Sequence[Path],
    *,
    encoding: str | None = None,
    separator: str | None = None,
    names: Sequence[str] | None = None,
    sheet: str | None = None,
    skip: int = 0,
) -> Raw:
    """Read the files of a table, one below the other, matched by column name.

    Parameters
    ----------
    con : ibis connection
        To DuckDB, where the table will lie.
    table : str
        The table's name, for messages.
    paths : sequence of Path
        Its files, all csv, all Excel or all parquet.
    encoding, separator : str, optional
        Of csv files; otherwise recognised.
    names : sequence of str, optional
        The columns of csv or Excel files without a header line.
    sheet : str, optional
        The sheet of Excel files.
    skip : int
        Lines above the column names of csv or Excel files.

    Returns
    -------
    Raw

    Raises
    ------
    DataError
        If a file cannot be read as it is, or does not fit the others; says which, where, and what
        to do.
    MissingExtraError
        If reading Excel files needs an extra that is not installed.
    """
    import ibis

    paths = list(paths)
    if not paths:
        raise DataError(f"the table {table!r} has no file")
    kind = _one_kind(table, paths)
    stated: dict[str, Any] = {
        "encoding": encoding,
        "separator": separator,
        "names": names,
        "sheet": sheet,
    }
    stated |= {"skip": skip or None}
    _fits_kind(table, kind, {key for key, value in stated.items() if value is not None})
    before = [_state(path) for path in paths]
    notes: tuple[str, ...] = ()
    rows: list[int] = []
    try:
        if kind == "parquet":
            read = paths
            columns, spelled = one_spelling(table, paths, check_schemas(paths))
        elif kind == "csv":
            csvs = [open_csv(path, encoding, separator, names, skip) for path in paths]
            columns, spelled = one_spelling(table, paths, [file.columns for file in csvs])
            notes = _encodings_said(table, paths, [file.recognised for file in csvs])
            alike = [replace(f, columns=c) for f, c in zip(csvs, columns, strict=True)]
            read = [csv_to_parquet(table, alike, rows=rows)]
        else:
            done = [excel_to_parquet(table, path, sheet, names, skip) for path in paths]
            read = [path for path, _ in done]
            columns, spelled = one_spelling(table, paths, [names for _, names in done])
        if len(paths) > 1 and kind != "csv":
            rows = [_rows(path) for path in read]
    except OSError as error:
        _explain(table, error)
    for path, state in zip(paths, before, strict=True):
        if _state(path) != state:
            raise DataError(f"{path.name} changed while it was read; start again when it is whole")
    source = con.read_parquet([str(path) for path in read], union_by_name=len(read) > 1)
    if kind == "parquet":
        source = source.mutate(**{name: ibis.null() for name in _of_no_type(paths)})
    each = zip(paths, columns, rows, strict=True) if len(paths) > 1 else ()
    files = tuple(OneFile(path.name, has, n) for path, has, n in each)
    return Raw(source, kind != "parquet", (*notes, *spelled), files)


def _of_no_type(paths: Sequence[Path]) -> list[str]:
    """Return the columns that hold nulls alone in every file, which the engine calls integers."""
    import pyarrow.parquet as pq

    fields = [field for path in paths for field in pq.read_schema(path)]
    typed = {field.name.lower() for field in fields if _kind(field.type) != "nothing"}
    return list(dict.fromkeys(f.name for f in fields if f.name.lower() not in typed))


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _explain(table: str, error: OSError) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DataError(
            f"no room is left on the disk for reading {table}; make some in the temporary folder, "
            "or point TMPDIR to a larger disk"
        ) from error
    raise DataError(f"{table} cannot be read ({error.strerror or error})") from error


def _state(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror or error})") from error
    return facts.st_size, facts.st_mtime_ns


def _one_kind(table: str, paths: list[Path]) -> str:
    kinds = [kind_of(path) for path in paths]
    other = next((i for i, kind in enumerate(kinds) if kind != kinds[0]), None)
    if other is not None:
        raise DataError(
            f"the files of {table} are of two kinds, {paths[0].name} ({kinds[0]}) and "
            f"{paths[other].name} ({kinds[other]}); bring them into one, or list only those of one "
            "under `files` in shop.toml"
        )
    return kinds[0]


def _fits_kind(table: str, kind: str, stated: set[str]) -> None:
    allowed = {
        "csv": {"encoding", "separator", "names", "skip"},
        "excel": {"names", "sheet", "skip"},
    }
    wrong = sorted(stated - allowed.get(kind, set()))
    if wrong:
        raise DataError(
            f"`{wrong[0]}` does not apply to {table}, whose files are {kind} files; take it out"
        )


def _encodings_said(table: str, paths: list[Path], encodings: list[str]) -> tuple[str, ...]:
    first: dict[str, Path] = {}
    for path, encoding in zip(paths, encodings, strict=True):
        if encoding in ("utf-8", "gb18030"):
            first.setdefault(encoding, path)
    if len(first) > 1:
        raise DataError(
            f"the files of {table} are in different encodings: {first['utf-8'].name} is UTF-8, "
            f"{first['gb18030'].name} is GB18030; bring them into one"
        )
    if "gb18030" not in first:
        return ()
    return (
        f"The encoding of {table} ({first['gb18030'].name}) was recognised as GB18030; if its "
        "text looks wrong, state `encoding` in shop.toml.",
    )
