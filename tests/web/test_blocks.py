"""What editors block is gone from search, from near titles and from lists; staff still see it, marked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from service_log import NOW
from serving import TOKEN, workspace

from cineloop.play.edits import Act, act_id, write
from cineloop.play.recommend import similar_titles
from cineloop.store import append
from cineloop.store.sources.avails_territories import COUNTRIES
from cineloop.studio import Studio
from cineloop.web.app import create_app
from cineloop.web.settings import Settings


def act(kind: str, title: str, territory: str | None = None, **more: object) -> Act:
    identity = act_id(kind, title, None, territory)
    return Act(identity, kind, "Ada", title, territory=territory, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """film-3 is blocked everywhere, film-6 in France, film-9 was blocked until a month ago; film-0 is pinned."""
    place: Path = tmp_path_factory.mktemp("blocks") / "studio"
    studio = workspace(place)
    over = {"ends_at": NOW - timedelta(days=30), "note": "a <b>claim</b>, settled"}
    acts = [act("block", "film-3"), act("block", "film-6", "FR"), act("block", "film-9", **over)]
    write(studio, [*acts, act("pin", "film-0", position=1)], NOW)
    offered = [
        {"title": "film-12", "territory": t, "channel": "svod", "known_at": NOW} for t in COUNTRIES[:200]
    ]
    offered += [
        {"title": "film-15", "territory": t, "channel": "svod", "known_at": NOW} for t in ("DE", "AT")
    ]
    append(studio.store, {"releases": pl.DataFrame(offered)}, "a distributor")
    studio.close()
    return place


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(folder, TOKEN, look_every=60))) as client:
        yield client


def near(web: TestClient, **asked: object) -> list[str]:
    found = web.get("/v1/titles/film-0/similar", params={"limit": 100, **asked}).json()["similar"]
    return [each["title"] for each in found]


def test_near_titles_lack_what_is_blocked_there(web: TestClient) -> None:
    everywhere, france = near(web), near(web, territory="FR")
    assert "film-3" not in everywhere and {"film-6", "film-9"} <= set(everywhere)
    assert france == [title for title in everywhere if title != "film-6"]
    assert len(near(web, limit=3)) == 3  # places that blocked titles leave are filled
    # the blocked one is still known, and has neighbours
    assert web.get("/v1/titles/film-3").status_code == 200
    assert web.get("/v1/titles/film-3/similar").json()["similar"]


def test_search_and_lists_lack_it_too(web: TestClient) -> None:
    def found(**asked: object) -> list[str]:
        answer = web.get("/v1/search", params={"q": "film", "limit": 100, **asked})
        return [each["title"] for each in answer.json()["found"]]

    def listed(**asked: object) -> tuple[int, list[str]]:
        page = web.get("/v1/titles", params={"limit": 500, **asked}).json()
        return page["total"], [each["title"] for each in page["titles"]]

    assert "film-3" not in found() and "film-6" in found() and "film-6" not in found(territory="FR")
    assert [each["title"] for each in web.get("/v1/search?q=film 3&limit=1").json()["found"]] != ["film-3"]
    (all_, names), (there, _) = listed(), listed(territory="FR")
    assert all_ == len(names) == there + 1 and "film-3" not in names
    assert web.get("/v1/search?q=film&territory=france").status_code == 422


def test_the_console_marks_it_and_says_by_whom(web: TestClient) -> None:
    page = web.get("/console/titles/film-3")
    assert page.status_code == 200 and '<span class="tag bad">blocked</span>' in page.text
    assert "Editors&#39; hand</h2>" in page.text
    assert "<td>Ada</td>" in page.text and "<td>everywhere</td>" in page.text
    assert '<span class="tag bad">blocked in FR</span>' in web.get("/console/titles/film-6").text
    over = web.get("/console/titles/film-9").text
    assert "no more" in over and "tag bad" not in over
    assert "a &lt;b&gt;claim&lt;/b&gt;, settled" in over
    assert "pinned at place 1 of top-picks" in web.get("/console/titles/film-0").text
    assert "hand</h2>" not in web.get("/console/titles/film-12").text  # nobody touched it
    assert '/console/titles/film-3"' not in web.get("/console/titles/film-0").text.split("Near it")[1]


def test_the_console_s_search_tells_it_apart(web: TestClient) -> None:
    page = web.get("/console/search", params={"q": "film 3"}).text
    held, walls = page.split("Blocked by editors")[1].split("the best fit first")
    assert '/console/titles/film-3"' not in walls and '/console/titles/film-3"' in held
    assert "Blocked by editors" not in web.get("/console/search", params={"q": "the show"}).text


def test_one_offer_of_many_countries_is_one_line(web: TestClient) -> None:
    page = web.get("/console/titles/film-12").text
    windows = page.split("Availability</h2>")[1]
    assert windows.count("<td>svod</td>") == 1 and "<summary>200 countries</summary>" in windows
    assert "AT, DE" in web.get("/console/titles/film-15").text
    assert "No window is on record" in web.get("/console/titles/film-18").text


def test_the_command_line_s_answer_lacks_it(folder: Path) -> None:
    studio = Studio(folder)

    def titles(territory: str | None = None) -> list[str]:
        return similar_titles(studio, "film-0", 50, territory=territory)[1]["title"].to_list()

    assert "film-3" not in titles() and "film-6" in titles() and "film-6" not in titles("FR")
    named, rows = similar_titles(studio, "Film 3", 4)
    assert named["title"] == "film-3" and rows["rank"].to_list() == [1, 2, 3, 4]
    studio.close()
