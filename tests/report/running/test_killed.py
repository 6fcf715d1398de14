"""A report that is killed at random moments, and run again, ends with the same figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.report.conftest import SECRET

DRIVER = """
import json, os, random, signal, sys, time, traceback
import duckdb, IPython.core.formatters, matplotlib.pyplot, nbconvert, nbformat, pandas, papermill
import papermill.iorw, papermill.parameterize, pyarrow.parquet
# What each run would import anew.
import mistune, PIL.Image, promolab.simulated, pygments.lexers, pyarrow.dataset
from pathlib import Path
import promolab.sources.opening
from promolab.loop import Ledger, keep_ledger
from promolab.report.running.page import render_page
from promolab.report.running.run import run_report
from tests.in_process import without_kernels
from tests.report.conftest import load_toy

notebooks, folder, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
promolab.sources.load_shop = load_toy
WEEKS = ["2017-W44", "2017-W45"]

def make(week, out):
    with without_kernels():
        run_report(week=week, out=out, notebooks=notebooks, parameters={"mood": "plan"})

def child(week, out):
    pid = os.fork()
    if pid == 0:
        try:
            make(week, out)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return pid

def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def figures(out):
    ledger = Ledger.prepared(out / "ledger.duckdb", shop="Toy & Co")
    found = {name: ledger.rows(name).to_csv() for name in ("weeks", "outcomes", "models")}
    for week in WEEKS:
        found[week] = (out / week / "metrics.json").read_text()
        found["decisions " + week] = ledger.decisions(week).to_csv()
    return found

rng, took, killed = random.Random(seed), {}, 0
for week in WEEKS:
    begun = time.monotonic()
    assert ended(child(week, folder / "whole")) == 0
    took[week] = time.monotonic() - begun
for week in WEEKS:
    for number in range(kills):
        # Every third one is meant for the end, where the week is published and the ledger written.
        moment = rng.uniform(0.7 if number % 3 == 0 else 0.0, 1.0) * took[week]
        begun, pid = time.monotonic(), child(week, folder / "torn")
        while (spent := time.monotonic() - begun) < moment and not os.waitid(
            os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(0.002)
        if spent < moment:  # it was faster than the one before
            took[week] = spent
        os.kill(pid, signal.SIGKILL)
        killed += ended(pid) == -signal.SIGKILL
        if killed == kills // 2 * (1 + WEEKS.index(week)):
            break
    assert ended(child(week, folder / "torn")) == 0
left = sorted(p.name for p in (folder / "torn").iterdir())
print(json.dumps([killed, left, figures(folder / "whole"), figures(folder / "torn")]))
"""


def test_kills_at_random_moments_change_no_figure(notebooks, tmp_path, repository):
    path = os.pathsep.join([str(repository), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "PROMOLAB_KEY": SECRET, "TMPDIR": str(tmp_path)}
    call = [sys.executable, "-c", DRIVER, str(notebooks), str(tmp_path), "6", "0"]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    killed, left, whole, torn = json.loads(done.stdout)
    assert killed == 6, done.stderr
    assert torn == whole and whole["weeks"].count("draft") == 2
    # What the engine wrote last of a killed run is read with its file, and merged when that grows.
    assert [name for name in left if not name.startswith(".") and not name.endswith(".wal")] == [
        *("2017-W44", "2017-W45", "index.html", "latest", "ledger.duckdb", "source.json")
    ]
    assert not [name for name in left if name.startswith((".staging", ".part", ".old"))]
    assert Path(tmp_path / "torn" / "latest").resolve().name == "2017-W45"
