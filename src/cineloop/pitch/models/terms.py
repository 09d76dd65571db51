"""Terms: how columns of a features frame become columns of a regression, learnt once and kept as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["line", "hinges", "levels", "waves"]


class Rows:
    """A features frame as plain arrays, each column taken out once; a forecast of one title asks for dozens."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._numbers: dict[str, Floats] = {}
        self._labels: dict[str, list[str | None]] = {}
        self._unknown: dict[str, NDArray[np.bool_]] = {}

    @classmethod
    def of(cls, frame: pl.DataFrame | Rows) -> Rows:
        """The rows of a frame; rows stay what they are."""
        return frame if isinstance(frame, Rows) else cls(frame)

    def __len__(self) -> int:
        return len(self.frame)

    def numbers(self, column: str) -> Floats:
        """(n,) a column of numbers, nan where unknown."""
        if column not in self._numbers:
            series = self.frame[column]
            plain = series.to_numpy() if series.dtype == pl.Float64 else series.cast(pl.Float64).to_numpy()
            self._numbers[column] = np.asarray(plain, dtype=np.float64)
        return self._numbers[column]

    def labels(self, column: str) -> list[str | None]:
        """A column of text."""
        if column not in self._labels:
            self._labels[column] = self.frame[column].to_list()
        return self._labels[column]

    def unknown(self, column: str) -> NDArray[np.bool_]:
        """(n,) where nothing is known."""
        if column not in self._unknown:
            text = self.frame.schema[column] == pl.String
            gone = (
                np.array([v is None for v in self.labels(column)]) if text else np.isnan(self.numbers(column))
            )
            self._unknown[column] = gone.astype(bool)
        return self._unknown[column]

    def filled(self, column: str, value: float) -> Floats:
        """(n,) numbers with a value where unknown."""
        return np.where(self.unknown(column), value, self.numbers(column))


@dataclass(frozen=True)
class Term:
    """One term. `driver` is the name under which its effect is told; `of` is the column of the features frame.

    `line`: the number itself, standardised. `hinges`: max(0, z - knot) at `size` quantiles of it, which shrunk make a
    smooth curve. `levels`: one column a value that stands in `size` training rows or more. `waves`: `size` sines and
    cosines of a share of the year. Each times the standardised column `by`, if there is one; `flat` is not shrunk.
    """

    driver: str
    of: str
    kind: Kind
    size: int = 1
    by: str | None = None
    flat: bool = False

    @property
    def name(self) -> str:
        """Such as `genre:levels*budget`."""
        return f"{self.of}:{self.kind}" + (f"*{self.by}" if self.by else "")

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.of, self.by) if self.by else (self.of,)


@dataclass(frozen=True)
class FittedTerm:
    """A term with what it learnt: (centre, scale) of its number and of `by`, knots, levels."""

    term: Term
    number: tuple[float, float]
    by: tuple[float, float]
    knots: tuple[float, ...]
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many columns it makes."""
        return {
            "line": 1,
            "hinges": len(self.knots),
            "levels": len(self.levels),
            "waves": 2 * self.term.size,
        }[self.term.kind]

    def columns(self, frame: pl.DataFrame | Rows) -> Floats:
        """(n, width); an unknown number counts as the training mean, an unknown level is zeros."""
        t, rows = self.term, Rows.of(frame)
        if t.kind == "levels":
            made = np.zeros((len(rows), len(self.levels)))
            place = self.place(rows)
            known = np.flatnonzero(place >= 0)
            made[known, place[known]] = 1.0
        elif t.kind == "waves":
            angle = 2 * np.pi * rows.filled(t.of, self.number[0])
            waves = np.arange(1, t.size + 1)
            turns = angle[:, None] * waves
            # slower waves may be larger
            made = np.hstack([np.sin(turns) / waves, np.cos(turns) / waves])
            made *= ~rows.unknown(t.of)[:, None]
        else:
            z = (rows.filled(t.of, self.number[0]) - self.number[0]) / self.number[1]
            made = z[:, None] if t.kind == "line" else np.maximum(z[:, None] - np.array(self.knots), 0.0)
        return made if t.by is None else made * self.times(rows)[:, None]

    def times(self, frame: pl.DataFrame | Rows) -> Floats:
        """(n,) what the columns are multiplied by."""
        if self.term.by is None:
            return np.ones(len(frame))
        return (Rows.of(frame).filled(self.term.by, self.by[0]) - self.by[0]) / self.by[1]

    def place(self, frame: pl.DataFrame | Rows) -> NDArray[np.int64]:
        """(n,) which level each row has; -1 where it has none that is known."""
        at = {level: i for i, level in enumerate(self.levels)}
        return np.array(
            [at.get(v, -1) if v is not None else -1 for v in Rows.of(frame).labels(self.term.of)], np.int64
        )

    def new(self, frame: pl.DataFrame | Rows) -> NDArray[np.bool_]:
        """(n,) whether a row has a level that no training row (or too few) had."""
        if self.term.kind != "levels":
            return np.zeros(len(frame), bool)
        rows = Rows.of(frame)
        return np.asarray((self.place(rows) < 0) & ~rows.unknown(self.term.of), dtype=bool)


def learn(term: Term, frame: pl.DataFrame) -> FittedTerm:
    """What a term takes from the training rows; a number that is the same in all of them has the scale 1."""
    levels: tuple[str, ...] = ()
    knots: tuple[float, ...] = ()
    number = (0.0, 1.0)
    if term.kind == "levels":
        counts = frame[term.of].drop_nulls().value_counts().filter(pl.col("count") >= term.size)
        levels = tuple(sorted(counts[term.of].to_list()))
    else:
        number = _moments(frame[term.of])
    if term.kind == "hinges":
        known = (frame[term.of].drop_nulls().to_numpy() - number[0]) / number[1]
        places = np.linspace(0.05, 0.95, term.size)
        knots = tuple(sorted({float(k) for k in np.quantile(known, places)})) if len(known) else ()
    by = _moments(frame[term.by]) if term.by else (0.0, 1.0)
    return FittedTerm(term, number, by, knots, levels)


def learn_all(terms: Sequence[Term], frame: pl.DataFrame) -> tuple[FittedTerm, ...]:
    """Every term that has a column to give."""
    made = (learn(t, frame) for t in terms)
    return tuple(f for f in made if f.width)


def _moments(column: pl.Series) -> tuple[float, float]:
    known = column.drop_nulls().cast(pl.Float64).to_numpy()
    if not len(known):
        return 0.0, 1.0
    scale = float(known.std())
    return float(known.mean()), scale if scale > 1e-9 else 1.0


def filled(
    frame: pl.DataFrame, seed: int, together: Sequence[tuple[str, ...]] = (("company", "company_films"),)
) -> pl.DataFrame:
    """Training rows with every unknown value drawn from a row that knows it, at random ("hot deck").

    A mean in its place would be a mark that the cell was empty, and on tables of films that tells success. Columns that
    go `together` are drawn from one row; a column that no row knows stays as it is. The same seed, the same draws.
    """
    rng = np.random.default_rng(seed)
    sets = [tuple(c for c in s if c in frame.columns) for s in together]
    alone = [(c,) for c in frame.columns if not any(c in s for s in sets)]
    for columns in [*(s for s in sets if s), *alone]:
        gone = frame.select(pl.any_horizontal(pl.col(columns).is_null())).to_series().to_numpy()
        if gone.any() and not gone.all():
            rows = np.arange(len(frame))
            rows[gone] = rng.choice(np.flatnonzero(~gone), gone.sum())
            frame = frame.with_columns(frame[c].gather(rows) for c in columns)
    return frame
