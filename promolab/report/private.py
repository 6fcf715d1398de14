"""Files of a run folder that hold customers' ids are for their owner and group alone."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PRIVATE", "keep_private"]

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
