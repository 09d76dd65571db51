"""EMA Avails: windows out of sheets, in CSV and XLSX, and what a later sheet does to an earlier one."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError, MissingExtra
from cineloop.play.available import allowed_titles
from cineloop.store import Store, ingest
from cineloop.store.sources.avails import NEVER, Avails
from cineloop.store.sources.avails_territories import COUNTRIES
from cineloop.store.sources.source import Batch

EXAMPLE = Path(__file__).parents[2] / "examples" / "avails" / "avails.csv"
COLUMNS = (
    *("DisplayName", "Territory", "WorkType", "EntryType", "LicenseType", "Start", "End"),
    *("ContentID", "ALID", "TitleInternalAlias", "TerritoryExclusion"),
)
ROW = {
    "DisplayName": "Lantern Hill",
    "Territory": "DE",
    "WorkType": "Movie",
    "EntryType": "Full Extract",
    "LicenseType": "SVOD",
    "Start": "2026-03-01",
    "End": "2027-03-01",
    "ContentID": "1",
    "ALID": "a1",
    "TitleInternalAlias": "Salt and Thunder",
    "TerritoryExclusion": "",
}


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def sheet(path: Path, *rows: dict[str, str], group: bool = True) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        if group:
            writer.writerow(["Avail"] * len(COLUMNS))
        writer.writerow(COLUMNS)
        writer.writerows([[(ROW | row)[name] for name in COLUMNS] for row in rows])
    return path


def read(path: Path, **settings: Any) -> dict[str, Batch]:
    return {batch.table: batch for batch in Avails(path, "acme", **settings).read()}


def windows(path: Path, **settings: Any) -> list[tuple[Any, ...]]:
    rows = read(path, **settings)["releases"].rows
    return rows.select("title", "territory", "channel", "starts_at", "ends_at").rows()


def open_store(path: Path) -> Store:
    return Store.open(path, create=True)


def taken(store: Store, path: Path, **settings: Any) -> int:
    return ingest(store, Avails(path, "acme", after=store.head(), **settings)).added


def ends(store: Store) -> list[tuple[Any, ...]]:
    rows = store.head().scan("releases").collect().sort("title", "territory", "starts_at", "ends_at")
    return rows.select("title", "territory", "ends_at").rows()


EXPECTED = [  # by hand from examples/avails/avails.csv
    ("acme:2", "DE", "svod", day("2026-03-01"), day("2027-02-28")),
    ("acme:2", "AT", "svod", day("2026-03-01"), day("2027-02-28")),
    ("acme:2", "GB", "est", day("2026-02-01"), day("2026-03-15T06:00")),
    ("acme:2", "GB", "est", day("2026-03-15T06:00"), None),
    ("acme:2", "GB", "tvod", day("2026-04-01"), day("2026-12-31")),
    ("acme:5", None, "svod", None, None),
    ("acme:7", "FR", "svod", None, NEVER),
]


def test_the_example_becomes_the_windows_that_one_reads_in_it() -> None:
    assert windows(EXAMPLE) == EXPECTED
    batches = read(EXAMPLE, titles=True)
    titles = batches["titles"].rows.select("title", "kind", "name", "year", "runtime", "certificate").rows()
    assert titles == [
        ("acme:2", "film", "Salz und Donner", 2024, 112.0, "12"),
        ("acme:5", "film", "The Paper Orchard", 2019, 98.5, "0"),
        ("acme:7", "film", "Nine Quiet Harbours", 2021, 123.0, "16"),
    ]
    assert not any(batch.rejects for batch in batches.values())


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(path)
    return path


def test_a_workbook_with_date_cells_says_the_same_as_the_csv(tmp_path: Path) -> None:
    def cell(text: str) -> Any:
        try:
            return date.fromisoformat(text)  # as a spreadsheet program would store it
        except ValueError:
            return int(text) if text.isdigit() and len(text) < 5 else text or None

    with EXAMPLE.open(newline="") as file:
        rows = [[cell(text) for text in row] for row in csv.reader(file)]
    rows[0] = [
        None if i and rows[0][i] == rows[0][i - 1] else name for i, name in enumerate(rows[0])
    ]  # merged
    path = workbook(tmp_path / "avails.xlsx", {"Read me": [["How to"], ["fill this in"]], "Movies": rows})
    assert windows(path) == EXPECTED
    assert read(path)["releases"].rows["_line"].to_list() == read(EXAMPLE)["releases"].rows["_line"].to_list()


def test_television_has_its_own_columns_and_running_times_may_be_cells(tmp_path: Path) -> None:
    header = [
        *("Territory", "WorkType", "EntryType", "LicenseType", "Start", "End", "SeriesContentID"),
        *("SeasonContentID", "EpisodeContentID", "SeriesTitleInternalAlias", "SeasonNumber", "EpisodeNumber"),
        *("EpisodeTitleInternalAlias", "TotalRunTime"),
    ]
    what = ["US", None, "Full Extract", "SVOD", datetime(2026, 1, 1, 9), "Open", "s", None, None, "The Lamp"]
    series = [*what, None, None, None, None]
    season = [*what, 1, None, None, None]
    episode = [*what, 1, 2, "Wick", time(0, 48, 30)]
    series[1], season[1], episode[1] = "Series", "Season", "Episode"
    season[7] = episode[7] = "s1"
    episode[8] = "s1e2"
    path = workbook(tmp_path / "tv.xlsx", {"TV": [header, series, season, episode]})
    batches = read(path, titles=True, timezone="America/New_York")
    columns = ("title", "kind", "parent", "number", "name", "runtime")
    assert batches["titles"].rows.select(*columns).rows() == [
        ("acme:s", "series", None, None, "The Lamp", None),
        ("acme:s1", "season", "acme:s", 1, "Season 1", None),
        ("acme:s1e2", "episode", "acme:s1", 2, "Wick", 48.5),
    ]
    assert set(batches["releases"].rows["starts_at"]) == {day("2026-01-01T14:00")}  # nine in New York


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"LicenseType": "Rent"}, "LicenseType"),
        ({"Territory": "Germany"}, "Territory"),
        ({"Territory": ""}, "Territory"),
        ({"Territory": "DE,"}, "Territory"),
        ({"Start": "01/03/2026"}, "Start"),
        ({"Start": ""}, "Start"),
        ({"Start": "2026-02-30"}, "Start"),
        ({"End": "2026-03-01"}, "End"),
        ({"End": "ESTStart"}, "End"),
        ({"End": "9999-12-31"}, "End"),
        ({"WorkType": "Collection"}, "WorkType"),
        ({"EntryType": "Perhaps"}, "EntryType"),
        ({"Territory": "WW", "TerritoryExclusion": "China"}, "TerritoryExclusion"),
        ({"Territory": "WW", "TerritoryExclusion": "XX"}, "TerritoryExclusion"),
        ({"TerritoryExclusion": "DE"}, "TerritoryExclusion"),
        ({"ContentID": "", "ALID": ""}, "ContentID"),
    ],
)
def test_a_broken_row_is_rejected_with_file_line_and_field(
    tmp_path: Path, change: dict[str, str], field: str
) -> None:
    path = sheet(tmp_path / "a.csv", {"ContentID": "2"}, change)
    batch = read(path)["releases"]
    (reject,) = batch.rejects
    assert (reject.file, reject.line, reject.field) == (str(path), 4, field)
    assert batch.rows["title"].to_list() == ["acme:2"]
    with pytest.raises(InputError, match=f"a.csv:4: {field}"):
        ingest(open_store(tmp_path / "studio"), Avails(path, "acme"))


def test_a_workbook_s_reject_names_the_sheet(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx", {"Movies": [list(COLUMNS), [(ROW | {"End": "soon"})[c] for c in COLUMNS]]}
    )
    (reject,) = read(path)["releases"].rejects
    assert (reject.file, reject.line, reject.field, reject.value) == (f"{path}#Movies", 2, "End", "soon")


def test_ids_come_from_the_stated_column(tmp_path: Path) -> None:
    path = sheet(tmp_path / "a.csv", {}, {"ContentID": "", "ALID": "a9"})
    assert [w[0] for w in windows(path)] == ["acme:1", "acme:a9"]
    assert [w[0] for w in windows(path, key="ALID")] == ["acme:a1", "acme:a9"]
    assert [w[0] for w in windows(path, key="Avail/ALID")] == ["acme:a1", "acme:a9"]
    with pytest.raises(InputError, match="RetailerID"):
        windows(path, key="RetailerID")


def test_an_end_without_a_time_is_the_moment_after_or_the_last_day(tmp_path: Path) -> None:
    path = sheet(tmp_path / "a.csv", {})
    assert windows(path)[0][-1] == day("2027-03-01")
    assert windows(path, through=True)[0][-1] == day("2027-03-02")
    assert windows(path, timezone="Europe/Berlin")[0][3] == day("2026-02-28T23:00")


def test_the_same_sheet_again_changes_nothing_not_even_under_another_name(tmp_path: Path) -> None:
    store = open_store(tmp_path / "studio")
    assert taken(store, EXAMPLE) == 7
    head = store.head_id()
    assert taken(store, EXAMPLE) == 7 and store.head_id() == head  # the report of the first time
    copy = tmp_path / "again.csv"
    copy.write_text(EXAMPLE.read_text() + "// sent again\n")
    assert taken(store, copy, known_at=day("2026-06-01")) == 0
    assert store.head_id() == head


def test_a_later_sheet_moves_an_end_and_an_earlier_view_still_sees_the_old_one(tmp_path: Path) -> None:
    store = open_store(tmp_path / "studio")
    taken(store, sheet(tmp_path / "a.csv", {}, {"ContentID": "2"}), known_at=day("2026-01-01"))
    taken(store, sheet(tmp_path / "b.csv", {"End": "2026-09-01"}), known_at=day("2026-05-01"))
    assert ends(store) == [("acme:1", "DE", day("2026-09-01")), ("acme:2", "DE", day("2027-03-01"))]
    before = store.head().scan("releases", day("2026-04-30")).collect()
    assert set(before["ends_at"]) == {day("2027-03-01")} and before.height == 2


def test_a_window_comes_back_as_it_was_before_it_was_corrected(tmp_path: Path) -> None:
    store = open_store(tmp_path / "studio")
    later = {"End": "2027-06-01"}
    for name, rows in (("a", [{}, later]), ("b", [later]), ("c", [{}, later]), ("d", [{}])):
        path = sheet(tmp_path / f"{name}.csv", *rows)
        path.write_text(path.read_text() + f"// {name}\n")
        taken(store, path)
        assert {end for *_, end in ends(store)} == {day((ROW | row)["End"]) for row in rows}, name


def test_a_deleted_window_is_closed_and_its_title_is_not_thought_free(tmp_path: Path) -> None:
    store = open_store(tmp_path / "studio")
    two = sheet(tmp_path / "a.csv", {}, {"Start": "2028-01-01", "End": "Open"}, {"Territory": "FR"})
    taken(store, two)
    delete = {"EntryType": "Full Delete"}
    taken(store, sheet(tmp_path / "b.csv", delete))  # the window of that start alone
    assert [end for _, territory, end in ends(store) if territory == "DE"] == [NEVER, None]
    taken(store, sheet(tmp_path / "c.csv", {**delete, "Start": "Open"}))  # all of that territory and licence
    assert {end for _, territory, end in ends(store) if territory == "DE"} == {NEVER}
    releases = store.head().scan("releases").collect()
    titles = pl.DataFrame(schema={"title": pl.String, "genres": pl.List(pl.String), "minimum_age": pl.Int32})
    ids = np.array(["acme:1"], object)
    asked = {"at": day("2026-06-01"), "channel": "svod"}
    assert not allowed_titles(titles, releases, ids, territory="DE", **asked)[0]
    assert allowed_titles(titles, releases, ids, territory="FR", **asked)[0]
    taken(store, sheet(tmp_path / "d.csv", {}))  # offered again
    again = store.head().scan("releases").collect()
    assert allowed_titles(titles, again, ids, territory="DE", **asked)[0]


def shown_in(store: Store, at: str, *countries: str) -> list[str]:
    """Where the first title may be shown at a moment."""
    releases = store.head().scan("releases").collect()
    titles = pl.DataFrame(schema={"title": pl.String, "genres": pl.List(pl.String), "minimum_age": pl.Int32})
    ids = np.array(["acme:1"], object)
    return [c for c in countries if allowed_titles(titles, releases, ids, territory=c, at=day(at))[0]]


def test_the_world_without_some_countries_is_every_other_country(tmp_path: Path) -> None:
    pytest.importorskip("tzdata", reason="the list of countries comes with time zones")
    tables = files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text()  # the list that time zones go by
    codes = {line.split("\t")[0] for line in tables.splitlines() if not line.startswith("#")}
    assert set(COUNTRIES) == codes and len(COUNTRIES) == 249
    path = sheet(tmp_path / "a.csv", {"Territory": "WW", "TerritoryExclusion": "CN, RU"})
    assert {territory for _, territory, *_ in windows(path)} == codes - {"CN", "RU"}
    some = sheet(tmp_path / "b.csv", {"Territory": "DE, AT, CH", "TerritoryExclusion": "AT"})
    assert [territory for _, territory, *_ in windows(some)] == ["DE", "CH"]


def test_a_row_of_the_whole_world_speaks_for_the_countries_that_its_sheet_does_not_name(
    tmp_path: Path,
) -> None:
    store, asked = open_store(tmp_path / "studio"), ("CN", "DE", "FR")
    world, without = {"Territory": "WW"}, {"Territory": "WW", "TerritoryExclusion": "CN"}
    taken(store, sheet(tmp_path / "a.csv", world))
    assert shown_in(store, "2026-06-01", *asked) == ["CN", "DE", "FR"]
    taken(store, sheet(tmp_path / "b.csv", without))  # the window of the whole world closes
    assert shown_in(store, "2026-06-01", *asked) == ["DE", "FR"]
    shorter = {"End": "2026-09-01"}
    taken(
        store, sheet(tmp_path / "c.csv", world | shorter, {"Territory": "FR"})
    )  # France has a row of its own
    assert shown_in(store, "2026-06-01", *asked) == ["CN", "DE", "FR"]
    assert shown_in(store, "2026-10-01", *asked) == ["FR"]
    taken(store, sheet(tmp_path / "d.csv", world | {"EntryType": "Full Delete"}))
    assert shown_in(store, "2026-06-01", *asked) == []


PLACES = {"DE": ("DE", ""), "CN": ("CN", ""), "WW": ("WW", ""), "WW-CN": ("WW", "CN")}
sheet_rows = st.lists(
    st.tuples(
        st.sampled_from(["WW", "WW-CN", "DE", "CN"]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from(["2026-01-01", "2026-01-01", "2026-03-01", "Open"]),
        st.sampled_from(["2026-06-01", "2026-08-01"]),
    ),
    min_size=1,
    max_size=2,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sheets=st.lists(sheet_rows, min_size=1, max_size=4))
def test_windows_of_countries_and_of_the_world_hold_as_an_oracle_says(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    sheets: list[list[tuple[str, bool, str, str]]],
) -> None:
    """The oracle keeps open windows (country or world, start) and their ends, and takes sheets one by one.

    The world has three countries here, for speed.
    """
    monkeypatch.setattr("cineloop.store.sources.avails_territories.COUNTRIES", ("CN", "DE", "FR"))
    folder = tmp_path_factory.mktemp("avails")
    store = open_store(folder / "studio")
    held: dict[tuple[str, str], set[str]] = {}
    for i, rows in enumerate(sheets):
        said: dict[tuple[str, str], set[str]] = {}
        gone: list[tuple[str, str]] = []  # (country or "any", start or "any")
        for place, deletes, start, end in rows:
            world = place.startswith("WW")
            if deletes:
                gone.append(("any" if world else place, "any" if start == "Open" else start))
                continue
            if world:
                gone.append(("any", start))  # it speaks for all that the sheet doesn't name
            for where in ("world",) if place == "WW" else ("DE", "FR") if place == "WW-CN" else (place,):
                said.setdefault((where, start), set()).add(end)
        taken_back = [
            key for key in held if any(t in ("any", key[0]) and s in ("any", key[1]) for t, s in gone)
        ]
        held = {key: ends for key, ends in held.items() if key not in taken_back} | said
        cells = [
            {
                "Territory": PLACES[place][0],
                "TerritoryExclusion": PLACES[place][1],
                "Start": start,
                "End": end,
            }
            | ({"EntryType": "Full Delete"} if deletes else {})
            for place, deletes, start, end in rows
        ]
        path = sheet(folder / f"{i}.csv", *cells)
        path.write_text(path.read_text() + f"// sheet {i}\n")
        taken(store, path)
        for moment in ("2025-06-01", "2026-02-01", "2026-04-01", "2026-07-01"):
            open_now = {
                where
                for (where, start), ends in held.items()
                if (start == "Open" or start <= moment) and any(moment < end for end in ends)
            }
            expected = [c for c in ("CN", "DE", "FR") if {c, "world"} & open_now]
            assert shown_in(store, moment, "CN", "DE", "FR") == expected, (i, moment)


def test_the_published_words_for_entries_are_known(tmp_path: Path) -> None:
    """EntryType of MovieLabs' vocabulary for Avails 2.5: three that offer, two that take back."""
    for word in ("Full Extract", "Create", "Update", "Full Delete", "Delete"):
        (window,) = windows(sheet(tmp_path / f"{word}.csv", {"EntryType": word}))
        assert (window[-1] == NEVER) == word.endswith("Delete"), word


offers = st.lists(
    st.tuples(
        st.sampled_from("12"), st.sampled_from(["DE", "FR"]), st.sampled_from("123"), st.sampled_from("678")
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sheets=st.lists(offers.filter(bool), min_size=1, max_size=4))
def test_after_any_sheets_a_window_has_the_ends_of_the_last_sheet_that_named_it(
    tmp_path_factory: pytest.TempPathFactory, sheets: list[list[tuple[str, str, str, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("avails")
    store = open_store(folder / "studio")
    said: dict[tuple[str, str, str], set[str]] = {}
    for i, rows in enumerate(sheets):
        path = folder / f"{i}.csv"
        sheet(
            path,
            *(
                {"ContentID": t, "Territory": c, "Start": f"2026-0{s}-01", "End": f"2026-0{e}-01"}
                for t, c, s, e in rows
            ),
        )
        path.write_text(path.read_text() + f"// sheet {i}\n")  # a sheet that says the same is another file
        taken(store, path)
        last: dict[tuple[str, str, str], set[str]] = {}
        for title, country, start, end in rows:
            last.setdefault((title, country, start), set()).add(end)
        said.update(last)
    found = store.head().scan("releases").collect()
    expected = {
        (f"acme:{t}", c, day(f"2026-0{s}-01"), day(f"2026-0{e}-01"))
        for (t, c, s), of in said.items()
        for e in of
    }
    assert set(found.select("title", "territory", "starts_at", "ends_at").rows()) == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "no sheet of avails"),
        ("other.csv", b"user,item\n1,2\n", "no sheet of avails"),
        ("latin.csv", "Territory,LicenseType,Start\nDE,SVOD,für\n".encode("latin-1"), "not UTF-8"),
        ("quote.csv", b'Territory,LicenseType,Start\nDE,SVOD,"2026\n', "not CSV"),
        ("junk.xlsx", b"PK\x03\x04 no archive", "not a readable workbook"),
    ],
)
def test_a_file_that_is_none_is_said_in_a_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as raised:
        windows(path)
    assert str(path) in str(raised.value)


def test_without_openpyxl_a_workbook_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(MissingExtra, match=r"cineloop\[xlsx\]"):
        windows(path)


def test_what_cannot_be_a_source_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Avails(tmp_path / "a.csv", "acme")
    with pytest.raises(InputError, match="no such zone"):
        Avails(EXAMPLE, "acme", timezone="Mars/Olympus")
    with pytest.raises(InputError, match="source's name"):
        Avails(EXAMPLE, "")
