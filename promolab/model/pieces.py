"""Work on pieces of rows, or on columns, shared out over threads; numpy lets them run at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["by_pieces", "each"]

Given = TypeVar("Given")
Found = TypeVar("Found")

ROWS = 4_096
"""Rows in a piece: some 20 columns of so many stay in a core's cache."""
WORTH_THREADS = 50_000
"""Rows from which on starting threads takes less time than they save."""


def by_pieces(work: Callable[[slice], object], n: int) -> None:
    """Call ``work`` with consecutive slices of n rows; each does its own rows and no others.

    Examples
    --------
    >>> found = [0] * 3
    >>> by_pieces(lambda part: found.__setitem__(part, [1] * len(found[part])), 3)
    >>> found
    [1, 1, 1]
    """
    each(work, (slice(i, min(i + ROWS, n)) for i in range(0, n, ROWS)), n)


def each(work: Callable[[Given], Found], todo: Iterable[Given], n: int) -> list[Found]:
    """Return what ``work`` makes of each, in order: on several threads where n rows are worth it.

    What each finds must not depend on the others, so that the number of threads changes nothing.

    Examples
    --------
    >>> each(abs, [-1, 2], n=2)
    [1, 2]
    """
    from joblib import cpu_count

    threads = cpu_count() if n >= WORTH_THREADS else 1
    if threads == 1:
        return list(map(work, todo))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, todo))
