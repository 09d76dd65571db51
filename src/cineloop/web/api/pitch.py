"""Pitches: what a title that does not exist yet would bring, what it is like, what would change it, which to make.

The forecaster of a day and a moment is made in the background, once, when it is first asked for. A request waits for
it, up to twenty seconds and a few requests at a time: threads that wait are threads that no home gets. Then the answer
is 503 with Retry-After, and the same request sent again gets its own. Each answer is a decision, in the audit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cineloop.errors import InputError
from cineloop.guard import Decision
from cineloop.pitch import decide
from cineloop.pitch.brief import Name, Names, Pitch
from cineloop.pitch.candidates import SlateBrief
from cineloop.pitch.desk import Desk
from cineloop.web.api.health import Serving
from cineloop.web.api.pitch_answers import ComparablesSaid, ForecastSaid, SlateSaid, WhatIfSaid
from cineloop.web.desks import desks_of
from cineloop.web.problems import documented

T = TypeVar("T")
router = APIRouter(prefix="/v1/pitch", tags=["pitch"])

PATIENCE = 20.0  # seconds that a request waits for a forecaster before it is asked to come again
AGAIN = 10  # seconds until then
_WAITING = threading.BoundedSemaphore(4)  # requests that wait at a time; more are asked to come again at once
MOST_CANDIDATES, MOST_SCENARIOS = 60, 5000

EXAMPLE = {
    "name": "The Lighthouse Keeper's Daughter",
    "decided": "2016-06-01",
    "moment": "greenlight",
    "genres": ["Drama", "Mystery"],
    "budget": 35_000_000,
    "release": "2018-10-05",
    "country": "United States",
    "companies": ["Universal Pictures"],
}


class Like(BaseModel):
    """A pitch, and how many comparables to show."""

    model_config = ConfigDict(extra="forbid")

    pitch: Pitch
    k: Annotated[int, Field(ge=1, le=100)] = 10


class Change(BaseModel):
    """Fields of the pitch with their new values; null: not known."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Name | None = None
    synopsis: Annotated[str, Field(max_length=20_000)] | None = None
    genres: Names | None = None
    budget: Annotated[float, Field(gt=0, le=1e10)] | None = None
    certificate: Name | None = None
    runtime: Annotated[float, Field(gt=0, le=1000)] | None = None
    release: date | None = None
    country: Name | None = None
    language: Name | None = None
    companies: Names | None = None
    directors: Names | None = None
    writers: Names | None = None
    cast: Names | None = None
    franchise: bool | Name | None = None

    @field_validator("name")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is None:
            raise ValueError("a title has a name")
        return value

    def fields(self) -> dict[str, Any]:
        """What is changed: fields that were said, those that aren't known any more as a pitch has them."""
        said = self.model_dump(exclude_unset=True)
        return {k: Pitch.model_fields[k].default if v is None else v for k, v in said.items()}


class Varied(BaseModel):
    """A pitch, and what to change in it: one variant a change, all beside the same pitch.

    `tell` says of each field that was changed whether it can be told from nothing on films that came later. Making
    that takes ten seconds or so, once a day and moment.
    """

    model_config = ConfigDict(extra="forbid")

    pitch: Pitch
    changes: Annotated[list[Change], Field(min_length=1, max_length=1000)]
    tell: bool = True


SLATE = {
    "budget": 150_000_000,
    "share": 0.5,
    "marketing": 0.5,
    "correlation": {"market": 0.1, "genre": 0.1},
    "candidate": [
        {
            "name": "The Lighthouse Keeper's Daughter",
            "cost": 35_000_000,
            "year": 2018,
            "genre": "Drama",
            "gross": {"low": 15_000_000, "median": 70_000_000, "high": 240_000_000},
        },
        {
            "name": "Harbour Lights",
            "cost": 90_000_000,
            "year": 2018,
            "genre": "Action",
            "gross": {"low": 90_000_000, "median": 260_000_000, "high": 700_000_000},
        },
        {
            "name": "Salt",
            "cost": 12_000_000,
            "year": 2019,
            "genre": "Horror",
            "gross": {"low": 8_000_000, "median": 45_000_000, "high": 160_000_000},
        },
    ],
}


def _described(example: dict[str, Any], what: str) -> dict[str, Any]:
    """What an operation adds to its OpenAPI entry: the token and an example."""
    shown = {"application/json": {"examples": {what: {"value": example}}}}
    return {"security": [{"token": []}], "requestBody": {"content": shown}}


CODES = (401, 403, 413, 422, 503)


@router.post(
    "/forecast",
    response_model=Decision[ForecastSaid],
    responses=documented(*CODES),
    openapi_extra=_described(EXAMPLE, "an invented drama, at greenlight"),
)
def forecast(pitch: Pitch, live: Serving, request: Request) -> Response:
    """What a title that does not exist yet would bring.

    The whole distribution with the interval it promises, the chances of break-even and of the top decile, what drives
    it, what is outside the films learnt from, and as evidence the comparables. Nothing known after `decided` is used.
    Where the forecaster of that day is still being made, the answer is 503 with Retry-After: send the same again.
    """
    made = decide.forecast(live.studio, pitch, _desk(request, pitch))
    return _answer(made, ForecastSaid.of(made.answer))


@router.post(
    "/comparables",
    response_model=Decision[ComparablesSaid],
    responses=documented(*CODES),
    openapi_extra=_described({"pitch": EXAMPLE, "k": 5}, "five films like it"),
)
def comparables(asked: Like, live: Serving, request: Request) -> Response:
    """The films most like the pitch, of those whose gross was known on its day, each with why."""
    made = decide.comparables(live.studio, asked.pitch, asked.k, _desk(request, asked.pitch))
    return _answer(made, ComparablesSaid.of(made.answer))


@router.post(
    "/whatif",
    response_model=Decision[WhatIfSaid],
    responses=documented(*CODES),
    openapi_extra=_described(
        {"pitch": EXAMPLE, "changes": [{"budget": 18_000_000}, {"genres": ["Horror"]}]}, "cheaper, or horror"
    ),
)
def whatif(asked: Varied, live: Serving, request: Request) -> Response:
    """The pitch beside itself with something changed.

    It compares films like the one with films like the other. It does not say what altering this film would do.
    503 with Retry-After while the forecaster, or with `tell` the drivers of that day, are being made.
    """
    desks, desk = desks_of(request), _desk(request, asked.pitch)
    if asked.tell:
        _waited(lambda seconds: desks.drivers(desk, seconds), "the drivers are being made")
    changes = [change.fields() for change in asked.changes]
    made = decide.whatif(live.studio, asked.pitch, changes, desk, tell=asked.tell)
    return _answer(made, WhatIfSaid.of(made.answer))


@router.post(
    "/slate",
    response_model=Decision[SlateSaid],
    responses=documented(*CODES),
    openapi_extra=_described(SLATE, "three invented titles"),
)
def slate(brief: SlateBrief, live: Serving) -> Response:
    """The slate worth making within a budget, with the proof that no other is worth more.

    Each candidate states its gross (forecast it first); files named by `pitch` are not read here.
    """
    for place, candidate in enumerate(brief.candidate):
        if candidate.gross is None or candidate.pitch is not None:
            raise InputError(
                "has to be stated here: files are not read",
                field=f"candidate.{place}.gross",
                accepted="low, median and high, such as the quantiles of /v1/pitch/forecast; no pitch",
            )
    if brief.correlation is None:
        raise InputError("has to be stated here", field="correlation", accepted="market and genre")
    if len(brief.candidate) > MOST_CANDIDATES:
        raise InputError(
            "too many",
            field="candidate",
            value=len(brief.candidate),
            accepted=f"at most {MOST_CANDIDATES} here; more by cineloop pitch slate",
        )
    if brief.scenarios > MOST_SCENARIOS:
        raise InputError(
            "too many", field="scenarios", value=brief.scenarios, accepted=f"at most {MOST_SCENARIOS} here"
        )
    made = decide.slate(live.studio, brief)
    return _answer(made, SlateSaid.of(made.answer))


def _desk(request: Request, pitch: Pitch) -> Desk:
    """The desk that the pitch is judged at; 503 while it is laid, 422 where too little is known on its day."""
    desks = desks_of(request)
    try:
        return _waited(
            lambda seconds: desks.look(pitch.decided, pitch.moment, seconds),
            "the forecaster of this day is being made",
        )
    except InputError as bad:
        if bad.file is None:
            raise
        # where the workspace lies is nobody's business
        raise InputError(
            bad.what, field="decided", value=pitch.decided.isoformat(), accepted=bad.accepted
        ) from None


def _waited(look: Callable[[float], T | None], what: str) -> T:
    """What `look` finds within some seconds; else 503."""
    found = look(0.0)
    if found is None and _WAITING.acquire(blocking=False):
        try:
            found = look(PATIENCE)
        finally:
            _WAITING.release()
    if found is None:
        raise HTTPException(503, f"{what}: send the same again", headers={"Retry-After": str(AGAIN)})
    return found


def _answer(made: Decision[Any], said: BaseModel) -> Response:
    return Response(made.model_copy(update={"answer": said}).model_dump_json(), media_type="application/json")
