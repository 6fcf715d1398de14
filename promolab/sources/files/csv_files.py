"""Csv files, read exactly as written: every value is text, an empty one is null.

They are parsed once, into a parquet file in the temporary folder, in memory that does not grow with
them: by Arrow where quotes only stand around a value, otherwise by Python's strict parser. Arrow
passes over quotes that do not close; DuckDB lets an extra empty field pass, and in parallel it
stumbles over line breaks inside quotes.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from promolab.engines import scratch
from promolab.errors import DataError
from promolab.sources.files.encodings import (
    CHUNK,
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
"""Values held in memory at a time, of a file with quotes."""

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
    columns = tuple(names or [n.strip() for n in _first_row(path, encoding, separator, skip)])
    if not any(columns):
        raise DataError(
            f"the first line of {path.name} is blank; a csv starts with its column names"
        )
    check_names(f"names = [...] for {path.name}" if names else path.name, columns)
    return Csv(path, encoding, recognised, separator, columns, not names, skip)


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
                    parts = dict(zip(file.columns, part, strict=True))
                    nulls = pa.nulls(len(part[0]), pa.string())
                    arrays = [parts.get(name, nulls) for name in columns]
                    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                    n += len(part[0])
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


def _parts(file: Csv) -> Iterator[list[Any]]:
    """Yield a file's columns, some rows at a time."""
    import pyarrow as pa

    if _is_plain(file):
        try:
            yield from _by_arrow(file)
        except pa.ArrowInvalid:
            deque(_rows(file), maxlen=0)  # names the line
            raise
        return
    rows = _rows(file)
    while part := list(itertools.islice(rows, max(CELLS // len(file.columns), 1))):
        yield [_column(values) for values in zip(*part, strict=True)]


def _rows(file: Csv) -> Iterator[list[str]]:
    """Yield a file's rows by Python's strict parser, and name the line that is wrong."""
    width, skip = len(file.columns), file.skip
    by = "as the first line has" if file.has_header else "as `names` has"
    csv.field_size_limit(LONGEST)
    with lines_of(file.path, file.encoding, skip) as text:
        reader = csv.reader(text, delimiter=file.separator, strict=True)
        line = 1 + skip
        try:
            for number, row in enumerate(reader):
                if row and len(row) != width:
                    raise DataError(
                        f"{file.path.name}, line {line}: {plural(len(row), 'field')} found, "
                        f"{width} expected ({by}); the line is cut short, or a value that holds "
                        f"{file.separator!r} lacks its double quotes"
                    )
                line = reader.line_num + 1 + skip
                if row and (number or not file.has_header):  # a line of nothing is no row
                    yield row
        except csv.Error as error:
            raise DataError(
                f"{file.path.name}, line {line}: a double quote is not closed, or its value goes "
                f"on after it (read on to line {reader.line_num + skip}: {error}); write a quote "
                "inside a value twice"
            ) from error


def _is_plain(file: Csv) -> bool:
    """Tell whether all quotes of a file stand in pairs around a value, none is in one."""
    mark = re.escape(file.separator)
    quoted = re.compile(rf'(?<![^{mark}])"[^"]*"(?![^{mark}\r\n])')
    with lines_of(file.path, file.encoding, file.skip) as lines:
        return all(
            len(line) < CHUNK and ('"' not in line or '"' not in quoted.sub("", line))
            for line in lines
        )


def _by_arrow(file: Csv) -> Iterator[list[Any]]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = [f"c{i}" for i in range(len(file.columns))]  # it would stumble over some of theirs
    reading = arrow.ReadOptions(block_size=8 * CHUNK, column_names=names)
    written = arrow.ParseOptions(delimiter=file.separator, double_quote=False)
    as_text = arrow.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        check_utf8=False,  # it was decoded strictly on its way here
    )
    above = int(file.has_header)
    with lines_of(file.path, file.encoding, file.skip) as text:
        source = pa.PythonFile(text.buffer, mode="r")
        for batch in arrow.open_csv(source, reading, written, as_text):
            yield batch.slice(above).columns
            above = 0
