"""Whether a desk's intervals would have held in the years before its day, each year forecast by what was made before.

The interval of a film of a year comes from the errors of forecasts of the years before that one, as the live forecast's
come from those before its day: what is told here is no fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from cineloop.errors import InputError
from cineloop.lab.statistics import Interval
from cineloop.pitch.clustered import mean_of
from cineloop.pitch.desk import Desk
from cineloop.pitch.models.audience import Knobs, fit_films
from cineloop.pitch.models.calibration import Errors, calibrate
from cineloop.pitch.models.past import years_before
from cineloop.pitch.models.unbudgeted import UnbudgetedAudience, fit_unbudgeted

YEARS = 10  # that are looked back on
KEPT = 4  # years of errors that each year's intervals come from
LEVEL = 0.8


@dataclass(frozen=True)
class Year:
    """The `films` that came out in the year that ended with `last`, and the share of them `held` by their interval."""

    last: date
    films: int
    held: float

    @property
    def name(self) -> str:
        """Such as `2014`, or `to Jun 2016` where it is no calendar year."""
        return f"{self.last.year}" if self.last.month == 12 else f"to {self.last:%b %Y}"


@dataclass(frozen=True)
class Held:
    """Years, the oldest first; the share of all their films that the 80% interval held, and the mean absolute error of
    the log, both with a 95% interval that takes years whole; `width` is that of the log, on average."""

    years: tuple[Year, ...]
    whole: Interval
    error: Interval
    width: float

    @property
    def films(self) -> int:
        """All of them."""
        return sum(year.films for year in self.years)


def held(at: Desk, years: int = YEARS) -> Held | None:
    """What became of the intervals of the last years; None where too few films are known to tell."""
    try:
        errors = past_errors(at, years)
    except InputError:
        return None
    return of_errors(errors, at.day)


def past_errors(at: Desk, years: int = YEARS) -> Errors:
    """Errors of forecasts of each of the last years, each made as of its start; InputError where there are too few."""
    moment, target = at.moment, at.model.target
    if at.reads_budgets:
        knobs = Knobs(calibration_years=years)
        return fit_films(at.films, at.day, moment, target, knobs=knobs).errors
    return fit_unbudgeted(
        at.films, at.day, UnbudgetedAudience(moment, target, calibration_years=years)
    ).errors


def of_errors(errors: Errors, day: date) -> Held | None:
    """Each year's films by the intervals out of the years before it; `errors.age` counts whole years back from the day.

    The oldest years serve to begin with; None where no year has 30 errors before it.
    """
    told: list[Year] = []
    inside, missed, widths, when = [], [], [], []
    for back in sorted({int(a) for a in errors.age}, reverse=True):
        before = _of(errors, (errors.age > back) & (errors.age <= back + KEPT)).later(-(back + 1.0))
        due = _of(errors, errors.age == back)
        try:
            calibration = calibrate(before)
        except InputError:
            continue
        said = calibration.predictive(np.zeros(len(due.error)), due.size, due.doubt)
        low, high = said.quantile([(1 - LEVEL) / 2, (1 + LEVEL) / 2]).T
        within = ((due.error >= low) & (due.error <= high)).astype(np.float64)
        told.append(Year(years_before(day, back) - timedelta(days=1), len(within), float(within.mean())))
        inside.append(within)
        missed.append(np.abs(due.error))
        widths.append(high - low)
        when.append(np.full(len(within), back))
    if not told:
        return None
    cluster = np.concatenate(when)
    return Held(
        tuple(told),
        mean_of(np.concatenate(inside), cluster),
        mean_of(np.concatenate(missed), cluster),
        float(np.concatenate(widths).mean()),
    )


def wilson(share: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The score interval of a share of n, 95% by default (Wilson, "Probable inference", JASA 1927).

    >>> low, high = wilson(0.5, 10)
    >>> round(low, 3), round(high, 3)
    (0.237, 0.763)
    """
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)


def _of(errors: Errors, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Errors:
    return Errors(*(column[rows] for column in errors.columns))
