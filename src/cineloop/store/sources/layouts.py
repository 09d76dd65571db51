"""Published layouts, told by a file's name and first lines, and the source that reads each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cineloop.errors import InputError
from cineloop.store.sources.box_office import BoxOffice, is_box_office
from cineloop.store.sources.catalogue_csv import CatalogueCsv, is_catalogue
from cineloop.store.sources.film_facts import FilmFacts, is_film_facts
from cineloop.store.sources.imdb_stats import ImdbStats, is_imdb_stats
from cineloop.store.sources.imdb_tsv import BASICS, ImdbTsv
from cineloop.store.sources.movielens import MovieLens
from cineloop.store.sources.netflix_engagement import NetflixEngagement, is_netflix_engagement
from cineloop.store.sources.netflix_top10 import NetflixTop10, is_netflix_top10
from cineloop.store.sources.source import Source
from cineloop.store.sources.tmdb import Tmdb, is_tmdb


@dataclass(frozen=True)
class Layout:
    """What a layout is called, how it is told, and the source of a path and a name (None: the layout's own)."""

    name: str
    fits: Callable[[Path], bool]
    source: Callable[[Path, str | None], Source]


def _imdb_folder(path: Path) -> bool:
    return (path / BASICS).is_file() or (path / f"{BASICS}.gz").is_file()


def _file(*suffixes: str, told: Callable[[Path], bool]) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.name.lower().endswith(suffixes) and told(path)


_TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz")

LAYOUTS: tuple[Layout, ...] = (
    Layout("imdb", _imdb_folder, lambda p, n: ImdbTsv(p, n or "imdb")),
    Layout("imdb-stats", _file(*_TEXT, told=is_imdb_stats), lambda p, n: ImdbStats(p, n or "imdb-stats")),
    Layout("tmdb", _file(*_TEXT, told=is_tmdb), lambda p, n: Tmdb(p, n or "tmdb")),
    Layout("box-office", _file(*_TEXT, told=is_box_office), lambda p, n: BoxOffice(p, n or "bom")),
    Layout("catalogue", _file(*_TEXT, told=is_catalogue), lambda p, n: CatalogueCsv(p, n or "catalogue")),
    Layout(
        "netflix-top10",
        _file(*_TEXT, told=is_netflix_top10),
        lambda p, n: NetflixTop10(p, n or "netflix-top10"),
    ),
    Layout(
        "netflix-engagement",
        _file(".xlsx", told=is_netflix_engagement),
        lambda p, n: NetflixEngagement(p, n or "netflix"),
    ),
    Layout(
        "film-facts", _file(".db", ".sqlite", told=is_film_facts), lambda p, n: FilmFacts(p, n or "films")
    ),
    Layout("movielens", lambda path: False, MovieLens),
)
"""In the order in which they are tried; what fits none is read as MovieLens, whose error names its layouts."""


def source_of(path: Path, name: str | None = None, layout: str | None = None) -> Source:
    """The source that reads a path: by the layout named, else by what the path looks like.

    InputError for a layout that is not there, and from the source where the path is not in its layout.
    """
    if layout is not None:
        found = next((known for known in LAYOUTS if known.name == layout), None)
        if found is None:
            names = ", ".join(known.name for known in LAYOUTS)
            raise InputError("no such layout", field="layout", value=layout, accepted=names)
        if found.name not in ("movielens", "imdb") and not path.is_file():
            raise InputError("no such file", file=path, accepted=f"a file in the layout {layout}")
        return found.source(path, name)
    return next((k for k in LAYOUTS if k.fits(path)), LAYOUTS[-1]).source(path, name)
