"""Netflix's reports in their published layouts, its Top 10, and catalogue listings. Expected rows by hand."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store import Store, ingest
from cineloop.store.sources.catalogue_csv import CatalogueCsv
from cineloop.store.sources.layouts import source_of
from cineloop.store.sources.netflix_engagement import NetflixEngagement
from cineloop.store.sources.netflix_top10 import NetflixTop10
from cineloop.store.sources.report_strings import language_of, parse
from cineloop.store.sources.source import Reject, Source

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "titles"
FIRST = ("Title", "Available Globally?", "Release Date", "Hours Viewed")
LATER = (*FIRST, "Runtime", "Views")


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(source: Source) -> tuple[dict[str, pl.DataFrame], list[Reject]]:
    frames: dict[str, list[pl.DataFrame]] = {}
    rejects: list[Reject] = []
    for batch in source.read():
        frames.setdefault(batch.table, []).append(batch.rows)
        rejects += batch.rejects
    return {name: pl.concat(some, how="diagonal_relaxed") for name, some in frames.items()}, rejects


def book(
    path: Path, period: str, sheets: dict[str, list[tuple[Any, ...]]], header: tuple[str, ...], above: int = 3
) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        sheet.append([None, "What We Watched: A Netflix Engagement Report"])
        sheet.append([None, period])
        for _ in range(above - 2):
            sheet.append([])
        sheet.append([None, *header])
        for row in rows:
            sheet.append([None, *row])
    made.save(path)
    return path


def test_the_first_report_has_one_sheet_and_no_views(tmp_path: Path) -> None:
    rows = [
        ("The Glory: Season 1 // 더 글로리: 시즌 1", "Yes", datetime(2022, 12, 30), 622800000),
        ("Leo", "No", None, 100000),
    ]
    path = book(tmp_path / "a.xlsx", "Hours viewed from January to June 2023", {"Engagement": rows}, FIRST)
    tables, rejects = read(NetflixEngagement(path))
    assert not rejects
    series, glory, leo = tables["titles"].iter_rows(named=True)
    assert (series["kind"], series["name"], series["language"]) == ("series", "The Glory", "ko")
    assert (glory["kind"], glory["number"], glory["parent"]) == ("season", 1, series["title"])
    assert (leo["kind"], leo["title"], leo["language"]) == ("film", "netflix:Leo", None)
    hours = tables["engagement"].row(0, named=True)
    assert (hours["starts_at"], hours["ends_at"]) == (day("2023-01-01"), day("2023-07-01"))
    assert (hours["hours"], hours["views"], hours["known_at"]) == (622800000.0, None, day("2023-12-12"))
    assert tables["releases"].select("title", "channel", "starts_at").rows() == [
        (glory["title"], "svod", day("2022-12-30"))
    ]


@pytest.mark.parametrize(("shows", "films"), [("TV", "Film"), ("Shows", "Movies")])
@pytest.mark.parametrize("above", [2, 3, 9])
def test_later_reports_tell_kinds_by_sheet(tmp_path: Path, shows: str, films: str, above: int) -> None:
    sheets = {
        shows: [("Wednesday", "Yes", "2023-08-31", 541900000, "7:34", 71600000)],
        films: [("John Wick: Chapter 2", "No", None, 5000000, time(2, 2), 2400000)],
    }
    path = book(tmp_path / "a.xlsx", "Views from July to December 2023", sheets, LATER, above)
    tables, _ = read(NetflixEngagement(path))
    assert tables["titles"].select("kind", "name", "runtime").rows() == [
        ("season", "Wednesday", 454.0),
        ("film", "John Wick: Chapter 2", 122.0),
    ]
    assert tables["engagement"]["views"].to_list() == [71600000.0, 2400000.0]
    assert tables["engagement"]["known_at"].unique().to_list() == [day("2024-05-23")]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ((None, "Yes", None, 5, "1:00", 5), "Title"),
        (("X", "Yes", None, None, "1:00", 5), "Hours Viewed"),
        (("X", "Yes", None, -5, "1:00", 5), "Hours Viewed"),
        (("X", "Yes", "soon", 5, "1:00", 5), "Release Date"),
        (("X", "Yes", None, 5, "1:75", 5), "Runtime"),
        (("X", "Yes", None, 5, "1:00", "lots"), "Views"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: tuple[Any, ...], field: str) -> None:
    sheets = {"Film": [("Leo", "Yes", None, 5, timedelta(hours=1), 5), row]}
    path = book(tmp_path / "a.xlsx", "Views from July to December 2023", sheets, LATER)
    tables, rejects = read(NetflixEngagement(path))
    assert [(r.file.endswith("#Film"), r.line, r.field) for r in rejects] == [(True, 6, field)]
    assert tables["engagement"].height == 1


def test_two_titles_of_one_string_are_told_apart_by_running_time(tmp_path: Path) -> None:
    rows = [("Monster", "No", None, 9, "1:49", 5), ("Monster", "No", None, 5, "2:07", 2)]
    path = book(tmp_path / "a.xlsx", "Views from January to June 2024", {"Film": rows}, LATER)
    tables, _ = read(NetflixEngagement(path))
    assert tables["titles"]["title"].to_list() == ["netflix:Monster", "netflix:Monster [2:07]"]


def test_what_is_no_report_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.xlsx").write_bytes(b"PK not a workbook")
    with pytest.raises(InputError, match="not a readable workbook"):
        read(NetflixEngagement(tmp_path / "no.xlsx"))
    path = book(tmp_path / "x.xlsx", "Some other time", {"Film": [("Leo", "No", None, 5, "1:00", 5)]}, LATER)
    with pytest.raises(InputError, match="no half year"):
        read(NetflixEngagement(path))
    named = path.rename(tmp_path / "engagement_2024H2.xlsx")
    tables, _ = read(NetflixEngagement(named))
    assert tables["engagement"]["ends_at"].to_list() == [day("2025-01-01")]
    other = book(tmp_path / "y.xlsx", "Views from July to December 2023", {"Film": []}, ("Title", "Gross"))
    with pytest.raises(InputError, match="no sheet of engagement"):
        read(NetflixEngagement(other))


# words of the published reports' strings, and what a reader makes of them
STRINGS = [
    ("The Night Agent: Season 1", None, ("The Night Agent", "season", 1)),
    ("Lupin: Part 3", None, ("Lupin", "season", 3)),
    ("Dear Child: Limited Series // Liebes Kind: Miniserie", None, ("Dear Child", "season", None)),
    ("Money Heist: Part V", "season", ("Money Heist", "season", 5)),
    ("Attack on Titan: The Final Season Part 2", "season", ("Attack on Titan", "season", 2)),
    ("Stranger Things 4", "season", ("Stranger Things 4", "season", None)),
    (
        "Harry Potter and the Deathly Hallows: Part 2",
        "film",
        ("Harry Potter and the Deathly Hallows: Part 2", "film", None),
    ),
    ("Fireplace 4K: Crackling Birchwood", None, ("Fireplace 4K: Crackling Birchwood", "film", None)),
]


@pytest.mark.parametrize(("text", "kind", "expected"), STRINGS)
def test_report_strings(text: str, kind: Any, expected: tuple[str, str, int | None]) -> None:
    told = parse(text, kind)
    assert (told.name, told.kind, told.number) == expected


def test_limited_series_and_originals_are_told() -> None:
    told = parse("Dear Child: Limited Series // Liebes Kind: Miniserie")
    assert told.limited and told.original == "Liebes Kind"
    twice = parse("Meteor Garden: Season 1 // 流星花園: 第 1 季 // 流星花园: 第 1 季")
    assert (twice.original, twice.language) == ("流星花園", "zh")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ワンピース", "ja"),
        ("초콜릿", "ko"),
        ("शैतान", "hi"),
        ("ใจฟู สตอรี่", "th"),
        ("Sous la Seine", "fr"),
        ("La sociedad de la nieve", "es"),
        ("Gang Zielonej Rękawiczki: Sezon 1", "pl"),
        ("Kulüp: 1. Sezon", "tr"),
        ("Xtremo", None),
    ],
)
def test_languages_by_script_and_words(text: str, language: str | None) -> None:
    assert language_of(text) == language


@given(st.text(max_size=60), st.sampled_from([None, "film", "season"]))
def test_any_string_is_read(text: str, kind: Any) -> None:
    told = parse(text, kind)
    assert told.kind in ("film", "season") and (kind is None or told.kind == kind)
    assert told.number is None or told.number >= 0


TOP = "\t".join(
    (
        *("week", "category", "weekly_rank", "show_title", "season_title", "weekly_hours_viewed"),
        *("runtime", "weekly_views", "cumulative_weeks_in_top_10"),
    )
)


def test_top_10_weeks_and_what_is_on_them(tmp_path: Path) -> None:
    path = tmp_path / "top.tsv"
    path.write_text(
        "\n".join(
            [
                TOP,
                "2024-06-30\tTV (English)\t1\tBridgerton\tBridgerton: Season 3\t50000000\t8.0\t6000000\t2",
                "2024-06-23\tTV (English)\t1\tBridgerton\tBridgerton: Season 3\t90000000\t\t\t1",
                "2024-06-30\tFilms (Non-English)\t1\tUnder Paris\tN/A\t8000000\t1.7333\t4600000\t3",
                "2024-06-31\tFilms (English)\t1\tBroken\t\t1\t\t\t1",
                "2024-06-30\tFilms (English)\t0\tBroken\t\t1\t\t\t1",
            ]
        )
        + "\n"
    )
    tables, rejects = read(NetflixTop10(path))
    assert [(r.line, r.field) for r in rejects] == [(5, "week"), (6, "weekly_rank")]
    week = tables["engagement"].row(0, named=True)
    assert (week["starts_at"], week["ends_at"]) == (day("2024-06-24"), day("2024-07-01"))  # Monday to Sunday
    assert (week["rank"], week["chart"], week["known_at"]) == (1, "TV (English)", day("2024-07-03"))
    titles = {row["title"]: row for row in tables["titles"].iter_rows(named=True)}
    season = titles["netflix-top10:season/Bridgerton: Season 3"]
    assert (season["parent"], season["number"], season["runtime"]) == (
        "netflix-top10:series/Bridgerton",
        3,
        480.0,
    )
    assert season["known_at"] == day("2024-06-26")  # the earlier week, though it comes later in the file
    assert titles["netflix-top10:film/Under Paris"]["language"] is None


CATALOGUE = (
    "show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description"
)


def test_catalogue_rows_are_known_from_the_day_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "\n".join(
            [
                CATALOGUE,
                's1,Movie,Leo,A B,"C D, E F","United States, Canada","September 25, 2021",2020,PG-13,'
                '90 min,"Dramas, Comedies",About.',
                's2,TV Show,Dark,,,Germany," December 1, 2017",2017,TV-MA,3 Seasons,TV Dramas,About.',
                "s3,Movie,Shifted,,,,,2017,74 min,,Movies,About.",
                "s4,Radio,X,,,,,2017,R,1 min,Movies,About.",
                "s5,Movie,Undated,,,,,2017,R,1 min,Movies,About.",
            ]
        )
        + "\n"
    )
    tables, rejects = read(CatalogueCsv(path))
    assert [(r.line, r.field) for r in rejects] == [(4, "rating"), (5, "type")]
    leo, dark, undated = tables["titles"].iter_rows(named=True)
    assert (leo["runtime"], leo["country"], leo["known_at"]) == (90.0, "United States", day("2021-09-25"))
    assert (dark["kind"], dark["runtime"], dark["known_at"]) == ("series", None, day("2017-12-01"))
    assert undated["known_at"] == day("2017-12-31")
    assert tables["releases"]["title"].to_list() == ["catalogue:s1", "catalogue:s2"]


def test_a_report_goes_into_the_tables_of_record_once(tmp_path: Path) -> None:
    rows = [("Leo", "Yes", "2023-11-21", 171200000, "1:47", 96000000)]
    path = book(tmp_path / "a.xlsx", "Views from July to December 2023", {"Film": rows}, LATER)
    store = Store.open(tmp_path / "w", create=True)
    assert ingest(store, source_of(path)).added == 3
    assert ingest(store, source_of(path)).already
    before = store.head().scan("engagement", day("2024-05-22")).collect()
    assert before.height == 0  # not published yet


@pytest.mark.soak
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/titles")
def test_every_published_row_is_taken() -> None:
    # numbers of rows as counted in the workbooks
    for half, rows in (("2023H1", 18214), ("2023H2", 15994), ("2024H1", 16161)):
        tables, rejects = read(NetflixEngagement(DATA / f"netflix_engagement_{half}.xlsx"))
        assert tables["engagement"].height == rows and not rejects
