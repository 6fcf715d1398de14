"""Csv files, read exactly as written: every value is text, an empty one is null.

They are parsed once, by Python's strict parser, into a parquet file in the temporary folder, in
memory that does not grow with them. Arrow's passes over quotes that do not close; DuckDB's lets an
extra empty field pass, and in parallel it stumbles over line breaks inside quotes.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from promolab.engines import scratch
from promolab.errors import DataError
from promolab.sources.files.encodings import (
    Bytes,
    check_stated,
    known_encoding,
    recognise,
    utf8_chunks,
)
from promolab.wording import plural


def lines_of(path: Path, encoding: str, skip: int = 0) -> io.TextIOWrapper:
    """Return a text file as the ``csv`` module wants it: its line ends untouched."""
    raw = Bytes(utf8_chunks(path, encoding, skip=skip))
    return io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", newline="")


def find_fault(
    path: Path, encoding: str, separator: str, expected: int, by: str, skip: int = 0
) -> None:
    """Read a csv file row by row, and raise what is wrong with it first.

    Parameters
    ----------
    path : Path
        The file.
    encoding, separator : str
        How it is written.
    expected : int
        Fields that a line must have.
    by : str
        What says so, for the message.
    skip : int
        Lines above the one with the column names.

    Raises
    ------
    DataError
        Names the line, the fields found and expected, and what to do. Nothing is raised for a
        file that is right.
    """
    with lines_of(path, encoding, skip) as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        line = 1 + skip
        try:
            # The one loop over rows: it only runs for a file that is known to be damaged.
            for row in reader:
                if row and len(row) != expected:
                    raise DataError(
                        f"{path.name}, line {line}: {plural(len(row), 'field')} found, {expected} "
                        f"expected ({by}); the line is cut short, or a value that holds "
                        f"{separator!r} lacks its double quotes"
                    )
                line = reader.line_num + 1 + skip
        except csv.Error as error:
            raise DataError(
                f"{path.name}, line {line}: a double quote is not closed, or its value goes on "
                f"after it (read on to line {reader.line_num + skip}: {error}); write a quote "
                "inside a value twice"
            ) from error


LOOKED_AT = 30
"""Rows of a file that are looked at."""

_NUMBER = re.compile(r"[\d\s.,:/%+-]+")


def title_rows(rows: Sequence[Sequence[str | None]]) -> int:
    """Return how many rows stand above the one that holds the column names.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first rows of a file, split into fields.

    Returns
    -------
    int
        0 where the first row may hold the names, or where none does.

    Examples
    --------
    >>> title_rows([["Sales report"], [], ["id", "amount"], ["7", "9.95"], ["8", "3.00"]])
    2
    >>> title_rows([["", "id", "amount"], ["0", "7", "9.95"]])  # a column without a name
    0
    """
    width = Counter(map(len, rows[len(rows) // 2 :])).most_common(1)[0][0] if rows else 0
    for above, row in enumerate(rows):
        names = [cell.strip() for cell in row if cell and cell.strip()]
        if len(names) == len(row) == width > 1:
            plain = len(set(names)) == width and not any(map(_NUMBER.fullmatch, names))
            return above if plain and _holds_numbers(rows[above + 1 :], width) else 0
        if len(row) == width and len(names) > width // 2:
            return 0
    return 0


def _holds_numbers(rows: Sequence[Sequence[str | None]], width: int) -> bool:
    """Tell whether a column is numbers or dates throughout: its name stands above them."""
    whole = [[(cell or "").strip() for cell in row] for row in rows if len(row) == width]
    columns = ([cell for cell in column if cell] for column in zip(*whole, strict=True))
    return any(column and all(map(_NUMBER.fullmatch, column)) for column in columns)


def check_titles(where: str, above: int) -> None:
    """Refuse a file whose first rows are a title, and say which key skips them.

    Parameters
    ----------
    where : str
        The file, or its sheet.
    above : int
        Of `title_rows`.

    Raises
    ------
    DataError
        If there is one.
    """
    if above:
        lines = "first line looks" if above == 1 else f"first {above} lines look"
        raise DataError(
            f"the {lines} like a title: {where} has its column names in line {above + 1}; write "
            f"skip = {above} in this table's section of shop.toml"
        )


SEPARATORS = ",;\t|"
MOST_COLUMNS = 1000
LONGEST = 8 << 20
"""Characters that a first line, or a value, may have."""
CELLS = 500_000
"""Values held in memory at a time."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Csv:
    """A csv file, and how it is written."""

    path: Path
    encoding: str
    recognised: str  # "ascii", "utf-8" or "gb18030"; empty if the encoding was stated
    separator: str
    columns: tuple[str, ...]
    has_header: bool
    skip: int = 0  # lines above the column names


def new_file(stem: str) -> Path:
    """Return the path of a parquet file that is not there yet, in the temporary folder."""
    return scratch() / f"{stem}-{next(_numbers)}.parquet"


def check_names(file: str, names: Sequence[str]) -> None:
    """Raise a DataError unless a file's column names are there, differ, and are not too many."""
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{file} has {len(names):,} columns; at most {MOST_COLUMNS:,} are read: leave out "
            "those that are not needed, or turn columns into rows"
        )
    empty = next((i for i, name in enumerate(names, start=1) if not name), None)
    if empty:
        raise DataError(f"column {empty} of {file} has no name; give it one in the first line")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise DataError(f"{file} has two columns called {twice!r}; rename one")


def open_csv(
    path: Path,
    encoding: str | None = None,
    separator: str | None = None,
    names: Sequence[str] | None = None,
    skip: int = 0,
) -> Csv:
    """Find out how a csv file is written, from its bytes and its first line.

    Parameters
    ----------
    path : Path
        The file; unzipped on the way if its name ends in ``.gz``.
    encoding : str, optional
        What it is in; otherwise UTF-8 and GB18030 are recognised.
    separator : str, optional
        Between its fields; otherwise the one of ``, ; tab |`` that is most frequent outside quotes
        in the first line.
    names : sequence of str, optional
        The columns of a file that has no header line.
    skip : int
        Lines at its beginning that are none of the table's, such as a title.

    Raises
    ------
    DataError
        If it is empty, in an unknown encoding or another than stated, starts with a title that is
        not skipped, or its columns are not to be told apart.
    """
    if path.stat().st_size == 0:
        _is_empty(path)
    recognised = "" if encoding else recognise(path)
    stated, encoding = encoding, recognised.replace("ascii", "utf-8")
    if stated:
        encoding = known_encoding(stated)
        check_stated(path, stated, encoding)
    if separator is not None and (len(separator.encode()) != 1 or separator in '"\r\n'):
        raise DataError(
            f'separator = {separator!r} must be one plain character, such as ";" or "\\t" (a tab)'
        )
    first_line = _first_line(path, encoding, skip)
    if names is None and not skip:
        check_titles(path.name, _title_lines(path, encoding, separator or SEPARATORS))
    separator = separator or _most_frequent(first_line)
    row = _first_row(path, encoding, separator, skip)
    if names is None:
        columns = tuple(name.strip() for name in row)
        if not any(columns):
            raise DataError(
                f"the first line of {path.name} is blank; a csv starts with its column names"
            )
        check_names(path.name, columns)
        return Csv(path, encoding, recognised, separator, columns, True, skip)
    check_names(f"names = [...] for {path.name}", names)
    return Csv(path, encoding, recognised, separator, tuple(names), False, skip)


def _is_empty(path: Path) -> NoReturn:
    raise DataError(f"{path.name} is empty (0 bytes); a csv starts with its column names")


def _first_line(path: Path, encoding: str, skip: int) -> str:
    with lines_of(path, encoding, skip) as file:
        line = file.readline()
        if not line:
            _is_empty(path)
        while line.count('"') % 2:  # a line break inside quotes
            more = file.readline() if len(line) < LONGEST else ""
            if not more:
                break
            line += more
    return line


def _most_frequent(line: str) -> str:
    """Return the separator that a line holds most often outside quotes.

    Examples
    --------
    >>> _most_frequent('id;"last, first, middle";city')
    ';'
    """
    bare = re.sub(r'"[^"]*"', "", line)
    return max(SEPARATORS, key=bare.count)


def _title_lines(path: Path, encoding: str, separators: str) -> int:
    """Return how many lines stand above the column names: by the separator that splits most."""
    with lines_of(path, encoding) as file:
        lines = [line for line in itertools.islice(file, LOOKED_AT) if len(line) < LONGEST]
    most = max(separators, key=lambda mark: sum(line.count(mark) for line in lines))
    reader = csv.reader(lines, delimiter=most)  # a value in quotes may go on in the next line
    try:
        rows = [(row, reader.line_num) for row in reader]
    except csv.Error:
        return 0
    return (0, *(end for _, end in rows))[title_rows([row for row, _ in rows])]


def _first_row(path: Path, encoding: str, separator: str, skip: int) -> list[str]:
    with lines_of(path, encoding, skip) as file:
        try:
            return next(csv.reader(file, delimiter=separator), [])
        except csv.Error as error:
            raise DataError(
                f"the first lines of {path.name} cannot be read ({error}); is a double quote not "
                "closed?"
            ) from error


def csv_to_parquet(table: str, files: Sequence[Csv], rows: list[int] | None = None) -> Path:
    """Write csv files below each other into one parquet file in the temporary folder.

    Parameters
    ----------
    table : str
        What they are a table of.
    files : sequence of Csv
        The files, in order; a column that one lacks is null there.
    rows : list of int, optional
        Is given the number of rows of each file.

    Returns
    -------
    Path
        The file; all its columns are text.

    Raises
    ------
    DataError
        If a file is damaged, names the line.
    OSError
        If the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(dict.fromkeys(name for file in files for name in file.columns))
    schema = pa.schema([(name, pa.string()) for name in columns])
    target = new_file(table)
    try:
        with pq.ParquetWriter(target, schema) as writer:
            for file in files:
                n = 0
                for part in _parts(file):
                    values = zip(*part, strict=True)
                    parts = {name: _column(v) for name, v in zip(file.columns, values, strict=True)}
                    nulls = pa.nulls(len(part), pa.string())
                    arrays = [parts.get(name, nulls) for name in columns]
                    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                    n += len(part)
                if rows is not None:
                    rows.append(n)
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
    return target


def _column(values: Sequence[str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array(values, pa.string())
    return pc.replace_with_mask(column, pc.equal(column, ""), pa.scalar(None, pa.string()))


def _parts(file: Csv) -> Iterator[list[list[str]]]:
    """Yield a file's rows, some at a time."""
    width = len(file.columns)
    by = "as the first line has" if file.has_header else "as `names` has"
    csv.field_size_limit(LONGEST)
    with lines_of(file.path, file.encoding, file.skip) as text:
        reader = csv.reader(text, delimiter=file.separator, strict=True)
        try:
            if file.has_header:
                next(reader)
            while part := list(itertools.islice(reader, max(CELLS // width, 1))):
                if not {*map(len, part)} <= {width}:
                    part = [row for row in part if row]  # lines of nothing are no rows
                    if not {*map(len, part)} <= {width}:
                        raise csv.Error
                if part:
                    yield part
        except csv.Error:
            find_fault(file.path, file.encoding, file.separator, width, by, file.skip)
            raise
