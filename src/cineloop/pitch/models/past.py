"""What could have been learnt on an earlier day: the rows of a model of then, and the films that came next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.pitch.models.calibration import Errors


@dataclass(frozen=True)
class PastYear:
    """`train` (n,) were known at its `start`, `due` (n,) came out in it; it lies `back` whole years before the day."""

    start: date
    back: int
    train: NDArray[np.bool_]
    due: NDArray[np.bool_]


def learnable(films: pl.DataFrame, as_of: date, target: str, *, settled: bool = True) -> pl.DataFrame:
    """The rows that a model made on the day may learn from: target, budget and date there, and known by then."""
    day = pl.col("known") if settled else pl.col("released")
    return films.filter(
        pl.col(target).is_not_null(),
        pl.col("budget").is_not_null(),
        pl.col("released").is_not_null(),
        day < as_of,
    )


def past_years(
    rows: pl.DataFrame, as_of: date, target: str, years: int, *, settled: bool, least: int = 60
) -> Iterator[PastYear]:
    """The years before the day, the latest first, of which a model of then could have forecast the films.

    A year with fewer than `least` rows to learn from, or with no film, is left out.
    """
    for back in range(years):
        start, end = years_before(as_of, back + 1), years_before(as_of, back)
        before = learnable(rows, start, target, settled=settled)["title"]
        train = rows["title"].is_in(before.implode()).to_numpy()
        due = ((rows["released"] >= start) & (rows["released"] < end)).to_numpy()
        if train.sum() >= least and due.any():
            yield PastYear(start, back, train, due)


def pooled(past: Sequence[Errors]) -> Errors:
    """The errors of all past years; InputError where there is none."""
    if not past:
        raise InputError(
            "too few films to calibrate on",
            field="films",
            accepted="a year of films with budget, date and target, and 60 before it",
        )
    total = past[0]
    for more in past[1:]:
        total = total + more
    return total


def years_before(day: date, years: int) -> date:
    """The same day some years earlier; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
