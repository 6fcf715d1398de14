"""What every test may use."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from promolab.folder import RunFolder

REPOSITORY = Path(__file__).resolve().parents[1]

# Figures are drawn without a screen, here and in every process that a test starts.
os.environ.setdefault("MPLBACKEND", "Agg")

# What is compiled is kept between processes and runs, also where the environment forbids it (not
# apart from the sources: all packages would be compiled once more); nobody asks for the grammar of
# international addresses that nbformat's validator would take two seconds to build.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# Expressions are millions of small objects that are gone by themselves: looking for cycles among
# them as often as Python does takes a fifteenth of the suite's time.
gc.set_threshold(50_000, 20, 100)

# Random examples: no clock decides, and where `CI` is set the same ones are drawn every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

SECRET = "what pseudonyms are made from where two folders shall be equal"
MARKUP = "<script>alert('found')</script>"
"""What a small shop calls one of its promotions, its type, a category and an income group."""


HEAVY = """
    report/test_small_shop.py
    report/test_complete_journey.py
    engines/test_spark.py
    loop/test_recheck.py
    browser/test_explorers.py
    report/test_no_future.py
    browser/test_report.py
    test_docs.py
    loop/rehearsal/test_rehearse.py
    features/test_pairs.py
    engines/test_dialects.py
    campaign/test_launch.py
    report/running/test_run.py
    loop/rehearsal/test_sees_only_what_a_shop_sees.py
    report/running/test_releases.py
    features/test_customers.py
    report/test_robust.py
    report/test_side_by_side.py
    simulated/test_reported.py
    loop/ledger/test_holding.py
    engines/test_warehouse.py
    report/running/test_killed.py
    report/test_bad_input.py
    report/running/test_backfill.py
    test_readme.py
    features/test_decisions.py
    metrics/test_uplift.py
    campaign/test_plan.py
    browser/test_notebook.py
    widgets/test_explore_notebooks.py
    policy/test_limits.py
    campaign/test_readout.py
    test_cleaning.py
    report/running/test_warm.py
    campaign/worth/test_week_worth.py
    model/test_neural.py
    effects/test_coverage.py
    onboarding/test_proposal.py
    loop/promises/test_kept_in_a_ledger.py
    compare/test_effect_methods.py
    simulated/test_promises.py
    policy/test_winners_curse.py
    effects/test_arms.py
    effects/test_comparison.py
    simulated/test_goes_on.py
    scoring/test_shrink.py
    campaign/test_randomised.py
    features/test_growing.py
    metrics/test_coverage.py
    test_setup.py
    test_sentences.py
    campaign/test_outlook_coverage.py
    metrics/test_coverage_of_all.py
    simulated/test_yardsticks.py
    effects/test_dose.py
    simulated/test_weekly.py
    effects/test_calibrated.py
    promotions/test_design.py
    promotions/test_values.py
    segmentation/test_carried.py
    test_benchmarks.py
    folder/test_choose_week.py
    campaign/test_experiments.py
    campaign/worth/test_kept.py
    campaign/test_week_policy.py
""".split()
"""Files that take longest, in the order in which they begin: two that make reports lie apart."""
REPORTS = {"journey_report", "small_reports", "chinese_reports", "explored_week", "postgres"}
"""Fixtures that take so long that whatever asks for one is slow."""


def pytest_configure(config: pytest.Config) -> None:
    # Files stay in the order of `pytest_collection_modifyitems`: xdist would take long lists first.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow and begin with it: a heavy file that begins last keeps a core waiting."""
    places = {str(REPOSITORY / "tests" / name): place for place, name in enumerate(HEAVY)}
    items.sort(key=lambda item: places.get(str(item.path), len(HEAVY)))
    for item in items:
        if str(item.path) in places or REPORTS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


MAY_SKIP = re.compile(
    "root may|only root|mounting is not|one core|PROMOLAB_DATA|Hillstrom's file|git checkout"
    "|a line without products|forked on Linux|symbolic links"
)
"""Why a test may be left out where `CI` is set: rights, the machine, data that nobody may ship."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _all_is_installed((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _all_is_installed((yield))


def _all_is_installed(report):
    """Where `CI` is set, fail what a missing package or program would leave out."""
    why = str(report.longrepr)
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "skipped" if MAY_SKIP.search(why) else "failed"
    return report


@pytest.fixture(autouse=True)
def _no_figure_left_open():
    """Close what a test drew: Matplotlib warns of many open figures, and a warning is an error."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder that holds pyproject.toml."""
    return REPOSITORY


@contextmanager
def _of_all_processes(tmp_path_factory, name: str) -> Iterator[Path]:
    """Give a folder that pytest-xdist's processes share; whoever comes second waits for it."""
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / f"{name}.lock"):
        (shared / name).mkdir(exist_ok=True)
        yield shared / name


@pytest.fixture(scope="session")
def journey_report(tmp_path_factory) -> Path:
    """Complete Journey's report of 2017-W44, made once; tests read it and leave it as it is.

    Once for all of pytest-xdist's processes.
    """
    import promolab

    with _of_all_processes(tmp_path_factory, "journey") as folder:
        made = folder / "reports" / "2017-W44"
        if not made.exists():
            promolab.run_report(week="2017-W44", out=made.parent)
    return made


@pytest.fixture(scope="session")
def small_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all rows of 130 of Complete Journey's customers, and markup in its names.

    Fifty answered something: among so few there is enough to learn from, as in a larger shop.
    """
    from promolab.sources import load_shop, save_shop

    shop = load_shop("complete_journey")
    folder = tmp_path_factory.mktemp("shop") / "small"
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
    for name in ("customers", "events", "exposures", "responses"):
        con.execute(
            f"DELETE FROM small_{name} WHERE customer_id NOT IN (SELECT customer_id FROM kept)"
        )
    con.execute(
        "DELETE FROM small_products WHERE product_id NOT IN (SELECT product_id FROM small_events)"
    )
    con.execute(
        "DELETE FROM small_promotion_products"
        " WHERE product_id NOT IN (SELECT product_id FROM small_products)"
    )
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
    settings = (folder / "shop.toml").read_text(encoding="utf-8")
    (folder / "shop.toml").write_text(
        settings.replace('"Complete Journey"', '"Corner <b>shop</b>"'), encoding="utf-8"
    )
    return folder


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
    done = subprocess.run(
        [*line, "--out", str(out), *options],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PROMOLAB_KEY": SECRET},
        capture_output=True,
        text=True,
    )
    return Made(done.returncode, done.stdout, done.stderr, out)


def report_in_process(source: Path | str, out: Path, *options: str) -> Made:
    """Call ``promolab report`` without a process or kernels of its own (`tests.in_process`)."""
    from promolab import cli
    from tests.in_process import without_kernels

    stdout, stderr = io.StringIO(), io.StringIO()
    line = ["report", "--source", str(source), "--out", str(out), *options]
    with without_kernels() as patch:
        patch.setenv("PROMOLAB_KEY", SECRET)
        with redirect_stdout(stdout), redirect_stderr(stderr):
            code = cli.main(line)
    return Made(code, stdout.getvalue(), stderr.getvalue(), out)


def _spoil(shop: Path, folder: Path, statements: dict[str, str]) -> Path:
    """Copy a shop, each named table by a query of its own over ``{t}``."""
    import duckdb

    shutil.copytree(shop, folder)
    for name, query in statements.items():
        path = folder / f"{name}.parquet"
        made = query.format(t=f"'{shop / name}.parquet'", folder=folder)
        duckdb.sql(f"COPY ({made}) TO '{path}' (FORMAT parquet)")
    return folder


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


@pytest.fixture(scope="session")
def small_reports(small_shop, tmp_path_factory) -> dict[str, Made]:
    """The small shop's reports, of several weeks and with parts of its data taken away.

    ``first`` holds the weeks 44 and 45, made in this order, and ``again`` week 44 made a step at a
    time on one thread. Both weeks 44 are made as a user makes them; the others are made without
    kernels, and their pictures are white.
    Once for all of pytest-xdist's processes.
    """
    with _of_all_processes(tmp_path_factory, "small") as root:
        made = root / "made.json"
        if not made.exists():
            reports = _small_reports(small_shop, root)
            fields = {name: asdict(each) | {"out": str(each.out)} for name, each in reports.items()}
            made.write_text(json.dumps(fields), encoding="utf-8")
        found = json.loads(made.read_text(encoding="utf-8"))
    return {name: Made(**each | {"out": Path(each["out"])}) for name, each in found.items()}


def _small_reports(small_shop: Path, root: Path) -> dict[str, Made]:
    invoices = _as_invoices(small_shop, root / "invoices")
    # A redemption after the week is no label of the week's model: all labels are 0.
    one_class = _spoil(
        small_shop,
        root / "one_class",
        {"responses": "FROM {t} WHERE ts >= TIMESTAMP '2017-10-30 04:00:00' ORDER BY ALL"},
    )
    busiest = (
        "SELECT customer_id FROM '{folder}/exposures.parquet' GROUP BY ALL"
        " ORDER BY count(*) DESC, customer_id LIMIT 1"
    )
    alone = "FROM {t} WHERE customer_id = (" + busiest + ") ORDER BY ALL"
    tables = ("customers", "events", "responses", "exposures")
    one_customer = _spoil(small_shop, root / "one_customer", dict.fromkeys(tables, alone))
    jobs = {
        "first": (small_shop, ["2017-W44", "2017-W45"], ["-p", "threads=2"]),
        "again": (small_shop, ["2017-W44"], ["--workers", "1", "-p", "threads=1"]),
        # Methods are compared in the first weeks: here that would be most of the time.
        "early": (small_shop, ["2017-W19"], ["-p", "models="]),
        "last": (small_shop, ["2017-W52"], ["-p", "models="]),
        "invoices": (invoices, ["2017-W44"], []),
        "one_class": (one_class, ["2017-W44"], ["-p", "models="]),
        "one_customer": (one_customer, ["2017-W44"], ["-p", "models="]),
    }

    def run(name: str) -> Made:
        source, weeks, options = jobs[name]
        out = root / "reports" / name
        for week in weeks:
            line = ["--week", week, *options]
            whole = (name, week) in {("first", "2017-W44"), ("again", "2017-W44")}
            made = (make_report if whole else report_in_process)(source, out, *line)
            if made.code:
                break
        return made

    return {name: run(name) for name in jobs}


def skip_without_chinese_font() -> None:
    """Skip a test that draws Chinese, with the reason, where no font here can."""
    from promolab.plots import lacking_font

    if why := lacking_font(["中文"]):
        pytest.skip(why)


CHINESE = {"again": "2017-W44", "invoices": "2017-W44"}


@pytest.fixture(scope="session")
def chinese_reports(small_reports, tmp_path_factory) -> dict[str, Path]:
    """The folders of weeks of `small_reports` whose first page, mail and list are in Chinese.

    Only the steps that write sentences for the first page ran again, without kernels. Once for all
    of pytest-xdist's processes.
    """
    from promolab.folder import ReportsFolder
    from promolab.report.running.index import write_index
    from tests.in_process import said_in

    skip_without_chinese_font()
    with _of_all_processes(tmp_path_factory, "chinese") as root:
        for name, week in CHINESE.items():
            if not (root / name / "index.html").exists():
                made = small_reports[name].out / week
                steps = ("01_data", "10_campaign_report")
                said_in("zh", made, root / f"{name}.part", steps)
                (root / f"{name}.part").rename(root / name)
                write_index(ReportsFolder(root / name))
    return {name: root / name / week for name, week in CHINESE.items()}


@pytest.fixture(scope="session")
def explored_week(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A small week with all that explorers read, alone in its reports folder, made once.

    Once for all of pytest-xdist's processes; tests read it, or copy its folder.
    """
    from promolab.folder import RunFolder
    from promolab.weeks import Week
    from tests.widgets.explored import WEEK, explored

    with _of_all_processes(tmp_path_factory, "explored") as folder:
        if not (folder / "reports" / WEEK / "index.html").exists():
            explored(folder)
    return RunFolder(folder / "reports" / WEEK, Week.parse(WEEK))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server for these tests alone; see `tests._postgres`."""
    from tests._postgres import running_postgres

    yield from running_postgres()
