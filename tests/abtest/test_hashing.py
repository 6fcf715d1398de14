"""The hash is the published one, whatever the length, the script or the cut of the column."""

import numpy as np
import pyarrow as pa
import pytest

from promolab.abtest.hashing import ROWS_AT_ONCE, key_of, siphash

FIRST_BYTES = bytes(range(16))
WORD = (1 << 64) - 1


def column(texts) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def by_the_book(message: bytes, key: bytes) -> int:
    """SipHash-2-4 with Python's whole numbers, line by line as Aumasson & Bernstein write it."""

    def turn(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (64 - bits))) & WORD

    def one_round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
        a, c = (a + b) & WORD, (c + d) & WORD
        b, d = turn(b, 13) ^ a, turn(d, 16) ^ c
        a = turn(a, 32)
        c, a = (c + b) & WORD, (a + d) & WORD
        b, d = turn(b, 17) ^ c, turn(d, 21) ^ a
        return a, b, turn(c, 32), d

    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        a, b, c, d = one_round(*one_round(a, b, c, d ^ word))
        a ^= word
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = one_round(a, b, c, d)
    return a ^ b ^ c ^ d


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        # The vectors that come with the reference implementation; 15 bytes stand in the paper.
        (0, 0x726FDB47DD0E0E31),
        (1, 0x74F839C593DC67FD),
        (7, 0xAB0200F58B01D137),
        (8, 0x93F5F5799A932462),
        (15, 0xA129CA6149BE45E5),
        (63, 0x958A324CEB064572),
    ],
)
def test_the_published_vectors(length, expected):
    text = bytes(range(length)).decode("ascii")
    assert int(siphash(column([text]), FIRST_BYTES)[0]) == expected
    assert by_the_book(bytes(range(length)), FIRST_BYTES) == expected


def test_texts_of_every_length_agree_with_the_book_and_every_bit_is_a_fair_coin():
    rng = np.random.default_rng(0)
    lengths, letters = rng.integers(0, 300, 500), rng.integers(33, 0xD000, 500)
    texts = ["x" * int(n) + chr(int(c)) for n, c in zip(lengths, letters, strict=True)]
    key = key_of("customer", "0", "spring")
    expected = [by_the_book(text.encode(), key) for text in texts]
    assert siphash(column(texts), key).tolist() == expected
    cut = pa.chunked_array([column(texts[:7]).chunk(0), column(texts).chunk(0).slice(7)])
    assert siphash(cut, key).tolist() == expected
    texts = [str(i) * (1 + i % 5) for i in range(ROWS_AT_ONCE + 3)]
    whole = siphash(column(texts), FIRST_BYTES)
    for i in (0, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 2):
        assert int(whole[i]) == by_the_book(texts[i].encode(), FIRST_BYTES)
    assert len(siphash(pa.chunked_array([], pa.large_string()), FIRST_BYTES)) == 0
    hashed = siphash(column([str(i) for i in range(20_000)]), FIRST_BYTES)
    ones = [int(np.count_nonzero((hashed >> np.uint64(bit)) & np.uint64(1))) for bit in range(64)]
    assert np.abs(np.array(ones) - 10_000).max() < 4.5 * np.sqrt(20_000 / 4)
