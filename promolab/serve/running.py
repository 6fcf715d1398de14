"""A service that runs: opened from a released week, listening, fed by a queue beside it."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
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
from promolab.folder import ReportsFolder
from promolab.serve.fresh.events import microseconds
from promolab.serve.fresh.formulas import SECOND
from promolab.serve.released.week import open_week
from promolab.serve.service import Service
from promolab.serve.stores import StoreDown, open_store
from promolab.serve.turns import Turns
from promolab.weeks import Week

Put = Callable[[Sequence[Any]], None]
"""Takes in events."""

TOKEN = "PROMOLAB_TOKEN"
"""Environment variable: what every request must bring."""
BACKLOG = 2048
"""Connections that wait to be taken."""
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
        import uvicorn

        from promolab.serve.web import application
    except ImportError as error:
        raise MissingExtraError("promolab serve", "serve") from error
    token = os.environ.get(TOKEN) or None
    with closing(_listening(host, port, token)) as listening:
        say(f"opening {week}")
        service = _opened(week, out, store, now)
        for note in service.notes():
            say(note)
        turns = Turns()
        config = uvicorn.Config(
            application(service, token, turns=turns), access_log=False, log_level="warning",
            server_header=False,
        )  # fmt: skip
        server = uvicorn.Server(config)

        async def run() -> None:
            if events is not None:
                taking = partial(_put, asyncio.get_running_loop(), turns, service)
                given = (service, taking, lines_of(events))
                threading.Thread(target=_feed, args=given, daemon=True).start()
            shown = f"[{host}]" if ":" in host else host
            print(f"http://{shown}:{listening.getsockname()[1]}", flush=True)
            await server.serve(sockets=[listening])

        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(run())


def _opened(week: str, out: str | Path, store: str, now: str | None) -> Service:
    """Open the store and the week; what is read then stays, and is never looked through again."""
    clock, key = _clock(now), f"promolab:{ReportsFolder.there(out).shop}:{Week.parse(week)}"
    log = open_store(store, key)
    gc.disable()
    try:
        service = Service(open_week(week, out), log, clock)
        gc.freeze()
    finally:
        gc.enable()
    return service


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
    loop: asyncio.AbstractEventLoop, turns: Turns, service: Service, rows: Sequence[Any]
) -> None:
    """Write events in their turn among the requests."""
    asyncio.run_coroutine_threadsafe(turns.take(service.receive, rows), loop).result()


def _feed(service: Service, put: Put, batches: Iterable[Sequence[bytes]]) -> None:
    """Take in what a queue gives; an event that cannot be read is said, and the next ones go on."""
    for lines in batches:
        rows = [row for row in (_row(line, service) for line in lines) if row is not None]
        if rows and not _taken(put, rows):
            for row in rows:  # one of them is refused, the others count
                _taken(put, [row])
    say("the queue of events has ended; answers go on")


def _taken(put: Put, rows: Sequence[Any]) -> bool:
    """Write events, however long the store is down; False where they are refused."""
    waited = 0.0
    while True:
        try:
            put(rows)
            return True
        except StoreDown as error:
            if not waited:
                say(f"{error}; events wait until it does")
            waited = min(2.0, waited + 0.1)
            time.sleep(waited)
        except InputError as error:
            if len(rows) == 1:
                say(f"an event of the queue is left out: {error}")
            return False


def _row(line: bytes, service: Service) -> Any:
    """Return what a line says; None, and why, where it is no event."""
    if not line.strip():
        return None
    try:
        row = json.loads(line)
        service.live.reader.read(row)
    except (ValueError, InputError) as error:
        service.taken["refused"] += 1
        told = "it is no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        say(f"an event of the queue is left out: {told}")
        return None
    return row
