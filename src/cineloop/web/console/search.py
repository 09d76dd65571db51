"""Search by name, forgiving of typing; the same page with and without JavaScript."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cineloop.play.recommend import blocked
from cineloop.web.console.pages import live_of, page, shelf_of
from cineloop.web.console.profiles import NOTHING_LIVE
from cineloop.web.console.titles import card

FOUND = 36


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/search", search, methods=["GET"])


def search(request: Request, q: str = "") -> Response:
    """Titles whose name is meant by what was typed; apart from them those that editors block everywhere."""
    shelf = shelf_of(request)
    if shelf is None:
        return page("empty.html", "search", "Search", heading=NOTHING_LIVE[0], text=NOTHING_LIVE[1])
    asked = q.strip()[:200]
    places = blocked(shelf)
    found = live_of(request).names().search(asked, FOUND + len(places)) if asked else []
    gone = {str(shelf.titles[place]) for place in places.tolist()}
    cards = [card(shelf, title) for title, _ in found if title in shelf.place and title not in gone]
    held = [card(shelf, title) for title, _ in found if title in gone]
    return page(
        "search.html", "search", f"Search: {asked}" if asked else "Search", q=asked, cards=cards[:FOUND], held=held
    )  # fmt: skip
