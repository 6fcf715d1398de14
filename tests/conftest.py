"""What every test may use."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.kept import Green, kept
from tests.made_reports import (
    Made,
    skip_without_chinese_font,
    write_chinese_invoices,
    write_journey_report,
    write_null_report,
    write_small_reports,
    write_small_shop,
)

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

# A process for each core: threads of their own would wait for each other, spinning.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Expressions are millions of small objects that are gone by themselves: looking for cycles among
# them as often as Python does takes a tenth of the suite's time.
gc.set_threshold(2_000_000, 20, 100)

# Random examples: no clock decides, and where `CI` is set the same ones are drawn every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


HEAVY = """
    report/test_small_shop.py report/test_complete_journey.py engines/test_spark.py
    loop/test_recheck.py browser/test_explorers.py report/test_no_future.py browser/test_report.py
    test_docs.py loop/rehearsal/test_rehearse.py report/running/test_run.py policy/test_limits.py
    report/test_robust.py features/test_decisions.py report/running/test_releases.py
    engines/test_warehouse.py widgets/test_explore_notebooks.py campaign/test_launch.py
    engines/test_dialects.py report/running/test_killed.py report/running/test_backfill.py
    features/test_pairs.py serve/test_refusals.py report/running/test_kernel_pool.py
    model/test_neural.py campaign/test_experiments.py campaign/worth/test_week_worth.py
    promotions/test_values.py report/test_side_by_side.py test_cleaning.py scoring/test_shrink.py
    features/test_customers.py campaign/test_readout.py onboarding/test_proposal.py
    serve/test_live.py campaign/test_plan.py simulated/test_goes_on.py
""".split()
"""Files that take longest, in the order in which they begin: two that make reports lie apart."""
REPORTED = ("tests/made_reports.py", "tests/in_process.py")
"""What makes the reports, beside the package."""
REPORTS = {"journey_report", "small_reports", "chinese_invoices", "null_report", "postgres"}
REPORTS |= {"explored_week"}
"""Fixtures that take so long that whatever asks for one is slow."""


def pytest_collection_finish() -> None:
    """Look no more for cycles among what was imported: it stays to the end."""
    gc.freeze()


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
    "|a line without products|forked on Linux|symbolic links|SCIPY_ARRAY_API"
)
"""Why a test may be left out where `CI` is set: rights, the machine, data that nobody may ship."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Where `CI` is set, fail what a missing package or program would leave out."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "skipped" if MAY_SKIP.search(str(report.longrepr)) else "failed"
    return report


pytest_make_collect_report = pytest_runtest_makereport


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let no process wait for what another one is making."""
    from tests.scheduling import FileScheduling

    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Skip what passed with the very sources that it tells of; never where ``CI`` is set."""
    told = item.get_closest_marker("when_changed")
    green = Green(item.nodeid, *told.args) if told else None
    if green and green.holds():
        pytest.skip("nothing of what it tells of changed since it passed")
    result = yield
    if green:
        green.note()
    return result


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


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `tests.kept.kept`, which makes a folder once for all processes."""
    base = tmp_path_factory.getbasetemp()
    scratch = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return partial(kept, scratch=scratch)


@pytest.fixture(scope="session")
def journey_report(made_once) -> Path:
    """Complete Journey's report of 2017-W44, for its figures alone: its pictures are white."""
    return Path(made_once("journey", write_journey_report, *REPORTED) / "2017-W44")


@pytest.fixture(scope="session")
def small_shop(made_once) -> Path:
    """A folder with all rows of 130 of Complete Journey's customers, fifty of whom answered."""
    return Path(made_once("shop", write_small_shop, *REPORTED) / "small")


@pytest.fixture(scope="session")
def small_reports(small_shop, made_once) -> dict[str, Made]:
    """The small shop's reports, of several weeks and with parts of its data taken away.

    ``first`` holds the weeks 44 and 45, made in this order. All are made without kernels, and their
    pictures are white: `tests/report/test_no_future.py` has a week made as a user makes it.
    """
    root = made_once("small", partial(write_small_reports, small_shop), *REPORTED)
    found = json.loads((root / "made.json").read_text(encoding="utf-8"))
    return {name: Made(**each | {"out": root / "reports" / name}) for name, each in found.items()}


@pytest.fixture(scope="session")
def null_report(made_once) -> Made:
    """The report of a simulated shop whose promotions change nobody, in Chinese, made once."""
    skip_without_chinese_font()
    root = made_once("null", write_null_report, *REPORTED)
    found = json.loads((root / "made.json").read_text(encoding="utf-8"))
    return Made(**found | {"out": root / "reports"})


@pytest.fixture(scope="session")
def chinese_invoices(small_reports, made_once) -> Path:
    """The week of invoices of `small_reports`, all of its steps made again in Chinese."""
    skip_without_chinese_font()
    make = partial(write_chinese_invoices, small_reports)
    return Path(made_once("chinese", make, *REPORTED) / "reports" / "2017-W44")


@pytest.fixture(scope="session")
def explored_week(made_once) -> RunFolder:
    """A small week with all that explorers read, alone in its reports folder, made once."""
    from promolab.folder import RunFolder
    from promolab.weeks import Week
    from tests.widgets.explored import WEEK, explored

    folder = made_once("explored", explored, "tests/widgets/explored.py")
    return RunFolder(folder / "reports" / WEEK, Week.parse(WEEK))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server for these tests alone; see `tests._postgres`."""
    from tests._postgres import running_postgres

    yield from running_postgres()
