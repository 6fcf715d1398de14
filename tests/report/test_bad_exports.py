"""Exports as they should not be: refused with a sentence and exit 2, and nothing is written."""

import pytest

from promolab import cli, load_shop
from tests.report.test_bad_input import refused

TOML = 'zone = "UTC"\ncurrency = "EUR"\n'
SECTION = '[events]\nfiles = "orders*.csv"\ncustomer_id = "who"\nts = "when"\namount = "paid"\n'
ROW = "A,2021-03-01,purchase,5\n"
HEADER = "who,when,kind,paid\n"


def line(row: str) -> str:
    return HEADER + row


ZOE = "Zoë,2021-03-01,purchase,5\n"
BAD: dict[str, tuple[str | bytes, str, list[str]]] = {
    "mixed encodings": (
        *(line(ZOE).encode() + ZOE.encode("cp1252"), SECTION, ["orders.csv", "line 2", "line 3"]),
    ),
    "decimal comma": (line(ROW.replace("5", '"12,50"')), SECTION, ["12,50", "decimal"]),
    "a column that is not there": (
        *(line(ROW), SECTION.replace('"who"', '"whom"')),
        ["no column 'whom'", "did you mean 'who'"],
    ),
    "a second currency that nobody named": (
        "who,when,kind,paid,Währung\nA,2021-03-01,purchase,5,EUR\nB,2021-03-01,purchase,5,USD\n",
        *(SECTION, ["Währung says EUR (1 row) and USD (1 row)", 'currency = "Währung"']),
    ),
    "a file outside": (
        *(line(ROW), SECTION.replace("orders*.csv", "../orders.csv"), ["leads out of the folder"]),
    ),
}
"""One of each stage of reading; what else each refuses is in `tests/sources/`."""


@pytest.mark.parametrize("name", BAD)
def test_a_bad_export_is_refused(name, tmp_path, capsys):
    content, section, words = BAD[name]
    shop = tmp_path / "shop"
    shop.mkdir()
    data = content if isinstance(content, bytes) else content.encode()
    (shop / "orders.csv").write_bytes(data)
    (shop / "shop.toml").write_text(TOML + section)
    message = refused(capsys, tmp_path / "out", "--source", shop)
    assert all(word in message for word in words), message


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
