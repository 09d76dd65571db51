"""What a title that does not exist yet would bring: the whole distribution, what drives it, and what is outside.

The answer rests on what was known on the day of the decision and on nothing later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from cineloop.errors import InputError
from cineloop.pitch.brief import Moment, Pitch
from cineloop.pitch.features import RELEASE_ONLY, History
from cineloop.pitch.models.audience import AudienceModel
from cineloop.pitch.models.regression import Part
from cineloop.pitch.models.terms import Rows
from cineloop.pitch.predictive import Predictive
from cineloop.titles.films import FILMS, normalised
from cineloop.titles.franchises import Entry, Franchises
from cineloop.titles.money import price_level

# times the budget that a worldwide gross has to reach: cinemas keep about half of it, and marketing comes on top
BREAK_EVEN = 2.5
_REACH = 1.2815515655446004  # standard deviations that hold 80% of a normal distribution
_AHEAD: dict[Moment, float] = {"greenlight": 0.5, "release": 0.3}  # decades
TOP = 0.9  # the quantile of what films earned, in real money, that counts as the top decile


@dataclass(frozen=True)
class Driver:
    """What one property of the title does to the forecast: it multiplies it by `factor` (e to the `log`), compared
    with the typical film that was learnt from. (low, high) hold the factor with 80%."""

    name: str
    log: float
    factor: float
    low: float
    high: float


@dataclass(frozen=True)
class Threshold:
    """The chance of passing an amount (USD of the release year)."""

    name: str
    amount: float
    chance: float


@dataclass(frozen=True)
class Forecast:
    """The answer. `predictive` is a batch of one, in USD of the release year; `outside` says what the training rows
    do not cover, `unknown` which fields are left out and widen the interval; `earlier` is the title continued."""

    target: str
    moment: Moment
    as_of: date
    predictive: Predictive
    median: float
    mean: float
    interval: tuple[float, float]
    level: float
    thresholds: tuple[Threshold, ...]
    typical: float
    drivers: tuple[Driver, ...]
    outside: tuple[str, ...]
    unknown: tuple[str, ...]
    earlier: str | None


class Known:
    """FILMS rows as they were known on a day: films released by then, amounts known by then; prepared once for many
    forecasts of that day."""

    def __init__(self, films: pl.DataFrame, day: date, target: str = "worldwide") -> None:
        seen = films.filter(pl.col("released") <= day)
        amount = pl.when(pl.col("known") <= day).then(pl.col(target)).otherwise(None)
        self.day = day
        self.history = History(seen.with_columns(amount.alias(target)), target)
        self.top = _top(self.history.films, target)


def forecast(
    model: AudienceModel,
    pitch: Pitch,
    films: pl.DataFrame | Known,
    *,
    break_even: float = BREAK_EVEN,
    level: float = 0.8,
) -> Forecast:
    """The forecast of a pitch out of FILMS rows; those released or known after `pitch.decided` are not looked at.

    InputError where the model is of the other moment, or was made with knowledge of later days than the decision.
    """
    return forecasts(model, [pitch], films, break_even=break_even, level=level)[0]


def forecasts(
    model: AudienceModel,
    pitches: Sequence[Pitch],
    films: pl.DataFrame | Known,
    *,
    break_even: float = BREAK_EVEN,
    level: float = 0.8,
) -> list[Forecast]:
    """As `forecast`, of many pitches of one day at once (a sweep of variants)."""
    if not pitches:
        return []
    known = known_for(model, pitches, films)
    frame, entries = pitch_features(model, pitches, known)
    rows = Rows(frame)
    predictive = model.of_features(rows)
    intervals, medians, means = predictive.interval(level), predictive.median, predictive.mean
    parts, prices = model.parts(rows), np.exp(model.level(rows))
    typical = float(np.exp(model.regression.base))
    outside = _outside(model, rows, pitches, entries)
    tops = np.full(len(pitches), np.nan) if known.top is None else known.top * prices
    evens = np.array([np.nan if p.budget is None else break_even * p.budget for p in pitches])
    chances = {
        "break-even": (evens, predictive.chance(np.nan_to_num(evens, nan=1.0))),
        "top decile": (tops, predictive.chance(np.nan_to_num(tops, nan=1.0))),
    }
    if model.target != "worldwide":
        del chances["break-even"]
    return [
        Forecast(
            target=model.target,
            moment=model.moment,
            as_of=pitch.decided,
            predictive=predictive[row : row + 1],
            median=float(medians[row]),
            mean=float(means[row]),
            interval=(float(intervals[row, 0]), float(intervals[row, 1])),
            level=level,
            thresholds=tuple(
                Threshold(name, float(amount[row]), float(chance[row]))
                for name, (amount, chance) in chances.items()
                if np.isfinite(amount[row])
            ),
            typical=typical * float(prices[row]),
            drivers=tuple(_driver(part, row) for part in parts),
            outside=outside[row],
            unknown=_unknown(model, pitch),
            earlier=entries[row].earlier,
        )
        for row, pitch in enumerate(pitches)
    ]


def known_for(model: AudienceModel, pitches: Sequence[Pitch], films: pl.DataFrame | Known) -> Known:
    """What was known on the day of the pitches' decision; InputError where model, pitches and day don't fit."""
    days = {p.decided for p in pitches}
    if len(days) != 1:
        raise InputError("not one day", field="decided", accepted="the same day for all pitches")
    (day,) = days
    for pitch in pitches:
        if pitch.moment != model.moment:
            raise InputError(
                "no model of this moment", field="moment", value=pitch.moment, accepted=model.moment
            )
    if model.as_of > day:
        raise InputError(
            f"the model knows films until {model.as_of}",
            field="decided",
            value=str(day),
            accepted="that day or later, or a model made as of the decision",
        )
    if isinstance(films, pl.DataFrame):
        return Known(films, day, model.target)
    if (films.day, films.history.target) != (day, model.target):
        raise InputError("prepared for another day or target", field="decided", value=str(films.day))
    return films


def pitch_features(
    model: AudienceModel, pitches: Sequence[Pitch], known: Known
) -> tuple[pl.DataFrame, list[Entry]]:
    """(features frame, what each pitch continues) of pitches, in their order."""
    rows = frame_of_pitches(pitches)
    entries = [_entry(p, known.history.franchises, known.day) for p in pitches]
    frame = model.features(rows, known.history, franchises=entries, days=[known.day] * len(pitches))
    undated = pl.Series([p.release is None for p in pitches])
    return frame.with_columns(season=pl.when(undated).then(None).otherwise(pl.col("season"))), entries


def frame_of_pitches(pitches: Sequence[Pitch]) -> pl.DataFrame:
    """Pitches as FILMS rows, in their order; titles are `pitch:0`, `pitch:1`, …

    Without a release date, the year after next at greenlight and the day of the decision at release.
    """
    blank: dict[str, Any] = dict.fromkeys(FILMS)
    rows = []
    for number, p in enumerate(pitches):
        planned = p.release or (date(p.decided.year + 2, 7, 1) if p.moment == "greenlight" else p.decided)
        rows.append(
            {
                "title": f"pitch:{number}",
                "name": p.name,
                "released": planned,
                "certificate": p.certificate,
                "genres": list(p.genres),
                "overview": p.synopsis or None,
                "budget": p.budget,
                "runtime": p.runtime,
                "country": p.country,
                "language": p.language,
                **{
                    role: [normalised(n) for n in getattr(p, role)]
                    for role in ("companies", "directors", "writers", "cast")
                },
            }
        )
    return pl.DataFrame([blank | row for row in rows], schema=FILMS)


def _entry(pitch: Pitch, known: Franchises, day: date) -> Entry:
    if isinstance(pitch.franchise, str):
        earlier = known.named(pitch.franchise, day) or known.entry(pitch.franchise, day).earlier
        return Entry(earlier, 1, True)
    found = known.entry(pitch.name, day)
    if pitch.franchise is None:
        return found
    return Entry(found.earlier, found.number, True) if pitch.franchise else Entry(None, 0, False)


def _driver(part: Part, row: int) -> Driver:
    log, reach = float(part.mean[row]), _REACH * float(part.deviation[row])
    factor, low, high = np.exp([log, log - reach, log + reach]).tolist()
    return Driver(part.driver, log, factor, low, high)


def _outside(
    model: AudienceModel, rows: Rows, pitches: Sequence[Pitch], entries: Sequence[Entry]
) -> list[tuple[str, ...]]:
    """What the training rows do not cover of each pitch, in words."""
    said: list[list[str]] = [[] for _ in pitches]
    prices = np.exp(model.level(rows))
    for column, (low, high) in model.ranges.items():
        # a pitch lies years ahead: only beyond those that past forecasts looked ahead is it outside
        after = high + (_AHEAD[model.moment] if column == "year" else 0.0)
        for row, value in enumerate(rows.numbers(column).tolist()):
            if np.isnan(value) or low - 1e-9 <= value <= after + 1e-9:
                continue
            if column == "budget":
                span = f"{np.exp(low) * prices[row]:,.0f} to {np.exp(high) * prices[row]:,.0f} USD"
                said[row].append(f"budget {pitches[row].budget:,.0f} USD; learnt from {span}")
            elif column == "year":
                span = f"{low * 10 + 1999.5:.0f} to {high * 10 + 1999.5:.0f}"
                said[row].append(f"release in {value * 10 + 1999.5:.0f}; learnt from {span}")
            else:
                said[row].append(f"{column} {value:g}; learnt from {low:g} to {high:g}")
    for term in model.regression.terms:
        if term.term.kind == "levels" and term.term.by is None:
            names = rows.labels(term.term.of)
            for new in np.flatnonzero(term.new(rows)).tolist():
                said[new].append(f"{term.term.of} {names[new]!r}: not (often) among the films learnt from")
    for row, (pitch, entry) in enumerate(zip(pitches, entries, strict=True)):
        if isinstance(pitch.franchise, str) and entry.earlier is None:
            said[row].append(f"franchise {pitch.franchise!r}: no such film before {pitch.decided}")
    return [tuple(s) for s in said]


def _unknown(model: AudienceModel, pitch: Pitch) -> tuple[str, ...]:
    """The fields that the model would use and the pitch leaves out."""
    asked = {
        "budget": pitch.budget,
        "genres": pitch.genres,
        "country": pitch.country,
        "companies": pitch.companies,
        "release": pitch.release,
        "certificate": pitch.certificate,
        "runtime": pitch.runtime,
    }
    late = ("release", *RELEASE_ONLY) if model.moment == "greenlight" else ()
    return tuple(name for name, value in asked.items() if not value and name not in late)


def _top(seen: pl.DataFrame, target: str) -> float | None:
    """What a tenth of the films of the last ten years passed, in real money; None where none is known."""
    known = seen.filter(pl.col(target).is_not_null(), pl.col("released").is_not_null())
    if known.is_empty():
        return None
    last = int(known["released"].dt.year().to_numpy().max())
    recent = known.filter(pl.col("released").dt.year() > last - 10)
    real = recent[target].to_numpy() / price_level(recent["released"].dt.year())
    return float(np.quantile(real, TOP))
