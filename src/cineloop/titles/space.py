"""The space of titles as of a day: what turns facts, those of a film that does not exist yet among them, into vectors.

It is learned from the films known by the day: how rare each name is, and which terms make a theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.titles.money import LAST_YEAR, price_level
from cineloop.titles.text import Encoder, TfIdf, folded, truncated_svd, unit, words
from cineloop.titles.vectors import SPARSE, Block, Floats, TitleVectors, read_npz, write_npz

# what a credit counts beside a director's: whom a film is known by stands first in the billing
_WRITER, _CAST, _BILLING = 0.7, 0.8, 0.15
# a term of a part must be in so many films, and in at most this share of them
_LEAST = {"terms": 2}
_MOST = {"terms": 0.2, "name": 0.05}


@dataclass(frozen=True)
class TitleSpace:
    """What was learned of `films` titles up to a day: weights of terms a part, axes of themes, the encoder's name."""

    as_of: date | None
    films: int
    weights: Mapping[str, TfIdf]
    axes: Floats
    encoder: str | None = None
    absent: frozenset[str] = frozenset()

    @classmethod
    def fit(
        cls,
        films: pl.DataFrame,
        as_of: date | None = None,
        *,
        themes: int = 64,
        encoder: Encoder | None = None,
        absent: Iterable[str] = (),
    ) -> Self:
        """Learn from FILMS rows released by `as_of` (None: from all of them).

        `absent` names people who are to be in no feature. InputError where no film is known by then.
        """
        if as_of is not None:
            films = films.filter(pl.col("released") <= as_of)
        if films.is_empty():
            raise InputError("no film is known by then", field="as_of", value=as_of, accepted="a later day")
        out = frozenset(folded(name) for name in absent)
        films = films.sort("title")
        fitted = {
            part: TfIdf.fit(
                [list(bag) for bag in _bags(part, films, out)],
                least=_LEAST.get(part, 1),
                most=_MOST.get(part, 1.0),
            )
            for part in SPARSE
        }
        axes = np.zeros((0, len(fitted["terms"].vocabulary)))
        if encoder is None:
            _, axes = truncated_svd(fitted["terms"].weighted(_bags("terms", films, out)), themes)
        return cls(as_of, len(films), fitted, axes, None if encoder is None else encoder.name, out)

    def vectors(self, films: pl.DataFrame, encoder: Encoder | None = None) -> TitleVectors:
        """The vectors of FILMS rows, in their order; `encoder` as at `fit`."""
        if (None if encoder is None else encoder.name) != self.encoder:
            raise InputError(
                "the space was made with another encoder",
                field="encoder",
                value=encoder,
                accepted=str(self.encoder),
            )
        terms = {p: t.weighted(_bags(p, films, self.absent)) for p, t in self.weights.items()}
        if encoder is None:
            themes = unit(np.asarray(terms["terms"] @ self.axes.T))
        else:
            told = films.get_column("overview").fill_null("").to_list()
            themes = unit(encoder.encode(told)) * np.array([[bool(t)] for t in told])
        return TitleVectors(
            titles=films.get_column("title").to_numpy().astype(object),
            terms=terms,
            dense={"themes": themes.astype(np.float32), "season": _season(films)},
            numbers=_numbers(films, self.as_of),
        )

    def shared(self, part: str, one: TitleVectors, other: TitleVectors, most: int = 3) -> list[str]:
        """The terms that the first title of each has in common in a part, those that count most first."""
        if part not in self.weights:
            return []
        both = one.terms[part][[0]].multiply(other.terms[part][[0]]).tocoo()
        columns = both.coords[1]
        found = sorted(
            zip(-both.data, self.weights[part].vocabulary[columns].tolist(), strict=True), key=lambda c: c
        )
        return [str(t) for _, t in found[:most]]

    def leaves_out(self, name: str) -> bool:
        """Whether a person is in no feature."""
        return folded(name) in self.absent

    def save(self, path: Path) -> None:
        """One npz file; the same space gives the same bytes."""
        head = {
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "films": self.films,
            "encoder": self.encoder,
            "absent": sorted(self.absent),
        }
        arrays: dict[str, NDArray[Any]] = {"axes": self.axes}
        for part, weights in self.weights.items():
            arrays |= {f"{part}/vocabulary": weights.vocabulary.astype(str), f"{part}/rarity": weights.rarity}
        write_npz(path, "title-space", head, arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote; InputError where the file is none of these."""
        head, arrays = read_npz(path, "title-space")
        weights = {p: TfIdf(arrays[f"{p}/vocabulary"].astype(object), arrays[f"{p}/rarity"]) for p in SPARSE}
        day = None if head["as_of"] is None else date.fromisoformat(head["as_of"])
        return cls(day, head["films"], weights, arrays["axes"], head["encoder"], frozenset(head["absent"]))


def _bags(part: str, films: pl.DataFrame, absent: frozenset[str]) -> list[dict[str, float]]:
    """What each film says in a part: term to weight."""
    if part == "people":
        directors, writers, actors = (films.get_column(c).to_list() for c in ("directors", "writers", "cast"))
        return [
            _people(d or [], w or [], c or [], absent)
            for d, w, c in zip(directors, writers, actors, strict=True)
        ]
    if part == "terms":
        return [_counted(words(t)) for t in films.get_column("overview").to_list()]
    if part == "name":
        return [dict.fromkeys(words(t), 1.0) for t in films.get_column("name").to_list()]
    column = films.get_column({"company": "companies"}.get(part, part)).to_list()
    if part in ("genres", "company"):
        return [dict.fromkeys(values or [], 1.0) for values in column]
    return [{value: 1.0} if value else {} for value in column]


def _people(
    directors: Sequence[str], writers: Sequence[str], cast: Sequence[str], absent: frozenset[str]
) -> dict[str, float]:
    credits = [(name, 1.0) for name in directors] + [(name, _WRITER) for name in writers]
    credits += [(name, _CAST / (1 + _BILLING * place)) for place, name in enumerate(cast)]
    found: dict[str, float] = {}
    for name, weight in credits:
        if folded(name) not in absent:
            found[name] = max(weight, found.get(name, 0.0))
    return found


def _counted(bag: Sequence[str]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for term in bag:
        counts[term] = counts.get(term, 0) + 1
    return {term: 1 + float(np.log(n)) for term, n in counts.items()}


def _season(films: pl.DataFrame) -> Block:
    """(m, 2) the day of the year on a circle; nought without a date."""
    day = films.get_column("released").dt.ordinal_day().cast(pl.Float64).to_numpy()
    angle = 2 * np.pi * day / 365.25
    made = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(np.nan_to_num(made, nan=0.0), np.float32)


def _numbers(films: pl.DataFrame, as_of: date | None) -> dict[str, Floats]:
    years = films.get_column("released").dt.year().cast(pl.Float64).to_numpy()
    if as_of is not None:  # a pitch without a date is one of today
        years = np.where(np.isfinite(years), years, as_of.year)
    until = LAST_YEAR if as_of is None else as_of.year - 1  # the last full year
    return {
        "scale": log_real(films.get_column("budget").to_numpy(), years, until),
        "era": years,
        "runtime": films.get_column("runtime").to_numpy().astype(np.float64),
    }


def log_real(amounts: Floats, years: Floats, known_until: int = LAST_YEAR) -> Floats:
    """(m,) log of amounts of money at constant prices; NaN where either is unknown or not above 0.

    >>> log_real(np.array([1e6, 0.0, np.nan]), np.array([2016.0, 2016.0, 2016.0])).round(3).tolist()
    [13.816, nan, nan]
    """
    found = (amounts > 0) & np.isfinite(years)
    made = np.full(len(amounts), np.nan)
    made[found] = np.log(amounts[found] / price_level(years[found], known_until))
    return made
