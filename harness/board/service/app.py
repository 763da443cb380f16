"""The scoreboard as a service: pages to read, records to fetch, archives to upload."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

import harness
from harness.board.service import pages, rows, uploads
from harness.board.service.archive import Archive, ForeignRecordError
from harness.board.service.guard import Guard
from harness.board.service.limits import Limits, RefusedError
from harness.board.service.partial import Partials
from harness.board.service.problems import problem_for
from harness.board.service.store import StoreError
from harness.board.service.tokens import Tokens
from harness.board.service.uploads import Desk
from harness.errors import NotFoundError, UserError
from harness.records.published import Published

_LOG = logging.getLogger(__name__)
_HINTS = {404: "/docs lists what can be asked", 405: "/docs lists what can be asked"}
_ABOUT = "Records of collaborative inference, checked again here before they are shown."


def create_app(archive: Archive, *, published: Sequence[Published] = (), limits: Limits | None = None) -> FastAPI:
    """The application of one scoreboard; `harness.board.service.run` serves it.

    Args:
        archive: what it keeps; its catalogue is brought up to its files here.
        published: figures that are shown beside the records, marked as published.
        limits: how much it takes from strangers.

    Raises:
        BadInputError: the files cannot be read or written.
    """
    bounds = limits or Limits()
    partials = Partials(archive.store.folder / "partial", bounds.partial_uploads)
    partials.sweep()
    archive.start(published)
    app = FastAPI(
        title="ck-iot-farm scoreboard",
        description=_ABOUT,
        version=harness.__version__,
        docs_url=None,  # loads scripts from elsewhere; ours is in `pages`
        redoc_url=None,
        separate_input_output_schemas=False,
        lifespan=_threads(bounds.threads),
    )
    app.state.desk = Desk(archive, Tokens(archive.store.folder / "tokens"), partials, bounds)
    app.state.published = tuple(published)
    for router in (uploads.router, rows.router, pages.router):
        app.include_router(router)
    _describe_tokens(app)
    _answer_errors(app)
    app.add_middleware(Guard, requests_at_once=bounds.requests_at_once)
    return app


def _threads(count: int) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Sets how many threads answer, which can only be done where the event loop runs."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        del app
        anyio.to_thread.current_default_thread_limiter().total_tokens = count
        yield

    return running


def _describe_tokens(app: FastAPI) -> None:
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer", "description": "iot-farm scoreboard token NAME"}
        return document

    app.openapi = described  # type: ignore[method-assign]


def _answer_errors(app: FastAPI) -> None:
    """Every error is one line of what is wrong and one of the way out; none shows how the service is built."""

    @app.exception_handler(UserError)
    async def _user_error(request: Request, error: UserError) -> Response:
        if isinstance(error, RefusedError):
            return problem_for(request, error.status, error.message, error.hint, error.headers, **error.more)
        statuses = ((NotFoundError, 404), (ForeignRecordError, 403), (StoreError, 507))
        status = next((status for kind, status in statuses if isinstance(error, kind)), 422)
        return problem_for(request, status, error.message, error.hint)

    @app.exception_handler(RequestValidationError)
    async def _bad_request(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem_for(request, 422, f"{where}: {first['msg']}", "/docs says what it takes")

    @app.exception_handler(HTTPException)
    async def _http_error(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        hint = _HINTS.get(error.status_code, "")
        return problem_for(request, error.status_code, str(error.detail), hint, headers)

    @app.exception_handler(sa.exc.SQLAlchemyError)
    async def _database_error(request: Request, error: sa.exc.SQLAlchemyError) -> Response:
        _LOG.error("%s %s: the database failed: %s", request.method, request.url.path, type(error).__name__)
        text, hint = "the database of the scoreboard does not answer", "try again later"
        return problem_for(request, 503, text, hint, {"retry-after": "5"})

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        del error
        return problem_for(
            request, 500, "the scoreboard failed at this request", "tell whoever keeps it; its log has the cause"
        )
