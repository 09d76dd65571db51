"""What the console works out once: safe among threads, bounded, and never old."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from service_log import at, play
from serving import TOKEN, workspace

from cineloop.lab import Lab
from cineloop.store import Snapshot, append
from cineloop.studio import Studio
from cineloop.web.app import create_app
from cineloop.web.console.kept import Kept
from cineloop.web.settings import Settings


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """The made-up service with two evaluations."""
    made = workspace(tmp_path / "studio")
    for contender, shift in (("popularity", 0.0), ("ease", 0.2)):
        units = [f"m{i}" for i in range(20)]
        scores = pl.DataFrame({"fold": ["day"] * 20, "unit": units, "ndcg@100": [0.3 + shift] * 20})
        made.lab.record(contender, {"name": "a test's", "stage": "test"}, made.store.head_id(), [], scores)
    yield made
    made.close()


@pytest.fixture
def web(studio: Studio) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(studio.folder, TOKEN, look_every=60))) as client:
        yield client


def test_a_second_look_at_the_profiles_scans_no_behaviour(
    web: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.get("/console/titles")  # waits until the shelf is made, which reads behaviour too
    scanned: list[str] = []
    scan = Snapshot.scan

    def noted(self: Snapshot, table: str, *more: Any, **named: Any) -> Any:
        scanned.append(table)
        return scan(self, table, *more, **named)

    monkeypatch.setattr(Snapshot, "scan", noted)
    first = web.get("/console/profiles").text
    assert {"plays", "feedback"} <= set(scanned)
    scanned.clear()
    assert web.get("/console/profiles").text == first and scanned == []
    shown = re.findall(r"<li><a href=\"/console/profiles/\w+\"><b>(\w+)", first)
    studio.guard.object(shown[3])  # an objection counts at once
    assert f">{shown[3]}<" not in web.get("/console/profiles").text
    scanned.clear()
    plays = pl.DataFrame([play("late", f"film-{i}", 101) for i in range(30)], infer_schema_length=None)
    append(studio.store, {"plays": plays}, "more")  # and so does new data
    assert ">late<" in web.get("/console/profiles").text and "plays" in scanned


def test_intervals_of_a_comparison_are_drawn_once(
    web: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []
    table = Lab.table

    def noted(self: Lab, judged: Any, metrics: Any, baseline: Any = None) -> Any:
        drawn.append([each.contender for each in judged])
        return table(self, judged, metrics, baseline)

    monkeypatch.setattr(Lab, "table", noted)
    both = [each.id for each in studio.lab.evaluations()]
    first = web.get("/console/compare", params={"e": both})
    assert first.status_code == 200 and "+0.2000" in first.text
    assert web.get("/console/compare", params={"e": both}).text == first.text and len(drawn) == 1
    turned = web.get("/console/compare", params={"e": both[::-1]})  # the other way round is another answer
    assert "-0.2000" in turned.text and len(drawn) == 2


def test_the_front_page_draws_its_interval_once(
    web: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cineloop.lab import tables

    ours, theirs = (studio.lab.evaluations(contender=c)[0].id for c in ("ease", "popularity"))
    live = studio.lab.live("play/home")
    assert live is not None
    said = {"mean": 0.2, "low": 0.1, "high": 0.3, "units": 20, "margin": 0.0}
    row = {
        "name": "play/home",
        "action": "promote",
        "run": live.id,
        "at": at(101),
        "by": "test",
        "why": "test",
    }
    row |= {"evaluation": ours, "against": theirs, "metric": "ndcg@100", **said}
    with studio.lab.registry.writing() as db:
        db.execute(tables.promotions.insert().values(row))
    calls = 0
    table = Lab.table

    def noted(self: Lab, *asked: Any) -> Any:
        nonlocal calls
        calls += 1
        return table(self, *asked)

    monkeypatch.setattr(Lab, "table", noted)
    first = web.get("/console").text
    assert "ndcg@100" in first and calls == 1
    assert web.get("/console").text == first and calls == 1


def test_each_key_is_made_once_however_many_ask_at_once() -> None:
    kept, made, gate = Kept(8), [], threading.Barrier(4)

    def ask(n: int) -> int:
        gate.wait(10)
        return kept.once(n % 2, lambda: made.append(n % 2) or 10 + n % 2)  # type: ignore[func-returns-value]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [10, 11, 10, 11]
    assert sorted(made) == [0, 1]


def test_what_fails_is_tried_again_and_what_is_old_goes() -> None:
    kept = Kept(2)
    with pytest.raises(ZeroDivisionError):
        kept.once("a", lambda: 1 // 0)
    assert kept.once("a", lambda: 1) == 1
    assert [kept.once(key, lambda: 2) for key in "bc"] == [2, 2]  # three keys: "a" is let go
    assert kept.once("c", lambda: 3) == 2 and kept.once("a", lambda: 4) == 4
