"""The console: where the studio's people see what the loop knows. Server-rendered; it only reads, and decides homes.

`mount(app, live)` adds it to an app below `/console`. Another room adds to a title's page with
`cineloop.web.console.sections.provide`.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from cineloop.web.console import data, decisions, front, pitch, profiles, runs, search, sign_in, titles
from cineloop.web.console.kept import Kept
from cineloop.web.console.pages import Kind, not_found
from cineloop.web.desks import Desks
from cineloop.web.live import Live

STATIC = Path(__file__).with_name("static")


def mount(app: FastAPI, live: Live) -> None:
    """Add the console's pages and files to the app; `/` leads to them."""
    app.state.live, app.state.kept, app.state.desks = live, Kept(), Desks(live.studio)
    app.mount("/console/static", StaticFiles(directory=STATIC), name="console-static")
    router = APIRouter(route_class=Kind, include_in_schema=False)
    router.add_api_route("/", lambda: RedirectResponse("/console"), methods=["GET"])
    for family in (front, pitch, profiles, titles, runs, data, search, decisions, sign_in):
        family.add(router)
    router.add_api_route("/console/{rest:path}", not_found, methods=["GET"])
    app.include_router(router)
