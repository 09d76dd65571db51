"""The application: routes, errors, tokens, limits, headers, logs and metrics put together."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cineloop import __version__
from cineloop.web import logs, metrics
from cineloop.web.api import events, health, pitch, profiles, runs, titles
from cineloop.web.console import mount, sessions
from cineloop.web.live import Live
from cineloop.web.problems import Problem, install, problem
from cineloop.web.settings import Settings

OPEN = frozenset({"/healthz", "/readyz"})
SESSIONS = frozenset({"/console/sign-in", "/console/sign-out"})
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
NAMED = frozenset(name for name, _ in HEADERS)
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
    for part in (health, events, profiles, titles, pitch, runs):
        app.include_router(part.router)
    mount(app, state)
    _openapi(app)
    app.add_middleware(Around, settings=settings)
    return app


class Around:
    """What happens around every request: the token, the limit, headers, one figure and one line of log.

    Plain ASGI: Starlette's middleware of functions starts a task and a stream for every request.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [header for header in message["headers"] if header[0] not in NAMED]
                message["headers"] = own + HEADERS
            await send(message)

        answer = _refused(self._settings, Request(scope)) or self._app
        try:
            await answer(scope, receive, sent)
        finally:
            route = scope.get("route")
            template = getattr(route, "path", "unknown")  # never the path itself: it holds profiles
            seconds = perf_counter() - begun
            metrics.observe(scope["method"], template, status, seconds)
            logs.request(scope["method"], template, status, seconds)


def _refused(settings: Settings, request: Request) -> Response | None:
    """A problem where the request may not be answered at all: no token, or too much to read.

    A browser that may not read the console is led to where it can sign in.
    """
    path = request.url.path
    writes = request.method not in ("GET", "HEAD", "OPTIONS")
    if settings.guarded_reads:
        sessions.signed_in.set(sessions.reads(request, settings.token, time.time()))
    if request.method == "POST" and path in SESSIONS:
        return None  # what comes there is a form of a few bytes, and the page itself looks at the token in it
    guarded = settings.guarded_reads and path not in OPEN and not path.startswith(sessions.OPEN)
    if writes or (guarded and not sessions.signed_in.get()):
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {settings.token}".encode()):
            if not writes and "text/html" in request.headers.get("accept", "") and _of_console(path):
                there = path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/console/sign-in?next={quote(there, safe='')}", 303)
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


def _of_console(path: str) -> bool:
    return path in ("/", sessions.HERE) or path.startswith(f"{sessions.HERE}/")


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
