"""Titles: the catalogue, and a page per title that gathers what every wing knows of it."""

from __future__ import annotations

import numpy as np
import polars as pl
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from cineloop.play.recommend import blocked, nearest
from cineloop.play.shelf import Shelf
from cineloop.studio import Studio
from cineloop.web.console.editors import block
from cineloop.web.console.pages import Missing, page, shelf_of, studio_of, templates
from cineloop.web.console.profiles import NOTHING_LIVE
from cineloop.web.console.sections import TitleSection, provide, sections

SHOWN, NEAR = 60, 12
FEW = 12  # countries of a window that are named without being asked


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/titles", titles, methods=["GET"])
    router.add_api_route("/console/titles/{title:path}", one, methods=["GET"])


def titles(request: Request, genre: str = "") -> Response:
    """The most liked titles, of one genre if asked."""
    shelf = shelf_of(request)
    if shelf is None:
        return page("empty.html", "titles", "Titles", heading=NOTHING_LIVE[0], text=NOTHING_LIVE[1])
    if genre and genre not in shelf.of_genre:
        raise Missing("No such genre", f"No title is of “{genre[:60]}”.", "/console/titles", "All titles")
    places = np.flatnonzero(shelf.of_genre[genre]) if genre else np.arange(len(shelf.titles))
    order = places[np.lexsort((places, -shelf.liked_by[places]))][:SHOWN].tolist()
    gone = set(blocked(shelf).tolist())
    return page(
        "titles.html", "titles", genre or "Titles", genre=genre, genres=list(shelf.of_genre), total=len(places),
        cards=[card(shelf, str(shelf.titles[place]), "Blocked by editors" if place in gone else "") for place in order],
    )  # fmt: skip


def one(request: Request, title: str) -> Response:
    """One title: facts, who likes it, and the sections of every wing."""
    studio, shelf = studio_of(request), shelf_of(request)
    if shelf is None:
        return page("empty.html", "titles", "Titles", heading=NOTHING_LIVE[0], text=NOTHING_LIVE[1])
    root = shelf.catalogue.root(title)
    if title not in shelf.place and root not in shelf.place:
        raise Missing(
            "No such title", f"The catalogue holds no “{title[:120]}”.", "/console/search", "Search by name"
        )
    title = title if title in shelf.place else root
    place = shelf.place[title]
    rows = shelf.catalogue.titles.filter(pl.col("title") == title).rows(named=True)
    ranked = int((shelf.liked_by > shelf.liked_by[place]).sum()) + 1
    return page(
        "title.html", "titles", shelf.catalogue.name(title), card=card(shelf, title), facts=rows[0] if rows else {},
        rank=ranked, total=len(shelf.titles), learned=bool(shelf.column[place] >= 0), members=shelf.prepared.members,
        sections=sections(studio, shelf, title), block=block(shelf, title),
    )  # fmt: skip


def card(shelf: Shelf, title: str, why: str = "") -> dict[str, object]:
    """What a poster shows."""
    return {
        "title": title,
        "name": shelf.catalogue.name(title),
        "year": shelf.catalogue.year(title),
        "genres": shelf.catalogue.genres(title),
        "liked": int(shelf.liked_by[shelf.place[title]]),
        "why": why,
    }


@provide
def neighbours(studio: Studio, shelf: Shelf, title: str) -> TitleSection | None:
    """The titles that the live model holds nearest, and what they have in common."""
    if shelf.column[shelf.place[title]] < 0:
        return None
    near, scores = nearest(shelf, title, NEAR)
    mine = set(shelf.catalogue.genres(title))
    cards = []
    for place, score in zip(near.tolist(), scores.tolist(), strict=True):
        other = str(shelf.titles[place])
        shared = [g for g in shelf.catalogue.genres(other) if g in mine]
        liked = "Liked by much the same members"
        why = f"{liked}; also {', '.join(shared[:2])}" if shared else liked
        cards.append(card(shelf, other, f"{why} (nearness {score:.2f})"))
    body = templates().get_template("neighbours.html").render(cards=cards, run=shelf.run)
    return TitleSection("near", "Near it", Markup(body)) if cards else None


@provide
def trend(studio: Studio, shelf: Shelf, title: str) -> TitleSection | None:
    """Whether it is on the rise: what it got lately against what its past would lead one to expect."""
    found = shelf.rising[1].get(shelf.place[title])
    if found is None:
        return None
    place = 1 + list(shelf.rising[1]).index(shelf.place[title])
    body = Markup("<p>{} members took to it in the last {:.0f} days; its own past led to expect {:.1f}. "
                  "It stands at place {} of {} rising titles.</p>").format(
        found.recent, found.days, found.expected, place, len(shelf.rising)
    )  # fmt: skip
    return TitleSection("trend", "On the rise", body)


@provide
def availability(studio: Studio, shelf: Shelf, title: str) -> TitleSection | None:
    """Where and when it may be shown."""
    known = shelf.releases.filter(pl.col("title") == title)
    # an offer for the world but for some countries is a window each: told once, with its countries
    windows = (
        known.group_by("channel", "starts_at", "ends_at")
        .agg(pl.col("territory").unique().sort(nulls_last=False))
        .sort("channel", pl.col("territory").list.first(), "starts_at", "ends_at")
    )
    body = (
        templates()
        .get_template("windows.html")
        .render(windows=windows.rows(named=True), now=shelf.view.as_of, few=FEW)
    )
    return TitleSection("windows", "Availability", Markup(body))
