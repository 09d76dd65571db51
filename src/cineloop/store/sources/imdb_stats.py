"""Films of a table in the layout of IMDb movie stats: name, dates, money, the first of each credit.

The columns are name, rating, genre, year, released, score, votes, director, writer, star, country, budget, gross,
company, runtime, in any order. `rating` is the certificate, `gross` the worldwide gross and, like `budget`, in US
dollars of the time. `votes` and `score` grew after the release and are not taken. A table without ids: a film is
`source:name (year)`; the second of a year takes its director's name too.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.film_names import FIRST_YEAR, LAST_YEAR
from cineloop.store.sources.film_rows import FilmBatches, FilmRow, Gross, amount, by_name, film_day, listed
from cineloop.store.sources.source import LINE, Batch, OneFile, Reject

COLUMNS = (
    *("name", "rating", "genre", "year", "released", "director", "writer", "star", "country"),
    *("budget", "gross", "company", "runtime"),
)
"""What is read of the table."""

_NUMBERS = {"budget", "gross", "runtime"}
_PLACE = re.compile(r"\s*\([^)]*\)\s*$")


@dataclass(frozen=True)
class ImdbStats(OneFile):
    """One CSV. Raises `InputError` where it lacks a column; `name` is the prefix of the ids."""

    path: Path
    name: str = "imdb-stats"

    licence = "facts from IMDb, whose terms allow personal and non-commercial use"

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "imdb-stats", "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Films in the order of the file."""
        maker, seen = FilmBatches(self.name), set[str]()
        columns = [Column(n, "number" if n in _NUMBERS else "text", n in ("name", "year")) for n in COLUMNS]
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


def is_imdb_stats(path: Path) -> bool:
    """Whether a file has the layout's header.

    >>> is_imdb_stats(Path("nowhere.csv"))
    False
    """
    try:
        return set(COLUMNS) <= set(header(path, Dialect()))
    except InputError:
        return False


def release_day(text: str) -> tuple[date | None, date]:
    """The day of `June 13, 1980 (United States)`, and the last day that it can have been.

    Where only a month or a year is told there is no day. Raises ValueError for what is no date at all.

    >>> release_day("June 13, 1980 (United States)")
    (datetime.date(1980, 6, 13), datetime.date(1980, 6, 13))
    >>> release_day("April 1991 (France)"), release_day("1981")
    ((None, datetime.date(1991, 4, 30)), (None, datetime.date(1981, 12, 31)))
    """
    plain = _PLACE.sub("", text.strip())
    with suppress(ValueError):
        day = film_day(plain, "%B %d, %Y")
        return day, day
    with suppress(ValueError):
        month = film_day(plain, "%B %Y")
        return None, month.replace(day=monthrange(month.year, month.month)[1])
    return None, film_day(plain, "%Y").replace(month=12, day=31)


def _film(path: Path, row: Mapping[str, Any], seen: set[str]) -> FilmRow | Reject:
    line = row[LINE]
    year = float(row["year"]) if re.fullmatch(r"\d{4}(\.0)?", row["year"]) else 0
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return Reject(str(path), line, "year", row["year"], "not a year of release", "like 1980")
    try:
        released, last = release_day(row["released"]) if row["released"] else (None, None)
    except ValueError:
        accepted = "like June 13, 1980 (United States)"
        return Reject(str(path), line, "released", row["released"], "not a date of release", accepted)
    ident = f"{row['name']} ({int(year)})"
    if ident in seen:
        ident = f"{ident} {row['director']}"
    if ident in seen:
        return Reject(str(path), line, "name", row["name"], "the film stands here already", "each film once")
    seen.add(ident)
    people = [("director", row["director"]), ("writer", row["writer"]), ("cast", row["star"])]
    gross = amount(row["gross"])
    return FilmRow(
        id=ident,
        name=row["name"],
        year=int(year),
        released=released,
        known=last,
        certificate=row["rating"],
        genres=listed(row["genre"]),
        runtime=amount(row["runtime"]),
        country=row["country"],
        budget=amount(row["budget"]),
        credits=[(role, by_name([name])) for role, name in people if name],
        companies=[("production", by_name([row["company"]]))] if row["company"] else [],
        grosses=[] if gross is None else [Gross(None, "total", gross)],
        line=line,
    )
