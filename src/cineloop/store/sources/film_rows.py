"""One film's facts, as the sources that list films have them, and the rows they become.

What such a list says of a film counts as known on the day of its release, or at the end of its year where no day is
told: lists are written later than that, but say what a poster said. What it took counts as known a year after. The
names of people and companies belong to no day. A person of a source without ids is `source:name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from cineloop.store.check import frame_schema
from cineloop.store.sources.film_names import plausible
from cineloop.store.sources.source import LINE, Batch, Reject

ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)
"""`known_at` of what belongs to no day, and of films of no known year."""

TOTAL_KNOWN = timedelta(days=365)
"""From the release to the day on which a film's total gross counts as known."""


class Named(NamedTuple):
    """A person or company: the id within the source (the name where it has none) and the name."""

    id: str
    name: str


class Gross(NamedTuple):
    """What a film took in a market: `domestic`, `international`, or None for the world."""

    territory: str | None
    period: str
    gross: float


@dataclass(frozen=True)
class FilmRow:
    """A film or series as a line of a list has it. `credits` and `companies` are in billing order where `billed`."""

    id: str
    name: str
    kind: str = "film"
    year: int | None = None
    released: date | None = None
    known: date | None = None
    certificate: str | None = None
    genres: Sequence[str] = ()
    language: str | None = None
    runtime: float | None = None
    original_name: str | None = None
    overview: str | None = None
    country: str | None = None
    budget: float | None = None
    credits: Sequence[tuple[str, Sequence[Named]]] = ()
    companies: Sequence[tuple[str, Sequence[Named]]] = ()
    grosses: Sequence[Gross] = ()
    currency: str = "USD"
    billed: bool = True
    line: int | None = None

    @property
    def known_at(self) -> datetime:
        """When its facts count as known."""
        day = self.known or self.released
        if day is not None:
            return midnight(day)
        return datetime(self.year, 12, 31, tzinfo=UTC) if self.year is not None else ALWAYS


class FilmBatches:
    """Makes batches of films; remembers whose names it has given out, so that each comes once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._told: set[tuple[str, str]] = set()

    def batches(self, films: Iterable[FilmRow], rejects: Sequence[Reject], done: int) -> Iterator[Batch]:
        """The rows of some films for the tables of record; `titles` first, with the rejects."""
        rows: dict[str, list[dict[str, Any]]] = {"titles": []}
        for film in films:
            title, known = self._id(film.id), film.known_at
            rows["titles"].append(self._title(film, title, known))
            for table, key, names, given in (
                ("credits", "person", "people", film.credits),
                ("productions", "company", "companies", film.companies),
            ):
                for role, members in given:
                    for place, (ident, said) in enumerate(_once(members), 1):
                        who = self._id(ident)
                        if (names, who) not in self._told:
                            self._told.add((names, who))
                            rows.setdefault(names, []).append(
                                {key: who, "name": said, "known_at": ALWAYS, LINE: film.line}
                            )
                        billing = place if film.billed else None
                        rows.setdefault(table, []).append(
                            {
                                "title": title,
                                key: who,
                                "role": role,
                                "billing": billing,
                                "known_at": known,
                                LINE: film.line,
                            }
                        )
            for territory, period, gross in film.grosses:
                rows.setdefault("grosses", []).append(
                    {
                        "title": title,
                        "territory": territory,
                        "period": period,
                        "starts_at": None if film.released is None else midnight(film.released),
                        "gross": gross,
                        "currency": film.currency,
                        "known_at": known + TOTAL_KNOWN,
                        LINE: film.line,
                    }
                )
        for table, made in rows.items():
            yield Batch(table, frame_of(table, made), tuple(rejects) if table == "titles" else (), done)

    def _id(self, within: str) -> str:
        return f"{self.name}:{within}"

    def _title(self, film: FilmRow, title: str, known: datetime) -> dict[str, Any]:
        return {
            "title": title,
            "kind": film.kind,
            "name": film.name,
            "year": film.year,
            "genres": list(film.genres) or None,
            "certificate": film.certificate,
            "language": film.language,
            "runtime": film.runtime,
            "original_name": film.original_name,
            "overview": film.overview,
            "country": film.country,
            "released": None if film.released is None else midnight(film.released),
            "budget": film.budget,
            "known_at": known,
            LINE: film.line,
        }


def frame_of(table: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of a batch: the table's types, and their lines."""
    schema = {**frame_schema(table), LINE: pl.Int64()}
    named = {key for row in rows for key in row}
    return pl.DataFrame(rows, schema={name: kind for name, kind in schema.items() if name in named})


def midnight(day: date) -> datetime:
    """The first moment of a day, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def film_day(text: str, written: str | None = None) -> date:
    """A day in the age of film, ISO 8601 or as `written`; ValueError for what is none, or of no year from 1870 to 2100.

    >>> film_day("1999-03-31"), film_day("March 31, 1999", "%B %d, %Y")
    (datetime.date(1999, 3, 31), datetime.date(1999, 3, 31))
    """
    plain = text.strip()
    day = date.fromisoformat(plain) if written is None else datetime.strptime(plain, written).date()
    if plausible(day.year) is None:
        raise ValueError(text)
    return day


def amount(value: float | None) -> float | None:
    """A sum of money or a running time, where it is one: lists write 0 for what they do not know."""
    return None if value == 0 else value


def listed(text: str | None, separator: str = ",") -> list[str]:
    """The parts of a list written as text, without blanks.

    >>> listed("Drama,  Sci-Fi, "), listed(None)
    (['Drama', 'Sci-Fi'], [])
    """
    return [part.strip() for part in (text or "").split(separator) if part.strip()]


def by_name(names: Iterable[str]) -> list[Named]:
    """People or companies of a source that has no ids for them."""
    return [Named(name, name) for name in names]


def _once(members: Iterable[Named]) -> list[Named]:
    return list(dict.fromkeys(members))
