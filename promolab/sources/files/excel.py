"""Excel and OpenDocument sheets, read as text: what a cell holds, not what it is shown as."""

from __future__ import annotations

import itertools
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from promolab.errors import DataError, MissingExtraError, nearest
from promolab.sources.files.csv_files import (
    LOOKED_AT,
    check_names,
    check_titles,
    new_file,
    title_rows,
)

ROWS_AT_A_TIME = 20_000
ERROR_CELL = re.compile(rb'<c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]+[0-9]+)"')


def excel_to_parquet(
    table: str,
    path: Path,
    sheet: str | None = None,
    names: Sequence[str] | None = None,
    skip: int = 0,
) -> tuple[Path, tuple[str, ...]]:
    """Write one sheet of an Excel file as a parquet file in the temporary folder.

    Parameters
    ----------
    table : str
        What it is a table of.
    path : Path
        The file: ``.xlsx``, ``.xls``, ``.ods`` and their kin.
    sheet : str, optional
        The sheet's name; may be left out if only one holds anything.
    names : sequence of str, optional
        The columns of a sheet that has no header line.
    skip : int
        Rows at its top that are none of the table's, such as a title.

    Returns
    -------
    path : Path
        The file written; all its columns are text: whole numbers without a point, dates and times
        as ISO 8601, ``true`` and ``false``; an empty cell is null.
    columns : tuple of str
        Its columns.

    Raises
    ------
    DataError
        If the sheet is not there or not the only one, a cell holds an error, a column has no name.
    MissingExtraError
        If python-calamine is not installed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pages = _open(path)
    page = _choose(path, pages, sheet)
    where = f"{path.name}, sheet {page.name!r}"
    _no_error_cells(path, page.name)
    top, _ = page.start or (0, 0)
    if names is None and not skip:
        _no_title(where, page, top)
    top = max(top, skip)
    rows = page.iter_rows()
    for _ in range(top):  # the rows above the first that holds anything
        next(rows)
    width = page.width
    header = [_text(cell) for cell in next(rows, [])[:width]] if names is None else list(names)
    columns = [(name or "").strip() for name in header]
    check_names(where, columns)
    if len(columns) != width:
        raise DataError(f"{where} has {width} columns, `names` has {len(columns)}")
    schema = pa.schema([(name, pa.string()) for name in columns])
    target = new_file(table)
    with pq.ParquetWriter(target, schema) as writer:
        while part := list(itertools.islice(rows, ROWS_AT_A_TIME)):
            cells = [[_text(cell) for cell in column] for column in zip(*part, strict=True)]
            arrays = [pa.array(column, pa.string()) for column in cells]
            writer.write_table(_without_empty_rows(pa.Table.from_arrays(arrays, schema=schema)))
    return target, tuple(columns)


def _no_title(where: str, page: Any, top: int) -> None:
    first = itertools.islice(page.iter_rows(), top, top + LOOKED_AT)
    above = title_rows([[_text(cell) for cell in row[: page.width]] for row in first])
    check_titles(where, top + above if above else 0)


def _open(path: Path) -> Any:
    try:
        import python_calamine
    except ImportError as error:
        raise MissingExtraError("reading Excel files", "excel") from error
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes); export it again")
    try:
        return python_calamine.CalamineWorkbook.from_path(str(path))
    except python_calamine.PasswordError as error:
        raise DataError(f"{path.name} is locked by a password; save it without one") from error
    except (python_calamine.CalamineError, OSError) as error:
        raise DataError(f"{path.name} cannot be read ({error}); is the file whole?") from error


def sheets_of(path: Path) -> list[str]:
    """Return the names of the sheets that hold something.

    Raises
    ------
    DataError
        If the file cannot be opened.
    MissingExtraError
        If python-calamine is not installed.
    """
    pages = _open(path)
    return [name for name in pages.sheet_names if pages.get_sheet_by_name(name).start is not None]


def _choose(path: Path, pages: Any, sheet: str | None) -> Any:
    if sheet is not None:
        if sheet not in pages.sheet_names:
            raise DataError(
                f"{path.name} has no sheet {sheet!r}; {nearest(sheet, pages.sheet_names)}"
            )
        page = pages.get_sheet_by_name(sheet)
        if page.start is None:
            raise DataError(f"the sheet {sheet!r} of {path.name} is empty")
        return page
    filled = sheets_of(path)
    if not filled:
        raise DataError(f"{path.name} is empty; its first sheet should start with column names")
    if len(filled) > 1:
        raise DataError(
            f"{path.name} has {len(filled)} sheets: "
            f"{', '.join(map(repr, filled))}; name one in shop.toml, e.g. "
            f'sheet = "{filled[0]}"'
        )
    return pages.get_sheet_by_name(filled[0])


def _without_empty_rows(part: Any) -> Any:
    import functools

    import pyarrow.compute as pc

    return part.filter(functools.reduce(pc.or_, (pc.is_valid(c) for c in part.columns)))


def _text(cell: Any) -> str | None:
    """Return what a cell holds as text.

    Examples
    --------
    >>> [_text(cell) for cell in (12345.0, 0.1, True, datetime(2010, 12, 1, 8, 26), "")]
    ['12345', '0.1', 'true', '2010-12-01 08:26:00', None]
    """
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else format(Decimal(repr(cell)), "f")
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return None if cell is None else str(cell)


def _no_error_cells(path: Path, sheet: str) -> None:
    """Refuse a sheet with a cell such as ``#DIV/0!``, which the reader would take for empty."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        part = _part_of(archive, sheet)
        if part is None:  # no .xlsx
            return
        with archive.open(part) as file:
            rest = b""
            while chunk := file.read(1 << 20):
                rest += chunk
                if found := ERROR_CELL.search(rest):
                    raise DataError(
                        f"{path.name}, sheet {sheet!r}: the cell {found[1].decode()} holds an "
                        "error in place of a value; correct its formula or empty it"
                    )
                rest = rest[max(rest.rfind(b"<c"), 0) :]


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    relation = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (KeyError, ElementTree.ParseError):
        return None
    number = next(
        (e.get(relation) for e in book.iter() if e.get("name") == sheet and e.get(relation)), None
    )
    target = next((e.get("Target", "") for e in links if e.get("Id") == number), "")
    part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return part if part in archive.namelist() else None
