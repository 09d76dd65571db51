"""Groups of characteristics, and regressions with and without each, solved from sums over years.

A regression with known variances of its groups (`models.evidence`) needs no more of the rows than the sums of squares
and products of their columns. Kept year by year, these sums answer for any set of years, any weights of them and any
set of groups with one solve: a rolling origin, a redraw of the years, a model without a group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from cineloop.errors import InputError
from cineloop.pitch.brief import Moment
from cineloop.pitch.features import LEAD, RELEASE_ONLY, features
from cineloop.pitch.models import evidence
from cineloop.pitch.models.audience import TERMS
from cineloop.pitch.models.past import learnable
from cineloop.pitch.models.terms import FittedTerm, Term, learn_all
from cineloop.titles.money import price_level
from cineloop.titles.records import TrackRecords

Floats = NDArray[np.float64]

PEOPLE = {"director": "directors", "writer": "writers", "lead": "cast"}
PEOPLE_TERMS = tuple(
    term
    for driver in PEOPLE
    for term in (
        Term(driver, f"{driver}_record", "line"),
        Term(driver, f"{driver}_record", "line", by="budget"),
        Term(driver, f"{driver}_films", "line"),
    )
)
ALL_TERMS = (*TERMS, *PEOPLE_TERMS)
BASE = "year"  # in every model: what all films of a time share
CORE = ("year", "budget", "genre", "season", "certificate")


@dataclass(frozen=True)
class Rows:
    """Films with all that a model may read of them: a features frame with people's records, y (n,) the log of the
    target in the money of one year, `year` (n,) of the release, `known` (n,) the year in which the target was."""

    frame: pl.DataFrame
    y: Floats
    year: NDArray[np.int64]
    known: NDArray[np.int64]


def rows(films: pl.DataFrame, as_of: date, moment: Moment, target: str, first: int) -> Rows:
    """The rows of FILMS known before `as_of`, as each looked on the day it was decided on.

    What a budget leads one to expect, from which records of people and franchises are counted, is learnt on the films
    known before the year `first`, so that years from then on can be forecast. InputError with fewer than 60 of them.
    """
    kept = learnable(films, as_of, target).sort("released", "title")
    early = learnable(kept, date(first, 1, 1), target)
    if len(early) < 60:
        raise InputError(
            "too few films before the first year",
            field="first",
            value=first,
            accepted="a year after 60 or more",
        )
    slope, start = np.polyfit(*_logs(early, target), 1)
    expected = (float(start), float(slope))
    made = features(kept, films, moment, target=target, expected=expected)
    budget, y = _logs(kept, target)
    excess = pl.Series(y - expected[0] - expected[1] * budget)
    year = kept["released"].dt.year().to_numpy().astype(np.int64)
    people = [_records(kept, excess, driver, role, year, moment) for driver, role in PEOPLE.items()]
    frame = pl.concat([made, *people], how="horizontal")
    return Rows(frame, y, year, kept["known"].dt.year().to_numpy().astype(np.int64))


def _logs(films: pl.DataFrame, target: str) -> tuple[Floats, Floats]:
    """(n,) log budget and (n,) log target, in the money of one year."""
    level = np.log(price_level(films["released"].dt.year()))
    return np.log(films["budget"].to_numpy()) - level, np.log(films[target].to_numpy()) - level


def _records(
    films: pl.DataFrame, excess: pl.Series, driver: str, role: str, year: NDArray[np.int64], moment: Moment
) -> pl.DataFrame:
    """What the first-named of a role had to show on the first day of each film's year, or 18 months before it."""
    book = TrackRecords(films, role, excess)
    names = films[role].list.first().to_list()
    found: list[tuple[float | None, float | None]] = []
    for name, of in zip(names, year.tolist(), strict=True):
        if name is None:
            found.append((None, None))
            continue
        day = date(of, 1, 1) - LEAD if moment == "greenlight" else date(of, 1, 1)
        record = book.record(name, day)
        # over the mean of everyone by then: who has no film yet stands at 0
        found.append((record.mean - book.spread(day).mean, float(np.log1p(record.films))))
    schema = {f"{driver}_record": pl.Float64, f"{driver}_films": pl.Float64}
    return pl.DataFrame(found, schema=schema, orient="row")


def terms_of(drivers: Sequence[str], moment: Moment, terms: Sequence[Term] = ALL_TERMS) -> list[Term]:
    """The terms of some drivers that read nothing of any other, at the moment.

    >>> [t.name for t in terms_of(["year", "genre"], "release")]
    ['year:line', 'genre:levels']
    """
    gone = set(RELEASE_ONLY) if moment == "greenlight" else set()
    return [
        t
        for t in terms
        if t.driver in drivers and not gone & set(t.uses) and (t.by is None or t.by in drivers)
    ]


def drivers_at(moment: Moment, terms: Sequence[Term] = ALL_TERMS) -> list[str]:
    """The drivers there are at the moment, the common base left out."""
    names = dict.fromkeys(t.driver for t in terms)
    return [d for d in names if d != BASE and terms_of([d], moment, terms)]


@dataclass(frozen=True)
class Sums:
    """Weighted sums of rows by year: `gram` (years, p + 1, p + 1), of a column of ones and the terms' columns, and
    `moment` (years, p + 1) of their products with y − centre."""

    terms: tuple[FittedTerm, ...]
    years: NDArray[np.int64]
    gram: Floats
    moment: Floats
    centre: float

    @property
    def groups(self) -> list[slice]:
        """Where each term's columns lie, after the column of ones."""
        return evidence.bounds([1, *(t.width for t in self.terms)])[1:]


def sums(of: Rows, chosen: NDArray[np.bool_], terms: Sequence[Term]) -> Sums:
    """The sums of the rows `chosen` (n,), with terms learnt on them."""
    frame = of.frame.filter(chosen)
    fitted = learn_all(terms, frame)
    columns = columns_of(fitted, frame)
    centre = float(of.y[chosen].mean())
    y = of.y[chosen] - centre
    years, index = np.unique(of.year[chosen], return_inverse=True)
    grams = np.stack([columns[index == i].T @ columns[index == i] for i in range(len(years))])
    moments = np.stack([columns[index == i].T @ y[index == i] for i in range(len(years))])
    return Sums(fitted, years, grams, moments, centre)


def columns_of(terms: Sequence[FittedTerm], frame: pl.DataFrame) -> Floats:
    """(n, p + 1) a column of ones and those of the terms."""
    return np.hstack([np.ones((len(frame), 1)), *(t.columns(frame) for t in terms)])


@dataclass(frozen=True)
class Variances:
    """What the data before a day said of each term (by name) and of the noise."""

    of: Mapping[str, float]
    noise: float


def variances(of: Rows, chosen: NDArray[np.bool_], terms: Sequence[Term]) -> Variances:
    """The variances that the evidence of the rows `chosen` (n,) prefers for a model of these terms."""
    frame = of.frame.filter(chosen)
    fitted = learn_all(terms, frame)
    y = of.y[chosen]
    posterior = evidence.fit(
        columns_of(fitted, frame),
        [1, *(t.width for t in fitted)],
        [True, *(t.term.flat for t in fitted)],
        y - y.mean(),
        np.ones(len(y)),
    )
    found = {t.term.name: float(v) for t, v in zip(fitted, posterior.variances[1:], strict=True)}
    return Variances(found, posterior.noise)


def solve(of: Sums, weights: Floats, drivers: Sequence[str], known: Variances) -> Floats:
    """(p + 1,) coefficients of the model of some drivers, each year counting by `weights` (years,); 0 for the others.

    A term that the variances do not know (it had no column then) stays out.
    """
    names = [t.term.name for t in of.terms]
    used = [
        g
        for g, term in zip(of.groups, of.terms, strict=True)
        if term.term.driver in drivers and term.term.name in known.of and (term.term.by or BASE) in drivers
    ]
    keep = np.concatenate([[0], *(np.arange(g.start, g.stop) for g in used)]).astype(np.int64)
    prior = np.full(of.gram.shape[1], np.inf)
    prior[0] = evidence.FLAT
    for group, name in zip(of.groups, names, strict=True):
        prior[group] = max(known.of.get(name, 0.0), 1e-9)
    gram = np.tensordot(weights, of.gram, axes=1)[np.ix_(keep, keep)] / known.noise
    gram[np.diag_indices(len(keep))] += 1.0 / prior[keep]
    moment = (weights @ of.moment)[keep] / known.noise
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    found = np.zeros(of.gram.shape[1])
    found[keep] = cho_solve(factor, moment, check_finite=False)
    return found
