"""What a run tells: the terminal while it goes on, and a command of the shop's when it is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

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


_FORM = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}"


def say(sentence: str) -> None:
    """Write a sentence on stderr, above a progress bar where there is one."""
    from tqdm import tqdm

    tqdm.write(f"promolab: {sentence}", file=sys.stderr)


class Progress:
    """A progress bar over steps, two of which may run at once; a line a step where none is drawn.

    Parameters
    ----------
    total : int
        How many steps there are.
    show : bool, optional
        Whether to draw; by default only where stderr is a terminal. Lines are written where it is
        none, and nothing at all where this is False.
    every : float
        Seconds between two redraws.
    """

    def __init__(self, total: int, show: bool | None = None, *, every: float = 1.0) -> None:
        from tqdm import tqdm

        # None: where stderr is no terminal.
        disable = None if show is None else not show
        self._bar: Any = tqdm(total=total, bar_format=_FORM, disable=disable, leave=False)
        self._lines = show is None and self._bar.disable
        self._total, self._begun = total, 0
        self._every = every
        self._running: dict[str, str] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._ticks: threading.Thread | None = None

    def __enter__(self) -> Progress:
        if not self._bar.disable:
            self._ticks = threading.Thread(target=self._tick, daemon=True, name="progress")
            self._ticks.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._ticks is not None:
            self._ticks.join()
        self._bar.close()

    def begin(self, title: str, detail: str = "") -> None:
        """Show that something runs, and how far it is; again, to show that it is further."""
        with self._lock:
            self._running[title] = f"{title} ({detail})" if detail else title
        self._draw()

    def end(self, title: str, *, steps: int = 1) -> None:
        """Show that something is over, and that so many steps more are done."""
        with self._lock:
            self._running.pop(title, None)
        self._bar.update(steps)
        self._draw()

    def line(self, text: str) -> None:
        """Say in a log that a step begins; where there is a bar, that says it."""
        with self._lock:
            self._begun += 1
            number = self._begun
        if self._lines:
            say(f"{text} ({number} of {self._total})")

    def say(self, sentence: str) -> None:
        """Write a sentence on stderr, above the bar where there is one."""
        say(sentence)

    def _draw(self) -> None:
        with self._lock:
            text = ", ".join(self._running.values())
        self._bar.set_description_str(text, refresh=not self._bar.disable)

    def _tick(self) -> None:
        while not self._over.wait(self._every):
            self._bar.refresh()
