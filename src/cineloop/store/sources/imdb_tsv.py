"""IMDb's non-commercial datasets: a folder of TSV files, gzip or not, of which `title.basics` must be there.

`title.basics` makes titles; `title.episode` their parents and numbers; `title.akas` their other names; `name.basics`
people; `title.principals` credits in billing order. Ratings are not read, and of a person nothing but the name: the
files also hold birth years, and tell actors from actresses, which both are `cast` here. Adult titles and kinds that
are no picture for an audience (`videoGame` apart) are left out, with their names, credits and parts.

A title's facts are known from the end of its first year (none told: from 1900). To give names and credits the same
day, the year of every title is held, about 16 bytes a title.

https://developer.imdb.com/non-commercial-datasets/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import Dialect
from cineloop.store.sources.film_names import FIRST_YEAR, LAST_YEAR
from cineloop.store.sources.film_rows import ALWAYS
from cineloop.store.sources.source import LINE, Batch, Reject

BASICS, EPISODES, AKAS = "title.basics.tsv", "title.episode.tsv", "title.akas.tsv"
NAMES, PRINCIPALS = "name.basics.tsv", "title.principals.tsv"

_KINDS = {
    **dict.fromkeys(("movie", "short", "tvMovie", "tvShort", "tvSpecial", "video"), "film"),
    **dict.fromkeys(("tvSeries", "tvMiniSeries"), "series"),
    **dict.fromkeys(("tvEpisode",), "episode"),
    **dict.fromkeys(("videoGame",), "game"),
}
_ROLES = {
    **dict.fromkeys(("actor", "actress", "self"), "cast"),
    **{r: r for r in ("director", "writer", "composer", "producer", "cinematographer", "editor")},
}
_TAB = Dialect("\t", quotes=False)
_UTC = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class ImdbTsv:
    """A folder of the files. Raises `InputError` where there is no `title.basics.tsv` or `.tsv.gz`."""

    path: Path
    name: str = "imdb"
    _found: dict[str, Path] = field(init=False, repr=False, compare=False)

    licence = "IMDb's non-commercial datasets: personal and non-commercial use; information courtesy of IMDb"

    def __post_init__(self) -> None:
        found = {
            name: file
            for name in (BASICS, EPISODES, NAMES, AKAS, PRINCIPALS)
            for file in (self.path / name, self.path / f"{name}.gz")
            if file.is_file()
        }
        if BASICS not in found:
            raise InputError(
                "no IMDb datasets", file=self.path, accepted=f"a folder with {BASICS} or {BASICS}.gz"
            )
        object.__setattr__(self, "_found", found)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there, in the order in which they are read."""
        return tuple(self._found.values())

    @property
    def total(self) -> int:
        """Their bytes."""
        return sum(file.stat().st_size for file in self.files)

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "imdb-tsv", "files": [f.name for f in self.files], "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Episodes' places are read first and held, then titles, people, names and credits, file by file."""
        years = _Years()
        before = 0
        parents = self._parents()
        for name, file in self._found.items():
            if name == BASICS:
                yield from self._titles(file, before, years, parents)
            elif name == NAMES:
                yield from self._people(file, before)
            elif name == AKAS:
                yield from self._names(file, before, years)
            elif name == PRINCIPALS:
                yield from self._credits(file, before, years)
            before += file.stat().st_size

    def _parents(self) -> pl.DataFrame:
        """Series, season and episode by episode."""
        columns = ("tconst", "parentTconst", "seasonNumber", "episodeNumber")
        frames = [pl.DataFrame(schema={**dict.fromkeys(columns, pl.String), LINE: pl.Int64})]
        if EPISODES in self._found:
            wanted = [Column(n, required=n in ("tconst", "parentTconst")) for n in columns]
            frames += [rows.frame for rows in delimited.read(self._found[EPISODES], wanted, _TAB)]
        return pl.concat(frames).drop(LINE).unique("tconst", keep="first", maintain_order=True)

    def _titles(self, file: Path, before: int, years: _Years, parents: pl.DataFrame) -> Iterator[Batch]:
        wanted = (
            "tconst",
            "titleType",
            "primaryTitle",
            "originalTitle",
            "isAdult",
            "startYear",
            "runtimeMinutes",
            "genres",
        )
        columns = [Column(n, required=n in wanted[:3]) for n in wanted]
        for rows in delimited.read(file, columns, _TAB):
            frame, rejects = _screened(
                file,
                _nulled(rows.frame),
                (
                    ("tconst", pl.col("tconst").str.contains(r"^tt\d{1,18}$"), "an id like tt0000001"),
                    ("startYear", _whole("startYear").is_between(FIRST_YEAR, LAST_YEAR), "a year, like 1999"),
                    ("runtimeMinutes", _whole("runtimeMinutes").is_between(0, 100_000), "minutes"),
                ),
            )
            frame = frame.filter(
                pl.col("titleType").is_in(list(_KINDS)), pl.col("isAdult").fill_null("0") != "1"
            ).join(parents, on="tconst", how="left", maintain_order="left")
            year = frame["startYear"].cast(pl.Int32)
            years.add(frame["tconst"], year)
            number = pl.col("episodeNumber").cast(pl.Int32, strict=False)
            made = frame.select(
                title=_ident(self.name, "tconst"),
                kind=pl.col("titleType").replace_strict(_KINDS, return_dtype=pl.String),
                parent=_ident(self.name, "parentTconst"),
                number=pl.when(number >= 1).then(number),
                name=pl.col("primaryTitle"),
                original_name=pl.when(pl.col("originalTitle") != pl.col("primaryTitle")).then(
                    "originalTitle"
                ),
                year=year,
                genres=pl.col("genres").str.split(","),
                runtime=pl.col("runtimeMinutes").cast(pl.Float64).replace(0.0, None),
                known_at=_known(year),
                **{LINE: pl.col(LINE)},
            )
            yield Batch("titles", made, (*rows.rejects, *rejects), before + rows.done)

    def _people(self, file: Path, before: int) -> Iterator[Batch]:
        columns = [Column("nconst"), Column("primaryName", required=False)]
        for rows in delimited.read(file, columns, _TAB):
            frame = _nulled(rows.frame).filter(pl.col("primaryName").is_not_null())
            made = frame.select(
                person=_ident(self.name, "nconst"),
                name=pl.col("primaryName"),
                known_at=pl.lit(ALWAYS).cast(_UTC),
                **{LINE: pl.col(LINE)},
            )
            yield Batch("people", made, rows.rejects, before + rows.done)

    def _names(self, file: Path, before: int, years: _Years) -> Iterator[Batch]:
        columns = [Column("titleId"), Column("title"), Column("region", required=False)]
        columns += [Column("language", required=False)]
        for rows in delimited.read(file, columns, _TAB):
            frame, known = years.known(_nulled(rows.frame), "titleId")
            made = frame.select(
                title=_ident(self.name, "titleId"),
                name=pl.col("title"),
                territory=pl.when(pl.col("region").str.contains("^[A-Z]{2}$")).then("region"),
                language=pl.col("language"),
                known_at=known,
                **{LINE: pl.col(LINE)},
            )
            yield Batch("names", made, rows.rejects, before + rows.done)

    def _credits(self, file: Path, before: int, years: _Years) -> Iterator[Batch]:
        columns = [Column("tconst"), Column("ordering", "integer"), Column("nconst"), Column("category")]
        for rows in delimited.read(file, columns, _TAB):
            frame, rejects = _screened(
                file, rows.frame, (("ordering", pl.col("ordering") >= 1, "a place from 1"),)
            )
            frame, known = years.known(frame.filter(pl.col("category").is_in(list(_ROLES))), "tconst")
            made = frame.select(
                title=_ident(self.name, "tconst"),
                person=_ident(self.name, "nconst"),
                role=pl.col("category").replace_strict(_ROLES, return_dtype=pl.String),
                billing=pl.col("ordering").cast(pl.Int32),
                known_at=known,
                **{LINE: pl.col(LINE)},
            )
            yield Batch("credits", made, (*rows.rejects, *rejects), before + rows.done)


@dataclass
class _Years:
    """The titles that were taken and their years (0: none), as numbers; looked up by binary search."""

    ids: list[NDArray[np.int64]] = field(default_factory=list)
    years: list[NDArray[np.int64]] = field(default_factory=list)
    _sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def add(self, ids: pl.Series, years: pl.Series) -> None:
        self.ids.append(ids.str.slice(2).cast(pl.Int64).to_numpy())
        self.years.append(years.fill_null(0).cast(pl.Int64).to_numpy())
        self._sorted = None

    def known(self, frame: pl.DataFrame, column: str) -> tuple[pl.DataFrame, pl.Series]:
        """The rows of titles that were taken, and when each is known."""
        if self._sorted is None:
            ids = np.concatenate([*self.ids, np.empty(0, np.int64)])
            years = np.concatenate([*self.years, np.empty(0, np.int64)])
            order = np.argsort(ids, kind="stable")
            self._sorted = ids[order], years[order]
        ids, years = self._sorted
        wanted = frame[column].str.slice(2).cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
        at = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
        there = ids[at] == wanted if len(ids) else np.zeros(len(wanted), bool)
        year = pl.Series(years[at[there]] if len(ids) else [], dtype=pl.Int32)
        return frame.filter(pl.Series(there, dtype=pl.Boolean)), _known(
            pl.select(pl.when(year > 0).then(year)).to_series()
        )


def _known(year: pl.Series) -> pl.Series:
    """The last day of each year, UTC; where none is told, always."""
    ends = {y: datetime(y, 12, 31, tzinfo=UTC) for y in year.unique().drop_nulls()}
    return pl.Series("known_at", [ALWAYS if y is None else ends[y] for y in year], dtype=_UTC)


def _nulled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.String).replace("\\N", None))


def _ident(name: str, column: str) -> pl.Expr:
    return pl.lit(f"{name}:") + pl.col(column)


def _whole(column: str) -> pl.Expr:
    """A whole number, -1 for what is none; null stays null."""
    number = pl.col(column).cast(pl.Int64, strict=False)
    return pl.when(pl.col(column).is_not_null()).then(number.fill_null(-1))


def _screened(
    file: Path, frame: pl.DataFrame, rules: Sequence[tuple[str, pl.Expr, str]]
) -> tuple[pl.DataFrame, list[Reject]]:
    """The rows that keep all rules, and a reject for each that breaks one."""
    told = frame.select(ok.fill_null(True).alias(str(i)) for i, (_, ok, _) in enumerate(rules))
    keep = told.select(pl.all_horizontal(pl.all())).to_series()
    if keep.all():
        return frame, []
    rejects = []
    for i in (~keep).arg_true().to_list():
        name, _, accepted = next(rule for j, rule in enumerate(rules) if not told[str(j)][i])
        rejects.append(
            Reject(str(file), frame[LINE][i], name, f"{frame[name][i]}"[:200], "not taken", accepted)
        )
    return frame.filter(keep), rejects
