"""Signing in to the console where others can reach the server: the token is typed once, and out again."""

from __future__ import annotations

import hmac
import time
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cineloop.web.console.pages import live_of, page
from cineloop.web.console.sessions import COOKIE, HERE, LASTS, from_here, onward, session, signed_in

LONGEST = 4096  # bytes of the form


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/sign-in", form, methods=["GET"])
    router.add_api_route("/console/sign-in", enter, methods=["POST"])
    router.add_api_route("/console/sign-out", leave, methods=["POST"])


def form(request: Request, next: str = HERE) -> Response:
    """The form; where reads need no token it leads on at once."""
    if not live_of(request).settings.guarded_reads:
        return RedirectResponse(onward(next), 303)
    return page("sign-in.html", "", "Sign in", onward=onward(next), wrong="")


async def enter(request: Request) -> Response:
    """Take the token and give a session; a wrong one is said on the form."""
    said = {} if not from_here(request) else await _fields(request)
    place = onward(said.get("next", HERE))
    settings = live_of(request).settings
    if not hmac.compare_digest(said.get("token", "").strip().encode(), settings.token.encode()):
        wrong = "That is not the token of this server." if said.get("token") else "The token is missing."
        return page("sign-in.html", "", "Sign in", 403, onward=place, wrong=wrong)
    answer = RedirectResponse(place, 303)
    answer.set_cookie(
        COOKIE,
        session(settings.token, time.time()),
        max_age=LASTS,
        path=HERE,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


async def leave(request: Request) -> Response:
    """Forget the session in this browser."""
    answer = RedirectResponse(f"{HERE}/sign-in", 303)
    if from_here(request) and signed_in.get():  # a page from elsewhere has no session to bring
        answer.delete_cookie(COOKIE, path=HERE, httponly=True, samesite="strict")
    return answer


async def _fields(request: Request) -> dict[str, str]:
    """The form's fields; nothing of a body that is too long or no text."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            return {}
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode("utf-8")).items()}
    except (UnicodeDecodeError, ValueError):
        return {}
