"""Compaction while others write and after it was cut off: each committed event becomes one row."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cineloop.errors import InputError
from cineloop.store import Store
from cineloop.store.compaction import compact, compacted, prune
from cineloop.store.events import Event, EventLog, Horizon

PROGRAM = Path(__file__).with_name("event_writer.py")
COMPACTOR = """
import sys
from pathlib import Path
from cineloop.store import Store
from cineloop.store.compaction import compact
from cineloop.store.events import EventLog
file, url, folder = sys.argv[1:]
log, store = EventLog(Path(file), None if url == "none" else url), Store.open(Path(folder))
print("begun", flush=True)
compact(store, log)
"""
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def play(n: int) -> Event:
    payload = {"title": f"t{n:05}", "kind": "watch", "completion": 1.0}
    return Event(f"k{n}", "plays", f"p{n % 7}", payload, NOW + timedelta(seconds=n))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None


@pytest.fixture
def log(tmp_path: Path, url: str | None) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.sqlite", url)
    yield log
    log.database.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "ws", create=True)


def titles_in(store: Store) -> list[str]:
    return sorted(store.head().scan("plays").select("title").collect()["title"].to_list())


def test_ranges_read_while_two_processes_write_hold_every_event_once(
    log: EventLog, url: str | None, tmp_path: Path
) -> None:
    """The oracle is one read of the whole log after the writers ended."""
    file = tmp_path / "events.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(file), url or "none", str(first)], stdout=subprocess.PIPE
        )
        for first in (0, 1)
    ]
    told: list[bytes] = []
    try:
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == b"begun\n"
        listeners = [threading.Thread(target=lambda w=w: told.append(w.stdout.read())) for w in writers]
        for listener in listeners:
            listener.start()
        seen: list[str] = []
        after: Horizon | None = None
        ranges = 0
        for _ in range(40):
            upto = log.horizon()
            taken = [event.key for events in log.read(after, upto, 50) for event in events]
            ranges += bool(taken)
            seen += taken
            after = upto
            time.sleep(0.01)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    for listener in listeners:
        listener.join()
    seen += [event.key for events in log.read(after, log.horizon()) for event in events]
    everything = [event.key for events in log.read(None, log.horizon()) for event in events]
    assert ranges > 3  # else nothing was shown
    assert {key[:2] for key in seen} == {"0-", "1-"}
    assert sorted(seen) == sorted(everything) and len(set(seen)) == len(seen)
    acknowledged = {line for out in told for line in out.decode().split("\n")[:-1]}
    assert acknowledged and acknowledged <= set(seen)


class Cut(EventLog):
    """A log whose reader fails after some lists, as one whose database goes away."""

    lists = 0

    def read(self, after: Horizon | None, upto: Horizon, size: int = 20_000) -> Iterator[list[Event]]:
        for n, events in enumerate(super().read(after, upto, min(size, 10))):
            if n == self.lists:
                raise InputError("the event log does not answer")
            yield events


def test_a_reader_that_fails_half_way_leaves_the_head_and_the_next_compaction_takes_all(
    log: EventLog, url: str | None, store: Store, tmp_path: Path
) -> None:
    log.append([[play(n) for n in range(20)]])
    compact(store, log)
    log.append([[play(n) for n in range(20, 60)]])
    head = store.head().id
    cut = Cut(tmp_path / "events.sqlite", url)
    for cut.lists in (1, 2, 3):
        with pytest.raises(InputError, match="does not answer"):
            compact(store, cut)
        assert store.head().id == head
    cut.database.close()
    report = compact(store, log)
    assert report is not None and report.added == 40
    assert titles_in(store) == [f"t{n:05}" for n in range(60)] and store.verify() == ()


def test_a_compaction_killed_at_random_moments_doubles_and_loses_nothing(
    log: EventLog, url: str | None, store: Store, tmp_path: Path
) -> None:
    dice, upper = random.Random(5), 0
    for _ in range(3):
        log.append([[play(n) for n in range(upper, upper + 2000)]])
        upper += 2000
        words = [sys.executable, "-c", COMPACTOR, str(tmp_path / "events.sqlite"), url or "none"]
        with subprocess.Popen([*words, str(tmp_path / "ws")], stdout=subprocess.PIPE) as run:
            assert run.stdout is not None and run.stdout.readline() == b"begun\n"
            time.sleep(dice.uniform(0.0, 0.25))
            run.send_signal(signal.SIGKILL)
    compact(store, log)
    assert compact(store, log) is None
    assert titles_in(store) == [f"t{n:05}" for n in range(upper)] and store.verify() == ()


def test_a_compaction_of_an_old_view_of_the_head_doubles_nothing(log: EventLog, store: Store) -> None:
    """The second net: the same range again, from before what is there, is left out row by row."""
    from cineloop.store.compaction import _Range
    from cineloop.store.ingest import ingest

    log.append([[play(n) for n in range(5)]])
    compact(store, log)
    log.append([[play(n) for n in range(5, 8)]])
    report = ingest(store, _Range(log, None, log.horizon()))
    assert report.added == 3 and titles_in(store) == [f"t{n:05}" for n in range(8)]
    assert compact(store, log) is None


def test_pruning_never_goes_beyond_what_the_newest_snapshot_holds(log: EventLog, store: Store) -> None:
    def keys() -> Sequence[str]:
        return [event.key for events in log.read(None, log.horizon()) for event in events]

    log.append([[play(0)], [play(1)]])
    assert prune(store, log, log.horizon()) == 0 and len(keys()) == 2  # no snapshot holds any
    compact(store, log)
    log.append([[play(2)]])
    assert prune(store, log, log.horizon()) == 2 and keys() == ["k2"]
    assert prune(store, log) == 0
    log.append([[play(3)]])
    compact(store, log)
    assert titles_in(store) == [f"t{n:05}" for n in range(4)]
    assert prune(store, log) == 2 and log.count() == 0
    held = compacted(store.head())
    log.append([[play(4)]])  # an emptied log goes on counting where it was
    assert [event.key for event in log.fresh("p4", held)] == ["k4"]
    assert compact(store, log) is not None and titles_in(store)[-1] == "t00004"
