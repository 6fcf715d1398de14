"""What stands before the service: a token, a limit on sizes, counts, and errors without data."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OPEN = ("/health", "/alive")
"""Paths that need no token: they tell nothing of anybody."""
HOSTS = (b"localhost", b"127.0.0.1", b"[::1]")
"""What a request is sent to where no token is asked for."""
SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)


class Metrics:
    """What is counted, in Prometheus' format."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        on: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("promolab_requests", "Requests answered.", ["path", "status"], **on)
        self.seconds = Histogram(
            "promolab_request_seconds", "Time to answer.", ["path"], buckets=SECONDS, **on
        )
        self.events = Gauge("promolab_events", "Events by what became of them.", ["said"], **on)
        self.decisions = Gauge("promolab_decisions", "Decisions made here.", ["said"], **on)
        self.age = Gauge("promolab_features_age_seconds", "Age of the latest event counted.", **on)
        self.down = Counter("promolab_store_down", "Times the store did not answer.", **on)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as problem details (RFC 9457)."""
    title = HTTPStatus(status).phrase
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(told, status, headers, "application/problem+json")


class Guard:
    """Refuses who has no token or another host, and what is too large; counts the rest.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    token : str or None
        What ``Authorization: Bearer …`` must say; None asks for none.
    most : int
        Bytes that a body may have.
    paths : tuple of str
        Those that are counted by name.
    """

    def __init__(
        self, app: App, metrics: Metrics, token: str | None, most: int, paths: tuple[str, ...]
    ) -> None:
        self.app, self.metrics, self.most, self.paths = app, metrics, most, paths
        self._token = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, path = time.perf_counter(), str(scope["path"])
        named = path if path in self.paths else "other"
        status = 500

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        refused = self._refused(scope, path)
        if refused is not None:
            await refused(scope, receive, noted)
        else:
            await self.app(scope, _limited(receive, self.most), noted)
        self.metrics.requests.labels(named, str(status)).inc()
        self.metrics.seconds.labels(named).observe(time.perf_counter() - begun)

    def _refused(self, scope: Scope, path: str) -> Response | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"")
        if self._token is None and re.sub(rb":\d*$", b"", host).lower() not in HOSTS:
            # A page of another site, whose name was made to mean this machine.
            return problem(421, "without a token only localhost, 127.0.0.1 and [::1] are answered")
        if self._token is not None and path not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self._token):
                said = "give the service's token: Authorization: Bearer …"
                return problem(401, said, {"www-authenticate": "Bearer"})
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.most:
            return problem(413, _too_large(self.most))
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if scope["method"] == "POST" and kind != b"application/json":
            # A page of another site may send a browser's user here, but not with this type.
            return problem(422, "header.content-type: send application/json")
        return None


def _limited(receive: Receive, most: int) -> Receive:
    """Return what receives a body, and stops where it is longer than allowed."""
    got = 0

    async def limited() -> MutableMapping[str, Any]:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > most:
            raise HTTPException(413, _too_large(most))
        return message

    return limited


def _too_large(most: int) -> str:
    return f"a body may have {most:,} bytes; send less at a time"
