"""Who is signed in to the console: a cookie that only someone who had the token can have got, for a working day.

The cookie is no token: it says when it was given, signed with the token (HMAC-SHA256), so that every worker of a
server knows it, none has to remember it, and a new token ends all sessions. It opens the console's pages to be read,
and nothing else: the API takes the token alone, so that no page from elsewhere can write with it.
"""

from __future__ import annotations

import hmac
from contextvars import ContextVar
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import Request

COOKIE = "cineloop-console"
LASTS = 12 * 3600  # seconds
HERE = "/console"
OPEN = ("/console/sign-in", "/console/static/")
"""Pages that need no session: they hold no data."""

signed_in: ContextVar[bool] = ContextVar("signed_in", default=False)
"""Whether the request at hand came with a session: its page then offers to sign out."""


def session(token: str, now: float) -> str:
    """The cookie's value, as given at `now` (seconds since 1970).

    >>> valid(session("secret", 1_000.0), "secret", 2_000.0), valid(session("guess", 1_000.0), "secret", 2_000.0)
    (True, False)
    """
    given = str(int(now))
    return f"{given}.{_signed(given, token)}"


def valid(value: str, token: str, now: float) -> bool:
    """Whether a cookie's value was given for this token, not longer ago than it lasts."""
    given, _, signature = value.partition(".")
    if not (given.isascii() and given.isdigit() and len(given) <= 12):
        return False
    genuine = hmac.compare_digest(_signed(given, token).encode(), signature.encode())
    return genuine and 0 <= int(now) - int(given) < LASTS


def reads(request: Request, token: str, now: float) -> bool:
    """Whether a request may read the console: it is one of its pages, and a session comes with it."""
    inside = request.url.path == HERE or request.url.path.startswith(f"{HERE}/")
    return inside and valid(request.cookies.get(COOKIE, ""), token, now)


def from_here(request: Request) -> bool:
    """Whether a form was sent from a page of this server, as far as the browser says where it was."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    # pages that keep their address to themselves, as these do, send an origin of "null"
    origin = request.headers.get("origin", "null")
    return origin == "null" or urlsplit(origin).netloc == request.headers.get("host", "")


def onward(place: str) -> str:
    """Where to go after signing in: a page of the console, whatever was asked for.

    >>> onward("/console/runs?x=1"), onward("https://elsewhere.example/console"), onward("/console//elsewhere")
    ('/console/runs?x=1', '/console', '/console')
    """
    path = place.partition("?")[0]
    inside = path == HERE or path.startswith(f"{HERE}/")
    odd = "//" in path or "\\" in path or ".." in path or not place.isprintable() or not place.isascii()
    return place if inside and not odd and not path.startswith(OPEN) else HERE


def _signed(given: str, token: str) -> str:
    return hmac.new(token.encode(), f"cineloop console {given}".encode(), sha256).hexdigest()
