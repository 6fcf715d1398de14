"""What tests make once and keep on disk, for all processes and later runs, and what still holds.

All of it lies under a key of what it is made from. Where ``CI`` is set nothing of an earlier run is
used.
"""

import functools
import hashlib
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["KEPT", "PACKAGE", "Green", "kept", "key_of"]

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".pytest_cache" / "kept"
PACKAGE = ("promolab", "notebooks", "pyproject.toml")
"""What everything is made from."""


@functools.cache
def key_of(*sources: str, root: Path = ROOT) -> str:
    """Return a key of what these files and folders hold, of installed packages and of Python."""
    packages = sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))
    known = hashlib.sha256(repr([sys.version, packages, os.environ.get("PROMOLAB_DATA")]).encode())
    for source in sources:
        place = root / source
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                known.update(f"{path.relative_to(root)}\n".encode())
                known.update(hashlib.sha256(path.read_bytes()).digest())
    return known.hexdigest()[:16]


def kept(
    name: str, make: Callable[[Path], object], *sources: str, scratch: Path, where: Path = KEPT
) -> Path:
    """Return a folder that lies there or is made now; whoever comes second waits for it.

    A change of the package or of ``sources`` makes another one. It outlasts the run, and what tests
    changed in it is noticed, and made again; where nothing of earlier runs is used, it lies in
    ``scratch``.
    """
    from filelock import FileLock

    where = scratch if os.environ.get("CI") else where
    where.mkdir(parents=True, exist_ok=True)
    folder = where / f"{name}-{key_of(*PACKAGE, *sources)}"
    whole = folder.with_suffix(".whole")
    with FileLock(where / f"{name}.lock"):
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        there = whole.read_text(encoding="utf-8").partition("\n") if whole.is_file() else None
        # What this run made or took is taken as it is: another process may be reading it.
        if there is None or there[0] != run:
            if there is None or there[2] != _listed(folder):
                _remove_old(where, name)
                whole.unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
            whole.write_text(f"{run}\n{_listed(folder)}", encoding="utf-8")
    return folder


def _listed(folder: Path) -> str:
    """Return which files lie in a folder, and when each was written; hidden ones are a reader's."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    told = [(path, path.stat()) for path in files if not path.name.startswith(".")]
    return "\n".join(f"{path.relative_to(folder)} {s.st_size} {s.st_mtime_ns}" for path, s in told)


def _remove_old(where: Path, name: str) -> None:
    """Take away what no run used within an hour."""
    for whole in where.glob(f"{name}-*.whole"):
        if time.time() - whole.stat().st_mtime > 3600:
            shutil.rmtree(whole.with_suffix(""), ignore_errors=True)
            whole.unlink()


class Green:
    """Whether a test passed with the very package and sources that are there."""

    def __init__(self, test: str, *sources: str, where: Path = KEPT) -> None:
        self._key = key_of(*PACKAGE, *sources)
        self._path = where / "green" / hashlib.sha256(test.encode()).hexdigest()[:16]

    def holds(self) -> bool:
        """Return whether it did; never where ``CI`` is set."""
        there = self._path.is_file() and not os.environ.get("CI")
        return there and self._path.read_text(encoding="utf-8") == self._key

    def note(self) -> None:
        """Note that it did."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._key, encoding="utf-8")
