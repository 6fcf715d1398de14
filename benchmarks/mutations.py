"""Small mistakes, one at a time in a copy of the package: the tests named beside must see them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.table import Row, part

SECONDS = 900
COPIED = ("promolab", "tests", "benchmarks", "notebooks", "pyproject.toml", "README.md")
LISTED = Path(__file__).with_suffix(".toml")
FAILED = 1
"""pytest's exit code where tests failed; others mean that none were found or could be read."""


@dataclass(frozen=True)
class Mutation:
    """A change of one place that would be a mistake, and the tests that must fail by it.

    Parameters
    ----------
    file : str
        In ``promolab/``.
    pattern, change : str
        Text that stands there exactly once, and what takes its place.
    tests : str
        A file in ``tests/``, and after ``::`` a test of it.
    """

    file: str
    pattern: str
    change: str
    tests: str

    def made_in(self, package: Path) -> str:
        """Return the file's text with the change.

        Raises
        ------
        ValueError
            The pattern does not stand there exactly once.
        """
        path = package / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if (there := text.count(self.pattern)) != 1:
            raise ValueError(
                f"promolab/{self.file} holds {self.pattern!r} {there} times; expected once: bring "
                "the mutation in benchmarks/mutations.toml up to date"
            )
        return text.replace(self.pattern, self.change)


MUTATIONS = tuple(
    Mutation(**each) for each in tomllib.loads(LISTED.read_text(encoding="utf-8"))["mutation"]
)


@part("mutations", "mutations")
def mutations(chosen: Sequence[Mutation] = MUTATIONS, root: Path = ROOT) -> Iterator[Row]:
    """Yield a row per mutation that no test caught, and one for all of them.

    Parameters
    ----------
    chosen : sequence of Mutation
    root : Path
        The repository; it is copied and left as it is.

    Raises
    ------
    ValueError
        A pattern does not stand in its file exactly once, or a test fails without any change.
    """
    for one in chosen:
        one.made_in(root / "promolab")
    with tempfile.TemporaryDirectory(prefix="promolab-mutations-") as place:
        parts = {Path(place) / str(k): some for k in range(2) if (some := chosen[k::2])}
        with ThreadPoolExecutor(len(parts)) as pool:
            ends = [*pool.map(lambda folder: _made(root, folder, parts[folder]), parts)]
    missed = [end for some in ends for end in some if end[1] != FAILED]
    for one, code, said in missed:
        what = f"mutation of {one.file}: {' '.join(one.pattern.split())[:60]}"
        why = f"not caught by {one.tests}" if not code else said.splitlines()[-1]
        yield Row(what, "caught", why, ok=False)
    caught = len(chosen) - len(missed)
    yield Row("mutations caught by the tests", "all", f"{caught} of {len(chosen)}", not missed)


def _made(root: Path, folder: Path, chosen: Sequence[Mutation]) -> list[tuple[Mutation, int, str]]:
    """Copy what tests need, and return how they end there with each mutation."""
    folder.mkdir()
    for name in COPIED:
        if (source := root / name).is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    code, said = _tested(folder, sorted({one.tests for one in chosen}))
    if code:
        raise ValueError(f"tests fail without any change:\n{said}")
    return [(one, *_tested(folder, [one.tests], one)) for one in chosen]


def _tested(folder: Path, tests: Sequence[str], one: Mutation | None = None) -> tuple[int, str]:
    """Run tests in a copy, with a change or without; return how they ended."""
    path = folder / "promolab" / (one.file if one else "__init__.py")
    before = path.read_text(encoding="utf-8")
    try:
        if one is not None:
            _write(path, one.made_in(folder / "promolab"))
        line = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*line, *(f"tests/{name}" for name in tests)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS if one else None,
        )
        return done.returncode, done.stdout[-2000:]
    except subprocess.TimeoutExpired:  # what never ends any more is seen, too
        return FAILED, ""
    finally:
        _write(path, before)


def _write(path: Path, text: str) -> None:
    """Write a module, and forget what was compiled of it: it may be of the same size and second."""
    path.write_text(text, encoding="utf-8")
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
