"""The application: routes, errors, tokens, limits, headers, logs and metrics put together."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from fastapi import FastAPI, Request, Response

from cineloop import __version__
from cineloop.web import logs, metrics
from cineloop.web.api import events, health, profiles, runs, titles
from cineloop.web.console import mount
from cineloop.web.live import Live
from cineloop.web.problems import Problem, install, problem
from cineloop.web.settings import Settings

OPEN = frozenset({"/healthz", "/readyz"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
ABOUT = """What a streaming app calls for every member: their home screen with the reason of every title, similar
titles, search; and what it tells back: impressions, plays and feedback, acknowledged once they are on the disk."""


def create_app(settings: Settings, live: Live | None = None) -> FastAPI:
    """The app of one worker; `live` is made from the settings unless a test brings its own."""
    state = live or Live(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.start()
        yield
        state.stop()

    # FastAPI's pages of documentation load their scripts from elsewhere; the OpenAPI itself is served
    app = FastAPI(
        title="Cineloop",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.live = state
    install(app)
    for part in (health, events, profiles, titles, runs):
        app.include_router(part.router)
    mount(app, state)
    _openapi(app)

    @app.middleware("http")
    async def around(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        begun = perf_counter()
        response = _refused(settings, request) or await answer(request)
        response.headers.update(HEADERS)
        route = request.scope.get("route")
        template = getattr(route, "path", "unknown")  # never the path itself: it holds profiles
        seconds = perf_counter() - begun
        metrics.observe(request.method, template, response.status_code, seconds)
        logs.request(request.method, template, response.status_code, seconds)
        return response

    return app


def _refused(settings: Settings, request: Request) -> Response | None:
    """A problem where the request may not be answered at all: no token, or too much to read."""
    writes = request.method not in ("GET", "HEAD", "OPTIONS")
    if writes or (settings.guarded_reads and request.url.path not in OPEN):
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {settings.token}".encode()):
            refused = problem(401, "a token is needed", accepted="Authorization: Bearer TOKEN")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
    length = request.headers.get("content-length", "0")
    if writes and (
        not length.isdigit() or int(length) > settings.most_bytes or "content-length" not in request.headers
    ):
        return problem(
            413,
            "too large",
            f"{length} bytes",
            accepted=f"a body of up to {settings.most_bytes} bytes, its length said",
        )
    return None


def _openapi(app: FastAPI) -> None:
    made = app.openapi

    def complete() -> dict[str, object]:
        schema = made()
        parts = schema.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(name, None)
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        return schema

    app.openapi = complete  # type: ignore[method-assign]
