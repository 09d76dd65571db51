"""The forecaster of what a film brings: a hierarchical regression on its features, calibrated on its own past.

The log of the amount, in the money of one year, is a sum of a curve in the log budget, genres, countries and companies
with slopes in the budget of their own, the franchise, and at release certificate, season and runtime. Every group of
effects is shrunk as far as the data ask for (`evidence`). Recent films count more. People are not in it: on our tables
directors, writers and leads add nothing that can be told from chance once budget, genre, company and franchise are
known, and what adds nothing costs accuracy; `titles.records` keeps their track records for those who want to look.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.view import TrainingView
from cineloop.pitch.brief import Moment
from cineloop.pitch.features import RELEASE_ONLY, History, features
from cineloop.pitch.models import blend
from cineloop.pitch.models.blend import TOGETHER, Blend
from cineloop.pitch.models.calibration import Calibration, Errors, calibrate
from cineloop.pitch.models.past import learnable, past_years, pooled
from cineloop.pitch.models.regression import Part, Regression, read_arrays, read_head, write_arrays
from cineloop.pitch.models.terms import Rows, Term
from cineloop.pitch.predictive import Predictive
from cineloop.titles.films import MONEY
from cineloop.titles.franchises import Entry
from cineloop.titles.money import price_level

Floats = NDArray[np.float64]

TERMS = (
    Term("budget", "budget", "line", flat=True),
    Term("budget", "budget", "hinges", 8),
    Term("budget", "budget", "line", by="year"),
    Term("year", "year", "line", flat=True),
    Term("genre", "genre", "levels"),
    Term("genre", "genre", "levels", by="budget"),
    Term("country", "country", "levels", 2),
    Term("country", "country", "levels", 2, by="budget"),
    Term("company", "company", "levels", 3),
    Term("company", "company", "levels", 6, by="budget"),
    Term("company", "company", "levels", 6, by="year"),
    Term("company", "company_films", "line"),
    Term("company", "company_films", "line", by="budget"),
    Term("franchise", "sequel", "line", flat=True),
    Term("franchise", "sequel", "line", by="budget"),
    Term("franchise", "numbered", "line"),
    Term("franchise", "earlier", "line"),
    Term("franchise", "earlier_excess", "line"),
    Term("franchise", "gap", "line"),
    Term("certificate", "certificate", "levels"),
    Term("season", "season", "waves", 6),
    Term("runtime", "runtime", "line"),
    Term("runtime", "runtime", "hinges", 6),
    Term("runtime", "runtime", "line", by="budget"),
)
_HISTORY = ("title", "name", "released", "known", "budget", "companies")


@dataclass(frozen=True)
class Knobs:
    """How the forecaster learns: the years in which a film's weight halves; years of past forecasts to calibrate on;
    the trees' share in the mean; drivers left out (the ablation's lever)."""

    half_life: float = 12.0
    calibration_years: int = 4
    share: float = 0.3
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class AudienceModel:
    """A fitted forecaster: `history` is what features of later films are looked up in (names, dates, companies)."""

    moment: Moment
    target: str
    as_of: date
    expected: tuple[float, float]
    ranges: dict[str, tuple[float, float]]
    blend: Blend
    errors: Errors
    history: pl.DataFrame

    @property
    def regression(self) -> Regression:
        """The sum of effects, without the trees."""
        return self.blend.regression

    @cached_property
    def calibration(self) -> Calibration:
        """Made from the errors of past forecasts."""
        return calibrate(self.errors)

    @cached_property
    def lookup(self) -> History:
        """Its own history, prepared."""
        return History(self.history, self.target)

    def features(
        self,
        films: pl.DataFrame,
        history: pl.DataFrame | History | None = None,
        franchises: Sequence[Entry | None] | None = None,
        days: Sequence[date | None] | None = None,
    ) -> pl.DataFrame:
        """The features frame of FILMS rows; `history` (FILMS rows) takes the place of the model's own, if newer."""
        return features(
            films,
            self.lookup if history is None else history,
            self.moment,
            target=self.target,
            expected=self.expected,
            prices_until=self.as_of.year - 1,
            franchises=franchises,
            days=days,
        )

    def predict(self, films: pl.DataFrame, history: pl.DataFrame | History | None = None) -> Predictive:
        """The distributions of the target of FILMS rows, in USD of each one's release year."""
        return self.of_features(self.features(films, history))

    def of_features(self, frame: pl.DataFrame | Rows) -> Predictive:
        """The distributions of rows of a features frame, in USD of each one's release year."""
        return self.calibration.predictive(*self.point(frame))

    def point(self, frame: pl.DataFrame | Rows) -> tuple[Floats, Floats, Floats]:
        """(n,) each: mean of the nominal log, size (the log real budget, nan where unknown), variance of the mean."""
        rows = Rows.of(frame)
        mean, doubt = self.blend.predict(rows)
        return mean + self.level(rows), rows.numbers("budget"), doubt

    def parts(self, frame: pl.DataFrame | Rows) -> list[Part]:
        """What each driver adds to the log, over the typical film of the training rows."""
        return self.blend.parts(frame)

    def level(self, frame: pl.DataFrame | Rows) -> Floats:
        """(n,) log of the level of prices in each row's year, as expected when the model was made."""
        decades = Rows.of(frame).filled("year", (self.as_of.year - 1999.5) / 10)
        return np.log(price_level(np.rint(decades * 10 + 1999.5), self.as_of.year - 1))

    def save(self, folder: Path) -> None:
        """Write `model.json`, arrays as `.npy` and `history.parquet` into an existing folder."""
        head, arrays = self.blend.describe()
        head |= {
            "kind": AUDIENCE,
            "moment": self.moment,
            "target": self.target,
            "as_of": self.as_of.isoformat(),
            "expected": list(self.expected),
            "ranges": {k: list(v) for k, v in self.ranges.items()},
        }
        text = json.dumps(head, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / "model.json").write_text(text + "\n", encoding="utf-8")
        write_arrays(folder, arrays | dict(zip(_ERRORS, self.errors.columns, strict=True)))
        self.history.write_parquet(folder / "history.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; InputError where it is no such model. Runs no code from the folder."""
        head = read_head(folder, AUDIENCE)
        arrays = read_arrays(folder, (*Blend.arrays(head), *_ERRORS))
        try:
            return cls(
                head["moment"],
                head["target"],
                date.fromisoformat(head["as_of"]),
                cast(tuple[float, float], tuple(head["expected"])),
                {k: cast(tuple[float, float], tuple(v)) for k, v in head["ranges"].items()},
                Blend.restored(head, arrays),
                Errors(*(arrays[n] for n in _ERRORS)),
                pl.read_parquet(folder / "history.parquet"),
            )
        except (KeyError, TypeError, ValueError, OSError, pl.exceptions.PolarsError) as bad:
            raise InputError(f"not a saved model: {bad}", file=folder) from None


AUDIENCE = "pitch/audience"
_ERRORS = ("error", "error_size", "error_doubt", "error_age")


@dataclass(frozen=True)
class Audience:
    """The recipe of the forecaster: knobs as in `Knobs`, the moment and the target ("worldwide", "domestic", …)."""

    name: ClassVar[str] = "audience"
    model: ClassVar[type[AudienceModel]] = AudienceModel
    feeds: ClassVar[tuple[str, ...]] = (
        "cineloop.pitch.features",
        "cineloop.pitch.predictive",
        "cineloop.titles",
    )
    threads: ClassVar[int] = 1

    moment: Moment = "greenlight"
    target: str = "worldwide"
    half_life: float = 12.0
    calibration_years: int = 4
    share: float = 0.3

    def fit(self, view: TrainingView, seed: int) -> AudienceModel:
        """From the view's tables, as of its day; the seed draws which columns a tree may see."""
        from cineloop.titles.from_store import films_of

        as_of = view.as_of.astimezone(UTC).date() if isinstance(view.as_of, datetime) else view.as_of
        knobs = Knobs(self.half_life, self.calibration_years, self.share)
        return fit_films(films_of(view), as_of, self.moment, self.target, seed, knobs=knobs)


def fit_films(
    films: pl.DataFrame,
    as_of: date,
    moment: Moment,
    target: str = "worldwide",
    seed: int = 0,
    *,
    knobs: Knobs = Knobs(),
    settled: bool = True,
) -> AudienceModel:
    """Learn from FILMS rows, of those known before `as_of` with a budget, a date and the target.

    `settled=False` takes films released before the day, whose total may still have been growing: the convention of
    published comparisons. The calibration's past forecasts follow the same rule, year by year. The seed draws which
    columns a tree may see.
    """
    if target not in MONEY:
        raise InputError("no such target", field="target", value=target, accepted=", ".join(MONEY))
    rows = learnable(films, as_of, target, settled=settled)
    history = films.filter(pl.col("released") < as_of)
    frames = _Frames.of(rows, history, moment, target, as_of)
    learn = _Learner(frames, moment, knobs, seed)
    fitted = learn(np.ones(len(rows), bool), as_of)
    past = []
    for year in past_years(rows, as_of, target, knobs.calibration_years, settled=settled):
        then = learn(year.train, year.start)
        due = frames.features.filter(year.due)
        mean, doubt = then.predict(due)
        age = np.full(len(due), float(year.back))
        past.append(Errors(frames.y[year.due] - mean, due["budget"].to_numpy(), doubt, age))
    kept = history.select(*_HISTORY, target)
    return AudienceModel(
        moment,
        target,
        as_of,
        frames.expected,
        _ranges(frames.features),
        fitted,
        pooled(past),
        kept,
    )


@dataclass(frozen=True)
class _Frames:
    """Training rows as features and log targets (n,) in the money of one year."""

    features: pl.DataFrame
    y: Floats
    released: NDArray[np.datetime64]
    expected: tuple[float, float]

    @classmethod
    def of(
        cls, rows: pl.DataFrame, history: pl.DataFrame, moment: Moment, target: str, as_of: date
    ) -> _Frames:
        if len(rows) < 60:
            raise InputError(
                "too few films to learn from",
                field="films",
                value=len(rows),
                accepted=f"60 or more with budget, date and {target}, known before {as_of}",
            )
        until = as_of.year - 1
        level = np.log(price_level(rows["released"].dt.year(), until))
        y = np.log(rows[target].to_numpy()) - level
        slope, start = np.polyfit(np.log(rows["budget"].to_numpy()) - level, y, 1)
        expected = (float(start), float(slope))
        made = features(rows, history, moment, target=target, expected=expected, prices_until=until)
        return cls(made, y, rows["released"].to_numpy().astype("datetime64[D]"), expected)


@dataclass(frozen=True)
class _Learner:
    frames: _Frames
    moment: Moment
    knobs: Knobs
    seed: int

    def __call__(self, chosen: NDArray[np.bool_], as_of: date) -> Blend:
        """A blend from some of the rows, each half as heavy for every `half_life` years before the day."""
        hidden = set(RELEASE_ONLY) if self.moment == "greenlight" else set()
        terms = [t for t in TERMS if t.driver not in self.knobs.without and not set(t.uses) & hidden]
        unseen = hidden | {"title", "company"}  # a company's films are too few to split on
        unseen |= {c for t in TERMS if t.driver in self.knobs.without for c in (t.of,)}
        age = (np.datetime64(as_of, "D") - self.frames.released[chosen]).astype(np.float64) / 365.25
        return blend.fit(
            self.frames.features.filter(chosen),
            self.frames.y[chosen],
            terms,
            0.5 ** (age / self.knobs.half_life),
            share=0.0 if TOGETHER in self.knobs.without else self.knobs.share,
            without=sorted(unseen),
            seed=self.seed,
        )


def _ranges(frame: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """What the training rows span, by column of numbers that a pitch can leave."""
    found: dict[str, tuple[float, float]] = {}
    for column in ("budget", "year", "runtime"):
        low, high = cast(Any, frame[column].min()), cast(Any, frame[column].max())
        if low is not None:
            found[column] = (float(low), float(high))
    return found
