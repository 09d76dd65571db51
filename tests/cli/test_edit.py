"""`cineloop edit` and `data ingest --avails`, as an editor types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from said import Said
from service_log import put_live

from cineloop.studio import Studio

Run = Callable[..., Said]
EXAMPLE = Path(__file__).parents[2] / "examples" / "avails" / "avails.csv"


def ok(said: Said) -> str:
    assert said.code == 0, said.err
    return said.out


@pytest.fixture
def service(cineloop: Run, movielens: Path, tmp_path: Path) -> Run:
    """A log, and popularity live."""
    ok(cineloop("data", "ingest", movielens))
    run = json.loads(ok(cineloop("train", "popularity", "--json")))["id"]
    studio = Studio(tmp_path / "studio")
    put_live(studio, run)
    studio.close()
    return cineloop


def top(run: Run, *words: str) -> list[dict[str, Any]]:
    page = json.loads(ok(run("play", "home", "ml-100k:1", "--json", *words)))
    return next(row["cards"] for row in page["answer"]["rows"] if row["kind"] == "top-picks")


def test_an_editor_s_pin_is_on_the_next_home_and_gone_when_taken_back(service: Run) -> None:
    before = top(service)
    title = before[-1]["title"]
    name = before[-1]["name"]
    said = ok(service("edit", "pin", name, "--position", 2, "--until", "1998-12-31", "--by", "Ada"))
    assert said == (
        f"pin:{title}: {name} ({title}) pinned at place 2 of top-picks, everywhere, "
        "from now on to before 1999-01-01 00:00 UTC; holds now\n"
    )
    card = top(service)[2]
    assert card["title"] == title and card["reason"]["text"] == "pinned by Ada until 31 December"
    again = ("edit", "pin", title, "--position", 2, "--until", "1998-12-31", "--by", "Ada", "--json")
    assert json.loads(ok(service(*again))) == {"written": [], "already": 1}
    (act,) = json.loads(ok(service("edit", "list", "--json")))
    assert (act["id"], act["by"], act["holds"]) == (f"pin:{title}", "Ada", "now")
    assert "withdrawn" in ok(service("edit", "withdraw", f"pin:{title}"))
    assert top(service) == before and json.loads(ok(service("edit", "list", "--json"))) == []


def test_boosts_blocks_and_rows_hold_where_and_when_they_say(service: Run) -> None:
    first, second = (card["title"] for card in top(service)[:2])
    assert "DE, from 2001-01-01 00:00 until withdrawn; holds later" in ok(
        service("edit", "block", first, "--territory", "DE", "--from", "2001-01-01")
    )
    ok(service("edit", "block", first, "--territory", "FR"))
    assert top(service, "--territory", "DE")[0]["title"] == first
    assert top(service, "--territory", "FR")[0]["title"] == second
    ok(service("edit", "boost", second, "--factor", 10, "--territory", "DE"))
    assert top(service, "--territory", "DE")[0]["title"] == second
    words = ("edit", "row", "nights", "--heading", "Late nights", "--title", first, "--title", second)
    assert ok(service(*words)).count("\n") == 3
    page = json.loads(ok(service("play", "home", "ml-100k:1", "--json")))
    assert page["answer"]["rows"][1]["heading"] == "Late nights"
    gone = json.loads(ok(service("edit", "withdraw", "row:nights", "--json")))
    assert len(gone["written"]) == 3
    assert {a["kind"] for a in json.loads(ok(service("edit", "list", "--json")))} == {"block", "boost"}
    assert "Late nights" not in ok(service("edit", "list"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pin", "Flim 7"], "title 'Flim 7': no such title; accepted: Film 7"),
        (["pin", "Film 7", "--row", "nowhere"], "row 'nowhere': no such row; accepted: top-picks,"),
        (["pin", "Film 7", "--until", "soon"], "--until 'soon': not a moment"),
        (["pin", "Film 7", "--territory", "Mars"], "territory 'Mars'"),
        (["pin", "Film 7", "--from", "1999-01-02", "--until", "1998-01-01"], "later than starts_at"),
        (["boost", "Film 7", "--factor", "99"], "0.1<=x<=10"),
        (["row", "r", "--heading", "R", "--title", "Film 7", "--id", "x"], "a row goes by its NAME"),
        (["withdraw", "pin:x"], "id 'pin:x': no such act; accepted: none stands"),
        (["import", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_an_editor_gets_wrong_is_said_in_a_line(
    cineloop: Run, movielens: Path, words: list[str], expected: str
) -> None:
    ok(cineloop("data", "ingest", movielens))
    said = cineloop("edit", *words)
    assert said.code == 2 and expected in said.err
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and said.out == ""


def test_acts_come_from_a_csv_once(service: Run, tmp_path: Path) -> None:
    path = tmp_path / "acts.csv"
    path.write_text("kind,title,factor,by\npin,Film 7,,Ada\nboost,Film 8,2,\n")
    first = json.loads(ok(service("edit", "import", path, "--by", "Ben", "--json")))
    assert [(a["kind"], a["by"]) for a in first["written"]] == [("pin", "Ada"), ("boost", "Ben")]
    assert ok(service("edit", "import", path, "--by", "Ben")) == "2 stood so before\n"


def test_avails_are_ingested_with_their_titles(cineloop: Run) -> None:
    words = ("data", "ingest", EXAMPLE, "--avails", "--name", "acme", "--titles", "--json")
    first = json.loads(ok(cineloop(*words)))
    assert {name: t["added"] for name, t in first["tables"].items()} == {"releases": 7, "titles": 3}
    assert json.loads(ok(cineloop(*words)))["already"]
    assert "Paper Orchard" in ok(cineloop("edit", "pin", "the paper orchard"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([EXAMPLE, "--avails"], "--avails goes with --name"),
        ([EXAMPLE, "--titles"], "go with --avails"),
        (["nowhere.xlsx", "--avails", "--name", "acme"], "nowhere.xlsx: no such file"),
        ([EXAMPLE, "--avails", "--name", "acme", "--key", "RetailerID"], "RetailerID"),
        ([EXAMPLE, "--avails", "--name", "acme", "--known", "then"], "--known 'then': not a moment"),
    ],
)
def test_what_avails_need_is_said_in_a_line(cineloop: Run, words: list[object], expected: str) -> None:
    said = cineloop("data", "ingest", *words)
    assert said.code == 2 and expected in said.err and said.err.count("\n") == 1
