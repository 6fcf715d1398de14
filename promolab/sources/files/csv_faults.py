"""What is wrong with a csv file, and in which line: quotes, and lines of another length."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promolab.errors import DataError
from promolab.sources.files.encodings import utf8_chunks

__all__ = ["QuoteWatch", "find_fault", "lines_of"]


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
                    raise DataError(_wrong_length(path, line, row, expected, by, separator))
                line = reader.line_num + 1 + skip
        except csv.Error as error:
            raise DataError(_wrong_quote(path, line, reader.line_num + skip, str(error))) from error


def _wrong_length(
    path: Path, line: int, row: list[str], expected: int, by: str, separator: str
) -> str:
    found = f"{path.name}, line {line}: {len(row)} {'field' if len(row) == 1 else 'fields'} found"
    wanted = f"{found}, {expected} expected ({by})"
    if len(row) < expected:
        return f"{wanted}; the line is cut short or lacks a {_said(separator)}: complete it"
    return (
        f"{wanted}; a value that holds a {_said(separator)} must stand in double quotes: add them, "
        f"or take the extra {_said(separator)} out"
    )


def _said(separator: str) -> str:
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
    return names.get(separator, repr(separator))


def _wrong_quote(path: Path, line: int, end: int, error: str) -> str:
    where = f"{path.name}, line {line}"
    if "unexpected end" in error or "field larger" in error:
        return (
            f"{where}: a double quote opens a value that is not closed (read on to line {end}); "
            "close it, or write a quote inside a value twice"
        )
    if "expected after" in error:
        return (
            f"{where}: a value in double quotes goes on after its closing quote; write a quote "
            "inside a value twice"
        )
    return f"{where} cannot be read ({error}); is it text?"
