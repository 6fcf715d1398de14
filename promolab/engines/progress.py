"""A progress bar for long work of the embedded engine, where stderr is a terminal."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from typing import Any

__all__ = ["Watch", "watch"]

PATIENCE = 2.0
"""Seconds that a query may take before a bar appears."""
_EVERY = 0.2


def watch(con: Any) -> None:
    """Show how far the connection's queries are, for as long as it lives.

    Parameters
    ----------
    con : ibis backend
        DuckDB. Nothing is shown in a notebook or where stderr is no terminal.
    """
    if not sys.stderr.isatty():
        return
    # The engine's own bar goes to stdout, where results go.
    con.raw_sql("SET enable_progress_bar = true")
    con.raw_sql("SET enable_progress_bar_print = false")
    threading.Thread(target=_follow, args=(weakref.ref(con.con),), daemon=True).start()


def _follow(reference: Any) -> None:
    state = Watch()
    while (con := reference()) is not None:
        try:
            state.tell(con.query_progress(), time.monotonic())
        except Exception:  # the connection is closed, and its last bar with it
            return state.end()
        del con
        time.sleep(_EVERY)
    state.end()


class Watch:
    """What is shown of one connection: nothing, or a bar for the query that runs.

    Parameters
    ----------
    file : text stream, optional
        Where the bar is drawn; by default stderr.
    """

    def __init__(self, file: Any = None) -> None:
        self.file = file
        self.since: float | None = None
        self.bar: Any = None

    def tell(self, percent: float, now: float) -> None:
        """Take note of how far the query is.

        Parameters
        ----------
        percent : float
            0 to 100; below 0 where no query runs.
        now : float
            Seconds of a clock that never turns back.
        """
        if percent < 0:
            self.end()
            return
        if self.bar is not None and percent < self.bar.n - 1:  # the next query
            self.end()
        if self.since is None:
            self.since = now
        if self.bar is None and now - self.since >= PATIENCE:
            from tqdm import tqdm

            form = "{desc}: {percentage:3.0f}% |{bar}| {elapsed}"
            self.bar = tqdm(
                total=100, desc="query", bar_format=form, leave=False, file=self.file or sys.stderr
            )
        if self.bar is not None:
            self.bar.update(max(percent - self.bar.n, 0))
            self.bar.refresh()

    def end(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
        self.bar, self.since = None, None
