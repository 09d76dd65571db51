"""The published layouts of MovieLens: their files, how those are written, and how to tell them apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cineloop.errors import InputError
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.film_names import name_and_year, plausible, straighten

_FLAGS = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *(
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)


@dataclass(frozen=True)
class RatingsFile:
    """A ratings file: its dialect, its columns, and the four that matter as (user, movie, rating, time)."""

    dialect: Dialect
    names: tuple[str, ...]
    stars: Literal["whole", "half", "any"]
    ids: Literal["integer", "text"] = "integer"
    times: Literal["integer", "number"] = "integer"
    wanted: tuple[str, str, str, str] = ("userId", "movieId", "rating", "timestamp")


@dataclass(frozen=True)
class MoviesFile:
    """A movies file and how one of its records gives (name, year, genres)."""

    dialect: Dialect
    names: tuple[str, ...]
    wanted: tuple[str, ...]
    facts: Callable[[Sequence[str]], tuple[str, int | None, list[str]]]
    atomic: bool = False


@dataclass(frozen=True)
class Layout:
    """What was found: a layout, the prefix it suggests for ids, and its files."""

    name: str
    prefix: str
    ratings: tuple[Path, RatingsFile] | None = None
    movies: tuple[Path, MoviesFile] | None = None


def _piped(row: Sequence[str]) -> tuple[str, int | None, list[str]]:
    return (*name_and_year(row[0]), row[1].split("|"))


def _flagged(row: Sequence[str]) -> tuple[str, int | None, list[str]]:
    name, year = name_and_year(row[0])
    released = re.search(r"\d{4}$", row[1])
    year = year if year is not None or released is None else plausible(int(released[0]))
    return name, year, [g for g, flag in zip(_FLAGS, row[2:], strict=True) if flag == "1"]


def _atomic(row: Sequence[str]) -> tuple[str, int | None, list[str]]:
    year = plausible(int(row[1])) if re.fullmatch(r"\d{4}", row[1]) else None
    return straighten(row[0]), year, row[2].split(" ")


_FOUR = ("userId", "movieId", "rating", "timestamp")
_CSV = Dialect(",")
_TAB = Dialect("\t", quotes=False)
_COLONS = Dialect("::", quotes=False, header=False)
_U_ITEM = ("movieId", "title", "release", "video", "url", *_FLAGS)

_RATINGS = {
    "100k": RatingsFile(replace(_TAB, header=False), _FOUR, "whole"),
    "1m": RatingsFile(_COLONS, _FOUR, "whole"),
    "10m": RatingsFile(_COLONS, _FOUR, "half"),
    "csv": RatingsFile(_CSV, _FOUR, "half"),
}
_MOVIES = {
    "100k": MoviesFile(Dialect("|", False, False), _U_ITEM, ("title", "release", *_FLAGS), _flagged),
    "1m": MoviesFile(_COLONS, ("movieId", "title", "genres"), ("title", "genres"), _piped),
    "csv": MoviesFile(_CSV, ("movieId", "title", "genres"), ("title", "genres"), _piped),
}
_PREFIX = {"100k": "ml-100k", "1m": "ml-1m", "10m": "ml-10m", "csv": "ml"}
_ACCEPTED = (
    "u.data and u.item (100k), ratings.dat and movies.dat (1M, 10M), ratings.csv and movies.csv (20M, 25M, "
    "32M, latest), *.inter and *.item (RecBole)"
)


def _named(folder: Path, name: str) -> Path | None:
    return next((folder / n for n in (name, f"{name}.gz") if (folder / n).is_file()), None)


def detect(path: Path) -> Layout:
    """The layout of a folder, by its file names, or of a file, by its suffix or first line; else `InputError`."""
    if path.is_dir():
        found = _in_folder(path)
        if not found:  # an archive unpacked into a folder of its own
            found = [
                layout for inner in sorted(path.iterdir()) if inner.is_dir() for layout in _in_folder(inner)
            ]
        if len(found) > 1:
            raise InputError(
                f"several layouts ({', '.join(f.name for f in found)})", file=path, accepted="one of them"
            )
    elif path.is_file():
        found = [_of_file(path)]
    else:
        raise InputError("no such file or folder", file=path, accepted=_ACCEPTED)
    if not found:
        raise InputError("no MovieLens layout", file=path, accepted=_ACCEPTED)
    return found[0]


def _in_folder(folder: Path) -> list[Layout]:
    found = []
    dat = "10m" if (folder / "tags.dat").is_file() else "1m"  # only 10M has tags, and half stars
    for layout, ratings, movies in (
        ("100k", "u.data", "u.item"),
        (dat, "ratings.dat", "movies.dat"),
        ("csv", "ratings.csv", "movies.csv"),
    ):
        rated, listed = _named(folder, ratings), _named(folder, movies)
        if rated or listed:
            found.append(
                Layout(
                    layout,
                    _PREFIX[layout],
                    (rated, _RATINGS[layout]) if rated else None,
                    (listed, _MOVIES[layout if layout != "10m" else "1m"]) if listed else None,
                )
            )
    for file in sorted(folder.glob("*.inter")):
        items = file.with_suffix(".item")
        found.append(_recbole(file.stem, file, items if items.is_file() else None))
    return found or [_recbole(f.stem, None, f) for f in sorted(folder.glob("*.item")) if f.name != "u.item"]


def _recbole(stem: str, ratings: Path | None, movies: Path | None) -> Layout:
    """RecBole's atomic files: tab separated, each column's name with its type, in any order."""
    rated = listed = None
    if ratings is not None:
        wanted = _atomic_columns(ratings, ("user_id", "item_id", "rating", "timestamp"))
        user, movie, stars, time = wanted
        rated = (ratings, RatingsFile(_TAB, (), "any", "text", "number", (user, movie, stars, time)))
    if movies is not None:
        wanted = _atomic_columns(movies, ("item_id", "movie_title", "release_year", "class"))
        listed = (movies, MoviesFile(_TAB, (), wanted, _atomic, atomic=True))
    return Layout("recbole", re.sub(r"[^A-Za-z0-9._-]", "-", stem), rated, listed)


def _atomic_columns(file: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    typed = {name.split(":")[0]: name for name in header(file, _TAB)}
    for name in wanted:
        if name not in typed:
            raise InputError(
                "the column is not in the file", file=file, line=1, field=name, accepted=", ".join(typed)
            )
    return tuple(typed[name] for name in wanted)


def _of_file(file: Path) -> Layout:
    """One file, told by its suffix or its first line."""
    name = file.name.removesuffix(".gz")
    if name.endswith(".inter"):
        return _recbole(file.stem, file, None)
    if name.endswith(".item") and name != "u.item":
        return _recbole(file.stem, None, file)
    first = ",".join(header(file, _CSV if name.endswith(".csv") else replace(_CSV, quotes=False)))
    if name == "u.item" or first.count("|") == len(_U_ITEM) - 1:
        return Layout("100k", _PREFIX["100k"], None, (file, _MOVIES["100k"]))
    if first.startswith("movieId,title,genres") or name == "movies.csv":
        return Layout("csv", _PREFIX["csv"], None, (file, _MOVIES["csv"]))
    if first.startswith("userId,movieId,rating,timestamp") or name == "ratings.csv":
        return Layout("csv", _PREFIX["csv"], (file, _RATINGS["csv"]))
    if name == "movies.dat":
        return Layout("1m", _PREFIX["1m"], None, (file, _MOVIES["1m"]))
    if name == "ratings.dat" or re.fullmatch(r"\d+::\d+::[\d.]+::\d+", first):
        layout = "10m" if "." in first or (file.parent / "tags.dat").is_file() else "1m"
        return Layout(layout, _PREFIX[layout], (file, _RATINGS[layout]))
    if name == "u.data" or re.fullmatch(r"\d+\t\d+\t\d+\t\d+", first):
        return Layout("100k", _PREFIX["100k"], (file, _RATINGS["100k"]))
    raise InputError("no MovieLens layout", file=file, accepted=_ACCEPTED)
