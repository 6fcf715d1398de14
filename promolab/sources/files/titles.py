"""Lines above the column names, such as a report's title: seen and named, never guessed away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from promolab.errors import DataError

__all__ = ["LOOKED_AT", "check_titles", "title_rows"]

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
    whole = [row for row in rows if len(row) == width]
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
