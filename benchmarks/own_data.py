"""A shop's own data: an export mapped by a few lines, and a warehouse that gives the same."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import ROOT, run_watched
from benchmarks.table import Row

MAX_LINES = 12
RELATIVE = 1e-9
INVOICES = """
    SELECT order_id AS InvoiceNo, product_id AS StockCode, 'A THING' AS Description,
        quantity AS Quantity, strftime(ts, '%-m/%-d/%Y %-H:%M') AS InvoiceDate,
        amount / greatest(quantity, 1) AS UnitPrice, customer_id AS CustomerID,
        'United Kingdom' AS Country
    FROM '{events}' WHERE kind = 'purchase'"""


def an_export_by_a_few_lines(shop_folder: Path, folder: Path) -> Row:
    """Write the shop's purchases as an export of invoice lines, and make its report."""
    import duckdb

    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    mapping = next(block for block in blocks if "online_retail.csv" in block)
    folder.mkdir(parents=True)
    (folder / "shop.toml").write_text(mapping, encoding="utf-8")
    query = INVOICES.format(events=shop_folder / "events.parquet")
    duckdb.sql(f"COPY ({query}) TO '{folder / 'online_retail.csv'}' (HEADER)")
    usage = run_watched(
        ["-m", "promolab.cli", "report", "--source", str(folder), "--out", str(folder / "out")]
    )
    lines, page = len(mapping.strip().splitlines()), Path(usage.stdout.splitlines()[-1])
    size = (folder / "online_retail.csv").stat().st_size / 2**20
    return Row(
        "Online-Retail-style csv to a rendered report",
        f"shop.toml only, ≤ {MAX_LINES} lines",
        f"{lines} lines ({size:.0f} MB of csv, {usage.wall_seconds:.0f} s)",
        lines <= MAX_LINES and page.is_file(),
    )


def a_warehouse_gives_the_same(shop_folder: Path) -> Iterator[Row]:
    """Describe the customers on DuckDB and on a PostgreSQL server started for it."""
    import time

    import pytest

    from benchmarks.point_in_time import ONE_DATE
    from benchmarks.size import differences
    from promolab import build_features, load_shop
    from tests._postgres import running_postgres

    what, bar = "features on PostgreSQL and on DuckDB", f"the same to {RELATIVE:g}"
    here = load_shop(shop_folder)
    try:
        with contextlib.closing(running_postgres()) as servers:
            url = next(servers).fill("bench", here.tables)
            there = load_shop(url, settings=shop_folder / "shop.toml")
            begun = time.perf_counter()
            ours = build_features(here, ONE_DATE).execute()
            between = time.perf_counter()
            theirs = build_features(there, ONE_DATE).execute()
            ended = time.perf_counter()
    except pytest.skip.Exception as reason:
        yield Row(what, bar, str(reason), ok=None)
        return
    wrong = differences(ours, theirs.drop(columns="as_of"))
    yield Row(
        what,
        bar,
        f"{ours.shape[1] - 1} columns of {len(ours):,} customers, "
        f"{f'differ in {wrong}' if wrong else 'equal'} ({ended - between:.1f} s to "
        f"{between - begun:.1f} s)",
        not wrong,
    )
