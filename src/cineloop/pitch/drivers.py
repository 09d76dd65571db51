"""What success goes with: how much each group of characteristics adds to a forecast, and what each goes with in money.

What a group adds is judged on films that came out after the day on which all was learnt (a rolling origin, a year at a
time): the gain in R2 of the log over a model without it. Three models are asked, because groups overlap: one that
knows the year alone, one of the core (budget, genre, date, certificate), and one of all other groups. What a group
adds over all others is what can't be had from them. A group whose gain over all others can't be told from nothing is
named as such. The variances that say how much each group is shrunk are learnt before the first year that is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.lab.statistics import Interval
from cineloop.pitch.associations import Association, associations, windows
from cineloop.pitch.brief import Moment
from cineloop.pitch.clustered import explained, explained_more
from cineloop.pitch.groups import (
    BASE,
    CORE,
    Rows,
    columns_of,
    drivers_at,
    rows,
    solve,
    sums,
    terms_of,
    variances,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """What one group adds to the held-out R2 of the log, with 95% intervals over years.

    `alone`: over the year alone; `core`: over budget, genre, date and certificate (over the rest of these, for one of
    them); `others`: over all other groups. `kept` of the windows of four years show a gain over the others above 0;
    `by_window` has each as (first year, last year, gain).
    """

    driver: str
    alone: Interval
    core: Interval
    others: Interval
    by_window: tuple[tuple[int, int, float], ...]

    @property
    def detectable(self) -> bool:
        """Whether the gain over all other groups is told from nothing."""
        return self.others.low > 0.0

    @property
    def kept(self) -> int:
        """In how many windows the gain is above 0."""
        return sum(gain > 0 for _, _, gain in self.by_window)


@dataclass(frozen=True)
class Drivers:
    """Gains by group, associations, and on what they rest: `judged` films of `years`; R2 of the model of all."""

    moment: Moment
    target: str
    as_of: date
    films: int
    judged: int
    years: tuple[int, ...]
    r2: Interval
    gains: tuple[Gain, ...]
    associations: tuple[Association, ...]

    @property
    def undetectable(self) -> tuple[str, ...]:
        """Groups that add nothing that can be told from chance once all others are known."""
        return tuple(g.driver for g in self.gains if not g.detectable)

    def gain(self, driver: str) -> Gain | None:
        """What one group adds; None where it was not asked."""
        return next((g for g in self.gains if g.driver == driver), None)


def drivers(
    films: pl.DataFrame,
    as_of: date,
    moment: Moment = "release",
    target: str = "worldwide",
    *,
    first: int = 2000,
) -> Drivers:
    """The drivers of FILMS rows known before `as_of`; years from `first` on are judged by models made before each.

    InputError where there are too few films before the first year, or none after it.
    """
    of = rows(films, as_of, moment, target, first)
    names = drivers_at(moment)
    models = _models(names, moment)
    said, y, year = _forecasts(of, moment, models, first)
    everything = frozenset((BASE, *names))
    gains = tuple(_gain(d, said, y, year, frozenset(CORE) & everything, everything) for d in names)
    whole = np.ones(len(of.y), dtype=bool)
    terms = terms_of(list(everything), moment)
    known = variances(of, whole, terms)
    found = associations(of, sums(of, whole, terms), sorted(everything), known)
    return Drivers(
        moment,
        target,
        as_of,
        len(of.y),
        len(y),
        tuple(sorted(set(year.tolist()))),
        explained(y, said[everything], year),
        gains,
        found,
    )


def report(found: Drivers) -> str:
    """The answer in words and figures, for a terminal."""
    lines = [
        f"What {found.target} goes with, of {found.films:,} films known before {found.as_of}, "
        f"as seen at {found.moment}.",
        f"Held out: {found.judged:,} films of {found.years[0]} to {found.years[-1]}, "
        f"each year forecast with what was known before it; R2 of all groups {_span(found.r2)}.",
        "",
        "What each group adds to R2 (95% over years):",
        f"{'group':<12} {'alone':<25} {'over the core':<25} {'over all others':<25} 4-year spans above 0",
    ]
    for gain in sorted(found.gains, key=lambda g: (-g.others.mean, g.driver)):
        lines.append(
            f"{gain.driver:<12} {_span(gain.alone):<25} {_span(gain.core):<25} {_span(gain.others):<25} "
            f"{gain.kept} of {len(gain.by_window)}"
        )
    nothing = ", ".join(found.undetectable) or "none"
    lines += ["", f"Nothing that can be told from chance once all others are known: {nothing}.", ""]
    useful = [one for one in found.associations if one.detectable and one.driver not in found.undetectable]
    lines.append(
        "Other things equal, told from chance, of groups that add to forecasts (factor, 95% over years):"
    )
    lines += [_said(one) for one in useful]
    past = [one for one in found.associations if one.detectable and one.driver in found.undetectable]
    lines += [
        "",
        "Told from chance in these films, but of groups that add nothing to forecasts of later years:",
    ]
    lines += [_said(one) for one in past]
    silent = [one for one in found.associations if not one.detectable]
    lines += ["", f"{len(silent)} more were looked at and can't be told from chance:"]
    lines += [f"  {one.what} ({one.driver}): [{one.low:.2f}, {one.high:.2f}]" for one in silent]
    return "\n".join(lines)


def _said(one: Association) -> str:
    return (
        f"  {one.what} ({one.driver}, {one.films:,} films) goes with x{one.factor:.2f} "
        f"[{one.low:.2f}, {one.high:.2f}] against {one.against}; "
        f"same direction in {one.kept} of {one.windows} spans"
    )


def _span(figure: Interval) -> str:
    return f"{figure.mean:+.3f} [{figure.low:+.3f}, {figure.high:+.3f}]"


Model = frozenset[str]


def _models(names: Sequence[str], moment: Moment) -> list[Model]:
    """Every set of groups that a gain compares."""
    everything, core = frozenset((BASE, *names)), frozenset(CORE) & {BASE, *names}
    asked = {frozenset({BASE}), everything}
    for name in names:
        asked |= {frozenset({BASE, name}), core | {name}, core - {name}, everything - {name}}
    return sorted(asked, key=sorted)


def _forecasts(
    of: Rows, moment: Moment, models: Sequence[Model], first: int
) -> tuple[dict[Model, Floats], Floats, NDArray[np.int64]]:
    """Each model's forecasts (m,) of the films from `first` on, with y (m,) and year (m,)."""
    before = of.known < first
    known = {model: variances(of, before, terms_of(sorted(model), moment)) for model in models}
    said: dict[Model, list[Floats]] = {model: [] for model in models}
    truths, years = [], []
    for year in sorted(set(of.year[of.year >= first].tolist())):
        due = of.year == year
        learnt = sums(of, of.known < year, terms_of([*drivers_at(moment), BASE], moment))
        columns = columns_of(learnt.terms, of.frame.filter(due))
        for model in models:
            weights = solve(learnt, np.ones(len(learnt.years)), sorted(model), known[model])
            said[model].append(learnt.centre + columns @ weights)
        truths.append(of.y[due])
        years.append(of.year[due])
    return (
        {model: np.concatenate(parts) for model, parts in said.items()},
        np.concatenate(truths),
        np.concatenate(years),
    )


def _gain(
    driver: str, said: dict[Model, Floats], y: Floats, year: NDArray[np.int64], core: Model, everything: Model
) -> Gain:
    base = frozenset({BASE})
    whole, less = said[everything], said[everything - {driver}]
    spans = []
    for inside in windows(year):
        span = year[inside]
        gain = explained_more(y[inside], whole[inside], less[inside], span).mean
        spans.append((int(span.min()), int(span.max()), gain))
    return Gain(
        driver,
        explained_more(y, said[base | {driver}], said[base], year),
        explained_more(y, said[core | {driver}], said[core - {driver}], year),
        explained_more(y, whole, less, year),
        tuple(spans),
    )
