"""Files of one table that do not have the same columns: other spellings, and columns that lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promolab.errors import DataError

__all__ = ["OneFile", "listed_files", "missing_said", "one_spelling"]

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


def one_spelling(
    table: str, paths: Sequence[Path], columns: Sequence[tuple[str, ...]]
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Spell alike what differs only in case from file to file: the first file's way counts.

    Parameters
    ----------
    table : str
        The table's name.
    paths : sequence of Path
        Its files.
    columns : sequence of tuple of str
        The columns of each.

    Returns
    -------
    columns : list of tuple of str
        The columns of each, spelled alike.
    notes : tuple of str
        Sentences on those that were spelled otherwise.

    Raises
    ------
    DataError
        If two columns of one file differ only in case: the engine could not tell them apart.
    """
    first: dict[str, str] = {}
    others: dict[tuple[str, str], list[str]] = {}
    alike = []
    for path, names in zip(paths, columns, strict=True):
        twins = [name for name, n in Counter(map(str.lower, names)).items() if n > 1]
        if twins:
            both = ", ".join(sorted(name for name in names if name.lower() == twins[0]))
            raise DataError(
                f"{path.name} has columns whose names differ only in case: {both}; rename one"
            )
        spelled = [first.setdefault(name.lower(), name) for name in names]
        alike.append(tuple(spelled))
        for name, known in zip(names, spelled, strict=True):
            if name != known:
                others.setdefault((known, name), []).append(path.name)
    notes = tuple(
        f"{table}: the column {known!r} is spelled {name!r} in {listed_files(where)}; they are "
        "read as one."
        for (known, name), where in others.items()
    )
    return alike, notes


def missing_said(
    table: str, paths: Sequence[Path], columns: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """Say which columns only some of the files have.

    Parameters
    ----------
    table : str
        The table's name.
    paths : sequence of Path
        Its files.
    columns : sequence of tuple of str
        The columns of each, spelled alike.
    """
    sets = [set(names) for names in columns]
    notes = []
    for name in dict.fromkeys(name for names in columns for name in names):
        lacking = [path.name for path, has in zip(paths, sets, strict=True) if name not in has]
        if lacking:
            notes.append(
                f"{table}: {len(lacking)} of {len(paths)} files lack the column {name!r} "
                f"({listed_files(lacking)}); it is empty there."
            )
    return tuple(notes)
