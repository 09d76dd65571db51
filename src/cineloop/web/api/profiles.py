"""A member's home screen, decided and explained."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from cineloop.guard import Decision
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import home
from cineloop.play.home import Home
from cineloop.play.past import touch_of
from cineloop.web.api.health import Serving
from cineloop.web.problems import documented

router = APIRouter(prefix="/v1/profiles", tags=["profiles"])
Profile = Annotated[str, Path(min_length=1, max_length=200, examples=["ml-100k:167"])]


@router.get(
    "/{profile}/home",
    response_model=Decision[Home],
    responses=documented(403, 422, 503),
)
def home_of(
    profile: Profile,
    live: Serving,
    territory: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")] = None,
    max_age: Annotated[int | None, Query(ge=0, le=120, description="The profile's age limit, years.")] = None,
    genre: Annotated[list[str] | None, Query(description="Only titles of one of these genres.")] = None,
    row_length: Annotated[int, Query(ge=1, le=100)] = 10,
    profiling: Annotated[
        Literal["on", "off"], Query(description="off: the home that anyone would get.")
    ] = "on",
) -> Response:
    """The profile's page: rows of titles, each with its reason and the probability of its place.

    What the profile has played or judged since the last compaction counts at once.
    """
    shelf = live.shelf()
    request = HomeRequest(
        profile=profile,
        territory=territory,
        max_age=max_age,
        genres=tuple(genre) if genre else None,
        row_length=row_length,
        profiling=profiling == "on",
        explore=live.settings.explore,
    )
    fresh = [touch_of(event, shelf.catalogue) for event in live.studio.events.fresh(profile, shelf.events)]
    decision = home(live.studio, request, on=shelf, fresh=[touch for touch in fresh if touch is not None])
    return Response(decision.model_dump_json(), media_type="application/json")
