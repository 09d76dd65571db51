"""`cineloop pitch …`: what a person types, what comes out, and what is said when it can't be done."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from film_csv import write_table
from pitch_world import films_of_the_world
from said import Said

from cineloop.pitch.evaluate import METRICS
from cineloop.pitch.evaluate import evaluate as judge
from cineloop.titles.films import films_of_table

Run = Callable[..., Said]
ROOT = Path(__file__).parents[2]
PITCH = """
name = "A Quiet Harbour"
decided = 2008-06-30
genres = ["Horror"]
budget = 20_000_000
release = 2010-03-01
companies = ["company 10"]
country = "United States"
"""


def ok(said: Said) -> str:
    assert said.code == 0, said.err
    return said.out


def refused(said: Said, *words: str) -> None:
    """One line on stderr that says these words, and exit code 2."""
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err, said.err


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of films of 1998 to 2010."""
    world = films_of_the_world(years=range(1998, 2011), a_year=45)
    return write_table(world, tmp_path_factory.mktemp("films") / "films.csv")


@pytest.fixture
def ready(cineloop: Run, films: Path, tmp_path: Path) -> tuple[Run, Path]:
    """A workspace with the films in it, and a pitch."""
    ok(cineloop("data", "ingest", films))
    file = tmp_path / "pitch.toml"
    file.write_text(PITCH)
    return cineloop, file


def test_a_forecast_is_read_by_people_machines_and_browsers(ready: tuple[Run, Path], tmp_path: Path) -> None:
    cineloop, file = ready
    page = tmp_path / "forecast.html"
    text = ok(cineloop("pitch", "forecast", file, "--html", page))
    assert "A Quiet Harbour, worldwide gross as of 2008-06-30 (greenlight)" in text
    assert "with a chance of 80%" in text and "break-even" in text and "policy:pitch-with-evidence" in text
    plain = json.loads(ok(cineloop("pitch", "forecast", file, "--json")))
    low, high = plain["answer"]["interval"]
    assert low < plain["answer"]["median"] < high
    assert plain["uncertainty"] == {"kind": "interval", "low": low, "high": high, "level": 0.8}
    assert {e["kind"] for e in plain["evidence"]} == {"comparable", "driver"}
    html = page.read_text()
    assert (
        html.count("<svg") == 3 and "A pitch: A Quiet Harbour" in html and "http" not in html.split("<svg")[0]
    )
    # what is seen in a plot is also said in words
    assert 'aria-label="Distribution of the worldwide gross of A Quiet Harbour' in html


def test_comparables_and_what_if(ready: tuple[Run, Path]) -> None:
    cineloop, file = ready
    plain = json.loads(ok(cineloop("pitch", "comparables", file, "-k", "4", "--json")))
    assert len(plain["answer"]["films"]) == 4 and len(plain["evidence"]) == 4
    assert "no forecast" in ok(cineloop("pitch", "comparables", file))
    settings = ("--set", "budget=40_000_000", "--set", "genres=Drama,Comedy")
    one = json.loads(ok(cineloop("pitch", "whatif", file, *settings, "--json")))["answer"]["variants"]
    assert [v["changes"] for v in one] == [{"budget": 4e7, "genres": ["Drama", "Comedy"]}]
    each = json.loads(ok(cineloop("pitch", "whatif", file, *settings, "--each", "--json")))["answer"][
        "variants"
    ]
    assert [v["changes"] for v in each] == [{"budget": 4e7}, {"genres": ["Drama", "Comedy"]}]
    assert "as pitched" in ok(cineloop("pitch", "whatif", file, *settings))


def test_the_example_slate(ready: tuple[Run, Path]) -> None:
    cineloop, file = ready
    brief = file.with_name("slate.toml")
    brief.write_text("scenarios = 200\n" + (ROOT / "examples" / "slate.toml").read_text())
    said = ok(cineloop("pitch", "slate", brief))
    assert "expected profit" in said and "proven" in said and "frontier" in said


def test_drivers_of_a_table(cineloop: Run, films: Path) -> None:
    asked = ("pitch", "drivers", "--table", films, "--as-of", "2010-12-31", "--first", "2005")
    plain = json.loads(ok(cineloop(*asked, "--json")))
    assert {g["driver"] for g in plain["gains"]} >= {"budget", "genre", "company", "franchise"}
    assert "What each group adds to R2" in ok(cineloop(*asked))


def test_an_evaluation_says_all_that_was_measured(
    cineloop: Run, films: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CINELOOP_WORKSPACE", str(tmp_path / "nowhere"))
    asked = ("pitch", "evaluate", "--table", films, "--train-before", "2007-01-01")
    said = cineloop(*asked, "--json")
    plain = json.loads(ok(said))
    assert not (tmp_path / "nowhere").exists()
    assert set(plain["moments"]) == {"greenlight", "release"} and plain["years"] == [2007, 2008, 2009, 2010]
    for moment in plain["moments"].values():
        assert {"hierarchical", "lightgbm", "budget line", "median"} <= set(moment)
        for name, contender in moment.items():
            assert set(contender["metric"]) == set(METRICS)
            assert all(low <= mean <= high for mean, low, high in contender["metric"].values())
            assert ("gain" in contender) == (name != "hierarchical")
    # the same as asking the library
    alone = judge(films_of_table(films), date(2007, 1, 1), moments=["release"]).as_json()["moments"][
        "release"
    ]
    assert plain["moments"]["release"] == alone
    assert "release" in said.err and "greenlight" in said.err


def test_a_table_for_people_leaves_broken_rows_out_and_says_so(
    cineloop: Run, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cineloop.pitch.evaluate as judging

    kept: Any = {n: c for n, c in judging.CONTENDERS.items() if "lightgbm" not in n}
    monkeypatch.setattr(judging, "CONTENDERS", kept)
    lines = films.read_text().splitlines()
    lines[7] = lines[7].replace(lines[7].split(",")[-4], "a lot")
    broken = tmp_path / "broken.csv"
    broken.write_text("\n".join(lines) + "\n")
    days = ("--train-before", "2008-01-01", "--until", "2009-01-01")
    said = cineloop("pitch", "evaluate", "--table", broken, *days, "--moment", "greenlight")
    text = ok(said)
    assert "Seen at greenlight" in text and "Seen at release" not in text
    # a single year says nothing of how years differ
    assert "below: how much better" in text and "(one year)" in text
    assert "left out:" in said.err and ":8:" in said.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("votes = 100", ("votes", "after the release")),
        ("budgt = 100", ("budgt", "no such field")),
        ('release = "soon"', ("release",)),
    ],
)
def test_a_pitch_that_is_none(ready: tuple[Run, Path], line: str, words: tuple[str, ...]) -> None:
    cineloop, file = ready
    file.write_text(PITCH.replace("release = 2010-03-01", "") + line + "\n")
    refused(cineloop("pitch", "forecast", file), *words)


def test_what_can_be_put_right_is_one_line(ready: tuple[Run, Path], tmp_path: Path, films: Path) -> None:
    cineloop, file = ready
    refused(cineloop("pitch", "forecast", tmp_path / "none.toml"), "none.toml")
    refused(cineloop("pitch", "whatif", file, "--set", "decided=2009-01-01"), "decided")
    refused(cineloop("pitch", "whatif", file, "--set", "budget"), "name=value")
    refused(cineloop("pitch", "slate", file), "pitch.toml")
    file.write_text(PITCH.replace("2008-06-30", "1998-06-30"))
    refused(cineloop("pitch", "forecast", file), "too few films", "cineloop data ingest")


def test_an_evaluation_that_cannot_be_made(cineloop: Run, films: Path, tmp_path: Path) -> None:
    missing = cineloop("pitch", "evaluate", "--table", tmp_path / "none.csv", "--train-before", "2008-01-01")
    refused(missing, "none.csv")
    refused(cineloop("pitch", "evaluate", "--table", films, "--train-before", "soon"), "--train-before")
    late = cineloop("pitch", "evaluate", "--table", films, "--train-before", "2031-01-01")
    assert late.code == 2 and "no film to judge" in late.err.splitlines()[-1]


def test_without_films_the_way_to_them_is_told(cineloop: Run, movielens: Path, tmp_path: Path) -> None:
    ok(cineloop("data", "ingest", movielens))
    file = tmp_path / "pitch.toml"
    file.write_text(PITCH)
    refused(cineloop("pitch", "forecast", file), "too few films", "cineloop data ingest")


def film_facts(path: Path) -> Path:
    """A `movies.db` in the layout of the package that the demo fetches, with films of the world of 1998 to 2013."""
    told = ("imdbID", "Title", "Year", "Rating", "Runtime", "Genre", "Released", "Director", "Writer", "Cast")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"create table omdb (ID integer, {', '.join(told)}, Language, Country)")
        database.execute("create table tomatoes (ID integer, BoxOffice real, Production)")
        for row in films_of_the_world(years=range(1998, 2014), a_year=30).iter_rows(named=True):
            ident, day = row["title"].split(":")[1], row["released"]
            facts = (ident, row["name"], day.year, "PG", row["runtime"], row["genres"][0], day.isoformat())
            people = (row["directors"][0], "", "", "English", "USA")
            number = database.execute("select count(*) from omdb").fetchone()[0]
            database.execute(f"insert into omdb values ({', '.join('?' * 13)})", (number, *facts, *people))
            database.execute(
                "insert into tomatoes values (?, ?, ?)", (number, row["worldwide"], row["companies"][0])
            )
    return path


def test_the_demo_forecasts_a_pitch_from_film_facts(cineloop: Run, movielens: Path, tmp_path: Path) -> None:
    facts = film_facts(tmp_path / "movies.db")
    said = ok(cineloop("demo", "--from", movielens, "--films", facts))
    assert "The Salt Road, worldwide gross as of 2014-12-31 (greenlight)" in said
    assert "no film learnt from tells its budget, so it moves nothing" in said and "break-even" not in said
    html = (tmp_path / "studio" / "report.html").read_text()
    assert "A pitch: The Salt Road" in html and "Do such intervals hold?" in html
    # the log's own part is as it was: its homes are made of what members watched
    assert "These films tell no budgets" in html and "A home for ml-100k:" in html
    wrong = cineloop("demo", "--from", movielens, "--films", tmp_path / "none.db")
    assert (
        wrong.code == 2 and wrong.err.count("\n") == 1 and "none.db: no such file of film facts" in wrong.err
    )
