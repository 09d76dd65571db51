"""Netflix's weekly Top 10: the global list as TSV, with hours and views; the list of each country, by rank alone.

Global: week, category, weekly_rank, show_title, season_title, weekly_hours_viewed, and since June 2023 runtime (hours)
and weekly_views. Countries: country_name, country_iso2 and no hours. `week` is the Sunday that ends the week; the list
comes out on the Tuesday after, and is known from then. Shows are ids of their own beside their seasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.film_rows import film_day, frame_of, midnight
from cineloop.store.sources.report_strings import parse
from cineloop.store.sources.source import LINE, Batch, OneFile, Reject

_TEXT = ("week", "category", "show_title")
_OPTIONAL = ("season_title", "country_iso2")
_NUMBERS = ("weekly_hours_viewed", "runtime", "weekly_views")
PUBLISHED = timedelta(days=2)
"""From the end of the week, a Sunday, to the list."""
_NONE = ("", "N/A")


@dataclass(frozen=True)
class NetflixTop10(OneFile):
    """One list. Ids are `name:film/…`, `name:series/…` and `name:season/…` with the list's own words."""

    path: Path
    name: str = "netflix-top10"

    licence = "Netflix's Top 10, published by Netflix; its terms of use apply"

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "netflix-top10", "rules": 1}

    def read(self) -> Iterator[Batch]:
        """A row of engagement for each place on a list, then the titles, a few thousand, which are held."""
        dialect = _dialect(self.path)
        there = set(header(self.path, dialect))
        columns = [Column(n) for n in _TEXT]
        columns += [Column(n, required=False) for n in _OPTIONAL if n in there]
        columns += [Column("weekly_rank", "integer")]
        columns += [Column(n, "number", required=False) for n in _NUMBERS if n in there]
        titles: dict[str, dict[str, Any]] = {}
        for rows in delimited.read(self.path, columns, dialect):
            places: list[dict[str, Any]] = []
            rejects = list(rows.rejects)
            for row in rows.frame.iter_rows(named=True):
                if (odd := _odd(row)) is not None:
                    field, what, accepted = odd
                    rejects.append(Reject(str(self.path), row[LINE], field, f"{row[field]}", what, accepted))
                else:
                    places.append(self._place(row, titles))
            yield Batch("engagement", frame_of("engagement", places), tuple(rejects), rows.done)
        yield Batch("titles", frame_of("titles", list(titles.values())), (), self.total)

    def _place(self, row: Mapping[str, Any], titles: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """The row of engagement; `titles` gets what is on it, known from the first week on a list."""
        week = film_day(row["week"])
        starts, ends = midnight(week - timedelta(days=6)), midnight(week + timedelta(days=1))
        known = {"known_at": ends + PUBLISHED, LINE: row[LINE]}
        film = row["category"].lower().startswith("film")
        show, season = row["show_title"], row.get("season_title")
        season = None if film or season in (None, *_NONE) else season
        whole = f"{self.name}:{'film' if film else 'series'}/{show}"
        title = whole if season is None else f"{self.name}:season/{season}"
        hours = row.get("runtime")
        made: list[tuple[str, dict[str, Any]]] = [
            (whole, {"kind": "film" if film else "series", "name": show})
        ]
        if season is not None:
            number = parse(season, "season").number
            made.append((title, {"kind": "season", "name": season, "parent": whole, "number": number}))
        for ident, facts in made:
            fact = titles.setdefault(
                ident, {"title": ident, **facts, "language": None, "runtime": None, **known}
            )
            if known["known_at"] < fact["known_at"]:  # lists come newest first
                fact.update(known)
            if "(English)" in row["category"]:
                fact["language"] = "en"
            if hours and ident == title and fact["runtime"] is None:
                fact["runtime"] = round(hours * 60, 1)
        return {
            **{"title": title, "territory": row.get("country_iso2"), "starts_at": starts, "ends_at": ends},
            **{"hours": row.get("weekly_hours_viewed"), "views": row.get("weekly_views")},
            **{"chart": row["category"], "rank": row["weekly_rank"], **known},
        }


def is_netflix_top10(path: Path) -> bool:
    """Whether a file has the list's columns."""
    try:
        return {*_TEXT, "weekly_rank"} <= set(header(path, _dialect(path)))
    except InputError:
        return False


def _dialect(path: Path) -> Dialect:
    tab = ".tsv" in path.suffixes
    return Dialect("\t" if tab else ",", quotes=not tab)


def _odd(row: Mapping[str, Any]) -> tuple[str, str, str] | None:
    try:
        film_day(row["week"])
    except ValueError:
        return "week", "not a date", "the Sunday that ends the week, like 2021-07-04"
    if not 1 <= row["weekly_rank"] <= 100:
        return "weekly_rank", "not a place", "a whole number from 1"
    for name in _NUMBERS:
        value = row.get(name)
        if value is not None and not 0 <= value < float("inf"):
            return name, "not a number", "a number from 0"
    return None
