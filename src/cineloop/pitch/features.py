"""What a forecast may see of a film on its day: the features frame, one row a film, columns as in `FEATURES`.

Two moments. At `release` the date, certificate and runtime are there. At `greenlight`, 18 months and more before, only
the planned year is: the day is not drawn, no certificate or runtime is used, and track records end 18 months earlier.
Banned at both, since they tell success from afterwards: votes and scores, popularity, whether a table lists the film,
whether a cell of it is empty, and collections that later films define.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from cineloop.pitch.brief import Moment
from cineloop.titles.franchises import Entry, Franchises
from cineloop.titles.money import LAST_YEAR, price_level
from cineloop.titles.records import Experience

LEAD = timedelta(days=548)  # 18 months from the greenlight to the planned year
FEATURES = pl.Schema(
    {
        "title": pl.String(),
        "budget": pl.Float64(),  # log of USD in the money of money.BASE_YEAR
        "year": pl.Float64(),  # of the release, in decades since 2000
        "genre": pl.String(),  # the first named
        "country": pl.String(),
        "company": pl.String(),  # the first named
        "company_films": pl.Float64(),  # log(1 + films it had out); null without a company
        "sequel": pl.Float64(),  # 1 or 0: continues an earlier film
        "numbered": pl.Float64(),  # 1 or 0: and its name counts
        "earlier": pl.Float64(),  # the earlier part's log gross, in the money of BASE_YEAR; 0 is EARLIER_TYPICAL
        "earlier_excess": pl.Float64(),  # and by how much it beat what its budget leads one to expect
        "gap": pl.Float64(),  # log(1 + years since the earlier part)
        "season": pl.Float64(),  # the release's share of its year
        "certificate": pl.String(),
        "runtime": pl.Float64(),  # minutes, within 70 to 200
    }
)
RELEASE_ONLY = ("season", "certificate", "runtime")
EARLIER_TYPICAL = 18.0  # log of 66 million dollars
_CERTIFICATES = {"X": "NC-17"} | dict.fromkeys(
    ("Unrated", "Approved", "Passed", "TV-MA", "TV-14", "TV-PG"), "Not Rated"
)


def decided(films: pl.DataFrame, moment: Moment) -> list[date | None]:
    """(n,) the last day whose news a forecast of each film may use: its release, or 18 months before its year."""
    days = films["released"].to_list()
    if moment == "release":
        return days
    return [None if d is None else date(d.year, 1, 1) - LEAD for d in days]


@dataclass(frozen=True)
class Earlier:
    """What is known of a film that others may continue: log amounts in the money of its own year."""

    released: date
    known: date | None
    budget: float | None
    gross: float | None


class History:
    """FILMS rows as features look things up in them; what is looked up is prepared once."""

    def __init__(self, films: pl.DataFrame, target: str = "worldwide") -> None:
        self.films = films
        self.target = target

    @cached_property
    def franchises(self) -> Franchises:
        """The films by the names of their franchises."""
        return Franchises.of(self.films)

    @cached_property
    def companies(self) -> Experience:
        """When each company had films out."""
        return Experience.of(self.films, "companies")

    @cached_property
    def earlier(self) -> dict[str, Earlier]:
        """The dated films, by title."""
        dated = self.films.filter(pl.col("released").is_not_null())
        logs = dated.select("title", "released", "known", pl.col("budget").log(), pl.col(self.target).log())
        return {title: Earlier(*row) for title, *row in logs.iter_rows()}

    @cached_property
    def horizon(self) -> date:
        """The last day on which a film came out or its total was known; a film without a day is judged as of it."""
        days = [self.films[c].max() for c in ("released", "known") if len(self.films)]
        return max((d for d in days if isinstance(d, date)), default=date(2000, 1, 1))


def features(
    films: pl.DataFrame,
    history: pl.DataFrame | History,
    moment: Moment,
    *,
    target: str = "worldwide",
    expected: tuple[float, float] = (0.0, 1.0),
    prices_until: int = LAST_YEAR,
    franchises: Sequence[Entry | None] | None = None,
    days: Sequence[date | None] | None = None,
) -> pl.DataFrame:
    """The features of `films`, in their order, out of what `history` (FILMS rows) shows before each one's day.

    A film may stand in the history itself: nothing of it is read. That it continues an earlier film is part of the
    pitch, so any film released before it counts there; what the earlier film earned has to be known by the day.
    `expected` is (a, b) of a log gross expected of a log budget, a + b · budget. `franchises` overrides what the name
    of each film says, `days` the last day whose news each forecast may use.
    """
    past = history if isinstance(history, History) else History(history, target)
    own = decided(films, moment) if days is None else days
    at = [d or past.horizon for d in own]
    entries = _entries(films, past, franchises)
    earlier = [_earlier(e, d, past, expected, prices_until) for e, d in zip(entries, at, strict=True)]
    year = films["released"].dt.year()
    level = np.log(price_level(year.fill_null(past.horizon.year), prices_until))
    first = [names[0] if names else None for names in films["companies"].to_list()]
    made = films.select(
        "title",
        budget=pl.col("budget").log() - pl.Series(level),
        year=(year.cast(pl.Float64) - 1999.5) / 10.0,
        genre=pl.col("genres").list.first(),
        country="country",
        company=pl.Series(first, dtype=pl.String),
        company_films=pl.Series(np.log1p(past.companies.before(first, at))),
        sequel=pl.Series([float(e.sequel) for e in entries], dtype=pl.Float64),
        numbered=pl.Series([float(e.numbered) for e in entries], dtype=pl.Float64),
        earlier=pl.Series([e[0] for e in earlier], dtype=pl.Float64),
        earlier_excess=pl.Series([e[1] for e in earlier], dtype=pl.Float64),
        gap=pl.Series([e[2] for e in earlier], dtype=pl.Float64),
        season=(pl.col("released").dt.ordinal_day() - 0.5) / 366.0,
        certificate=pl.col("certificate").replace(_CERTIFICATES),
        runtime=pl.col("runtime").clip(70, 200),
    )
    known = pl.col("company").is_not_null()
    made = made.with_columns(company_films=pl.when(known).then("company_films"))
    if moment == "greenlight":
        made = made.with_columns(pl.lit(None).alias(c) for c in RELEASE_ONLY)
    return made.select(FEATURES.names()).cast(FEATURES)


def _entries(films: pl.DataFrame, past: History, given: Sequence[Entry | None] | None) -> list[Entry]:
    made = []
    for row, (name, released) in enumerate(films.select("name", "released").iter_rows()):
        told = given[row] if given is not None else None
        made.append(told or past.franchises.entry(name, released or past.horizon))
    return made


def _earlier(
    entry: Entry, day: date, past: History, expected: tuple[float, float], prices_until: int
) -> tuple[float, float, float]:
    """The features (earlier, earlier_excess, gap); 0 where nothing is known."""
    film = past.earlier.get(entry.earlier or "")
    if film is None:
        return 0.0, 0.0, 0.0
    gap = float(np.log1p(max((day - film.released).days, 0) / 365.25))
    if film.gross is None or film.known is None or film.known > day:
        return 0.0, 0.0, gap
    level = float(np.log(price_level(film.released.year, prices_until)))
    gross = film.gross - level
    start, slope = expected
    excess = 0.0 if film.budget is None else gross - (start + slope * (film.budget - level))
    return gross - EARLIER_TYPICAL, excess, gap
