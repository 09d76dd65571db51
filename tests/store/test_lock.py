"""One writer at a time, named to the next one, and gone when it dies; readers are not held up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from toy_source import feedback

from cineloop.errors import InputError
from cineloop.store.collect import collect
from cineloop.store.ingest import append
from cineloop.store.lock import writer_lock
from cineloop.store.workspace import Store

HOLD = """
import sys
from cineloop.store.lock import writer_lock
with writer_lock(sys.argv[1]):
    print("held", flush=True)
    input()
"""


def rows(title: str = "t"):  # type: ignore[no-untyped-def]
    return {"feedback": feedback([{"account": "a", "title": title, "value": 1, "day": 1}])}


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    append(store, rows(), "test")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, store.root / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for write in (lambda: append(store, rows("u"), "test"), lambda: collect(store)):
            with pytest.raises(InputError) as caught:
                write()
            said = rf"another writer is at work: process {holder.pid} since \d{{4}}-\d\d-\d\dT[\d:]+\+00:00; accepted"
            assert re.search(said, str(caught.value))
        assert Store.open(tmp_path).head().scan("feedback").collect().height == 1  # a reader does not wait
        assert Store.open(tmp_path).verify() == ()
        holder.kill()
        holder.wait()
    assert append(store, rows("u"), "test").added == 1  # the kernel gave the lock back


def test_the_lock_holds_within_one_process_too(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with writer_lock(path):
        with pytest.raises(InputError, match=f"process {os.getpid()} since"), writer_lock(path):
            pass
        path.write_text("")  # as between taking the lock and writing one's name
        with pytest.raises(InputError, match="a process that has only just begun"), writer_lock(path):
            pass
    with writer_lock(path):
        pass


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writer_lock(tmp_path / "lock"):
        raise RuntimeError
    with writer_lock(tmp_path / "lock"):
        pass
