"""The weekly report: its time, its memory, and that it comes out the same twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from benchmarks.processes import Usage, run_watched
from benchmarks.table import Row

WEEK = "2017-W44"
MAX_SECONDS = 60.0
MAX_PEAK_MB = 1.5 * 1024
KINDS = ("*.parquet", "*.json", "*.html")


def make_report(out: Path, threads: int) -> tuple[Path, Usage]:
    """Run ``promolab report`` in its own process; return the week's folder and what it took."""
    options = ["--week", WEEK, "--out", str(out), "-p", f"threads={threads}"]
    # Two folders have equal pseudonyms only where the same secret is stated.
    with patch.dict(os.environ, PROMOLAB_KEY="equal pseudonyms in all folders of the benchmark"):
        usage = run_watched(["-m", "promolab.cli", "report", *options])
    return out / WEEK, usage


def time_and_memory(usages: list[Usage], folders: list[Path]) -> Iterator[Row]:
    """Yield the rows on the report's wall-clock time and on its largest process."""
    walls = sorted(usage.wall_seconds for usage in usages)
    cpu = min(usage.cpu_seconds for usage in usages)
    # The slower of the runs counts; the processor time says whether the machine was busy.
    yield Row(
        f"promolab report --week {WEEK}, wall clock",
        f"≤ {MAX_SECONDS:.0f} s",
        f"{', '.join(f'{wall:.1f}' for wall in walls)} s (slowest of {len(walls)} runs counts; "
        f"processor {cpu:.1f} s)",
        walls[-1] <= MAX_SECONDS,
    )
    watched = max(usage.peak_mb for usage in usages)
    noted = max(largest_step_mb(folder) for folder in folders)
    peak = max(watched, noted)
    yield Row(
        "promolab report, peak memory of any process",
        f"≤ {MAX_PEAK_MB / 1024:.1f} GB",
        f"{peak / 1024:.2f} GB (watched {watched:.0f} MB, manifest {noted:.0f} MB)",
        peak <= MAX_PEAK_MB,
    )


def largest_step_mb(folder: Path) -> float:
    """Return the highest peak memory that the manifest states for a step."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return max(float(step["peak_memory_mb"]) for step in manifest["steps"].values())


def repeatable(first: Path, second: Path) -> Row:
    """Compare every parquet, JSON and HTML file of two runs of the week."""
    different, files = different_files(first, second, KINDS)
    return Row(
        "two runs of one week",
        "equal to the byte",
        _verdict(different, files),
        files > 0 and not different,
    )


def threads_do_not_matter(one: Path, two: Path) -> Row:
    """Compare the tables of a run with one engine thread and a run with two."""
    different, files = different_files(one / "tables", two / "tables", ("*.parquet",))
    return Row(
        "tables of -p threads=1 and -p threads=2",
        "equal to the byte",
        _verdict(different, files),
        files > 0 and not different,
    )


def different_files(first: Path, second: Path, kinds: tuple[str, ...]) -> tuple[list[str], int]:
    """Return the names of files that differ or stand on one side only, and how many there are."""
    names = {
        path.relative_to(folder)
        for folder in (first, second)
        for kind in kinds
        for path in folder.rglob(kind)
        if path.name != "manifest.json"
    }
    different = [
        str(name)
        for name in sorted(names)
        if not (first / name).is_file()
        or not (second / name).is_file()
        or (first / name).read_bytes() != (second / name).read_bytes()
    ]
    return different, len(names)


def _verdict(different: list[str], files: int) -> str:
    if not different:
        return f"{files} files equal"
    return f"{len(different)} of {files} files differ: {', '.join(different[:3])}"
