"""The question of this wing: a title that does not exist yet, and the day and stage at which it is judged."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cineloop.lab.brief import Brief

Moment = Literal["greenlight", "release"]
MOMENTS: tuple[Moment, ...] = ("greenlight", "release")

AFTERWARDS = frozenset(
    {
        "votes",
        "vote_count",
        "vote_average",
        "score",
        "rating_average",
        "imdb_score",
        "imdb_rating",
        "metascore",
    }
    | {"tomatometer", "popularity", "gross", "worldwide", "domestic", "international", "opening", "revenue"}
    | {"views", "hours", "awards", "reviews"}
)
Name = Annotated[str, Field(min_length=1, max_length=300)]
Names = Annotated[tuple[Name, ...], Field(max_length=200)]


class Pitch(Brief):
    """A title as it stands on the day `decided`.

    `budget` is in US dollars of the planned release, `runtime` in minutes. At `greenlight` only the year of `release`
    is used, and neither certificate, runtime nor cast; at `release` all of them. `franchise` names the earlier film,
    or says whether there is one; left out, it is read off the name. What is left out is unknown, and widens the
    interval.
    """

    name: Name
    decided: date
    moment: Moment = "greenlight"
    synopsis: Annotated[str, Field(max_length=20_000)] = ""
    genres: Names = ()
    budget: Annotated[float, Field(gt=0, le=1e10)] | None = None
    certificate: Name | None = None
    runtime: Annotated[float, Field(gt=0, le=1000)] | None = None
    release: date | None = None
    country: Name | None = None
    language: Name | None = None
    companies: Names = ()
    directors: Names = ()
    writers: Names = ()
    cast: Names = ()
    franchise: bool | Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _before_the_release(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if str(key).casefold() in AFTERWARDS:
                    raise ValueError(f"{key} is known only after the release: a forecast must not see it")
        return data

    @field_validator("release")
    @classmethod
    def _year(cls, value: date | None) -> date | None:
        if value is not None and not 1900 <= value.year <= 2100:
            raise ValueError("needs a year from 1900 to 2100")
        return value

    @model_validator(mode="after")
    def _decided_first(self) -> Self:
        if self.release is not None and self.decided > self.release:
            raise ValueError(f"decided {self.decided} after the release {self.release}: nothing to forecast")
        return self
