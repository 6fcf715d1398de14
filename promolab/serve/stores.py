"""Where the log of a service lies, read by every process that serves a week, and calls to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from promolab.errors import InputError, MissingExtraError, PromolabError

BEGINNING = "0-0"
Entries = list[tuple[str, bytes]]
Told = TypeVar("Told")
WAITING = 1.0
"""Seconds in which a store has to answer."""
RETRY = 1
"""Seconds after which a store that is down is tried again."""
PAGE = 10_000
"""Entries that are read at once."""
_ONLY_AFTER = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local id = last[1] and last[1][1] or '0-0'
if id ~= ARGV[1] then return false end
return redis.call('XADD', KEYS[1], '*', 'e', ARGV[2])
"""


class Unavailable(PromolabError, RuntimeError):  # noqa: N818
    """Nothing can be answered now; what was to be written may be given again.

    Parameters
    ----------
    detail : str
        A sentence.
    status : str
        What /health says.
    """

    def __init__(self, detail: str, status: str) -> None:
        super().__init__(detail)
        self.status = status


class StoreDown(Unavailable):
    """The store did not answer, answered with an error, or was emptied."""

    def __init__(self, detail: str, status: str = "store down") -> None:
        super().__init__(detail, status)


class Turns:
    """One thread that makes the calls of a service in the order in which they come.

    So a call never sees the half of another one, and a store that hangs holds up neither the loop
    that takes requests nor more than one call: those behind it, and those of the next second, are
    told at once.

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


class MemoryStore:
    """A log in this process alone; it ends with it, and does not last.

    `read` gives the next entries behind one, at most `PAGE`, and ``seen`` says how many were read
    up to it; `append_after` writes if ``last`` is the last one.

    Examples
    --------
    >>> store = MemoryStore()
    >>> store.append(b"a"), store.append_after(b"b", "1"), store.append_after(b"c", "1")
    ('1', '2', None)
    >>> store.read("1", 1)
    [('2', b'b')]
    """

    name, lasts = "memory", False

    def __init__(self) -> None:
        self._entries: list[bytes] = []

    def read(self, after: str, seen: int) -> Entries:
        """Return the next entries behind one."""
        del after
        return [(str(k), e) for k, e in enumerate(self._entries[seen : seen + PAGE], seen + 1)]

    def append(self, entry: bytes) -> str:
        """Keep an entry."""
        self._entries.append(entry)
        return str(len(self._entries))

    def append_after(self, entry: bytes, last: str) -> str | None:
        """Keep an entry if nothing came since ``last``."""
        there = len(self._entries)
        return self.append(entry) if last == (str(there) if there else BEGINNING) else None


class RedisStore:
    """A stream of Redis or Valkey, written to disk before anything is acknowledged.

    Parameters
    ----------
    address : str
        ``redis://host:port/number``, ``rediss://…`` or ``unix://…``.
    key : str
        Of the stream.

    Raises
    ------
    InputError
        The address is none, or the server does not write each entry to disk at once.
    StoreDown
        It does not answer.
    """

    def __init__(self, address: str, key: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise MissingExtraError("a store of Redis or Valkey", "serve") from error
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry

        self.name, self.lasts = "redis", True
        self._key = key
        self._error, self._reply = redis.RedisError, redis.ResponseError
        self._gone = False
        # Tried again twice within a tenth of a second: a connection that was dropped is not a store
        # that is down. One that hangs is not tried again.
        again = Retry(ExponentialBackoff(cap=0.05, base=0.01), 2, (redis.ConnectionError,))
        try:
            self._redis: Any = redis.Redis.from_url(
                address, socket_timeout=WAITING, socket_connect_timeout=WAITING, retry=again
            )
        except ValueError as error:
            raise InputError(
                "--store is no address of a store; write memory or redis://host:6379"
            ) from error
        self._append_after = self._redis.register_script(_ONLY_AFTER)
        self._check_durable()

    def _check_durable(self) -> None:
        said = self._asked(lambda: self._redis.config_get("append*", "maxmemory-policy"))
        found = {_text(name): _text(value) for name, value in said.items()}
        expected = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        if any(found.get(name) != value for name, value in expected.items()):
            raise InputError(
                "the store does not write each event to disk before it acknowledges it, or may "
                f"take it away again ({', '.join(f'{n} {found.get(n)}' for n in expected)}); start "
                f"it with {' '.join(f'--{name} {value}' for name, value in expected.items())}"
            )

    def _asked(self, call: Any) -> Any:
        try:
            return call()
        except self._error as error:
            if not isinstance(error, self._reply):
                raise StoreDown("the store does not answer; is it running?") from error
            what = f"an error ({type(error).__name__})"
            raise StoreDown(f"the store answers with {what}; try again in a moment") from error

    def read(self, after: str, seen: int) -> Entries:
        """Return the next entries behind one, if those before it are still there."""
        with self._redis.pipeline() as both:  # at one moment
            both.xlen(self._key).xrange(self._key, f"({after}", "+", PAGE)
            there, rows = self._asked(both.execute)
        known = seen + len(rows)
        self._gone = self._gone or there < known or (len(rows) < PAGE and there > known)
        if self._gone:
            raise StoreDown(
                "the store's log is not what was read of it: it was emptied, or entries were taken "
                "away; restart the service, which reads suppressions.jsonl and served/",
                "log gone",
            )
        return [(_text(name), fields.get(b"e", b"")) for name, fields in rows]

    def append(self, entry: bytes) -> str:
        """Write an entry; the server answers when it is on disk."""
        return _text(self._asked(lambda: self._redis.xadd(self._key, {"e": entry})))

    def append_after(self, entry: bytes, last: str) -> str | None:
        """Write an entry if nothing came since ``last``."""
        made = self._asked(lambda: self._append_after(keys=[self._key], args=[last, entry]))
        return None if made is None else _text(made)


Store = MemoryStore | RedisStore
"""A log that only grows; its state is what its entries make, in their order."""


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def open_store(address: str, key: str) -> Store:
    """Open the store that an address names.

    Parameters
    ----------
    address : str
        ``memory``, or the address of a Redis or Valkey.
    key : str
        What the log is called there.

    Raises
    ------
    InputError
        There is no such kind of store.

    Examples
    --------
    >>> open_store("memory", "week").name
    'memory'
    """
    if address == "memory":
        return MemoryStore()
    if address.partition("://")[0] not in ("redis", "rediss", "unix"):
        raise InputError("--store is neither memory nor redis://host:port; give one of the two")
    return RedisStore(address, key)
