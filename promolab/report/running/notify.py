"""Tell a command of the shop's how a week went."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["TIME_LIMIT", "notify"]

TIME_LIMIT = 60.0
"""Seconds that a command may take."""


def notify(
    command: Sequence[str], week: str, status: str, page: Path, *, limit: float = TIME_LIMIT
) -> str | None:
    """Run a command with the week, the status and the report's path behind its own arguments.

    No shell reads any of it. What it prints goes nowhere; it has nothing to read.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; nothing is run if it is empty.
    week : str
        The week.
    status : str
        ``good``, ``degraded`` or ``failed``.
    page : Path
        The report; of a failed week the list of all weeks.
    limit : float
        Seconds after which it is ended, with what it started.

    Returns
    -------
    str or None
        A sentence to warn with if it failed.
    """
    if not command:
        return None
    call = [*command, week, status, str(page)]
    told = f"the command {command[0]!r} of [notify]"
    try:
        process = subprocess.Popen(
            call,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return f"{told} cannot be run ({why}); nobody was told of {week}"
    try:
        _, said = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"{told} took more than {limit:g} seconds and was ended"
    except BaseException:
        _end(process)
        raise
    if process.returncode:
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        return f"{told} ended with {process.returncode}" + (f": {last}" if last else "")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stderr is not None:
        process.stderr.close()
    process.wait()
