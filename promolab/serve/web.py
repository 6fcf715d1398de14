"""The service over HTTP: /score, /events, /health, /metrics, and a page that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from promolab import __version__
from promolab.errors import InputError
from promolab.serve.direct import DirectRoute
from promolab.serve.explained import explained_page
from promolab.serve.guard import Guard, Metrics, problem
from promolab.serve.messages import Answers, Asked, Events, Health, Problem, Taken
from promolab.serve.service import Service, UnknownPromotion
from promolab.serve.stores import Unavailable
from promolab.serve.turns import RETRY, Turns

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
    api.router.route_class = DirectRoute
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
        return explained_page(api.openapi())


def _say_problems(api: FastAPI, metrics: Metrics) -> None:
    """Answer every error as problem details, in a sentence and without data."""

    def answer(status: int, detail: str, **headers: str) -> Response:
        body, _ = problem(status, detail)
        kind = "application/problem+json"
        return Response(body, status, headers=headers, media_type=kind)

    @api.exception_handler(UnknownPromotion)
    async def unknown(_: Request, error: UnknownPromotion) -> Response:
        return answer(404, str(error))

    @api.exception_handler(InputError)
    async def wrong(_: Request, error: InputError) -> Response:
        return answer(422, str(error))

    @api.exception_handler(Unavailable)
    async def down(_: Request, error: Unavailable) -> Response:
        metrics.down.inc()
        return answer(503, str(error), **{"retry-after": str(RETRY)})

    @api.exception_handler(RequestValidationError)
    async def misread(_: Request, error: RequestValidationError) -> Response:
        return answer(422, "; ".join(_said(e) for e in error.errors()[:5]))

    @api.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        hint = f"; there are {', '.join(PATHS)}" if error.status_code == 404 else ""
        return answer(error.status_code, f"{error.detail}{hint}")

    @api.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return answer(500, f"unexpected {type(error).__name__}; the service's log says where")


def _said(error: Mapping[str, Any]) -> str:
    """Return what is wrong, and where; the name of a field that nobody asks for is data."""
    where = error["loc"][: -1 if error.get("type") == "extra_forbidden" else None]
    return f"{'.'.join(map(str, where))}: {error['msg']}"
