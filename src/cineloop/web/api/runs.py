"""The runs there are, and which of them is live."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from cineloop.lab.run import Run
from cineloop.play.shelf import HOME
from cineloop.web.api.health import Serving
from cineloop.web.problems import documented

router = APIRouter(prefix="/v1/runs", tags=["runs"])


class Made(BaseModel):
    """A run: what was made from what."""

    id: str
    label: str
    recipe: str
    knobs: dict[str, Any]
    snapshot: str
    as_of: datetime
    seed: int
    made_at: datetime
    seconds: float
    live: bool


class Runs(BaseModel):
    """The newest first."""

    runs: list[Made]


@router.get("", responses=documented(422))
def runs(live: Serving, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Runs:
    """The newest runs."""
    now = live.studio.lab.live(HOME)
    newest = list(reversed(live.studio.lab.runs()))[:limit]
    return Runs(runs=[_made(run, now) for run in newest])


@router.get("/{run}", responses=documented(404, 422))
def one_run(run: Annotated[str, Path(min_length=1, max_length=32)], live: Serving) -> Made:
    """One run, by its id or the start of it."""
    return _made(live.studio.lab.run(run), live.studio.lab.live(HOME))


def _made(run: Run, now: Run | None) -> Made:
    names = ("id", "label", "recipe", "knobs", "snapshot", "as_of", "seed", "made_at", "seconds")
    return Made(**{name: getattr(run, name) for name in names}, live=now is not None and now.id == run.id)
