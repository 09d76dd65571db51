"""How a page of the console is made: templates, filters, links, and errors that help."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.exceptions import HTTPException

from cineloop.errors import InputError
from cineloop.guard import Denied
from cineloop.play.shelf import Shelf
from cineloop.studio import Studio, moment_of
from cineloop.web.console.sessions import signed_in
from cineloop.web.live import Live

HUES, CUTS = 24, 6
PLACES = (
    ("front", "/console", "Overview"),
    ("profiles", "/console/profiles", "Profiles"),
    ("titles", "/console/titles", "Titles"),
    ("pitch", "/console/pitch", "Pitch"),
    ("runs", "/console/runs", "Runs"),
    ("data", "/console/data", "Data"),
    ("decisions", "/console/decisions", "Decisions"),
)


class Missing(Exception):  # noqa: N818 - a page that isn't there, with a way on
    """What was asked for is not there: said in a heading, a sentence, and a link to where it may be found."""

    def __init__(
        self, heading: str, text: str, href: str = "/console", link: str = "To the overview"
    ) -> None:
        super().__init__(heading)
        self.heading, self.text, self.href, self.link = heading, text, href, link


class Kind(APIRoute):
    """A route whose errors are pages for people."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, its errors turned into pages."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Missing as gone:
                return _sorry(404, gone.heading, gone.text, gone.href, gone.link)
            except Denied as denied:
                return _sorry(403, "Refused by a rule", str(denied), "/console/decisions", "To the decisions")
            except InputError as bad:
                return _sorry(422, "That could not be answered", str(bad), "/console", "To the overview")
            except HTTPException as bad:
                return _sorry(bad.status_code, "Not found", str(bad.detail), "/console", "To the overview")

        return answer


def not_found(rest: str) -> Response:
    """Any address below the console that leads nowhere."""
    raise Missing("There is no such page", f"Nothing stands at /console/{rest[:120]}.")


def page(name: str, here: str, title: str, status: int = 200, /, **facts: Any) -> Response:
    """A template as a page; `here` is the place in the navigation that is lit."""
    made = templates().get_template(name).render(here=here, title=title, **facts)
    return HTMLResponse(made, status)


def studio_of(request: Request) -> Studio:
    """The studio that the worker serves."""
    return live_of(request).studio


def live_of(request: Request) -> Live:
    """The worker's live state."""
    return cast(Live, request.app.state.live)


def shelf_of(request: Request) -> Shelf | None:
    """The live shelf, or None where nothing is live."""
    try:
        return live_of(request).shelf()
    except InputError:
        return None


@cache
def templates() -> Environment:
    """The console's templates; everything put into them is escaped unless it says that it is markup."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "day": day,
        "moment": moment,
        "said_at": said_at,
        "count": lambda n: f"{n:,}",
        "enc": lambda text: quote(str(text), safe=":"),
        "hue": hue,
        "cut": cut,
    }
    made.globals |= {"places": PLACES, "signed_in": signed_in.get}
    return made


def hue(title: str) -> int:
    """The poster's hue, one of 24: always the same for the same title.

    >>> hue("ml-100k:50") == hue("ml-100k:50") and 0 <= hue("x") < HUES
    True
    """
    return _drawn(title) % HUES


def cut(title: str) -> int:
    """The poster's composition, one of six."""
    return _drawn(title) // HUES % CUTS


def _drawn(title: str) -> int:
    return int.from_bytes(hashlib.blake2b(title.encode(), digest_size=4).digest(), "big")


def _at(value: Any) -> datetime:
    if isinstance(value, int):
        return moment_of(value)
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def day(value: Any) -> str:
    """A date for people, out of a moment, its ISO text or microseconds since 1970.

    >>> day(0)
    '1 January 1970'
    """
    at = _at(value)
    return f"{at.day} {at:%B %Y}"


def moment(value: Any) -> str:
    """A date and time for people, UTC.

    >>> moment("2026-03-02T08:05:00+00:00")
    '2 Mar 2026, 08:05 UTC'
    """
    at = _at(value)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def said_at(value: str) -> str:
    """A moment out of a file that may have been edited: as a date and time, or as it stands.

    >>> said_at("2026-03-02T08:05:00+00:00"), said_at("lately")
    ('2 Mar 2026, 08:05 UTC', 'lately')
    """
    try:
        return moment(value)
    except ValueError:
        return value


def _sorry(status: int, heading: str, text: str, href: str, link: str) -> Response:
    return page("sorry.html", "", heading, status, heading=heading, text=text, href=href, link=link)
