"""Csv files, read exactly as written: every value is text, an empty one is null.

They are parsed once, straight into a parquet file in the temporary folder, in memory that does not
grow with them. The parser is Arrow's, which is strict about the number of fields; DuckDB's lets an
extra empty one pass, and in parallel it stumbles over line breaks inside quotes.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from promolab.engines import scratch
from promolab.errors import DataError
from promolab.sources.files.encodings import check_stated, known_encoding, recognise, utf8_chunks
from promolab.sources.files.finding import LOOKED_AT, check_titles, title_rows
from promolab.wording import plural


class QuoteWatch:
    """Sees, without parsing, whether quotes stand only where they may.

    A file in which they do is read alike by every parser. Any other may still be right, as
    ``24" screen`` is; ``find_fault`` tells.

    Examples
    --------
    >>> watch = QuoteWatch(",")
    >>> watch.feed(b'1,"a ""quoted"" word"\\n2,"not clo')
    >>> watch.finish()
    True
    """

    def __init__(self, separator: str) -> None:
        self._allowed = b'\r\n"' + separator.encode()[:1]
        self._inside = self._closed_at_end = self.suspicious = False
        self._last = b"\n"

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the file, UTF-8 without byte-order mark."""
        import numpy as np

        if self._closed_at_end and chunk[:1] not in self._allowed:
            self.suspicious = True
        self._closed_at_end = False
        if not self.suspicious and b'"' in chunk:
            around = np.frombuffer(self._last + chunk + b"\n", np.uint8)
            quotes = np.flatnonzero(around[1:-1] == ord('"')) + 1
            opening = (np.arange(len(quotes)) + self._inside) % 2 == 0
            # An opening quote has a separator before it, a closing one behind it; two in a row,
            # inside a value, count as closed and opened again.
            neighbours = around[np.where(opening, quotes - 1, quotes + 1)]
            allowed = np.isin(neighbours, np.frombuffer(self._allowed, np.uint8))
            self.suspicious = not allowed.all()
            self._inside = bool(self._inside ^ (len(quotes) % 2))
            self._closed_at_end = chunk.endswith(b'"') and not self._inside
        self._last = chunk[-1:]

    def finish(self) -> bool:
        """Return whether the file needs a closer look."""
        return self.suspicious or self._inside


class _Bytes(io.RawIOBase):
    """Chunks of bytes as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


def lines_of(path: Path, encoding: str, skip: int = 0) -> io.TextIOWrapper:
    """Return a text file as the ``csv`` module wants it: its line ends untouched."""
    raw = _Bytes(utf8_chunks(path, encoding, skip=skip))
    return io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", newline="")


def find_fault(
    path: Path, encoding: str, separator: str, expected: int, by: str, skip: int = 0
) -> None:
    """Read a csv file slowly and exactly, and raise what is wrong with it first.

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
            # The one loop over rows: it only runs for a file that is already under suspicion.
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


SEPARATORS = ",;\t|"
MOST_COLUMNS = 1000
BLOCK = 8 << 20
"""Bytes parsed at a time; also the longest line that can be read."""

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
    has_rows: bool
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
    row, has_more = _first_row(path, encoding, separator, skip)
    if names is None:
        columns = tuple(name.strip() for name in row)
        if not any(columns):
            raise DataError(
                f"the first line of {path.name} is blank; a csv starts with its column names"
            )
        check_names(path.name, columns)
        return Csv(path, encoding, recognised, separator, columns, True, has_more, skip)
    check_names(f"names = [...] for {path.name}", names)
    has_rows = bool(row) or has_more
    return Csv(path, encoding, recognised, separator, tuple(names), False, has_rows, skip)


def _is_empty(path: Path) -> NoReturn:
    raise DataError(f"{path.name} is empty (0 bytes); a csv starts with its column names")


def _first_line(path: Path, encoding: str, skip: int) -> str:
    with lines_of(path, encoding, skip) as file:
        line = file.readline()
        if not line:
            _is_empty(path)
        while line.count('"') % 2:  # a line break inside quotes
            more = file.readline() if len(line) < BLOCK else ""
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
        lines = [line for line in itertools.islice(file, LOOKED_AT) if len(line) < BLOCK]
    most = max(separators, key=lambda mark: sum(line.count(mark) for line in lines))
    reader = csv.reader(lines, delimiter=most)  # a value in quotes may go on in the next line
    try:
        rows = [(row, reader.line_num) for row in reader]
    except csv.Error:
        return 0
    return (0, *(end for _, end in rows))[title_rows([row for row, _ in rows])]


def _first_row(path: Path, encoding: str, separator: str, skip: int) -> tuple[list[str], bool]:
    with lines_of(path, encoding, skip) as file:
        reader = csv.reader(file, delimiter=separator)
        try:
            return next(reader, []), any(reader)
        except csv.Error as error:
            raise DataError(
                f"the first lines of {path.name} cannot be read ({error}); is a double quote not "
                "closed?"
            ) from error


class _Blocks:
    """A csv file's bytes for Arrow, looked at on their way."""

    closed = False

    def __init__(self, file: Csv, block: int) -> None:
        self.quotes = QuoteWatch(file.separator)
        self._chunks = utf8_chunks(file.path, file.encoding, block, file.skip)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) <= size and (more := next(self._chunks, b"")):
            self.quotes.feed(more)
            self._rest += more
        # Arrow loses the \n of a \r\n inside quotes where a block ends between the two.
        cut = self._rest[size - 1 : size + 1] == b"\r\n"
        block = self._rest[: size - 1 if cut else size]
        self._rest = self._rest[len(block) :]
        return block

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def csv_to_parquet(
    table: str, files: Sequence[Csv], block: int = BLOCK, rows: list[int] | None = None
) -> Path:
    """Write csv files below each other into one parquet file in the temporary folder.

    Parameters
    ----------
    table : str
        What they are a table of.
    files : sequence of Csv
        The files, in order; a column that one lacks is null there.
    block : int
        Bytes parsed at a time.
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
                for batch in _batches(file, block):
                    parts = dict(zip(file.columns, batch.columns, strict=True))
                    nulls = pa.nulls(batch.num_rows, pa.string())
                    arrays = [parts.get(name, nulls) for name in columns]
                    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                    n += batch.num_rows
                if rows is not None:
                    rows.append(n)
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
    return target


def _batches(file: Csv, block: int) -> Iterator[Any]:
    """Yield a file's rows as Arrow batches; what is wrong with it is raised at the latest after."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    if not file.has_rows:
        return
    blocks = _Blocks(file, block)
    # Names of our own: Arrow would stumble over some of theirs.
    names = [f"c{i}" for i in range(len(file.columns))]
    by = "as the first line has" if file.has_header else "as `names` has"
    expected = (file.path, file.encoding, file.separator, len(names), by, file.skip)
    try:
        yield from arrow.open_csv(
            pa.PythonFile(blocks, mode="r"),
            arrow.ReadOptions(
                block_size=block, column_names=names, skip_rows_after_names=int(file.has_header)
            ),
            arrow.ParseOptions(delimiter=file.separator, newlines_in_values=True),
            arrow.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,  # it was decoded strictly on its way here
            ),
        )
    except pa.ArrowInvalid as error:
        find_fault(*expected)
        raise DataError(
            f"{file.path.name} cannot be read ({str(error).splitlines()[0]}); is the file whole?"
        ) from error
    if blocks.quotes.finish():
        find_fault(*expected)
