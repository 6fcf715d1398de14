"""The service over HTTP: /score, /events, /health, /metrics, and a page that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from promolab import __version__
from promolab.display import Html, join, say, table
from promolab.errors import InputError
from promolab.serve.guard import Guard, Metrics, problem
from promolab.serve.messages import Answers, Asked, Events, Health, Problem, Taken
from promolab.serve.service import Service, UnknownPromotion
from promolab.serve.stores import RETRY, Turns, Unavailable

if TYPE_CHECKING:
    from promolab.serve.guard import App


PATHS = ("/score", "/events", "/health", "/alive", "/metrics", "/docs", "/openapi.json")
MOST_BYTES = 4 << 20
ABOUT = (
    "Chances, effects, rights and choices of a released week, kept fresh by events. Errors are "
    "problem details (RFC 9457) without anything that was sent."
)


def application(
    service: Service, token: str | None = None, most: int = MOST_BYTES, turns: Turns | None = None
) -> App:
    """Return the service as an ASGI application.

    Parameters
    ----------
    service : Service
    token : str, optional
        What every request but /health and /alive must bring; None asks for none, of this machine.
    most : int
        Bytes that a body may have.
    turns : Turns, optional
        Where else the service is called.
    """
    metrics, turns = Metrics(), Turns() if turns is None else turns
    api = FastAPI(title="promolab", version=__version__, description=ABOUT, docs_url=None,
                  redoc_url=None)  # fmt: skip
    _say_problems(api, metrics)
    _add_answers(api, service, turns)
    _add_pages(api, service, metrics, turns)
    return Guard(api, metrics, token, most, PATHS)


def _responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Problem} for code in (401, 413, 422, 503, *codes)}


def _add_answers(api: FastAPI, service: Service, turns: Turns) -> None:
    """Add /score and /events."""

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


def _add_pages(api: FastAPI, service: Service, metrics: Metrics, turns: Turns) -> None:
    """Add /health, /metrics and /docs."""

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
        for said, n in service.decided.items():
            metrics.decisions.labels(said).set(n)
        metrics.age.set(service.age())
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @api.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def explained() -> str:
        return _page_of(api.openapi())


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


def _page_of(api: Mapping[str, Any]) -> str:
    """Return a page of an OpenAPI description, which loads nothing: each address, every field."""
    about, parts = api["info"], []
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            rows = {f"?{p['name']}": p for p in told.get("parameters", [])} | told["responses"]
            parts.append(_explained(f"{method.upper()} {path}", told, rows))
    for name, told in api["components"]["schemas"].items():
        parts.append(_explained(name, told, told.get("properties", {})))
    body = say(about["title"], "h1") + say(about["description"]) + join(parts)
    head = f"<head><meta charset='utf-8'><title>{about['title']}</title></head>"
    return f"<!doctype html><html lang='en'>{head}<body>{body._repr_html_()}</body></html>"


def _explained(name: str, told: Mapping[str, Any], fields: Mapping[str, Any]) -> Html:
    rows = pd.DataFrame({"name": list(fields)})
    rows["about"] = [how.get("description", "") for how in fields.values()]
    about = " ".join(told.get("description", "").split())
    heads = {"name": "", "about": ""}
    return say(name, "h2") + table(rows, heads, caption=about, most=len(rows), otherwise=about)
