"""Real servers: several workers on one workspace, a fresh play seen by all, runs swapped under load."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from service_log import put_live
from serving import AUTH, server, workspace

from cineloop.lab.recipe import make
from cineloop.studio import Studio


def shown(answer: dict[str, object]) -> set[str]:
    rows = answer["answer"]["rows"]  # type: ignore[index]
    return {card["title"] for row in rows if row["chooses"] == "unseen" for card in row["cards"]}


def test_a_fresh_play_changes_the_next_home_in_every_worker(tmp_path: Path) -> None:
    workspace(tmp_path / "studio").close()
    with server(tmp_path / "studio", "--workers", "3", "--no-explore") as (client, _):
        first = client.get("/v1/profiles/me/home").json()
        title = next(
            c["title"] for row in first["answer"]["rows"] if row["kind"] == "top-picks" for c in row["cards"]
        )
        event = {
            "table": "plays",
            "profile": "me",
            "key": "k",
            "payload": {"title": title, "kind": "watch", "completion": 1.0},
        }
        assert client.post("/v1/events", json={"events": [event]}, headers=AUTH).json()["accepted"] == 1
        for _ in range(30):  # more than the workers there are
            with_connection = client.get("/v1/profiles/me/home", headers={"Connection": "close"})
            assert title not in shown(with_connection.json())
        assert 'status="200"' in client.get("/metrics").text


def test_promoting_and_rolling_back_fails_no_request(tmp_path: Path) -> None:
    studio = workspace(tmp_path / "studio")
    runs = [studio.lab.live("play/home")]
    with server(tmp_path / "studio", "--workers", "2") as (client, _):
        codes: list[int] = []
        seen: set[str] = set()
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                said = client.get("/v1/profiles/me/home", headers={"Connection": "close"})
                codes.append(said.status_code)
                seen.add(said.json()["made_by"][0]["ref"])

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for recipe in ("knn", "popularity"):
            run = studio.lab.train(make(recipe), studio.view())
            put_live(studio, run.id)
            runs.append(run)
            until = time.monotonic() + 20
            while run.id not in seen and time.monotonic() < until:
                time.sleep(0.05)
        studio.lab.rollback("play/home")
        time.sleep(2.5)
        stop.set()
        for thread in threads:
            thread.join()
    assert set(codes) == {200} and len(codes) > 20
    assert {run.id for run in runs if run is not None} <= seen


def test_the_server_binds_to_this_machine_and_says_no_more_than_it_should(tmp_path: Path) -> None:
    workspace(tmp_path / "studio").close()
    with server(tmp_path / "studio") as (client, log):
        client.get("/v1/profiles/somebody-special/home")
        headers = client.get("/healthz").headers
        assert headers["x-content-type-options"] == "nosniff" and "server" not in headers
    said = log.read_text()
    assert "127.0.0.1" in said and "/v1/profiles/{profile}/home" in said and "somebody-special" not in said


def test_an_empty_folder_is_no_workspace_to_serve(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no workspace here"), server(tmp_path / "nothing"):
        pass
    assert isinstance(Studio(tmp_path / "made", create=True), Studio)
