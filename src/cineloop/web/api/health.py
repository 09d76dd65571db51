"""Whether the server lives, whether it can answer members, and its figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from cineloop.errors import InputError
from cineloop.web import metrics
from cineloop.web.live import Live
from cineloop.web.problems import documented

router = APIRouter(tags=["health"])


def live_of(request: Request) -> Live:
    """The worker's live state."""
    state: Live = request.app.state.live
    return state


Serving = Annotated[Live, Depends(live_of)]


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """What the worker answers from."""

    run: str
    snapshot: str
    titles: int


@router.get("/healthz")
async def healthz() -> Alive:
    """Whether the process answers."""
    return Alive()


@router.get("/readyz", responses=documented(503))
async def readyz(live: Serving) -> Ready:
    """Whether members can be answered: 503 until a run is live and loaded."""
    if not live.ready:
        raise InputError(
            "nothing is loaded yet", field="play/home", accepted="a promoted run: cineloop promote play/home"
        )
    shelf = live.shelf()
    return Ready(run=shelf.run.id, snapshot=shelf.view.snapshot.id, titles=len(shelf.titles))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def figures() -> Response:
    """Requests, events and swaps of all workers, in Prometheus' text format."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
