"""The event log and its compaction, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store import Store
from cineloop.store.compaction import compact, compacted
from cineloop.store.events import Event, EventLog, _by_key, checked

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Open = Callable[[], EventLog]


def play(n: int, profile: str = "p", **more: Any) -> Event:
    payload = {"title": f"t{n}", "kind": "watch", "completion": 0.9, **more}
    return Event(f"k{n}", "plays", profile, payload, NOW + timedelta(seconds=n))


@pytest.fixture(params=["sqlite", "postgresql"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    url = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    opened: list[EventLog] = []

    def make() -> EventLog:
        opened.append(EventLog(tmp_path / "events.sqlite", url))
        return opened[-1]

    yield make
    for log in opened:
        log.database.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "ws", create=True)


def titles_in(store: Store) -> list[str]:
    rows = store.head().scan("plays").select("title").collect()
    return sorted(rows["title"])


def test_a_key_again_is_the_same_event_and_another_content_under_it_is_refused(open_log: Open) -> None:
    log = open_log()
    one = log.append([[play(1), play(2)], [play(2), play(3)]])
    assert [(a.accepted, a.repeated) for a in one] == [(2, 0), (1, 1)]
    assert open_log().count() == 3
    with pytest.raises(InputError, match="key 'k1'.*used before"):
        log.append([[play(4), Event("k1", "plays", "p", {"title": "other", "kind": "watch"}, NOW)]])
    assert log.count() == 3  # the whole transaction is gone
    with pytest.raises(InputError, match="key 'k5'.*used before"):
        log.append([[play(5), Event("k5", "plays", "p", {"title": "other", "kind": "watch"}, NOW)]])
    assert log.count() == 3


def test_compaction_takes_each_event_once(open_log: Open, store: Store) -> None:
    log = open_log()
    assert compact(store, log) is None and compacted(store.head()) is None
    log.append([[play(n) for n in range(5)]])
    report = compact(store, log)
    assert report is not None and report.added == 5
    assert compact(store, log) is None
    head = store.head().id
    log.append([[play(n) for n in range(3, 8)]])
    assert [e.key for e in log.fresh("p", compacted(store.head()))] == ["k5", "k6", "k7"]
    assert compact(store, log) is not None and store.head().id != head
    assert titles_in(store) == [f"t{n}" for n in range(8)]
    assert log.fresh("p", compacted(store.head())) == []
    upto = compacted(store.head())
    assert upto is not None and log.prune(upto) == 8 and log.count() == 0


def test_a_row_says_when_it_happened_and_when_we_knew(open_log: Open, store: Store) -> None:
    log = open_log()
    before = NOW - timedelta(days=2)
    log.append([checked([play(1, happened_at=before.isoformat()), play(2)])])
    compact(store, log)
    rows = (
        store.head().scan("plays").sort("title").select("account", "happened_at", "known_at").collect().rows()
    )
    assert rows == [
        ("p", before, NOW + timedelta(seconds=1)),
        ("p", NOW + timedelta(seconds=2), NOW + timedelta(seconds=2)),
    ]


def test_fresh_events_are_one_profiles_own_the_newest_kept_oldest_first(open_log: Open) -> None:
    log = open_log()
    log.append([[play(n, profile="pq"[n % 2]) for n in range(10)]])
    assert [e.key for e in log.fresh("p", None)] == ["k0", "k2", "k4", "k6", "k8"]
    assert [e.key for e in log.fresh("p", None, most=2)] == ["k6", "k8"]
    assert log.fresh("nobody", None) == []


def test_a_late_commit_on_postgres_is_neither_skipped_nor_doubled(
    postgres: str, tmp_path: Path, store: Store
) -> None:
    """One transaction takes its number, stays open while another commits and a compaction runs, then commits."""
    log = EventLog(tmp_path / "unused", postgres)
    slow = log.database.engine.connect()
    transaction = slow.begin()
    log._insert(slow, _by_key([[play(1)]])[0])
    log.append([[play(2)]])
    assert (
        compact(store, log) is None
    )  # what has committed may not be taken before the one that is still open
    transaction.commit()
    slow.close()
    log.append([[play(3)]])
    report = compact(store, log)
    assert report is not None and titles_in(store) == ["t1", "t2", "t3"]
    assert compact(store, log) is None
    log.database.close()


@pytest.mark.parametrize("ends", ["commits", "rolls back"])
def test_a_repeat_that_races_with_the_first_on_postgres_is_counted_once(
    postgres: str, tmp_path: Path, ends: str
) -> None:
    """A client's second try reaches another worker while the first is not yet committed."""
    log, other = EventLog(tmp_path / "unused", postgres), EventLog(tmp_path / "unused", postgres)
    with log.database.engine.connect() as db, ThreadPoolExecutor(1) as beside:
        transaction = db.begin()
        log._insert(db, _by_key([[play(1)]])[0])
        second = beside.submit(other.append, [[play(1)]])
        _until_someone_waits(postgres)
        transaction.commit() if ends == "commits" else transaction.rollback()
        appended = second.result(30)[0]
    assert (appended.accepted, appended.repeated) == ((0, 1) if ends == "commits" else (1, 0))
    assert log.count() == 1
    log.database.close()
    other.database.close()


def test_writers_that_wait_for_each_others_keys_on_postgres_both_end_well(
    postgres: str, tmp_path: Path
) -> None:
    log, other = EventLog(tmp_path / "unused", postgres), EventLog(tmp_path / "unused", postgres)
    with log.database.engine.connect() as db, ThreadPoolExecutor(1) as beside:
        # the server ends the one whose patience ends first: not this one
        db.exec_driver_sql("SET deadlock_timeout = '30s'")
        db.commit()
        transaction = db.begin()
        log._insert(db, _by_key([[play(1)]])[0])
        second = beside.submit(other.append, [[play(2), play(1)]])
        _until_someone_waits(postgres)
        log._insert(db, _by_key([[play(2)]])[0])
        transaction.commit()
        appended = second.result(30)[0]
    assert (appended.accepted, appended.repeated) == (0, 2)
    assert log.count() == 2
    log.database.close()
    other.database.close()


def _until_someone_waits(postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as db:
        for _ in range(500):
            if db.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (0,):
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_what_was_rolled_back_never_appears_on_postgres(postgres: str, tmp_path: Path, store: Store) -> None:
    log = EventLog(tmp_path / "unused", postgres)
    with log.database.engine.connect() as db:
        transaction = db.begin()
        log._insert(db, _by_key([[play(1)]])[0])
        transaction.rollback()
    log.append([[play(2)]])
    compact(store, log)
    assert titles_in(store) == ["t2"]
    log.database.close()


BAD = [
    (Event("k", "titles", "p", {}, NOW), r"events\[0\].table 'titles'"),  # type: ignore[arg-type]
    (play(1, profile=""), r"events\[0\].profile"),
    (Event("", "plays", "p", {"title": "t", "kind": "watch"}, NOW), r"events\[0\].key"),
    (play(1, known_at=NOW.isoformat()), r"events\[0\].known_at"),
    (play(1, nonsense=1), r"events\[0\].nonsense '?1.*accepted: .*completion"),
    (play(1, kind="sleep"), r"events\[0\].kind 'sleep'"),
    (play(1, completion=1.5), r"events\[0\].completion"),
    (play(1, completion="most of it"), r"events\[0\].completion 'most of it'"),
    (play(1, title=None), r"events\[0\].title"),
    (play(1, title=["a"]), r"events\[0\].title"),
    (play(1, happened_at="yesterday"), r"events\[0\].happened_at 'yesterday'"),
    (play(1, happened_at="2026-03-01T12:00:00"), r"events\[0\].happened_at"),
    (play(1, happened_at="2026-03-02T12:00:00Z"), r"events\[0\].happened_at"),
    (
        Event(
            "k", "impressions", "p", {"titles": ["a", "b"], "positions": [0, 1], "propensities": [0.5]}, NOW
        ),
        r"events\[0\].propensities",
    ),
    (
        Event("k", "impressions", "p", {"titles": ["a"], "propensities": [1.5]}, NOW),
        r"events\[0\].propensities",
    ),
]


@pytest.mark.parametrize(("event", "said"), BAD, ids=[said for _, said in BAD])
def test_a_batch_with_a_bad_event_is_refused_whole(event: Event, said: str) -> None:
    with pytest.raises(InputError, match=said):
        checked([event])
    with pytest.raises(InputError, match=said.replace(r"\[0\]", r"\[1\]")):
        checked([play(0), event])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
COLUMNS = ["title", "kind", "playable", "completion", "seconds", "session", "titles", "positions", "value"]
BASE: dict[str, dict[str, Any]] = {
    "plays": {"title": "t", "kind": "watch"},
    "feedback": {"title": "t", "kind": "like"},
    "impressions": {"titles": ["t"]},
}


@settings(max_examples=150, deadline=None)
@given(
    payload=st.dictionaries(st.sampled_from(COLUMNS), JSON, max_size=5),
    table=st.sampled_from(["plays", "feedback", "impressions"]),
)
def test_any_payload_is_taken_or_refused_in_one_line_and_what_is_taken_compacts(
    payload: dict[str, Any], table: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    event = Event("k", table, "p", {**BASE[table], **payload}, NOW)
    try:
        taken = checked([event])
    except InputError as refused:
        assert "\n" not in str(refused) and "events[0]" in str(refused)
        return
    folder = tmp_path_factory.mktemp("events")
    log, store = EventLog(folder / "events.sqlite"), Store.open(folder / "ws", create=True)
    log.append([taken])
    report = compact(store, log)
    log.database.close()
    assert report is not None and report.added == 1 and report.rejected == 0


def test_numbers_are_handed_out_in_the_order_of_commits_on_sqlite(tmp_path: Path) -> None:
    """Two connections that write in turns: each sees all that was committed before, numbered below its own."""
    logs = [EventLog(tmp_path / "events.sqlite") for _ in range(2)]
    for n in range(20):
        log, other = logs[n % 2], logs[(n + 1) % 2]
        before = other.horizon()
        log.append([[play(n)]])
        with log.database.reading() as db:
            seq = db.execute(sa.text("SELECT seq FROM events WHERE key = :k"), {"k": f"k{n}"}).scalar_one()
        assert seq >= before.tx and other.horizon().tx == seq + 1
    for log in logs:
        log.database.close()
