"""Which encoding a text file is in: UTF-8 and GB18030 are recognised, anything else must be stated.

A wrong guess is worse than none: the strict decoder of GB18030 also reads much of Latin-1, so that
the characters must be plausible as well as the bytes valid.
"""

from __future__ import annotations

import codecs
import difflib
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from promolab.errors import DataError

CHUNK = 1 << 20
LONGEST_LINE = 16 * CHUNK

EXAMPLES = (
    'encoding = "latin-1" (Western Europe), "cp1250" (Central Europe), "cp1251" (Cyrillic), '
    '"cp1253" (Greek), "big5", "shift_jis", "euc_kr" …'
)

GB_CHARACTER = re.compile(rb"[\x81-\xfe](?:[\x40-\x7e\x80-\xfe]|[\x30-\x39][\x81-\xfe][\x30-\x39])")
GB_COMMON = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
"""Punctuation, full-width forms, and the 3,755 everyday characters of GB 2312's first level."""

CONTROLS = re.compile(rb"[\x80-\x9f]")
"""No characters in ISO 8859, characters in Windows' code pages."""

COMMON_SHARE = 0.7
SAMPLE = 64 * CHUNK
ENOUGH_CHARACTERS = 12
"""With so many different characters, Chinese text has some from both ends of the alphabet."""


def known_encoding(name: str) -> str:
    """Return Python's name of an encoding that somebody stated.

    Raises
    ------
    DataError
        If Python has no text encoding of this name.

    Examples
    --------
    >>> known_encoding("Latin-1"), known_encoding("GBK")
    ('iso8859-1', 'gbk')
    """
    from encodings.aliases import aliases

    try:
        "a".encode(name)  # also refuses codecs that are not of text, such as base64
        return codecs.lookup(name).name
    except (LookupError, ValueError, TypeError):
        known = {n.replace("_", "-") for n in (*aliases, *aliases.values())}
        close = difflib.get_close_matches(str(name).lower().replace("_", "-"), sorted(known), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(f"encoding = {name!r} is not known; {hint}Examples: {EXAMPLES}") from None


def raw_chunks(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """Yield a file's bytes, unzipped if its name ends in ``.gz``.

    Raises
    ------
    DataError
        If the file cannot be read, or is no whole gzip file.
    """
    zipped = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            while chunk := file.read(size):
                yield chunk
    except EOFError as error:
        raise DataError(
            f"{path.name} cannot be read: its compressed content ends too early; is the file "
            "whole? Copy or export it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path.name} cannot be read as gzip ({error}); is the file whole?"
        ) from error
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror or error})") from error


class Bytes(io.RawIOBase):
    """Chunks of bytes as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        """Return whether it can be read: it can."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return with how many bytes."""
        self._rest = self._rest or next(self._chunks, b"")
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


def check_stated(path: Path, stated: str, encoding: str) -> None:
    """Refuse a stated encoding that a file cannot be in, though every byte would decode.

    Parameters
    ----------
    path : Path
        The file.
    stated, encoding : str
        What ``shop.toml`` says, and Python's name of it.

    Raises
    ------
    DataError
        If what is not ASCII is UTF-8 throughout (no text of another encoding is, but by chance), or
        holds control characters where the encoding's Windows kin has letters and quotes.
    """
    if encoding.startswith(("utf", "ascii")):
        return
    decoder, beyond = codecs.getincrementaldecoder("utf-8")(), 0
    controls, is_utf8 = 0, True
    for chunk in _then_the_end(raw_chunks(path)):
        if is_utf8:
            try:
                beyond += sum(c > "\x7f" for c in set(decoder.decode(chunk, final=not chunk)))
            except UnicodeDecodeError:
                is_utf8 = False
        if encoding.startswith("iso8859"):
            controls += len(CONTROLS.findall(chunk))
        elif not is_utf8:
            return
    if is_utf8 and beyond:
        raise DataError(
            f"{path.name} is stated to be {stated}, but it is UTF-8: read as {stated}, its letters "
            "beyond ASCII would turn into others; take `encoding` out of shop.toml"
        )
    if controls:
        raise DataError(
            f"{path.name} is stated to be {stated}, but {controls:,} of its bytes (0x80 to 0x9F) "
            f"are no characters of {stated}; they are letters, quotes or the euro sign of Windows: "
            'is it encoding = "cp1252"?'
        )


def utf8_chunks(path: Path, encoding: str, size: int = CHUNK, skip: int = 0) -> Iterator[bytes]:
    """Yield a text file's content as UTF-8 without byte-order mark, strictly decoded.

    Parameters
    ----------
    path : Path
        The file; unzipped on the way if its name ends in ``.gz``.
    encoding : str
        Its encoding, one that Python knows.
    size : int
        Bytes read at a time.
    skip : int
        Lines to leave out at its beginning.

    Raises
    ------
    DataError
        If a byte is not of this encoding, or the text holds a NUL.
    """
    chunks = _decoded(path, encoding, size)
    head = b""
    while skip:
        more = next(chunks, b"")
        head += more
        lines = head.splitlines(keepends=True)
        if len(lines) > skip or not more:
            yield b"".join(lines[skip:])
            break
    yield from chunks


class _DecodingError(DataError):
    """A byte that does not belong to an encoding, and its line."""

    def __init__(self, said: str, line: int, byte: int) -> None:
        super().__init__(said)
        self.line, self.byte = line, byte


def _decoded(path: Path, encoding: str, size: int = CHUNK) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line, first = 1, True
    for chunk in _then_the_end(raw_chunks(path, size)):
        utf8 = encoding == "utf-8"
        text = chunk if utf8 else _decode(decoder, chunk, path, encoding, line).encode()
        if first and text:
            text, first = text.removeprefix(codecs.BOM_UTF8), False
        if b"\0" in text:
            _holds_nul(path, encoding, line + text.count(b"\n", 0, text.index(b"\0")))
        if utf8 and (not chunk.isascii() or not chunk or decoder.getstate()[0]):
            _decode(decoder, chunk, path, encoding, line)  # to check; the bytes stay as they are
        line += text.count(b"\n")
        if text:
            yield text


def _then_the_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from chunks
    yield b""


def _decode(
    decoder: codecs.IncrementalDecoder, chunk: bytes, path: Path, encoding: str, line: int
) -> str:
    state = decoder.getstate()
    try:
        return decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        # What the decoder held back from the chunk before comes first in the bytes it names.
        held_back = len(error.object) - len(chunk)
        decoder.setstate(state)
        line += decoder.decode(chunk[: max(error.start - held_back, 0)]).count("\n")
        byte = error.object[error.start]
        raise _DecodingError(
            f"{path.name} is not {encoding} throughout: line {line} holds the byte 0x{byte:02X}, "
            f"which does not belong there; state the file's encoding in shop.toml, e.g. {EXAMPLES}",
            line,
            byte,
        ) from error


def _holds_nul(path: Path, encoding: str, line: int) -> NoReturn:
    wide = encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
    hint = "" if wide else ', or, if the file is UTF-16, write encoding = "utf-16-le" in shop.toml'
    raise DataError(
        f"{path.name} holds a NUL byte in line {line}, which no text does; export it again{hint}"
    )


def recognise(path: Path) -> str:
    """Return ``"ascii"``, ``"utf-8"`` or ``"gb18030"``: what a file is in, beyond doubt.

    Raises
    ------
    DataError
        If it is in anything else, or in two encodings; names the lines that show it.
    """
    start = next(raw_chunks(path, 4), b"")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(
            f'{path.name} looks like UTF-16; write encoding = "utf-16" in shop.toml '
            "(in this table's section)"
        )
    ascii_only = not start.startswith(codecs.BOM_UTF8)
    try:
        for chunk in _decoded(path, "utf-8"):
            ascii_only = ascii_only and chunk.isascii()
    except _DecodingError as error:
        return _other_than_utf8(path, error.line, error.byte)
    return "ascii" if ascii_only else "utf-8"


def _other_than_utf8(path: Path, bad_line: int, bad_byte: int) -> str:
    seen: Counter[bytes] = Counter()
    decodes, sampled = True, 0
    utf8_line = sure_line = 0
    with io.BufferedReader(Bytes(raw_chunks(path))) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if line.isascii():
                continue
            decodes = decodes and _is(line, "gb18030")
            if sampled < SAMPLE:
                seen.update(GB_CHARACTER.findall(line))
                sampled += len(line)
            if _is(line, "utf-8"):
                utf8_line = utf8_line or number
                # Chinese bytes that happen to be UTF-8 as well are one character, or hardly more.
                wide = max(line.decode()) >= "\u0800"
                likely = _share_common(Counter(GB_CHARACTER.findall(line))) >= COMMON_SHARE
                if wide and not (likely and _is(line, "gb18030")):
                    sure_line = number
            if sure_line or (utf8_line and not decodes):
                break
    chinese = decodes and _chinese(seen)
    mixed_at = sure_line or (0 if chinese else utf8_line)
    if mixed_at:
        raise DataError(
            f"{path.name} mixes encodings: line {mixed_at} is UTF-8, line {bad_line} is not (the "
            f"byte 0x{bad_byte:02X}); bring the whole file into one encoding, or state the one "
            f"that it is in in shop.toml, e.g. {EXAMPLES}"
        )
    if chinese:
        return "gb18030"
    raise DataError(
        f"{path.name} is neither UTF-8 nor GB18030: line {bad_line} holds the byte "
        f"0x{bad_byte:02X}, which is not UTF-8; state the encoding in shop.toml, e.g. {EXAMPLES}"
    )


def _is(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _share_common(seen: Counter[bytes]) -> float:
    common = sum(n for character, n in seen.items() if GB_COMMON.fullmatch(character))
    return common / max(sum(seen.values()), 1)


def _chinese(seen: Counter[bytes]) -> bool:
    """Say whether characters are those of Chinese text, not of another's that decodes as such."""
    if not seen or _share_common(seen) < COMMON_SHARE:
        return False
    # GB 2312 sorts its everyday characters by sound, over the first bytes B0 to D7. Korean (EUC-KR)
    # ends at C8, and capital letters in Cyrillic or Greek begin at C0.
    leads = [c[0] for c in seen if GB_COMMON.fullmatch(c) and c[0] >= 0xB0]
    if len(leads) < ENOUGH_CHARACTERS:
        return True
    early, late = sum(b < 0xC0 for b in leads), sum(b > 0xC8 for b in leads)
    return min(early, late) >= 0.05 * len(leads)
