"""Events under kill -9, on a full disk, in a folder that can't be written, and in the order of system calls."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cineloop.errors import InputError
from cineloop.store import Store
from cineloop.store.compaction import compact
from cineloop.store.events import Event, EventLog

PROGRAM = Path(__file__).with_name("event_writer.py")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def play(key: str) -> Event:
    return Event(key, "plays", "p", {"title": f"t-{key}", "kind": "watch", "completion": 1.0}, NOW)


def kill_at_random(folder: Path, url: str | None, kills: int) -> None:
    """Writers killed one after another on one log, compactions between; then the reckoning."""
    file = folder / "events.sqlite"
    store = Store.open(folder / "ws", create=True)
    dice = random.Random(11)
    acknowledged: list[str] = []
    for kill in range(kills):
        with subprocess.Popen(
            [sys.executable, str(PROGRAM), str(file), url or "none", str(kill)],
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout is not None and run.stdout.readline() == "begun\n"
            time.sleep(dice.uniform(0.02, 0.4))
            run.send_signal(signal.SIGKILL)
            lines = run.stdout.read().split("\n")
            acknowledged += lines[:-1]  # the last may be torn, or empty
            assert run.wait() == -signal.SIGKILL
        if kill % 3 == 0:
            log = EventLog(file, url)
            compact(store, log)
            log.database.close()
    log = EventLog(file, url)
    compact(store, log)
    titles = store.head().scan("plays").select("title").collect()["title"].to_list()
    log.database.close()
    assert len(acknowledged) > kills  # else nothing was shown
    assert len(titles) == len(set(titles)), "an event was doubled"
    lost = {f"t-{key}" for key in acknowledged} - set(titles)
    assert not lost, f"{len(lost)} acknowledged events were lost"
    assert store.verify() == ()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None


def test_three_kills_under_event_load(tmp_path: Path, url: str | None) -> None:
    kill_at_random(tmp_path, url, 3)


@pytest.mark.soak
def test_twenty_kills_under_event_load(tmp_path: Path, url: str | None) -> None:
    kill_at_random(tmp_path, url, 20)


def test_a_full_disk_is_one_line_and_nothing_is_half_written(tmp_path: Path) -> None:
    """SQLite is given a few more pages than it has: the same answer that a full disk gives it."""
    log = EventLog(tmp_path / "events.sqlite")
    log.append([[play("before")]])
    with log.database.engine.connect() as db:
        pages = int(db.exec_driver_sql("PRAGMA page_count").scalar_one())

    log.database._connection().execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(InputError, match="the event log does not answer: .*full") as full:
        log.append([[play(f"{n}-{'x' * 100}") for n in range(2000)]])
    assert "\n" not in str(full.value)
    log.database.close()
    again = EventLog(tmp_path / "events.sqlite")
    assert again.count() == 1 and again.append([[play("after")]])[0].accepted == 1
    again.database.close()


def test_a_place_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").mkdir()
    with pytest.raises(InputError, match="the event log does not answer") as refused:
        EventLog(tmp_path / "events.sqlite")
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="the event log does not answer"):
        EventLog(tmp_path / "missing" / "events.sqlite")


def test_a_disk_that_is_full_is_one_line_and_with_room_again_it_goes_on(tmp_path: Path) -> None:
    """A real small file system, filled by something else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    words = [mount or "mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system may not be mounted here")
    try:
        log = EventLog(disk / "events.sqlite")
        log.append([[play("before")]])
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096) == 4096:
                pass
        with pytest.raises(InputError, match="the event log does not answer") as full:
            log.append([[play(f"{n}-{'x' * 100}") for n in range(500)]])
        assert "\n" not in str(full.value) and "events.sqlite" in str(full.value)
        filler.unlink()
        assert log.count() == 1 and log.append([[play("after")]])[0].accepted == 1
        log.database.close()
        again = EventLog(disk / "events.sqlite")
        assert [e.key for e in again.fresh("p", None)] == ["before", "after"]
        again.database.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_folder_is_one_line_and_once_writable_it_goes_on() -> None:
    """Root may write anywhere, so root becomes nobody for the moment of the attempt."""
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))
    try:
        log = EventLog(folder / "events.sqlite")
        log.append([[play("before")]])
        log.database.close()
        (folder / "events.sqlite").chmod(0o444)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            for name in ("events.sqlite", "new.sqlite"):
                with pytest.raises(InputError, match="the event log does not answer") as refused:
                    EventLog(folder / name)
                assert "\n" not in str(refused.value)
        finally:
            if root:
                os.seteuid(0)
        folder.chmod(0o755)
        (folder / "events.sqlite").chmod(0o644)
        assert sorted(path.name for path in folder.iterdir()) == [".events.sqlite.queue", "events.sqlite"]
        again = EventLog(folder / "events.sqlite")
        assert again.append([[play("after")]])[0].accepted == 1 and again.count() == 2
        again.database.close()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_the_log_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    """Of the first acknowledged event: its bytes reach the write-ahead log, the log is synced, then the word."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    out = tmp_path / "trace"
    words = [strace, "-f", "-y", "-s", "16", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", str(out)]
    with subprocess.Popen(
        [*words, sys.executable, str(PROGRAM), str(tmp_path / "events.sqlite"), "none", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        if run.stdout.readline() != "begun\n":
            pytest.skip(f"strace may not trace here: {run.stderr.readline()}")
        for _ in range(5):
            run.stdout.readline()
        run.kill()
    kinds = []
    for line in out.read_text(errors="replace").splitlines():
        if re.search(r"pwrite64\(\d+<.*events\.sqlite-wal>", line):
            kinds.append("wal")
        elif re.search(r"f(data)?sync\(\d+<.*events\.sqlite-wal>", line):
            kinds.append("sync")
        elif re.search(r'write\(1<.*>, "0-\d+-\d+', line):
            kinds.append("say")
    first = kinds.index("say")
    assert "wal" in kinds[:first] and "sync" in kinds[:first]
    last_write = max(i for i, kind in enumerate(kinds[:first]) if kind == "wal")
    assert "sync" in kinds[last_write:first], kinds[:first]
