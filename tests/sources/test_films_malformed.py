"""Lists of films with anything in their cells: each row becomes rows of record or a reject, and that is all."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store import Store, ingest
from cineloop.store.sources.box_office import BoxOffice
from cineloop.store.sources.catalogue_csv import CatalogueCsv
from cineloop.store.sources.imdb_stats import ImdbStats
from cineloop.store.sources.netflix_top10 import NetflixTop10
from cineloop.store.sources.source import Source
from cineloop.store.sources.tmdb import Tmdb

ODD = st.sampled_from(
    [
        *(
            "",
            "0",
            "-1",
            "nan",
            "inf",
            "-inf",
            "1e308",
            "1e400",
            "9999-12-31",
            "0001-01-01",
            "2004-07-02",
            "x",
        ),
        *(
            "December 31, 9999",
            "January 1, 0001",
            "July 2, 2004",
            "July 2004 (US)",
            "1995",
            "1995.0",
            "Movie",
        ),
        *(
            "TV Show",
            "90 min",
            "2 Seasons",
            "[]",
            "[{}]",
            '[{"name": "A", "id": 1}]',
            '[{"name": 7}]',
            "[[]]",
        ),
        *(
            "Released",
            "Films (English)",
            "TV (Non-English)",
            "1",
            "3",
            "tt1",
            "a, b",
            "\x00",
            "é",
            "99999999999999999999",
        ),
    ]
)
LAYOUTS: dict[str, tuple[Callable[[Path], Source], str, str]] = {
    "stats": (
        ImdbStats,
        "f.csv",
        "name,rating,genre,year,released,director,writer,star,country,budget,gross,company,runtime",
    ),
    "tmdb": (
        Tmdb,
        "f.csv",
        "id,title,original_title,original_language,overview,release_date,runtime,genres,production_companies,"
        "production_countries,budget,revenue,status",
    ),
    "daily": (
        BoxOffice,
        "f.csv",
        "date,release_id,title,daily_gross,theaters,gross_to_date,days_in_release,distributor",
    ),
    "top10": (
        NetflixTop10,
        "f.tsv",
        "week,category,weekly_rank,show_title,season_title,weekly_hours_viewed,runtime,weekly_views",
    ),
    "catalogue": (
        CatalogueCsv,
        "f.csv",
        "show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description",
    ),
}


def check_any(layout: str, rows: list[list[str]]) -> None:
    make, file, header = LAYOUTS[layout]
    separator = "\t" if file.endswith(".tsv") else ","
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(header.split(","))
    writer.writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        path.write_text(text.getvalue())
        store = Store.open(Path(folder) / "w", create=True)
        try:
            report = ingest(store, make(path), "quarantine")
        except InputError as error:
            assert "\n" not in str(error)  # nothing of the file can be read: said in one line
            return
        assert store.verify() == ()
        if layout in ("stats", "catalogue"):  # a row is a title or a reject
            titles = report.tables.get("titles")
            assert titles is not None
            assert titles.added + titles.duplicates + titles.rejected >= len(rows)


def rows_of(layout: str, most: int) -> st.SearchStrategy[list[list[str]]]:
    width = len(LAYOUTS[layout][2].split(","))
    return st.lists(st.lists(ODD, min_size=width, max_size=width), min_size=1, max_size=most)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_cells(layout: str) -> None:
    @settings(max_examples=8, deadline=None)
    @given(rows_of(layout, 4))
    def run(rows: list[list[str]]) -> None:
        check_any(layout, rows)

    run()


@pytest.mark.soak
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_cells_many_times(layout: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(rows_of(layout, 8))
    def run(rows: list[list[str]]) -> None:
        check_any(layout, rows)

    run()
