"""A keyed 64-bit hash of many texts at once: SipHash-2-4, the same everywhere and for good.

Python's own hash changes with each process, pandas hashes numbers without a key, and DuckDB may
change its hash with any version. SipHash-2-4 is published with test vectors and comes with many
languages, so that an assignment can be checked, or made again, without promolab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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


ROWS_AT_ONCE = 1 << 14  # the state of so many texts stays in the processor's cache
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def key_of(*parts: str) -> bytes:
    """Return a key of 16 bytes: the first half of SHA-256 of the parts, joined by colons.

    Examples
    --------
    >>> key_of("customer", "0", "spring").hex()
    '0ac37358f7c8b6fa3edd0306fa6ccfd1'
    """
    return hashlib.sha256(":".join(parts).encode("utf-8")).digest()[:16]


def siphash(texts: pa.ChunkedArray, key: bytes) -> np.ndarray:
    """Return SipHash-2-4 of the UTF-8 bytes of each text.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray of large_string, n values
        A missing text is hashed as the empty one.
    key : bytes
        16 of them.

    Returns
    -------
    ndarray of uint64, shape (n,)

    References
    ----------
    Aumasson & Bernstein (2012), SipHash: a fast short-input PRF, INDOCRYPT.

    Examples
    --------
    >>> import pyarrow as pa
    >>> texts = pa.chunked_array([pa.array(["", "7"], pa.large_string())])
    >>> [hex(value) for value in siphash(texts, bytes(range(16)))][0]
    '0x726fdb47dd0e0e31'
    """
    hashed = np.empty(len(texts), dtype=np.uint64)
    begun = 0
    for content, offsets in _blocks(texts):
        rows = len(offsets) - 1
        hashed[begun : begun + rows] = _hash_block(content, offsets, key)
        begun += rows
    return hashed


def _blocks(texts: pa.ChunkedArray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the bytes of some rows, eight zeros behind them, and where each row begins and ends."""
    for chunk in texts.chunks:
        if not len(chunk):
            continue
        _, where, data = chunk.buffers()
        everything = np.frombuffer(data or b"", dtype=np.uint8)
        ends = np.frombuffer(where, dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        for first in range(0, len(chunk), ROWS_AT_ONCE):
            offsets = ends[first : first + ROWS_AT_ONCE + 1]
            content = np.zeros(offsets[-1] - offsets[0] + 8, dtype=np.uint8)
            content[:-8] = everything[offsets[0] : offsets[-1]]
            yield content, offsets - offsets[0]


def _hash_block(content: np.ndarray, offsets: np.ndarray, key: bytes) -> np.ndarray:
    # Eight bytes as one number from every position on: each byte begins a word.
    words: Any = np.ndarray((len(content) - 7,), dtype="<u8", buffer=content.data, strides=(1,))
    start, length = offsets[:-1], np.diff(offsets)
    whole = length >> 3
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    state = np.empty((4, len(start)), dtype=np.uint64)
    for row, (initial, half) in enumerate(zip(_START, (k0, k1, k0, k1), strict=True)):
        state[row] = initial ^ half
    for position in range(int(whole.max())):
        rows = np.flatnonzero(whole > position)
        some = state[:, rows] if len(rows) < len(start) else state
        _compress(some, words[start[rows] + 8 * position].astype(np.uint64))
        if some is not state:
            state[:, rows] = some
    left = (8 * (length & 7)).astype(np.uint64)
    last = words[start + 8 * whole].astype(np.uint64) & ((np.uint64(1) << left) - np.uint64(1))
    _compress(state, last | (length.astype(np.uint64) << np.uint64(56)))
    state[2] ^= np.uint64(0xFF)
    _rounds(state, 4)
    return np.asarray(state[0] ^ state[1] ^ state[2] ^ state[3])


def _compress(state: np.ndarray, word: np.ndarray) -> None:
    state[3] ^= word
    _rounds(state, 2)
    state[0] ^= word


def _rounds(state: np.ndarray, times: int) -> None:
    v0, v1, v2, v3 = state
    spare = np.empty_like(v0)
    for _ in range(times):
        v0 += v1
        v2 += v3
        _rotate(v1, 13, spare)
        _rotate(v3, 16, spare)
        v1 ^= v0
        v3 ^= v2
        _rotate(v0, 32, spare)
        v2 += v1
        v0 += v3
        _rotate(v1, 17, spare)
        _rotate(v3, 21, spare)
        v1 ^= v2
        v3 ^= v0
        _rotate(v2, 32, spare)


def _rotate(value: np.ndarray, bits: int, spare: np.ndarray) -> None:
    np.left_shift(value, np.uint64(bits), out=spare)
    np.right_shift(value, np.uint64(64 - bits), out=value)
    np.bitwise_or(value, spare, out=value)
