"""What tests look at once, in every case: widths and themes of pages, signals that end a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.processes import ROOT
from benchmarks.table import Row

TESTS = ("tests/browser", "tests/report/test_side_by_side.py")


def every_case() -> Iterator[Row]:
    """Yield whether pages pass axe-core in every width and theme, and signals leave nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *TESTS],
        cwd=ROOT,
        env=os.environ | {"PROMOLAB_EVERY_CASE": "1"},
        capture_output=True,
        text=True,
    )
    last = (done.stdout.strip().splitlines() or ["nothing ran"])[-1]
    what = "pages in every width and theme, a run in every signal"
    yield Row(what, "every test passes", last, done.returncode == 0)
