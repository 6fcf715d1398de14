"""Wrong data: a sentence and exit code 2, and nothing is left behind."""

import shutil
from pathlib import Path

import duckdb
import pytest

from promolab import cli


def change(folder: Path, table: str, query: str) -> None:
    """Replace a table by a query over itself, ``{t}``."""
    path = folder / f"{table}.parquet"
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"CREATE TABLE changed AS SELECT {query}".format(t=f"FROM '{path}'"))
    con.execute(f"COPY changed TO '{path}' (FORMAT parquet)")


ONE = "{t} WHERE promotion_id::VARCHAR = '26'"


@pytest.mark.parametrize(
    ("table", "query", "words"),
    [
        ("events", "* EXCLUDE (kind), kind AS kinds {t}", "events|did you mean 'kinds'"),
        ("events", "* REPLACE ('much' AS amount) {t}", "amount|no number"),
        # A promotion without what its kind needs, or with what it cannot have.
        ("promotions", f"*, 40.0 AS discount_rate {ONE}", "26: discount_rate = 40|0.4, not 40"),
        ("promotions", f"*, 50.0 AS threshold {ONE}", "promotion 26|reduction or discount_rate"),
        ("promotions", f"*, 5.0 AS reduction, -1.0 AS contact_cost {ONE}", "26: contact_cost = -1"),
    ],
)
def test_a_spoilt_table_is_refused(small_shop, tmp_path, capsys, table, query, words):
    shop, out = Path(shutil.copytree(small_shop, tmp_path / "shop")), tmp_path / "out"
    change(shop, "events", "* {t} ORDER BY ts, customer_id, product_id LIMIT 3000")
    change(shop, table, query)
    week = ["--week", "2017-W01"] if ONE in query else []
    assert cli.main(["report", "--source", str(shop), "--out", str(out), *week]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("promolab: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err and "Error:" not in printed.err
    assert not out.is_dir() or not [p for p in out.iterdir() if not p.name.startswith(".")]
    assert all(word in printed.err for word in words.split("|")), printed.err
