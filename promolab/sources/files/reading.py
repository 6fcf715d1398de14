"""Files of a table: by its name or by the patterns of shop.toml, and their content as one table."""

from __future__ import annotations

import difflib
import errno
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, NoReturn

from promolab.errors import DataError, nearest
from promolab.sources.files.csv_files import check_names, csv_to_parquet, open_csv
from promolab.sources.files.excel import excel_to_parquet

_SHOWN = 3


@dataclass(frozen=True)
class OneFile:
    """A file among several of one table.

    Parameters
    ----------
    name : str
        The file's.
    columns : tuple of str
        Its columns, spelled as in the table.
    rows : int
        Its rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: int


def listed_files(names: Sequence[str]) -> str:
    """Name some files, and say how many more there are.

    Examples
    --------
    >>> listed_files(["1.csv", "2.csv", "3.csv", "4.csv"])
    '1.csv, 2.csv, 3.csv and 1 more'
    """
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def no_case_twins(table: str, columns: Sequence[str]) -> None:
    """Refuse names that differ only in case: the engine takes them for one.

    Raises
    ------
    DataError
        If two do.
    """
    twins = [name for name, n in Counter(c.lower() for c in columns).items() if n > 1]
    if twins:
        both = ", ".join(sorted(c for c in columns if c.lower() == twins[0]))
        raise DataError(f"{table} has columns whose names differ only in case: {both}; rename one")


def one_spelling(
    paths: Sequence[Path], columns: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Spell alike what differs only in case from file to file: the first file's way counts.

    Parameters
    ----------
    paths : sequence of Path
        A table's files.
    columns : sequence of tuple of str
        The columns of each.

    Returns
    -------
    list of tuple of str
        The columns of each, spelled alike.

    Raises
    ------
    DataError
        If two columns of one file differ only in case: the engine could not tell them apart.
    """
    first: dict[str, str] = {}
    alike = []
    for path, names in zip(paths, columns, strict=True):
        no_case_twins(path.name, names)
        alike.append(tuple(first.setdefault(name.lower(), name) for name in names))
    return alike


KINDS = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
    "excel": (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
}
SUFFIXES = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}
NOT_TABLES = (".txt", ".txt.gz")
"""Read if shop.toml names them, but not a table by their name alone: notes, mostly."""


def kind_of(path: PurePath) -> str:
    """Return ``"csv"``, ``"parquet"`` or ``"excel"``, from a file's name.

    Raises
    ------
    DataError
        If the name ends in anything else.

    Examples
    --------
    >>> kind_of(PurePath("2011/sales.CSV.gz"))
    'csv'
    """
    suffix = _suffix(path)
    if path.name.lower().endswith(".zip"):
        raise DataError(f"{path.name} is a zip archive; unzip it, and give the files in it")
    if suffix is None:
        raise DataError(f"{path.name} cannot be read; expected one of {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


def _suffix(path: PurePath) -> str | None:
    name = path.name.lower()
    # Hidden files, and what Excel writes beside a file that is open.
    if name.startswith((".", "~$")):
        return None
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s)), None)


def find_files(folder: Path, table: str, patterns: str | Sequence[str] | None = None) -> list[Path]:
    """Return the files of a table, sorted by name.

    Parameters
    ----------
    folder : Path
        Where the shop lies.
    table : str
        The table's name.
    patterns : str or sequence of str, optional
        File names or globs inside the folder, each of which must match something. Without them,
        the table's own file (``events.csv`` and the like) or every parquet and csv file in the
        folder of its name; an empty list if there is neither.

    Raises
    ------
    DataError
        If the table lies in two places, a pattern matches nothing, or a file lies outside the
        folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "events.csv").write_text("customer_id,ts,kind\\n")
    ...     [path.name for path in find_files(Path(folder), "events")]
    ['events.csv']
    """
    if patterns is None:
        found = _own_files(folder, table)
    else:
        listed = [patterns] if isinstance(patterns, str) else list(patterns)
        found = [path for pattern in listed for path in _matching(folder, table, pattern)]
    for path in found:
        _stays_inside(folder, path)
    return sorted(set(found), key=lambda path: path.relative_to(folder).as_posix())


def unread_in(folder: Path) -> list[str]:
    """Return sentences on what may hold tables in a folder and is not read from there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "sales.zip").write_bytes(b"PK")
    ...     unread_in(Path(folder))
    ['sales.zip is a zip archive, which is not read; unzip it if it holds a table.']
    """
    said = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        if path.name.lower().endswith(".zip"):
            said.append(
                f"{path.name} is a zip archive, which is not read; unzip it if it holds a table."
            )
        elif _is_duckdb(path):
            said.append(
                f"{path.name} is a DuckDB file, a source by itself; to read it, give that file in "
                "place of its folder."
            )
    return said


def _is_duckdb(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(12)[8:] == b"DUCK"
    except OSError:
        return False


def _own_files(folder: Path, table: str) -> list[Path]:
    places = []
    for path in sorted(folder.iterdir()):
        suffix = _suffix(path)
        if path.is_dir():
            places.append(_files_in(path) if path.name.lower() == table else [])
        elif suffix and suffix not in NOT_TABLES and path.name[: -len(suffix)].lower() == table:
            places.append([path])
    places = [place for place in places if place]
    if len(places) > 1:
        one, other = (p[0] if p[0].parent == folder else p[0].parent for p in places[:2])
        raise DataError(
            f"the table {table!r} lies in two files, {one.name} and {other.name}; keep one"
        )
    return places[0] if places else []


def _files_in(folder: Path) -> list[Path]:
    wanted = set(KINDS["parquet"] + KINDS["csv"]) - set(NOT_TABLES)
    return [p for p in sorted(folder.iterdir()) if _suffix(p) in wanted and not p.is_dir()]


def _matching(folder: Path, table: str, pattern: str) -> list[Path]:
    parts = PurePath(pattern)
    if parts.is_absolute() or ".." in parts.parts or pattern.startswith(("~", "\\")):
        raise DataError(
            f"{table}: files = {pattern!r} leads out of the folder; name files inside it, and copy "
            "there what lies elsewhere"
        )
    named = folder / parts
    if named.is_dir() and parts.parts:
        found = _files_in(named)
    elif named.is_file() or named.is_symlink():  # also a name with brackets in it
        found = [named]
    else:
        try:
            found = [p for p in folder.glob(pattern) if not p.is_dir() and p.name[0] != "."]
        except (ValueError, NotImplementedError, IndexError) as error:
            raise DataError(f"{table}: files = {pattern!r} is no pattern ({error})") from error
    if not found:
        there = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if _suffix(p)]
        close = difflib.get_close_matches(pattern, there, n=1)
        options = nearest(pattern, [*close, *sorted(there)[:20]])
        raise DataError(f"{table}: files = {pattern!r} matches no file; {options}")
    for path in found:
        kind_of(path)
    return found


def _stays_inside(folder: Path, path: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a link to nowhere, or to itself
        raise DataError(f"{path.name} is a link to a file that is not there") from error
    if not target.is_relative_to(folder.resolve()):
        raise DataError(
            f"{path.name} is a link that leads out of the folder; put the file itself there, "
            "or give the folder where it lies"
        )


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
    """One of the source's tables, as it lies there.

    Attributes
    ----------
    table : ibis Table
        From csv and Excel every column is text, exactly as written, an empty value null; from
        parquet the columns have their own types.
    called : str
        What errors call it.
    columns_as_text : bool
        Whether it came from csv or Excel.
    notes : tuple of str
        Sentences for the reader: the encoding recognised.
    files : tuple of OneFile
        The files, where there are several.
    """

    table: Any
    called: str
    columns_as_text: bool = False
    notes: tuple[str, ...] = ()
    files: tuple[OneFile, ...] = ()


def read_files(con: Any, table: str, paths: Sequence[Path], **written: Any) -> Raw:
    """Read the files of a table, one below the other, matched by column name.

    Parameters
    ----------
    con : ibis connection
        To DuckDB, where the table will lie.
    table : str
        The table's name, for messages.
    paths : sequence of Path
        Its files, all csv, all Excel or all parquet.
    **written
        How csv files are written (encoding, separator, names, skip), or Excel files (sheet, names,
        skip): as `open_csv` and `excel_to_parquet` take it; what is not said is recognised.

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
    import pyarrow.parquet as pq

    paths = list(paths)
    if not paths:
        raise DataError(f"the table {table!r} has no file")
    kind = _one_kind(table, paths)
    _fits_kind(table, kind, written)
    before = [_state(path) for path in paths]
    notes: tuple[str, ...] = ()
    rows: list[int] = []
    try:
        if kind == "parquet":
            read = paths
            columns = one_spelling(paths, check_schemas(paths))
        elif kind == "csv":
            csvs = [open_csv(path, **written) for path in paths]
            columns = one_spelling(paths, [file.columns for file in csvs])
            notes = _encodings_said(table, paths, [file.recognised for file in csvs])
            alike = [replace(f, columns=c) for f, c in zip(csvs, columns, strict=True)]
            read = [csv_to_parquet(table, alike, rows=rows)]
        else:
            done = [excel_to_parquet(table, path, **written) for path in paths]
            read = [path for path, _ in done]
            columns = one_spelling(paths, [names for _, names in done])
        if len(paths) > 1 and kind != "csv":
            rows = [int(pq.read_metadata(path).num_rows) for path in read]
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
    called = paths[0].name if len(paths) == 1 else f"{paths[0].name} and the like"
    return Raw(source, called, kind != "parquet", notes, files)


def _of_no_type(paths: Sequence[Path]) -> list[str]:
    """Return the columns that hold nulls alone in every file, which the engine calls integers."""
    import pyarrow.parquet as pq

    fields = [field for path in paths for field in pq.read_schema(path)]
    typed = {field.name.lower() for field in fields if _kind(field.type) != "nothing"}
    return list(dict.fromkeys(f.name for f in fields if f.name.lower() not in typed))


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


def _fits_kind(table: str, kind: str, written: Mapping[str, Any]) -> None:
    allowed = {
        "csv": {"encoding", "separator", "names", "skip"},
        "excel": {"names", "sheet", "skip"},
    }
    wrong = sorted({*written} - allowed.get(kind, set()))
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
