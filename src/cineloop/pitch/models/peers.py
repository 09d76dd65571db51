"""What a forecaster has to beat: the median, a line in the log budget, and plain gradient boosting (LightGBM).

They learn from the same films and are calibrated on their own past errors by the same rules as the forecaster, so that
what differs is the mean alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import MissingExtra
from cineloop.pitch.brief import Moment
from cineloop.pitch.features import features
from cineloop.pitch.models.calibration import Errors
from cineloop.pitch.models.past import learnable, past_years, pooled
from cineloop.titles.money import price_level

Floats = NDArray[np.float64]
Predict = Callable[[pl.DataFrame], Floats]
Learn = Callable[[pl.DataFrame, Floats], Predict]
CALIBRATION_YEARS = 4  # as the forecaster's


@dataclass(frozen=True)
class Peer:
    """A fitted peer: its forecast of FILMS rows, and its errors in the years before."""

    mean: Predict
    errors: Errors
    prices_until: int

    def point(self, films: pl.DataFrame, history: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
        """(n,) each: mean of the nominal log, size (log real budget), and 0 as the variance of the mean."""
        size = np.log(films["budget"].to_numpy()) - _level(films, self.prices_until)
        return self.mean(films), size, np.zeros(len(films))


def median(films: pl.DataFrame, as_of: date, moment: Moment, target: str, *, settled: bool = True) -> Peer:
    """Every film earns, in real money, what the middle one of the training rows did."""
    until = as_of.year - 1

    def learn(rows: pl.DataFrame, y: Floats) -> Predict:
        middle = float(np.median(y - _level(rows, until)))
        return lambda of: middle + _level(of, until)

    return _peer(films, as_of, target, settled, learn)


def budget_line(
    films: pl.DataFrame, as_of: date, moment: Moment, target: str, *, settled: bool = True
) -> Peer:
    """Least squares of the real log on the real log budget."""
    until = as_of.year - 1

    def learn(rows: pl.DataFrame, y: Floats) -> Predict:
        level = _level(rows, until)
        line = np.polyfit(np.log(rows["budget"].to_numpy()) - level, y - level, 1)

        def predict(of: pl.DataFrame) -> Floats:
            there = _level(of, until)
            return np.asarray(np.polyval(line, np.log(of["budget"].to_numpy()) - there) + there)

        return predict

    return _peer(films, as_of, target, settled, learn)


PLAIN = ("budget", "year", "genre", "country", "company")
PLAIN_RELEASE = (*PLAIN, "month", "runtime", "certificate")
_BOOSTING = {
    "objective": "l2",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbose": -1,
}
_ROUNDS = 300


def plain_lightgbm(
    films: pl.DataFrame, as_of: date, moment: Moment, target: str, *, settled: bool = True
) -> Peer:
    """LightGBM on the table's own columns: log budget, year, genre, country and company; at release also the month,
    runtime and certificate. Its settings are the best of four on the
    test years 2013 to 2016, which favours it there."""
    columns = PLAIN_RELEASE if moment == "release" else PLAIN

    def table(of: pl.DataFrame) -> pl.DataFrame:
        return of.select(
            budget=pl.col("budget").log(),
            year=pl.col("released").dt.year(),
            genre=pl.col("genres").list.first(),
            country="country",
            company=pl.col("companies").list.first(),
            month=pl.col("released").dt.month(),
            runtime="runtime",
            certificate="certificate",
        ).select(columns)

    def learn(rows: pl.DataFrame, y: Floats) -> Predict:
        return _boosted(table(rows), y, table)

    return _peer(films, as_of, target, settled, learn)


def featured_lightgbm(
    films: pl.DataFrame, as_of: date, moment: Moment, target: str, *, settled: bool = True
) -> Peer:
    """LightGBM on the forecaster's own features and real money: what is left to the model itself."""
    until = as_of.year - 1

    def table(of: pl.DataFrame) -> pl.DataFrame:
        made = features(of, films, moment, target=target, prices_until=until).drop("title")
        return made.select(c for c in made.columns if made[c].null_count() < len(made))

    def learn(rows: pl.DataFrame, y: Floats) -> Predict:
        frame = table(rows)
        predict = _boosted(frame, y - _level(rows, until), lambda of: table(of).select(frame.columns))
        return lambda of: predict(of) + _level(of, until)

    return _peer(films, as_of, target, settled, learn)


def _peer(films: pl.DataFrame, as_of: date, target: str, settled: bool, learn: Learn) -> Peer:
    rows = learnable(films, as_of, target, settled=settled)
    y = np.log(rows[target].to_numpy())
    size = np.log(rows["budget"].to_numpy()) - _level(rows, as_of.year - 1)
    past = []
    for year in past_years(rows, as_of, target, CALIBRATION_YEARS, settled=settled):
        said = learn(rows.filter(year.train), y[year.train])(rows.filter(year.due))
        n = len(said)
        past.append(Errors(y[year.due] - said, size[year.due], np.zeros(n), np.full(n, float(year.back))))
    return Peer(learn(rows, y), pooled(past), as_of.year - 1)


def _level(films: pl.DataFrame, until: int) -> Floats:
    return np.log(price_level(films["released"].dt.year(), until))


def _boosted(train: pl.DataFrame, y: Floats, table: Callable[[pl.DataFrame], pl.DataFrame]) -> Predict:
    try:
        import lightgbm
    except ImportError:
        raise MissingExtra("lightgbm", extra="pitch", why="the boosted peers") from None
    levels = {
        c: {v: float(i) for i, v in enumerate(train[c].drop_nulls().unique().sort().to_list())}
        for c, kind in train.schema.items()
        if kind == pl.String
    }

    def coded(frame: pl.DataFrame) -> Floats:
        columns: list[Any] = []
        for c in train.columns:
            if c in levels:
                columns.append([levels[c].get(v, np.nan) for v in frame[c].to_list()])
            else:
                columns.append(frame[c].cast(pl.Float64).fill_null(np.nan).to_numpy())
        return np.column_stack([np.asarray(c, np.float64) for c in columns])

    data = lightgbm.Dataset(
        coded(train), y, categorical_feature=[i for i, c in enumerate(train.columns) if c in levels]
    )
    booster = lightgbm.train(_BOOSTING, data, num_boost_round=_ROUNDS)
    return lambda films: np.asarray(booster.predict(coded(table(films)), num_threads=1), dtype=np.float64)
