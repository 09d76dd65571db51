"""Titles: the catalogue, one title, what is near it, and search that forgives typing."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from cineloop.errors import InputError
from cineloop.play.recommend import blocked, nearest
from cineloop.play.shelf import Shelf
from cineloop.web.api.health import Serving
from cineloop.web.problems import documented

router = APIRouter(prefix="/v1", tags=["titles"])
Title = Annotated[str, Path(min_length=1, max_length=200, examples=["ml-100k:100"])]
Territory = Annotated[
    str | None,
    Query(pattern="^[A-Z]{2}$", description="Where it is asked: what editors block there is left out too."),
]


class Known(BaseModel):
    """What is known of a title. `liked_by` counts members."""

    title: str
    name: str
    year: int | None
    genres: list[str]
    liked_by: int
    episodes: list[str] = []


class Page(BaseModel):
    """Some of `total` titles."""

    total: int
    titles: list[Known]


class Near(BaseModel):
    """A title and how near it is: nearness from the model, or fit of a search from 0 to 1."""

    title: str
    name: str
    year: int | None
    score: float


class Nearest(BaseModel):
    """The nearest first."""

    title: str
    similar: list[Near]


class Found(BaseModel):
    """What fits a search, the best first."""

    query: str
    found: list[Near]


@router.get("/titles", responses=documented(422, 503))
def titles(
    live: Serving,
    genre: Annotated[str | None, Query(description="Only titles of this genre.")] = None,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    territory: Territory = None,
) -> Page:
    """The titles that can be shown, in the order of their ids, less what editors block."""
    shelf = live.shelf()
    places = np.arange(len(shelf.titles))
    if genre is not None:
        kept = {known.casefold(): mask for known, mask in shelf.of_genre.items()}
        if genre.casefold() not in kept:
            accepted = ", ".join(shelf.of_genre)
            raise InputError("is no title's genre", field="genre", value=genre, accepted=accepted)
        places = np.flatnonzero(kept[genre.casefold()])
    places = places[~np.isin(places, blocked(shelf, territory))]
    shown = [_known(shelf, str(shelf.titles[place])) for place in places[offset : offset + limit]]
    return Page(total=len(places), titles=shown)


@router.get("/titles/{title}", responses=documented(404, 422, 503))
def one_title(title: Title, live: Serving) -> Known:
    """What is known of one title."""
    return _known(live.shelf(), title)


@router.get("/titles/{title}/similar", responses=documented(404, 422, 503))
def similar(
    title: Title,
    live: Serving,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    territory: Territory = None,
) -> Nearest:
    """The titles that the live model holds nearest to this one, less what editors block.

    None where it never learned the title.
    """
    shelf = live.shelf()
    _known(shelf, title)
    near, scores = nearest(shelf, title, 100, territory)
    found = zip(near.tolist()[:limit], scores.tolist(), strict=False)
    return Nearest(title=title, similar=[_near(shelf, str(shelf.titles[p]), s) for p, s in found])


@router.get("/search", responses=documented(422, 503))
def search(
    live: Serving,
    q: Annotated[str, Query(min_length=1, max_length=200, examples=["gofather"])],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    territory: Territory = None,
) -> Found:
    """Titles whose name is meant by what was typed, less what editors block: "gofather" finds The Godfather."""
    shelf = live.shelf()
    gone = {str(shelf.titles[place]) for place in blocked(shelf, territory).tolist()}
    found = live.names().search(q, limit, gone)
    return Found(query=q, found=[_near(shelf, title, fit) for title, fit in found])


def _known(shelf: Shelf, title: str) -> Known:
    place = shelf.place.get(title)
    if place is None:
        raise InputError(
            "no such title", field="title", value=title, accepted="an id out of /v1/titles or /v1/search"
        )
    catalogue = shelf.catalogue
    return Known(
        title=title,
        name=catalogue.name(title),
        year=catalogue.year(title),
        genres=list(catalogue.genres(title)),
        liked_by=int(shelf.liked_by[place]),
        episodes=catalogue.episodes(title),
    )


def _near(shelf: Shelf, title: str, score: float) -> Near:
    return Near(title=title, name=shelf.catalogue.name(title), year=shelf.catalogue.year(title), score=score)
