"""Files that appear whole or not at all, and are closed to others where they hold ids."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from promolab.errors import InputError
from promolab.results import plain

PRIVATE = ("send", "tables", "shop")
"""Folders of a week in which the source's own ids stand."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h


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


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, None where there is none or it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file whole or not at all, keys sorted, floats in full precision."""
    text = json.dumps(plain(values), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")


def append_lines(path: Path, rows: Sequence[Mapping[str, Any]], *, on_disk: bool = True) -> None:
    """Write rows behind those of a file, a line of JSON each: all of them, or none and an OSError.

    Parameters
    ----------
    path : Path
        Several processes may write to it.
    rows : sequence of mapping
    on_disk : bool
        Whether they must survive a power cut when it returns.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.jsonl"
    >>> append_lines(path, [{"a": 1}])
    >>> read_lines(path)
    [{'a': 1}]
    """
    if not rows:
        return
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    left = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":  # whoever wrote it was killed
            size = path.read_bytes().rfind(b"\n") + 1
            os.truncate(file, size)
        try:
            while left:
                left = left[os.write(file, left) :]
            if on_disk:
                os.fsync(file)
        except OSError:
            os.truncate(file, size)
            raise
    finally:
        os.close(file)
    if new and on_disk:  # the name of the file, too
        place = os.open(path.parent, os.O_RDONLY)
        os.fsync(place)
        os.close(place)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows that `append_lines` wrote; one that was never written whole is left out.

    Raises
    ------
    InputError
        A line is no row; says which one.
    """
    found = []
    lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(
                f"line {number} of {path} cannot be read: it is no JSON object. Put the file back "
                "as it was, or correct the line"
            )
        found.append(row)
    return found


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of a file anew, whole or not at all; who may read it stays."""
    with whole(path) as part:
        part.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        part.chmod(path.stat().st_mode)


def claim(path: Path, *, shared: bool = False) -> IO[bytes] | None:
    """Lock a file while it is open; None where another process holds it.

    The lock is the file system's (flock): it ends with the process that holds it.

    Parameters
    ----------
    path : Path
    shared : bool
        Whether others may share it.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return None
    return file


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a file's lock inside a block, and wait for whoever has it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that none but its owner may read."""
    with whole(path) as part:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def exchange(one: Path, other: Path) -> bool:
    """Swap two paths that exist in one step; False where the system or the file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return bool(call(*names, ctypes.c_uint(_RENAME_EXCHANGE)) == 0)
