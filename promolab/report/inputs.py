"""The files that a run reads: are they at its end what they were at its beginning?"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from promolab.errors import DataError

__all__ = ["InputFiles", "fingerprint"]

_State = tuple[int, int, int]


@dataclass(frozen=True)
class InputFiles:
    """Size, time and number (inode) of each input file at one moment.

    Parameters
    ----------
    states : mapping of Path to tuple
        None where there was no such file.
    """

    states: Mapping[Path, _State | None]

    @classmethod
    def of(cls, files: Iterable[str | Path]) -> InputFiles:
        """Note how files are now."""
        return cls({Path(file): _state(Path(file)) for file in files})

    @classmethod
    def under(cls, source: str | Path, most: int = 10_000) -> InputFiles:
        """Note how a file, or the files of a folder and of the folders in it, are now."""
        path = Path(source)
        if not path.is_dir():
            return cls.of([path] if path.is_file() else [])
        inside = (file for form in ("*", "*/*") for file in path.glob(form))
        return cls.of(itertools.islice((file for file in inside if file.is_file()), most))

    def only(self, files: Iterable[str | Path]) -> InputFiles:
        """Keep these files; those not noted before are noted now."""
        states = {Path(f): self.states.get(Path(f)) or _state(Path(f)) for f in files}
        return InputFiles(states)

    def changed(self) -> Path | None:
        """Return the first file that is no longer what it was, None where all are."""
        return next((path for path, was in self.states.items() if _state(path) != was), None)

    def check(self) -> None:
        """Refuse to go on with files that changed while they were read.

        Raises
        ------
        DataError
            If one did, or went away.
        """
        path = self.changed()
        if path is None:
            return
        if not path.exists():
            raise DataError(f"{path} went away while it was read; run again when it is back")
        raise DataError(f"{path} changed while it was read; run again when it is complete")


def fingerprint(path: str | Path) -> str:
    """Return a file's SHA-256."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
