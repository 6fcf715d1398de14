"""Files that are written whole or not at all, JSON among them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promolab.results import plain

__all__ = ["read_json", "whole", "write_json", "write_secret"]


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
