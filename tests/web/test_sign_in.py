"""Signing in to the console where reads are guarded: the token once, then a session that reads and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from serving import AUTH, TOKEN, workspace

from cineloop.web.app import create_app
from cineloop.web.console.sessions import COOKIE, LASTS, onward, session, valid
from cineloop.web.settings import Settings

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("sign-in") / "studio"
    workspace(place).close()
    return place


@pytest.fixture
def web(folder: Path) -> Iterator[TestClient]:
    """A browser that follows nothing by itself, at a server that others can reach."""
    settings = Settings(folder, TOKEN, guarded_reads=True, look_every=60)
    with TestClient(create_app(settings), follow_redirects=False, headers=HTML) as client:
        yield client


def signed_in(web: TestClient, **more: str) -> None:
    said = web.post("/console/sign-in", data={"token": TOKEN, **more})
    assert said.status_code == 303, said.text


def test_a_browser_is_led_to_sign_in_and_back(web: TestClient) -> None:
    led = web.get("/console/runs?x=1")
    assert led.status_code == 303 and led.headers["location"].startswith("/console/sign-in?next=")
    form = web.get(led.headers["location"])
    assert (
        form.status_code == 200 and 'value="/console/runs?x=1"' in form.text and "Sign out" not in form.text
    )
    back = web.post("/console/sign-in", data={"token": TOKEN, "next": "/console/runs?x=1"})
    assert back.status_code == 303 and back.headers["location"] == "/console/runs?x=1"
    kept = back.headers["set-cookie"].lower()
    assert all(word in kept for word in ("httponly", "samesite=strict", "path=/console", f"max-age={LASTS}"))
    assert TOKEN not in unquote(kept)  # the cookie is no token
    page = web.get("/console/runs?x=1")
    assert page.status_code == 200 and "Sign out" in page.text
    assert web.get("/").status_code in (303, 307)  # it leads on, or to sign in: its cookie is the console's


def test_a_wrong_token_is_said_and_gives_nothing(web: TestClient) -> None:
    for token in ("", "wrong", TOKEN + "x", "ö"):
        said = web.post("/console/sign-in", data={"token": token})
        assert said.status_code == 403 and 'role="alert"' in said.text and "set-cookie" not in said.headers
    long = web.post("/console/sign-in", data={"token": "x" * 10_000})
    assert long.status_code == 403
    assert web.post("/console/sign-in", content=b"\xff\xfe").status_code == 403
    assert web.get("/console").status_code == 303


def test_a_session_reads_the_console_and_opens_nothing_else(web: TestClient) -> None:
    signed_in(web)
    value = {"Cookie": f"{COOKIE}={web.cookies[COOKIE]}"}
    assert web.get("/console", headers=value).status_code == 200
    # sent where a browser would not send it, it is worth nothing
    assert web.get("/v1/runs", headers=value).status_code == 401
    event = {"kind": "play", "key": "k", "profile": "me", "title": "film-1"}
    assert web.post("/v1/events", json={"events": [event]}, headers=value).status_code == 401
    assert web.post("/console/runs", headers=value).status_code == 401
    assert web.get("/v1/runs", headers=AUTH).status_code == 200


def test_signing_out_forgets_it_and_another_site_can_not_do_it(web: TestClient) -> None:
    signed_in(web)
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert "set-cookie" not in web.post("/console/sign-out", headers=foreign).headers
    assert web.post("/console/sign-in", data={"token": TOKEN}, headers=foreign).status_code == 403
    assert web.get("/console").status_code == 200
    assert web.post("/console/sign-out", headers={"Origin": "null"}).status_code == 303
    assert web.get("/console").status_code == 303


def test_what_is_no_browser_gets_a_problem_and_the_looks_need_no_session(web: TestClient) -> None:
    said = web.get("/console", headers={"Accept": "*/*"})
    assert said.status_code == 401 and said.headers["content-type"] == "application/problem+json"
    assert web.get("/console", headers={"Accept": "*/*", **AUTH}).status_code == 200
    assert web.get("/console/static/console.css").status_code == 200


def test_on_a_loopback_there_is_nothing_to_sign_in_to(folder: Path) -> None:
    with TestClient(create_app(Settings(folder, TOKEN, look_every=60)), follow_redirects=False) as web:
        assert web.get("/console").status_code == 200
        led = web.get("/console/sign-in?next=/console/data")
        assert led.status_code == 303 and led.headers["location"] == "/console/data"


def test_a_session_ends_by_time_and_by_a_new_token() -> None:
    value = session(TOKEN, 1000.9)
    assert valid(value, TOKEN, 1000.9) and valid(value, TOKEN, 1000 + LASTS - 1)
    assert not valid(value, TOKEN, 1000 + LASTS) and not valid(
        value, TOKEN, 999
    )  # too late; given later than now
    assert not valid(value, "another", 1001) and not valid(value.replace("1000", "9000"), TOKEN, 9001)


@given(st.text(max_size=80))
def test_nothing_but_what_was_given_is_a_session(value: str) -> None:
    assert not valid(value, TOKEN, 1001)


@given(st.one_of(st.text(max_size=40), st.text("/:.\\?#@acdelnosx%\n", max_size=20).map("/console".__add__)))
def test_signing_in_never_leads_elsewhere(place: str) -> None:
    to = onward(place)
    path = to.partition("?")[0]
    assert path == "/console" or path.startswith(("/console/", "/console?"))
    assert "//" not in path and "\\" not in path and "\n" not in to and ".." not in path
