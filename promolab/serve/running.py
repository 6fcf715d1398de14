"""A service that runs: opened from a released week, listening, fed by a queue beside it."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, Any

from promolab.errors import InputError, MissingExtraError
from promolab.folder import ReportsFolder, claim
from promolab.loop import SERVED
from promolab.serve.events import microseconds
from promolab.serve.formulas import SECOND
from promolab.serve.service import Service
from promolab.serve.stores import Turns, Unavailable, open_store
from promolab.serve.week import open_week
from promolab.weeks import Week

Put = Callable[[Sequence[bytes]], list[str]]
"""Takes in lines of events, and says why some were left out."""

TOKEN = "PROMOLAB_TOKEN"
"""Environment variable: what every request must bring."""
BACKLOG = 2048
"""Connections that wait to be taken."""
SLOWEST = 30.0
"""Seconds that a connection has for a request and its answer."""
AT_ONCE = 500
"""Events of a queue that are written together, if so many are there."""


def serve_week(
    week: str,
    out: str | Path = "reports",
    *,
    store: str = "memory",
    host: str = "127.0.0.1",
    port: int = 8000,
    events: IO[bytes] | None = None,
    now: str | None = None,
) -> None:
    """Answer from a released week over HTTP, until the process is ended.

    Parameters
    ----------
    week : str
        ISO week, released.
    out : str or Path
        The reports folder.
    store : str
        ``memory``, or the address of a Redis or Valkey that several services share.
    host : str
        Address to listen on; any but this machine's own asks for a token in ``PROMOLAB_TOKEN``.
    port : int
        0 takes one that is free.
    events : binary file, optional
        Lines of JSON, an event each, that are taken in as they come.
    now : str, optional
        What the clock says at the start, to play a past week back; by default the present.

    Raises
    ------
    InputError
        The week was never released, or the store, the address or the clock is none.
    MissingExtraError
        The extra ``serve`` is not installed.
    """
    try:
        from promolab.serve import web  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("promolab serve", "serve") from error
    token = os.environ.get(TOKEN) or None
    with closing(_listening(host, port, token)) as listening:
        say(f"opening {week}")
        service, held = _opened(week, out, store, now)
        with held:
            for note in service.notes():
                say(note)
            answer(service, listening, token, events)


def answer(
    service: Service,
    listening: socket.socket,
    token: str | None = None,
    events: IO[bytes] | None = None,
) -> None:
    """Answer for a service, until the process is ended; the first line printed is the address.

    Parameters
    ----------
    service : Service
    listening : socket
    token : str, optional
        What every request must bring.
    events : binary file, optional
        Lines of JSON, an event each.
    """
    import uvicorn

    from promolab.serve.web import application

    turns = Turns()
    config = configured(application(service, token, turns=turns))
    server = uvicorn.Server(config)

    async def run() -> None:
        if events is not None:
            service.reading = True
            put = partial(_put, asyncio.get_running_loop(), turns, service)
            given = (service, put, lines_of(events))
            threading.Thread(target=_feed, args=given, daemon=True).start()
        host, port = listening.getsockname()[:2]
        print(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", flush=True)
        await server.serve(sockets=[listening])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


def configured(app: Any) -> Any:
    """Return how uvicorn serves an application: who is slower than `SLOWEST` is cut off."""
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Timed(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
        """A connection on which each exchange, from its first byte to its last, has its time."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.due = self.loop.call_later(SLOWEST, transport.abort)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self.due.cancel()
            self.due = self.loop.call_later(SLOWEST, self.transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self.due.cancel()
            super().connection_lost(exc)

    return uvicorn.Config(
        app, port=0, http=Timed, access_log=False, log_level="warning", server_header=False,
        timeout_graceful_shutdown=int(SLOWEST) or 1,
    )  # fmt: skip


def _opened(week: str, out: str | Path, store: str, now: str | None) -> tuple[Service, IO[bytes]]:
    """Open the store and the week, and hold its ``served/``; what is read is not looked at again.

    Raises
    ------
    InputError
        Another service answers from the week, of which a log in memory knows nothing.
    """
    clock, key = _clock(now), f"promolab:{ReportsFolder.there(out).shop}:{Week.parse(week)}"
    log = open_store(store, key)
    gc.disable()
    try:
        opened = open_week(week, out)
        try:
            held = claim(opened.run.path / SERVED / ".lock", shared=log.lasts)
        except OSError as error:
            raise InputError(
                f"{out} cannot be written ({error.strerror}); a service writes what it decides"
            ) from error
        if held is None:
            raise InputError(
                f"another service answers from {week}, and one of the two keeps what it decides "
                "in memory; end it, or give both the same --store redis://host:6379"
            )
        service = Service(opened, log, clock)
        gc.freeze()
    finally:
        gc.enable()
    return service, held


def say(text: str) -> None:
    """Write a sentence to stderr."""
    print(f"promolab: {text}", file=sys.stderr, flush=True)


def _listening(host: str, port: int, token: str | None) -> socket.socket:
    """Return a socket that listens, if who may ask is settled."""
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise InputError(f"--host {host} is no address; write 127.0.0.1 or 0.0.0.0") from error
    if not own and token is None:
        raise InputError(
            f"--host {host} lets other machines ask, and {TOKEN} states no token that they must "
            "bring; state one, or listen on 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        if token is None and not ipaddress.ip_address(made.getsockname()[0]).is_loopback:
            raise OSError(f"it is the address {made.getsockname()[0]} here, and {TOKEN} is not set")
        made.listen(BACKLOG)  # who asks from the moment that the address is printed is answered
    except (OSError, OverflowError) as error:
        made.close()
        raise InputError(f"--port {port} on {host} cannot be listened on: {error}") from error
    made.setblocking(False)
    return made


def _clock(now: str | None) -> Callable[[], float]:
    """Return the present, or a clock that says ``now`` at the start and goes on from there."""
    if now is None:
        return time.time
    ahead = microseconds(now) / SECOND - time.time()
    return lambda: time.time() + ahead


def lines_of(file: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of a file that are there, as they come, at most `AT_ONCE` together.

    Examples
    --------
    >>> import io
    >>> list(lines_of(io.BytesIO(b"a\\nb\\nc")))
    [[b'a', b'b'], [b'c']]
    """
    rest = b""
    while chunk := file.read1(1 << 16):  # type: ignore[attr-defined]
        *lines, rest = (rest + chunk).split(b"\n")
        for first in range(0, len(lines), AT_ONCE):
            yield lines[first : first + AT_ONCE]
    if rest.strip():
        yield [rest]


def _put(
    loop: asyncio.AbstractEventLoop, turns: Turns, service: Service, lines: Sequence[bytes]
) -> list[str]:
    """Write lines in their turn among the requests."""
    return asyncio.run_coroutine_threadsafe(turns.take(service.receive_lines, lines), loop).result()


def _feed(service: Service, put: Put, batches: Iterable[Sequence[bytes]]) -> None:
    """Take in what a queue gives; a line that cannot be read is said, and the next ones go on."""
    try:
        for lines in batches:
            for why in _taken(put, lines):
                say(f"an event of the queue is left out: {why}")
        service.reading = None
        say("the queue of events has ended; answers go on")
    except Exception as error:
        service.reading = False
        say(f"the queue of events is not read any more ({type(error).__name__}): restart")


def _taken(put: Put, lines: Sequence[bytes]) -> list[str]:
    """Write lines, however long the store is down or the disk full."""
    waited = 0.0
    while True:
        try:
            return put(lines)
        except Unavailable as error:
            if not waited:
                say(f"{error}; events wait until it does")
            waited = min(2.0, waited + 0.1)
            time.sleep(waited)
