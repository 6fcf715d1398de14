"""Which files of a folder are a table's: by the table's name, or by the patterns of shop.toml."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from promolab.errors import DataError, nearest

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


def no_case_twins(table: str, columns: Sequence[str]) -> None:
    """Refuse names that differ only in case: the engine takes them for one.

    Raises
    ------
    DataError
        If two do.
    """
    twins = [name for name, n in Counter(c.lower() for c in columns).items() if n > 1]
    if twins:
        both = ", ".join(sorted(c for c in columns if c.lower() == twins[0]))
        raise DataError(f"{table} has columns whose names differ only in case: {both}; rename one")


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
        no_case_twins(path.name, names)
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


KINDS = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
    "excel": (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
}
SUFFIXES = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}
NOT_TABLES = (".txt", ".txt.gz")
"""Read if shop.toml names them, but not a table by their name alone: notes, mostly."""


def kind_of(path: PurePath) -> str:
    """Return ``"csv"``, ``"parquet"`` or ``"excel"``, from a file's name.

    Raises
    ------
    DataError
        If the name ends in anything else.

    Examples
    --------
    >>> kind_of(PurePath("2011/sales.CSV.gz"))
    'csv'
    """
    suffix = _suffix(path)
    if path.name.lower().endswith(".zip"):
        raise DataError(f"{path.name} is a zip archive; unzip it, and give the files in it")
    if suffix is None:
        raise DataError(f"{path.name} cannot be read; expected one of {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


def _suffix(path: PurePath) -> str | None:
    name = path.name.lower()
    # Hidden files, and what Excel writes beside a file that is open.
    if name.startswith((".", "~$")):
        return None
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s)), None)


def find_files(folder: Path, table: str, patterns: str | Sequence[str] | None = None) -> list[Path]:
    """Return the files of a table, sorted by name.

    Parameters
    ----------
    folder : Path
        Where the shop lies.
    table : str
        The table's name.
    patterns : str or sequence of str, optional
        File names or globs inside the folder, each of which must match something. Without them,
        the table's own file (``events.csv`` and the like) or every parquet and csv file in the
        folder of its name; an empty list if there is neither.

    Raises
    ------
    DataError
        If the table lies in two places, a pattern matches nothing, or a file lies outside the
        folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "events.csv").write_text("customer_id,ts,kind\\n")
    ...     [path.name for path in find_files(Path(folder), "events")]
    ['events.csv']
    """
    if patterns is None:
        found = _own_files(folder, table)
    else:
        listed = [patterns] if isinstance(patterns, str) else list(patterns)
        found = [path for pattern in listed for path in _matching(folder, table, pattern)]
    for path in found:
        _stays_inside(folder, path)
    return sorted(set(found), key=lambda path: path.relative_to(folder).as_posix())


def zips_in(folder: Path) -> list[str]:
    """Return sentences on the zip archives of a folder: what is in them is not read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "sales.zip").write_bytes(b"PK")
    ...     zips_in(Path(folder))
    ['sales.zip is a zip archive, which is not read; unzip it if it holds a table.']
    """
    return [
        f"{path.name} is a zip archive, which is not read; unzip it if it holds a table."
        for path in sorted(folder.iterdir())
        if path.name.lower().endswith(".zip") and path.is_file()
    ]


def refuse_duckdb(folder: Path) -> None:
    """Say which file to give, where a folder without tables holds a DuckDB file.

    Raises
    ------
    DataError
        If there is one.
    """
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and _is_duckdb(path)]
    if found:
        names = ", ".join(path.name for path in found[:3])
        raise DataError(
            f"the folder {folder.name or folder} holds {names} and no csv, parquet or Excel file of"
            f" a table; give that file: {folder / found[0].name}"
        )


def _is_duckdb(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(12)[8:] == b"DUCK"
    except OSError:
        return False


def _own_files(folder: Path, table: str) -> list[Path]:
    places: list[list[Path]] = []
    for path in sorted(folder.iterdir()):
        suffix = _suffix(path)
        is_file = suffix is not None and suffix not in NOT_TABLES and not path.is_dir()
        name = path.name[: -len(suffix)] if is_file and suffix else path.name
        if name.lower() != table or not (is_file or path.is_dir()):
            continue
        inside = [path] if is_file else _files_in(path)
        if inside and name != table:
            raise DataError(f"{path.name}: write the table's name in lower case, {table!r}")
        if inside:
            places.append(inside)
    if len(places) > 1:
        one, other = (p[0] if p[0].parent == folder else p[0].parent for p in places[:2])
        raise DataError(
            f"the table {table!r} lies in two files, {one.name} and {other.name}; keep one"
        )
    return places[0] if places else []


def _files_in(folder: Path) -> list[Path]:
    wanted = set(KINDS["parquet"] + KINDS["csv"]) - set(NOT_TABLES)
    return [p for p in sorted(folder.iterdir()) if _suffix(p) in wanted and not p.is_dir()]


def _matching(folder: Path, table: str, pattern: str) -> list[Path]:
    parts = PurePath(pattern)
    if parts.is_absolute() or ".." in parts.parts or pattern.startswith(("~", "\\")):
        raise DataError(
            f"{table}: files = {pattern!r} leads out of the folder; name files inside it, and copy "
            "there what lies elsewhere"
        )
    named = folder / parts
    if named.is_dir() and parts.parts:
        found = _files_in(named)
    elif named.is_file() or named.is_symlink():  # also a name with brackets in it
        found = [named]
    else:
        try:
            found = [p for p in folder.glob(pattern) if not p.is_dir() and p.name[0] != "."]
        except (ValueError, NotImplementedError, IndexError) as error:
            raise DataError(f"{table}: files = {pattern!r} is no pattern ({error})") from error
    if not found:
        there = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if _suffix(p)]
        raise DataError(f"{table}: files = {pattern!r} matches no file; {_near(pattern, there)}")
    for path in found:
        kind_of(path)
    return found


def _near(pattern: str, there: list[str]) -> str:
    if not there:
        return "the folder holds no csv, parquet or Excel file"
    close = difflib.get_close_matches(pattern, there, n=1)
    return nearest(pattern, [*close, *sorted(there)[:20]])


def _stays_inside(folder: Path, path: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a link to nowhere, or to itself
        raise DataError(f"{path.name} is a link to a file that is not there") from error
    if not target.is_relative_to(folder.resolve()):
        raise DataError(
            f"{path.name} is a link that leads out of the folder; put the file itself there, "
            "or give the folder where it lies"
        )
