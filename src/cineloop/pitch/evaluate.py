"""How the forecaster is judged: on films that came out after the day it was made, beside peers that had the same.

Accuracy is judged on the log: R2 of the mean log, mean absolute error and the share within a factor of two of the
median. The 80% interval is judged by its coverage, its width and the interval score (Gneiting & Raftery, "Strictly
proper scoring rules, prediction, and estimation", JASA 2007), also by thirds of the budget. Every figure has an
interval that takes years whole, and every contender its difference from the forecaster, film by film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.statistics import Interval
from cineloop.pitch.brief import MOMENTS, Moment
from cineloop.pitch.clustered import explained, explained_more, mean_of
from cineloop.pitch.models import peers
from cineloop.pitch.models.audience import AudienceModel, Knobs, fit_films
from cineloop.pitch.models.calibration import Errors, calibrate
from cineloop.pitch.models.past import learnable
from cineloop.pitch.predictive import Predictive, joined

Floats = NDArray[np.float64]
Refit = Literal["once", "yearly"]
LEVEL = 0.8
OURS = "hierarchical"
BASELINE = "lightgbm"
METRICS = ("r2", "mae", "within_2x", "coverage", "width", "interval_score")
KEPT_YEARS = 4  # of past errors, in yearly recalibration


class Fitted(Protocol):
    """A contender that has learnt: `errors` of its own past forecasts, and its forecasts."""

    @property
    def errors(self) -> Errors:
        """Of the years before it was made."""
        ...

    def point(self, films: pl.DataFrame, history: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
        """(n,) each: mean of the log, size, variance of the mean; `history` shows what later days knew."""
        ...


class Contender(Protocol):
    """How a contender learns; see `fit_films`."""

    def __call__(
        self, films: pl.DataFrame, as_of: date, moment: Moment, target: str, *, settled: bool
    ) -> Fitted:
        """Learn from FILMS rows known before the day."""
        ...


@dataclass(frozen=True)
class _Ours:
    model: AudienceModel

    @property
    def errors(self) -> Errors:
        return self.model.errors

    def point(self, films: pl.DataFrame, history: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
        return self.model.point(self.model.features(films, history))


def hierarchical(knobs: Knobs | None = None) -> Contender:
    """The forecaster as a contender, with knobs of its own (an ablation leaves drivers out)."""

    def fit(films: pl.DataFrame, as_of: date, moment: Moment, target: str, *, settled: bool) -> Fitted:
        return _Ours(fit_films(films, as_of, moment, target, knobs=knobs or Knobs(), settled=settled))

    return fit


CONTENDERS: dict[str, Contender] = {
    OURS: hierarchical(),
    BASELINE: peers.plain_lightgbm,
    "lightgbm, our features": peers.featured_lightgbm,
    "budget line": peers.budget_line,
    "median": peers.median,
}


@dataclass(frozen=True)
class Judged:
    """One contender at one moment: `metrics` by name, coverage by thirds of the budget, and `gains` of the forecaster
    over it, film by film and better above 0; none over itself."""

    contender: str
    moment: Moment
    metrics: dict[str, Interval]
    thirds: tuple[Interval, Interval, Interval]
    gains: dict[str, Interval]


@dataclass(frozen=True)
class Evaluation:
    """What was judged: `films` in the test, `learnt` at the first fit; `years` of the test; `forecasts` has a row a
    film, moment and contender: y, mean, median, low, high (logs), title, year, budget."""

    train_before: date
    refit: Refit
    settled: bool
    target: str
    learnt: int
    films: int
    years: tuple[int, ...]
    judged: tuple[Judged, ...]
    forecasts: pl.DataFrame

    def of(self, contender: str, moment: Moment) -> Judged:
        """One contender at one moment."""
        for one in self.judged:
            if (one.contender, one.moment) == (contender, moment):
                return one
        raise InputError("was not judged", field="contender", value=contender)

    def table(self) -> pl.DataFrame:
        """Long: moment, contender, kind ("metric", "third" or "gain"), name, mean, low, high."""
        rows = []
        for one in self.judged:
            thirds = dict(zip(("low budget", "middle budget", "high budget"), one.thirds, strict=True))
            kinds: Mapping[str, Mapping[str, Interval]] = {
                "metric": one.metrics,
                "third": thirds,
                "gain": one.gains,
            }
            rows += [
                (one.moment, one.contender, kind, name, i.mean, i.low, i.high)
                for kind, figures in kinds.items()
                for name, i in figures.items()
            ]
        schema = ["moment", "contender", "kind", "name", "mean", "low", "high"]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def as_json(self) -> dict[str, Any]:
        """Plain values: the settings and every figure as [mean, low, high]."""
        plain: dict[str, Any] = {}
        for moment, contender, kind, name, *figures in self.table().iter_rows():
            of = plain.setdefault(moment, {}).setdefault(contender, {}).setdefault(kind, {})
            of[name] = [None if not np.isfinite(f) else f for f in figures]
        return {
            "train_before": self.train_before.isoformat(),
            "refit": self.refit,
            "settled": self.settled,
            "target": self.target,
            "learnt": self.learnt,
            "films": self.films,
            "years": list(self.years),
            "moments": plain,
        }


def evaluate(
    films: pl.DataFrame,
    train_before: date,
    *,
    until: date | None = None,
    moments: Sequence[Moment] = MOMENTS,
    target: str = "worldwide",
    refit: Refit = "once",
    settled: bool = False,
    contenders: Mapping[str, Contender] | None = None,
) -> Evaluation:
    """Judge contenders on the films with a known budget that came out from `train_before` on (and before `until`).

    `once`: all is learnt before `train_before`, and only the calibration moves on, each year with the errors of the
    years before. `yearly`: all is learnt anew at the start of each year ("rolling origin"). `settled=False` learns from
    films *released* before a day, as published comparisons do; True only from those whose total was known by then, a
    year after the release. The first contender is the one whose gains are told. InputError where nothing is to judge.
    """
    named = dict(CONTENDERS if contenders is None else contenders)
    test = films.filter(
        pl.col("released") >= train_before,
        pl.col(target).is_not_null(),
        pl.col("budget").is_not_null(),
        pl.lit(True) if until is None else pl.col("released") < until,
    )
    if test.is_empty():
        raise InputError(
            "no film to judge",
            field="train_before",
            value=str(train_before),
            accepted="a day before the last films with budget and gross",
        )
    judged: list[Judged] = []
    kept: list[pl.DataFrame] = []
    for moment in moments:
        said = {
            name: _forecasts(one, films, test, train_before, moment, target, refit, settled)
            for name, one in named.items()
        }
        first = next(iter(said))
        judged += [_judge(name, moment, frame, said[first], name != first) for name, frame in said.items()]
        kept += [f.with_columns(moment=pl.lit(moment), contender=pl.lit(name)) for name, f in said.items()]
    years = tuple(sorted(set(test["released"].dt.year().to_list())))
    learnt = len(learnable(films, train_before, target, settled=settled))
    return Evaluation(
        train_before, refit, settled, target, learnt, len(test), years, tuple(judged), pl.concat(kept)
    )


def _forecasts(
    contender: Contender,
    films: pl.DataFrame,
    test: pl.DataFrame,
    train_before: date,
    moment: Moment,
    target: str,
    refit: Refit,
    settled: bool,
) -> pl.DataFrame:
    """One row a film of the test, in its order."""
    model = contender(films, train_before, moment, target, settled=settled)
    errors, start = model.errors, train_before
    means: list[Floats] = []
    distributions: list[Predictive] = []
    chunks: list[pl.DataFrame] = []
    for end in _ends(test, train_before):
        due = test.filter(pl.col("released") >= start, pl.col("released") < end)
        if not due.is_empty():
            if refit == "yearly" and start > train_before:
                model = contender(films, start, moment, target, settled=settled)
                errors = model.errors
            mean, size, doubt = model.point(due, films)
            means.append(mean)
            distributions.append(calibrate(errors).predictive(mean, size, doubt))
            chunks.append(due)
        if refit == "once":
            errors = _later(errors, model, films, test, start, end, target, settled)
        start = end
    rows = pl.concat(chunks)
    predictive = joined(distributions)
    quantiles = predictive.quantile([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    return rows.select(
        "title", "budget", year=pl.col("released").dt.year(), y=pl.col(target).log()
    ).with_columns(
        mean=pl.Series(np.concatenate(means)),
        low=pl.Series(quantiles[:, 0]),
        median=pl.Series(quantiles[:, 1]),
        high=pl.Series(quantiles[:, 2]),
    )


def _later(
    errors: Errors,
    model: Fitted,
    films: pl.DataFrame,
    test: pl.DataFrame,
    start: date,
    end: date,
    target: str,
    settled: bool,
) -> Errors:
    """The errors to calibrate on at `end`: those of the last years, now with what became known since `start`."""
    day = pl.col("known") if settled else pl.col("released")
    seen = test.filter(day >= start, day < end)
    older = errors.later((end - start).days / 365.25, KEPT_YEARS)
    if seen.is_empty():
        return older
    mean, size, doubt = model.point(seen, films)
    gone = np.array([(end - d).days / 365.25 - 1 for d in seen["released"].to_list()])
    return older + Errors(np.log(seen[target].to_numpy()) - mean, size, doubt, np.maximum(gone, 0.0))


def _ends(test: pl.DataFrame, start: date) -> list[date]:
    last = test["released"].max()
    assert isinstance(last, date)
    return [date(year, 1, 1) for year in range(start.year + 1, last.year + 2)]


def _judge(name: str, moment: Moment, of: pl.DataFrame, ours: pl.DataFrame, other: bool) -> Judged:
    scores, year = _scores(of), of["year"].to_numpy()
    y = of["y"].to_numpy()
    metrics = {"r2": explained(y, of["mean"], year)}
    metrics |= {m: mean_of(scores[m], year) for m in METRICS[1:]}
    third = np.digitize(of["budget"].to_numpy(), np.quantile(of["budget"].to_numpy(), [1 / 3, 2 / 3]))
    low, middle, high = (
        mean_of(scores["coverage"][third == t], year[third == t])
        if (third == t).any()
        else Interval(float("nan"), float("nan"), float("nan"), 0)
        for t in range(3)
    )
    gains: dict[str, Interval] = {}
    if other:
        mine = _scores(ours)
        gains["r2"] = explained_more(y, ours["mean"], of["mean"], year)
        for metric, better in (("mae", -1), ("within_2x", 1), ("width", -1), ("interval_score", -1)):
            gains[metric] = mean_of(better * (mine[metric] - scores[metric]), year)
    return Judged(name, moment, metrics, (low, middle, high), gains)


def _scores(of: pl.DataFrame) -> dict[str, Floats]:
    """(n,) each: what a film adds to each mean."""
    y, median, low, high = (of[c].to_numpy() for c in ("y", "median", "low", "high"))
    missed = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    error = np.abs(y - median)
    return {
        "mae": error,
        "within_2x": (error <= np.log(2.0)).astype(np.float64),
        "coverage": (missed <= 0.0).astype(np.float64),
        "width": high - low,
        "interval_score": high - low + 2 / (1 - LEVEL) * missed,
    }
