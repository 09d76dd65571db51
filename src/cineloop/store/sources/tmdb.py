"""Films of TMDB, in the two CSV files of the TMDB 5000 layout, whose lists are JSON.

`tmdb_5000_movies.csv` has the films; where `tmdb_5000_credits.csv` lies beside it, cast in billing order, directors,
writers and composers come from there. `budget` and `revenue` (worldwide) are US dollars of the time; 0 stands for
unknown. Popularity, votes and keywords grew after the release, and homepages and taglines say little: they are not
taken. Of people nothing is taken but the name and the id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.film_rows import FilmBatches, FilmRow, Gross, Named, amount, film_day
from cineloop.store.sources.source import LINE, Batch, Reject

CREDITS = "tmdb_5000_credits.csv"
"""The file of credits that is looked for beside the films."""

_COLUMNS = (
    *("id", "title", "original_title", "original_language", "overview", "release_date", "runtime", "genres"),
    *("production_companies", "production_countries", "budget", "revenue", "status"),
)
_NUMBERS = {"runtime", "budget", "revenue"}
_JOBS = {
    "Director": "director",
    "Writer": "writer",
    "Screenplay": "writer",
    "Story": "writer",
    "Author": "writer",
    "Novel": "writer",
    "Original Music Composer": "composer",
}
_CAST = 20
"""How many of a cast are taken, by billing."""


@dataclass(frozen=True)
class Tmdb:
    """The file of films, and that of credits where it is there. Raises `InputError` for another layout."""

    path: Path
    name: str = "tmdb"
    credits: Path | None = field(init=False)

    licence = "facts from TMDB, whose terms ask for attribution and allow non-commercial use"

    def __post_init__(self) -> None:
        beside = self.path.with_name(CREDITS)
        object.__setattr__(self, "credits", beside if beside.is_file() else None)

    @property
    def files(self) -> tuple[Path, ...]:
        """The credits, where they are there, and the films."""
        return (self.path,) if self.credits is None else (self.credits, self.path)

    @property
    def total(self) -> int:
        """Their bytes."""
        return sum(file.stat().st_size for file in self.files)

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "tmdb", "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Films in the order of their file. The credits are read before, and held."""
        maker, seen = FilmBatches(self.name), set[str]()
        people: dict[str, list[tuple[str, list[Named]]]] = {}
        before = 0
        if self.credits is not None:
            wanted = [Column("movie_id"), Column("cast", required=False), Column("crew", required=False)]
            for rows in delimited.read(self.credits, wanted, Dialect()):
                rejects = list(rows.rejects)
                for row in rows.frame.iter_rows(named=True):
                    try:
                        people[row["movie_id"]] = _credits(row)
                    except _Broken as broken:
                        rejects.append(broken.at(self.credits, row))
                yield from maker.batches([], rejects, rows.done)
            before = self.credits.stat().st_size
        columns = [
            Column(n, "number" if n in _NUMBERS else "text", required=n in ("id", "title")) for n in _COLUMNS
        ]
        for rows in delimited.read(self.path, columns, Dialect()):
            films, rejects = [], list(rows.rejects)
            for row in rows.frame.iter_rows(named=True):
                try:
                    if row["status"] not in (None, "Released"):
                        continue  # planned or rumoured: no film yet
                    if row["id"] in seen:
                        raise _Broken("id", "the film stands here already", "each film once")
                    films.append(_film(row, people.get(row["id"], [])))
                    seen.add(row["id"])
                except _Broken as broken:
                    rejects.append(broken.at(self.path, row))
            yield from maker.batches(films, rejects, before + rows.done)


def is_tmdb(path: Path) -> bool:
    """Whether a file has the layout's header."""
    try:
        return set(_COLUMNS) <= set(header(path, Dialect()))
    except InputError:
        return False


class _Broken(Exception):  # noqa: N818 - it becomes a reject
    def __init__(self, column: str, what: str, accepted: str) -> None:
        super().__init__(what)
        self.column, self.what, self.accepted = column, what, accepted

    def at(self, path: Path, row: Mapping[str, Any]) -> Reject:
        value = row[self.column]
        shown = None if value is None else str(value)[:200]
        return Reject(str(path), row[LINE], self.column, shown, self.what, self.accepted)


def _objects(row: Mapping[str, Any], column: str) -> list[Mapping[str, Any]]:
    """The JSON list of a cell; each element with a name."""
    if row[column] is None:
        return []
    try:
        found = json.loads(row[column])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(e, dict) and _said(e.get("name")) for e in found):
        raise _Broken(column, "not a JSON list of things with names", '[{"id": 28, "name": "Action"}]')
    return found


def _said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _named(thing: Mapping[str, Any]) -> Named:
    ident = thing.get("id")
    name = str(thing["name"]).strip()
    return Named(str(ident) if isinstance(ident, int) else name, name)


def _credits(row: Mapping[str, Any]) -> list[tuple[str, list[Named]]]:
    cast = _objects(row, "cast")
    if not all(isinstance(person.get("order", 0), int) for person in cast):
        raise _Broken("cast", "an order that is no whole number", '[{"name": "…", "order": 0}]')
    billed = sorted(cast, key=lambda person: person.get("order", 0))
    found: dict[str, list[Named]] = {}
    for person in _objects(row, "crew"):
        if role := _JOBS.get(str(person.get("job"))):
            found.setdefault(role, []).append(_named(person))
    return [*sorted(found.items()), ("cast", [_named(person) for person in billed[:_CAST]])]


def _film(row: Mapping[str, Any], credits: list[tuple[str, list[Named]]]) -> FilmRow:
    try:
        released = film_day(row["release_date"]) if row["release_date"] else None
    except ValueError as error:
        raise _Broken("release_date", "not a date", "like 1999-03-31") from error
    countries = [str(c["name"]).strip() for c in _objects(row, "production_countries")]
    gross = amount(row["revenue"])
    original = row["original_title"]
    return FilmRow(
        id=row["id"],
        name=row["title"],
        year=None if released is None else released.year,
        released=released,
        genres=[str(g["name"]).strip() for g in _objects(row, "genres")],
        language={"cn": "zh"}.get(
            row["original_language"], row["original_language"]
        ),  # its code for Cantonese
        runtime=amount(row["runtime"]),
        original_name=original if original != row["title"] else None,
        overview=row["overview"],
        country=countries[0] if countries else None,
        budget=amount(row["budget"]),
        credits=credits,
        companies=[("production", [_named(c) for c in _objects(row, "production_companies")])],
        grosses=[] if gross is None else [Gross(None, "total", gross)],
        line=row[LINE],
    )
