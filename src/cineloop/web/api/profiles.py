"""A member's home screen, decided and explained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from cineloop.guard import Decision
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import prepare
from cineloop.play.home import Home
from cineloop.play.past import touch_of
from cineloop.studio import Pending
from cineloop.web.api.health import live_of
from cineloop.web.live import Live
from cineloop.web.problems import documented

router = APIRouter(prefix="/v1/profiles", tags=["profiles"])
Profile = Annotated[str, Path(min_length=1, max_length=200, examples=["ml-100k:167"])]


class HomeQuery(BaseModel):
    """What may stand behind the question mark."""

    territory: Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")] | None = None
    max_age: Annotated[int, Field(ge=0, le=120, description="The profile's age limit, years.")] | None = None
    genre: Annotated[list[str], Field(description="Only titles of one of these genres.")] | None = None
    rows: Annotated[int, Field(ge=1, le=100, description="At most so many rows, from the top.")] | None = None
    row_length: Annotated[int, Field(ge=1, le=100)] = 10
    profiling: Annotated[Literal["on", "off"], Field(description="off: the home that anyone would get.")] = (
        "on"
    )

    @classmethod
    def of(cls, request: Request) -> HomeQuery:
        """Read by hand: for the one path that is asked all the time, the framework's reading costs more than half of
        what making the page does. Raises pydantic's ValidationError."""
        said: dict[str, Any] = dict(request.query_params)
        if "genre" in said:
            said["genre"] = request.query_params.getlist("genre")
        return cls.model_validate(said)

    @classmethod
    def documented(cls) -> list[dict[str, Any]]:
        """The parameters as OpenAPI has them."""
        properties = cls.model_json_schema()["properties"]
        return [{"name": n, "in": "query", "required": False, **_parameter(p)} for n, p in properties.items()]


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    said = next((s for s in schema.get("anyOf", ()) if s.get("type") != "null"), schema)
    kept = {k: v for k, v in said.items() if k not in ("title", "default", "description")}
    described = {"description": said["description"]} if "description" in said else {}
    default = {} if schema.get("default") is None else {"default": schema["default"]}
    return {"schema": kept | default} | described


@router.get(
    "/{profile}/home",
    response_model=Decision[Home],
    responses=documented(403, 422, 503),
    openapi_extra={"parameters": HomeQuery.documented()},
)
async def home_of(profile: Profile, request: Request) -> Response:
    """The profile's page: rows of titles, each with its reason and the probability of its place.

    What the profile has played or judged since the last compaction counts at once.
    """
    live, asked = live_of(request), HomeQuery.of(request)
    # a file of the workspace is read sooner than another thread could be; a database elsewhere may keep us waiting,
    # and so may the disk that a decision must be on
    page = (
        _page(live, profile, asked)
        if live.studio.local
        else await run_in_threadpool(_page, live, profile, asked)
    )
    decision = await run_in_threadpool(page.commit)
    return Response(decision.model_dump_json(), media_type="application/json")


def _page(live: Live, profile: str, asked: HomeQuery) -> Pending[Home]:
    shelf = live.shelf()
    request = HomeRequest(
        profile=profile,
        territory=asked.territory,
        max_age=asked.max_age,
        genres=tuple(asked.genre) if asked.genre else None,
        rows=asked.rows,
        row_length=asked.row_length,
        profiling=asked.profiling == "on",
        explore=live.settings.explore,
    )
    fresh = [touch_of(event, shelf.catalogue) for event in live.studio.events.fresh(profile, shelf.events)]
    return prepare(live.studio, request, shelf, [touch for touch in fresh if touch is not None])
