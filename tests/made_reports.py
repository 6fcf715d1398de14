"""Reports that tests read: Complete Journey's, and those of a small shop with markup in it."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SECRET = "what pseudonyms are made from where two folders shall be equal"
FEWEST = [*("-p", "models="), *("-p", "methods=kmeans"), *("-p", "recommenders=popularity")]
FEWEST += ["-p", "threads=1"]
"""Without what is compared with what a first week uses: that would be most of the time."""
MARKUP = "<script>alert('found')</script>"
"""What a small shop calls one of its promotions, its type, a category and an income group."""


@dataclass(frozen=True)
class Made:
    """What a call of ``promolab report`` gave: exit code, both streams, and the reports folder."""

    code: int
    stdout: str
    stderr: str
    out: Path

    def page(self, week: str = "2017-W44", name: str = "index") -> str:
        """Return a page's HTML."""
        return (self.out / week / f"{name}.html").read_text(encoding="utf-8")

    def metrics(self, week: str = "2017-W44") -> dict[str, Any]:
        """Return the week's numbers."""
        text = (self.out / week / "metrics.json").read_text(encoding="utf-8")
        numbers: dict[str, Any] = json.loads(text)
        return numbers

    def table(self, name: str, week: str = "2017-W44") -> Any:
        """Return one of the week's tables."""
        import pandas as pd

        return pd.read_parquet(self.out / week / "tables" / f"{name}.parquet")


def make_report(source: Path, out: Path, *options: str) -> Made:
    """Call ``promolab report`` as a user does, in a process of its own."""
    line = [sys.executable, "-m", "promolab.cli", "report", "--source", str(source)]
    line += ["--out", str(out), *options]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PROMOLAB_KEY": SECRET}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    return Made(done.returncode, done.stdout, done.stderr, out)


def report_in_process(source: Path | str, out: Path, *options: str, painted: bool = False) -> Made:
    """Call ``promolab report`` without a process or kernels of its own (`tests.in_process`)."""
    from promolab import cli
    from tests.in_process import without_kernels

    stdout, stderr = io.StringIO(), io.StringIO()
    line = ["report", "--source", str(source), "--out", str(out), *options]
    with without_kernels(painted=painted) as patch:
        patch.setenv("PROMOLAB_KEY", SECRET)
        with redirect_stdout(stdout), redirect_stderr(stderr):
            code = cli.main(line)
    return Made(code, stdout.getvalue(), stderr.getvalue(), out)


def _spoil(shop: Path, folder: Path, **statements: str) -> Path:
    """Copy a shop, each named table by a query of its own over ``{t}``."""
    import duckdb

    shutil.copytree(shop, folder)
    for name, query in statements.items():
        made = query.format(t=f"'{shop / name}.parquet'")
        duckdb.sql(f"COPY ({made} ORDER BY ALL) TO '{folder / name}.parquet' (FORMAT parquet)")
    return folder


def _busiest(shop: Path, folder: Path, table: str, customers: int) -> Path:
    """Copy a shop with the customers alone who have most rows in a table."""
    who = f"FROM '{shop / table}.parquet' SELECT customer_id GROUP BY ALL"
    who += f" ORDER BY count(*) DESC, customer_id LIMIT {customers}"
    query = f"FROM {{t}} WHERE customer_id IN ({who})"
    names = ("customers", "events", "responses", "exposures")
    return _spoil(shop, folder, **dict.fromkeys(names, query))


def documented_mapping() -> str:
    """Return the shop.toml that data/README.md shows for an export of invoice lines."""
    text = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    blocks: list[str] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    return next(block for block in blocks if "online_retail.csv" in block)


def _as_invoices(shop: Path, folder: Path) -> Path:
    """Write a shop's purchases as the export that data/README.md maps, and with it some dirt."""
    import duckdb

    folder.mkdir()
    lines = """
        SELECT order_id AS InvoiceNo, product_id AS StockCode, 'A THING, "QUOTED"' AS Description,
            quantity AS Quantity, strftime(ts, '%-m/%-d/%Y %-H:%M') AS InvoiceDate,
            amount / greatest(quantity, 1) AS UnitPrice, customer_id AS CustomerID,
            'mail' || customer_id || '@example.org' AS Contact
        FROM '{events}' WHERE kind = 'purchase'"""
    odd = """
        VALUES ('A563185', 'B', 'Adjust bad debt', 1, '8/12/2017 14:50', -11062.06, '1', NULL),
            ('536414', '22139', NULL, 56, '8/1/2017 11:52', 0.0, NULL, NULL),
            ('C536379', 'D', 'Discount', -1, '8/1/2017 9:41', 27.5, '1', NULL)"""
    query = f"{lines.format(events=shop / 'events.parquet')} UNION ALL {odd}"
    duckdb.sql(f"COPY ({query}) TO '{folder / 'online_retail.csv'}' (HEADER)")
    (folder / "shop.toml").write_text(documented_mapping(), encoding="utf-8")
    return folder


def skip_without_chinese_font() -> None:
    """Skip a test that draws Chinese, with the reason, where no font here can."""
    from promolab.plots import lacking_font

    if why := lacking_font(["中文"]):
        pytest.skip(why)


NULL = "simulated:customers=1500,weeks=12,variant=null"
"""A shop whose promotions change nobody; its report is in Chinese."""


def write_journey_report(out: Path) -> None:
    made = report_in_process("complete_journey", out, "--week", "2017-W44", *FEWEST)
    assert made.code == 0, made.stderr


def write_small_shop(root: Path) -> None:
    from promolab.sources import load_shop, save_shop

    shop, folder = load_shop("complete_journey"), root / "small"
    save_shop(shop, folder)
    con = shop.backend.con
    for path in folder.glob("*.parquet"):
        con.execute(f"CREATE TABLE small_{path.stem} AS FROM '{path}'")
    con.execute(
        "CREATE TABLE kept AS FROM ("
        " SELECT *, customer_id IN (SELECT customer_id FROM small_responses) AS answered"
        " FROM small_customers"
        ") QUALIFY row_number() OVER (PARTITION BY answered ORDER BY md5(customer_id::VARCHAR))"
        " <= CASE WHEN answered THEN 50 ELSE 80 END"
    )
    for name, key, there in (
        *(
            (one, "customer_id", "kept")
            for one in ("customers", "events", "exposures", "responses")
        ),
        ("products", "product_id", "small_events"),
        ("promotion_products", "product_id", "small_products"),
    ):
        con.execute(f"DELETE FROM small_{name} WHERE {key} NOT IN (SELECT {key} FROM {there})")
    text = MARKUP.replace("'", "''")
    con.execute(f"UPDATE small_customers SET income = '{text}' WHERE income = '50-74K'")
    con.execute(f"UPDATE small_promotions SET type = '{text}' WHERE type = 'Type B'")
    con.execute(
        f"UPDATE small_products SET category = '{text}' WHERE category ="
        " (SELECT category FROM small_events JOIN small_products USING (product_id)"
        "  GROUP BY ALL ORDER BY sum(amount) DESC, category LIMIT 1)"
    )
    for name in ("promotions", "promotion_products", "exposures", "responses"):
        # 16 runs in week 44 and is over by week 46; 13 was over lately.
        con.execute(
            f"CREATE OR REPLACE TABLE small_{name} AS SELECT * REPLACE ("
            f" CASE WHEN promotion_id IN (13, 16) THEN '{text}' ELSE '' END || promotion_id"
            f" AS promotion_id) FROM small_{name}"
        )
    for path in folder.glob("*.parquet"):
        con.execute(f"COPY (FROM small_{path.stem} ORDER BY ALL) TO '{path}' (FORMAT parquet)")
    toml = folder / "shop.toml"
    settings = toml.read_text("utf-8").replace('"Complete Journey"', '"Corner <b>shop</b>"')
    toml.write_text(settings, encoding="utf-8")


def write_small_reports(small_shop: Path, root: Path) -> None:
    fewer = _busiest(small_shop, root / "fewer", "events", 40)
    # A redemption after the week is no label of the week's model: all labels are 0.
    later = "FROM {t} WHERE ts >= TIMESTAMP '2017-10-30 04:00:00'"
    one_class = _spoil(small_shop, root / "one_class", responses=later)
    one_customer = _busiest(small_shop, root / "one_customer", "exposures", 1)
    one = ["-p", "threads=1"]
    jobs = [
        ("first", small_shop, "2017-W44", one),
        ("first", small_shop, "2017-W45", ["-p", "models=tree", *one]),
        ("early", small_shop, "2017-W19", FEWEST),
        ("invoices", _as_invoices(fewer, root / "invoices"), "2017-W44", one),
        ("one_class", one_class, "2017-W44", FEWEST),
        ("one_customer", one_customer, "2017-W52", ["-p", "models=", *one]),
    ]
    made = {}
    for name, source, week, options in jobs:
        made[name] = report_in_process(source, root / "reports" / name, "--week", week, *options)
        assert made[name].code == 0, made[name].stderr
    fields = {name: asdict(each) | {"out": ""} for name, each in made.items()}
    (root / "made.json").write_text(json.dumps(fields), encoding="utf-8")


def write_chinese_invoices(small_reports: dict[str, Made], root: Path) -> None:
    from promolab.folder import ReportsFolder
    from promolab.report.running.page import write_index
    from tests.in_process import said_in

    made = small_reports["invoices"].out / "2017-W44"
    said_in("zh", made, root / "reports", sorted(p.stem for p in (made / "notebooks").iterdir()))
    write_index(ReportsFolder(root / "reports"))


def write_null_report(root: Path) -> None:
    quick = ["-p", "models=", "-p", "features=chosen"]  # nothing here depends on the method
    made = report_in_process(NULL, root / "reports", "--lang", "zh", *quick)
    assert made.code == 0, made.stderr
    fields = asdict(made) | {"out": ""}
    (root / "made.json").write_text(json.dumps(fields), encoding="utf-8")
