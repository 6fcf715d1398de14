"""Run a command and watch what it and all its descendants take."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.table import Row

ROOT = Path(__file__).resolve().parents[1]
MB = 2**20


@dataclass(frozen=True)
class Usage:
    """What a command printed and took.

    ``peak_mb`` is of its largest process; ``sum_mb`` is the most that all of its processes held at
    once (0 where there is no /proc).
    """

    stdout: str
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    sum_mb: float = 0.0


def run_watched(arguments: Sequence[str], *, every: float = 0.1) -> Usage:
    """Run Python with these arguments from the repository's root until it ends.

    The peak is the highest resident memory of any process of the tree: Linux keeps it per process
    (VmHWM), so looking from time to time misses only what happens after the last look at a process.
    Elsewhere it is what `RUSAGE_CHILDREN` says: the largest child so far, which starts from the
    size of this process.

    Raises
    ------
    RuntimeError
        If the command fails; with the end of what it said.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    peak = total = 0.0
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment(),
            stdout=out,
            stderr=err,
        )
        try:
            while process.poll() is None:
                largest, together = _tree_mb(process.pid)
                peak, total = max(peak, largest), max(total, together)
                time.sleep(every)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        wall = time.perf_counter() - begun
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{err.read()[-2000:]}")
        stdout = out.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not peak:
        peak = after.ru_maxrss * (1 if sys.platform == "darwin" else 2**10) / MB
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(stdout, wall, cpu, peak, total)


def fresh(function: str, *arguments: object) -> dict[str, Any]:
    """Call ``module:function`` in a process of its own: the peak memory of one never falls.

    Parameters
    ----------
    function : str
        Of a module of this package; it returns figures by name.
    *arguments : object
        As JSON has them; a path becomes a text.

    Returns
    -------
    dict
        The figures, and ``peak_mb`` of that process, ``sum_mb`` of it and all that it starts.
    """
    given = json.dumps(arguments, default=str)
    usage = run_watched(["-m", "benchmarks.processes", function, given])
    told: dict[str, Any] = json.loads(usage.stdout.splitlines()[-1])
    return told | {"sum_mb": usage.sum_mb}


def pytest_row(what: str, tests: Sequence[str], **stated: str) -> Row:
    """Return whether some tests pass with what is stated in the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *tests],
        cwd=ROOT,
        env=os.environ | stated,
        capture_output=True,
        text=True,
    )
    last = (done.stdout.strip().splitlines() or ["nothing ran"])[-1]
    return Row(what, "every test passes", last, done.returncode == 0)


def environment(**stated: str) -> dict[str, str]:
    """Return this process's environment, in which the repository's modules can be imported."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, **stated}


def own_peak_mb() -> float:
    """Return the highest resident memory of this process so far."""
    from promolab.folder.run_folder import peak_memory_mb

    return peak_memory_mb()


def _tree_mb(pid: int) -> tuple[float, float]:
    """Return the highest VmHWM in the process tree under ``pid`` and the sum of what is resident.

    Both are 0 where there is no /proc.
    """
    peak, total, todo = 0.0, 0.0, [pid]
    while todo:
        process = Path("/proc", str(todo.pop()))
        try:
            status = (process / "status").read_text(encoding="ascii", errors="replace")
            for task in (process / "task").iterdir():
                todo.extend(int(p) for p in (task / "children").read_text().split())
        except OSError:  # it has just ended
            continue
        for line in status.splitlines():
            if line.startswith("VmHWM"):
                peak = max(peak, int(line.split()[1]) / 1024)
            elif line.startswith("VmRSS"):
                total += int(line.split()[1]) / 1024
    return peak, total


if __name__ == "__main__":
    _module, _, _name = sys.argv[1].partition(":")
    _found = getattr(import_module(f"benchmarks.{_module}"), _name)(*json.loads(sys.argv[2]))
    print(json.dumps(_found | {"peak_mb": own_peak_mb()}))
