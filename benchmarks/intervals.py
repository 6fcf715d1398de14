"""Whether intervals cover: the tests' own simulations, larger, and all that tests take part of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.processes import ROOT
from benchmarks.table import Row

DRAWS = 2_000
ASKS = ("tests.draws import", "PROMOLAB_DRAWS")
"""What a file of tests has in it that takes more draws where it is asked to."""


def intervals_cover(draws: int = DRAWS) -> Iterator[Row]:
    """Yield by folder whether the simulations of tests pass on more draws than they usually take.

    Parameters
    ----------
    draws : int
        Of each simulation; the bounds of the tests narrow with them.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in ASKS):
            found.setdefault(path.relative_to(ROOT / "tests").parts[0], []).append(str(path))
    for folder, files in found.items():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *files],
            cwd=ROOT,
            env=os.environ | {"PROMOLAB_DRAWS": str(draws)},
            capture_output=True,
            text=True,
        )
        last = (done.stdout.strip().splitlines() or ["nothing ran"])[-1]
        what = f"intervals of tests/{folder} cover, {draws:,} draws"
        yield Row(what, "every test passes", last, done.returncode == 0)
