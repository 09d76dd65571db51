"""A service's catalogue in the layout of `netflix_titles.csv`, which lists of other services share.

The columns are show_id, type (Movie, TV Show), title, director, cast, country, date_added, release_year, rating,
duration, listed_in, description, in any order. What a row says is known from the day on which the title was added;
where none is told, from the end of its year. The number of seasons grows after that day and is not taken. A title
with a day gets a window of `releases` on channel svod, in `territory` (None: everywhere).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.film_names import FIRST_YEAR, LAST_YEAR
from cineloop.store.sources.film_rows import (
    FilmBatches,
    FilmRow,
    by_name,
    film_day,
    frame_of,
    listed,
    midnight,
)
from cineloop.store.sources.source import LINE, Batch, OneFile, Reject

COLUMNS = (
    *("show_id", "type", "title", "director", "cast", "country", "date_added", "release_year", "rating"),
    *("duration", "listed_in", "description"),
)
_REQUIRED = {"show_id", "type", "title", "release_year"}
_KINDS = {"Movie": "film", "TV Show": "series"}


@dataclass(frozen=True)
class CatalogueCsv(OneFile):
    """One file. Raises `InputError` where it lacks a column; `name` is the prefix of the ids."""

    path: Path
    name: str = "catalogue"
    territory: str | None = None

    licence = "a service's public listing; its terms apply"

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "catalogue", "territory": self.territory, "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Titles in the order of the file."""
        maker, seen = FilmBatches(self.name), set[str]()
        columns = [Column(n, required=n in _REQUIRED) for n in COLUMNS]
        for rows in delimited.read(self.path, columns, Dialect()):
            films: list[FilmRow] = []
            rejects = list(rows.rejects)
            for row in rows.frame.iter_rows(named=True):
                made = _film(self.path, row, seen)
                if isinstance(made, Reject):
                    rejects.append(made)
                else:
                    films.append(made)
            yield from maker.batches(films, rejects, rows.done)
            windows = [
                {
                    **{"title": f"{self.name}:{film.id}", "territory": self.territory, "channel": "svod"},
                    **{"starts_at": midnight(film.known), "known_at": film.known_at, LINE: film.line},
                }
                for film in films
                if film.known is not None
            ]
            yield Batch("releases", frame_of("releases", windows), (), rows.done)


def is_catalogue(path: Path) -> bool:
    """Whether a file has the layout's header."""
    try:
        return set(COLUMNS) <= set(header(path, Dialect()))
    except InputError:
        return False


def _film(path: Path, row: Mapping[str, Any], seen: set[str]) -> FilmRow | Reject:
    def broken(field: str, what: str, accepted: str) -> Reject:
        return Reject(str(path), row[LINE], field, row[field], what, accepted)

    if row["type"] not in _KINDS:
        return broken("type", "no such type", ", ".join(_KINDS))
    year = row["release_year"]
    if not (re.fullmatch(r"\d{4}", year) and FIRST_YEAR <= int(year) <= LAST_YEAR):
        return broken("release_year", "not a year", "like 2019")
    try:
        added = film_day(row["date_added"], "%B %d, %Y") if row["date_added"] else None
    except ValueError:
        return broken("date_added", "not a date", "like September 25, 2021")
    if row["rating"] is not None and re.fullmatch(r"\d+ (min|Seasons?)", row["rating"]):
        return broken("rating", "a duration where the certificate belongs", "a certificate, like TV-MA")
    film = row["type"] == "Movie"
    minutes = re.fullmatch(r"(\d+) min", row["duration"] or "")
    if film and row["duration"] is not None and minutes is None:
        return broken("duration", "not a duration", "like 90 min")
    if row["show_id"] in seen:
        return broken("show_id", "stands here already", "an id of its own")
    seen.add(row["show_id"])
    countries = listed(row["country"])
    people = (("director", row["director"]), ("cast", row["cast"]))
    return FilmRow(
        id=row["show_id"],
        name=row["title"],
        kind=_KINDS[row["type"]],
        year=int(year),
        known=added,
        certificate=row["rating"],
        genres=listed(row["listed_in"]),
        runtime=float(minutes[1]) if minutes is not None else None,
        overview=row["description"],
        country=countries[0] if countries else None,
        credits=[(role, by_name(listed(names))) for role, names in people if names],
        line=row[LINE],
    )
