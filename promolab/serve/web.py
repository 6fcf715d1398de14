"""The service over HTTP: /score, /events, /reply, /health, /metrics, and /openapi.json on them."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promolab import __version__
from promolab.errors import InputError
from promolab.serve.messages import Answers, Asked, Events, Found, Health, Problem, Question, Taken
from promolab.serve.service import Service, UnknownPromotion
from promolab.serve.stores import RETRY, Turns, Unavailable
from promolab.trust import FederatedShop

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
        self, app: ASGIApp, metrics: Metrics, token: str | None, most: int, paths: tuple[str, ...]
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

        async def noted(message: Message) -> None:
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

    async def limited() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > most:
            raise HTTPException(413, _too_large(most))
        return message

    return limited


def _too_large(most: int) -> str:
    return f"a body may have {most:,} bytes; send less at a time"


PATHS = ("/score", "/events", "/reply", "/health", "/alive", "/metrics", "/openapi.json")
MOST_BYTES = 4 << 20
ABOUT = (
    "Chances, effects, rights and choices of a released week, kept fresh by events. Errors are "
    "problem details (RFC 9457) without anything that was sent."
)


def application(service: Service, token: str | None = None, most: int = MOST_BYTES) -> ASGIApp:
    """Return the service as an ASGI application.

    Parameters
    ----------
    service : Service
    token : str, optional
        What every request but /health and /alive must bring; None asks for none, of this machine.
    most : int
        Bytes that a body may have.
    """
    metrics, turns = Metrics(), Turns()
    api = FastAPI(title="promolab", version=__version__, description=ABOUT, docs_url=None,
                  redoc_url=None)  # fmt: skip
    _say_problems(api, metrics)
    _add_answers(api, service, turns)
    _add_pages(api, service, metrics, turns)
    return Guard(api, metrics, token, most, PATHS)


def federated(shop: FederatedShop, token: str | None = None) -> ASGIApp:
    """Return a shop's side of a federated fit as an ASGI application: POST /federate.

    Parameters
    ----------
    shop : FederatedShop
    token : str, optional
        What every request must bring; None asks for none, of this machine.
    """
    api, metrics = FastAPI(openapi_url=None), Metrics()
    _say_problems(api, metrics)

    @api.post("/federate")
    async def told(message: dict[str, Any]) -> Response:
        return Response(shop(message), media_type="application/octet-stream")

    return Guard(api, metrics, token, MOST_BYTES, ("/federate",))


def _responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Problem} for code in (401, 413, 422, 503, *codes)}


def _add_answers(api: FastAPI, service: Service, turns: Turns) -> None:
    """Add /score, /events and /reply."""

    @api.post("/score", response_model=Answers, responses=_responses(404))
    async def score(
        asked: Asked,
        choose: Annotated[
            bool,
            Query(
                description="Whether each customer gets a decision, which is written into the "
                "week's served log: the released plan's action for whom the plan has, for anybody "
                "else what its policy allows within budget and limits, otherwise none."
            ),
        ] = False,
    ) -> Any:
        """Tell chance, effect, eligibility and holdout; choose on request only."""
        return await turns.take(service.score, asked.customers, asked.promotions, choose)

    @api.post("/events", response_model=Taken, responses=_responses())
    async def events(happened: Events) -> Any:
        """Take in what happened; it is in every answer from then on."""
        rows = [event.model_dump(exclude_none=True) for event in happened.events]
        return await turns.take(service.receive, rows)

    @api.post("/reply", response_model=Found, responses=_responses(404))
    async def reply(asked: Question) -> Any:
        """Tell which of the shop's templates answer a question, or that none is sure to."""
        return await turns.take(
            service.reply, asked.question, asked.customer_id, asked.promotion_id, asked.k
        )


def _add_pages(api: FastAPI, service: Service, metrics: Metrics, turns: Turns) -> None:
    """Add /health, /alive and /metrics."""

    @api.get("/health", response_model=Health, responses={503: {"model": Health}})
    async def health(response: Response) -> Any:
        """Tell whether the service is ready: all is read, and all can be answered and written."""
        try:
            await turns.take(service.check)
        except Unavailable as error:
            response.status_code = 503
            return service.health(error)
        return service.health()

    @api.get("/alive", response_class=Response)
    async def alive() -> Response:
        """Answer: the process lives. Whether it is ready, /health tells."""
        return Response()

    @api.get("/metrics", response_class=Response)
    async def counted() -> Response:
        """Return counts and times in Prometheus' format."""
        for said, n in service.taken.items():
            metrics.events.labels(said).set(n)
        metrics.age.set(service.age())
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _say_problems(api: FastAPI, metrics: Metrics) -> None:
    """Answer every error as problem details, in a sentence and without data."""

    @api.exception_handler(UnknownPromotion)
    async def unknown(_: Request, error: UnknownPromotion) -> Response:
        return problem(404, str(error))

    @api.exception_handler(InputError)
    async def wrong(_: Request, error: InputError) -> Response:
        return problem(422, str(error))

    @api.exception_handler(Unavailable)
    async def down(_: Request, error: Unavailable) -> Response:
        metrics.down.inc()
        return problem(503, str(error), {"retry-after": str(RETRY)})

    @api.exception_handler(RequestValidationError)
    async def misread(_: Request, error: RequestValidationError) -> Response:
        return problem(422, "; ".join(_said(e) for e in error.errors()[:5]))

    @api.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        hint = f"; there are {', '.join(PATHS)}" if error.status_code == 404 else ""
        return problem(error.status_code, f"{error.detail}{hint}")

    @api.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return problem(500, f"unexpected {type(error).__name__}; the service's log says where")


def _said(error: Mapping[str, Any]) -> str:
    """Return what is wrong, and where; the name of a field that nobody asks for is data."""
    where = error["loc"][: -1 if error.get("type") == "extra_forbidden" else None]
    return f"{'.'.join(map(str, where))}: {error['msg']}"
