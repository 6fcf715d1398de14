"""Following a training as it runs: a bar on stderr and, if asked, event files for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promolab.errors import InputError, MissingExtraError

__all__ = ["epochs_of", "event_files", "track_folder"]

FOLDER = "runs"


def track_folder(track: str | None) -> Path | None:
    """Return the folder that ``track`` names: ``tensorboard`` (``runs``) or ``tensorboard:FOLDER``.

    Raises
    ------
    InputError
        It is anything else.

    Examples
    --------
    >>> track_folder("tensorboard:logs").name, track_folder(None)
    ('logs', None)
    """
    if track is None:
        return None
    how, _, folder = str(track).partition(":")
    if how != "tensorboard" or (":" in str(track) and not folder):
        raise InputError(
            f"track={track!r} is unknown; give 'tensorboard' (event files in ./{FOLDER}), "
            "'tensorboard:FOLDER' or None"
        )
    return Path(folder or FOLDER)


@contextmanager
def event_files(track: str | None, name: str) -> Iterator[Any]:
    """Open a writer of event files in a new folder ``name-1``, ``name-2`` …; None if not asked.

    Raises
    ------
    MissingExtraError
        TensorBoard is not installed.
    """
    folder = track_folder(track)
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("track='tensorboard'", "tensorboard") from error
    number = 1
    while (folder / f"{name}-{number}").exists():
        number += 1
    try:
        writer = SummaryWriter(str(folder / f"{name}-{number}"))
    except OSError as error:
        raise InputError(
            f"track={track!r}: no event files can be written in {folder} ({error.strerror})"
        ) from error
    with writer:
        yield writer


def epochs_of(count: int, what: str, progress: bool) -> Any:
    """Return the epochs 1 to ``count``, with a bar where stderr is a terminal."""
    from tqdm import tqdm

    # disable=None: no bar in a pipe or a log.
    return tqdm(
        range(1, count + 1), what, unit="epoch", leave=False, disable=None if progress else True
    )
