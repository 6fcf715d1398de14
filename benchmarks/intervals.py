"""Whether the intervals of rankings and probabilities cover: the tests' own simulations, larger."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.processes import ROOT
from benchmarks.table import Row

DRAWS = 2_000
TESTS = ("tests/metrics/test_coverage.py", "tests/metrics/test_coverage_of_all.py")


def intervals_cover(draws: int = DRAWS) -> Iterator[Row]:
    """Yield whether the tests of coverage pass on more draws than a test run has time for.

    Parameters
    ----------
    draws : int
        Of each simulation; the bounds of the tests narrow with them.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *TESTS],
        cwd=ROOT,
        env=os.environ | {"PROMOLAB_DRAWS": str(draws)},
        capture_output=True,
        text=True,
    )
    last = (done.stdout.strip().splitlines() or ["nothing ran"])[-1]
    what = f"intervals of metrics cover, {draws:,} draws"
    yield Row(what, "every test passes", last, done.returncode == 0)
