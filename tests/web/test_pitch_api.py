"""Pitches over REST: answers that say how sure they are, 503 until a forecaster is there, and bad pitches by field."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pitch_service import DAY, PITCH, answered, films
from serving import AUTH, TOKEN

from cineloop.pitch.brief import Pitch
from cineloop.pitch.decide import forecast
from cineloop.studio import Studio
from cineloop.web.api import pitch as api
from cineloop.web.api.pitch import EXAMPLE, SLATE
from cineloop.web.app import create_app
from cineloop.web.making import Making
from cineloop.web.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("pitch-api")
    films(place).close()
    return place / "studio"


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(folder, TOKEN, look_every=60))) as client:
        yield client


def asked(web: TestClient, what: str, body: object) -> dict[str, Any]:
    said = answered(web, f"/v1/pitch/{what}", body, AUTH)
    assert said.status_code == 200, said.text
    found: dict[str, Any] = said.json()
    return found


def test_a_forecast_is_a_decision_with_its_interval_and_evidence(web: TestClient, folder: Path) -> None:
    said = asked(web, "forecast", PITCH)
    answer = said["answer"]
    assert said["action"] == "pitch.forecast" and said["verdict"]["allowed"]
    assert answer["interval"][0] < answer["median"] < answer["interval"][1]
    assert said["uncertainty"] == {
        "kind": "interval",
        "low": answer["interval"][0],
        "high": answer["interval"][1],
        "level": 0.8,
    }
    amounts = [q["amount"] for q in answer["quantiles"]]
    assert amounts == sorted(amounts)
    assert next(q["amount"] for q in answer["quantiles"] if q["level"] == 0.5) == pytest.approx(
        answer["median"]
    )
    assert {e["kind"] for e in said["evidence"]} == {"comparable", "driver"}
    # the films were made so that the median takes 2.2 times the budget: the model has to find it, roughly
    assert 0.6 < answer["median"] / (2.2 * PITCH["budget"]) < 1.7  # type: ignore[operator]
    studio = Studio(folder)
    same = forecast(studio, Pitch.checked(PITCH)).answer
    studio.close()
    assert same.median == pytest.approx(answer["median"])


def test_comparables_say_why(web: TestClient) -> None:
    said = asked(web, "comparables", {"pitch": PITCH, "k": 4})["answer"]
    assert len(said["films"]) == 4
    assert all(film["why"] and film["known"] <= DAY for film in said["films"])
    shares = [sum(film["shares"].values()) for film in said["films"]]
    assert np.allclose(shares, [film["similarity"] for film in said["films"]])


def test_whatif_moves_the_distribution_and_is_silent_about_people(web: TestClient) -> None:
    changes = [{"budget": 60_000_000}, {"cast": ["Star 1"]}, {"genres": None}]
    dearer, cast, unknown = asked(web, "whatif", {"pitch": PITCH, "changes": changes})["answer"]["variants"]
    assert dearer["factor"] > 1.5 and not dearer["silent"]
    assert cast["factor"] == 1.0 and cast["silent"]
    assert [lever["field"] for lever in unknown["levers"]] == ["genres"]


def test_a_slate_keeps_its_budget_and_is_proven(web: TestClient) -> None:
    said = asked(web, "slate", SLATE)["answer"]
    assert said["proven"] and said["cost"] <= SLATE["budget"]  # type: ignore[operator]
    assert said["expected"] == pytest.approx(sum(part["expected"] for part in said["chosen"]))


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("forecast", PITCH | {"budget": -1}, "budget"),
        ("forecast", PITCH | {"moment": "later"}, "moment"),
        ("forecast", PITCH | {"stars": 5}, "stars"),
        ("forecast", PITCH | {"release": "1850-01-01"}, "release"),
        ("comparables", {"pitch": PITCH, "k": 0}, "k"),
        ("whatif", {"pitch": PITCH, "changes": [{"decided": DAY}]}, "changes.0.decided"),
        ("whatif", {"pitch": PITCH, "changes": [{"name": None}]}, "changes.0.name"),
        ("whatif", {"pitch": PITCH, "changes": [{}], "tell": False}, "changes"),
        ("whatif", {"pitch": PITCH, "changes": [{"release": "2001-01-01"}], "tell": False}, None),
        ("slate", SLATE | {"correlation": None}, "correlation"),
        ("slate", SLATE | {"scenarios": 20_000}, "scenarios"),
        (
            "slate",
            SLATE
            | {"candidate": [{"name": "a", "cost": 1, "year": 2018, "genre": "x", "pitch": "/etc/hostname"}]},
            "candidate.0.gross",
        ),
    ],
)
def test_what_cannot_be_taken_is_named(web: TestClient, what: str, body: object, field: str | None) -> None:
    said = answered(web, f"/v1/pitch/{what}", body, AUTH)
    assert said.status_code == 422, said.text
    assert said.json().get("field") == field and "\n" not in said.json()["detail"]


@pytest.mark.parametrize("later", ["votes", "score", "gross", "popularity"])
def test_what_is_known_only_after_the_release_is_refused(web: TestClient, later: str) -> None:
    said = web.post("/v1/pitch/forecast", json=PITCH | {later: 7}, headers=AUTH)
    assert said.status_code == 422 and f"{later} is known only after the release" in said.json()["detail"]


def test_a_token_is_needed(web: TestClient) -> None:
    for what in ("forecast", "comparables", "whatif", "slate"):
        assert web.post(f"/v1/pitch/{what}", json=PITCH).status_code == 401


def test_without_films_it_says_how_to_get_them_and_not_where_it_lies(tmp_path: Path) -> None:
    Studio(tmp_path / "new", create=True).close()
    with TestClient(create_app(Settings(tmp_path / "new", TOKEN, look_every=60))) as client:
        said = answered(client, "/v1/pitch/forecast", EXAMPLE, AUTH)
    assert said.status_code == 422 and "cineloop data ingest" in said.json()["accepted"]
    assert said.json()["field"] == "decided" and str(tmp_path) not in said.text


def test_a_day_by_which_too_little_was_known_is_named(web: TestClient) -> None:
    said = answered(web, "/v1/pitch/forecast", PITCH | {"decided": "1996-01-01"}, AUTH)
    assert said.status_code == 422 and said.json()["field"] == "decided"


def test_what_is_in_the_making_is_not_waited_for_and_made_once() -> None:
    making, go = Making(), threading.Event()
    made: list[int] = []

    def slow() -> str:
        go.wait(20)
        made.append(1)
        return "there"

    assert making.look("a", slow) is None and making.look("a", slow) is None
    go.set()
    assert making.look("a", slow, wait=20) == "there" and made == [1]


def test_what_fails_in_the_making_is_told_once_and_tried_again() -> None:
    making, tried = Making(), iter([ValueError("no"), None])

    def fails_first() -> str:
        if (wrong := next(tried)) is not None:
            raise wrong
        return "there"

    with pytest.raises(ValueError, match="no"):
        making.look("a", fails_first, wait=20)
    assert making.look("a", fails_first, wait=20) == "there"


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    making, made = Making(most=2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        making.look(key, lambda key=key: made.append(key) or key, wait=20)  # type: ignore[misc, func-returns-value]
    assert made == ["a", "b", "c", "b"]


def test_no_more_wait_for_their_turn_than_may() -> None:
    making, go = Making(due=2), threading.Event()
    begun = threading.Event()
    making.look("first", lambda: begun.set() or go.wait(20))
    assert begun.wait(20)
    for key in ("second", "third", "fourth"):
        assert making.look(key, lambda: "made") is None
    go.set()
    assert making.look("third", lambda: "again", wait=20) == "made"
    assert making.look("fourth", lambda: "later", wait=20) == "later"  # it was not taken the first time


def test_until_the_forecaster_is_there_it_says_when_to_come_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PATIENCE", 0.0)
    body = PITCH | {"moment": "release", "release": "2012-06-01"}
    with TestClient(create_app(Settings(folder, TOKEN, look_every=60))) as client:
        said = client.post("/v1/pitch/forecast", json=body, headers=AUTH)
        assert said.status_code == 503 and int(said.headers["retry-after"]) > 0
        assert answered(client, "/v1/pitch/forecast", body, AUTH).status_code == 200
