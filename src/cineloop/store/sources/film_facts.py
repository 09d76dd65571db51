"""Film facts out of `movies.db`, the SQLite file inside the package `bokeh_sampledata` (BSD-3-Clause).

Two tables, `omdb` and `tomatoes`, share an ID: 17,472 films of 1940 to 2014. Taken are names, dates, certificates,
genres, languages, countries, people, companies and box office. Meters, ratings, votes, awards and the words of
critics came after the release and are not taken. The file lists people, companies, languages and countries by the
alphabet: nobody has a billing, and of several languages or countries none is the first. Its `BoxOffice` is mostly the
worldwide gross: of the 741 films that another table (fivethirtyeight's) says took a tenth or more abroad, it is within
a twentieth of their worldwide gross for 595 and of their US gross for 12.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from cineloop.errors import InputError
from cineloop.store.sources.film_names import plausible
from cineloop.store.sources.film_rows import FilmBatches, FilmRow, Gross, amount, by_name, film_day, listed
from cineloop.store.sources.languages import language_code
from cineloop.store.sources.source import Batch, OneFile, Reject

LICENCE = "film facts of bokeh_sampledata, BSD-3-Clause, Copyright Anaconda, Inc. and Bokeh Contributors"

_OMDB = (
    *("imdbID", "Title", "Year", "Rating", "Runtime", "Genre", "Released", "Director", "Writer", "Cast"),
    *("Language", "Country"),
)
_TOMATOES = ("BoxOffice", "Production")
_AT_ONCE = 4096


@dataclass(frozen=True)
class FilmFacts(OneFile):
    """One `movies.db`. Raises `InputError` where it is no such file."""

    path: Path
    name: str = "films"

    licence = LICENCE

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "film-facts", "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Films in the order of their ID, which is also the line of a reject."""
        if not is_film_facts(self.path):
            raise InputError(
                "no such file of film facts", self.path, accepted="movies.db of bokeh_sampledata"
            )
        columns = [f"omdb.{c}" for c in _OMDB] + [f"tomatoes.{c}" for c in _TOMATOES]
        told = (
            f"select omdb.ID, {', '.join(columns)} from omdb left join tomatoes using (ID) order by omdb.ID"
        )
        maker, done, seen = FilmBatches(self.name), 0, set[str]()
        try:
            with closing(_opened(self.path)) as database:
                rows = database.execute(told)
                while some := list(islice(rows, _AT_ONCE)):
                    films: list[FilmRow] = []
                    rejects: list[Reject] = []
                    for ident, *values in some:
                        made = _film(
                            self.path, ident, dict(zip((*_OMDB, *_TOMATOES), values, strict=True)), seen
                        )
                        (films if isinstance(made, FilmRow) else rejects).append(made)  # type: ignore[arg-type]
                    done = min(self.total, done + 460 * len(some))  # about what a film takes of the file
                    yield from maker.batches(films, rejects, done)
        except sqlite3.Error as error:
            raise InputError(f"cannot be read ({error})", file=self.path) from error


def is_film_facts(path: Path) -> bool:
    """Whether a file is an SQLite database with the two tables and the columns that are read."""
    try:
        with closing(_opened(path)) as database:
            return all(
                set(wanted) <= {row[1] for row in database.execute(f"pragma table_info({table})")}
                for table, wanted in (("omdb", _OMDB), ("tomatoes", _TOMATOES))
            )
    except (sqlite3.Error, OSError):
        return False


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _film(path: Path, line: int, row: dict[str, Any], seen: set[str]) -> FilmRow | Reject:
    def broken(field: str, what: str, accepted: str) -> Reject:
        value = row[field]
        return Reject(str(path), line, field, None if value is None else str(value)[:200], what, accepted)

    for field in (*_OMDB, *_TOMATOES):
        number = field in ("Year", "Runtime", "BoxOffice")
        if row[field] is not None and not isinstance(row[field], (int, float) if number else str):
            return broken(field, "of another type", "a number" if number else "text")
    if not row["imdbID"] or row["imdbID"] in seen:
        return broken("imdbID", "stands here already" if row["imdbID"] else "missing", "an id of its own")
    if not row["Title"]:
        return broken("Title", "missing", "the film's name")
    year = None if row["Year"] is None else plausible(int(row["Year"]))
    try:
        released = film_day(row["Released"]) if row["Released"] else None
    except ValueError:
        return broken("Released", "not a date", "like 1999-03-31")
    seen.add(row["imdbID"])
    # a first of January stands for a year whose day nobody knows: as a date it would be a false fact
    day = None if released is not None and (released.month, released.day) == (1, 1) else released
    gross = amount(row["BoxOffice"])
    people = (("director", row["Director"]), ("writer", row["Writer"]), ("cast", row["Cast"]))
    spoken = listed(row["Language"])
    countries = listed(row["Country"])
    return FilmRow(
        id=row["imdbID"],
        name=row["Title"],
        year=year,
        released=day,
        certificate=row["Rating"],
        genres=listed(row["Genre"]),
        language=language_code(spoken[0]) if len(spoken) == 1 else None,
        runtime=amount(row["Runtime"]),
        country=countries[0] if len(countries) == 1 else None,
        credits=[(role, by_name(listed(names))) for role, names in people if names],
        companies=[("production", by_name(listed(row["Production"])))] if row["Production"] else [],
        grosses=[] if gross is None else [Gross(None, "total", gross)],
        billed=False,
        line=line,
    )
