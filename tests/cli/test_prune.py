"""`cineloop data prune`: only events that have been in the tables for long enough leave the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from said import Said

from cineloop.doctor.folder import workspace
from cineloop.store.compaction import compacted, settled
from cineloop.store.events import Event
from cineloop.studio import Studio


def play(n: int) -> Event:
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=n)
    return Event(f"k{n}", "plays", "p", {"title": f"t{n}", "kind": "watch", "completion": 1.0}, at)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Five events in the tables, three more in the log alone."""
    studio = Studio(tmp_path / "studio", create=True)
    studio.append([play(n) for n in range(5)])
    studio.compact()
    studio.append([play(n) for n in range(5, 8)])
    return studio


def test_what_came_in_lately_or_not_at_all_stays(cineloop: Callable[..., Said], studio: Studio) -> None:
    said = cineloop("data", "prune")
    assert said.code == 0 and said.out == "0 events removed from the log, 8 stay\n"
    assert json.loads(cineloop("data", "prune", "--keep-days", "0", "--json").out) == {
        "removed": 5,
        "left": 3,
    }
    assert [e.key for e in studio.events.fresh("p", None)] == ["k5", "k6", "k7"]
    assert cineloop("data", "compact").code == 0  # what was left is taken as if nothing had been removed
    assert studio.store.head().rows("plays") == 8
    assert cineloop("data", "prune", "--keep-days", "-1").code == 2
    studio.close()


def test_an_empty_workspace_has_nothing_to_remove(cineloop: Callable[..., Said], tmp_path: Path) -> None:
    Studio(tmp_path / "studio", create=True).close()
    assert json.loads(cineloop("data", "prune", "--json").out) == {"removed": 0, "left": 0}


def test_settled_looks_at_when_a_compaction_was(studio: Studio) -> None:
    first = compacted(studio.store.head())
    at = datetime.fromisoformat(studio.store.head().ingestions[-1].ingested_at)
    assert (
        settled(studio.store.head(), at) is None
        and settled(studio.store.head(), at + timedelta(seconds=1)) == first
    )
    studio.close()


def test_the_doctor_tells_of_what_lies_there_for_long(studio: Studio, tmp_path: Path) -> None:
    def cures(now: datetime) -> list[str]:
        return [f.mend for f in workspace(tmp_path / "studio", now) if f.check == "events"]

    now = datetime.now(UTC)
    assert cures(now) == ["cineloop turn"]
    assert cures(now + timedelta(days=8)) == ["cineloop data prune", "cineloop turn"]
    studio.close()
