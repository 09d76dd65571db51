"""What the app tells back: impressions, plays and feedback, acknowledged once they are on the disk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field

from cineloop.errors import InputError
from cineloop.store.events import Event
from cineloop.web import metrics
from cineloop.web.api.health import Serving
from cineloop.web.problems import documented

router = APIRouter(prefix="/v1", tags=["events"])
Key = Annotated[str, Field(min_length=1, max_length=180, pattern=r"^[\x21-\x7e]+$")]


class Told(BaseModel):
    """One event. `payload` holds the columns of its table, as in the tables of record."""

    model_config = ConfigDict(extra="forbid")

    table: Literal["plays", "feedback", "impressions"]
    profile: Annotated[str, Field(min_length=1, max_length=200)]
    key: Key | None = Field(
        default=None, description="Makes the event idempotent; else the batch's key and its place."
    )
    payload: dict[str, Any]


class Batch(BaseModel):
    """Events that are taken together, all or none."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[Told], Field(min_length=1, max_length=1000)]


class Taken(BaseModel):
    """The events are on the disk. `repeated` of them were there before."""

    accepted: int
    repeated: int


EXAMPLE = {
    "events": [
        {"table": "plays", "profile": "p1", "payload": {"title": "t1", "kind": "watch", "completion": 0.95}},
        {
            "table": "impressions",
            "profile": "p1",
            "payload": {
                "row": "top-picks",
                "titles": ["t1", "t2"],
                "positions": [0, 1],
                "propensities": [1.0, 0.02],
            },
        },
    ]
}


@router.post(
    "/events",
    responses=documented(401, 409, 413, 422, 503),
    openapi_extra={
        "security": [{"token": []}],
        "requestBody": {
            "content": {"application/json": {"examples": {"a play and a row shown": {"value": EXAMPLE}}}}
        },
    },
)
def tell(batch: Batch, live: Serving, idempotency_key: Annotated[Key | None, Header()] = None) -> Taken:
    """Take a batch of events; the answer means that they are on the disk.

    The same keys again change nothing. A bad event refuses the whole batch, with its place, field and what is accepted.
    """
    now = datetime.now(UTC)
    events = []
    for i, told in enumerate(batch.events):
        key = told.key or (f"{idempotency_key}/{i}" if idempotency_key else None)
        if key is None:
            raise InputError(
                "has no key", field=f"events[{i}].key", accepted="a key, or the header Idempotency-Key"
            )
        events.append(Event(key, told.table, told.profile, told.payload, now))
    appended = live.studio.append(events)
    metrics.appended(appended.accepted, appended.repeated)
    return Taken(accepted=appended.accepted, repeated=appended.repeated)
