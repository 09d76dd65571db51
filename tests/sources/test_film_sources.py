"""Lists of films as sources: IMDb stats, TMDB 5000, movies.db, IMDb's TSVs, daily box office. Expected rows by hand."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store import Store, ingest
from cineloop.store.sources.box_office import BoxOffice
from cineloop.store.sources.film_facts import FilmFacts
from cineloop.store.sources.imdb_stats import COLUMNS, ImdbStats
from cineloop.store.sources.imdb_tsv import ImdbTsv
from cineloop.store.sources.layouts import source_of
from cineloop.store.sources.source import Reject, Source
from cineloop.store.sources.tmdb import Tmdb

HEADER = (
    "name,rating,genre,year,released,score,votes,director,writer,star,country,budget,gross,company,runtime"
)
HEAT = (
    'Heat,R,Action,1995,"December 15, 1995 (United States)",8.2,1,Michael Mann,Michael Mann,Al Pacino,'
    "United States,60000000,187436818,Regency,170"
)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(source: Source) -> tuple[dict[str, pl.DataFrame], list[Reject]]:
    frames: dict[str, list[pl.DataFrame]] = {}
    rejects: list[Reject] = []
    for batch in source.read():
        frames.setdefault(batch.table, []).append(batch.rows)
        rejects += batch.rejects
    return {name: pl.concat(some, how="diagonal_relaxed") for name, some in frames.items()}, rejects


def stats(tmp_path: Path, *lines: str) -> ImdbStats:
    path = tmp_path / "stats.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return ImdbStats(path)


def test_imdb_stats_makes_title_people_company_and_gross(tmp_path: Path) -> None:
    tables, rejects = read(stats(tmp_path, HEAT))
    assert not rejects
    title = tables["titles"].row(0, named=True)
    assert (title["title"], title["name"], title["year"]) == ("imdb-stats:Heat (1995)", "Heat", 1995)
    assert (title["released"], title["budget"], title["runtime"]) == (day("1995-12-15"), 60e6, 170.0)
    assert title["known_at"] == day("1995-12-15")
    gross = tables["grosses"].row(0, named=True)
    assert (gross["territory"], gross["period"], gross["gross"]) == (None, "total", 187436818.0)
    assert gross["known_at"] == day("1996-12-14")  # 365 days later, over a leap day
    roles = tables["credits"].select("role", "person").rows()
    assert roles == [
        ("director", "imdb-stats:Michael Mann"),
        ("writer", "imdb-stats:Michael Mann"),
        ("cast", "imdb-stats:Al Pacino"),
    ]
    assert tables["people"]["name"].to_list() == ["Michael Mann", "Al Pacino"]  # each once
    assert "score" not in tables["titles"].columns and "votes" not in tables["titles"].columns


def test_a_month_is_no_day_but_bounds_what_is_known(tmp_path: Path) -> None:
    tables, _ = read(stats(tmp_path, HEAT.replace("December 15, 1995", "April 1996")))
    title = tables["titles"].row(0, named=True)
    assert title["released"] is None and title["known_at"] == day("1996-04-30")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("1995,", "19x5,", "year"),
        ("December 15, 1995", "Smarch 15, 1995", "released"),
        (",60000000,", ",sixty,", "budget"),
        ("Heat,R", ",R", "name"),
    ],
)
def test_a_broken_row_is_named_by_line_and_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    sound = [HEAT.replace("Heat", "Ronin"), HEAT.replace("Heat", "Thief")]
    tables, rejects = read(stats(tmp_path, *sound, HEAT.replace(old, new, 1)))
    assert [(r.line, r.field) for r in rejects] == [(4, field)]
    assert tables["titles"].height == 2


def test_a_negative_budget_is_refused_at_ingestion_and_zero_is_unknown(tmp_path: Path) -> None:
    source = stats(
        tmp_path, HEAT.replace(",60000000,", ",0,"), HEAT.replace("Heat", "X").replace(",60000000,", ",-5,")
    )
    store = Store.open(tmp_path / "w", create=True)
    report = ingest(store, source, "quarantine")
    assert report.tables["titles"].rejected == 1 and report.tables["titles"].added == 1
    assert store.head().scan("titles").collect()["budget"].to_list() == [None]


def test_the_same_film_twice_is_refused_and_a_namesake_of_the_year_is_not(tmp_path: Path) -> None:
    other = HEAT.replace("Michael Mann", "Somebody Else")
    tables, rejects = read(stats(tmp_path, HEAT, other, HEAT, HEAT))
    assert tables["titles"]["title"].to_list() == [
        "imdb-stats:Heat (1995)",
        "imdb-stats:Heat (1995) Somebody Else",
        "imdb-stats:Heat (1995) Michael Mann",
    ]
    assert [r.line for r in rejects] == [5]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=12), min_size=15, max_size=15), max_size=6))
def test_whatever_stands_in_the_cells_each_row_is_taken_or_rejected(
    tmp_path: Path, rows: list[list[str]]
) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER.split(","))
        writer.writerow(next(csv.reader([HEAT])))
        writer.writerows(rows)
    tables, rejects = read(ImdbStats(path))
    assert tables["titles"]["name"][0] == "Heat"
    # a record of newlines and quotes may split into several: none is lost in silence
    blank = sum(all(not cell.strip("\r\n") for cell in row) for row in rows)
    assert tables["titles"].height + len(rejects) >= 1 + len(rows) - blank


def tmdb_row(**change: Any) -> dict[str, Any]:
    row = {
        **{"budget": "60000000", "genres": '[{"id": 28, "name": "Action"}]', "homepage": "", "id": "949"},
        **{"keywords": "[]", "original_language": "en", "original_title": "Heat", "overview": "Thieves."},
        **{"popularity": "9.9", "production_companies": '[{"name": "Regency", "id": 508}]'},
        **{"production_countries": '[{"iso_3166_1": "US", "name": "United States of America"}]'},
        **{"release_date": "1995-12-15", "revenue": "187436818", "runtime": "170", "spoken_languages": "[]"},
        **{"status": "Released", "tagline": "", "title": "Heat", "vote_average": "8", "vote_count": "1"},
    }
    return {**row, **change}


def tmdb(tmp_path: Path, *rows: dict[str, Any], credits: list[dict[str, str]] | None = None) -> Tmdb:
    path = tmp_path / "tmdb_5000_movies.csv"
    for file, some in ((path, rows), (tmp_path / "tmdb_5000_credits.csv", credits or [])):
        if some:
            with file.open("w", newline="") as out:
                writer = csv.DictWriter(out, list(some[0]))
                writer.writeheader()
                writer.writerows(some)
    return Tmdb(path)


def test_tmdb_takes_json_columns_and_credits_in_billing_order(tmp_path: Path) -> None:
    cast = [
        {"id": 2, "name": "Robert De Niro", "order": 1, "gender": 2},
        {"id": 1, "name": "Al Pacino", "order": 0},
    ]
    crew = [
        {"id": 3, "name": "Michael Mann", "job": "Director"},
        {"id": 9, "name": "Grip", "job": "Key Grip"},
    ]
    credits = [{"movie_id": "949", "title": "Heat", "cast": json.dumps(cast), "crew": json.dumps(crew)}]
    tables, rejects = read(tmdb(tmp_path, tmdb_row(), credits=credits))
    assert not rejects
    title = tables["titles"].row(0, named=True)
    assert (title["genres"], title["language"], title["country"]) == (
        ["Action"],
        "en",
        "United States of America",
    )
    assert title["original_name"] is None and title["overview"] == "Thieves."
    assert tables["credits"].select("person", "role", "billing").rows() == [
        ("tmdb:3", "director", 1),
        ("tmdb:1", "cast", 1),
        ("tmdb:2", "cast", 2),
    ]
    assert tables["companies"].select("company", "name").rows() == [("tmdb:508", "Regency")]
    assert not {"popularity", "vote_average", "gender"} & {c for t in tables.values() for c in t.columns}


def test_tmdb_rejects_broken_json_and_dates_and_passes_over_plans(tmp_path: Path) -> None:
    rows = (
        tmdb_row(),
        tmdb_row(id="2", genres="[{"),
        tmdb_row(id="3", genres='[{"id": 1}]'),
        tmdb_row(id="4", release_date="1995-13-01"),
        tmdb_row(id="5", status="Rumored"),
        tmdb_row(),
    )
    tables, rejects = read(tmdb(tmp_path, *rows))
    assert [(r.line, r.field) for r in rejects] == [
        (3, "genres"),
        (4, "genres"),
        (5, "release_date"),
        (7, "id"),
    ]
    assert tables["titles"].height == 1


def movies_db(path: Path, *films: tuple[Any, ...]) -> Path:
    with sqlite3.connect(path) as database:
        database.execute(
            'create table omdb (ID, imdbID, Title, Year, Rating, Runtime, Genre, Released, Director, Writer, "Cast", '
            "Metacritic, imdbRating, imdbVotes, Language, Country, Awards)"
        )
        database.execute("create table tomatoes (ID, Meter, Reviews, BoxOffice, Production)")
        for i, (imdb, title, year, released, language, box) in enumerate(films, 1):
            facts = (
                i,
                imdb,
                title,
                year,
                "R",
                100.0,
                "Drama, Crime",
                released,
                "A B",
                "C D",
                "E F, G H",
                90,
                8.0,
                5,
            )
            marks = ",".join("?" * 17)
            database.execute(f"insert into omdb values ({marks})", (*facts, language, "France", "1 win"))
            database.execute("insert into tomatoes values (?,?,?,?,?)", (i, 99, 10, box, "Gaumont, TF1"))
    database.close()
    return path


def test_movies_db_takes_facts_and_no_opinions(tmp_path: Path) -> None:
    path = movies_db(
        tmp_path / "movies.db",
        ("tt1", "Amélie", 2001, "2001-04-25", "French", 174e6),
        ("tt2", "Guess", 2002, "2002-01-01", "English, French", None),
        ("tt1", "Again", 2001, "2001-04-25", None, None),
        ("tt3", "Broken", 2001, "soon", None, None),
        ("tt4", "Typed", "later", "2001-04-25", None, None),
    )
    tables, rejects = read(FilmFacts(path))
    assert [(r.line, r.field) for r in rejects] == [(3, "imdbID"), (4, "Released"), (5, "Year")]
    amelie, guess = tables["titles"].iter_rows(named=True)
    assert (amelie["title"], amelie["language"], amelie["released"]) == ("films:tt1", "fr", day("2001-04-25"))
    # the first of January stands for an unknown day; of two languages none is the first
    assert (guess["released"], guess["language"], guess["known_at"]) == (None, None, day("2002-12-31"))
    assert tables["grosses"].select("title", "gross", "known_at").rows() == [
        ("films:tt1", 174e6, day("2002-04-25"))
    ]
    assert tables["credits"]["billing"].null_count() == tables["credits"].height  # listed by the alphabet
    assert tables["companies"]["name"].to_list() == ["Gaumont", "TF1"]


def test_another_database_is_no_film_facts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"movies\.db of bokeh_sampledata"):
        list(FilmFacts(_empty_db(tmp_path / "other.db")).read())


def _empty_db(path: Path) -> Path:
    with sqlite3.connect(path) as database:
        database.execute("create table t (a)")
    database.close()
    return path


def imdb_folder(folder: Path, zipped: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    files = {
        "title.basics.tsv": [
            "tconst\ttitleType\tprimaryTitle\toriginalTitle\tisAdult\tstartYear\tendYear\truntimeMinutes\tgenres",
            "tt0113277\tmovie\tHeat\tHeat\t0\t1995\t\\N\t170\tAction,Crime",
            'tt0903747\ttvSeries\tBreaking "Bad"\tBreaking Bad\t0\t2008\t2013\t\\N\tDrama',
            "tt0959621\ttvEpisode\tPilot\tPilot\t0\t2008\t\\N\t58\tDrama",
            "tt5\tmovie\tBroken\tBroken\t0\tsoon\t\\N\t1\t\\N",
            "tt6\tmovie\tAdult\tAdult\t1\t2000\t\\N\t1\t\\N",
            "tt7\ttvPilot\tLost\tLost\t0\t2000\t\\N\t1\t\\N",
            "tt8\tmovie\tUndated\tUndated\t0\t\\N\t\\N\t\\N\t\\N",
        ],
        "title.episode.tsv": [
            "tconst\tparentTconst\tseasonNumber\tepisodeNumber",
            "tt0959621\ttt0903747\t1\t1",
        ],
        "title.akas.tsv": [
            "titleId\tordering\ttitle\tregion\tlanguage\ttypes\tattributes\tisOriginalTitle",
            "tt0113277\t1\tFuego contra fuego\tES\tes\t\\N\t\\N\t0",
            "tt6\t1\tHidden\tES\tes\t\\N\t\\N\t0",
        ],
        "name.basics.tsv": [
            "nconst\tprimaryName\tbirthYear\tdeathYear\tprimaryProfession\tknownForTitles",
            "nm1\tMichael Mann\t1943\t\\N\tdirector\ttt0113277",
        ],
        "title.principals.tsv": [
            "tconst\tordering\tnconst\tcategory\tjob\tcharacters",
            'tt0113277\t1\tnm2\tactor\t\\N\t["Vincent"]',
            "tt0113277\t2\tnm3\tactress\t\\N\t\\N",
            "tt0113277\t3\tnm1\tdirector\t\\N\t\\N",
            "tt0113277\t4\tnm4\tarchive_footage\t\\N\t\\N",
            "tt6\t1\tnm2\tactor\t\\N\t\\N",
        ],
    }
    for name, lines in files.items():
        data = ("\n".join(lines) + "\n").encode()
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_imdb_tsv(tmp_path: Path, zipped: bool) -> None:
    tables, rejects = read(ImdbTsv(imdb_folder(tmp_path / "imdb", zipped)))
    assert [(r.line, r.field, r.value) for r in rejects] == [(5, "startYear", "soon")]
    titles = tables["titles"].select("title", "kind", "parent", "number", "year", "runtime")
    assert titles.rows() == [
        ("imdb:tt0113277", "film", None, None, 1995, 170.0),
        ("imdb:tt0903747", "series", None, None, 2008, None),
        ("imdb:tt0959621", "episode", "imdb:tt0903747", 1, 2008, 58.0),
        ("imdb:tt8", "film", None, None, None, None),
    ]
    assert tables["titles"]["name"][1] == 'Breaking "Bad"'  # quotes are text in these files
    assert tables["titles"]["known_at"].to_list()[0] == day("1995-12-31")
    assert tables["names"].select("title", "name", "territory").rows() == [
        ("imdb:tt0113277", "Fuego contra fuego", "ES")
    ]
    assert tables["credits"].select("person", "role", "billing").rows() == [
        ("imdb:nm2", "cast", 1),
        ("imdb:nm3", "cast", 2),
        ("imdb:nm1", "director", 3),
    ]
    assert tables["people"].select("person", "name").rows() == [("imdb:nm1", "Michael Mann")]


def test_imdb_tsv_goes_into_the_tables_of_record(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "w", create=True)
    report = ingest(store, source_of(imdb_folder(tmp_path / "imdb")), "quarantine")
    assert {name: c.added for name, c in report.tables.items()} == {
        **{"credits": 3, "names": 1, "people": 1, "titles": 4}
    }
    assert ingest(store, source_of(tmp_path / "imdb"), "quarantine").already


DAILY = "date,release_id,title,daily_gross,theaters,gross_to_date,days_in_release,distributor"


def test_box_office_days_opening_and_total(tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    path.write_text(
        "\n".join(
            [
                DAILY,
                "2004-06-30,rl1,Spider-Man 2,40,4152,40,1,Sony",  # a Wednesday
                "2004-07-02,rl1,Spider-Man 2,33,4152,96,3,Sony",
                "2004-07-03,rl1,Spider-Man 2,27,4152,124,4,Sony",
                "2004-07-04,rl1,Spider-Man 2,20,4152,144,5,Sony",
                "2004-07-04,rl2,Late,-1,,,,",
                "2004-07-04,rl3,Odd,5,many,,,",
                "2004-09-01,rl4,Running,7,10,7,1,",
            ]
        )
        + "\n"
    )
    tables, rejects = read(BoxOffice(path))
    broken = sorted((r.line or 0, r.field) for r in rejects)
    assert broken == [(6, "daily_gross"), (7, "theaters")]
    grosses = tables["grosses"].filter(pl.col("title") == "bom:rl1")
    assert grosses.filter(pl.col("period") == "day").height == 4
    opening = grosses.filter(pl.col("period") == "opening").row(0, named=True)
    assert opening["gross"] == 80.0 and opening["known_at"] == day("2004-07-05")  # Friday to Sunday
    total = grosses.filter(pl.col("period") == "total").row(0, named=True)
    assert total["gross"] == 144.0 and total["known_at"] == day("2004-08-03")
    running = tables["grosses"].filter(pl.col("title") == "bom:rl4")
    assert running["period"].to_list() == ["day"]  # still on the charts: no total, and no whole weekend
    assert tables["productions"].select("title", "role").rows() == [("bom:rl1", "distribution")]


def test_layouts_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    assert isinstance(source_of(stats(tmp_path, HEAT).path), ImdbStats)
    assert isinstance(source_of(tmdb(tmp_path, tmdb_row()).path), Tmdb)
    assert isinstance(source_of(movies_db(tmp_path / "movies.db")), FilmFacts)
    assert source_of(stats(tmp_path, HEAT).path, "mine").name == "mine"
    with pytest.raises(InputError, match="no such layout"):
        source_of(tmp_path, layout="letterboxd")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="MovieLens"):
        source_of(tmp_path / "other.csv")


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stats.csv"
    path.write_text("name,year\nHeat,1995\n")
    with pytest.raises(InputError, match="the column is not in the file"):
        read(ImdbStats(path))
    assert set(COLUMNS) < set(HEADER.split(","))
