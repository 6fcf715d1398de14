"""A toy shop and toy notebooks: what the report engine does, in seconds."""

import functools
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from promolab.report.running.execute import Kernels, WarmProcess
from promolab.report.running.run import run_report
from tests.in_process import without_kernels
from tests.made_reports import SECRET

os.environ["TOYS"] = str(Path(__file__).parent)  # where a notebook finds toy_plan
PARAMETERS = """\
source = "complete_journey"  # where the shop comes from
week = "2017-W44"  # ISO week
seed = 0
threads = 1
folder = "."
depth = 0.5  # share of the list
mood = "calm"  # what to do: calm, fail, refuse, hang, die or plan
"""

DATA = """\
import os, sys, time
import pandas as pd
from promolab.errors import InputError
from promolab.folder.run_folder import open_run
run = open_run(folder, week=week)
--
if mood == "fail":
    raise KeyError("no such column")
if mood == "refuse":
    raise InputError("events has no rows")
if mood == "hang":
    open("hanging", "w").close()
    time.sleep(60)
if mood == "die":
    os._exit(9)
--
if mood == "plan":
    sys.path.insert(0, os.environ["TOYS"])
    from toy_plan import write_plan
    write_plan(run)
--
sales = pd.DataFrame({"customer_id": [3, 1, 2], "product": ["<script>alert(1)</script>", "b", "c"]})
run.write_table("sales", sales, by="customer_id")
print("noise on stderr", file=sys.stderr)
--
sales.head()
--
run.record("data", {"sales": {"rows_in": len(sales)}})
run.finish()
"""

REPORT = """\
from IPython.display import Markdown
from matplotlib import pyplot
from promolab.folder.run_folder import open_run
from promolab.display.figures import show
run = open_run(folder, week=week)
sales = run.read_table("sales")
--
figure, ax = pyplot.subplots(figsize=(3, 2))
ax.plot([0, 1], [0, depth])
show(ax, alt='Half of the list holds "most" of the redeemers')
--
first = run.pseudonym(sales.customer_id)[0]
Markdown(f"## Customers cost $5, not $6\\n\\nFirst: {first}, by {source}")
--
run.record("headlines", [{"label": "Customers", "text": "3", "value": 3 + seed}])
run.finish()
"""


def notebook(
    title: str, code: str, parameters: str = PARAMETERS, needs: str = ""
) -> nbformat.NotebookNode:
    """Return a notebook: its title, what it reads and writes, its parameters, its cells."""
    cells = [nbformat.v4.new_markdown_cell(part) for part in (title, needs) if part]
    cells += [
        nbformat.v4.new_code_cell(part.strip()) for part in f"{parameters}--\n{code}".split("--\n")
    ]
    cells[2 if needs else 1].metadata["tags"] = ["parameters"]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    made: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "stale", "display_name": "x", "language": "python"}
    return made


def toy_shop(*, usable: bool = True, **more: Any) -> SimpleNamespace:
    """Return as much of a shop as a report asks for, with some of it as said."""
    settings: dict[str, Any] = {"name": "Toy & Co", "currency": "USD", "margin_rate": None}
    settings |= {"default_week": "2017-W44", "operations": more.pop("operations", {})}
    checks = SimpleNamespace(usable=usable, summary=lambda: "events is empty")
    told = {
        "settings": SimpleNamespace(**settings),
        "zone": "America/New_York",
        "fingerprints": {"events": "ab12"},
        "files": (),
        "has": lambda table, *columns: False,
        "check": lambda: checks,
        "span": lambda: (datetime(2017, 1, 1, 15), datetime(2018, 1, 1, 4)),
    }
    return SimpleNamespace(**told | more)


def load_toy(source, *, settings=None, threads=None):
    return toy_shop()


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with braces, a blank and an umlaut in its name, which papermill would stumble on."""
    folder = tmp_path_factory.mktemp("toy") / "note {books} ü"
    folder.mkdir()
    nbformat.write(notebook("# 01 · Data\n\nWhat is there?", DATA), folder / "01_data.ipynb")
    nbformat.write(notebook("# 10 · Campaign report", REPORT), folder / "10_campaign_report.ipynb")
    nbformat.write(notebook("# Explore", "1/0"), folder / "explore_it.ipynb")
    return folder


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], WarmProcess]]:
    """Gives a process that forks kernels for all reports made here: to start one takes seconds."""
    environment = Kernels(tmp_path_factory.mktemp("warm")).environment()
    started = functools.cache(lambda: WarmProcess(environment))
    yield started
    if started.cache_info().currsize:
        started().close()


@pytest.fixture
def warm_kernels(monkeypatch, warm):
    """Let reports take their kernels from that process, however few steps they have."""

    shared = SimpleNamespace(fork=lambda *asked: warm().fork(*asked), close=lambda: None)
    monkeypatch.setattr("promolab.report.running.execute.WORTH_WARMING", 1)
    monkeypatch.setattr("promolab.report.running.execute.WarmProcess", lambda *_: shared)


def forked(act: Callable[[], object]) -> int:
    """Let another process act, and return how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ended(pid: int, within: float = 10.0) -> bool:
    """Wait for a process to end, and tell whether it did."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return True
        # A kernel that is over stays a name until what forked it forks the next one.
        if "\nState:\tZ" in status:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def toy(monkeypatch, notebooks, warm_kernels):
    monkeypatch.setattr("promolab.sources.load_shop", load_toy)
    return lambda out, **options: run_report(out=out, notebooks=notebooks, **options)


@pytest.fixture
def toy_here(toy):
    """The same without kernels, for tests of what becomes of a report, not of how it runs."""
    with without_kernels(painted=True):
        yield toy


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory, notebooks) -> Path:
    """A reports folder with one week that has a plan; tests read it and leave it as it is."""
    out = tmp_path_factory.mktemp("planned") / "reports"
    with without_kernels(painted=True) as patch:
        patch.setattr("promolab.sources.load_shop", load_toy)
        patch.setenv("PROMOLAB_KEY", SECRET)
        run_report(out=out, notebooks=notebooks, parameters={"mood": "plan"})
    return out
