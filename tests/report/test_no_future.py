"""Neither a row that is dated later, nor kernels, processes and threads change a byte of a week."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promolab.contract import TABLES
from promolab.sources import load_shop, save_shop
from promolab.weeks import Week
from tests.made_reports import make_report, report_in_process
from tests.report.test_small_shop import PAGES

WEEK = "2024-W33"  # a week in which promotions start, the last but one of the made-up shop
LATER = re.compile(r"Dated later, and not read: [^.]*\.|[\d,]+ dated later and not read\.")
# Pages show the parameters that a run was given.
THREADS = re.compile(r'(threads</span> <span class="o">=</span> <span class="mi">)[12](?=</span>)')


@pytest.fixture(scope="module")
def two_runs(made_once) -> dict[str, Path]:
    """The week of a shop without a table of customers, and again with another future.

    First as a user makes it, on two threads; then a step at a time, on one, without kernels.
    """
    sources = ("tests/report/test_no_future.py", "tests/made_reports.py", "tests/in_process.py")
    root = made_once("no_future", _two_runs, *sources)
    return {name: root / name / WEEK for name in ("plain", "changed")}


def _two_runs(root: Path) -> None:
    shop, week = root / "shop", ("--week", WEEK)
    save_shop(load_shop("simulated", customers=90, weeks=12), shop)
    (shop / "customers.parquet").unlink()
    settings = shop / "shop.toml"
    settings.write_text(settings.read_text(encoding="utf-8").split("[customers.attributes]")[0])
    made = make_report(shop, root / "plain", *week, "-p", "threads=2")
    assert made.code == 0, made.stderr
    as_of = Week.parse(WEEK).start(load_shop(shop).zone)
    for name in ("events", "exposures", "responses", "decisions", "contact_rights", "reviews"):
        path = shop / f"{name}.parquet"
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
        _with_another_future(name, frame, as_of).to_parquet(path)
    one = ("--workers", "1", "-p", "threads=1")
    made = report_in_process(shop, root / "changed", *week, *one, painted=True)
    assert made.code == 0, made.stderr


def _with_another_future(name: str, frame: pd.DataFrame, as_of: Any) -> pd.DataFrame:
    """Take most later rows away, change the others, and add some of customers never seen before."""
    ts = "ts" if "ts" in TABLES[name] else "since"
    later = frame[ts] >= as_of
    kept = frame[~later]
    changed = frame[later].iloc[::3]
    new = frame.sample(40, replace=True, random_state=0)
    new = new.assign(customer_id=[10**6 + i % 7 for i in range(len(new))])
    new[ts] = [as_of + timedelta(minutes=i * i) for i in range(len(new))]
    for column in {"amount", "quantity", "rating"} & set(frame):
        changed[column], new[column] = changed[column] * 1000 + 1, 1e6
    for column in {"allowed"} & set(frame):
        changed[column], new[column] = ~changed[column].astype(bool), False
    for column in {"decision_id", "order_id"} & set(frame):
        numbers = range(10**9, 10**9 + len(new))
        new[column] = pd.Series(numbers, new.index).astype(frame[column].dtype)
    every = pd.concat([new, kept, changed], ignore_index=True)
    return pd.DataFrame(every.astype(frame.dtypes))


def _files(folder: Path) -> dict[str, bytes]:
    """Return the files but for the manifest and notebooks, which tell of the input and the run."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    left = (".", "manifest", "notebooks")
    return {name: data for name, data in found.items() if not name.startswith(left)}


def test_every_table_file_and_page_is_the_same_to_the_byte(two_runs):
    plain, changed = (_files(folder) for folder in two_runs.values())
    assert set(plain) == set(changed)
    assert {f"{page}.html" for page in PAGES} | {"shop/events.parquet", "summary.md"} < set(plain)
    for name in ("features", "segments", "pairs", "planned"):
        assert len(pd.read_parquet(two_runs["plain"] / "tables" / f"{name}.parquet")), name
    for name in plain.keys() - {"metrics.json"}:
        told = [plain[name], changed[name]]
        if name.endswith((".html", ".md")):
            texts = [THREADS.sub("", data.decode()) for data in told]
            assert name != "01_data.html" or all(map(LATER.search, texts))
            told = [LATER.sub("", text).encode() for text in texts]
        assert told[0] == told[1], name


def test_every_number_is_the_same_but_the_rows_dated_later(two_runs):
    found = [json.loads((folder / "metrics.json").read_text()) for folder in two_runs.values()]
    counted = []
    for metrics in found:
        metrics["left_out"] = [LATER.sub("", said) for said in metrics["left_out"]]
        rows = metrics["data"].items()
        told = {name: (n.pop("rows_in"), n.pop("rows_dated_later")) for name, n in rows}
        assert told["customers"][1] < told["customers"][0]
        counted.append(told)
    assert found[0] == found[1]
    differs = {name for name in counted[0] if counted[0][name] != counted[1][name]}
    assert differs >= {"events", "exposures", "responses", "decisions", "customers"}
