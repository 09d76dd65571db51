"""The API in this process: what it answers, refuses and logs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_log import put_live
from serving import AUTH, TOKEN, workspace

from cineloop.lab.recipe import make
from cineloop.studio import Studio
from cineloop.web.app import create_app
from cineloop.web.live import Live
from cineloop.web.settings import Settings, workspace_token


@pytest.fixture
def app(tmp_path: Path) -> Iterator[TestClient]:
    workspace(tmp_path / "studio").close()
    settings = Settings(tmp_path / "studio", TOKEN, explore=False, look_every=0.05)
    live = Live(settings)
    live.look()
    with TestClient(create_app(settings, live)) as client:
        yield client


def watch(*films: int, key: str = "b") -> dict[str, Any]:
    events = [
        {
            "table": "plays",
            "profile": "me",
            "key": f"{key}-{n}",
            "payload": {"title": f"film-{n}", "kind": "watch", "completion": 1.0},
        }
        for n in films
    ]
    return {"events": events}


def test_a_home_is_a_decision_with_reasons_and_propensities(app: TestClient) -> None:
    said = app.get("/v1/profiles/me/home", params={"row_length": 4})
    assert said.status_code == 200
    decision = said.json()
    assert (
        decision["verdict"]["rules"] == ["policy:home-for-its-member"]
        and decision["made_by"][0]["kind"] == "run"
    )
    top = next(row for row in decision["answer"]["rows"] if row["kind"] == "top-picks")
    assert all(card["reason"]["text"] and card["propensity"] == 1.0 for card in top["cards"])


def test_a_fresh_play_changes_the_next_home(app: TestClient) -> None:
    before = app.get("/v1/profiles/me/home").json()["answer"]["rows"]
    (first,) = [row["cards"][0]["title"] for row in before if row["kind"] == "top-picks"]
    taken = app.post("/v1/events", json=watch(int(first.split("-")[1])), headers=AUTH)
    assert taken.status_code == 200 and taken.json() == {"accepted": 1, "repeated": 0}
    after = app.get("/v1/profiles/me/home").json()["answer"]["rows"]
    assert first not in [
        card["title"] for row in after if row["chooses"] == "unseen" for card in row["cards"]
    ]
    assert app.post("/v1/events", json=watch(int(first.split("-")[1])), headers=AUTH).json() == {
        "accepted": 0,
        "repeated": 1,
    }


def test_a_batch_key_makes_each_event_idempotent(app: TestClient) -> None:
    batch = {
        "events": [{"table": "feedback", "profile": "me", "payload": {"title": "film-1", "kind": "like"}}]
    }
    assert app.post("/v1/events", json=batch, headers=AUTH).status_code == 422  # no key at all
    keyed = AUTH | {"Idempotency-Key": "today-1"}
    assert app.post("/v1/events", json=batch, headers=keyed).json()["accepted"] == 1
    assert app.post("/v1/events", json=batch, headers=keyed).json()["repeated"] == 1
    batch["events"][0]["payload"]["kind"] = "dislike"  # type: ignore[index]
    assert app.post("/v1/events", json=batch, headers=keyed).status_code == 409


def test_a_bad_event_refuses_the_batch_with_its_place(app: TestClient) -> None:
    batch = watch(1, 2)
    batch["events"][1]["payload"]["completion"] = 7
    said = app.post("/v1/events", json=batch, headers=AUTH)
    assert said.status_code == 422 and said.headers["content-type"] == "application/problem+json"
    assert said.json()["field"] == "events[1].completion" and said.json()["value"] == "7.0"
    assert (
        app.post("/v1/events", json=watch(1), headers=AUTH).json()["accepted"] == 1
    )  # nothing of it was kept


def test_writes_need_the_token_and_a_length(app: TestClient) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        said = app.post("/v1/events", json=watch(1), headers=headers)
        assert said.status_code == 401 and said.headers["www-authenticate"] == "Bearer"
    big = app.post("/v1/events", content=b"x" * (5 << 20), headers=AUTH)
    assert big.status_code == 413
    chunks = app.post("/v1/events", content=iter([b"{}"]), headers=AUTH)
    assert chunks.status_code == 413


def test_reads_need_it_too_where_they_are_guarded(tmp_path: Path) -> None:
    workspace(tmp_path / "studio").close()
    settings = Settings(tmp_path / "studio", TOKEN, guarded_reads=True)
    with TestClient(create_app(settings)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/runs").status_code == 401
        assert client.get("/v1/runs", headers=AUTH).status_code == 200


def test_search_forgives_typing(app: TestClient) -> None:
    found = app.get("/v1/search", params={"q": "flim 12"}).json()["found"]
    assert "film-12" in [hit["title"] for hit in found[:3]]
    assert app.get("/v1/search", params={"q": "Film 7"}).json()["found"][0] == {
        "title": "film-7",
        "name": "Film 7",
        "year": 2020,
        "score": 1.0,
    }
    assert app.get("/v1/search", params={"q": "show"}).json()["found"][0]["title"] == "show"
    assert app.get("/v1/search", params={"q": "zzzz"}).json()["found"] == []


def test_titles_and_what_is_near(app: TestClient) -> None:
    page = app.get("/v1/titles", params={"genre": "horror", "limit": 5, "offset": 10}).json()
    assert page["total"] == 12 and len(page["titles"]) == 2
    show = app.get("/v1/titles/show").json()
    assert show["episodes"] == ["show-1-1", "show-1-2", "show-2-1", "show-2-2"]
    near = app.get("/v1/titles/film-3/similar", params={"limit": 3}).json()["similar"]
    assert len(near) == 3 and all(int(n["title"].split("-")[1]) % 3 == 0 for n in near)
    assert app.get("/v1/titles/nothing").status_code == 404
    assert app.get("/v1/titles/nothing/similar").status_code == 404
    assert app.get("/v1/titles", params={"genre": "Opera"}).status_code == 422


def test_runs_and_readiness_and_figures(app: TestClient) -> None:
    (run,) = app.get("/v1/runs").json()["runs"]
    assert run["live"] and app.get(f"/v1/runs/{run['id'][:8]}").json() == run
    assert app.get("/v1/runs/ffff").status_code == 404
    assert app.get("/readyz").json()["run"] == run["id"] and app.get("/healthz").json() == {"status": "ok"}
    text = app.get("/metrics").text
    assert 'route="/v1/runs/{run}"' in text and run["id"][:8] not in text


def test_nothing_live_is_503_and_not_an_error(tmp_path: Path) -> None:
    Studio(tmp_path / "studio", create=True).close()
    with TestClient(create_app(Settings(tmp_path / "studio", TOKEN))) as client:
        for path in ("/readyz", "/v1/profiles/me/home", "/v1/titles", "/v1/search?q=a"):
            said = client.get(path)
            assert said.status_code == 503 and "promote" in said.json()["accepted"]
        assert client.get("/healthz").status_code == 200


def test_an_objection_is_403_with_its_rule_and_cure(app: TestClient) -> None:
    live: Live = app.app.state.live  # type: ignore[attr-defined]
    live.studio.guard.object("me")
    said = app.get("/v1/profiles/me/home")
    assert said.status_code == 403 and said.json()["rules"] == ["gdpr:21-objection"]
    assert "profiling=off" in said.json()["accepted"]
    assert app.get("/v1/profiles/me/home", params={"profiling": "off"}).status_code == 200


def test_another_run_going_live_is_swapped_in(app: TestClient) -> None:
    live: Live = app.app.state.live  # type: ignore[attr-defined]
    before = app.get("/v1/profiles/me/home").json()["made_by"][0]["ref"]
    run = live.studio.lab.train(make("knn"), live.studio.view())
    put_live(live.studio, run.id)
    assert live.look() or live.swaps == 2
    after = app.get("/v1/profiles/me/home").json()["made_by"][0]["ref"]
    assert after == run.id != before and not live.look()


def test_no_profile_and_no_title_stands_in_the_logs(
    app: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        app.get("/v1/profiles/somebody-special/home?genre=Opera-buffa")
        app.get("/v1/profiles/me/home")
        app.post("/v1/events", json=watch(7, key="special-key"), headers=AUTH)
        app.get("/v1/search", params={"q": "special-words"})
    lines = [
        json.dumps(getattr(r, "about", {})) + r.getMessage()
        for r in caplog.records
        if r.name.startswith("cineloop")
    ]
    assert any("/v1/profiles/{profile}/home" in line for line in lines)
    assert not any(
        word in line for line in lines for word in ("somebody", "special", "Opera", "film-7", TOKEN)
    )


def test_the_token_is_made_once_and_only_its_owner_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CINELOOP_TOKEN", raising=False)
    token, made = workspace_token(tmp_path)
    assert made and len(token) > 30 and workspace_token(tmp_path) == (token, False)
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("CINELOOP_TOKEN", "told")
    assert workspace_token(tmp_path) == ("told", False)
