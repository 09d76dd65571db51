"""Films, one row each: the frame that every model of the pitch wing learns from.

People and companies stand under their normalised names; money is nominal US dollars. Votes, scores and popularity are
not in it: they come after the release.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.errors import InputError
from cineloop.store.sources.source import Reject
from cineloop.titles.text import folded

FILMS = pl.Schema(
    {
        "title": pl.String(),  # `source:id`
        "name": pl.String(),
        "released": pl.Date(),
        "certificate": pl.String(),
        "genres": pl.List(pl.String()),
        "overview": pl.String(),
        "budget": pl.Float64(),  # USD, nominal, as all money here
        "runtime": pl.Float64(),  # minutes
        "country": pl.String(),
        "language": pl.String(),
        "companies": pl.List(pl.String()),
        "directors": pl.List(pl.String()),
        "writers": pl.List(pl.String()),
        "cast": pl.List(pl.String()),  # in billing order
        "worldwide": pl.Float64(),
        "domestic": pl.Float64(),
        "international": pl.Float64(),
        "opening": pl.Float64(),
        "known": pl.Date(),  # when the total gross is known
    }
)
MONEY = ("worldwide", "domestic", "international", "opening")
SETTLED = timedelta(days=365)  # a total gross counts as known so long after the release
COLUMNS = (
    "name",
    "rating",
    "genre",
    "year",
    "released",
    "score",
    "votes",
    "director",
    "writer",
    "star",
    "country",
    "budget",
    "gross",
    "company",
    "runtime",
)
_NEEDED = ("name", "released", "budget", "gross")
_PLACE = re.compile(r"\s*\([^)]*\)\s*$")
_NOT_NAME = re.compile(r"[^\w]+")


@dataclass(frozen=True)
class Day:
    """A release date as a table gives it; `exact` is False where only the month or the year is there."""

    day: date
    last: date  # the last day that it may have been
    exact: bool


def release_day(text: str) -> Day | None:
    """A date such as "June 13, 1980 (United States)"; a bare month is its 15th, a bare year its middle, 1 July.

    None where there is no date in it.

    >>> release_day("October 1982 (Japan)").day
    datetime.date(1982, 10, 15)
    >>> release_day("1981 (Italy)").exact, release_day("soon")
    (False, None)
    """
    plain = _PLACE.sub("", text.strip())
    for form in ("%B %d, %Y", "%Y-%m-%d", "%d %B %Y"):
        read = _read(plain, form)
        if read is not None:
            return Day(read, read, True)
    month = _read(plain, "%B %Y")
    if month is not None:
        following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
        return Day(month.replace(day=15), following - timedelta(days=1), False)
    year = _read(plain, "%Y")
    return None if year is None else Day(year.replace(month=7), year.replace(month=12, day=31), False)


def _read(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None


def films_of_table(path: Path, reject: Callable[[Reject], None] | None = None) -> pl.DataFrame:
    """Films of a CSV in the layout of `COLUMNS`: IMDb facts with worldwide gross and budget, one film a line.

    An empty cell is unknown. A broken row is left out and handed to `reject`, by line; without it the first one is an
    InputError. `score` and `votes` are not read, and neither is the year of production (a festival's, often). Missing
    columns, or none of the rows sound: InputError. Rows are sorted by release and title.
    """
    found: list[dict[str, Any]] = []
    taken: set[str] = set()
    for line, cells in _rows(path):
        row = _film(path, line, cells, taken)
        if isinstance(row, Reject):
            if reject is None:
                raise InputError(
                    row.what, file=path, line=line, field=row.field, value=row.value, accepted=row.accepted
                )
            reject(row)
            continue
        taken.add(row["title"])
        found.append(row)
    if not found:
        raise InputError("no sound row", file=path, accepted=f"a CSV with {','.join(COLUMNS)}")
    return frame_of(found)


def frame_of(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as dictionaries as a FILMS frame, sorted by release and title; what a row does not say is null or empty."""
    lists = [c for c, kind in FILMS.items() if kind == pl.List(pl.String)]
    full = [{c: row.get(c, [] if c in lists else None) for c in FILMS} for row in rows]
    return pl.DataFrame(full, schema=FILMS).sort("released", "title", nulls_last=True)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            read = csv.DictReader(file, restkey="", restval=None)
            missing = [c for c in _NEEDED if c not in (read.fieldnames or [])]
            if missing:
                raise InputError(
                    "no such column", file=path, line=1, field=missing[0], accepted=",".join(COLUMNS)
                )
            for cells in read:
                yield read.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as bad:
        raise InputError(f"cannot be read: {bad}", file=path, accepted="a CSV in UTF-8") from None


def _film(path: Path, line: int, cells: dict[str, str | None], taken: set[str]) -> dict[str, Any] | Reject:
    def broken(field: str, what: str, accepted: str) -> Reject:
        return Reject(str(path), line, field, cells.get(field), what, accepted)

    text = {c: (cells.get(c) or "").strip() for c in COLUMNS}
    if cells.get("") is not None or any(cells.get(c, "") is None for c in COLUMNS):
        return Reject(str(path), line, None, None, "not as many cells as the header", ",".join(COLUMNS))
    if not text["name"]:
        return broken("name", "empty", "the film's name")
    day = release_day(text["released"]) if text["released"] else None
    if text["released"] and day is None:
        return broken("released", "not a date", "such as June 13, 1980 (United States)")
    numbers: dict[str, float | None] = {}
    for field in ("budget", "gross", "runtime"):
        numbers[field] = _number(text[field])
        if text[field] and numbers[field] is None:
            return broken(field, "not an amount", "a number above 0, or nothing")
    key = f"table:{'-'.join(normalised(text['name']).split())}-{day.day.year if day else 'undated'}"
    copies = 1
    title = key
    while title in taken:
        copies += 1
        title = f"{key}-{copies}"
    return {
        "title": title,
        "name": text["name"],
        "released": day.day if day else None,
        "certificate": text["rating"] or None,
        "genres": [text["genre"]] if text["genre"] else [],
        "budget": numbers["budget"],
        "runtime": numbers["runtime"],
        "country": text["country"] or None,
        "companies": _names(text["company"]),
        "directors": _names(text["director"]),
        "writers": _names(text["writer"]),
        "cast": _names(text["star"]),
        "worldwide": numbers["gross"],
        "known": day.last + SETTLED if day else None,
    }


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _names(text: str) -> list[str]:
    return [normalised(text)] if normalised(text) else []


def normalised(name: str) -> str:
    """A name as films know people and companies: lower case, no accents, single blanks for all punctuation.

    >>> normalised("Metro-Goldwyn-Mayer (MGM)"), normalised("Éva  Gárdos")
    ('metro goldwyn mayer mgm', 'eva gardos')
    """
    # decomposed and folded again until it stays: some signs turn into capitals
    plain, again = "", name
    while plain != again:
        plain, again = again, folded(again)
    return _NOT_NAME.sub(" ", plain).strip()
