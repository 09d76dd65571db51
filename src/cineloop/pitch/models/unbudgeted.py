"""The forecaster for tables that tell no budgets: the same sum of effects without those that read one.

Most open tables list what films took and not what they cost. Left without the strongest driver the regression says
less, and its intervals, which come from the errors of its own past forecasts, are wider. The budget of a pitch moves
nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.view import TrainingView
from cineloop.pitch.brief import Moment
from cineloop.pitch.features import RELEASE_ONLY, features
from cineloop.pitch.models import blend
from cineloop.pitch.models.audience import TERMS, AudienceModel
from cineloop.pitch.models.blend import Blend
from cineloop.pitch.models.calibration import Errors
from cineloop.pitch.models.past import pooled, years_before
from cineloop.titles.films import MONEY
from cineloop.titles.money import price_level

Floats = NDArray[np.float64]
LEAST = 60  # films that it takes to tell anything


@dataclass(frozen=True)
class UnbudgetedAudience:
    """The recipe: the moment, the target ("worldwide", "domestic", …), the years in which a film's weight halves, and
    years of past forecasts to calibrate on."""

    name: ClassVar[str] = "audience-unbudgeted"
    model: ClassVar[type[AudienceModel]] = AudienceModel
    feeds: ClassVar[tuple[str, ...]] = ("cineloop.pitch.features", "cineloop.titles")
    threads: ClassVar[int] = 1

    moment: Moment = "greenlight"
    target: str = "worldwide"
    half_life: float = 12.0
    calibration_years: int = 4

    def fit(self, view: TrainingView, seed: int) -> AudienceModel:
        """From the view's tables, as of its day; there is no chance in it, so the seed plays no part."""
        from cineloop.titles.from_store import films_of

        return fit_unbudgeted(films_of(view), view.as_of.astimezone(UTC).date(), self)


def priced(films: pl.DataFrame, as_of: date, target: str) -> pl.DataFrame:
    """The rows to learn from on a day: date and target there, and known by then; a budget is not asked for."""
    return films.filter(pl.col(target) > 0, pl.col("released").is_not_null(), pl.col("known") < as_of)


def fit_unbudgeted(
    films: pl.DataFrame, as_of: date, knobs: UnbudgetedAudience = UnbudgetedAudience()
) -> AudienceModel:
    """Learn from FILMS rows of those known before `as_of` with a date and the target; their budgets are not read.

    InputError where fewer than 60 are there, or no year of past forecasts to calibrate on.
    """
    if knobs.target not in MONEY:
        raise InputError("no such target", field="target", value=knobs.target, accepted=", ".join(MONEY))
    blind = films.with_columns(budget=pl.lit(None, pl.Float64))
    rows = priced(blind, as_of, knobs.target)
    if len(rows) < LEAST:
        raise InputError(
            "too few films to learn from",
            field="films",
            value=len(rows),
            accepted=f"{LEAST} or more with date and {knobs.target}, known before {as_of}",
        )
    history = blind.filter(pl.col("released") < as_of)
    level = np.log(price_level(rows["released"].dt.year(), as_of.year - 1))
    y = np.log(rows[knobs.target].to_numpy()) - level
    middle = float(y.mean())
    frame = features(
        rows,
        history,
        knobs.moment,
        target=knobs.target,
        expected=(middle, 0.0),
        prices_until=as_of.year - 1,
    )
    fitted = _fit(frame, y, rows, as_of, knobs)
    past = []
    for start, back, train, due in _past_years(rows, as_of, knobs.calibration_years):
        then = _fit(frame.filter(train), y[train], rows.filter(train), start, knobs)
        mean, doubt = then.predict(frame.filter(due))
        blank = np.zeros(len(mean))
        past.append(Errors(y[due] - mean, blank, doubt, blank + back))
    ranges = {
        c: (float(frame[c].min()), float(frame[c].max()))  # type: ignore[arg-type]
        for c in ("year", "runtime")
        if frame[c].is_not_null().any()
    }
    kept = history.select("title", "name", "released", "known", "budget", "companies", knobs.target)
    return AudienceModel(knobs.moment, knobs.target, as_of, (middle, 0.0), ranges, fitted, pooled(past), kept)


def _fit(frame: pl.DataFrame, y: Floats, rows: pl.DataFrame, as_of: date, knobs: UnbudgetedAudience) -> Blend:
    """The regression of some rows as of a day, the newer the heavier."""
    unread = {"budget", *(RELEASE_ONLY if knobs.moment == "greenlight" else ())}
    terms = [t for t in TERMS if not unread & set(t.uses)]
    age = rows.select((pl.lit(as_of) - pl.col("released")).dt.total_days() / 365.25).to_series().to_numpy()
    weights = 0.5 ** (age / knobs.half_life)
    return blend.fit(frame, y, terms, weights, share=0.0, without=(), seed=0)


def _past_years(
    rows: pl.DataFrame, as_of: date, years: int
) -> Iterator[tuple[date, int, NDArray[np.bool_], NDArray[np.bool_]]]:
    """The years before the day of which a model of then could have forecast the films: its start, how many years
    back, the rows known at the start (n,), the rows that came out in it (n,)."""
    released, known = rows["released"], rows["known"]
    for back in range(years):
        start, end = years_before(as_of, back + 1), years_before(as_of, back)
        train = (known < start).to_numpy()
        due = ((released >= start) & (released < end)).to_numpy()
        if train.sum() >= LEAST and due.any():
            yield start, back, train, due
