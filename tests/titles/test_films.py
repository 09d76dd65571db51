"""Tables of films: dates, broken rows, and what is not read."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store.sources.source import Reject
from cineloop.titles.films import COLUMNS, FILMS, films_of_table, normalised, release_day

TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "titles" / "imdb_movie_stats_1980_2016.csv"
ROW = {
    "name": "The Shining",
    "rating": "R",
    "genre": "Drama",
    "year": "1980",
    "released": "June 13, 1980 (United States)",
    "score": "8.4",
    "votes": "927000.0",
    "director": "Stanley Kubrick",
    "writer": "Stephen King",
    "star": "Jack Nicholson",
    "country": "United Kingdom",
    "budget": "19000000.0",
    "gross": "46998772.0",
    "company": "Warner Bros.",
    "runtime": "146.0",
}


def table(folder: Path, *changes: dict[str, str]) -> Path:
    path = folder / "films.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, COLUMNS)
        out.writeheader()
        out.writerows(ROW | c for c in changes)
    return path


def test_a_row_becomes_a_film(tmp_path: Path) -> None:
    films = films_of_table(table(tmp_path, {}))
    assert films.schema == FILMS
    film = films.row(0, named=True)
    assert film["title"] == "table:the-shining-1980"
    assert film["released"] == date(1980, 6, 13)
    assert film["known"] == date(1981, 6, 13)  # 365 days later
    assert (film["companies"], film["directors"]) == (["warner bros"], ["stanley kubrick"])
    assert (film["budget"], film["worldwide"], film["runtime"]) == (19e6, 46998772.0, 146.0)
    assert film["domestic"] is None


def test_votes_and_scores_are_not_read(tmp_path: Path) -> None:
    plain = films_of_table(table(tmp_path, {}))
    loved = films_of_table(table(tmp_path, {"score": "9.9", "votes": "5e9"}))
    assert loved.equals(plain)


@pytest.mark.parametrize(
    ("text", "day", "exact"),
    [
        ("June 13, 1980 (United States)", date(1980, 6, 13), True),
        ("May 1983 (Japan)", date(1983, 5, 15), False),
        ("1981 (Italy)", date(1981, 7, 1), False),
        ("2015-02-28", date(2015, 2, 28), True),
    ],
)
def test_dates(text: str, day: date, exact: bool) -> None:
    read = release_day(text)
    assert read is not None
    assert (read.day, read.exact) == (day, exact)


def test_a_bare_year_is_known_a_year_after_its_last_day(tmp_path: Path) -> None:
    [known] = films_of_table(table(tmp_path, {"released": "1981 (Italy)"}))["known"]
    assert known == date(1982, 12, 31)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"budget": "lots"}, "budget"),
        ({"gross": "-5"}, "gross"),
        ({"gross": "nan"}, "gross"),
        ({"runtime": "1e999"}, "runtime"),
        ({"released": "soon"}, "released"),
        ({"released": "February 30, 1999"}, "released"),
        ({"name": " "}, "name"),
    ],
)
def test_broken_rows_are_told_by_line(tmp_path: Path, change: dict[str, str], field: str) -> None:
    path = table(tmp_path, {}, change, {"name": "Popeye"})
    with pytest.raises(InputError, match=rf"films.csv:3: {field}"):
        films_of_table(path)
    rejects: list[Reject] = []
    films = films_of_table(path, rejects.append)
    assert sorted(films["name"]) == ["Popeye", "The Shining"]
    assert [(r.line, r.field) for r in rejects] == [(3, field)]


def test_a_row_too_short(tmp_path: Path) -> None:
    path = table(tmp_path, {})
    path.write_text(path.read_text() + "Popeye,PG\n")
    with pytest.raises(InputError, match="films.csv:3: not as many cells"):
        films_of_table(path)


def test_a_missing_column(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("name,released,budget\nA,1980,1\n")
    with pytest.raises(InputError, match="gross"):
        films_of_table(path)


def test_two_films_of_a_name_and_year_keep_apart(tmp_path: Path) -> None:
    films = films_of_table(table(tmp_path, {}, {"director": "Another"}))
    assert sorted(films["title"]) == ["table:the-shining-1980", "table:the-shining-1980-2"]


def test_empty_cells_are_unknown(tmp_path: Path) -> None:
    gone = {c: "" for c in COLUMNS if c != "name"}
    film = films_of_table(table(tmp_path, gone)).row(0, named=True)
    assert film["released"] is None and film["budget"] is None and film["genres"] == []


@given(st.text(max_size=60))
def test_a_date_is_read_or_refused(text: str) -> None:
    read = release_day(text)
    assert read is None or read.day <= read.last or not read.exact


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.skipif(not TABLE.is_file(), reason="needs shared/data/titles")
def test_the_real_table() -> None:
    films = films_of_table(TABLE)
    # 7,043 lines under the header; 5,090 budgets and 6,868 grosses are filled in (counted with polars.read_csv)
    assert len(films) == films["title"].n_unique() == 7043
    assert films["budget"].count() == 5090
    assert films["worldwide"].count() == 6868
    assert films["released"].null_count() == 2
    assert films.filter(pl.col("known") <= pl.col("released")).is_empty()
