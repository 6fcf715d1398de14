"""Wrong calls and wrong data: a sentence and exit code 2, and nothing is left behind."""

import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from promolab import cli

HEAD = "ORDER BY ts, customer_id, product_id LIMIT"


@pytest.fixture
def shop(small_shop, tmp_path) -> Path:
    """A copy of the small shop with 3,000 of its events, to be spoilt."""
    folder = Path(shutil.copytree(small_shop, tmp_path / "shop"))
    change(folder, "events", "SELECT * FROM {t} " + f"{HEAD} 3000")
    return folder


def change(folder: Path, table: str, query: str) -> None:
    """Replace a table by a query over itself, ``{t}``."""
    path = folder / f"{table}.parquet"
    made = query.format(t=f"'{path}'")
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"CREATE TABLE changed AS {made}")
    con.execute(f"COPY changed TO '{path}' (FORMAT parquet)")


def refused(capsys: pytest.CaptureFixture[str], out: Path, *options: object) -> str:
    """Call the command; it must exit with 2, say a sentence, and leave nothing visible behind."""
    assert cli.main(["report", *map(str, options), "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("promolab: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err and "Error:" not in printed.err
    assert not out.is_dir() or not [p for p in out.iterdir() if not p.name.startswith(".")]
    return printed.err


SPOILT = {
    "missing column": ("events", "* EXCLUDE (kind) FROM {t}", "events, kind"),
    "misspelt column": (
        *("events", "* EXCLUDE (kind), kind AS kinds FROM {t}", "events, did you mean 'kinds'"),
    ),
    "lost elsewhere": ("promotions", "* EXCLUDE (ends_at) FROM {t}", "promotions, ends_at"),
    "wrong type": ("events", "* REPLACE ('much' AS amount) FROM {t}", "amount, no number"),
    "wrong type of time": ("events", "* REPLACE ('soon' AS ts) FROM {t}", "ts"),
    "float ids": (
        *("events", "* REPLACE (customer_id::DOUBLE AS customer_id) FROM {t}", "customer_id"),
    ),
    "empty table": ("events", "* FROM {t} LIMIT 0", "events"),
    "all rows bad": ("events", "* REPLACE (-1.0 AS quantity) FROM {t}", "events"),
}


@pytest.mark.parametrize(("table", "query", "words"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_table_is_refused(shop, tmp_path, capsys, table, query, words):
    change(shop, table, f"SELECT {query}")
    message = refused(capsys, tmp_path / "out", "--source", shop)
    assert all(word in message for word in words.split(", ")), message


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("40.0 AS discount_rate", ["promotion 26: discount_rate = 40", "0.4, not 40"]),
        ("50.0 AS threshold", ["promotion 26", "reduction or discount_rate"]),
        ("5.0 AS reduction, -1.0 AS contact_cost", ["promotion 26: contact_cost = -1"]),
    ],
)
def test_a_promotion_without_what_its_kind_needs_is_refused(shop, tmp_path, capsys, columns, words):
    change(shop, "promotions", f"SELECT *, {columns} FROM {{t}} WHERE promotion_id::VARCHAR = '26'")
    message = refused(capsys, tmp_path / "out", "--source", shop, "--week", "2017-W01")
    assert all(word in message for word in words), message


def test_a_corrupt_file_and_names_that_differ_only_in_case_are_named(shop, tmp_path, capsys):
    path = shop / "events.parquet"
    table = pq.read_table(path)
    path.write_bytes(path.read_bytes()[:5000])
    message = refused(capsys, tmp_path / "out", "--source", shop)
    assert "events.parquet" in message and "file" in message
    path.write_bytes(b"no parquet")
    assert "events.parquet" in refused(capsys, tmp_path / "out", "--source", shop)
    pq.write_table(table.append_column("AMOUNT", table["amount"]), path)
    message = refused(capsys, tmp_path / "out", "--source", shop)
    assert "differ only in case: AMOUNT, amount" in message


def test_a_wrong_call_is_refused(small_shop, tmp_path, capsys):
    for options, words in [
        (["--week", "2016-W40"], "begins before the data do"),
        (["-p", "segmnets=4"], "did you mean 'segments'?"),
        (["-p", "l2=-1"], "l2"),
    ]:
        assert words in refused(capsys, tmp_path / "out", "--source", small_shop, *options)
