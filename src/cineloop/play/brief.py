"""The question this wing answers: whose home, as of when, and what may be on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator


class HomeRequest(BaseModel):
    """One profile's home screen.

    `as_of` defaults to the last moment the log knows. `territory`, `max_age` and `genres` filter every row;
    `profiling=False` gives the home that any member would get, made without looking at their history.
    `rows` is at most how many rows, from the top; None: all there are.
    `contributions` is how many parts of a score a reason carries. `explore` gives one place of the member's first
    row of unseen titles, `explore_position` from 0, to a title drawn evenly from the `explore_pool` that rank next,
    so that later experiments can learn from the log; a home without profiling has no such place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Annotated[str, Field(min_length=1, max_length=200)]
    as_of: datetime | None = None
    territory: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    max_age: Annotated[int, Field(ge=0, le=120)] | None = None
    genres: tuple[str, ...] | None = None
    channel: str = "svod"
    rows: Annotated[int, Field(ge=1, le=100)] | None = None
    row_length: Annotated[int, Field(ge=1, le=100)] = 10
    profiling: bool = True
    contributions: Annotated[int, Field(ge=0)] = 3
    explore: bool = False
    explore_pool: Annotated[int, Field(ge=2, le=1000)] = 50
    explore_position: Annotated[int, Field(ge=0, le=99)] = 4

    @field_validator("as_of")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a time zone, such as 1998-04-22T00:00:00Z")
        return None if value is None else value.astimezone(UTC)
