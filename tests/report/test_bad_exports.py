"""Exports as they should not be: refused with a sentence and exit 2, and nothing is written."""

from pathlib import Path

import pytest

from promolab import cli, load_shop

TOML = 'zone = "UTC"\ncurrency = "EUR"\n'
SECTION = '[events]\nfiles = "orders*.csv"\ncustomer_id = "who"\nts = "when"\namount = "paid"\n'
ROW = "A,2021-03-01,purchase,5\n"
HEADER = "who,when,kind,paid\n"


def refused(capsys: pytest.CaptureFixture[str], folder: Path, out: Path) -> str:
    """Check that a report is refused and leaves nothing; return what was said."""
    assert cli.main(["report", "--source", str(folder), "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err
    assert printed.err.startswith("promolab: ") and printed.err.count("\n") == 1
    assert not out.exists() or not [p for p in out.iterdir() if not p.name.startswith(".")]
    return printed.err


def with_format(said: str) -> str:
    return SECTION.replace('"when"', f'{{ column = "when", format = "{said}" }}')


def line(row: str) -> str:
    return HEADER + row


ZOE = "Zoë,2021-03-01,purchase,5\n"
DAYS = "A,31/12/2010,purchase,5\n"
BAD: dict[str, tuple[str | bytes, str, list[str]]] = {
    "unknown encoding": (
        *(line(ZOE).encode("cp1252"), SECTION),
        ["orders.csv", "neither UTF-8 nor GB18030", "encoding ="],
    ),
    "an encoding that is none": (line(ROW), SECTION + 'encoding = "latin-11"\n', ["latin-11"]),
    "mixed encodings": (
        *(line(ZOE).encode() + ZOE.encode("cp1252"), SECTION, ["orders.csv", "line 2", "line 3"]),
    ),
    "decimal comma": (line(ROW.replace("5", '"12,50"')), SECTION, ["12,50", "decimal"]),
    "decimal comma read as thousands": (
        *(line(ROW.replace("5", '"12,50"')), SECTION + 'thousands = ","\n', ["12,50", "no number"]),
    ),
    "day first beside month first": (
        *(line(DAYS + "B,12/31/2010,purchase,5\n"), with_format("%d/%m/%Y")),
        ["12/31/2010", "%d/%m/%Y"],
    ),
    "a day first that nobody stated": (line(DAYS), SECTION, ["31/12/2010", "not guessed"]),
    "Excel's serial dates": (
        *(line("A,40513.35,purchase,5\n"), SECTION, ["40513.35", 'format = "excel"']),
    ),
    "a stray separator": (line(ROW + "B,2021-03-02,purchase,5,7\n"), SECTION, ["line 3", "4"]),
    "a short last line": (line(ROW + "B,2021-03-0"), SECTION, ["line 3", "4"]),
    "an unclosed quote": (
        *(line(ROW + '"B,2021-03-02,purchase,5\n'), SECTION, ["orders.csv", "quote"]),
    ),
    "ids read as floats": (
        *(line(ROW.replace("A", "12345.0")), SECTION, ["12345.0", "whole = true"]),
    ),
    "a column that is not there": (
        *(line(ROW), SECTION.replace('"who"', '"whom"')),
        ["no column 'whom'", "did you mean 'who'"],
    ),
    "an unknown key": (
        *(line(ROW), SECTION.replace("ts =", "tss ="), ["'tss'", "did you mean 'ts'"]),
    ),
    "an unknown section": (
        *(line(ROW), SECTION.replace("[events]", "[event]"), ["'event'", "'events'"]),
    ),
    "ten thousand columns": (
        *("who,when,kind,paid" + "".join(f",c{i}" for i in range(9_996)) + "\n", SECTION),
        ["10,000 columns"],
    ),
    "an empty file": ("", SECTION, ["orders.csv", "0 bytes"]),
    "a misspelt word of the contract": (
        *(line(ROW), SECTION + 'kind = { column = "kind", values = { buy = "purchse" } }\n'),
        ["'purchse'", "did you mean 'purchase'"],
    ),
    "a format that is none": (line(ROW), with_format("%q"), ["events] ts", "'%q'", "%d/%m/%Y"]),
    "one mark for decimals and thousands": (
        *(line(ROW), SECTION + 'decimal = "."\nthousands = "."\n'),
        ["decimal and thousands are both"],
    ),
    "a second currency that nobody named": (
        "who,when,kind,paid,Währung\nA,2021-03-01,purchase,5,EUR\nB,2021-03-01,purchase,5,USD\n",
        *(SECTION, ["Währung says EUR (1 row) and USD (1 row)", 'currency = "Währung"']),
    ),
    "an id with decimals": (
        line(ROW.replace("A", "12345.5")),
        *(SECTION.replace('"who"', '{ column = "who", whole = true }'), ["12345.5", "not whole"]),
    ),
    "a rate as text": (line(ROW), SECTION + '[rates]\nUSD = "0.9"\n', ["'0.9'", "above 0"]),
    "a file outside": (
        *(line(ROW), SECTION.replace("orders*.csv", "../orders.csv"), ["leads out of the folder"]),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_export_is_refused(name, tmp_path, capsys):
    content, section, words = BAD[name]
    shop = tmp_path / "shop"
    shop.mkdir()
    data = content if isinstance(content, bytes) else content.encode()
    (shop / "orders.csv").write_bytes(data)
    (shop / "shop.toml").write_text(TOML + section)
    message = refused(capsys, shop, tmp_path / "out")
    assert all(word in message for word in words), message


def test_a_link_out_of_the_folder_is_refused(tmp_path, capsys):
    shop = tmp_path / "shop"
    shop.mkdir()
    (tmp_path / "elsewhere.csv").write_text("customer_id,ts,kind\nA,2021-03-01,view\n")
    (shop / "events.csv").symlink_to(tmp_path / "elsewhere.csv")
    (shop / "shop.toml").write_text(TOML)
    message = refused(capsys, shop, tmp_path / "out")
    assert "events.csv" in message and "link" in message


def test_two_tables_that_map_onto_one_are_refused(tmp_path, capsys):
    (tmp_path / "orders.csv").write_text(HEADER + ROW)
    (tmp_path / "events.csv").write_text(HEADER + ROW)
    (tmp_path / "shop.toml").write_text(TOML + SECTION)
    assert "two tables map onto events" in refused(capsys, tmp_path, tmp_path / "out")


def test_quoted_newlines_and_leading_zeros_are_no_fault(tmp_path, capsys):
    (tmp_path / "orders.csv").write_text(
        'who,when,kind,paid,note\n007,2021-03-01,purchase,5,"two\nlines, ""quoted"""\n'
        "010,2021-03-09,purchase,5,\n"
    )
    (tmp_path / "shop.toml").write_text(TOML + SECTION)
    assert cli.main(["data", str(tmp_path)]) == 0
    events = load_shop(tmp_path).events.order_by("ts").execute()
    assert events.customer_id.tolist() == ["007", "010"]
    assert events.note[0] == 'two\nlines, "quoted"'
