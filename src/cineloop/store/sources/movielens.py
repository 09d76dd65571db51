"""MovieLens in its published layouts: 100k, 1M and 10M, 20M to latest CSV, and RecBole's atomic files.

A rating becomes a row of `feedback`: kind `rating`, value in stars, account and profile both `name:user`,
title `name:movie`, happened and known at its timestamp. A movie becomes a row of `titles`: kind `film` (the
source does not mark the few series among them), its name put straight ("Matrix, The (1999)" is "The Matrix"),
its year, its genres in the source's words. Tags, links, users and genome scores are not read.

The log does not say when a movie entered the catalogue. A title counts as known from the first of January
(UTC) of the year before its release, when films are announced and first shown (33 ratings of 100k are older
than their film's release year, none than the year before it), and from 1900-01-01 where the year is not
known: constants of the source, which neither the order of reading nor the ratings at hand decide.

Harper, Konstan: The MovieLens Datasets: History and Context. ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import opened
from cineloop.store.sources.movielens_layouts import Layout, MoviesFile, RatingsFile, detect
from cineloop.store.sources.source import LINE, Batch, Reject

LICENCE = (
    "MovieLens, GroupLens Research, University of Minnesota: research use with citation; no redistribution "
    "and no commercial use without permission"
)
_EARLIEST = int(datetime(1995, 1, 1, tzinfo=UTC).timestamp())
_LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_DENSE = 1 << 22  # integer ids below this are written through a table of ready strings

_NO_GENRE = frozenset({"(no genres listed)", "unknown", ""})


@dataclass(frozen=True)
class MovieLens:
    """The files of a folder, or one file, in a layout that is told by the names or the first line.

    `name` is the prefix of the ids: by default `ml-100k`, `ml-1m`, `ml-10m`, `ml` (the CSV layouts) or the
    stem of the RecBole file. A folder may lack the ratings or the movies. Ratings must be 1 to 5 in whole
    stars (100k, 1M) or 0.5 to 5 in halves (10M, CSV), timestamps from 1995 to 2099. RecBole's user and item
    tokens keep their text; ids of the other layouts are whole numbers, so that `007` is `7`.

    Raises `InputError` when the path is in no layout or in several, or the name is no prefix.
    """

    path: Path
    name: str = ""
    layout: str = field(init=False)
    licence: str = field(init=False, default=LICENCE)
    _found: Layout = field(init=False, repr=False, compare=False)

    def __init__(self, path: Path | str, name: str | None = None) -> None:
        found = detect(Path(path))
        name = found.prefix if name is None else name
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise InputError(
                "not a prefix", field="name", value=name, accepted="letters, digits, dots, - and _"
            )
        object.__setattr__(self, "path", Path(path))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "layout", found.name)
        object.__setattr__(self, "licence", LICENCE)
        object.__setattr__(self, "_found", found)

    @property
    def files(self) -> tuple[Path, ...]:
        """The movies, then the ratings; whichever are there."""
        return tuple(part[0] for part in (self._found.movies, self._found.ratings) if part is not None)

    @property
    def total(self) -> int:
        """Bytes of the files."""
        return sum(file.stat().st_size for file in self.files)

    def settings(self) -> dict[str, Any]:
        """What decides the rows, beside the files' bytes; `rules` grows when a file gives other rows."""
        return {"source": "movielens", "layout": self.layout, "name": self.name, "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Titles first, then ratings in the order of the file."""
        before = 0
        if self._found.movies is not None:
            file, movies = self._found.movies
            yield from self._titles(file, movies)
            before = file.stat().st_size
        if self._found.ratings is not None:
            yield from self._feedback(*self._found.ratings, before)

    def _titles(self, file: Path, movies: MoviesFile) -> Iterator[Batch]:
        dialect = movies.dialect if _is_utf8(file) else replace(movies.dialect, encoding="latin-1")
        atomic = movies.atomic
        key = movies.names[0] if not atomic else movies.wanted[0]
        wanted = movies.wanted if not atomic else movies.wanted[1:]
        columns = [
            Column(key, "text" if atomic else "integer"),
            *(Column(n, required=n == wanted[0]) for n in wanted),
        ]
        for rows in delimited.read(file, columns, dialect, movies.names):
            facts = [movies.facts([v or "" for v in row]) for row in rows.frame.select(wanted).iter_rows()]
            years = [year for _, year, _ in facts]
            known = [datetime(year - 1 if year else 1900, 1, 1, tzinfo=UTC) for year in years]
            genres = [[g for g in listed if g not in _NO_GENRE] or None for _, _, listed in facts]
            frame = pl.DataFrame(
                {
                    "title": _ids(self.name, rows.frame.get_column(key)),
                    "kind": pl.repeat("film", len(facts), dtype=pl.String, eager=True),
                    "name": pl.Series([name for name, _, _ in facts], dtype=pl.String),
                    "year": pl.Series(years, dtype=pl.Int32),
                    "genres": pl.Series(genres, dtype=pl.List(pl.String)),
                    "known_at": pl.Series(known, dtype=pl.Datetime("us", "UTC")),
                    LINE: rows.frame.get_column(LINE),
                }
            )
            yield Batch("titles", frame, rows.rejects, rows.done)

    def _feedback(self, file: Path, ratings: RatingsFile, before: int) -> Iterator[Batch]:
        user, movie, stars, time = ratings.wanted
        columns = [
            Column(user, ratings.ids),
            Column(movie, ratings.ids),
            Column(stars, "number"),
            Column(time, ratings.times),
        ]
        members, titles = _IdTable(self.name), _IdTable(self.name)
        for rows in delimited.read(file, columns, ratings.dialect, ratings.names):
            frame, rejects = _screened(file, rows.frame, ratings)
            who = members.of(frame.get_column(user))
            seconds = frame.get_column(time)
            when = (seconds * 1_000_000).round() if seconds.dtype.is_float() else seconds * 1_000_000
            when = when.cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
            made = pl.DataFrame(
                {
                    "account": who,
                    "profile": who,
                    "title": titles.of(frame.get_column(movie)),
                    "kind": pl.repeat("rating", frame.height, dtype=pl.String, eager=True),
                    "value": frame.get_column(stars),
                    "happened_at": when,
                    "known_at": when,
                    LINE: frame.get_column(LINE),
                }
            )
            yield Batch("feedback", made, (*rows.rejects, *rejects), before + rows.done)


def _screened(file: Path, frame: pl.DataFrame, ratings: RatingsFile) -> tuple[pl.DataFrame, list[Reject]]:
    """The rows whose ids, stars and time can be; the others as rejects."""
    user, movie, stars, time = ratings.wanted
    value, seconds = pl.col(stars), pl.col(time)
    step = {"whole": 1.0, "half": 0.5}.get(ratings.stars)
    if step is None:
        sound, accepted = value.is_finite(), "a finite number"
    else:
        scaled = value / step
        sound = value.is_between(step, 5.0) & (scaled == scaled.floor())
        accepted = f"{step:g} to 5 in steps of {step:g}"
    checks = [
        (stars, sound, accepted),
        (time, seconds.is_between(_EARLIEST, _LATEST, closed="left"), "1995 to 2099"),
    ]
    if ratings.ids == "integer":
        checks += [(name, pl.col(name) >= 0, "a whole number from 0") for name in (user, movie)]
    if frame.select(pl.all_horizontal(ok.all() for _, ok, _ in checks)).item():
        return frame, []
    told = frame.with_columns(ok.fill_null(False).alias(f"_ok {name}") for name, ok, _ in checks)
    keep = pl.all_horizontal(f"_ok {name}" for name, _, _ in checks)
    rejects = []
    for row in told.filter(~keep).iter_rows(named=True):
        name, accepted = next((name, accepted) for name, _, accepted in checks if not row[f"_ok {name}"])
        shown = f"{row[name]:.15g}" if isinstance(row[name], float) else str(row[name])
        rejects.append(Reject(str(file), row[LINE], name, shown, "out of range", accepted))
    return frame.filter(told.select(keep).to_series()), rejects


def _ids(name: str, values: pl.Series) -> pl.Series:
    """`name:value` for each value, as text."""
    return pl.select(pl.concat_str(pl.lit(f"{name}:"), values.cast(pl.String))).to_series()


class _IdTable:
    """Ids of whole numbers, looked up in a table that grows with the largest: faster than writing each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = pl.Series([], dtype=pl.String)

    def of(self, values: pl.Series) -> pl.Series:
        """`name:value` for each of `values`; none below zero."""
        if values.dtype != pl.Int64 or not len(values):
            return _ids(self.name, values)
        largest = int(values.max())  # type: ignore[arg-type]
        if largest >= _DENSE:
            return _ids(self.name, values)
        if largest >= len(self.ready):
            size = min(_DENSE, max(2 * len(self.ready), largest + 1))
            self.ready = _ids(self.name, pl.int_range(size, eager=True))
        return self.ready.gather(values)


def _is_utf8(path: Path) -> bool:
    """Whether a (small) file is UTF-8: 100k and 1M were published in Latin-1, later releases in UTF-8."""
    with opened(path) as (stream, _):
        try:
            while lines := stream.readlines(1 << 20):
                b"".join(lines).decode()
        except UnicodeDecodeError:
            return False
    return True
