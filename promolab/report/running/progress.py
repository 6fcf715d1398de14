"""What a run is doing, on one line of the terminal that moves every second."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

__all__ = ["Progress", "say"]

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
