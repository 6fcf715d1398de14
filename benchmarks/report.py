"""The weekly report: its time, its memory, that it comes out the same, how long its pages are."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from benchmarks.processes import ROOT, Usage, fresh, pytest_row, run_watched
from benchmarks.table import Row, Run, at_most, part, unmeasured

WEEK, LATER = "2017-W44", "2017-W45"
KINDS = ("*.parquet", "*.json", "*.html")
ONE_DATE = datetime(2017, 10, 30, 4)
"""The start of the default week."""


@part("report", "importing promolab", quick={})
def start_times(runs: int = 5) -> Iterator[Row]:
    """Time ``import promolab`` and ``promolab --help`` in fresh processes."""
    timed = "from time import perf_counter as now; t = now(); import promolab; print(now() - t)"
    seconds = [float(run_watched(["-c", timed], every=0.01).stdout) for _ in range(runs)]
    yield at_most("import promolab", statistics.median(seconds), 0.25, "s", f"median of {runs}")
    asked = [run_watched(["-m", "promolab.cli", "--help"], every=0.01) for _ in range(runs)]
    seconds = [usage.wall_seconds for usage in asked]
    yield at_most("promolab --help", statistics.median(seconds), 0.4, "s", f"median of {runs}")


@part("report", "the weekly report, on two threads twice and on one", quick={"threads": (2,)})
def reports(run: Run, threads: tuple[int, ...] = (2, 2, 1)) -> Iterator[Row]:
    """Yield time and memory of reports of one week, and whether they are the same."""
    made = [make_report(run.out / str(n), many) for n, many in enumerate(threads)]
    folders, usages = [folder for folder, _ in made], [usage for _, usage in made]
    walls = [one.wall_seconds for one, many in zip(usages, threads, strict=True) if many == 2]
    told = f"processor {min(usage.cpu_seconds for usage in usages):.1f} s"
    yield at_most(f"promolab report --week {WEEK}, wall clock, two threads", walls, 50, "s", told)
    peak = max(usage.peak_mb for usage in usages) / 1024
    yield at_most("promolab report, peak memory of any process", peak, 1, "GB")
    if len(made) > 1:
        first, second, one_thread = folders
        yield repeatable(first, second)
        yield repeatable(
            first / "tables", one_thread / "tables", "tables of -p threads=1 and -p threads=2"
        )
        later = make_report(run.out / "0", 2, LATER)[1].wall_seconds
        yield at_most(f"promolab report --week {LATER}, into the same folder", later, 40, "s")


def make_report(out: Path, threads: int, week: str = WEEK) -> tuple[Path, Usage]:
    """Run ``promolab report`` in its own process; return the week's folder and what it took."""
    options = ["--week", week, "--out", str(out), "-p", f"threads={threads}"]
    # Two folders have equal pseudonyms only where the same secret is stated.
    with patch.dict(os.environ, PROMOLAB_KEY="equal pseudonyms in all folders of the benchmark"):
        usage = run_watched(["-m", "promolab.cli", "report", *options])
    return out / week, usage


CUSTOMERS = ((50_000, 2.5, 2), (200_000, 8, 4), (1_000_000, 40, 14))
"""Simulated customers, and the most minutes and GB of a report; the last with ``--large``."""


@part("report", "reports of simulated shops, and of a bare clone")
def larger_reports(run: Run) -> Iterator[Row]:
    """Yield time, memory, and time per customer against the shop before; and a clone's first."""
    before = float("inf")
    for customers, minutes, memory in CUSTOMERS[: 3 if run.large else 2]:
        what = f"promolab report, {customers:,} customers"
        asked = ["--source", f"simulated:customers={customers}", "--out", str(run.scratch / what)]
        usage = run_watched(["-m", "promolab.cli", "report", *asked])
        more, before = usage.wall_seconds / customers / before, usage.wall_seconds / customers
        told = f"a customer {more:.2f} × the shop before"
        yield at_most(what, usage.wall_seconds / 60, minutes, "min", told, also=more <= 1.1)
        told = f"all at once {usage.sum_mb / 1024:.2f} GB"
        yield at_most(f"{what}, largest process", usage.peak_mb / 1024, memory, "GB", told)
    clone, begun = str(run.scratch / "clone"), time.perf_counter()
    for command in (["git", "clone", str(ROOT), clone], ["make", "-C", clone, "report"]):
        subprocess.run(command, check=True, capture_output=True)
    yield at_most("make report, bare clone", time.perf_counter() - begun, 120, "s")


def week_of(run: Run) -> Path:
    """Return the folder of the week's report, made if it is not there."""
    made = (run.out / "0" / WEEK).is_dir()
    return run.out / "0" / WEEK if made else make_report(run.out / "0", 2)[0]


def repeatable(first: Path, second: Path, what: str = "two runs of one week") -> Row:
    """Compare every parquet, JSON and HTML file of two runs of the week."""
    different, files = different_files(first, second)
    told = f"{len(different)} of {files} files differ {', '.join(different[:3])}"
    return Row(what, "equal to the byte", told, files > 0 and not different)


def different_files(first: Path, second: Path) -> tuple[list[str], int]:
    """Return the names of files that differ or stand on one side only, and how many there are."""
    pair = [
        {
            path.relative_to(folder): path.read_bytes()
            for kind in KINDS
            for path in folder.rglob(kind)
            if path.name != "manifest.json"
        }
        for folder in (first, second)
    ]
    names = sorted({*pair[0], *pair[1]})
    return [str(name) for name in names if pair[0].get(name) != pair[1].get(name)], len(names)


# --- features of all exposures -----------------------------------------------------------------


@part("report", "features of all exposures")
def all_dates_against_one(run: Run, runs: int = 3) -> Iterator[Row]:
    """Yield time and memory of features at each promotion's start, against those of one date."""
    shop = week_of(run) / "shop"
    measured = [fresh("report:exposures_and_one_date", shop) for _ in range(runs)]
    what = "features of all exposures at their promotions' starts"
    every, one = (statistics.median(m[name] for m in measured) for name in ("all", "one"))
    ratio = statistics.median(m["all"] / m["one"] for m in measured)
    told = f"median of {runs}: {every:.2f} s for {measured[0]['rows']:,} rows, {one:.2f} s"
    yield at_most(f"{what}, time", ratio, 4, "× one date", told)
    yield at_most(f"{what}, memory", max(m["peak_mb"] for m in measured) / 1024, 1, "GB")


def exposures_and_one_date(shop_folder: str) -> dict[str, float]:
    """Time one date and all exposures."""
    from promolab import build_features, load_shop

    shop = load_shop(shop_folder)
    exposed = shop.exposures.join(shop.promotions, "promotion_id")
    # The first call also pays for imports and for reading the files, whichever it is.
    build_features(shop, ONE_DATE).execute()
    begun = time.perf_counter()
    build_features(shop, ONE_DATE).execute()
    between = time.perf_counter()
    rows = len(build_features(shop, exposed.select("customer_id", as_of="starts_at")).execute())
    return {"one": between - begun, "all": time.perf_counter() - between, "rows": rows}


# --- first pages -------------------------------------------------------------------------------

SCREEN = (1280, 900)
JOURNEY, SIMULATED = "complete_journey", "simulated"
CASES = (
    (JOURNEY, "2017-W44", 4, 1000),
    (JOURNEY, "2017-W45", 4, 1000),
    (JOURNEY, "2017-W20", 4, 1000),
    (JOURNEY, "2017-W49", 6, 1500),
    (SIMULATED, "", 6, 1500),
)
_COUNTED = (
    "<script>document.documentElement.dataset.found = JSON.stringify(["
    "document.documentElement.scrollHeight, "
    "document.body.innerText.split(/\\s+/).filter(Boolean).length])</script>"
)
_OFFLINE = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"


@part("report", "first pages in a browser")
def first_pages(run: Run) -> Iterator[Row]:
    """Yield height and words of each first page of `CASES`, and the height of its tallest step."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    for source, week, screens, words in CASES:
        what = f"first page, {source} {week}".rstrip()
        if browser is None:
            yield unmeasured(what, "chromium is not installed")
            continue
        folder = run.out / "first_pages" / f"{source}-{week}"
        options = ["--source", source, "--out", str(folder), *(["--week", week] if week else [])]
        run_watched(["-m", "promolab.cli", "report", *options])
        height, shown = measured(browser, folder / "latest" / "index.html")
        tall, told = height / SCREEN[1], f"{shown:,} words"
        what += f", ≤ {words:,} words"
        yield at_most(what, tall, screens, "screens", told, also=shown <= words)
        steps = (folder / "latest").glob("0*.html")
        tallest, name = max((measured(browser, page)[0], page.stem) for page in steps)
        yield at_most(
            f"the same, tallest page of a step: {name}", tallest / SCREEN[1], 8, "screens"
        )


def measured(browser: str, page: Path) -> tuple[int, int]:
    """Return how tall a browser lays a page out, in pixels, and how many words it shows."""
    text = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", page.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(text.replace("</body>", f"{_COUNTED}</body>"), encoding="utf-8")
        size = ",".join(map(str, SCREEN))
        options = [*_OFFLINE.split(), f"--user-data-dir={folder}/profile", f"--window-size={size}"]
        line = [browser, *options, "--dump-dom", copy.as_uri()]
        done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=120)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, "the page could not be measured"
    height, words = json.loads(html.unescape(found[1]))
    return int(height), int(words)


# --- killed ------------------------------------------------------------------------------------


@part("killed", "killed reports")
def killed_reports(times: int = 4) -> Iterator[Row]:
    """Yield whether two weeks' reports, killed at six random moments, end with the same figures."""
    for number in range(1, times + 1):
        what = f"reports killed at six random moments, {number} of {times}"
        yield pytest_row(what, ["tests/report/running/test_killed.py"])
