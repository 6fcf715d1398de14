"""The embedded engine: one in-memory DuckDB that reads files where they lie."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["connect", "fingerprint", "quote"]

MEMORY_LIMIT = "900MB"
"""What the engine may hold before it spills to disk; the report's processes stay under 1.5 GB."""


def connect(threads: int | None = None) -> Any:
    """Return an Ibis connection to a fresh in-memory DuckDB that spills to the temporary folder.

    Examples
    --------
    >>> connect(threads=1).name
    'duckdb'
    """
    import ibis

    settings: dict[str, Any] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(Path(tempfile.gettempdir()) / "promolab-duckdb"),
        # A report is made offline: the engine must not try to fetch an extension.
        "autoinstall_known_extensions": False,
    }
    if threads:
        settings["threads"] = int(threads)
    con = ibis.duckdb.connect(**settings)
    con.raw_sql("SET TimeZone = 'UTC'")
    # In a notebook the engine would draw a widget, which a page cannot show. Without ipywidgets
    # it draws none, and refuses even to be told so.
    if importlib.util.find_spec("ipywidgets"):
        con.raw_sql("SET enable_progress_bar = false")
    return con


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quote(path: Path | str) -> str:
    """Return a path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"
