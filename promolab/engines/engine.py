"""The embedded engine: one in-memory DuckDB that reads files where they lie and spills to disk."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from promolab.errors import InputError

MEMORY_LIMIT = 900
"""MB that the engine may hold before it spills to disk: a report's processes stay small."""
MEMORY_PER_BYTE = 6
"""Of a larger shop: so many times what its files take, where the machine has four times that."""
MEMORY_VARIABLE = "PROMOLAB_MEMORY"

_numbers = itertools.count()


def connect(threads: int | None = None, size: int = 0) -> Any:
    """Return an Ibis connection to a fresh in-memory DuckDB that spills to the temporary folder.

    Parameters
    ----------
    threads : int, optional
    size : int
        Bytes of the files that it is to read, where they are known.

    Examples
    --------
    >>> connect(threads=1).name
    'duckdb'
    """
    from promolab.engines.embedded import Embedded

    settings: dict[str, Any] = {
        "memory_limit": memory_limit(size),
        # A folder that two engines spill to would mix their blocks.
        "temp_directory": str(scratch() / f"spilled-{next(_numbers)}"),
        # A report is made offline: the engine must not try to fetch an extension.
        "autoinstall_known_extensions": False,
        # What a query needed and no longer needs goes back to the system, not into reserve.
        "allocator_background_threads": True,
    }
    if threads:
        settings["threads"] = int(threads)
    con = Embedded().connect(**settings)
    usual = settings["memory_limit"] == f"{MEMORY_LIMIT}MB"
    con.limit = "" if usual else settings["memory_limit"]
    con.raw_sql("SET TimeZone = 'UTC'")
    # In a notebook the engine would draw a widget, which a page cannot show. Without ipywidgets
    # it draws none, and refuses even to be told so.
    if importlib.util.find_spec("ipywidgets"):
        con.raw_sql("SET enable_progress_bar = false")
    return con


def memory_limit(size: int = 0) -> str:
    """Return what the engine may hold: what ``PROMOLAB_MEMORY`` says, else `MEMORY_LIMIT`.

    Of large files it is more: some of what a join needs cannot be spilled.

    Parameters
    ----------
    size : int
        Bytes of the files that it is to read.

    Raises
    ------
    InputError
        If the variable holds no size.

    Examples
    --------
    >>> import os
    >>> os.environ["PROMOLAB_MEMORY"] = "4 GB"
    >>> memory_limit(10**8)
    '4GB'
    >>> del os.environ["PROMOLAB_MEMORY"]
    """
    stated = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not stated:
        if (wanted := MEMORY_PER_BYTE * size // 10**6) > MEMORY_LIMIT:
            import psutil

            wanted = min(wanted, psutil.virtual_memory().total // (4 * 10**6))
        return f"{max(wanted, MEMORY_LIMIT)}MB"
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])i?B?", stated, flags=re.IGNORECASE)
    if found is None or float(found[1]) == 0:
        raise InputError(
            f"{MEMORY_VARIABLE} = {stated!r} is no amount of memory; write one such as 4GB or 900MB"
        )
    return f"{found[1]}{found[2].upper()}B"


def scratch() -> Path:
    """Return this process's own temporary folder, removed when the process ends.

    It is held by a lock of the file system, so that whatever a killed process left is known as
    such, and removed here.

    Examples
    --------
    >>> scratch() == scratch()
    True
    """
    return _scratch(os.getpid())  # a forked process gets a folder of its own


@functools.cache
def _scratch(process: int) -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    parent = Path(tempfile.gettempdir()) / f"promolab-{user}"
    parent.mkdir(mode=0o700, exist_ok=True)
    for left in parent.iterdir():
        _remove_if_free(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{process}-", dir=parent))
    lock = _hold(folder)
    atexit.register(_leave, folder, lock, process)
    return folder


def _leave(folder: Path, lock: IO[str] | None, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.close()


def _hold(folder: Path) -> IO[str] | None:
    """Lock a folder for as long as the file returned stays open; None if another holds it."""
    try:
        import fcntl
    except ImportError:  # not on Windows: there a killed process leaves its folder behind
        return None
    file = (folder / ".lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _remove_if_free(folder: Path) -> None:
    # A folder without a lock file may be one that is just being made.
    if not (folder / ".lock").exists():
        return
    with suppress(OSError):
        lock = _hold(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


def quote(path: Path | str) -> str:
    """Return a path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"
