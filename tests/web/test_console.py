"""The console by HTTP: every page of a workspace with data, of an empty one, and of one full of hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from service_log import at, put_live, titles
from serving import TOKEN, workspace

from cineloop.lab.recipe import make
from cineloop.store import append
from cineloop.studio import Studio
from cineloop.web.app import create_app
from cineloop.web.console.pages import templates
from cineloop.web.console.profiles import sample
from cineloop.web.console.runs import attributed
from cineloop.web.settings import Settings

HOSTILE = '<script>alert("x")</script>'
PLACES = ("", "/profiles", "/titles", "/runs", "/data", "/search", "/decisions")


@contextmanager
def console(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(folder, TOKEN, look_every=60))) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up service, with two evaluations, a turn's record and one refused row."""
    place: Path = tmp_path_factory.mktemp("console") / "studio"
    studio = workspace(place)
    for contender, shift in (("popularity", 0.0), ("ease", 0.2)):
        scores = pl.DataFrame(
            {"fold": ["day"] * 20, "unit": [f"m{i}" for i in range(20)], "ndcg@100": [0.3 + shift] * 20}
        )
        protocol = {"name": "a test's", "stage": "test"}
        studio.lab.record(contender, protocol, studio.store.head_id(), [], scores)
    bad = {"title": ["film-0"], "kind": ["no such kind"], "name": [HOSTILE], "known_at": [at(0)]}
    append(studio.store, {"titles": pl.DataFrame(bad)}, "broken", on_broken="quarantine")
    (place / "turns").mkdir()
    for name, began, why in (
        ("later", "2026-04-12", HOSTILE),
        ("sooner", "2026-04-11", "of old"),
        ("begun", "2026-05-01", "?"),
    ):
        said = {"began_at": began, "why": why, "stages": []}
        (place / "turns" / f"{name}.json").write_text(json.dumps(said))
    (place / "turns" / "torn.json").write_text("{")
    studio.close()
    return place


@pytest.fixture(scope="module")
def full(folder: Path) -> Iterator[TestClient]:
    with console(folder) as client:
        yield client


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.named: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.named += attrs


def sound(text: str) -> None:
    """One h1, landmarks, and nothing that the content security policy would have to refuse."""
    seen = Seen(text)
    assert seen.tags.count("h1") == 1 and {"main", "nav", "header", "footer"} <= set(seen.tags)
    names = [name for name, _ in seen.named]
    assert "style" not in names and "style" not in seen.tags and not any(n.startswith("on") for n in names)
    assert (
        seen.tags.count("script") == 2 and "<script>" not in text
    )  # both of the console's own have a source
    ids = [value for name, value in seen.named if name == "id"]
    own = [i for i in ids if not (i or "").startswith("m")]  # plots share the definitions of equal markers
    assert len(own) == len(set(own))


@pytest.mark.parametrize("place", PLACES)
def test_every_place_answers(full: TestClient, place: str) -> None:
    said = full.get(f"/console{place}")
    assert said.status_code == 200 and said.headers["content-type"].startswith("text/html")
    sound(said.text)
    assert f'href="/console{place}" aria-current="page"' in said.text or place == "/search"


@pytest.mark.parametrize("place", PLACES)
def test_an_empty_workspace_is_met_kindly(tmp_path: Path, place: str) -> None:
    Studio(tmp_path / "new", create=True).close()
    with console(tmp_path / "new") as client:
        said = client.get(f"/console{place}")
    assert said.status_code == 200
    sound(said.text)
    if place == "":
        assert "cineloop demo" in said.text


def test_the_front_page_says_what_is_live_and_when_the_log_ended(full: TestClient) -> None:
    said = full.get("/", follow_redirects=True).text
    assert (
        "ease is on the screen" in said and "The log ends on 11 April 2026" in said
    )  # day 100 after 1 January
    assert "Promoted" in said
    assert "12 Apr 2026" in said and "&lt;script&gt;" in said  # the turn that began last, of those that ended
    assert "of old" not in said and "1 May 2026" not in said


def test_a_profile_s_home_shows_reasons_and_leads_to_its_decision(full: TestClient) -> None:
    said = full.get("/console/profiles/me").text
    sound(said)
    posters, whys = said.count('class="poster '), said.count('class="why"')
    assert posters == whys >= 10 and "you liked Film" in said
    found = re.search(r"/console/decisions/(d-\w+)", said)
    assert found is not None
    decision = full.get(found[0])
    sound(decision.text)
    assert decision.status_code == 200 and "policy:home-for-its-member" in decision.text
    assert "house-of-me" not in decision.text and ">me<" not in decision.text  # a pseudonym stands there
    assert found[1][:14] in full.get("/console/decisions").text


def test_filters_and_profiling_are_a_form(full: TestClient) -> None:
    off = full.get("/console/profiles/me", params={"profiling": "off", "territory": "se", "max_age": "12"})
    assert off.status_code == 200 and "you liked" not in off.text and 'value="off" checked' in off.text
    wrong = full.get("/console/profiles/me", params={"max_age": HOSTILE})
    assert wrong.status_code == 422 and "a number from 0 to 120" in wrong.text
    sound(wrong.text)
    led = full.get("/console/profiles", params={"id": " me "}, follow_redirects=False)
    assert led.status_code == 303 and led.headers["location"] == "/console/profiles/me"


def test_who_objects_gets_no_profiled_home_and_stands_in_no_sample(tmp_path: Path) -> None:
    studio = workspace(tmp_path / "studio")
    assert "me" in [profile for profile, _ in sample(studio, 100)]
    studio.guard.object("me")
    assert "me" not in [profile for profile, _ in sample(studio, 100)]
    studio.close()
    with console(tmp_path / "studio") as client:
        said = client.get("/console/profiles/me")
        assert said.status_code == 403 and "Refused." in said.text
        sound(said.text)
        assert client.get("/console/profiles/me?profiling=off").status_code == 200


def test_a_title_s_page_gathers_what_is_known(full: TestClient) -> None:
    said = full.get("/console/titles/film-3").text
    sound(said)
    assert "Film 3" in said and "Near it" in said and "Availability" in said and "Comedy" in said
    # 10 of the crowd of 40 like it by hand count: members m = 0 mod 3 whose (1 + m) mod 4 is not 0; and `me`
    likes = 1 + sum(1 for m in range(0, 40, 3) if (1 + m) % 4)
    assert f"<dd>{likes}</dd>" in said
    assert full.get("/console/titles/show-1-1").status_code == 200  # an episode leads to its series
    assert full.get("/console/titles", params={"genre": "Horror"}).text.count('class="poster ') == 12


def test_search_forgives_typing(full: TestClient) -> None:
    assert "The Show" in full.get("/console/search", params={"q": "the shw"}).text
    sound(full.get("/console/search", params={"q": HOSTILE}).text)


def test_runs_and_comparisons(full: TestClient, folder: Path) -> None:
    said = full.get("/console/runs").text
    run = re.search(r"/console/runs/(\w+)", said)
    assert run is not None and "live" in said
    one = full.get(run[0])
    assert one.status_code == 200 and "Knobs" in one.text and "Promoted" in one.text
    sound(one.text)
    chosen = re.findall(r'name="e" value="(\w+)"', said)
    assert len(chosen) == 2
    compared = full.get("/console/compare", params={"e": chosen})
    sound(compared.text)
    assert "Paired differences to popularity" in compared.text and "+0.2000" in compared.text
    assert full.get("/console/compare", params={"e": chosen[:1]}).status_code == 422


def test_data_shows_what_was_refused_and_why(full: TestClient) -> None:
    said = full.get("/console/data").text
    led = re.search(r"/console/data/refused/\w+", said)
    assert led is not None
    rows = full.get(led[0]).text
    sound(rows)
    assert "no such kind" in rows and "what is wrong" in rows


@pytest.mark.parametrize(
    "gone",
    ["nowhere", "titles/no", "profiles/no", "runs/no", "decisions/no", "data/refused/no", "compare?e=no"],
)
def test_what_is_not_there_is_a_page_that_helps(full: TestClient, gone: str) -> None:
    said = full.get(f"/console/{gone}")
    assert said.status_code == 404 and 'class="button"' in said.text
    sound(said.text)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    studio = Studio(tmp_path / "studio", create=True)
    named = [row | {"name": HOSTILE} if row["title"] == "film-0" else row for row in titles()]
    plays = [
        {"account": "a", "profile": f"{HOSTILE}{i}", "title": f"film-{t}", "playable": f"film-{t}", "kind": "watch",
         "completion": 1.0, "happened_at": at(i), "known_at": at(i)}
        for i in range(6) for t in range(4)
    ]  # fmt: skip
    tables = {"titles": pl.DataFrame(named, infer_schema_length=None), "plays": pl.DataFrame(plays)}
    append(studio.store, tables, HOSTILE)
    put_live(studio, studio.lab.train(make("popularity"), studio.view()).id)
    studio.close()
    with console(tmp_path / "studio") as client:
        asked = ["", "/profiles", "/titles", "/titles/film-0", "/data", "/runs", "/search?q=script"]
        asked.append("/profiles/%3Cscript%3Ealert(%22x%22)%3C%2Fscript%3E1")
        for place in asked:
            said = client.get(f"/console{place}")
            assert said.status_code == 200, place
            sound(said.text)
        assert "&lt;script&gt;" in client.get("/console/titles/film-0").text


@given(st.text(min_size=1, max_size=40))
def test_a_poster_s_link_holds_any_id(title: str) -> None:
    made = (
        templates().from_string('{% import "macros.html" as m %}{{ m.poster(t, t, none) }}').render(t=title)
    )
    seen = Seen(made)
    assert seen.tags == ["a", "b", "span"]
    (link,) = (value for name, value in seen.named if name == "href")
    assert link is not None and link.isascii() and not set(link) & set("<>\"' ?#")


@given(
    st.lists(
        st.sampled_from(["fill: none", "stroke: var(--line)", "font-size: 10px"]), max_size=3, unique=True
    )
)
def test_no_style_attribute_is_left_in_a_plot(styles: list[str]) -> None:
    made = attributed(f'<svg><g style="{"; ".join(styles)}"/></svg>')
    assert "style" not in made and made.count("=") == len(styles)


def test_the_api_s_description_leaves_the_console_out(full: TestClient) -> None:
    assert not [path for path in full.get("/openapi.json").json()["paths"] if path.startswith("/console")]
