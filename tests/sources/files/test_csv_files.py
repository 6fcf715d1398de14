"""Csv files: what was written is what is read, and damage is named."""

import csv
import io

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from promolab.sources.files import csv_files
from promolab.sources.files.csv_files import csv_to_parquet, open_csv
from tests.refused import spoilt


@pytest.fixture
def read(tmp_path):
    """Return a function that writes csv files and reads them: (columns, rows)."""

    def run(*contents: bytes | str, name: str = "sales.csv", **options):
        files = []
        for number, content in enumerate(contents):
            path = tmp_path / (name if len(contents) == 1 else f"{number}{name}")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            files.append(open_csv(path, **options))
        table = pq.read_table(csv_to_parquet("sales", files))
        return table.column_names, [tuple(row.values()) for row in table.to_pylist()]

    return run


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_byte_order_marks_and_skipped_lines(read, end):
    for mark, last in (("", ""), ("\ufeff", end)):
        content = mark + end.join(["id,name", "007,a b", ",x"]) + last
        assert read(content) == (["id", "name"], [("007", "a b"), (None, "x")])
    content = end.join(["title", "more", '"id",x', '"1\n\r;",2', ""])
    assert read(content, skip=2) == (["id", "x"], [("1\n\r;", "2")])


def test_values_quotes_and_line_ends_are_read_as_they_are_written(read):
    values = ["007", "1.50", " 12 ", "NULL", "NA", "nan", "true", "1e3", "2010-12-01", "#x", "\\"]
    header = ",".join(f"c{i}" for i in range(len(values)))
    assert read(f"{header}\n{','.join(values)}\n")[1] == [tuple(values)]
    content = 'a,"b\nz"\n"x, ""y""\nz",2\n24" screen,3\n"",4\n"p\r\nq",5\n\n\n'
    rows = [('x, "y"\nz', "2"), ('24" screen', "3"), (None, "4"), ("p\r\nq", "5")]
    assert read(content) == (["a", "b\nz"], rows)
    assert read("a,b\r\n1,2\n3,4\r5,6")[1] == [("1", "2"), ("3", "4"), ("5", "6")]


def test_the_separator_is_the_most_frequent_outside_quotes(tmp_path):
    plain = [(f"a{one}b", one) for one in ",;\t|"]
    path = tmp_path / "sales.csv"
    for header, separator in [*plain, ('"x,y,z";b', ";"), ('"x;""y;";z;a,b', ";"), ("alone", ",")]:
        path.write_text(header + "\n")
        assert open_csv(path).separator == separator


def test_a_stated_separator_names_and_a_header_alone(read):
    assert read("a,b~c\n1,2~3\n", separator="~") == (["a,b", "c"], [("1,2", "3")])
    for wrong in ("", "||", '"', "\n", "§"):
        spoilt("must be one plain character", read, "a,b\n", separator=wrong)
    assert read("1,2\n3,\n", names=["x", "y"]) == (["x", "y"], [("1", "2"), ("3", None)])
    spoilt("2 fields found, 3 expected .as `names` has", read, "1,2\n3,4\n", names=["x", "y", "z"])
    for content in ("a,b", "a,b\n", "a,b\r\n\r\n", " a , b \n"):
        assert read(content) == (["a", "b"], [])


def test_damage_is_named_and_leaves_no_file_behind(read):
    before = set(csv_files.scratch().iterdir())
    for content, message in [
        ("", r"sales.csv is empty \(0 bytes\); a csv starts with its column names"),
        ("\ufeff", "is empty"),
        ("\n1,2\n", "first line of sales.csv is blank"),
        ("a,b,a\n1,2,3\n", "two columns called 'a'"),
        ("a,,c\n1,2,3\n", "column 2 of sales.csv has no name"),
        ("a,b\n1,2\n3,4,5\n", "sales.csv, line 3: 3 fields found, 2 expected.*double quotes"),
        ("a,b\n1,2,\n", "line 2: 3 fields found, 2 expected .as the first line has"),
        ("a,b\n1,2,,\n", "line 2: 4 fields found, 2 expected"),
        ("a;b\n1;2\n3\n5;6\n", "line 3: 1 field found, 2 expected.*holds ';' lacks its double"),
        ("a,b\n1,2\n3", "line 3: 1 field found, 2 expected.*cut short"),
        ('a,b\n"x\ny",2\n3\n', "line 4: 1 field found"),
        ('a,b\n1,2\n3,"x\n5,6\n', "line 3: a double quote is not closed, .*read on to line 4"),
        ('a,b\n1,"x"\n3,"', "line 3: a double quote is not closed"),
        ('a,b\n1,"x\n5,6\n7,"y"\n', "line 2: a double quote .* its value goes on after"),
        ('a,b\n"x"y,2\n', "line 2: a double quote .* its value goes on after"),
        ('a,b\n24" x,"y\n', "line 2: a double quote is not closed"),
    ]:
        spoilt(f"(?s){message}", read, content)
    assert set(csv_files.scratch().iterdir()) == before


def test_columns_are_limited_and_matched_by_name_and_rows_stay_in_order(read, monkeypatch):
    header = ",".join(f"c{i}" for i in range(10_000))
    spoilt(r"sales.csv has 10,000 columns; at most 1,000 are read", read, f"{header}\n")
    assert len(read(",".join(f"c{i}" for i in range(1000)) + "\n")[0]) == 1000
    columns, rows = read("a,b\n1,2\n", "b;c\n3;4\n5;6\n", "a,b\n7,8\n")
    assert columns == ["a", "b", "c"]
    assert rows == [("1", "2", None), (None, "3", "4"), (None, "5", "6"), ("7", "8", None)]
    content = "n,text\n" + "".join(f"{i},{'x' * (i % 37)}\n" for i in range(2_000))
    monkeypatch.setattr(csv_files, "CELLS", 300)
    assert [int(n) for n, _ in read(content)[1]] == list(range(2_000))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(alphabet='ab,"\n\r', max_size=40) | st.text(alphabet="aé,\n\r", max_size=20))
@example(body='"","\r;",\n"","\r"\n')
def test_any_text_is_read_as_python_does_or_refused_as_python_does(read, body):
    content = f"a,b\n{body}"
    try:
        rows = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row]
        expected = None if any(len(row) != 2 for row in rows) else rows[1:]
    except csv.Error:
        expected = None
    if expected is None:
        spoilt("line", read, content, separator=",")
    else:
        wanted = [tuple(value or None for value in row) for row in expected]
        assert read(content, separator=",")[1] == wanted


def test_a_title_is_skipped_where_it_is_said_and_a_wrong_encoding_refused(read):
    titled = "Sales report\n\nid;amount\n7;9,95\n8;3,00\n"
    spoilt(r"sales.csv has its column names in line 3; write skip = 2", read, titled)
    assert read(titled, skip=2) == (["id", "amount"], [("7", "9,95"), ("8", "3,00")])
    spoilt("line 5: 3 fields found", read, "a title\n\nid,x\n1,2\n3,4,5\n", skip=2)
    for content in (",a,b\n0,1,x\n1,2,y\n", "a,,c\n1,2,3\nx,y,z\n"):  # no titles
        spoilt("has no name", read, content)
    spoilt("stated to be latin-1, but it is UTF-8", read, "id,name\n1,Müller\n", encoding="latin-1")
    windows = "id,name\n1,“Müller”\n".encode("cp1252")
    spoilt('is it encoding = "cp1252"', read, windows, encoding="latin-1")
    for name in ("Müller", "Muller"):
        written = f"id,name\n1,{name}\n".encode("latin-1")
        assert read(written, encoding="latin-1")[1] == [("1", name)]
