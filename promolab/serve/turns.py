"""Calls that wait for the store, one after the other, beside the loop that takes requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from promolab.serve.stores import StoreDown, Told

RETRY = 1
"""Seconds after which a store that is down is tried again."""


class Turns:
    """One thread that makes the calls of a service in the order in which they come.

    So a call never sees the half of another one, and a store that hangs holds up neither the loop
    nor more than one call: those behind it, and those of the next second, are told at once.

    Examples
    --------
    >>> async def asked():
    ...     return await Turns().take(max, 1, 2)
    >>> with ThreadPoolExecutor(1) as aside:  # no loop runs in a thread of its own
    ...     print(aside.submit(asyncio.run, asked()).result())
    2
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "promolab-serve")
        self._found, self._down_until = StoreDown(""), 0.0

    async def take(self, call: Callable[..., Told], *given: object) -> Told:
        """Return what a call returns.

        Raises
        ------
        StoreDown
            The store does not answer, or did not a moment ago.
        """
        self._check()
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._made, call, *given
        )

    def _made(self, call: Callable[..., Told], *given: object) -> Told:
        self._check()  # the store may have gone while the call waited
        try:
            return call(*given)
        except StoreDown as error:
            self._found, self._down_until = error, time.monotonic() + RETRY
            raise

    def _check(self) -> None:
        if time.monotonic() < self._down_until:
            raise StoreDown(str(self._found), self._found.status)
