"""What fails outside, a full disk or a lost connection, becomes a sentence, whoever finds it."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from promolab.errors import PromolabError, StepError

UNCHANGED = "the reports that were there are as they were"

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Of the system, of DuckDB that spills, and of tempfile, which finds no folder to write to.
_WORDS = re.compile(
    r"no space left on device|errno 28\b|disk quota exceeded|failed to offload"
    r"|no usable temporary directory|disk is full",
    re.IGNORECASE,
)
# Of PostgreSQL's driver, of other drivers, of the system.
_LOST = re.compile(
    "|".join(
        (
            "server closed the connection",
            "terminating connection",
            r"connection .*\b(lost|closed|reset|refused)",
            "(lost|broken|no) connection",
            "could not connect",
            "ssl syscall error",
            "broken pipe",
            "connection timed out",
            "network is unreachable",
            "no route to host",
        )
    ),
    re.IGNORECASE,
)
_NOTHING_LEFT = 256 * 1024  # bytes


def says_full(text: str) -> bool:
    """Tell whether an error's text says that a disk is full.

    Examples
    --------
    >>> says_full("IO Error: Could not write file: No space left on device")
    True
    """
    return _WORDS.search(text) is not None


def says_lost(text: str) -> bool:
    """Tell whether an error's text says that a server went away.

    Examples
    --------
    >>> says_lost("OperationalError: server closed the connection unexpectedly")
    True
    """
    return _LOST.search(text) is not None


def lost_connection_error(text: str) -> StepError:
    """Return the error for a server that went away.

    Parameters
    ----------
    text : str
        What the driver says.

    Returns
    -------
    StepError
    """
    first = text.strip().partition("\n")[0].strip().rstrip(".")
    return StepError(
        f"the connection to the shop's tables was lost ({first}); {UNCHANGED}. "
        "Run again when they can be reached"
    )


def disk_is_full(folder: Path) -> bool:
    """Tell whether nothing is left where a folder, or what is temporary, lies."""
    return any(left < _NOTHING_LEFT for left in _left(folder).values())


def full_disk_error(folder: Path, outcome: str) -> StepError:
    """Return the error for a full disk.

    Parameters
    ----------
    folder : Path
        The reports folder.
    outcome : str
        What that means for the reports: a clause.

    Returns
    -------
    StepError
    """
    left = _left(folder)
    tightest = min(left, key=lambda path: left[path], default=folder)
    return StepError(
        f"the disk of {tightest} is full; {outcome}. Free some space there and run again"
    )


@contextmanager
def full_disk_said(folder: Path, outcome: str) -> Iterator[None]:
    """Turn any error that comes from a full disk into a sentence.

    Parameters
    ----------
    folder : Path
        The reports folder.
    outcome : str
        What that means for the reports: a clause.

    Raises
    ------
    StepError
        If the disk was full.
    """
    try:
        yield
    except PromolabError:
        raise
    except Exception as error:
        known = isinstance(error, OSError) and error.errno in _FULL
        if known or says_full(str(error)):
            raise full_disk_error(folder, outcome) from error
        raise


def _left(folder: Path) -> dict[Path, int]:
    left = {}
    with suppress(OSError):
        left[folder] = shutil.disk_usage(folder).free
    with suppress(OSError):  # gettempdir tries to write: it finds no folder on a full disk
        temporary = Path(tempfile.gettempdir())
        left[temporary] = shutil.disk_usage(temporary).free
    return left
