"""Files of a table: which are found, what they are together, and what does not fit."""

import datetime as dt
import errno
import gzip
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promolab.engines.engine import connect
from promolab.errors import MissingExtraError
from promolab.sources.files import find_files, read_files
from promolab.sources.files import reading as files_module
from tests.refused import spoilt


@pytest.fixture(scope="module")
def con():
    return connect(threads=1)


def put(folder: Path, **contents: str) -> list[Path]:
    """Write ``a__csv="…"`` as ``a.csv``; ``/`` is written ``___``."""
    paths = []
    for name, content in contents.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        paths.append(path)
    return paths


def rows(raw) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in raw.table.to_pyarrow().to_pylist()]


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize("name", ["events.parquet", "events.csv.gz", "events.xlsx", "Events.CSV"])
def test_a_tables_own_file(tmp_path, name):
    for file in (name, "customers.csv", "events.txt", "events.json", ".events.csv", "shop.toml"):
        (tmp_path / file).write_text("a\n")
    assert names(find_files(tmp_path, "events"), tmp_path) == [name]
    assert find_files(tmp_path, "products") == []
    put(tmp_path, sales___b__csv="a\n", sales___a__csv="a\n", sales___notes__txt="a\n")
    assert names(find_files(tmp_path, "sales"), tmp_path) == ["sales/a.csv", "sales/b.csv"]
    put(tmp_path, goods__csv="a\n", goods__tsv="a\n", sales__csv="a\n")
    spoilt("in two files, goods.csv and goods.tsv; keep one", find_files, tmp_path, "goods")
    spoilt("lies in two files, sales and sales.csv; keep one", find_files, tmp_path, "sales")


def test_patterns(tmp_path):
    put(tmp_path, s10__csv="", s9__csv="", t__csv="", sub___s1__csv="", notes__txt="")
    (tmp_path / "a [2010].csv").write_text("")
    for pattern, *expected in [
        ("s*.csv", "s10.csv", "s9.csv"),
        *((pattern, "sub/s1.csv") for pattern in ("sub/*.csv", "sub", "**/s1.csv")),
        *((name, name) for name in ("a [2010].csv", "notes.txt")),
        (["t.csv", "s*.csv", "s9.csv"], "s10.csv", "s9.csv", "t.csv"),
    ]:
        assert names(find_files(tmp_path, "events", pattern), tmp_path) == expected


def test_patterns_that_do_not_do(tmp_path):
    put(tmp_path, online_retail__csv="a\n", shop__toml="")
    for pattern, message in [
        ("online_retial.csv", "matches no file; did you mean 'online_retail.csv'"),
        (["*.csv", "*.parquet"], r"'\*.parquet' matches no file"),
        ("shop.toml", r"shop.toml cannot be read; expected one of .parquet, "),
        ("a/../../x.csv", "leads out of the folder; name files inside it"),
        ("/etc/*.csv", "leads out of the folder"),
        ("", "matches no file|is no pattern"),
    ]:
        spoilt(message, find_files, tmp_path, "events", pattern)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="the system has no symbolic links")
def test_links(tmp_path):
    shop, outside = tmp_path / "shop", tmp_path / "outside"
    shop.mkdir()
    outside.mkdir()
    put(shop, data___a__csv="a\n")
    put(outside, b__csv="a\n")
    (shop / "events.csv").symlink_to(shop / "data" / "a.csv")
    (shop / "sales.csv").symlink_to(outside / "b.csv")
    (shop / "orders").symlink_to(outside)
    (shop / "lost.csv").symlink_to(shop / "gone.csv")
    (shop / "loop.csv").symlink_to(shop / "loop.csv")
    assert names(find_files(shop, "events"), shop) == ["events.csv"]
    for table, pattern in [("sales", None), ("orders", None), ("x", "sal*.csv"), ("x", "orders/*")]:
        spoilt("is a link that leads out of the folder; put the", find_files, shop, table, pattern)
    for table in ("lost", "loop"):
        spoilt(f"{table}.csv is a link to a file that is not there", find_files, shop, table)


def test_csv_files_gzip_too_are_one_table_of_text_and_are_parsed_once(tmp_path, con):
    paths = put(tmp_path, a__csv="id,x\n007,1\n", b__csv="y;id\n2;B\n", c__csv="id,x\nC,\n")
    paths.append(tmp_path / "d.csv.gz")
    paths[-1].write_bytes(gzip.compress("id;x\n1;é\n".encode("latin-1")))
    raw = read_files(con, "events", paths, encoding="latin-1")
    for path in paths:
        path.unlink()
    assert raw.table.columns == ("id", "x", "y") and raw.columns_as_text and raw.notes == ()
    assert {str(type_) for type_ in raw.table.schema().types} == {"string"}
    wanted = [("007", "1", None), ("B", None, "2"), ("C", None, None), ("1", "é", None)]
    assert rows(raw) == wanted


def test_two_encodings_and_names_that_differ_only_in_case(tmp_path, con):
    (a,) = put(tmp_path, a__csv="id,x\n1,plain\n")
    (c,) = put(tmp_path, c__csv="id,x\n1,连衣裙\n")
    b = tmp_path / "b.csv"
    b.write_bytes("id,x\n1,连衣裙\n".encode("gb18030"))
    raw = read_files(con, "events", [a, b])
    assert rows(raw)[1] == ("1", "连衣裙")
    assert "events (b.csv) was recognised as GB18030" in raw.notes[0]
    spoilt("encodings: c.csv is UTF-8, b.csv is GB18030", read_files, con, "events", [a, b, c])
    twins = put(tmp_path, b__csv="a\n1\n", c__csv="a,A\n1,2\n")
    said = "^c.csv has columns whose names differ only in case: A, a; rename one"
    spoilt(said, read_files, con, "events", twins)


def test_kinds_and_options_that_do_not_fit(tmp_path, con):
    csv = put(tmp_path, a__csv="id\n1\n")[0]
    (other,) = parquet(tmp_path, b={"id": ["1"]})
    spoilt(r"a.csv \(csv\) and b.parquet \(parquet\)", read_files, con, "events", [csv, other])
    spoilt("`sheet` does not .*, whose files are csv", read_files, con, "events", [csv], sheet="x")
    spoilt("`encoding` does not apply", read_files, con, "events", [other], encoding="latin-1")
    spoilt("'events' has no file", read_files, con, "events", [])


def test_a_file_that_changes_while_it_is_read_and_a_full_disk(tmp_path, con, monkeypatch):
    (path,) = put(tmp_path, a__csv="id\n1\n")
    read = files_module.csv_to_parquet

    def slowly(*arguments, **options):
        path.write_text("id\n1\n2\n")
        return read(*arguments, **options)

    def full(self, batch):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module, "csv_to_parquet", slowly)
    spoilt(r"a.csv changed while it was read; start again", read_files, con, "events", [path])
    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    spoilt("no room is left .* reading events; .*TMPDIR", read_files, con, "events", [path])


def parquet(folder: Path, **columns_of: dict[str, Any]) -> list[Path]:
    for name, columns in columns_of.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return [folder / f"{name}.parquet" for name in columns_of]


def test_parquet_keeps_its_types_widens_numbers_and_may_be_damaged_or_too_wide(tmp_path, con):
    paths = parquet(
        tmp_path,
        a={"id": pa.array(["007"]), "n": pa.array([1], pa.int32()), "x": pa.nulls(1)},
        b={"id": pa.array(["B"]), "n": pa.array([2**40], pa.int64()), "x": pa.array(["x"])},
        c={"n": pa.array([0.5]), "id": pa.array(["C"]).dictionary_encode()},
    )
    raw = read_files(con, "events", paths)
    assert not raw.columns_as_text
    assert rows(raw) == [("007", 1, None), ("B", 2**40, "x"), ("C", 0.5, None)]
    broken = put(tmp_path, a__parquet="not parquet")[0]
    spoilt(r"cannot be read \(.*\); is the file whole\?", read_files, con, "events", [broken])
    wide = parquet(tmp_path, wide={f"c{i}": [1] for i in range(1001)})
    spoilt(r"wide.parquet has 1,001 columns; at most 1,000", read_files, con, "events", wide)
    twins = parquet(tmp_path, twins={"a": [1], "A": [1]})
    spoilt("differ only in case: A, a; rename one", read_files, con, "events", twins)


def test_a_column_of_two_kinds(tmp_path, con):
    day = [dt.datetime(2020, 1, 1)]
    plain, zoned = pa.array(day, pa.timestamp("us")), pa.array(day, pa.timestamp("us", "UTC"))
    clocks = r"\(time without a zone\) in a.parquet, but .* \(time with a zone\) in b.parquet"
    kinds = r"string \(text\) in a.parquet, but int64 \(number\) in b"
    for one, other, said in [
        (pa.array(["1"]), pa.array([1]), kinds),
        (plain, zoned, clocks),
        (pa.array([True]), pa.array([1]), "yes or no"),
    ]:
        paths = parquet(tmp_path, a={"x": one}, b={"x": other})
        spoilt(f"the column 'x' is .*{said}", read_files, con, "events", paths)


SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LINKS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
DAY, SPAN = 1, 2
"""Styles of a workbook made here: a date and time, and a span of time."""


def cell(place: str, value: Any) -> str:
    value, style = value if isinstance(value, tuple) else (value, 0)
    kind = {bool: "b", str: "str"}.get(type(value), "n")
    kind = "e" if str(value).startswith("#") else kind
    return f'<c r="{place}" s="{style}" t="{kind}"><v>{+value if kind == "b" else value}</v></c>'


def workbook(path: Path, **sheets: dict[str, object]) -> Path:
    """Write an .xlsx file; a value may be a pair of a number and a style."""
    pytest.importorskip("python_calamine", reason="the extra excel is not installed")
    files, entries = {}, ""
    start = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    links = f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/>'
    for i, (name, cells) in enumerate(sheets.items(), start=1):
        lines: dict[str, str] = {}
        for place, value in cells.items():
            number = place.lstrip("ABCDE")
            lines[number] = lines.get(number, "") + cell(place, value)
        body = "".join(f'<row r="{n}">{line}</row>' for n, line in lines.items())
        sheet = f"worksheets/sheet{i}.xml"
        files[f"xl/{sheet}"] = f"<worksheet {SPACE}><sheetData>{body}</sheetData></worksheet>"
        entries += f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>'
        links += f'<Relationship Id="r{i}" Type="{OFFICE}/worksheet" Target="{sheet}"/>'
    book = f'<workbook {SPACE} xmlns:r="{OFFICE}"><sheets>{entries}</sheets></workbook>'
    kinds = "".join(f'<xf numFmtId="{n}"/>' for n in (0, 22, 46))
    files |= {
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": f"<Relationships {LINKS}>{links}</Relationships>",
        "_rels/.rels": f"<Relationships {LINKS}>{start}</Relationships>",
        "xl/styles.xml": f"<styleSheet {SPACE}><cellXfs>{kinds}</cellXfs></styleSheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


SALES = {
    **{"B3": "id", "C3": " when ", "D3": "x"},
    **{"B4": 12345.0, "C4": (40513.5, DAY), "D4": "007"},
    **{"B5": 0.00001, "C5": (40513, DAY), "D5": True},
    **{"C8": (0.25, DAY), "D8": (1.5, SPAN)},
}


def test_cells_become_text_and_files_stand_below_each_other(tmp_path, con):
    path = workbook(tmp_path / "a.xlsx", Sales=SALES, Notes={})
    raw = read_files(con, "events", [path])
    assert raw.columns_as_text and raw.table.columns == ("id", "when", "x")
    assert rows(raw) == [
        ("12345", "2010-12-01 12:00:00", "007"),
        ("0.00001", "2010-12-01", "true"),
        (None, "06:00:00", "36:00:00"),
    ]
    a = workbook(tmp_path / "a.xlsx", Sales={"A1": "id", "B1": "x", "A2": 1, "B2": "x"})
    b = workbook(tmp_path / "b.xlsx", Sales={"A1": "id", "A2": 2})
    assert rows(read_files(con, "events", [a, b])) == [("1", "x"), ("2", None)]
    assert rows(read_files(con, "events", [b], names=["n"])) == [("id",), ("2",)]


def test_sheets_are_named_and_a_title_is_skipped_where_it_is_said(tmp_path, con):
    path = workbook(tmp_path / "a.xlsx", Y2010={"A1": "id", "A2": 1}, Y2011={"A1": "id", "A2": 2})
    assert rows(read_files(con, "events", [path], sheet="Y2011")) == [("2",)]
    spoilt("'Y2010', 'Y2011'; name one .* sheet = \"Y2010\"", read_files, con, "events", [path])
    spoilt("no sheet 'Y2012'; did you mean 'Y201", read_files, con, "events", [path], sheet="Y2012")
    cells = {"A1": "Sales of all shops", "A3": "id", "B3": "x", "A4": 7.0, "B4": "a"}
    path = workbook(tmp_path / "a.xlsx", Sales=cells)
    spoilt("has its column names in line 3; write skip = 2", read_files, con, "events", [path])
    assert rows(read_files(con, "events", [path], skip=2)) == [("7", "a")]


def test_sheets_that_do_not_do_and_damaged_files(tmp_path, con):
    for cells, message in [
        (SALES | {"D7": "#DIV/0!"}, "a.xlsx, sheet 'S': the cell D7 holds an error"),
        (SALES | {"E4": "stray"}, "column 4 of a.xlsx, sheet 'S' has no name"),
        (SALES | {"E3": "id"}, "two columns called 'id'"),
        ({}, "a.xlsx is empty"),
    ]:
        spoilt(message, read_files, con, "events", [workbook(tmp_path / "a.xlsx", S=cells)])
    broken, empty = put(tmp_path, a__xlsx="not excel", b__xlsx="")
    spoilt(r"a.xlsx cannot be read \(.*\); is the file whole", read_files, con, "events", [broken])
    spoilt(r"b.xlsx is empty \(0 bytes\)", read_files, con, "events", [empty])


def test_excel_needs_an_extra(tmp_path, con, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtraError, match=r"promolab\[excel\]"):
        read_files(con, "events", put(tmp_path, a__xlsx="x"))
