"""A week's folder appears whole or not at all: lock, staging, swap, and what a killed run left.

A run builds the week in a hidden staging folder inside the reports folder and swaps it in by one
rename. The lock is the file system's (flock): it ends with the process that holds it, however it
ends, and so do a dead run's claims on what it left behind.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from promolab.errors import InputError, StepError
from promolab.results import plain
from promolab.weeks import Week

__all__ = [
    "PRIVATE",
    "good_weeks",
    "keep_private",
    "locked",
    "point_latest",
    "prepare",
    "publish",
    "read_json",
    "staging",
    "sweep",
    "tidy",
    "whole",
    "write_json",
    "write_secret",
]


PRIVATE = ("send", "tables", "shop")
"""Folders of a week in which the source's own ids stand."""


def keep_private(folder: Path, *names: str) -> None:
    """Close the files with ids to others: 0640 in folders of 0750, or as much less as they have.

    Parameters
    ----------
    folder : Path
        The run folder.
    *names : str
        The folders in it; by default all of `PRIVATE`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "send").mkdir()
    >>> keep_private(folder)
    >>> oct((folder / "send").stat().st_mode & 0o007)
    '0o0'
    """
    for top in (folder / name for name in names or PRIVATE):
        for path in [top, *top.rglob("*")] if top.is_dir() else ():
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & (0o750 if path.is_dir() else 0o640))


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; what was written replaces the file, or goes away if it failed.

    Parameters
    ----------
    path : Path
        The file to be.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with whole(path) as part:
    ...     _ = part.write_text("all of it")
    >>> path.read_text()
    'all of it'
    """
    part = path.with_name(f".{path.name.removeprefix('.')}.part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, None where there is none or it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file whole or not at all, keys sorted, floats in full precision."""
    text = json.dumps(plain(values), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with whole(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that none but its owner may read."""
    with whole(path) as part:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


_STAGING, _ASIDE, _PART = ".staging-", ".old-", ".part-"
_WEEK_FOLDER = re.compile(r"\d{4}-W\d{2}", re.ASCII)
WAIT = 1800.0  # seconds for which a run waits for another: longer than a report takes
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h


def prepare(out: str | Path, week: Week | None = None) -> Path:
    """Make the reports folder, and see that it can be written.

    Parameters
    ----------
    out : str or Path
        The reports folder.
    week : Week, optional
        The week that will be published in it.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    InputError
        If it is a file, cannot be made or cannot be written.
    """
    path = Path(out).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise InputError(f"--out {out} is a file; give a folder for the reports")
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Permission bits say little (root, read-only mounts), so try.
        probe = path / f"{_PART}{secrets.token_hex(6)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"--out {out} cannot be written ({error.strerror}); give a folder that can"
        ) from error
    if week is not None and (path / str(week)).exists() and not (path / str(week)).is_dir():
        raise InputError(f"{Path(out) / str(week)} is a file; the week's report goes there")
    return path


@contextmanager
def locked(
    out: Path,
    week: Week | None = None,
    *,
    wait: float = WAIT,
    say: Callable[[str], object] | None = None,
) -> Iterator[None]:
    """Hold the reports folder: one run writes into it at a time.

    Parameters
    ----------
    out : Path
        The reports folder.
    week : Week, optional
        The week to be made, for whoever has to wait for it.
    wait : float
        Seconds to wait for another run before giving up.
    say : callable, optional
        Told once, before waiting, which run holds the folder.

    Raises
    ------
    StepError
        If another run holds it all the while; the message says which.
    """
    with (out / ".lock").open("a+", encoding="utf-8") as file:
        if not _taken(file, out):
            _wait_for(file, out, wait, say)
        file.truncate(0)
        since = f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        file.write(f"process {os.getpid()}, {since}" + (f", week {week}" if week else ""))
        file.flush()
        yield


def _taken(file: IO[str], out: Path) -> bool:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise StepError(f"{out} cannot be locked: {error.strerror}") from error
        return False


def _wait_for(file: IO[str], out: Path, wait: float, say: Callable[[str], object] | None) -> None:
    # The lock goes with the process that holds it: there is no dead run to wait for.
    until = time.monotonic() + wait
    time.sleep(0.05)  # it may just be writing its name
    held = f"another run is writing into {out} ({_holder(file)})"
    if say is not None and wait > 0:
        say(f"{held}; waiting until it is done")
    while not _taken(file, out):
        if time.monotonic() >= until:
            held = f"another run is writing into {out} ({_holder(file)})"
            raise StepError(f"{held}; try again when it is done")
        time.sleep(0.1)


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "unknown"


def tidy(out: Path) -> None:
    """Finish or undo what a killed run left; call it with the lock held.

    Parameters
    ----------
    out : Path
        The reports folder.
    """
    for left in sorted(out.glob(f"{_ASIDE}*")):
        target = out / left.name.removeprefix(_ASIDE)
        if target.exists():
            shutil.rmtree(left, ignore_errors=True)
        else:  # killed between the two renames: the earlier report stands again
            os.rename(left, target)
    for left in (*out.glob(f"{_STAGING}*"), *out.glob(f"{_PART}*"), *out.glob(".*.part")):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def sweep(out: Path) -> None:
    """Clear away what a killed run left, unless a run is at it; a run that fails early does too.

    Parameters
    ----------
    out : Path
        The reports folder.
    """
    if not any(next(out.glob(f"{name}*"), None) for name in (_STAGING, _ASIDE, _PART)):
        return
    with suppress(StepError), locked(out, wait=0):
        tidy(out)


@contextmanager
def staging(out: Path, week: Week) -> Iterator[Path]:
    """Give a fresh hidden folder to build a week in; whatever is left of it in the end goes away.

    Parameters
    ----------
    out : Path
        The reports folder.
    week : Week
        The week to build.

    Yields
    ------
    Path
        The folder, absolute. Its name is never used again: a kernel of a killed run may still
        write into its own.
    """
    path = out / f"{_STAGING}{week}-{secrets.token_hex(6)}"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def publish(staged: Path, target: Path) -> None:
    """Put a finished folder in the place of the earlier one, what holds ids closed to others.

    Parameters
    ----------
    staged, target : Path
        Where it lies and where it shall appear, on one file system.
    """
    keep_private(staged)
    if not target.exists():
        os.rename(staged, target)
    elif exchange(staged, target):
        shutil.rmtree(staged, ignore_errors=True)
    else:
        aside = target.with_name(f"{_ASIDE}{target.name}")
        os.rename(target, aside)
        os.rename(staged, target)
        shutil.rmtree(aside, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step; False where the system or the file system cannot.

    Parameters
    ----------
    one, other : Path
        Both exist.

    Returns
    -------
    bool
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return bool(call(*names, ctypes.c_uint(_RENAME_EXCHANGE)) == 0)


def good_weeks(out: Path) -> list[Week]:
    """Return the weeks whose report is whole, in order of time.

    Parameters
    ----------
    out : Path
        The reports folder.

    Returns
    -------
    list of Week
    """
    weeks = []
    for path in out.iterdir():
        if _WEEK_FOLDER.fullmatch(path.name) and (path / "index.html").is_file():
            manifest = read_json(path / "manifest.json")
            if isinstance(manifest, dict) and manifest.get("status") == "good":
                with suppress(InputError):
                    weeks.append(Week.parse(path.name))
    return sorted(weeks)


def point_latest(out: Path) -> None:
    """Let ``latest`` point to the newest good week.

    Parameters
    ----------
    out : Path
        The reports folder.
    """
    weeks = good_weeks(out)
    latest = out / "latest"
    if not weeks or (latest.exists() and not latest.is_symlink()):
        return  # a real file or folder of that name is not ours to replace
    part = out / f"{_PART}{secrets.token_hex(6)}"
    with suppress(NotImplementedError, PermissionError):  # a file system without symlinks
        part.symlink_to(str(weeks[-1]), target_is_directory=True)
        os.replace(part, latest)


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        What it shall hold.
    """
    part = path.with_name(f"{_PART}{secrets.token_hex(6)}")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
