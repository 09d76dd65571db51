"""What was known of a streaming title before its release, and a forecast of its hours viewed.

The rows are titles of a service's reports on half years (`store/sources/netflix_engagement.py`) that were first shown
within the half year. Features: kind (film, special, limited series, first and later seasons), language, running time,
days left in the half year, season, how much earlier seasons were watched (in the last report and in weekly lists known
before the release) and, where an older dated catalogue holds the series, its genre. Hours, views and ranks of the title
itself, and lists that it got onto by being watched, are not among them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.pitch.models.calibration import Calibration, Errors, calibrate
from cineloop.pitch.models.regression import Regression, fit
from cineloop.pitch.models.terms import Term
from cineloop.pitch.predictive import Predictive
from cineloop.store.sources.report_strings import parse
from cineloop.titles.names import main_part, title_key

Floats = NDArray[np.float64]

SPECIAL = 100.0
"""Minutes: a show without a season and shorter than that is a special: a stand-up hour, mostly."""

LANGUAGES = 5
"""A language needs so many training titles for an effect of its own; the others share one."""

TERMS: tuple[Term, ...] = (
    Term("kind", "form", "levels", 4, flat=False),
    Term("language", "language", "levels", LANGUAGES),
    Term("language", "cell", "levels", 4),
    Term("genre", "genre", "levels", 4),
    Term("time left", "left", "line"),
    Term("time left", "left", "hinges", 4),
    Term("running time", "runtime", "line"),
    Term("running time", "runtime", "hinges", 4),
    Term("running time", "runtime_in_kind", "line"),
    Term("earlier seasons", "earlier", "line"),
    Term("earlier seasons", "earlier", "hinges", 3),
    Term("earlier seasons", "listed", "line"),
    Term("earlier seasons", "listed", "hinges", 3),
    Term("earlier seasons", "standing", "levels", 4),
    Term("season", "season", "line"),
    Term("everywhere", "everywhere", "levels", 4),
)


@dataclass(frozen=True)
class Report:
    """One half year of a service: rows of `titles` and `engagement`, the titles shown everywhere, and its dates."""

    titles: pl.DataFrame
    engagement: pl.DataFrame
    everywhere: frozenset[str]
    starts_at: datetime
    ends_at: datetime
    known_at: datetime

    @property
    def name(self) -> str:
        """Such as 2023H2."""
        return f"{self.starts_at.year}H{1 if self.starts_at.month == 1 else 2}"


@dataclass(frozen=True)
class Known:
    """What else may be looked at.

    `listed`: weekly lists, by key of the series when a list was known and the hours on it. `genres`: of series by key,
    with the day from which they are known. `facts`: kind and minutes of titles, which a later report may tell of an
    earlier one's, since neither changes after the release.
    """

    listed: Mapping[str, Sequence[tuple[datetime, float]]]
    genres: Mapping[str, tuple[datetime, str]]
    facts: Mapping[str, tuple[str, float | None]]


def series_key(text: str, kind: str | None = None) -> str:
    """What seasons of one series, and films of one franchise, share.

    >>> series_key("Lupin: Part 3 // Lupin: Partie 3") == series_key("Lupin: Part 1")
    True
    >>> series_key("Extraction 2", "film")
    'film extraction'
    """
    told = parse(text, "film" if kind == "film" else "season" if kind == "season" else None)
    key = title_key(told.name)
    if told.kind == "film":
        part = main_part(told.name)
        return "film " + _UNNUMBERED.sub("", part or key)
    return "series " + _UNNUMBERED.sub("", key)


_UNNUMBERED = re.compile(r" \d{1,2}$")


def features(report: Report, earlier: Iterable[Report], known: Known) -> pl.DataFrame:
    """One row a title first shown in the report's half year, sorted by its id: features, and `hours` to be forecast.

    `earlier` are the reports whose half years had ended before this one began; a later one is passed over.
    """
    watched: dict[str, float] = defaultdict(float)
    before = [r for r in earlier if r.ends_at <= report.starts_at]
    if before:
        last = max(before, key=lambda r: r.ends_at)
        hours = dict(last.engagement.select("title", "hours").iter_rows())
        for title, kind in last.titles.select("title", "kind").iter_rows():
            if title in hours and hours[title] is not None:
                said = known.facts.get(title, (kind, None))[0]
                watched[series_key(_text(title), said)] += hours[title]
    rows = report.titles.filter(
        pl.col("kind").is_in(["film", "season"]),
        pl.col("released").is_between(report.starts_at, report.ends_at, closed="left"),
    ).join(report.engagement.select("title", "hours"), on="title")
    made = [
        _row(row, report, watched, bool(before), known) for row in rows.sort("title").iter_rows(named=True)
    ]
    frame = pl.DataFrame(made, schema=_SCHEMA)
    # a running time says something within its kind: a film's is not a season's
    return frame.with_columns(
        runtime_in_kind=pl.col("runtime") - pl.col("runtime").mean().over("form"),
    )


_SCHEMA: Mapping[str, Any] = {
    "title": pl.String,
    "form": pl.String,
    "language": pl.String,
    "cell": pl.String,
    "genre": pl.String,
    "left": pl.Float64,
    "runtime": pl.Float64,
    "season": pl.Float64,
    "earlier": pl.Float64,
    "listed": pl.Float64,
    "standing": pl.String,
    "everywhere": pl.String,
    "hours": pl.Float64,
}


def _text(title: str) -> str:
    """The report's string of an id."""
    return title.partition(":")[2]


def _row(
    row: Mapping[str, Any], report: Report, watched: Mapping[str, float], reported: bool, known: Known
) -> dict[str, Any]:
    text = _text(row["title"])
    kind, runtime = known.facts.get(row["title"], (row["kind"], row["runtime"]))
    told = parse(text, "season" if kind == "season" else "film")
    key = series_key(text, kind)
    number = told.number or 1
    if kind == "film":
        form = "film"
    elif told.marker is None and runtime is not None and runtime < SPECIAL:
        form = "special"
    elif told.limited or told.marker is None:
        form = "limited"
    else:
        form = "first season" if number == 1 else "later season"
    released = row["released"]
    weeks = [hours for at, hours in known.listed.get(key, ()) if at <= released]
    seen = watched.get(key) if number > 1 or kind == "film" else None
    day, genre = known.genres.get(key, (None, None))
    language = told.language or "none told"
    return {
        "title": row["title"],
        "form": form,
        "language": language,
        "cell": f"{'film' if kind == 'film' else 'show'} {language}",
        "genre": genre if day is not None and day <= report.starts_at and genre is not None else "not known",
        "left": float(np.log((report.ends_at - released) / timedelta(days=1))),
        "runtime": None if not runtime else float(np.log(runtime)),
        "season": float(np.log(number)),
        "earlier": None if not reported else float(np.log((seen or 0.0) + 1e5)),
        "listed": float(np.log(sum(weeks) + 1e6)),
        "standing": ("new" if number == 1 else "unlisted") if not weeks else "listed",
        "everywhere": "yes" if row["title"] in report.everywhere else "no",
        "hours": row["hours"],
    }


@dataclass(frozen=True)
class HoursModel:
    """A regression of the log of hours with the spread that its past errors had."""

    regression: Regression
    calibration: Calibration

    def predict(self, frame: pl.DataFrame) -> Predictive:
        """Distributions of hours viewed in the half year of the release, for rows of `features`."""
        mean, doubt = self.regression.predict(frame)
        return self.calibration.predictive(mean, mean, doubt)


def fit_hours(
    frames: Sequence[pl.DataFrame], terms: Sequence[Term] = TERMS, *, folds: int = 10
) -> HoursModel:
    """Fit on frames of `features`, a half year each, oldest first.

    The errors of the calibration are those of titles that a fit had not seen: `folds` stretches by day of release, of
    all half years, and where there are several half years, also each from the ones before it.
    """
    whole = pl.concat(frames)
    y = whole["hours"].log().to_numpy()
    # folds are stretches of the half year: titles of some weeks are forecast from those of other weeks
    parts = (whole["left"].rank("ordinal").to_numpy() - 1) * folds // len(whole)
    found: list[tuple[Floats, Floats, Floats, Floats]] = []
    for part in range(folds):
        out = parts == part
        model = fit(whole.filter(pl.Series(~out)), y[~out], terms)
        found.append(_errors(model, whole.filter(pl.Series(out)), age=1.0))
    for i in range(1, len(frames)):
        before = pl.concat(frames[:i])
        model = fit(before, before["hours"].log().to_numpy(), terms)
        found.append(_errors(model, frames[i], age=0.0))
    error, size, doubt, age = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return HoursModel(fit(whole, y, terms), calibrate(Errors(error, size, doubt, age)))


def _errors(model: Regression, frame: pl.DataFrame, age: float) -> tuple[Floats, Floats, Floats, Floats]:
    mean, doubt = model.predict(frame)
    return frame["hours"].log().to_numpy() - mean, mean, doubt, np.full(len(mean), age)
