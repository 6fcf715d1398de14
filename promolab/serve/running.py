"""A service that runs: opened from a released week, listening."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from promolab.errors import InputError, MissingExtraError
from promolab.folder import ReportsFolder, claim
from promolab.loop import SERVED
from promolab.model import ResponseModel
from promolab.serve.events import microseconds
from promolab.serve.formulas import SECOND
from promolab.serve.service import Service
from promolab.serve.stores import open_store
from promolab.serve.week import open_week
from promolab.trust import FederatedShop
from promolab.weeks import Week

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

TOKEN = "PROMOLAB_TOKEN"
"""Environment variable: what every request must bring."""
BACKLOG = 2048
"""Connections that wait to be taken."""
SLOWEST = 30.0
"""Seconds that a connection has for a request and its answer."""


def serve_week(
    week: str,
    out: str | Path = "reports",
    *,
    store: str = "memory",
    host: str = "127.0.0.1",
    port: int = 8000,
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
        from promolab.serve.web import application
    except ImportError as error:
        raise MissingExtraError("promolab serve", "serve") from error
    token = os.environ.get(TOKEN) or None
    with closing(listening_at(host, port, token)) as listening:
        say(f"opening {week}")
        service, held = _opened(week, out, store, now)
        with held:
            for note in service.notes():
                say(note)
            answer(application(service, token), listening)


def share_week(week: str, out: str | Path, like: str | Path, *, port: int = 8000) -> None:
    """Answer sums over the pairs of a week's report over HTTP, until the process is ended.

    A line of ``federated.jsonl``, in the folder of all reports, says of each answer what it was.

    Parameters
    ----------
    week : str
        ISO week with a report; its ``tables/pairs.parquet`` are the rows.
    out : str or Path
        The reports folder.
    like : str or Path
        A saved logistic model that all shops have.
    port : int
        0 takes one that is free; on this machine alone.

    Raises
    ------
    InputError
        There is no such report or model, the shop is too small, or the port is taken.
    MissingExtraError
        The extra ``serve`` is not installed.
    """
    try:
        from promolab.serve.web import federated
    except ImportError as error:
        raise MissingExtraError("promolab federate --share", "serve") from error
    reports = ReportsFolder.there(out)
    pairs = reports.whole_run(Week.parse(week)).read_table("pairs").query("label_complete")
    model, log = ResponseModel.load(like), reports.path / "federated.jsonl"
    shop = FederatedShop(pairs, pairs["redeemed"], pairs["customer_id"], like=model, log=log)
    token = os.environ.get(TOKEN) or None
    with closing(listening_at("127.0.0.1", port, token)) as listening:
        answer(federated(shop, token), listening)


def answer(application: ASGIApp, listening: socket.socket) -> None:
    """Answer over HTTP, until the process is ended; the first line printed is the address.

    Parameters
    ----------
    application : ASGI application
    listening : socket
    """
    host, port = listening.getsockname()[:2]
    print(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", flush=True)
    server_of(application).run(sockets=[listening])


def server_of(application: ASGIApp) -> uvicorn.Server:
    """Return what serves over HTTP: who is slower than `SLOWEST` is cut off.

    Parameters
    ----------
    application : ASGI application
    """
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

    config = uvicorn.Config(
        application, port=0, http=Timed, access_log=False, log_level="warning",
        server_header=False, timeout_graceful_shutdown=int(SLOWEST) or 1,
    )  # fmt: skip
    return uvicorn.Server(config)


def _opened(week: str, out: str | Path, store: str, now: str | None) -> tuple[Service, IO[bytes]]:
    """Open the store and the week, and hold its ``served/``.

    Raises
    ------
    InputError
        Another service answers from the week, of which a log in memory knows nothing.
    """
    clock, key = _clock(now), f"promolab:{ReportsFolder.there(out).shop}:{Week.parse(week)}"
    log = open_store(store, key)
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
    gc.freeze()  # what was read is not looked at again
    return service, held


def say(text: str) -> None:
    """Write a sentence to stderr."""
    print(f"promolab: {text}", file=sys.stderr, flush=True)


def listening_at(host: str, port: int, token: str | None) -> socket.socket:
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
